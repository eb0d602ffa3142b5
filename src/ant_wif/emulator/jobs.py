"""The platform with the jobs that get their identity tokens elsewhere, as a test holds them."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import EllipsisType

from ant_wif.emulator._issuers.files import write_privately
from ant_wif.emulator._issuers.keys import KeyChoice
from ant_wif.emulator._state.state import State
from ant_wif.emulator.backend import Backend
from ant_wif.emulator.platforms import Platforms
from ant_wif.emulator.platforms.oauth import OAuthClient
from ant_wif.rules import DEFAULT_AUDIENCE

FilePath = str | os.PathLike[str]


class Jobs(Backend):
    """What is written to a `path` can be read by its owner only; the path is returned. Raises OSError.

    What names the emulator's address needs it to be started. Raises RuntimeError where it is not.
    """

    def __init__(self, state: State, platforms: Platforms) -> None:
        super().__init__(state)
        self._platforms = platforms

    @property
    @abstractmethod
    def base_url(self) -> str: ...

    @abstractmethod
    def _now(self) -> float: ...

    @property
    def _running(self) -> Platforms:
        # The address is part of tokens, files and programs: without one they would be of no use.
        _ = self.base_url
        return self._platforms

    def env(self, platform: str = "github") -> dict[str, str]:
        """Return what makes a process look like a job on `platform`, with the emulator for a backend.

        Files and programs that a variable names are written into a folder that goes when the emulator
        stops. Raises ValueError for a platform that is not emulated.
        """
        base_url, (provider, environment) = self.base_url, self._platforms.job(platform)
        rule = self.rule(provider.name)
        return {
            "ANTHROPIC_BASE_URL": base_url,
            "ANTHROPIC_FEDERATION_RULE_ID": rule.id,
            "ANTHROPIC_ORGANIZATION_ID": self.organization_id,
            "ANTHROPIC_SERVICE_ACCOUNT_ID": rule.service_account_id,
            "ANTHROPIC_WORKSPACE_ID": rule.workspace_ids[0] if rule.workspace_ids else "default",
            **environment(),
        }

    def identity_token(self, platform: str) -> dict[str, object]:
        """Return what stands under `identity_token` in a profile of a job on `platform`.

        Secrets that it names by a variable are in `env(platform)`. Raises ValueError as `env` does.
        """
        return self._running.named(platform).identity_token()

    def issue(
        self,
        platform: str = "github",
        *,
        lifetime: int | None = None,
        headers: dict[str, object] | None = None,
        kid: str | EllipsisType | None = ...,
        alg: str = "RS256",
        key: KeyChoice = "own",
        **claims: object,
    ) -> str:
        """Return a JWT of the platform's seeded job, which the seeded rule accepts, once.

        `lifetime` is in seconds, by default the platform's own. `claims` (`sub`, `aud`, `exp`, …) and
        `headers` override; `None` leaves one out. For wrong tokens: `key="other"` signs with a key
        that is not published, `kid=None` names none, `alg` may be `none` or `HS256`.
        """
        return self._platforms.named(platform).mint(
            now=self._now(), lifetime=lifetime, claims=claims, headers=headers, kid=kid, alg=alg, key=key
        )

    def sign_as(self, platform: str, claims: Mapping[str, object], alg: str = "RS256") -> str:
        """Return a JWT of these claims with the platform's key, for whoever emulates more of the platform.

        What the claims lack of `iss`, `iat` and `exp` is added; one of `None` is left out. `alg` is
        RS256, at `aws` also ES384, at `spiffe` also ES256. Raises ValueError for another.
        """
        return self._running.named(platform).sign(claims, now=self._now(), alg=alg)

    def rotate_keys(self, platform: str = "github", *, keep_old: bool = False) -> None:
        """Have the platform sign with new keys, and publish them; the old ones no more, unless `keep_old`.

        A token that the old keys signed is of a key that is not found then. Raises ValueError for a platform
        that is not emulated.
        """
        self._platforms.named(platform).key.rotate(keep_old=keep_old)

    def google_service_account(self, path: FilePath) -> str:
        """Write a key file, as GOOGLE_APPLICATION_CREDENTIALS names one, of the seeded service account."""
        return write_privately(path, self._running.google_cloud.service_account.file())

    def kubernetes_token(self, path: FilePath, *, audience: str = DEFAULT_AUDIENCE, lifetime: int = 3600) -> str:
        """Write a projected token, or replace it as the kubelet does. `lifetime` is in seconds."""
        return write_privately(path, self._running.kubernetes.token(audience, lifetime))

    def kubernetes_pod(self, root: FilePath) -> str:
        """Write all that is mounted into the pod below `root`, in `var/run/secrets`.

        These are the projected token and what the pod shows to the cluster's API. Returns `root`.
        """
        self._running.kubernetes.write_mounts(Path(root))
        return str(root)

    @property
    def allow_token_requests(self) -> bool:
        """Whether the pod may ask the cluster's TokenRequest API for tokens of its own."""
        return self._platforms.kubernetes.allow_token_requests

    @allow_token_requests.setter
    def allow_token_requests(self, allowed: bool) -> None:
        self._platforms.kubernetes.allow_token_requests = allowed

    def spiffe_svid(self, path: FilePath, *, audience: str = DEFAULT_AUDIENCE) -> str:
        """Write a JWT-SVID, or replace it as spiffe-helper does."""
        return write_privately(path, self._running.spiffe.svid(audience))

    def executables(self, folder: FilePath) -> list[str]:
        """Write the programs `circleci` and `buildkite-agent` into a folder for the PATH."""
        return [program.write_program(folder) for program in (self._running.circleci, self._running.buildkite)]

    def oauth_client(self, *, client_id: str | None = None, public_key: str | None = None) -> OAuthClient:
        """Register a client of the OAuth server, with a secret or with its public key in PEM.

        The seeded rule accepts the seeded client, which `identity_token("oauth")` names; register it
        anew by its `client_id` to give it a key. Raises ValueError for a public key that is none.
        """
        return self._platforms.oauth.clients.register(client_id, public_key)
