"""Google Cloud: whatever runs as one service account of Google's.

https://cloud.google.com/compute/docs/instances/verifying-instance-identity
"""

from __future__ import annotations

from ant_wif.admin.setup.models import WorkloadIdentity, issuer_address, required, slug
from ant_wif.errors import ConfigurationError

__all__ = ["ISSUER_URL", "trust"]

ISSUER_URL = "https://accounts.google.com"
"""The issuer of Google's identity tokens."""

_EMAIL = r"[a-z0-9][a-z0-9._-]{0,127}@[a-z0-9][a-z0-9.-]{0,250}\.gserviceaccount\.com"


def trust(
    *, service_account_email: str | None = None, unique_id: str | None = None, issuer_url: str = ISSUER_URL
) -> WorkloadIdentity:
    """Return what accepts the tokens of one service account, by its number, its address or both.

    Raises:
        ConfigurationError: an option is not what it should be, or both are missing.
    """
    if service_account_email is None and unique_id is None:
        raise ConfigurationError("whose tokens are meant?", hint="give --unique-id, --service-account-email or both")
    if unique_id is not None:
        required(unique_id, r"\d{10,30}", what="the unique id of a service account", expected="its number")
    claims = {}
    if service_account_email is not None:
        claims["email"] = required(
            service_account_email, _EMAIL, what="the address of a service account", expected="….gserviceaccount.com"
        )
    notes = [
        "Only a service account can issue such tokens: for itself, where something runs as it, or impersonated "
        "by who has roles/iam.serviceAccountOpenIdTokenCreator on it.",
    ]
    if unique_id is None:
        notes.append(
            "An address can be given to another account when this one is deleted, its number cannot: "
            f"`gcloud iam service-accounts describe {service_account_email} --format='value(uniqueId)'` prints it."
        )
    return WorkloadIdentity(
        platform="google-cloud",
        issuer_name="google",
        issuer_url=issuer_address(issuer_url).rstrip("/"),
        name=slug("google", service_account_email.partition(".gserviceaccount")[0] if service_account_email else "",
                  "" if service_account_email else unique_id or ""),
        subject=unique_id,
        claims=claims,
        notes=tuple(notes),
    )  # fmt: skip
