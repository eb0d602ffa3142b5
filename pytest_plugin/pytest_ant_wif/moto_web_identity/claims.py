"""What a token says about its caller.

The names are those of "Understanding token claims" in the IAM User Guide (id_roles_providers_outbound_token_claims);
`principal_id` is missing there and stands in the tokens that AWS's launch post and others show.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from moto.core.utils import iso_8601_datetime_without_milliseconds
from moto.iam.exceptions import NotFoundException
from moto.iam.models import iam_backends
from moto.organizations.exceptions import AWSOrganizationsNotInUseException
from moto.organizations.models import organizations_backends
from moto.sts.models import STSBackend

NAMESPACE = "https://sts.amazonaws.com/"


@dataclass(frozen=True)
class Caller:
    """Whose access key it is. A role's session has an end, `session_expiration`, in UTC without saying so."""

    arn: str
    tags: dict[str, str]
    session_expiration: datetime | None = None


def find_caller(backend: STSBackend, access_key_id: str) -> Caller:
    """Return the principal itself: for a session of a role the role, with its path."""
    iam = iam_backends[backend.account_id][backend.partition]
    session = backend.get_assumed_role_from_access_key(access_key_id)
    if session is not None:
        try:
            tags = iam.get_role_by_arn(session.role_arn).tags
        except NotFoundException:
            tags = []  # moto lets a role be assumed that there is not
        return Caller(session.role_arn, _by_key(tags), session.expiration)
    user = iam.get_user_from_access_key_id(access_key_id)
    if user is not None:
        return Caller(user.arn, _by_key(user.tags or []))
    # Keys that moto does not know are accepted everywhere else, too.
    return Caller(f"arn:{backend.partition}:iam::{backend.account_id}:user/moto", {})


def aws_claims(backend: STSBackend, caller: Caller, region: str, request_tags: dict[str, str]) -> dict[str, object]:
    """Return the values under `NAMESPACE`. What there is nothing to say of is left out."""
    end = caller.session_expiration
    claims = {
        "aws_account": backend.account_id,
        "source_region": region,
        "principal_id": caller.arn,
        "org_id": _organization_id(backend),
        "principal_tags": caller.tags,
        "original_session_exp": end and iso_8601_datetime_without_milliseconds(end),
        "request_tags": request_tags,
    }
    return {name: value for name, value in claims.items() if value}


def _organization_id(backend: STSBackend) -> str | None:
    try:
        described = organizations_backends[backend.account_id][backend.partition].describe_organization()
    except AWSOrganizationsNotInUseException:
        return None
    return str(described["Organization"]["Id"])


def _by_key(tags: Iterable[dict[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}
