"""The authentication history: every attempt at the token endpoint, by any grant, and why it was denied."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif.emulator._http.protocol import json_response
from ant_wif.rules import REASONS

_AGAIN = "Log in again."


@dataclass(frozen=True)
class DenialExplanation:
    means: str
    remedy: str


_EXPLANATIONS: Mapping[str, DenialExplanation] = {
    **{reason: DenialExplanation(meaning.means, meaning.remedy) for reason, meaning in REASONS.items()},
    "refresh_token_unknown": DenialExplanation("The refresh token was never handed out here.", _AGAIN),
    "refresh_token_reused": DenialExplanation(
        "The refresh token was replaced by a newer one: each is good for one refresh.",
        "Keep the newest one, and let one process refresh for all.",
    ),
    "refresh_token_revoked": DenialExplanation("The refresh token belongs to a login that ended.", _AGAIN),
    "client_id_mismatch": DenialExplanation(
        "The refresh token or the code was handed out to another client.",
        "Send the `client_id` that the login was made with.",
    ),
    "code_unknown": DenialExplanation("The code was never handed out here.", _AGAIN),
    "code_used": DenialExplanation(
        "The code was redeemed before. The login that it began has ended, with all its tokens.", _AGAIN
    ),
    "code_expired": DenialExplanation("The code is older than a minute.", "Log in again, and redeem the code at once."),
    "redirect_uri_mismatch": DenialExplanation(
        "The code was approved for another redirect URI.", "Send exactly the one of the authorize URL."
    ),
    "state_mismatch": DenialExplanation(
        "The code was approved for another state.",
        "Send the `state` of the authorize URL, and the code that came with it.",
    ),
    "verifier_mismatch": DenialExplanation(
        "The `code_verifier` is not the one whose challenge was in the authorize URL.",
        "Keep one verifier from the authorize URL to the exchange of its code.",
    ),
}


def explanation_of(reason: str) -> DenialExplanation | None:
    """Return the words, or `None` for a reason that is not known."""
    return _EXPLANATIONS.get(reason)


Outcome = Literal["granted", "denied", "invalid"]

_REMEMBERED = 1_000
_DEEPEST_CLAIM = 6
_MOST_VALUES = 300
_LONGEST_TEXT = 1_024


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
    rule_name: str | None = None
    issuer: str | None = None
    workspace_id: str | None = None
    unverified_claims: Mapping[str, object] | None = None

    @property
    def explanation(self) -> DenialExplanation | None:
        """What the reason means and what to do about it, where there is one."""
        return None if self.reason is None else explanation_of(self.reason)


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

    def savepoint(self) -> Callable[[], None]:
        """Return what brings back the attempts of now."""
        records, granted = tuple(self._records), Counter(self.granted)

        def bring_back() -> None:
            self.clear()
            self._records.extend(records)
            self.granted.update(granted)

        return bring_back

    def clear(self) -> None:
        self._records.clear()
        self.granted.clear()


def displayable_claims(claims: Mapping[str, object] | None) -> dict[str, object] | None:
    """Return a copy that any JSON writer can take, and cut: the claims come from anyone, deep and large."""
    kept = _cut(claims, _DEEPEST_CLAIM + 1, iter(range(_MOST_VALUES)))
    return kept if isinstance(kept, dict) else None


def history_routes(history: History) -> list[Route]:
    async def show(_: Request) -> Response:
        return json_response({"data": [_entry(record) for record in history.snapshot()]})

    return [Route("/_emulator/history", show, methods=["GET"])]


def _entry(record: ExchangeRecord) -> dict[str, object]:
    explanation = record.explanation
    return {**asdict(record), "explanation": None if explanation is None else asdict(explanation)}


def _cut(value: object, depth: int, left: Iterator[int]) -> object:
    """`left` runs out when as many values are kept as may be, of all that the claims hold."""
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_TEXT else f"{value[:_LONGEST_TEXT]}..."
    if not isinstance(value, dict | list):
        return value
    if depth == 0:
        return "..."
    if isinstance(value, list):
        items = [_cut(item, depth - 1, left) for item, _ in zip(value, left, strict=False)]
        return items if len(items) == len(value) else [*items, "..."]
    members = {name: _cut(item, depth - 1, left) for (name, item), _ in zip(value.items(), left, strict=False)}
    return members if len(members) == len(value) else {**members, "...": "..."}
