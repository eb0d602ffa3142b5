"""Federation outright, with nothing to resolve; and where the tokens of a federation are shared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ant_wif._clock import steady
from ant_wif._config.cache_dir import CacheDir
from ant_wif._config.settings import DEFAULT_BASE_URL, Settings
from ant_wif._environment import Environment
from ant_wif._tokens.grants.federation import Federation
from ant_wif._tokens.providers import FederatedProvider
from ant_wif.credentials import Credentials
from ant_wif.identity import DEFAULT_AUDIENCE, Context, IdentitySource

if TYPE_CHECKING:
    import httpx

__all__ = ["cache_of", "federate"]


def cache_of(settings: Settings, environ: Environment) -> CacheDir | None:
    """Return where tokens are shared under these settings, or `None` where they are kept in memory only.

    Raises:
        ConfigurationError: `ANT_CACHE` says something else than disk, memory or off.
    """
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
    """Federate outright: no profile, no variable decides, only `identity` and the ids given.

    Nothing is sent until a token is asked for, and the token is shared with other processes of this
    user that ask for the same. `environ` is what the source reads and what says where tokens are
    shared, by default `os.environ`.

    Raises:
        ConfigurationError: an id has not the form of its kind, or the URL must not carry a token.
    """
    federation = Federation(
        (base_url or DEFAULT_BASE_URL).rstrip("/"),
        federation_rule_id,
        organization_id,
        service_account_id,
        workspace_id,
    )
    federation.check()
    variables = Environment(environ)
    cache = cache_of(Settings.load({}, variables), variables)
    return Credentials(
        FederatedProvider(federation, identity, Context(variables, audience, clock), cache=cache),
        source="federation",
        origin="arguments",
        base_url=federation.base_url,
        organization_id=organization_id,
        workspace_id=workspace_id,
        identity_source=identity.source,
        clock=clock,
        http_client=http_client,
    )
