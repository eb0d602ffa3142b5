"""Which credential is used: one row for each situation, most of them put to the official SDK too.

A row lays out an environment and files, and says in one line what comes of them. Where the official
SDK decides otherwise, `DIFFERENCES` says what it does and why this project does not; every other row
must have the same outcome in both.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import EllipsisType
from typing import Any
from urllib.parse import urlsplit

import anthropic
import httpx
import pytest
from anthropic.lib.credentials import default_credentials
from anthropic.lib.credentials._close import close_credentials

import ant_wif
from ant_wif._resolution import IDENTITY_MISSING, Resolution, resolution_of
from ant_wif._tokens import Federation
from ant_wif.errors import AntWifError, IdentitySourceError, NoCredentialsError, ProfileError
from support.loopback import Recorded, TokenEndpoint

DEFAULT_HOST = "https://api.anthropic.com"
HOME_CONFIG = ".config/anthropic"
INSIDE = f"{HOME_CONFIG}/shared.json"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
WIRE_FIELDS = {"grant_type", "assertion", "federation_rule_id", "organization_id", "service_account_id", "workspace_id"}


# What a row is made of


@dataclass(frozen=True)
class In:
    """A unix time this many seconds from now."""

    seconds: float
    kind: type[int] | type[float] | type[str] = int

    def resolve(self) -> object:
        return self.kind(int(time.time()) + self.seconds)


@dataclass(frozen=True)
class File:
    """A file with a mode of its own. Others get 0600 in a `credentials` folder, else 0644."""

    content: object
    mode: int


@dataclass(frozen=True)
class Link:
    """A symlink to a path relative to the home directory."""

    target: str


class Folder:
    """A folder where a file is expected."""


@dataclass(frozen=True)
class Row:
    """`env` and `files` (paths relative to the home directory) may hold the placeholders of `Loopback`.

    An `env` value of `None` leaves a variable out: `ANTHROPIC_BASE_URL` is `{main}` otherwise.
    """

    id: str
    expected: str
    env: Mapping[str, str | None] = field(default_factory=dict)
    files: Mapping[str, object] = field(default_factory=dict)


def jwt(subject: str, *, alg: str = "RS256", expires_at: int = 4_000_000_000) -> str:
    """A token of the right form. Nobody verifies it here."""

    def part(content: Mapping[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()

    claims = {
        "iss": "https://issuer.example",
        "sub": subject,
        "aud": DEFAULT_HOST,
        "iat": 1_700_000_000,
        "exp": expires_at,
    }
    return f"{part({'alg': alg, 'kid': 'key-1'})}.{part(claims)}.c2lnbmF0dXJl"


ASSERTIONS = {
    "file": jwt("file"),
    "profile": jwt("profile"),
    "variable": jwt("variable"),
    "github": jwt("github"),
    "expired": jwt("expired", expires_at=1_700_000_000),
    "unsigned": jwt("unsigned", alg="none"),
    "symmetric": jwt("symmetric", alg="HS256"),
    "opaque": "not-a-jwt",
    "huge": "x" * 20_000,
}
ORGANIZATIONS = {"org_env": "11111111-1111-4111-8111-111111111111", "org_file": "22222222-2222-4222-8222-222222222222"}
TOKEN_FILES = {"jwt": "{file}\n", "profile-jwt": "  {profile}\n"}
"""Laid out in every home directory."""


def without(document: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in document.items() if not isinstance(value, EllipsisType)}


def federated(auth: Mapping[str, object] | None = None, **changes: object) -> dict[str, object]:
    """A complete federation profile, changed; `...` leaves a field out."""
    authentication = {
        "type": "oidc_federation",
        "federation_rule_id": "fdrl_file",
        "service_account_id": "svac_file",
        "identity_token": {"source": "file", "path": "{home}/profile-jwt"},
        **(auth or {}),
    }
    return without(
        {
            "version": "1.0",
            "authentication": without(authentication),
            "organization_id": "{org_file}",
            "workspace_id": "wrkspc_file",
            **changes,
        }
    )


def login(auth: Mapping[str, object] | None = None, **changes: object) -> dict[str, object]:
    """A profile of a person's login, or of a program that rotates the token."""
    return without({"version": "1.0", "authentication": without({"type": "user_oauth", **(auth or {})}), **changes})


def stored(**changes: object) -> dict[str, object]:
    """A credentials file with a token that is valid for an hour."""
    return without(
        {"version": "1.0", "type": "oauth_token", "access_token": "stored", "expires_at": In(3600), **changes}
    )


def config(name: str, content: object, at: str = HOME_CONFIG) -> dict[str, object]:
    return {f"{at}/configs/{name}.json": content}


def credentials(name: str, content: object, at: str = HOME_CONFIG) -> dict[str, object]:
    return {f"{at}/credentials/{name}.json": content}


def active(text: object, at: str = HOME_CONFIG) -> dict[str, object]:
    return {f"{at}/active_config": text}


def federation(**changes: str | None) -> dict[str, str | None]:
    """The least that federation from the environment takes, changed; `None` leaves a variable out."""
    complete = {
        "FEDERATION_RULE_ID": "fdrl_env",
        "ORGANIZATION_ID": "{org_env}",
        "IDENTITY_TOKEN_FILE": "{home}/jwt",
        **changes,
    }
    return {f"ANTHROPIC_{name}": value for name, value in complete.items()}


def named(name: str, **more: str | None) -> dict[str, str | None]:
    return {"ANTHROPIC_PROFILE": name, **more}


def work(
    name: str, expected: str, profile: object = None, kept: object = None, *,
    env: Mapping[str, str | None] | None = None, files: Mapping[str, object] | None = None,
) -> Row:  # fmt: skip
    """A row of the named profile `work`, with what its credentials file keeps."""
    kept_file = {} if kept is None else credentials("work", kept)
    laid_out = config("work", federated() if profile is None else profile) | kept_file | dict(files or {})
    return Row(name, expected, named("work") | dict(env or {}), laid_out)


def minted(
    rule: str = "file", organization: str = "file", account: str | None = "file", workspace: str | None = "file",
    token: str = "profile", at: str = "main",
) -> str:  # fmt: skip
    """An exchange, by default of the profile `work`: where its ids are from, and which token went where."""
    ids = [f"fdrl_{rule}", f"org_{organization}"]
    ids += ["-" if value is None else f"{kind}_{value}" for kind, value in (("svac", account), ("wrkspc", workspace))]
    return f"exchange:{'/'.join(ids)} with {token} at {at}"


def federated_by(
    account: str | None = None, workspace: str | None = None, token: str = "file", at: str = "main"
) -> str:
    """The same for the federation that the environment holds."""
    return minted("env", "env", account, workspace, token, at)


WORK, FROM_FILE, ENVIRONMENT, LITERAL = minted(), minted(token="file"), federated_by(), federated_by(token="variable")
STORED, ELSEWHERE, BEARER = "token:stored at main", "token:elsewhere at main", "token:bearer at main"
BROKEN, UNUSABLE, INSECURE = "error:ProfileError", "error:ConfigurationError", "error:InsecureUrlError"
NO_TOKEN, NO_JWT = "error:IdentitySourceError", "error:IdentityTokenError"
KEY, TOKEN = {"ANTHROPIC_API_KEY": "key"}, {"ANTHROPIC_AUTH_TOKEN": "bearer"}
EVERY_VARIABLE = [
    "API_KEY", "AUTH_TOKEN", "PROFILE", "CONFIG_DIR", "FEDERATION_RULE_ID", "ORGANIZATION_ID", "SERVICE_ACCOUNT_ID",
    "WORKSPACE_ID", "SCOPE", "IDENTITY_TOKEN_FILE", "IDENTITY_TOKEN",
]  # fmt: skip
EMPTY = {f"ANTHROPIC_{name}": "" for name in EVERY_VARIABLE}
GITHUB = {
    "GITHUB_ACTIONS": "true",
    "ACTIONS_ID_TOKEN_REQUEST_URL": "{github}/token?api-version=2",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request-token",
}


# The table

NOTHING = [
    Row("nothing is set", "none"),
    Row("every variable is set to the empty string", "none", EMPTY),
    Row("every variable is empty and a default profile exists", WORK, EMPTY, config("default", federated())),
    Row("there is a profile, but none is active", "none", {}, config("work", federated())),
    Row("the configuration directory exists and is empty", "none", {}, {f"{HOME_CONFIG}/configs": Folder()}),
    Row("only a credentials file exists", "none", {}, credentials("default", stored())),
]  # fmt: skip

STATIC = [
    Row("an API key", "key:key at main", KEY),
    Row("an auth token", BEARER, TOKEN),
    Row("an API key beats an auth token", "key:key at main", KEY | TOKEN),
    Row("an empty API key makes way for an auth token", BEARER, TOKEN | {"ANTHROPIC_API_KEY": ""}),
    Row("an API key beats a complete federation", "key:key at main", KEY | federation()),
    Row("an auth token beats a complete federation", BEARER, TOKEN | federation()),
    Row("an API key beats a named profile", "key:key at main", KEY | named("work"), config("work", federated())),
    Row("an API key beats a named profile that does not exist", "key:key at main", KEY | named("gone")),
    Row("an API key beats a name that is none", "key:key at main", KEY | named("../evil")),
    Row("an auth token beats a named profile that is broken", BEARER, TOKEN | named("work"), config("work", "{")),
    Row("an API key beats an active profile that is broken", "key:key at main", KEY,
        config("work", "{") | active("work")),
    Row("an API key is for ANTHROPIC_BASE_URL, not for the host of an active profile", "key:key at main", KEY,
        config("default", federated(base_url="{other}"))),
    Row("an API key without a base URL is for the public API", f"key:key at {DEFAULT_HOST}",
        KEY | {"ANTHROPIC_BASE_URL": None}),
    Row("an API key with an empty base URL is for the public API", f"key:key at {DEFAULT_HOST}",
        KEY | {"ANTHROPIC_BASE_URL": ""}),
    Row("an auth token without a base URL is for the public API", f"token:bearer at {DEFAULT_HOST}",
        TOKEN | {"ANTHROPIC_BASE_URL": None}),
    Row("an API key is not sent over plain http", INSECURE, KEY | {"ANTHROPIC_BASE_URL": "http://api.example"}),
    Row("an auth token is not sent over plain http", INSECURE, TOKEN | {"ANTHROPIC_BASE_URL": "http://api.example"}),
]  # fmt: skip

FEDERATION = [
    Row("rule, organization and a token file", ENVIRONMENT, federation()),
    Row("service account and workspace are sent when set", federated_by(account="env", workspace="env"),
        federation(SERVICE_ACCOUNT_ID="svac_env", WORKSPACE_ID="wrkspc_env")),
    Row("the workspace may be the word default", "exchange:fdrl_env/org_env/-/default with file at main",
        federation(WORKSPACE_ID="default")),
    Row("an empty workspace is left out", ENVIRONMENT, federation(WORKSPACE_ID="")),
    Row("an empty service account is left out", ENVIRONMENT, federation(SERVICE_ACCOUNT_ID="")),
    Row("the scope is not sent", ENVIRONMENT, federation(SCOPE="user:inference")),
    Row("a literal identity token", LITERAL, federation(IDENTITY_TOKEN_FILE=None, IDENTITY_TOKEN="{variable}")),
    Row("a literal identity token beside an empty file variable", LITERAL,
        federation(IDENTITY_TOKEN_FILE="", IDENTITY_TOKEN="{variable}")),
    Row("the token file wins over a literal identity token", ENVIRONMENT, federation(IDENTITY_TOKEN="{variable}")),
    Row("a token file that does not exist is not made up for by a literal identity token", NO_TOKEN,
        federation(IDENTITY_TOKEN_FILE="{home}/gone", IDENTITY_TOKEN="{variable}")),
    Row("a newline after a literal identity token is not part of it", LITERAL,
        federation(IDENTITY_TOKEN_FILE=None, IDENTITY_TOKEN="{variable}\n")),
    Row("federation without a rule", "none", federation(FEDERATION_RULE_ID=None)),
    Row("federation without an organization", "none", federation(ORGANIZATION_ID=None)),
    Row("federation without an identity token", "none", federation(IDENTITY_TOKEN_FILE=None)),
    Row("federation with an empty rule", "none", federation(FEDERATION_RULE_ID="")),
    Row("federation with an empty organization", "none", federation(ORGANIZATION_ID="")),
    Row("federation with an empty token file variable", "none", federation(IDENTITY_TOKEN_FILE="")),
    Row("federation with two empty identity token variables", "none",
        federation(IDENTITY_TOKEN_FILE="", IDENTITY_TOKEN="")),
    Row("service account and workspace alone begin no federation", "none",
        {"ANTHROPIC_SERVICE_ACCOUNT_ID": "svac_env", "ANTHROPIC_WORKSPACE_ID": "wrkspc_env"}),
    Row("an incomplete federation falls through to the default profile", WORK, federation(FEDERATION_RULE_ID=None),
        config("default", federated())),
    Row("an incomplete federation falls through to the active profile", WORK, federation(ORGANIZATION_ID=""),
        config("work", federated()) | active("work")),
    Row("an incomplete federation does not hide that the active profile is missing", BROKEN,
        federation(ORGANIZATION_ID=None), active("gone")),
    Row("a complete federation beats the default profile", ENVIRONMENT, federation(), config("default", federated())),
    Row("a complete federation beats the active profile", ENVIRONMENT, federation(),
        config("work", federated()) | active("work")),
    Row("a complete federation beats an active profile that is broken", ENVIRONMENT, federation(),
        config("work", "{") | active("work")),
    Row("a complete federation beats an active_config that names no profile", ENVIRONMENT, federation(),
        active("../evil")),
    Row("a complete federation does not need the configuration directory to exist", ENVIRONMENT,
        federation(CONFIG_DIR="{home}/gone")),
    Row("a complete federation uses no token that a profile keeps", ENVIRONMENT, federation(),
        config("default", federated()) | credentials("default", stored())),
    Row("a token file that does not exist", NO_TOKEN, federation(IDENTITY_TOKEN_FILE="{home}/gone")),
    Row("a token file that is empty", NO_JWT, federation(IDENTITY_TOKEN_FILE="{home}/t"), {"t": " \n"}),
    Row("a token file that is a folder", NO_TOKEN, federation(IDENTITY_TOKEN_FILE="{home}")),
    Row("a token file that is binary", NO_TOKEN, federation(IDENTITY_TOKEN_FILE="{home}/t"), {"t": b"\xff\xfe\x00"}),
    Row("a token file that is a symlink is followed, as Kubernetes mounts it", ENVIRONMENT,
        federation(IDENTITY_TOKEN_FILE="{home}/link"), {"link": Link("jwt")}),
    Row("a token file named with a tilde is sought in the home directory", ENVIRONMENT,
        federation(IDENTITY_TOKEN_FILE="~/jwt")),
    Row("a token file of more than 16 KiB", NO_JWT, federation(IDENTITY_TOKEN_FILE="{home}/t"), {"t": "{huge}"}),
    Row("a token file that holds no JWT is not sent", NO_JWT, federation(IDENTITY_TOKEN_FILE="{home}/t"),
        {"t": "{opaque}"}),
    Row("an identity token that has expired is not sent", NO_JWT, federation(IDENTITY_TOKEN_FILE="{home}/t"),
        {"t": "{expired}"}),
    Row("an identity token without a signature is not sent", NO_JWT,
        federation(IDENTITY_TOKEN_FILE=None, IDENTITY_TOKEN="{unsigned}")),
    Row("an identity token signed with a shared secret is not sent", NO_JWT,
        federation(IDENTITY_TOKEN_FILE=None, IDENTITY_TOKEN="{symmetric}")),
    Row("a rule id of the wrong form is not sent", UNUSABLE, federation(FEDERATION_RULE_ID="my-rule")),
    Row("an organization id with a prefix is not sent", UNUSABLE, federation(ORGANIZATION_ID="org_01abc")),
    Row("a service account id of the wrong form is not sent", UNUSABLE, federation(SERVICE_ACCOUNT_ID="fdrl_env")),
    Row("a workspace name instead of its id is not sent", UNUSABLE, federation(WORKSPACE_ID="engineering")),
    Row("a blank rule id counts as set and is not sent", UNUSABLE, federation(FEDERATION_RULE_ID=" ")),
]  # fmt: skip

HOSTS = [
    Row("the identity token goes to ANTHROPIC_BASE_URL", federated_by(at="other"), federation(BASE_URL="{other}")),
    Row("a slash at the end of the base URL is dropped", ENVIRONMENT, federation(BASE_URL="{main}/")),
    Row("a path in the base URL is kept", federated_by(at="main/gateway"), federation(BASE_URL="{main}/gateway")),
    Row("localhost is this machine", federated_by(at="localhost"), federation(BASE_URL="{localhost}")),
    Row("scheme and host are compared without regard to case", federated_by(at="localhost"),
        federation(BASE_URL="{shouted}")),
    Row("plain http is refused for federation", INSECURE, federation(BASE_URL="http://api.example")),
    Row("plain http is refused for a host that begins like localhost", INSECURE,
        federation(BASE_URL="http://localhost.evil.example") | {"HTTP_PROXY": "{main}"}),
    Row("plain http is refused for a host that begins like 127.0.0.1", INSECURE,
        federation(BASE_URL="http://127.0.0.1.evil.example") | {"HTTP_PROXY": "{main}"}),
    Row("plain http is refused where localhost is only the user", INSECURE,
        federation(BASE_URL="http://localhost@127.0.0.1:{port}")),
    Row("a base URL with a query is refused", INSECURE, federation(BASE_URL="{main}/?to=")),
    Row("a base URL of another scheme is refused", INSECURE, federation(BASE_URL="ftp://api.example")),
    Row("a base URL without a scheme is refused", INSECURE, federation(BASE_URL="api.example")),
    work("a profile's base URL beats ANTHROPIC_BASE_URL", minted(at="other"), federated(base_url="{other}")),
    work("a profile's base URL beats an ANTHROPIC_BASE_URL that would be refused", minted(at="other"),
        federated(base_url="{other}/"), env={"ANTHROPIC_BASE_URL": None}),
    work("a profile's empty base URL is filled from ANTHROPIC_BASE_URL", WORK, federated(base_url="")),
    work("a profile's base URL over plain http is refused", INSECURE, federated(base_url="http://api.example")),
    work("a profile's base URL over plain http is refused where it is only a login", INSECURE,
        login(base_url="http://api.example"), stored()),
    work("a profile's base URL that begins like localhost is refused", INSECURE,
        federated(base_url="http://localhost.evil.example"), env={"HTTP_PROXY": "{main}"}),
    work("all of 127.0.0.0/8 is this machine", "token:stored at http://127.8.8.8", login(base_url="http://127.8.8.8"),
        stored()),
    work("a login is for its profile's base URL", "token:stored at other", login(base_url="{other}"), stored()),
    work("a login without a base URL is for ANTHROPIC_BASE_URL", STORED, login(), stored()),
    work("a login without any base URL is for the public API", f"token:stored at {DEFAULT_HOST}", login(), stored(),
        env={"ANTHROPIC_BASE_URL": ""}),
]  # fmt: skip

NAMED = [
    work("a named profile", WORK),
    work("a named profile beats a complete federation", WORK, federated(), env=federation()),
    work("a named profile beats the active one", WORK, federated(), files=config("home", login()) | active("home")),
    Row("an empty name makes way for federation", ENVIRONMENT, named("") | federation(),
        config("default", federated())),
    Row("an empty name makes way for the active profile", WORK, named(""),
        config("work", federated()) | active("work")),
    Row("a named profile that does not exist", BROKEN, named("gone")),
    Row("a named profile that does not exist, though federation is complete", BROKEN, named("gone") | federation()),
    Row("a named profile that does not exist, though a default one does", BROKEN, named("gone"),
        config("default", federated())),
    Row("the default profile named outright must exist", BROKEN, named("default")),
    Row("a named profile in ANTHROPIC_CONFIG_DIR", WORK, named("work", ANTHROPIC_CONFIG_DIR="{home}/etc"),
        config("work", federated(), "etc")),
    work("a named profile is not sought outside ANTHROPIC_CONFIG_DIR", BROKEN, federated(),
        env={"ANTHROPIC_CONFIG_DIR": "{home}/etc"}),
    Row("a name with dots, dashes and underscores", WORK, named("a.b-c_1"), config("a.b-c_1", federated())),
    Row("a name that climbs out of the folder", BROKEN, named("../evil"),
        {f"{HOME_CONFIG}/evil.json": federated(), f"{HOME_CONFIG}/configs": Folder()}),
    Row("a name that climbs out of the configuration directory", BROKEN, named("../../../evil"),
        {"evil.json": federated(), f"{HOME_CONFIG}/configs": Folder()}),
    Row("a name that is an absolute path", BROKEN, named("{home}/evil"), {"evil.json": federated()}),
    Row("a name with a slash", BROKEN, named("team/work"), config("team/work", federated())),
    Row("a name with a backslash", BROKEN, named("team\\work"), config("team\\work", federated())),
    Row("a name that starts with a dot", BROKEN, named(".work"), config(".work", federated())),
    Row("two dots for a name", BROKEN, named(".."), config("..", federated())),
    Row("a name with a space after it", WORK, named("work "), config("work", federated())),
    Row("a name with a space before it", WORK, named(" work"), config("work", federated())),
    Row("a blank name is a name, and none that can be", BROKEN, named(" ") | federation(),
        config("default", federated())),
    Row("a name with a newline after it", WORK, named("work\n"), config("work", federated())),
    Row("a name with a space in it", BROKEN, named("my work"), config("my work", federated())),
    Row("a name with an umlaut", BROKEN, named("büro"), config("büro", federated())),
    Row("a name with an at sign", BROKEN, named("me@work"), config("me@work", federated())),
]  # fmt: skip

FILES = [
    work("a profile that is no JSON", BROKEN, "{not json"),
    work("a profile that is empty", BROKEN, ""),
    work("a profile that is a JSON list", BROKEN, "[]"),
    work("a profile that is binary", BROKEN, b"\xff\xfe\x00\x01"),
    work("a profile that is a folder", BROKEN, Folder()),
    work("a profile without authentication", BROKEN, {"version": "1.0"}),
    work("a profile whose authentication is a text", BROKEN, {"authentication": "oidc_federation"}),
    work("a profile of no type", BROKEN, federated({"type": ...})),
    work("a profile of an unknown type", BROKEN, federated({"type": "api_key"})),
    work("a profile of an unknown type beside complete federation", BROKEN, federated({"type": "api_key"}),
        env=federation()),
    work("a profile without a version", WORK, federated(version=...)),
    work("a profile of a later minor version", WORK, federated(version="1.7")),
    work("a profile of a later major version", BROKEN, federated(version="2.0")),
    work("a profile with fields that nobody knows", WORK, federated({"later": {"a": 1}}, later=[1])),
    work("a profile that its own group can write", WORK, File(federated(), 0o664)),
    work("a profile that others can write", BROKEN, File(federated(), 0o646)),
    work("a profile that only its owner can read", WORK, File(federated(), 0o600)),
    work("a profile that is a symlink is followed", WORK, Link(INSIDE), files={INSIDE: federated()}),
    work("a profile that is a symlink out of the configuration directory is followed", WORK, Link("shared.json"),
        files={"shared.json": federated()}),
    work("a profile that is a symlink to a file that others can write", BROKEN, Link(INSIDE),
        files={INSIDE: File(federated(), 0o666)}),
    work("a profile that is a symlink to nowhere", BROKEN, Link(INSIDE)),
]  # fmt: skip

FILLED = [
    work("a rule that the profile lacks comes from the environment", minted(rule="env"),
        federated({"federation_rule_id": ...}), env=federation()),
    work("a rule that the profile leaves empty comes from the environment", minted(rule="env"),
        federated({"federation_rule_id": ""}), env=federation()),
    work("a rule that stands nowhere", BROKEN, federated({"federation_rule_id": ...})),
    work("a rule that is empty everywhere", BROKEN, federated({"federation_rule_id": ""}),
        env={"ANTHROPIC_FEDERATION_RULE_ID": ""}),
    work("an organization that the profile lacks comes from the environment", minted(organization="env"),
        federated(organization_id=...), env=federation()),
    work("an organization that the profile leaves empty comes from the environment", minted(organization="env"),
        federated(organization_id=""), env=federation()),
    work("an organization that stands nowhere", BROKEN, federated(organization_id=...)),
    work("a service account that the profile lacks comes from the environment", minted(account="env"),
        federated({"service_account_id": ...}), env={"ANTHROPIC_SERVICE_ACCOUNT_ID": "svac_env"}),
    work("a service account that stands nowhere is left out", minted(account=None),
        federated({"service_account_id": ...}), env={"ANTHROPIC_SERVICE_ACCOUNT_ID": ""}),
    work("a service account that the profile leaves empty is left out", minted(account=None),
        federated({"service_account_id": ""})),
    work("a workspace that the profile lacks comes from the environment", minted(workspace="env"),
        federated(workspace_id=...), env={"ANTHROPIC_WORKSPACE_ID": "wrkspc_env"}),
    work("a workspace that the profile leaves empty comes from the environment", minted(workspace="env"),
        federated(workspace_id=""), env={"ANTHROPIC_WORKSPACE_ID": "wrkspc_env"}),
    work("a workspace that the profile leaves empty is left out", minted(workspace=None), federated(workspace_id="")),
    work("the environment overrides nothing that the profile says", WORK, federated(),
        env=federation(SERVICE_ACCOUNT_ID="svac_env", WORKSPACE_ID="wrkspc_env")),
    work("a profile that says only its type is filled from the environment",
        federated_by(account="env", workspace="env"), {"authentication": {"type": "oidc_federation"}},
        env=federation(SERVICE_ACCOUNT_ID="svac_env", WORKSPACE_ID="wrkspc_env")),
    Row("the active profile is filled from the environment as a named one is", minted(account="env", workspace="env"),
        {"ANTHROPIC_SERVICE_ACCOUNT_ID": "svac_env", "ANTHROPIC_WORKSPACE_ID": "wrkspc_env"},
        config("default", federated({"service_account_id": ...}, workspace_id=...))),
    work("an identity token that the profile lacks comes from the file variable", FROM_FILE,
        federated({"identity_token": ...}), env=federation()),
    work("an identity token that the profile says is null comes from the file variable", FROM_FILE,
        federated({"identity_token": None}), env=federation()),
    work("an identity token that the profile leaves empty comes from the file variable", FROM_FILE,
        federated({"identity_token": {}}), env=federation()),
    work("an identity token that the profile lacks comes from the literal variable", minted(token="variable"),
        federated({"identity_token": ...}), env={"ANTHROPIC_IDENTITY_TOKEN": "{variable}"}),
    work("an identity token that the profile lacks comes from the file if both variables are set", FROM_FILE,
        federated({"identity_token": ...}),
        env={"ANTHROPIC_IDENTITY_TOKEN": "{variable}", "ANTHROPIC_IDENTITY_TOKEN_FILE": "{home}/jwt"}),
    work("an identity token that stands nowhere", BROKEN, federated({"identity_token": ...})),
    work("the profile's token file does not exist, and the file variable does not make up for it", NO_TOKEN,
        federated({"identity_token": {"source": "file", "path": "{home}/gone"}}), env=federation()),
    work("the profile's token file has an empty path, and the file variable does not make up for it", BROKEN,
        federated({"identity_token": {"source": "file", "path": ""}}), env=federation()),
    work("the profile's token file has no path", BROKEN, federated({"identity_token": {"source": "file"}})),
    work("the profile's identity token is of an unknown source", BROKEN,
        federated({"identity_token": {"source": "carrier_pigeon"}}), env=federation()),
    work("the profile's identity token is of no source", BROKEN,
        federated({"identity_token": {"path": "{home}/profile-jwt"}}), env=federation()),
    work("the profile's identity token comes from a variable of its own", minted(token="variable"),
        federated({"identity_token": {"source": "env", "variable": "CI_JWT"}}), env={"CI_JWT": "{variable}"}),
    work("the profile's token file is named with a tilde", WORK,
        federated({"identity_token": {"source": "file", "path": "~/profile-jwt"}})),
]  # fmt: skip

ACTIVE = [
    Row("the default profile", WORK, {}, config("default", federated())),
    Row("the profile that active_config names", WORK, {}, config("work", federated()) | active("work")),
    Row("white space around the name in active_config is trimmed", WORK, {},
        config("work", federated()) | active("  work \n\n")),
    Row("active_config beats the default profile", WORK, {},
        config("work", federated()) | config("default", login()) | active("work\n")),
    Row("an empty active_config counts as absent", WORK, {}, config("default", federated()) | active("")),
    Row("a blank active_config counts as absent", WORK, {}, config("default", federated()) | active(" \n")),
    Row("a blank active_config and no default profile", "none", {}, active(" \n")),
    Row("an active_config that is a folder counts as absent", WORK, {},
        config("default", federated()) | active(Folder())),
    Row("active_config names a profile that does not exist", BROKEN, {},
        config("default", federated()) | active("gone")),
    Row("active_config names a default profile that does not exist", BROKEN, {}, active("default")),
    Row("active_config names a profile that is broken", BROKEN, {}, config("work", "{") | active("work")),
    Row("active_config names a profile that others can write", BROKEN, {},
        config("work", File(federated(), 0o666)) | active("work")),
    Row("active_config climbs out of the folder", BROKEN, {},
        {f"{HOME_CONFIG}/evil.json": federated()} | active("../evil")),
    Row("active_config names a hidden file", BROKEN, {}, config(".work", federated()) | active(".work")),
    Row("active_config holds two lines", BROKEN, {}, config("work", federated()) | active("work\nhome\n")),
    Row("active_config is binary", BROKEN, {}, config("default", federated()) | active(b"\xff\xfe")),
    Row("a default profile that is broken", BROKEN, {}, config("default", "{")),
    Row("a default profile without authentication", BROKEN, {}, config("default", {})),
    Row("a default profile that others can write", BROKEN, {}, config("default", File(federated(), 0o666))),
    Row("a default profile that is a folder", BROKEN, {}, config("default", Folder())),
    Row("a default profile that is a symlink to nowhere", BROKEN, {}, config("default", Link(INSIDE))),
    Row("a default profile over plain http", INSECURE, {}, config("default", federated(base_url="http://api.example"))),
    Row("a default profile of an unknown type", BROKEN, {}, config("default", federated({"type": "api_key"}))),
    Row("a default profile that is incomplete", BROKEN, {}, config("default", federated({"federation_rule_id": ...}))),
    Row("a default profile whose login is missing", BROKEN, {}, config("default", login())),
    Row("a default profile of a later major version", BROKEN, {}, config("default", federated(version="2.0"))),
]  # fmt: skip

DIRECTORY = [
    Row("the default profile in ANTHROPIC_CONFIG_DIR", WORK, {"ANTHROPIC_CONFIG_DIR": "{home}/etc"},
        config("default", federated(), "etc")),
    Row("the active profile in ANTHROPIC_CONFIG_DIR", WORK, {"ANTHROPIC_CONFIG_DIR": "{home}/etc"},
        config("work", federated(), "etc") | active("work", "etc")),
    Row("ANTHROPIC_CONFIG_DIR with a slash at its end", WORK, {"ANTHROPIC_CONFIG_DIR": "{home}/etc/"},
        config("default", federated(), "etc")),
    Row("ANTHROPIC_CONFIG_DIR does not exist", BROKEN, {"ANTHROPIC_CONFIG_DIR": "{home}/gone"}),
    Row("ANTHROPIC_CONFIG_DIR holds no default profile", BROKEN, {"ANTHROPIC_CONFIG_DIR": "{home}/etc"},
        config("work", federated(), "etc")),
    Row("ANTHROPIC_CONFIG_DIR hides the profiles of the home directory", BROKEN, {"ANTHROPIC_CONFIG_DIR": "{home}/etc"},
        config("default", federated())),
    Row("ANTHROPIC_CONFIG_DIR holds a default profile that is broken", BROKEN, {"ANTHROPIC_CONFIG_DIR": "{home}/etc"},
        config("default", "{", "etc")),
    Row("ANTHROPIC_CONFIG_DIR is a file", BROKEN, {"ANTHROPIC_CONFIG_DIR": "{home}/jwt"}),
    Row("an empty ANTHROPIC_CONFIG_DIR means the home directory", WORK, {"ANTHROPIC_CONFIG_DIR": ""},
        config("default", federated())),
    Row("an incomplete federation does not hide that ANTHROPIC_CONFIG_DIR is empty", BROKEN,
        federation(FEDERATION_RULE_ID=None, CONFIG_DIR="{home}/gone")),
    Row("XDG_CONFIG_HOME is not consulted", "none", {"XDG_CONFIG_HOME": "{home}/xdg"},
        config("default", federated(), "xdg/anthropic")),
]  # fmt: skip

LOGIN = [
    work("a token that something else rotates", STORED, login(), stored()),
    Row("a token that something else rotates, of the default profile", STORED, {},
        config("default", login()) | credentials("default", stored())),
    work("a login beats a complete federation if it is named", STORED, login(), stored(), env=federation()),
    work("a token without an expiry", STORED, login(), stored(expires_at=...)),
    work("a token with no type", STORED, login(), stored(type=..., version=...)),
    work("an expiry that is written as a text of digits", STORED, login(), stored(expires_at=In(3600, str))),
    work("an expiry that is no number", BROKEN, login(), stored(expires_at="tomorrow")),
    work("a token that has expired and that something else should have rotated", "error:LoginError", login(),
        stored(expires_at=In(-60))),
    work("a login of the workspace that the profile names", "token:stored at main for wrkspc_file",
        login(workspace_id="wrkspc_file"), stored()),
    work("a login of the workspace that the environment names", "token:stored at main for wrkspc_env", login(),
        stored(), env={"ANTHROPIC_WORKSPACE_ID": "wrkspc_env"}),
    work("a login that has never been", BROKEN, login()),
    work("a login that has never been, beside complete federation", BROKEN, login(), env=federation()),
    work("a credentials file without a token", BROKEN, login(), stored(access_token=...)),
    work("a credentials file with an empty token", BROKEN, login(), stored(access_token="")),
    work("a credentials file of an unknown type", BROKEN, login(), stored(type="api_key")),
    work("a credentials file of an empty type", BROKEN, login(), stored(type="")),
    work("a credentials file that is no JSON", BROKEN, login(), "sk-ant-oat01-bare"),
    work("a credentials file that is a JSON list", BROKEN, login(), "[]"),
    work("a credentials file that others can read", BROKEN, login(), File(stored(), 0o604)),
    work("a credentials file that its group can read", BROKEN, login(), File(stored(), 0o640)),
    work("a credentials file that its group can write", BROKEN, login(), File(stored(), 0o620)),
    work("a credentials file that cannot be written is good to read", STORED, login(), File(stored(), 0o400)),
    work("a credentials file that is a symlink", BROKEN, login(), Link(INSIDE), files={INSIDE: File(stored(), 0o600)}),
    work("a credentials file that is a folder", BROKEN, login(), Folder()),
    work("credentials_path names the file", ELSEWHERE, login({"credentials_path": "{home}/t.json"}), stored(),
        files={"t.json": File(stored(access_token="elsewhere"), 0o600)}),
    work("credentials_path with a tilde", ELSEWHERE, login({"credentials_path": "~/t.json"}),
        files={"t.json": File(stored(access_token="elsewhere"), 0o600)}),
    work("an empty credentials_path means the usual file", STORED, login({"credentials_path": ""}), stored()),
    work("credentials_path names a file that does not exist, and the usual one does not make up for it", BROKEN,
        login({"credentials_path": "{home}/gone"}), stored()),
    work("credentials_path names a file that others can read", BROKEN, login({"credentials_path": "{home}/t.json"}),
        files={"t.json": File(stored(), 0o644)}),
    work("credentials_path names a symlink", BROKEN, login({"credentials_path": "{home}/link"}),
        files={"t.json": File(stored(), 0o600), "link": Link("t.json")}),
    work("a login with a client id that has not expired", STORED, login({"client_id": "client"}),
        stored(refresh_token="again")),
    work("an expired login with a client id is refreshed", "refresh:again as client at main",
        login({"client_id": "client"}), stored(refresh_token="again", expires_at=In(-60))),
    work("a login with a client id that has expired and cannot be refreshed", "error:LoginError",
        login({"client_id": "client"}), stored(expires_at=In(-60))),
    work("a login with a client id that cannot be refreshed is used while it lasts", STORED,
        login({"client_id": "client"}), stored()),
    work("a login with an empty client id is one that something else rotates", STORED, login({"client_id": ""}),
        stored()),
]  # fmt: skip

FOREIGN_NOTE = {"fingerprint": "0" * 64, "token": hashlib.sha256(b"stored").hexdigest()}
REPLACED_NOTE = {"fingerprint": "0" * 64, "token": hashlib.sha256(b"an older token").hexdigest()}

CACHED = [
    work("a token that is kept is used", STORED, federated(), stored()),
    Row("a token that is kept for the default profile is used", STORED, {},
        config("default", federated()) | credentials("default", stored())),
    work("a token that is kept for another profile is not used", WORK, federated(),
        files=credentials("default", stored())),
    work("a kept token that expires in four minutes is used", STORED, federated(), stored(expires_at=In(240))),
    work("a kept token that expires in 90 seconds is refreshed ahead of time", WORK, federated(),
        stored(expires_at=In(90))),
    work("a kept token that expires in 90 seconds is used if it cannot be refreshed", STORED,
        federated({"identity_token": {"source": "file", "path": "{home}/gone"}}), stored(expires_at=In(90))),
    work("a kept token that expires in 20 seconds is not used even if it cannot be refreshed", NO_TOKEN,
        federated({"identity_token": {"source": "file", "path": "{home}/gone"}}), stored(expires_at=In(20))),
    work("a kept token that expires in 20 seconds is replaced", WORK, federated(), stored(expires_at=In(20))),
    work("a kept token that has expired is replaced", WORK, federated(), stored(expires_at=In(-60))),
    work("a kept token without an expiry is replaced", WORK, federated(), stored(expires_at=...)),
    work("a credentials file that keeps no token is filled", WORK, federated(), stored(access_token=...)),
    work("a credentials file that keeps an empty token is filled", WORK, federated(), stored(access_token="")),
    work("a credentials file that is an empty object is filled", WORK, federated(), {}),
    work("a kept token is used when the identity token is gone", STORED,
        federated({"identity_token": {"source": "file", "path": "{home}/gone"}}), stored()),
    work("a kept token does not make up for a missing rule", BROKEN, federated({"federation_rule_id": ...}), stored()),
    work("a kept token does not make up for a missing identity token", BROKEN, federated({"identity_token": ...}),
        stored()),
    work("a kept token that others can read", BROKEN, federated(), File(stored(), 0o644)),
    work("a kept token behind a symlink", BROKEN, federated(), Link(INSIDE), files={INSIDE: File(stored(), 0o600)}),
    work("a kept token behind a symlink to nowhere", BROKEN, federated(), Link(INSIDE)),
    work("a kept token that is no JSON", BROKEN, federated(), "{"),
    work("a kept token of an unknown type", BROKEN, federated(), stored(type="api_key")),
    work("a kept token at credentials_path", ELSEWHERE, federated({"credentials_path": "{home}/t.json"}),
        files={"t.json": File(stored(access_token="elsewhere"), 0o600)}),
    work("a place where no token can be kept does not stop the exchange", WORK, federated(),
        files={f"{HOME_CONFIG}/credentials": "a file"}),
    work("a kept token of other settings is replaced", WORK, federated(), stored(ant_wif=FOREIGN_NOTE)),
    work("a kept token that another SDK put beside an old note is used", STORED, federated(),
        stored(ant_wif=REPLACED_NOTE)),
    work("a kept token has no workspace header", STORED, federated(workspace_id="wrkspc_file"), stored(),
        env={"ANTHROPIC_WORKSPACE_ID": "wrkspc_env"}),
]  # fmt: skip

OWN = [
    work("ANT_CACHE=disk", STORED, federated(), stored(), env={"ANT_CACHE": "disk"}),
    work("an empty ANT_CACHE means disk", STORED, federated(), stored(), env={"ANT_CACHE": ""}),
    work("ANT_CACHE=off", WORK, federated(), stored(), env={"ANT_CACHE": "off"}),
    work("ANT_CACHE=memory", WORK, federated(), stored(), env={"ANT_CACHE": "memory"}),
    work("ANT_CACHE=sometimes", UNUSABLE, federated(), stored(), env={"ANT_CACHE": "sometimes"}),
    Row("ANT_IDENTITY_SOURCE=none", "none", federation() | {"ANT_IDENTITY_SOURCE": "none"}),
    Row("ANT_IDENTITY_SOURCE=auto", ENVIRONMENT, federation() | {"ANT_IDENTITY_SOURCE": "auto"}),
    Row("an empty ANT_IDENTITY_SOURCE means auto", ENVIRONMENT, federation() | {"ANT_IDENTITY_SOURCE": ""}),
    Row("ANT_IDENTITY_SOURCE=env, though the file variable is set", LITERAL,
        federation(IDENTITY_TOKEN="{variable}") | {"ANT_IDENTITY_SOURCE": "env"}),
    Row("ANT_IDENTITY_SOURCE names no source", UNUSABLE, federation() | {"ANT_IDENTITY_SOURCE": "carrier_pigeon"}),
    work("ANT_IDENTITY_SOURCE does not change what a profile says", WORK, federated(),
        env={"ANT_IDENTITY_SOURCE": "env", "ANTHROPIC_IDENTITY_TOKEN": "{variable}"}),
    Row("a GitHub Actions job needs no token variable", federated_by(token="github"),
        federation(IDENTITY_TOKEN_FILE=None) | GITHUB),
    work("a GitHub Actions job fills a profile without an identity token", minted(token="github"),
        federated({"identity_token": ...}), env=GITHUB),
    work("a kept token is used in a GitHub Actions job without id-token: write", STORED,
        federated({"identity_token": ...}), stored(), env={"GITHUB_ACTIONS": "true"}),
    Row("a token file beats GitHub Actions", ENVIRONMENT, federation() | GITHUB),
    Row("a GitHub Actions job without id-token: write", NO_TOKEN,
        federation(IDENTITY_TOKEN_FILE=None) | {"GITHUB_ACTIONS": "true"}),
    Row("a GitHub Actions job alone is no federation", "none", GITHUB),
]  # fmt: skip

ROWS = [
    *NOTHING, *STATIC, *FEDERATION, *HOSTS, *NAMED, *FILES, *FILLED, *ACTIVE, *DIRECTORY, *LOGIN, *CACHED, *OWN,
]  # fmt: skip


# Where the official SDK decides otherwise


DIFFERENCES: dict[str, dict[str, str]] = {
    "The official SDK checks the URL of the token endpoint only; a stored secret must not go over plain http either.": {
        "an API key is not sent over plain http": "key:key at http://api.example",
        "an auth token is not sent over plain http": "token:bearer at http://api.example",
    },
    "The official SDK sends the empty string, which the server refuses; empty means unset.": {
        "an empty service account is left out": 'exchange:fdrl_env/org_env/""/- with file at main',
        "a service account that the profile leaves empty is left out":
            'exchange:fdrl_file/org_file/""/wrkspc_file with profile at main',
        "a workspace that the profile leaves empty is left out":
            'exchange:fdrl_file/org_file/svac_file/"" with profile at main',
    },
    "The official SDK trims token files and not the variable; a shell that fills it adds newlines.": {
        "a newline after a literal identity token is not part of it":
            "exchange:fdrl_env/org_env/-/- with something else at main",
    },
    "The official SDK opens a folder called '~'; people mean their home.": {
        "a token file named with a tilde is sought in the home directory": "error",
        "the profile's token file is named with a tilde": "error",
    },
    "The official SDK leaves the refusal to the server; a single-use assertion is not spent on a lost cause.": {
        "a token file that holds no JWT is not sent": "exchange:fdrl_env/org_env/-/- with opaque at main",
        "an identity token that has expired is not sent": "exchange:fdrl_env/org_env/-/- with expired at main",
        "an identity token without a signature is not sent": "exchange:fdrl_env/org_env/-/- with unsigned at main",
        "an identity token signed with a shared secret is not sent":
            "exchange:fdrl_env/org_env/-/- with symmetric at main",
        "a rule id of the wrong form is not sent": "exchange:my-rule/org_env/-/- with file at main",
        "a blank rule id counts as set and is not sent": "exchange: /org_env/-/- with file at main",
        "an organization id with a prefix is not sent": "exchange:fdrl_env/org_01abc/-/- with file at main",
        "a service account id of the wrong form is not sent": "exchange:fdrl_env/org_env/fdrl_env/- with file at main",
        "a workspace name instead of its id is not sent": "exchange:fdrl_env/org_env/-/engineering with file at main",
    },
    "The official SDK judges the beginning of the URL; here the parsed host decides.": {
        "plain http is refused for a host that begins like localhost":
            "exchange:fdrl_env/org_env/-/- with file at http://localhost.evil.example",
        "plain http is refused for a host that begins like 127.0.0.1":
            "exchange:fdrl_env/org_env/-/- with file at http://127.0.0.1.evil.example",
        "plain http is refused where localhost is only the user": "exchange:fdrl_env/org_env/-/- with file at main",
        "a profile's base URL that begins like localhost is refused":
            "exchange:fdrl_file/org_file/svac_file/wrkspc_file with profile at http://localhost.evil.example",
        "all of 127.0.0.0/8 is this machine": "error",
    },
    "The official SDK appends the endpoint's path to the query; the secret then goes to another path.": {
        "a base URL with a query is refused": "exchange:fdrl_env/org_env/-/- with file at main/?to=",
    },
    "Names are limited to letters, digits, '_', '-' and '.', so that every file system and shell can hold them.": {
        "a name with a space in it": WORK,
        "a name with an umlaut": WORK,
        "a name with an at sign": WORK,
    },
    "What a later major version means is not known; the official SDK does not look at it.": {
        "a profile of a later major version": WORK,
        "a default profile of a later major version": WORK,
    },
    "Settings are trimmed, names of profiles as well.": {
        "a name with a space after it": "error",
        "a name with a space before it": "error",
        "a name with a newline after it": "error",
    },
    "The official SDK fills a profile from the file variable alone; both variables mean the same thing.": {
        "an identity token that the profile lacks comes from the literal variable": "error",
    },
    "The official SDK knows token files only; this project adds sources.": {
        "the profile's identity token comes from a variable of its own": "error",
        "a GitHub Actions job needs no token variable": "none",
        "a GitHub Actions job fills a profile without an identity token": "error",
        "a kept token is used in a GitHub Actions job without id-token: write": "error",
        "a GitHub Actions job without id-token: write": "none",
    },
    "The official SDK passes over a broken default profile in silence; what is there and broken is said.": {
        "a default profile that is broken": "none",
        "a default profile without authentication": "none",
        "a default profile that others can write": "none",
        "a default profile that is a folder": "none",
        "a default profile that is a symlink to nowhere": "none",
        "a default profile over plain http": "none",
    },
    "The official SDK refuses group write; this project allows it to the process's own primary group.": {
        "a profile that its own group can write": "error",
    },
    "The official SDK sends the expired token; that it has expired is known before.": {
        "a token that has expired and that something else should have rotated": STORED,
    },
    "The official SDK wants a refresh token at once; it is not needed before the token expires.": {
        "a login with a client id that cannot be refreshed is used while it lasts": "error",
    },
    "The official SDK wants a profile within its directory; only secrets must stay where they are.": {
        "a profile that is a symlink out of the configuration directory is followed": "error",
    },
    "The official SDK serves what is on disk up to 30 seconds before expiry; a refresh that may fail is tried.": {
        "a kept token that expires in 90 seconds is refreshed ahead of time": STORED,
    },
    "The official SDK takes such a link for an absent file and replaces it; a symlink is refused, always.": {
        "a kept token behind a symlink to nowhere": WORK,
    },
    "The official SDK keeps no note of what a token was minted for; this project does.": {
        "a kept token of other settings is replaced": STORED,
    },
    "The variable is this project's own.": {
        "ANT_CACHE=off": STORED,
        "ANT_CACHE=memory": STORED,
        "ANT_CACHE=sometimes": STORED,
        "ANT_IDENTITY_SOURCE=none": ENVIRONMENT,
        "ANT_IDENTITY_SOURCE=env, though the file variable is set": ENVIRONMENT,
        "ANT_IDENTITY_SOURCE names no source": ENVIRONMENT,
    },
}  # fmt: skip
"""Why this project decides otherwise, and what comes of which rows in the official SDK."""
GO_ANT = Path(__file__).parent / "go_ant_precedence.json"
"""What the official Go `ant` of one version makes of each row."""
OFFICIAL = {name: outcome for rows in DIFFERENCES.values() for name, outcome in rows.items()}


# How a row is carried out


class Loopback:
    """The servers of this module, the placeholders that stand for them, and what they were asked."""

    def __init__(self, main: TokenEndpoint, other: TokenEndpoint, github: TokenEndpoint, client: httpx.Client) -> None:
        self.main, self.other, self.github, self.client = main, other, github, client
        self.clear()

    def clear(self) -> None:
        for endpoint in (self.main, self.other, self.github):
            endpoint.clear()

    def placeholders(self, home: Path) -> dict[str, str]:
        return {
            "home": str(home),
            "main": self.main.base_url,
            "other": self.other.base_url,
            "github": self.github.base_url,
            "localhost": f"http://localhost:{self.main.port}",
            "shouted": f"HTTP://LOCALHOST:{self.main.port}",
            "port": str(self.main.port),
            **ORGANIZATIONS,
            **{name: token for name, token in ASSERTIONS.items() if name != "github"},
        }

    def label(self, url: str) -> str:
        """Name a server, and keep the path."""
        parts = urlsplit(url)
        names = {
            f"127.0.0.1:{self.main.port}": "main",
            f"localhost:{self.main.port}": "localhost",
            f"127.0.0.1:{self.other.port}": "other",
        }
        known = names.get(parts.netloc.lower())
        return url.rstrip("/") if known is None else f"{known}{url.partition(parts.netloc)[2].rstrip('/')}"

    def grant(self, counts: Callable[[Recorded], bool] = lambda _: True) -> str | None:
        """Say in one line what the token endpoints were asked that counts, or return `None` if nothing was."""
        asked = [
            (endpoint, request)
            for endpoint in (self.main, self.other)
            for request in endpoint.requests
            if counts(request)
        ]
        return " and ".join(self._described(endpoint, request) for endpoint, request in asked) or None

    def _described(self, endpoint: TokenEndpoint, request: Recorded) -> str:
        fields = request.fields
        # A proxy is asked for the whole URL; `Host` tells which name led to a server of this module.
        origin = "" if request.path.startswith("http") else f"http://{request.headers['host']}"
        where = self.label(f"{origin}{request.path}".removesuffix("/v1/oauth/token"))
        if fields.get("grant_type") != JWT_BEARER:
            return f"refresh:{fields.get('refresh_token')} as {fields.get('client_id')} at {where}"
        ids = [
            fields.get(f"{name}_id", ...)
            for name in ("federation_rule", "organization", "service_account", "workspace")
        ]
        assertions = {token: name for name, token in ASSERTIONS.items()}
        assertion = assertions.get(str(fields["assertion"]), "something else")
        extra = f" and {sorted(set(fields) - WIRE_FIELDS)}" if set(fields) - WIRE_FIELDS else ""
        return f"exchange:{'/'.join(map(_shown, ids))} with {assertion}{extra} at {where}"


def _shown(value: object) -> str:
    organizations = {uuid: name for name, uuid in ORGANIZATIONS.items()}
    return "-" if value is ... else organizations.get(str(value), str(value)) or '""'


def fill(value: Any, placeholders: Mapping[str, str]) -> Any:
    """Put what they stand for in place of placeholders, however deep."""
    if isinstance(value, In):
        return value.resolve()
    if isinstance(value, str):
        for name, text in placeholders.items():
            value = value.replace(f"{{{name}}}", text)
        return value
    if isinstance(value, Mapping):
        return {name: fill(inner, placeholders) for name, inner in value.items()}
    return value


def lay_out(row: Row, home: Path, loopback: Loopback) -> dict[str, str]:
    """Write the files of a row, and return its environment."""
    placeholders = loopback.placeholders(home)
    for name, content in {**TOKEN_FILES, **row.files}.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Folder):
            path.mkdir(parents=True, exist_ok=True)
        elif isinstance(content, Link):
            path.symlink_to(home / content.target)
        else:
            usual = 0o600 if path.parent.name == "credentials" else 0o644
            file = content if isinstance(content, File) else File(content, usual)
            path.write_bytes(_bytes(fill(file.content, placeholders)))
            path.chmod(file.mode)
    environ = {"HOME": str(home), "ANTHROPIC_BASE_URL": "{main}", **row.env}
    return {name: fill(value, placeholders) for name, value in environ.items() if value is not None}


def _bytes(content: object) -> bytes:
    if isinstance(content, bytes):
        return content
    return (content if isinstance(content, str) else json.dumps(content)).encode()


def our_outcome(environ: Mapping[str, str], loopback: Loopback) -> str:
    try:
        found = ant_wif.resolve(environ=environ, http_client=loopback.client)
        headers = found.headers()
    except NoCredentialsError:
        return "none"
    except AntWifError as error:
        return f"error:{type(error).__name__}"
    secret = headers["Authorization"].removeprefix("Bearer ")
    kind = "key" if found.source == "api_key" else "token"
    return _outcome(kind, secret, found.base_url, headers.get("anthropic-workspace-id"), loopback)


def official_outcome(environ: Mapping[str, str], loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    # What the client hands to the chain.
    base_url = environ.get("ANTHROPIC_BASE_URL") or DEFAULT_HOST
    try:
        found = default_credentials(base_url=base_url)
        if found is None:
            key = environ.get("ANTHROPIC_API_KEY")
            return _outcome("key", key, base_url, None, loopback) if key else "none"
        try:
            secret = found.provider().token
        finally:
            close_credentials(found.provider)
    except Exception:  # noqa: BLE001 - the SDK lets some errors of the standard library through
        return "error"
    workspace = found.extra_headers.get("anthropic-workspace-id")
    return _outcome("token", secret, found.base_url or base_url, workspace, loopback)


def _outcome(kind: str, secret: str, base_url: str, workspace: str | None, loopback: Loopback) -> str:
    granted = loopback.grant()
    suffix = f" for {workspace}" if workspace else ""
    if granted is None:
        return f"{kind}:{secret} at {loopback.label(base_url)}{suffix}"
    assert secret.startswith("sk-ant-oat01-minted-"), f"{granted}, but the credential is {secret}"
    return f"{granted}{suffix}"


@contextmanager
def serving() -> Iterator[Loopback]:
    github = TokenEndpoint(body={"value": ASSERTIONS["github"]})
    # One client for all rows: to make one takes longer than the rest of a row.
    with TokenEndpoint() as main, TokenEndpoint() as other, github, httpx.Client(trust_env=False) as client:
        yield Loopback(main, other, github, client)


@pytest.fixture(scope="module")
def servers() -> Iterator[Loopback]:
    with serving() as loopback:
        yield loopback


@pytest.fixture
def loopback(servers: Loopback, monkeypatch: pytest.MonkeyPatch) -> Loopback:
    """The servers, and a process whose own environment says nothing."""
    for name in list(os.environ):
        if name.startswith(("ANTHROPIC_", "ANT_", "GITHUB_", "ACTIONS_", "XDG_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    servers.clear()
    return servers


def names(rows: list[Row]) -> list[Any]:
    return [pytest.param(row, id=row.id) for row in rows]


@pytest.mark.parametrize("row", names(ROWS))
def test_the_credential_is_the_one_the_table_says(row: Row, loopback: Loopback, tmp_path: Path) -> None:
    assert our_outcome(lay_out(row, tmp_path, loopback), loopback) == row.expected


@pytest.mark.parametrize("row", names([row for row in ROWS if row.id not in OFFICIAL]))
def test_the_official_sdk_decides_the_same(
    row: Row, loopback: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    official = official_outcome(lay_out(row, tmp_path, loopback), loopback, monkeypatch)
    assert official == comparable(row.expected)


@pytest.mark.parametrize("row", names([row for row in ROWS if row.id in OFFICIAL]))
def test_the_official_sdk_decides_otherwise_where_the_list_says_so(
    row: Row, loopback: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    official = official_outcome(lay_out(row, tmp_path, loopback), loopback, monkeypatch)
    assert official == OFFICIAL[row.id]
    assert official != comparable(row.expected)


def test_the_official_go_ant_decides_otherwise_in_the_rows_that_were_recorded() -> None:
    """Its answers were written by `tests/support/record_go_ant.py`, which needs it; this does not."""
    recorded = json.loads(GO_ANT.read_text())
    assert list(recorded["answers"]) == [row.id for row in ROWS]
    differ = {row.id for row in ROWS if recorded["answers"][row.id] != comparable(row.expected)}
    assert differ == set(recorded["differ"])


def comparable(outcome: str) -> str:
    """Errors have different names in the two."""
    return "error" if outcome.startswith("error:") else outcome


def test_every_row_has_a_name_of_its_own() -> None:
    assert len({row.id for row in ROWS}) == len(ROWS)


def test_every_difference_belongs_to_a_row_and_has_a_reason() -> None:
    assert set(OFFICIAL) <= {row.id for row in ROWS}
    assert all(reason.endswith(".") for reason in DIFFERENCES)


def test_a_profile_sends_its_token_to_its_own_host_where_the_official_client_sends_it_to_another(
    loopback: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The chain of the official SDK agrees with this project; its client then puts the variable first.
    row = Row("", "", named("work"), config("work", federated(base_url="{other}")))
    environ = lay_out(row, tmp_path, loopback)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with anthropic.Anthropic() as client:
        assert loopback.label(str(client.base_url)) == "main"
    assert loopback.label(ant_wif.resolve(environ=environ).base_url) == "other"


# What is said of each tier


def looked_at(home: Path, files: Mapping[str, object], **arguments: Any) -> Resolution:
    """The tiers of a process in this home directory; what is not an argument is a variable."""
    for name, content in files.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_bytes(content))
        path.chmod(0o600 if path.parent.name == "credentials" else 0o644)
    environ = {"HOME": str(home), **{name: arguments.pop(name) for name in list(arguments) if name.isupper()}}
    fixed = dict.fromkeys(("identity_token_file", "profile", "config_dir"))
    return resolution_of(**{**fixed, "environ": environ, "clock": lambda: NOW, **arguments})


NOW = 1_800_000_000
AUTH = {"type": "oidc_federation", "federation_rule_id": "fdrl_01",
        "identity_token": {"source": "file", "path": "/nowhere/jwt"}}  # fmt: skip
ENV = {"ANTHROPIC_FEDERATION_RULE_ID": "fdrl_01", "ANTHROPIC_ORGANIZATION_ID": ORGANIZATIONS["org_env"]}
IN_CI = "in CI set ANTHROPIC_FEDERATION_RULE_ID and ANTHROPIC_ORGANIZATION_ID; on your machine run `ant auth login`; " \
    "`ant auth status` shows what was found"  # fmt: skip
IN_PART = {"IDENTITY_ENDPOINT": "http://127.0.0.1/token"}


@pytest.mark.parametrize(
    ("variables", "files", "summary", "hint"),
    [
        ({}, {}, "no credentials found", IN_CI),
        ({"ANTHROPIC_ORGANIZATION_ID": "x"}, {}, "no credentials found",
            f"set ANTHROPIC_FEDERATION_RULE_ID and {IDENTITY_MISSING}"),
        (ENV, {}, "no credentials found", f"set {IDENTITY_MISSING}"),
        ({"ANTHROPIC_API_KEY": "a\n"}, {}, "ANTHROPIC_API_KEY holds a blank, a line break or another character that no "
            "HTTP header can carry", "set ANTHROPIC_API_KEY anew; often a line break was copied along"),
        ({"ANTHROPIC_API_KEY": "\ufeffa"}, {}, "ANTHROPIC_API_KEY holds a byte order mark, which no HTTP header "
            "can carry", "set ANTHROPIC_API_KEY anew; often it was copied along"),
        ({"ANTHROPIC_AUTH_TOKEN": "Bearer x"}, {}, "ANTHROPIC_AUTH_TOKEN holds a blank, a line break or another "
            "character that no HTTP header can carry",
            "set ANTHROPIC_AUTH_TOKEN to the token alone, without the word Bearer"),
        ({"ANTHROPIC_ORGANIZATION_ID": "x"}, config("default", {"authentication": {"type": "oidc_federation"}}),
            "the federation profile {home}/.config/anthropic/configs/default.json lacks "
            "authentication.federation_rule_id, authentication.identity_token",
            "add it to the file, or set ANTHROPIC_FEDERATION_RULE_ID and ANTHROPIC_IDENTITY_TOKEN_FILE; or complete "
            f"the environment: set ANTHROPIC_FEDERATION_RULE_ID and {IDENTITY_MISSING}"),
        ({}, config("default", {"authentication": AUTH}),
            "the federation profile {home}/.config/anthropic/configs/default.json lacks organization_id",
            "add it to the file, or set ANTHROPIC_ORGANIZATION_ID"),
        (IN_PART, config("default", {"authentication": AUTH}),
            "the federation profile {home}/.config/anthropic/configs/default.json lacks organization_id",
            "add it to the file, or set ANTHROPIC_ORGANIZATION_ID"),
        ({"identity_source": "none"}, config("default", federated({"identity_token": ...})),
            "there is no identity token: identity_source has the value none", "leave out identity_source"),
        ({"identity_source": "none"}, config("default", federated({"identity_token": ...}, organization_id=...)),
            "the federation profile {home}/.config/anthropic/configs/default.json lacks organization_id, "
            "authentication.identity_token",
            "add it to the file, or set ANTHROPIC_ORGANIZATION_ID and ANTHROPIC_IDENTITY_TOKEN_FILE"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named_with_the_variables_to_set(
    variables: dict[str, str], files: dict[str, object], summary: str, hint: str, tmp_path: Path
) -> None:
    with pytest.raises(AntWifError) as caught:
        looked_at(tmp_path, files, **variables).require()
    assert (caught.value.summary, caught.value.hint) == (summary.format(home=tmp_path), hint)
    if isinstance(caught.value, NoCredentialsError):
        found = [(each.tier, each.source, each.origin) for each in caught.value.candidates]
        assert found == [
            (1, "api_key", "--api-key"), (1, "auth_token", "--auth-token"), (2, "api_key", "ANTHROPIC_API_KEY"),
            (2, "auth_token", "ANTHROPIC_AUTH_TOKEN"), (3, "profile", "--profile or ANTHROPIC_PROFILE"),
            (4, "federation", "environment"), (5, "profile", "profile:default"),
        ]  # fmt: skip
        lacking = [each.missing for each in caught.value.candidates]
        assert lacking[:5] == [(each[2],) for each in found[:5]]
        assert lacking[6] == (f"the file {tmp_path}/.config/anthropic/configs/default.json",)
        assert all(each.error is None for each in caught.value.candidates)


def test_a_platform_that_is_configured_in_part_is_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(NoCredentialsError) as caught:
        looked_at(tmp_path, {}, **IN_PART, ANTHROPIC_ORGANIZATION_ID="x").require()
    why = caught.value.candidates[5].error
    assert isinstance(why, IdentitySourceError)
    assert (why.hint or "").endswith("; or name another source in ANT_IDENTITY_SOURCE")
    assert caught.value.hint == f"{why}: {why.hint}; set ANTHROPIC_FEDERATION_RULE_ID"
    profile = config("default", {"authentication": {"type": "oidc_federation"}, "organization_id": "x"})
    broken = looked_at(tmp_path, profile, **IN_PART).candidates[6].error
    assert broken is not None
    assert broken.hint == (
        f"add it to the file, or set ANTHROPIC_FEDERATION_RULE_ID and ANTHROPIC_IDENTITY_TOKEN_FILE; {why}: {why.hint}"
    )
    none = looked_at(tmp_path, {}, **IN_PART, ANT_IDENTITY_SOURCE="none", ANTHROPIC_ORGANIZATION_ID="x")
    assert none.candidates[5].error is None


@pytest.mark.parametrize(
    "changes",
    [
        {"base_url": "ftp://a.example"}, {"workspace_id": "x"}, {"organization_id": "x"},
        {"authentication": {**AUTH, "federation_rule_id": "x"}},
        {"authentication": {**AUTH, "service_account_id": "x"}},
    ],
    ids=json.dumps,
)  # fmt: skip
def test_a_value_of_another_form_in_a_profile_is_the_error_of_its_tier(
    changes: dict[str, object], tmp_path: Path
) -> None:
    document = {"authentication": AUTH, "organization_id": ORGANIZATIONS["org_env"]}
    assert looked_at(tmp_path, config("default", document)).candidates[6].provider is not None
    found = looked_at(tmp_path, config("default", document | changes)).candidates[6]
    assert (found.matches, found.usable, found.provider) == (True, False, None)


def test_every_argument_reaches_the_credential(loopback: Loopback, tmp_path: Path) -> None:
    (tmp_path / "jwt").write_text(ASSERTIONS["file"])
    ids = {"federation_rule_id": "fdrl_01", "organization_id": ORGANIZATIONS["org_env"],
           "workspace_id": "wrkspc_01", "service_account_id": "svac_01"}  # fmt: skip
    home = {"HOME": str(tmp_path)}
    host, sent = loopback.main.base_url, list[httpx.Request]()
    with httpx.Client(trust_env=False, event_hooks={"request": [sent.append]}) as client:
        by_file = ant_wif.resolve(
            **ids, base_url=f"{host}/", identity_token_file=tmp_path / "jwt", environ=home, http_client=client,
            clock=lambda: NOW,
        )  # fmt: skip
        assert by_file.access_token().expires_at == NOW + 3600
    assert [json.loads(request.content) for request in sent] == [
        {**ids, "grant_type": JWT_BEARER, "assertion": ASSERTIONS["file"]}
    ]
    assert (by_file.source, by_file.base_url, by_file.workspace_id) == ("federation", host, "wrkspc_01")
    assert (by_file.organization_id, by_file.identity_source) == (ORGANIZATIONS["org_env"], "file")
    given = ant_wif.resolve(**ids, identity_token=ASSERTIONS["file"], environ=home)
    assert given.identity_source == "literal"
    assert ant_wif.resolve(**ids, identity_token=ASSERTIONS["file"], identity_source="env", environ=home)
    for secret, source in (("api_key", "api_key"), ("auth_token", "auth_token")):
        static = ant_wif.resolve(**{secret: "x"}, base_url="https://b.example", environ=home)
        assert (static.source, static.origin, static.base_url) == (
            source, f"--{secret.replace('_', '-')}", "https://b.example",
        )  # fmt: skip
    with pytest.raises(ProfileError, match="gone"):
        ant_wif.resolve(profile="gone", config_dir=tmp_path, environ=home)


@pytest.mark.parametrize(("left", "known"), [(3600, True), (31, True), (30, False), (-5, False)])
def test_a_candidate_holds_the_profile_the_token_and_where_it_is_from(left: int, known: bool, tmp_path: Path) -> None:
    files = config("ci", {"authentication": AUTH, "organization_id": ORGANIZATIONS["org_env"]})
    kept = {"type": "oauth_token", "access_token": "x", "expires_at": NOW + left}
    found = looked_at(tmp_path, files | credentials("ci", kept), profile="ci").candidates[4]
    assert (found.matches, found.origin, found.stale, found.unrecorded) == (True, "profile:ci", False, known)
    assert found.profile is not None
    assert found.stored is not None
    assert (found.profile.name, found.stored.expires_at) == ("ci", NOW + left)
    assert (found.token.expires_at if found.token else None) == (NOW + left if known else None)
    assert found.usable
    person = looked_at(tmp_path, config("me", login()) | credentials("me", kept), profile="me").candidates[4]
    assert person.token is not None
    assert person.stored is not None
    assert (person.token.expires_at, person.usable) == (NOW + left, left > 0)


@pytest.mark.parametrize("own", [True, False])
def test_a_federation_takes_over_a_login_in_its_own_file_and_in_no_other(own: bool, tmp_path: Path) -> None:
    auth = AUTH if own else {**AUTH, "credentials_path": f"{tmp_path}/credentials/other.json"}
    document = {"authentication": auth, "organization_id": ORGANIZATIONS["org_env"]}
    kept = {"type": "oauth_token", "access_token": "x", "refresh_token": "r", "expires_at": NOW + 3600}
    where = credentials("ci", kept) if own else {"credentials/other.json": kept}
    found = looked_at(tmp_path, config("ci", document) | where, profile="ci").candidates[4]
    assert found.provider is not None
    assert (found.stored is not None, found.stale, found.token) == (own, own, None)


def test_the_rule_of_a_profile_is_known_where_it_is_a_federation(tmp_path: Path) -> None:
    document = {"authentication": AUTH, "organization_id": ORGANIZATIONS["org_env"], "base_url": "https://a.example/"}
    context = looked_at(tmp_path, config("ci", document) | config("me", login())).inputs
    assert context.federation_of("ci") == Federation(
        "https://a.example", "fdrl_01", ORGANIZATIONS["org_env"], None, None
    )
    assert context.federation_of("me") is None
    with pytest.raises(ProfileError):
        context.federation_of("gone")
