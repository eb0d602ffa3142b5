"""What `ant auth status` tells, as a model: which credential wins, why, and for which workspace.

Its JSON form is a contract (`schema`): fields are added, never renamed or removed. Data classes and
no pydantic models, because building those would be a tenth of the command's start-up.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Literal

__all__ = ["Report"]

SCHEMA = "ant.auth.status/1"

Text = str | None


@dataclass(kw_only=True, eq=False)
class ProfileStatus:
    """The profile of this run, and what named it."""

    name: str
    via: Literal["flag", "env", "active_config", "default"]
    exists: bool
    type: Text = None
    config_path: str
    credentials_path: str
    error: Text = None


@dataclass(kw_only=True, eq=False)
class ConfigDirStatus:
    """The config directory, and what named it."""

    path: str
    via: str


@dataclass(kw_only=True, eq=False)
class CredentialStatus:
    """The credential that wins."""

    tier: int
    source: str
    origin: str
    usable: bool
    masked: Text = None
    expires_at: int | None = None
    identity_source: Text = None


@dataclass(kw_only=True, eq=False)
class CandidateStatus:
    """One credential that was looked at, in the order of the tiers."""

    tier: int
    source: str
    origin: str
    active: bool
    usable: bool
    missing: list[str]
    error: Text = None
    set: bool
    """Whether there is anything of it at all; the others are listed for what they lack."""
    masked: Text = None
    expires_at: int | None = None
    scope: Text = None
    profile_type: Text = None
    problem: Text = None
    """Of a profile: `no such profile`, `not logged in` or `expired`."""
    fix: Text = None
    """The command that solves the problem, or what else to do."""


@dataclass(kw_only=True, eq=False)
class BaseUrlStatus:
    """The API's base URL, and what named it."""

    value: str
    via: str


@dataclass(kw_only=True, eq=False)
class BindingStatus:
    """The organization or the workspace that the credential is for."""

    id: Text = None
    name: Text = None
    via: Text = None
    drift: bool = False
    configured_id: Text = None
    """What is configured, where the token is for another one (`drift`)."""
    note: Text = None
    """Why there is none, or that it is not known."""


@dataclass(kw_only=True, eq=False)
class SourceStatus:
    """One place that names a value; of those that do, the first is the one that counts."""

    origin: str
    value: str
    active: bool


@dataclass(kw_only=True, eq=False)
class LoginStatus:
    """Who is logged in, as the credentials file has it."""

    email: Text = None
    organization_name: Text = None


@dataclass(kw_only=True, eq=False)
class InputStatus:
    """One input of federation: its name, where it stands, and what it is."""

    name: str
    origin: str
    value: str


@dataclass(kw_only=True, eq=False)
class Advice:
    """One warning: a code that does not change, a sentence, and what to do."""

    code: str
    message: str
    fix: str


@dataclass(kw_only=True, eq=False)
class Report:
    """Everything that `ant auth status` prints."""

    profile: ProfileStatus
    config_dir: ConfigDirStatus
    credential: CredentialStatus | None = None
    candidates: list[CandidateStatus]
    base_url: BaseUrlStatus
    organization: BindingStatus
    workspace: BindingStatus
    warnings: list[Advice]
    login: LoginStatus | None = None
    base_url_sources: list[SourceStatus]
    organization_sources: list[SourceStatus]
    workspace_sources: list[SourceStatus]
    federation_inputs: list[InputStatus] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """Return what `ant auth status --format json` prints."""
        return {"schema": SCHEMA, **asdict(self)}
