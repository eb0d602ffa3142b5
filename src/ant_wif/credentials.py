"""Credentials: what a caller holds, and `federate`, which makes them without resolving anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ant_wif._constants import DEFAULT_AUDIENCE, OAUTH_BETA
from ant_wif._environment import Environment, steady
from ant_wif._http import arun, run
from ant_wif._secrets import NotCopied, SecretStr
from ant_wif._tokens import AccessToken, FederatedProvider, Federation, TokenCache, TokenRequest
from ant_wif.errors import ConfigurationError
from ant_wif.identity import Context, IdentitySource
from ant_wif.integrations import API_VERSION

if TYPE_CHECKING:
    import httpx

    from ant_wif._config import CacheDir, Settings
    from ant_wif._tokens import Provider
    from ant_wif.integrations.httpx import HttpxAuth

__all__ = ["Credentials", "cache_of", "federate"]


class Credentials(NotCopied):
    """A credential that stays fresh. Safe to share between threads and tasks; a copy of it is itself.

    Attributes:
        source: `api_key`, `auth_token`, `profile` or `federation`.
        origin: which option, variable or profile, e.g. `ANTHROPIC_API_KEY` or `profile:default`.
        base_url: the API host that the credential is for, without a trailing slash.
        organization_id, workspace_id: as configured; `None` where the server chooses.
        identity_source: the name of the source of identity tokens, or `None`.
        base_url_from: the option, variable or file that names `base_url`; empty for the default and for an argument.
        workspace_from: what names the `workspace_id` that requests are sent with, likewise.
        scope: what a login was granted, empty where that is not recorded; `None` of anything but a login.
    """

    def __init__(
        self,
        provider: Provider,
        *,
        source: str,
        origin: str,
        base_url: str,
        organization_id: str | None = None,
        workspace_id: str | None = None,
        identity_source: str | None = None,
        workspace_header: bool = False,
        base_url_from: str = "",
        workspace_from: str = "",
        scope: str | None = None,
        clock: Callable[[], float] = steady,
        http_client: httpx.Client | httpx.AsyncClient | None = None,
        environ: Environment | None = None,
    ) -> None:
        self.source = source
        self.origin = origin
        self.base_url = base_url
        self.organization_id = organization_id
        self.workspace_id = workspace_id
        self.identity_source = identity_source
        self.base_url_from = base_url_from
        self.workspace_from = workspace_from
        self.scope = scope
        self._provider = provider
        self._workspace_header = workspace_header
        self._client, self._async_client = _by_kind(http_client)
        self._environ = environ or Environment()
        self._cache = TokenCache(provider.obtain, clock=clock, environ=self._environ)
        self._auth: HttpxAuth | None = None

    def __repr__(self) -> str:
        return f"<Credentials {self.source} from {self.origin} for {self.base_url}>"

    def access_token(self) -> AccessToken:
        """Return the token with its expiry, obtaining or refreshing it if necessary.

        Raises:
            AntWifError: none could be had; see `ant_wif.errors`.
        """
        fresh = self._cache.fresh()
        if fresh is not None:
            return fresh
        if self._provider.held:
            return self._cache.get(self._client)
        return run(self._provider.obtain(TokenRequest()), self._client, self._environ)

    async def aaccess_token(self) -> AccessToken:
        """Do what `access_token` does, without blocking the event loop."""
        fresh = self._cache.fresh()
        if fresh is not None:
            return fresh
        if self._provider.held:
            return await self._cache.aget(self._async_client)
        return await arun(self._provider.obtain(TokenRequest()), self._async_client, self._environ)

    def token(self) -> str:
        """Return the bearer token (or API key), fresh."""
        return self.access_token().secret.get_secret_value()

    async def atoken(self) -> str:
        """Return the bearer token (or API key), fresh."""
        return (await self.aaccess_token()).secret.get_secret_value()

    def headers(self) -> dict[str, str]:
        """Return the complete request headers for an API call.

        They hold the token, and cannot know where they are sent: send them to `base_url` only. `auth` judges that
        for each request.
        """
        return self._headers(self.access_token())

    async def aheaders(self) -> dict[str, str]:
        """Do what `headers` does, without blocking the event loop."""
        return self._headers(await self.aaccess_token())

    def invalidate(self, rejected: SecretStr | None = None) -> None:
        """Drop the token after a 401; the next call obtains another.

        With `rejected` given, only if that is still the one held: of many calls that fail at
        once, the first has it replaced and the others use the replacement.
        """
        self._cache.invalidate(rejected)

    def refresh_ahead(self, seconds: float) -> None:
        """Refresh a token so many seconds before it expires at the latest: what it is handed to may stop using it then.

        Without this it is 120 seconds, or half its lifetime if that is less.
        """
        self._cache.refresh_ahead(seconds)

    @property
    def expires_at(self) -> int | None:
        """When the token held now expires (unix seconds); `None` before the first use, or if it never does."""
        held = self._cache.token
        return held.expires_at if held else None

    @property
    def sends_workspace(self) -> bool:
        """Whether requests name the workspace: a login's do, a federated token is bound to one."""
        return self._workspace_header and self.workspace_id is not None

    @property
    def environ(self) -> Environment:
        """The variables that say how hosts are reached."""
        return self._environ

    @property
    def auth(self) -> HttpxAuth:
        """An `httpx.Auth` for `httpx.Client(auth=…)` and `httpx.AsyncClient(auth=…)`."""
        if self._auth is None:
            from ant_wif.integrations.httpx import HttpxAuth

            self._auth = HttpxAuth(self)
        return self._auth

    def _headers(self, token: AccessToken) -> dict[str, str]:
        headers = {
            "Authorization": f"Bearer {token.secret.get_secret_value()}",
            "anthropic-version": API_VERSION,
        }
        # Gateways refuse beta flags that they do not know, and their tokens have other shapes.
        if token.secret.get_secret_value().startswith("sk-ant-oat"):
            headers["anthropic-beta"] = OAUTH_BETA
        if self.sends_workspace and self.workspace_id is not None:
            headers["anthropic-workspace-id"] = self.workspace_id
        return headers


def _by_kind(
    client: httpx.Client | httpx.AsyncClient | None,
) -> tuple[httpx.Client | None, httpx.AsyncClient | None]:
    if client is None:
        return None, None
    import httpx

    return (client, None) if isinstance(client, httpx.Client) else (None, client)


def cache_of(settings: Settings, environ: Environment) -> CacheDir | None:
    """Return where tokens are shared under these settings, or `None` where they are kept in memory only.

    Raises:
        ConfigurationError: `ANT_CACHE` says something else than disk, memory or off.
    """
    from ant_wif._config import CacheDir

    return CacheDir.locate(environ, settings.cache_dir) if settings.caches_on_disk else None


def federate(
    identity: IdentitySource,
    *,
    federation_rule_id: str,
    organization_id: str,
    service_account_id: str | None = None,
    workspace_id: str | None = None,
    base_url: str | None = None,
    audience: str = DEFAULT_AUDIENCE,
    environ: Mapping[str, str] | None = None,
    http_client: httpx.Client | httpx.AsyncClient | None = None,
    clock: Callable[[], float] = steady,
) -> Credentials:
    """Federate directly: with `identity` and the given IDs only, without profiles and variables.

    Nothing is sent until a token is asked for, and the token is shared with other processes of this
    user that ask for the same. `environ` is what the source reads and what says where tokens are
    shared, by default `os.environ`.

    Raises:
        ConfigurationError: an id has not the form of its kind, or the URL must not carry a token.
    """
    from ant_wif._config import DEFAULT_BASE_URL, Settings

    environ = Environment(environ)  # before anything can raise: this frame is part of every traceback
    federation = Federation(
        _trimmed("base_url", base_url or DEFAULT_BASE_URL).rstrip("/"),
        _trimmed("federation_rule_id", federation_rule_id),
        _trimmed("organization_id", organization_id),
        _trimmed("service_account_id", service_account_id) if service_account_id is not None else None,
        _trimmed("workspace_id", workspace_id) if workspace_id is not None else None,
    )
    federation.check()
    cache = cache_of(Settings.load({}, environ), environ)
    return Credentials(
        FederatedProvider(federation, identity, Context(environ, audience, clock), cache=cache),
        source="federation",
        origin="arguments",
        base_url=federation.base_url,
        organization_id=federation.organization_id,
        workspace_id=federation.workspace_id,
        identity_source=identity.source,
        clock=clock,
        http_client=http_client,
        environ=environ,
    )


def _trimmed(name: str, given: object) -> str:
    """Return an argument that is a text. Raises ConfigurationError: it is something else."""
    if isinstance(given, str):
        return given.strip()
    raise ConfigurationError(f"{name} is not a string", hint=f"correct {name}")
