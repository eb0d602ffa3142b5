"""One look at arguments, environment and configuration directory, and what follows from them for any tier."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cached_property

from ant_wif._config import Active, ConfigDir, Settings, Via
from ant_wif._environment import Environment, steady
from ant_wif._tokens import Federation
from ant_wif.errors import IdentitySourceError, ProfileError
from ant_wif.identity import Context, Detection, IdentitySource, first_detected, source_by_name
from ant_wif.identity.env import Literal
from ant_wif.identity.file import File

__all__ = ["ResolutionContext"]


class ResolutionContext:
    """What was there when this was made. Later changes are not seen."""

    def __init__(
        self,
        arguments: Mapping[str, object],
        environ: Environment,
        *,
        profile: str | None = None,
        config_dir: str | os.PathLike[str] | None = None,
        clock: Callable[[], float] = steady,
    ) -> None:
        self.arguments = arguments
        self._profile_argument = profile
        self.clock = clock
        self.environ = environ
        self.directory = ConfigDir.locate(environ, config_dir)
        self.settings = Settings.load(arguments, environ)

    @cached_property
    def active(self) -> Active | ProfileError:
        """Which profile is meant, or why that cannot be said."""
        try:
            return self.directory.active(self._profile_argument)
        except ProfileError as error:
            return error

    @property
    def active_via(self) -> Via:
        """By what the active profile is named, also when a profile cannot have that name."""
        if not isinstance(self.active, ProfileError):
            return self.active.via
        if self._profile_argument is not None:
            return "flag"
        return "env" if "ANTHROPIC_PROFILE" in self.environ else "active_config"

    def federation_of(self, name: str) -> Federation | None:
        """Return what a profile's identity token is exchanged under; `None` for a login, or where that is incomplete.

        Raises:
            ConfigurationError: there is no such profile, or it cannot be used.
        """
        profile = self.directory.read(name)
        if profile.type != "oidc_federation":
            return None
        return self.federated(Settings.load(self.arguments, self.environ, profile))

    def identity_of(self, settings: Settings) -> IdentitySource | None:
        """Where the identity token comes from: an argument, the profile, the environment, the platform."""

        def is_argument(name: str) -> bool:
            return settings.origin(name).via == "flag"

        if settings.identity_token_file and is_argument("identity_token_file"):
            return File(settings.identity_token_file)
        if settings.identity_token and is_argument("identity_token"):
            return Literal(settings.identity_token)
        if settings.identity is not None and not is_argument("identity_source"):
            return settings.identity
        if settings.identity_source == "none":
            return None
        if settings.identity_source != "auto":
            origin = settings.origin("identity_source")
            return source_by_name(settings.identity_source, self.context(settings), place=origin.place)
        return self._detected(settings)[0]

    def near_miss(self, settings: Settings) -> IdentitySourceError | None:
        """Why `identity_of` found no source, where a platform is configured in part; else `None`."""
        found, near_misses = self._detected(settings) if settings.identity_source == "auto" else (None, [])
        errors = [each.near_miss for each in near_misses if each.near_miss is not None]
        if found is not None or not errors:
            return None
        hints = "; ".join(str(error.hint) for error in errors)
        return IdentitySourceError(
            "; ".join(map(str, errors)), hint=f"{hints}; or name another source in ANT_IDENTITY_SOURCE"
        )

    def _detected(self, settings: Settings) -> tuple[IdentitySource | None, list[Detection]]:
        # Without these two no token is exchanged, so the search is short.
        plugins = bool(settings.federation_rule_id and settings.organization_id)
        return first_detected(self.context(settings), plugins=plugins)

    def context(self, settings: Settings) -> Context:
        """What an identity source gets to look at under these settings."""
        return Context(self.environ, settings.identity_audience, self.clock)

    @staticmethod
    def federated(settings: Settings) -> Federation | None:
        if settings.federation_rule_id is None or settings.organization_id is None:
            return None
        return Federation(
            settings.base_url.rstrip("/"),
            settings.federation_rule_id,
            settings.organization_id,
            settings.service_account_id,
            settings.workspace_id,
        )
