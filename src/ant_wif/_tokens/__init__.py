"""How an access token is obtained, kept and shared."""

from ant_wif._tokens.access_token import AccessToken, Due, TokenCache, Wanted, due
from ant_wif._tokens.assertion_log import GRANTED, UNKNOWN, Presented, SpentAssertions
from ant_wif._tokens.grants.authorization_code import ABOUT, Answer, AnswerError, Attempt, Reason, redeem
from ant_wif._tokens.grants.endpoint import Granted
from ant_wif._tokens.grants.jwt_bearer import Federation
from ant_wif._tokens.providers import FederatedProvider, LoginProvider, Provider, StaticProvider
from ant_wif._tokens.store import ProfileShelf, entries, forget_entries

__all__ = [
    "ABOUT",
    "GRANTED",
    "UNKNOWN",
    "AccessToken",
    "Answer",
    "AnswerError",
    "Attempt",
    "Due",
    "FederatedProvider",
    "Federation",
    "Granted",
    "LoginProvider",
    "Presented",
    "ProfileShelf",
    "Provider",
    "Reason",
    "SpentAssertions",
    "StaticProvider",
    "TokenCache",
    "Wanted",
    "due",
    "entries",
    "forget_entries",
    "redeem",
]
