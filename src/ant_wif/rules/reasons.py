"""The reasons for a denial: what each means, and the one thing to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ant_wif.rules.models import Reason


@dataclass(frozen=True)
class Meaning:
    """A reason for people. `check` is the number of the check that gives it."""

    check: int
    means: str
    remedy: str


REASONS: Mapping[Reason, Meaning] = {
    "rule_not_found": Meaning(
        2,
        "The organization has no such rule, or the rule, its issuer or its service account is archived.",
        "Copy the IDs of the rule and the organization from the Console. For an archived one, create another.",
    ),
    "malformed_assertion": Meaning(
        3,
        "The identity token is not a JWT in compact form, or is larger than 16 KiB.",
        "Send the OIDC token only, without JSON, line breaks or quotes.",
    ),
    "alg_not_allowed": Meaning(
        4,
        "The token is not signed with RS, PS or ES 256, 384 or 512.",
        "Use a token of an OIDC provider that signs with a public key.",
    ),
    "kid_missing": Meaning(
        5, "The token's header does not name the key that signed it.", "Use a provider that sets `kid`."
    ),
    "issuer_mismatch": Meaning(
        6,
        "`iss` differs from the issuer's URL, for example by a slash at the end.",
        "Register the exact `iss` of the token as the issuer's URL, or use a rule of that issuer.",
    ),
    "jwks_unavailable": Meaning(
        7,
        "The issuer's keys could not be fetched or read.",
        "Make the discovery document and the key set reachable over https, or register the keys inline.",
    ),
    "kid_not_found": Meaning(
        7,
        "The issuer's key set does not have this `kid`: keys were rotated, or the token is from another issuer.",
        "If the keys are registered inline, register the current ones. Otherwise fetch a new token.",
    ),
    "signature_invalid": Meaning(
        8,
        "The published key does not verify the signature: another key signed the token, or it was changed.",
        "Fetch a new token, and compare the issuer's keys with the registered keys.",
    ),
    "claim_missing": Meaning(
        9,
        "`sub`, `iat` or `exp` is missing, or a time, `sub` or `jti` has the wrong type.",
        "Use the platform's OIDC token for workloads.",
    ),
    "expired": Meaning(
        9,
        "`exp` is more than 30 seconds in the past.",
        "Fetch the token directly before the exchange. If the token is new, correct the clock.",
    ),
    "not_yet_valid": Meaning(
        9,
        "`iat` or `nbf` is more than 30 seconds in the future.",
        "Correct the clock of the machine that issued the token.",
    ),
    "lifetime_exceeded": Meaning(
        10,
        "The time from `iat` to `exp` is longer than the issuer allows. The default is 3600 seconds.",
        "Request a token with a shorter lifetime, or raise the issuer's `max_jwt_lifetime_seconds`.",
    ),
    "match_audience": Meaning(
        11,
        "`aud` does not contain the rule's audience. The default is `https://api.anthropic.com`.",
        "Request a token for that audience, or change the rule's audience.",
    ),
    "match_subject_prefix": Meaning(
        12,
        "`sub` does not match the rule's subject, or its prefix before `*`.",
        "Correct the rule's subject, or run the job that the rule is for.",
    ),
    "match_claims": Meaning(
        13,
        "A claim of the rule is missing, has another value, or is not a string.",
        "Compare the claims. For a value that is not a string, use a condition.",
    ),
    "match_condition": Meaning(
        14,
        "The result of the rule's condition is not `true`, or is an error.",
        "Use `has(claims.x)` for claims that may be missing.",
    ),
    "jti_reused": Meaning(
        15,
        "The token was already exchanged. A token with a `jti` can be exchanged once.",
        "Use a source that issues a new token for each request, or run all programs under one `ant exec`.",
    ),
    "service_account_mismatch": Meaning(
        16,
        "The request names another service account than the rule.",
        "Unset ANTHROPIC_SERVICE_ACCOUNT_ID, or set it to the rule's service account.",
    ),
    "workspace_id_required": Meaning(
        17,
        "The rule is enabled for several workspaces, but not for the default one. The request names none.",
        "Set ANTHROPIC_WORKSPACE_ID to one of them.",
    ),
    "workspace_not_enabled": Meaning(
        17,
        "The rule is not enabled for the requested workspace.",
        "Correct ANTHROPIC_WORKSPACE_ID, or enable the rule for that workspace.",
    ),
    "service_account_not_member": Meaning(
        17,
        "The rule's service account is not a member of the workspace.",
        "Add the service account to the workspace in the Console.",
    ),
}
"""The check, the meaning and the remedy of each reason."""


def reasons_table() -> str:
    """Return the reasons as a table in Markdown, in the order of the checks."""
    lines = ["| reason | check | what it means | what to do |", "| --- | --- | --- | --- |"]
    lines += [f"| `{reason}` | {each.check} | {each.means} | {each.remedy} |" for reason, each in REASONS.items()]
    return "\n".join(lines) + "\n"
