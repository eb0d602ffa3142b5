"""How an access token is obtained, kept and shared. What only obtaining one needs is loaded on first use (PEP 562)."""

from ant_wif._lazy import loader
from ant_wif._tokens.access_token import (
    AccessToken,
    RefreshState,
    TokenCache,
    TokenRequest,
    fresh_between,
    refresh_state,
)
from ant_wif._tokens.grants.jwt_bearer import Federation
from ant_wif._tokens.providers import FederatedProvider, LoginProvider, Provider, StaticProvider
from ant_wif._tokens.store import ProfileStore, cached_tokens, forget_cached_tokens, is_recorded, token_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ant_wif._tokens.assertion_log import UNKNOWN, AssertionLog, AssertionUse, earlier_use
    from ant_wif._tokens.grants.authorization_code import (
        ACCOUNT_FIELDS,
        AuthorizationFailure,
        AuthorizationRequest,
        AuthorizationResponse,
        AuthorizationResponseError,
        redeem,
    )
    from ant_wif._tokens.grants.endpoint import Granted
    from ant_wif._tokens.shared_refresh import poll

__all__ = [
    "ACCOUNT_FIELDS",
    "UNKNOWN",
    "AccessToken",
    "AssertionLog",
    "AssertionUse",
    "AuthorizationFailure",
    "AuthorizationRequest",
    "AuthorizationResponse",
    "AuthorizationResponseError",
    "FederatedProvider",
    "Federation",
    "Granted",
    "LoginProvider",
    "ProfileStore",
    "Provider",
    "RefreshState",
    "StaticProvider",
    "TokenCache",
    "TokenRequest",
    "cached_tokens",
    "earlier_use",
    "forget_cached_tokens",
    "fresh_between",
    "is_recorded",
    "poll",
    "redeem",
    "refresh_state",
    "token_of",
]

if not TYPE_CHECKING:
    __getattr__ = loader(
        __name__,
        {
            "grants.authorization_code": (
                "ACCOUNT_FIELDS",
                "AuthorizationFailure",
                "AuthorizationRequest",
                "AuthorizationResponse",
                "AuthorizationResponseError",
                "redeem",
            ),
            "assertion_log": ("UNKNOWN", "AssertionLog", "AssertionUse", "earlier_use"),
            "grants.endpoint": ("Granted",),
            "shared_refresh": ("poll",),
        },
    )
