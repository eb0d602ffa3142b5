"""What moto's IAM lacks: the switch of an account for outbound web identity federation."""

from __future__ import annotations

from typing import cast

from moto.core.responses import ActionResult, EmptyResult
from moto.iam.models import IAMBackend
from moto.iam.responses import IamResponse

from pytest_ant_wif.moto_web_identity.exceptions import FeatureDisabledError, FeatureEnabledError
from pytest_ant_wif.moto_web_identity.signing import AccountIssuer, ExternalIssuer, account_issuer


class OutboundFederationBackend(IAMBackend):
    """To be added to `IAMBackend`. These are defaults of the class, so that a reset returns to them."""

    outbound_federation_enabled = False
    external_token_issuer: ExternalIssuer | None = None

    @property
    def token_issuer(self) -> AccountIssuer | ExternalIssuer:
        return self.external_token_issuer or account_issuer(self.account_id, self.partition)

    @property
    def issuer_identifier(self) -> str:
        # The issuer that a signer from outside did not tell us is not in the tokens; IAM still needs one to name.
        return self.token_issuer.claimed or account_issuer(self.account_id, self.partition).claimed

    def enable_outbound_web_identity_federation(self) -> str:
        if self.outbound_federation_enabled:
            raise FeatureEnabledError
        self.outbound_federation_enabled = True
        return self.issuer_identifier

    def disable_outbound_web_identity_federation(self) -> None:
        if not self.outbound_federation_enabled:
            raise FeatureDisabledError
        self.outbound_federation_enabled = False

    def get_outbound_web_identity_federation_info(self) -> tuple[str, bool]:
        if not self.outbound_federation_enabled:
            raise FeatureDisabledError
        return self.issuer_identifier, self.outbound_federation_enabled


class OutboundFederationResponse(IamResponse):
    """To be added to `IamResponse`."""

    def enable_outbound_web_identity_federation(self) -> ActionResult:
        issuer = _backend(self).enable_outbound_web_identity_federation()
        return ActionResult({"IssuerIdentifier": issuer})

    def disable_outbound_web_identity_federation(self) -> ActionResult:
        _backend(self).disable_outbound_web_identity_federation()
        return EmptyResult()

    def get_outbound_web_identity_federation_info(self) -> ActionResult:
        issuer, enabled = _backend(self).get_outbound_web_identity_federation_info()
        return ActionResult({"IssuerIdentifier": issuer, "JwtVendingEnabled": enabled})


def _backend(response: IamResponse) -> OutboundFederationBackend:
    # It is an IAMBackend, which has the methods since `install()`.
    return cast("OutboundFederationBackend", response.backend)
