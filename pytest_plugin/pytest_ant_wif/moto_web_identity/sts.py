"""What moto's STS lacks: GetWebIdentityToken."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from moto.core.responses import ActionResult
from moto.core.utils import unix_time, utcnow
from moto.iam.models import iam_backends
from moto.moto_api._internal import mock_random
from moto.sts.models import STSBackend
from moto.sts.responses import TokenResponse

from pytest_ant_wif.moto_web_identity.claims import NAMESPACE, aws_claims, find_caller
from pytest_ant_wif.moto_web_identity.exceptions import (
    JWTPayloadSizeExceededError,
    OutboundWebIdentityFederationDisabledError,
    SessionDurationEscalationError,
)
from pytest_ant_wif.moto_web_identity.iam import OutboundFederationBackend
from pytest_ant_wif.moto_web_identity.validation import validate

DEFAULT_WEB_IDENTITY_TOKEN_DURATION = 300
# Of the claims as JSON. AWS publishes no figure; this one was measured by others.
MAX_WEB_IDENTITY_TOKEN_PAYLOAD_BYTES = 14_984


@dataclass(frozen=True)
class WebIdentityToken:
    """`expiration` is UTC without saying so, as everywhere in moto."""

    token: str
    expiration: datetime


class WebIdentityTokenBackend(STSBackend):
    """To be added to `STSBackend`."""

    def get_web_identity_token(
        self,
        *,
        access_key_id: str,
        region: str,
        audience: list[str] | None,
        signing_algorithm: str | None,
        duration: int,
        tags: list[dict[str, str]],
    ) -> WebIdentityToken:
        validate(audience, signing_algorithm, duration, tags)
        caller = find_caller(self, access_key_id)
        now = utcnow()
        expiration = now + timedelta(seconds=duration)
        if caller.session_expiration is not None and expiration > caller.session_expiration:
            raise SessionDurationEscalationError
        iam = cast("OutboundFederationBackend", iam_backends[self.account_id][self.partition])
        if not iam.outbound_federation_enabled:
            raise OutboundWebIdentityFederationDisabledError
        recipients = audience or []
        claims: dict[str, object] = {
            "iss": iam.token_issuer.claimed,
            "sub": caller.arn,
            "aud": recipients[0] if len(recipients) == 1 else recipients,
            "iat": int(unix_time(now)),
            "exp": int(unix_time(expiration)),
            "jti": str(mock_random.uuid4()),
            NAMESPACE: aws_claims(self, caller, region, {tag["Key"]: tag["Value"] for tag in tags}),
        }
        if claims["iss"] is None:
            del claims["iss"]
        if len(json.dumps(claims, separators=(",", ":"), ensure_ascii=False).encode()) > (
            MAX_WEB_IDENTITY_TOKEN_PAYLOAD_BYTES
        ):
            raise JWTPayloadSizeExceededError
        return WebIdentityToken(iam.token_issuer.sign(claims, str(signing_algorithm)), expiration)


# Taken before `install()` puts ours in its place.
_determine_any_other_resource = TokenResponse._determine_resource


class WebIdentityTokenResponse(TokenResponse):
    """To be added to `TokenResponse`."""

    def _determine_resource(self) -> str:
        if self._get_action() == "GetWebIdentityToken":
            return f"arn:{self.partition}:sts::{self.current_account}:self"
        return _determine_any_other_resource(self)

    def get_web_identity_token(self) -> ActionResult:
        # It is an STSBackend, which has the method since `install()`.
        issued = cast("WebIdentityTokenBackend", self.backend).get_web_identity_token(
            access_key_id=self.get_access_key(),
            region=self.region,
            audience=self._get_param("Audience"),
            signing_algorithm=self._get_param("SigningAlgorithm"),
            duration=self._get_int_param("DurationSeconds", DEFAULT_WEB_IDENTITY_TOKEN_DURATION),
            tags=self._get_param("Tags", []),
        )
        return ActionResult({"WebIdentityToken": issued.token, "Expiration": issued.expiration})
