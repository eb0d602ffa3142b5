"""AWS: whatever runs as one role, or as any role of one account.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_outbound_getting_started.html
"""

from __future__ import annotations

from ant_wif._secrets import quoted
from ant_wif.admin.setup.models import WorkloadIdentity, issuer_address, required, slug
from ant_wif.errors import ConfigurationError

__all__ = ["trust"]

_PARTITION = r"arn:aws(?:-[a-z]+)*"
_ROLE = rf"{_PARTITION}:iam::\d{{12}}:role/(?:[!-)+-.0->@-~]+/)*[\w+=,.@-]{{1,64}}"


def trust(*, issuer_url: str, role_arn: str | None = None, account: str | None = None) -> WorkloadIdentity:
    """Return what accepts the tokens of one role, or of all roles of an account.

    `issuer_url` is the account's own: `aws iam get-outbound-web-identity-federation-info` prints it.

    Raises:
        ConfigurationError: an option is not what it should be, or does not go with another.
    """
    if (role_arn is None) == (account is None):
        raise ConfigurationError("whose tokens are meant?", hint="give either --role-arn or --account")
    if account is not None:
        required(account, r"\d{12}", what="an AWS account", expected="its number of 12 digits")
        subject, label = f"arn:aws:iam::{account}:role/*", f"{account} all roles"
    else:
        subject = _role(role_arn or "")
        label = f"{subject.split(':')[4]} {subject.rpartition('/')[2]}"
    notes = [
        "The role needs the permission sts:GetWebIdentityToken for the audience https://api.anthropic.com, and the "
        "account `aws iam enable-outbound-web-identity-federation`, once.",
    ]
    if account is not None:
        notes.append(f"Every role of the account {account} is accepted; --role-arn names one.")
    return WorkloadIdentity(
        platform="aws",
        issuer_name=slug("aws", subject.split(":")[4]),
        issuer_url=issuer_address(issuer_url).rstrip("/"),
        name=slug("aws", label),
        subject=subject,
        notes=tuple(notes),
    )


def _role(arn: str) -> str:
    if ":assumed-role/" in arn:
        raise ConfigurationError(
            f"{quoted(arn)} is the ARN of a session, and a token's subject is that of the role",
            hint="give the ARN that `aws iam get-role --role-name ROLE` prints, with its path",
        )
    return required(arn, _ROLE, what="the ARN of a role", expected="arn:aws:iam::123456789012:role/NAME")
