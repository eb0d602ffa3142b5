"""The errors of both services. Codes and statuses are those of the service models that botocore brings."""

from moto.iam.exceptions import IAMException
from moto.sts.exceptions import STSClientError


class FeatureEnabledError(IAMException):
    code = "FeatureEnabled"
    message = "Outbound web identity federation is already enabled for this account."


class FeatureDisabledError(IAMException):
    code = "FeatureDisabled"
    message = "Outbound web identity federation is disabled for this account."


class OutboundWebIdentityFederationDisabledError(STSClientError):
    code = "OutboundWebIdentityFederationDisabledException"
    message = "Outbound web identity federation is not enabled for this account."


class SessionDurationEscalationError(STSClientError):
    code = "SessionDurationEscalationException"
    message = "The requested token duration would extend the session beyond its original expiration time."


class JWTPayloadSizeExceededError(STSClientError):
    code = "JWTPayloadSizeExceededException"
    message = "The requested token payload size exceeds the maximum allowed size."


class DuplicateTagKeysError(STSClientError):
    code = "InvalidParameterValue"
    message = "Duplicate tag keys found. Please note that Tag keys are case insensitive."
