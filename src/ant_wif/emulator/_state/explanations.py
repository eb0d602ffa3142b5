"""The reasons of the history in words: those of the rules, and those for which a person's login is denied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ant_wif.rules import REASONS

_AGAIN = "Log in again."


@dataclass(frozen=True)
class Explanation:
    means: str
    remedy: str


_EXPLANATIONS: Mapping[str, Explanation] = {
    **{reason: Explanation(meaning.means, meaning.remedy) for reason, meaning in REASONS.items()},
    "refresh_token_unknown": Explanation("The refresh token was never handed out here.", _AGAIN),
    "refresh_token_reused": Explanation(
        "The refresh token was replaced by a newer one: each is good for one refresh.",
        "Keep the newest one, and let one process refresh for all.",
    ),
    "refresh_token_revoked": Explanation("The refresh token belongs to a login that ended.", _AGAIN),
    "client_id_mismatch": Explanation(
        "The refresh token or the code was handed out to another client.",
        "Send the `client_id` that the login was made with.",
    ),
    "code_unknown": Explanation("The code was never handed out here.", _AGAIN),
    "code_used": Explanation(
        "The code was redeemed before. The login that it began has ended, with all its tokens.", _AGAIN
    ),
    "code_expired": Explanation("The code is older than a minute.", "Log in again, and redeem the code at once."),
    "redirect_uri_mismatch": Explanation(
        "The code was approved for another redirect URI.", "Send the one of the authorize URL, letter by letter."
    ),
    "state_mismatch": Explanation(
        "The code was approved for another state.",
        "Send the `state` of the authorize URL, and the code that came with it.",
    ),
    "verifier_mismatch": Explanation(
        "The `code_verifier` is not the one whose challenge was in the authorize URL.",
        "Keep one verifier from the authorize URL to the exchange of its code.",
    ),
}


def explanation_of(reason: str) -> Explanation | None:
    """Return the words, or `None` for a reason that is not known."""
    return _EXPLANATIONS.get(reason)
