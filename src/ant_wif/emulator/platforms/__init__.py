"""The platforms whose jobs are emulated, one module each."""

from __future__ import annotations

from collections.abc import Callable

from ant_wif.emulator._issuers.files import Folder
from ant_wif.emulator._issuers.provider import IdentityProvider
from ant_wif.emulator.platforms.aws import Aws
from ant_wif.emulator.platforms.azure import Azure
from ant_wif.emulator.platforms.buildkite import Buildkite
from ant_wif.emulator.platforms.circleci import CircleCI
from ant_wif.emulator.platforms.github import GitHub
from ant_wif.emulator.platforms.gitlab import GitLab
from ant_wif.emulator.platforms.google_cloud import GoogleCloud
from ant_wif.emulator.platforms.kubernetes import Kubernetes
from ant_wif.emulator.platforms.oauth import OAuthServer
from ant_wif.emulator.platforms.spiffe import Spiffe

_ALIASES = {"gcp": "google_cloud"}


class Platforms:
    """One of each. `clock` returns unix time; the files of jobs go to `folder`."""

    def __init__(self, clock: Callable[[], float], folder: Folder) -> None:
        self.google_cloud = GoogleCloud(clock, folder)
        self.kubernetes = Kubernetes(clock, folder)
        self.circleci = CircleCI(clock, folder)
        self.buildkite = Buildkite(clock, folder)
        self.oauth = OAuthServer(clock, folder)
        self.spiffe = Spiffe(clock, folder)
        self._all: tuple[IdentityProvider, ...] = (
            GitHub(clock, folder),
            self.google_cloud,
            Aws(clock, folder),
            Azure(clock, folder, self.kubernetes),
            self.kubernetes,
            GitLab(clock, folder),
            self.circleci,
            self.buildkite,
            self.oauth,
            self.spiffe,
        )
        self._by_name = {provider.name: provider for provider in self._all}
        self._jobs = {
            name: (provider, environment)
            for provider in self._all
            for name, environment in provider.environments().items()
        }

    def all(self) -> tuple[IdentityProvider, ...]:
        return self._all

    def named(self, name: str) -> IdentityProvider:
        """Raises ValueError for a platform that is not emulated."""
        name = _ALIASES.get(name, name)
        if name not in self._by_name:
            raise ValueError(f"unknown platform {name!r}; known are {', '.join(self._by_name)}")
        return self._by_name[name]

    def job(self, name: str) -> tuple[IdentityProvider, Callable[[], dict[str, str]]]:
        """Return a platform, and what returns the variables of a kind of job on it: `azure-aks`.

        Raises ValueError where there is no such kind.
        """
        name = _ALIASES.get(name, name)
        if name not in self._jobs:
            raise ValueError(f"unknown platform {name!r}; known are {', '.join(self._jobs)}")
        return self._jobs[name]
