"""The fields of a profile and of a credentials file. Unknown fields are kept."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ant_wif._secrets import SecretStr, is_sendable, sanitize, sanitize_path
from ant_wif._strict import problem_in_words
from ant_wif.errors import ProfileError

log = logging.getLogger("ant_wif.profiles")

_ALL_TIME = 10**12
_Model = TypeVar("_Model", bound=BaseModel)

Text = Annotated[str | None, AfterValidator(lambda value: (value or "").strip() or None)]
"""A text field without the white space around it; left out and left empty mean the same."""


Secret = Annotated[SecretStr | None, AfterValidator(lambda value: value or None)]
"""A secret field, likewise."""


def _sendable(secret: SecretStr | None) -> SecretStr | None:
    if secret is not None and not is_sendable(secret):
        raise ValueError("holds a character that no HTTP header can carry")
    return secret


def _within_all_time(seconds: int | None) -> int | None:
    """Keep an absurd time a number that arithmetic with clocks can take."""
    return None if seconds is None else max(-_ALL_TIME, min(_ALL_TIME, seconds))


class _Document(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True, defer_build=True)


class OidcFederation(_Document):
    type: Literal["oidc_federation"]
    federation_rule_id: Text = None
    service_account_id: Text = None
    identity_token: dict[str, object] | None = None
    scope: Text = None
    credentials_path: Text = None


class UserOauth(_Document):
    """A person's login. Without `client_id`, something else keeps the credentials file fresh."""

    type: Literal["user_oauth"]
    client_id: Text = None
    scope: Text = None
    console_url: Text = None
    credentials_path: Text = None


class ProfileDocument(_Document):
    version: Annotated[str, Field(pattern=r"^1(\.\d+)*$")] = "1.0"
    authentication: Annotated[OidcFederation | UserOauth, Field(discriminator="type")]
    organization_id: Text = None
    workspace_id: Text = None
    base_url: Text = None


@dataclass(frozen=True)
class Profile:
    """One `configs/<name>.json`: `known` as this version understands it, `document` as it stands."""

    name: str
    path: Path
    known: ProfileDocument = field(repr=False)
    document: Mapping[str, object] = field(repr=False)

    @property
    def type(self) -> str:
        """`oidc_federation` or `user_oauth`."""
        return self.known.authentication.type

    @property
    def client_id(self) -> str | None:
        """Of a login, the OAuth client that it was made with and is refreshed by."""
        return getattr(self.known.authentication, "client_id", None)

    @classmethod
    def parse(cls, name: str, path: Path, document: Mapping[str, object]) -> Profile | ProfileError:
        """Return what is wrong instead of raising it: the document may contain a secret."""
        known, problem = _validated(ProfileDocument, document)
        if known is None:
            return ProfileError(
                f"the profile {sanitize_path(path)} cannot be used: {problem}",
                hint='expected {"version": "1.0", "authentication": {"type": "oidc_federation" or "user_oauth", …}, …}'
                if not problem.startswith("version has")
                else "a newer tool may have written it: upgrade ant-wif",
            )
        unknown = [*(known.model_extra or {}), *(known.authentication.model_extra or {})]
        if unknown:
            log.debug("profile %s: fields that this version does not know: %s", path, sanitize(", ".join(unknown)))
        return cls(name, path, known, document)


class StoredCredentials(BaseModel):
    """One `credentials/<name>.json`. `expires_at` is unix seconds; without it no expiry is known."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True, defer_build=True)

    type: Literal["oauth_token"] | None = None
    access_token: Annotated[Secret, AfterValidator(_sendable)] = None
    refresh_token: Secret = None
    expires_at: Annotated[int | None, AfterValidator(_within_all_time)] = None
    scope: Text = None
    organization_uuid: Text = None
    organization_name: Text = None
    account_email: Text = None
    workspace_id: Text = None
    workspace_name: Text = None
    ant_wif: dict[str, object] | None = None
    """This project's own note of what the token was issued for; see `ant_wif._tokens.store`."""

    @property
    def is_login(self) -> bool:
        """Whether a person logged in: a federation's token has neither successor nor account."""
        return self.refresh_token is not None or self.account_email is not None

    @classmethod
    def parse(cls, path: Path, document: Mapping[str, object]) -> StoredCredentials | ProfileError:
        """Return the error instead of raising it: this frame holds the bare secrets."""
        known, problem = _validated(cls, document)
        if known is not None:
            return known
        return ProfileError(
            f"the credentials file {sanitize_path(path)} cannot be used: {problem}",
            hint="have it written anew: log in again, or remove it if the profile is a federation profile",
        )


def _validated(model: type[_Model], document: Mapping[str, object]) -> tuple[_Model | None, str]:
    """Validate, or say in one sentence what is wrong first, without the value that is."""
    try:
        return model.model_validate(document), ""
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"] if step not in {"oidc_federation", "user_oauth"})
        found = first.get("ctx", {}).get("tag")
        message = f" {problem_in_words(first['type'], first['msg'])}"
        if found is not None:
            message = f": found {found!r}, expected {first['ctx']['expected_tags']}"
        if first["type"] in {"union_tag_invalid", "union_tag_not_found"}:
            where = f"{where}.type"
        return None, sanitize(f"{where}{message}")
