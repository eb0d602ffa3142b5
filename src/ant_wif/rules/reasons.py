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
        "Copy the rule's id and the organization's from the Console anew.",
    ),
    "malformed_assertion": Meaning(
        3,
        "What was sent is no JWT in compact form, or has more than 16 KiB.",
        "Send the OIDC token itself: no file that holds it in JSON, no line break, no quotes.",
    ),
    "alg_not_allowed": Meaning(
        4,
        "The token is not signed with RS, PS or ES 256, 384 or 512.",
        "Use a token of an OIDC provider that signs with a public key.",
    ),
    "kid_missing": Meaning(
        5, "The token's header does not say which key signed it.", "Have the provider name its key in `kid`."
    ),
    "issuer_mismatch": Meaning(
        6,
        "`iss` differs from the issuer's URL, be it by a slash at the end.",
        "Register the issuer with exactly the token's `iss`, or use a rule of that issuer.",
    ),
    "jwks_unavailable": Meaning(
        7,
        "The issuer's keys could not be fetched or read.",
        "Make its discovery document and key set reachable over https, or register the keys inline.",
    ),
    "kid_not_found": Meaning(
        7,
        "The issuer's key set has no key of that name: keys were rotated, or the token is another issuer's.",
        "Where the keys are registered inline, register the present ones; else fetch a fresh token.",
    ),
    "signature_invalid": Meaning(
        8,
        "The signature was not made by the published key, or the token was altered.",
        "Fetch a fresh token, and compare the issuer's keys with those that are registered.",
    ),
    "claim_missing": Meaning(
        9,
        "`sub`, `iat` or `exp` is missing, or one of these, `nbf` or `jti` is of a wrong type.",
        "Use the platform's OIDC token for workloads, which has them.",
    ),
    "expired": Meaning(
        9,
        "`exp` is more than 30 seconds past.",
        "Fetch the token immediately before it is exchanged; if it is fresh, set the clock.",
    ),
    "not_yet_valid": Meaning(
        9, "`iat` or `nbf` is more than 30 seconds ahead.", "Set the clock of the machine that made the token."
    ),
    "lifetime_exceeded": Meaning(
        10,
        "From `iat` to `exp` is longer than the issuer allows, 3600 seconds unless it says otherwise.",
        "Ask the platform for a shorter token, or raise the issuer's `max_jwt_lifetime_seconds`.",
    ),
    "match_audience": Meaning(
        11,
        "`aud` does not contain the rule's audience, `https://api.anthropic.com` unless the rule has its own.",
        "Ask the platform for that audience, or give the rule the token's.",
    ),
    "match_subject_prefix": Meaning(
        12,
        "`sub` is not the rule's subject, or does not begin with what stands before its `*`.",
        "Compare the two letter by letter; upper and lower case differ.",
    ),
    "match_claims": Meaning(
        13,
        "A claim that the rule names is absent, is no string, or differs.",
        "Compare the claims; what is no string needs a condition.",
    ),
    "match_condition": Meaning(
        14,
        "The rule's condition yielded something else than `true`, or an error.",
        "Guard claims that may be absent with `has(claims.x)`.",
    ),
    "jti_reused": Meaning(
        15,
        "The token was exchanged before, and one with a `jti` can be exchanged once.",
        "Use a source that mints tokens, or run everything under one `ant exec`.",
    ),
    "service_account_mismatch": Meaning(
        16,
        "The request names another service account than the rule.",
        "Leave ANTHROPIC_SERVICE_ACCOUNT_ID out, or set it to the rule's.",
    ),
    "workspace_id_required": Meaning(
        17,
        "The rule is enabled for several workspaces, the default one not among them, and none was asked for.",
        "Set ANTHROPIC_WORKSPACE_ID to one of them.",
    ),
    "workspace_not_enabled": Meaning(
        17,
        "The rule is not enabled for the workspace that was asked for.",
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
