"""The health check: the whole way from identity token to an answer of the API, and what the server made of it."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass

from ant_wif._api import Api
from ant_wif.credentials import Credentials

__all__ = ["Verified", "verify"]


@dataclass(frozen=True)
class Verified:
    """A credential that works.

    `organization_id` and `workspace_id` are the server's words. `expires_at` is unix seconds, `None` for what
    never expires. `cached` says that the token was read from a file, so that no exchange was tried. `token_seconds` is
    how long obtaining the token took, `request_seconds` how long the API's answer.
    """

    source: str
    origin: str
    identity_source: str | None
    base_url: str
    organization_id: str | None
    workspace_id: str | None
    expires_at: int | None
    token_seconds: float
    request_seconds: float
    cached: bool = False

    def as_json(self) -> dict[str, object]:
        """Return it as `ant auth verify --format json` prints it."""
        return {"schema": "ant.auth.verify/1", **asdict(self)}


def verify(credentials: Credentials) -> Verified:
    """Obtain a token, and ask the API for one model with it.

    Raises AntWifError: there is no token to be had, or the API refused it; see `ant_wif.errors`.
    """
    start = time.perf_counter()
    token = credentials.access_token()
    obtained = time.perf_counter()
    with Api(credentials) as api:
        opened = time.perf_counter()
        bound = api.bound()
        answered = time.perf_counter()
    return Verified(
        source=credentials.source,
        origin=credentials.origin,
        identity_source=credentials.identity_source,
        base_url=credentials.base_url,
        organization_id=bound.organization_id,
        workspace_id=bound.workspace_id,
        expires_at=credentials.expires_at or token.expires_at,
        token_seconds=round(obtained - start, 4),
        request_seconds=round(answered - opened, 4),
        cached=token.is_stored,
    )
