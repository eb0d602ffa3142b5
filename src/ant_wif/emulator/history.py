"""The authentication history: every attempt at the token endpoint, by any grant, and why it was denied."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif.emulator.wire import json_response

Outcome = Literal["granted", "denied", "invalid"]

_REMEMBERED = 10_000
_DEEPEST_CLAIM = 6


@dataclass(frozen=True, kw_only=True)
class ExchangeRecord:
    """One attempt. `at` is unix time by the emulator's clock; there is no token in it.

    `outcome` is `invalid` for a malformed request (status 400 or 413), which has no `reason`.
    """

    at: float
    grant_type: str | None
    outcome: Outcome
    status: int
    request_id: str
    reason: str | None = None
    rule_id: str | None = None
    issuer: str | None = None
    workspace_id: str | None = None
    unverified_claims: Mapping[str, object] | None = None


class History:
    """The last attempts, and for each grant type how many were granted. Hold the state's lock to add."""

    def __init__(self) -> None:
        self._records: deque[ExchangeRecord] = deque(maxlen=_REMEMBERED)
        self.granted: Counter[str] = Counter()

    def add(self, record: ExchangeRecord) -> None:
        self._records.append(record)
        if record.outcome == "granted" and record.grant_type is not None:
            self.granted[record.grant_type] += 1

    def snapshot(self) -> list[ExchangeRecord]:
        return list(self._records)

    def clear(self) -> None:
        self._records.clear()
        self.granted.clear()


def displayable_claims(claims: Mapping[str, object] | None) -> dict[str, object] | None:
    """Return a copy that any JSON writer can take: the claims come from anyone, and may be nested deep."""
    return None if claims is None else {name: _cut(value, _DEEPEST_CLAIM) for name, value in claims.items()}


def history_routes(history: History) -> list[Route]:
    async def show(_: Request) -> Response:
        return json_response({"data": [asdict(record) for record in history.snapshot()]})

    return [Route("/_emulator/history", show, methods=["GET"])]


def _cut(value: object, depth: int) -> object:
    if isinstance(value, dict | list) and depth == 0:
        return "..."
    if isinstance(value, dict):
        return {name: _cut(item, depth - 1) for name, item in value.items()}
    if isinstance(value, list):
        return [_cut(item, depth - 1) for item in value]
    return value
