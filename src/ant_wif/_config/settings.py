"""Arguments, profile file and environment in one model, every value with its origin.

The order is argument, profile, environment, default: a profile is authoritative, the environment
fills what it leaves out or leaves empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import Field, InstanceOf, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from ant_wif._constants import DEFAULT_AUDIENCE, UUID
from ant_wif._environment import Environment
from ant_wif._http import check_url, permit_url
from ant_wif._secrets import SecretStr, facts_of, has_surrogates, quoted, sanitize, sanitize_path
from ant_wif._strict import problem_in_words
from ant_wif.errors import ConfigurationError, ProfileError
from ant_wif.identity import IdentitySource, read_source

if TYPE_CHECKING:
    from ant_wif._config.documents import Profile

DEFAULT_BASE_URL = "https://api.anthropic.com"
DEFAULT_CONSOLE_URL = "https://platform.claude.com"


class Origin(NamedTuple):
    """Where a value came from: `via` is `flag`, `profile`, `env` or `default`; `name` says which.

    `place` is what an error calls it: the flag or argument, the variable, or the key with the path of the file.
    """

    via: str
    name: str
    place: str = ""


class Variable(NamedTuple):
    """The environment variable that fills a field."""

    name: str


def flag(name: str) -> str:
    """The command-line option of an argument."""
    option = {"federation_rule_id": "federation_rule", "oauth_client_id": "client_id"}.get(name, name)
    return f"--{option.replace('_', '-')}"


_PROFILE_FIELDS = {
    "base_url", "console_url", "federation_rule_id", "organization_id", "scope", "service_account_id", "workspace_id",
}  # fmt: skip

_FORMS = {
    "federation_rule_id": ("federation rule ID", r"fdrl_[A-Za-z0-9_-]{1,128}", "fdrl_…"),
    "organization_id": ("organization ID", UUID, "a UUID without a prefix"),
    "service_account_id": ("service account ID", r"svac_[A-Za-z0-9_-]{1,128}", "svac_…"),
    "workspace_id": ("workspace ID", r"default|wrkspc_[A-Za-z0-9_-]{1,128}", "wrkspc_… or the word default"),
    # RFC 6749 §A.1 and §A.4, without what comes of quotation marks, commas and placeholders.
    "oauth_client_id": ("OAuth client ID", r"[A-Za-z0-9._~:/+@=-]{1,256}", "letters, digits and . _ ~ : / + @ = -"),
    "scope": ("scope", r"[A-Za-z0-9._:/*-]+( +[A-Za-z0-9._:/*-]+)*", "names such as user:inference, between blanks"),
    "identity_audience": ("audience", r"[^\x00-\x1f\x7f]{1,2048}", "a text without control characters"),
}
"""Of each setting that is not a URL: what it is called, its form, and the form in words."""


def check_value(name: str, value: str, *, place: str) -> str:
    """Return a setting if it has the form of its kind, a URL without a slash at its end. `name` is a field's.

    Raises ConfigurationError: it has not, and `place` says where it was found.
    """
    if name in {"base_url", "console_url"}:
        return check_url(value, what=place)
    called, form, expected = _FORMS[name]
    if re.fullmatch(form, value) is None:
        raise ConfigurationError(
            f"{place} is not a valid {called}",
            facts=facts_of(value, expected),
            hint=f"correct {place}",
        )
    return value


def names_another(key: str, named: str, bound: str, bound_name: str | None) -> bool:
    """Return whether `named` is known to be another organization or workspace than a token is bound to.

    `default` is a word for a workspace that has an ID as well; only the name tells whether that is the bound one.
    """
    if key == "organization_id":
        return named.lower() != bound.lower()  # the case of a UUID does not matter
    if named == "default":
        return bound_name is not None and not bound_name.lower().startswith("default")
    return named != bound


Text = str | None
Secret = SecretStr | None


class Settings(BaseSettings):
    """What this run was told. Load it with `Settings.load`.

    Argument names are field names. `identity` is the profile's `identity_token` object.
    """

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    api_key: Annotated[Secret, Variable("ANTHROPIC_API_KEY")] = None
    auth_token: Annotated[Secret, Variable("ANTHROPIC_AUTH_TOKEN")] = None
    base_url: Annotated[str, Variable("ANTHROPIC_BASE_URL")] = DEFAULT_BASE_URL
    console_url: Annotated[str, Variable("ANTHROPIC_CONSOLE_URL")] = DEFAULT_CONSOLE_URL
    oauth_client_id: Annotated[Text, Variable("ANTHROPIC_OAUTH_CLIENT_ID")] = None
    federation_rule_id: Annotated[Text, Variable("ANTHROPIC_FEDERATION_RULE_ID")] = None
    organization_id: Annotated[Text, Variable("ANTHROPIC_ORGANIZATION_ID")] = None
    service_account_id: Annotated[Text, Variable("ANTHROPIC_SERVICE_ACCOUNT_ID")] = None
    workspace_id: Annotated[Text, Variable("ANTHROPIC_WORKSPACE_ID")] = None
    scope: Annotated[Text, Variable("ANTHROPIC_SCOPE")] = None
    identity_token_file: Annotated[Text, Variable("ANTHROPIC_IDENTITY_TOKEN_FILE")] = None
    identity_token: Annotated[Secret, Variable("ANTHROPIC_IDENTITY_TOKEN")] = None
    identity_source: Annotated[str, Variable("ANT_IDENTITY_SOURCE")] = "auto"
    identity_audience: Annotated[str, Variable("ANT_IDENTITY_AUDIENCE")] = DEFAULT_AUDIENCE
    cache: Annotated[str, Variable("ANT_CACHE")] = "disk"
    cache_dir: Annotated[Text, Variable("ANT_CACHE_DIR")] = None
    identity: InstanceOf[IdentitySource] | None = None
    origins: dict[str, Origin] = Field(default_factory=dict)

    @classmethod
    def load(
        cls,
        arguments: Mapping[str, object],
        environ: Environment,
        profile: Profile | None = None,
        *,
        named: Callable[[str], str] = flag,
    ) -> Settings:
        """Unify the three places. An argument that is `None` was not given; errors call it what `named` returns.

        Raises ConfigurationError: a value is not one that its field can have.
        """
        given: dict[str, Any] = {
            name: value.strip() if isinstance(value, str) else value
            for name, value in arguments.items()
            if value is not None
        }
        empty = next((name for name, value in given.items() if value == ""), None)
        if empty:
            raise ConfigurationError(f"{named(empty)} is empty", hint=f"give {named(empty)} a value, or leave it out")
        context: dict[str, Any] = {"environ": environ, "profile_file": profile, "named": named}
        try:
            found = _readable(cls(**given, **context))
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]
        else:
            # Text of the model's own would not be known as permitted.
            urls = {name: permit_url(getattr(found, name), environ) for name in ("base_url", "console_url")}
            return found.model_copy(update=urls)
        name = str(problem["loc"][0])
        where = named(name) if name in given else (name in cls.model_fields and cls.variable(name)) or name
        message = sanitize(problem_in_words(problem["type"], problem["msg"]))
        # The value itself may be a secret.
        raise ConfigurationError(f"{where} {message}", hint=f"correct {where}")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, profile, environment. The last source only reads who had which field first."""
        del env_settings, dotenv_settings, file_secret_settings
        passed = getattr(init_settings, "init_kwargs", {})
        return (
            init_settings,
            ProfileSource(settings_cls, passed.get("profile_file")),
            EnvironmentSource(settings_cls, passed.get("environ", Environment())),
            OriginSource(settings_cls, passed.get("profile_file"), passed.get("named", flag)),
        )

    @property
    def caches_on_disk(self) -> bool:
        """Whether tokens are kept for the next process.

        Raises ConfigurationError: `ANT_CACHE` says something else than disk, memory or off.
        """
        if self.cache not in {"disk", "memory", "off"}:
            raise ConfigurationError(
                f"ANT_CACHE is {quoted(self.cache, limit=32)}, expected disk, memory or off",
                hint="correct ANT_CACHE",
            )
        return self.cache == "disk"

    def origin(self, name: str) -> Origin:
        return self.origins.get(name, Origin("default", "default"))

    @property
    def places(self) -> dict[str, str]:
        """Which option, variable or file names each field that is set."""
        return {name: origin.place for name, origin in self.origins.items()}

    def check(self, *names: str) -> None:
        """See that these fields, as far as they are set, have the form of their kind.

        Raises ConfigurationError: one has not; the error names the flag, variable or file it came from.
        """
        for name in names:
            value = getattr(self, name)
            if value is not None:
                check_value(name, value, place=self.origin(name).place or name)

    @staticmethod
    def check_client_id(profile: Profile) -> None:
        """See that the client id of a login profile, if any, can be sent. Raises ConfigurationError otherwise."""
        if profile.client_id is not None:
            check_value("oauth_client_id", profile.client_id, place=_in_file(profile, "client_id").place)

    @classmethod
    def variable(cls, name: str) -> str | None:
        """The environment variable that fills a field."""
        return _variable(cls.model_fields[name])


def _readable(settings: Settings) -> Settings:
    """Refuse bytes that are no UTF-8, which Python keeps as surrogates. A path may have them.

    Raises ConfigurationError: which setting has them.
    """
    for name in set(Settings.model_fields) - {"identity_token_file", "cache_dir"}:
        value = getattr(settings, name)
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if isinstance(text, str) and has_surrogates(text):
            where = settings.origin(name).place
            raise ConfigurationError(f"{where} holds bytes that are not valid UTF-8", hint=f"correct {where}")
    return settings


class ProfileSource(PydanticBaseSettingsSource):
    """The fields that a profile's file may hold, those left out or empty left out."""

    def __init__(self, settings_cls: type[BaseSettings], profile: Profile | None) -> None:
        super().__init__(settings_cls)
        self._values: dict[str, object] = {}
        if profile is not None:
            # Named one by one: a file may hold any other name, and that of an option too.
            for part in (profile.known.authentication, profile.known):
                self._values |= {
                    name: getattr(part, name, None) for name in _PROFILE_FIELDS & set(type(part).model_fields)
                }
            # The token object of the file; the settings' `identity_token` is a token itself.
            self._values["identity"] = _identity(profile)

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        del field
        return self._values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return _collect(self)


def _identity(profile: Profile) -> IdentitySource | None:
    document = getattr(profile.known.authentication, "identity_token", None)
    try:
        return read_source(document) if document else None
    except ConfigurationError as error:
        raise ProfileError(
            f"the profile {profile.path} cannot be used: authentication.{error.summary}",
            facts=error.facts,
            hint=error.hint,
        ) from None


class EnvironmentSource(PydanticBaseSettingsSource):
    """The environment that was passed in, in which empty means unset."""

    def __init__(self, settings_cls: type[BaseSettings], environ: Environment) -> None:
        super().__init__(settings_cls)
        self._environ = environ

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        variable = _variable(field)
        read = self._environ.get if field_name in _SECRETS else self._environ.text
        return read(variable) if variable else None, field_name, False

    def __call__(self) -> dict[str, Any]:
        return _collect(self)


class OriginSource(PydanticBaseSettingsSource):
    """Adds the one field `origins`: which of the sources before it set what."""

    def __init__(self, settings_cls: type[BaseSettings], profile: Profile | None, named: Callable[[str], str]) -> None:
        super().__init__(settings_cls)
        self._profile, self._named = profile, named

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        del field
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        found = self.settings_sources_data
        fields = self.settings_cls.model_fields
        variables = {name: _variable(fields[name]) or "" for name in found["EnvironmentSource"]}
        origins = {name: Origin("env", variable, variable) for name, variable in variables.items()}
        if self._profile is not None:
            origins |= {name: _in_file(self._profile, name) for name in found["ProfileSource"]}
        origins |= {
            name: Origin("flag", flag(name), self._named(name))
            for name in found["InitSettingsSource"]
            if name in fields
        }
        return {"origins": origins}


def _in_file(profile: Profile, name: str) -> Origin:
    name = "identity_token" if name == "identity" else name
    key = name if name in {"base_url", "organization_id", "workspace_id"} else f"authentication.{name}"
    return Origin(
        "profile", f"profile:{profile.name}", f"{key} of the profile {profile.name!r} ({sanitize_path(profile.path)})"
    )


_SECRETS = {"api_key", "auth_token", "identity_token"}


def _variable(field: FieldInfo) -> str | None:
    return next((mark.name for mark in field.metadata if isinstance(mark, Variable)), None)


def _collect(source: PydanticBaseSettingsSource) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, field in source.settings_cls.model_fields.items():
        value, key, _ = source.get_field_value(field, name)
        if value is not None:
            found[key] = value
    return found
