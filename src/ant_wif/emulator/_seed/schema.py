"""The structure of a seed file. Imported at first use: few emulators have one."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ant_wif.emulator._admin.schemas import Discovery, Jwks, JwtLifetime, Match, Role, Strict, TokenLifetime


class SeededOrganization(Strict):
    id: str = ""
    name: str = ""


class SeededWorkspace(Strict):
    name: str
    id: str = ""


class SeededServiceAccount(Strict):
    name: str
    id: str = ""
    description: str = ""
    organization_role: Role = "developer"
    workspaces: list[str] = Field(default_factory=list)


class SeededIssuer(Strict):
    name: str
    issuer_url: str = ""
    platform: str = ""
    jwks: Jwks = Discovery.model_construct(type="discovery")
    max_jwt_lifetime_seconds: JwtLifetime = 0
    check_jti: bool = True


class SeededRule(Strict):
    name: str
    issuer: str
    service_account: str
    match: Match
    id: str = ""
    description: str = ""
    workspaces: list[str] = Field(default_factory=list)
    applies_to_all_workspaces: bool = False
    oauth_scope: str = ""
    token_lifetime_seconds: TokenLifetime = 0


class SeededApiKey(Strict):
    key: str
    workspace: str = ""


class Seed(Strict):
    """The values of a section that is left out are of no interest: the file itself is read on."""

    organization: SeededOrganization = SeededOrganization.model_construct()
    workspaces: list[SeededWorkspace] = Field(default_factory=list)
    service_accounts: list[SeededServiceAccount] = Field(default_factory=list)
    issuers: list[SeededIssuer] = Field(default_factory=list)
    rules: list[SeededRule] = Field(default_factory=list)
    api_keys: list[SeededApiKey] = Field(default_factory=list)
    models: Annotated[list[str], Field(min_length=1)] = Field(default_factory=list)
