"""The platforms whose jobs are emulated, one module each."""

from __future__ import annotations

from collections.abc import Callable

from ant_wif.emulator._issuers import Folder, IdentityProvider
from ant_wif.emulator.platforms.aws import EmulatedAws
from ant_wif.emulator.platforms.azure import EmulatedAzure
from ant_wif.emulator.platforms.azure_pipelines import EmulatedAzurePipelines
from ant_wif.emulator.platforms.fly import EmulatedFly
from ant_wif.emulator.platforms.github import EmulatedGitHub, EmulatedImmutableGitHub
from ant_wif.emulator.platforms.google_cloud import EmulatedGoogleCloud
from ant_wif.emulator.platforms.kubernetes import EmulatedKubernetes
from ant_wif.emulator.platforms.oauth import EmulatedTokenUrl, OAuthServer
from ant_wif.emulator.platforms.programs import EmulatedBuildkite, EmulatedCircleCI
from ant_wif.emulator.platforms.spiffe import EmulatedSpiffe
from ant_wif.emulator.platforms.variables import variable_platforms

_ALIASES = {"gcp": "google_cloud"}


class Platforms:
    """One of each. `clock` returns unix time; the files of jobs go to `folder`."""

    def __init__(self, clock: Callable[[], float], folder: Folder) -> None:
        self.github = EmulatedGitHub(clock, folder)
        self.google_cloud = EmulatedGoogleCloud(clock, folder)
        self.kubernetes = EmulatedKubernetes(clock, folder)
        self.circleci = EmulatedCircleCI(clock, folder)
        self.buildkite = EmulatedBuildkite(clock, folder)
        self.oauth = OAuthServer(clock, folder)
        self.spiffe = EmulatedSpiffe(clock, folder)
        self.all: tuple[IdentityProvider, ...] = (
            self.github,
            EmulatedImmutableGitHub(clock, folder),
            self.google_cloud,
            EmulatedAws(clock, folder),
            EmulatedAzure(clock, folder, self.kubernetes),
            self.kubernetes,
            *variable_platforms(clock, folder),
            EmulatedAzurePipelines(clock, folder),
            EmulatedFly(clock, folder),
            self.circleci,
            self.buildkite,
            self.oauth,
            EmulatedTokenUrl(clock, folder),
            self.spiffe,
        )
        self._by_name = {provider.name: provider for provider in self.all}
        self._jobs = {
            name: (provider, environment)
            for provider in self.all
            for name, environment in provider.environments().items()
        }

    def savepoint(self) -> Callable[[], None]:
        """Return what brings back keys, registered clients and permissions of now."""
        allowed = self.kubernetes.allow_token_requests
        parts = [*(provider.key.savepoint() for provider in self.all), self.oauth.clients.savepoint()]

        def bring_back() -> None:
            self.kubernetes.allow_token_requests = allowed
            for part in parts:
                part()

        return bring_back

    def named(self, name: str) -> IdentityProvider:
        """Raises ValueError for a platform that is not emulated."""
        found = self._by_name.get(_ALIASES.get(str(name), str(name)))
        if found is None:
            raise ValueError(f"unknown platform {name!r}; known are {', '.join(self._by_name)}")
        return found

    def job(self, name: str) -> tuple[IdentityProvider, Callable[[], dict[str, str]]]:
        """Return a platform, and what returns the variables of a kind of job on it: `azure-aks`.

        Raises ValueError where there is no such kind.
        """
        found = self._jobs.get(_ALIASES.get(str(name), str(name)))
        if found is None:
            raise ValueError(f"unknown platform {name!r}; known are {', '.join(self._jobs)}")
        return found
