"""Adds the operations to moto, and what a test does with them from Python."""

from __future__ import annotations

from typing import cast

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.models import IAMBackend, iam_backends
from moto.iam.responses import IamResponse
from moto.sts.models import STSBackend
from moto.sts.responses import TokenResponse

from pytest_ant_wif.moto_web_identity.iam import OutboundFederationBackend, OutboundFederationResponse
from pytest_ant_wif.moto_web_identity.signing import ExternalIssuer, Signer, account_issuer
from pytest_ant_wif.moto_web_identity.sts import WebIdentityTokenBackend, WebIdentityTokenResponse

_ADDITIONS: tuple[tuple[type, type], ...] = (
    (OutboundFederationBackend, IAMBackend),
    (OutboundFederationResponse, IamResponse),
    (WebIdentityTokenBackend, STSBackend),
    (WebIdentityTokenResponse, TokenResponse),
)


def install(signer: Signer | None = None, *, issuer: str | None = None) -> None:
    """Add the operations to moto, for this process. To call it again only changes the signer.

    Without a `signer` each account has keys of its own, which `jwks()` returns. A signer is called with the claims
    and the algorithm, and signs for every account; `issuer` is its URL, for `iss` and for IAM to show. Without it
    the claims have no `iss`, and the signer is to add it.
    """
    for additions, extended in _ADDITIONS:
        for name, member in vars(additions).items():
            if not name.startswith("__"):
                setattr(extended, name, member)
    # On the class, because a reset of moto empties its instances.
    cast("type[OutboundFederationBackend]", IAMBackend).external_token_issuer = (
        None if signer is None else ExternalIssuer(signer, issuer)
    )


def enable(account_id: str = DEFAULT_ACCOUNT_ID, *, partition: str = "aws") -> str:
    """Turn an account's switch on, if it is not on already. Returns the account's issuer URL.

    Needs `install()`, and to be called inside of `mock_aws()`, which forgets everything when it is entered.
    """
    iam = cast("OutboundFederationBackend", iam_backends[account_id][partition])
    iam.outbound_federation_enabled = True
    return iam.issuer_identifier


def jwks(account_id: str = DEFAULT_ACCOUNT_ID, *, partition: str = "aws") -> dict[str, object]:
    """Return the key set of an account that signs for itself: a key for RS256 and one for ES384."""
    return account_issuer(account_id, partition).jwks()
