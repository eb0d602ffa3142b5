"""A judgement names the first check that fails, and survives whatever an assertion holds."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, get_args

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from ant_wif.rules import (
    REASONS,
    Check,
    Decision,
    Evaluation,
    ExchangeRequest,
    Issuer,
    KeySet,
    KeySetUnavailableError,
    Knowledge,
    Reason,
    Registration,
    Rule,
    ServiceAccount,
    VerificationKey,
    evaluate,
    evaluate_known,
    read_key_set,
)

NOW = 1_800_000_000
KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
KEY_SET: KeySet = {"k1": VerificationKey(KEY.public_key())}

RULE = Rule(
    id="fdrl_01",
    name="main-branch",
    issuer_id="fdis_01",
    service_account_id="svac_01",
    subject_prefix="repo:acme/app:ref:refs/heads/main",
    workspace_ids=("wrkspc_01",),
)
ISSUER = Issuer(id="fdis_01", name="ci", issuer_url="https://issuer.example")
ACCOUNT = ServiceAccount(id="svac_01", name="ci", workspace_ids=frozenset({"wrkspc_01"}))
REGISTRATION = Registration(
    organization_id="org", rule=RULE, issuer=ISSUER, service_account=ACCOUNT, default_workspace_id="wrkspc_default"
)
HEADER = {"alg": "ES256", "kid": "k1"}
CLAIMS: dict[str, object] = {
    "iss": "https://issuer.example",
    "sub": "repo:acme/app:ref:refs/heads/main",
    "aud": "https://api.anthropic.com",
    "iat": NOW - 10,
    "exp": NOW + 290,
    "jti": "first",
}


def encoded(part: object) -> str:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(header: object, payload: object, key: ec.EllipticCurvePrivateKey = KEY) -> str:
    signing_input = f"{encoded(header)}.{encoded(payload)}"
    signature = jwt.get_algorithm_by_name("ES256").sign(signing_input.encode(), key)
    return f"{signing_input}.{encoded(signature)}"


def token(**changes: object) -> str:
    """Return a token that the rule accepts, with some claims changed; `...` leaves one out."""
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not ...}
    return signed(HEADER, claims)


def judged(
    assertion: str,
    *,
    registration: Registration | None = REGISTRATION,
    rule: Mapping[str, object] | None = None,
    issuer: Mapping[str, object] | None = None,
    key_set: KeySet = KEY_SET,
    seen: frozenset[str] = frozenset(),
    **request: str,
) -> Decision:
    if registration is not None:
        registration = replace(
            registration,
            rule=replace(registration.rule, **dict(rule or {})),
            issuer=replace(registration.issuer, **dict(issuer or {})),
        )
    wish = ExchangeRequest(
        **{"assertion": assertion, "organization_id": "org", "federation_rule_id": "fdrl_01", **request}
    )
    return evaluate(wish, registration, now=NOW, key_set=lambda: key_set, jti_seen=seen.__contains__)


def reason(assertion: str, **options: object) -> Reason | None:
    return judged(assertion, **options).reason


ALGORITHMS = "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512"
PASSED = f"""
2 the rule is active | main-branch | "fdrl_01"
3 the identity token is a JWT | {len(token())} characters | a JWT of at most 16384 bytes
4 the algorithm is allowed | "ES256" | {ALGORITHMS}
5 the header names the key | "k1"
6 the token comes from the rule's issuer | "https://issuer.example" | "https://issuer.example"
7 the issuer publishes the key | "k1" | "k1"
8 the signature verifies | verifies
9 the token is valid now | 290 s left | 2027-01-15T08:00:00+00:00, give or take 30 s
10 the token is short-lived enough | 300 s | at most 3600 s
11 the audience is the rule's | "https://api.anthropic.com" | "https://api.anthropic.com"
12 the subject is the rule's | "{RULE.subject_prefix}" | "{RULE.subject_prefix}"
13 the claims are the rule's | any | any
14 the condition holds | none
15 the token was not exchanged before | "first" | not exchanged before
16 the service account is the rule's | none asked for | svac_01
17 the workspace is enabled | wrkspc_01 | wrkspc_01"""


def said(check: Check) -> str:
    return " | ".join(filter(None, (check.found, check.wanted, check.sentence)))


def titled(checks: Iterable[Check]) -> str:
    return "".join(f"\n{check.number} {check.title} | {said(check)}" for check in checks)


def test_a_matching_token_passes_all_checks_in_their_order() -> None:
    judgement = judged(token())
    assert judgement.granted
    assert titled(judgement.checks) == PASSED
    assert judgement.workspace_id == "wrkspc_01"
    assert (judgement.jti, judgement.jti_expires_at) == ("first", NOW + 290 + 30)


SAID: list[tuple[dict[str, object], dict[str, object], str]] = [
    ({"alg": "none"}, {}, f'alg_not_allowed: "none" | {ALGORITHMS} | '
        'The token is signed with "none"; only public-key signatures are accepted.'),
    ({"kid": None}, {}, "kid_missing: none | a string | The token's header does not name its key in `kid`."),
    ({"iss": "https://issuer.example/"}, {}, 'issuer_mismatch: "https://issuer.example/" | "https://issuer.example" | '
        '`iss` is "https://issuer.example/"; it must equal "https://issuer.example" in every byte, a slash at the end '
        "included."),
    ({}, {"key_set": {str(number): OTHER_KEY for number in range(9)}},
        'kid_not_found: "0", "1", "2", "3", "4", "5", "6", "7" | "k1" | The issuer publishes no key named "k1".'),
    ({}, {"key_set": {"k1": VerificationKey(OTHER_KEY.public_key())}}, "signature_invalid: does not verify with ES256 "
        "| verifies | The signature was not made by the published key, or the token was altered."),
    ({"sub": ...}, {}, "claim_missing: none | a string | The claim `sub` is missing; it must be a string."),
    ({"iat": "x"}, {}, 'claim_missing: "x" | a number of seconds | '
        'The claim `iat` is "x"; it must be a number of seconds.'),
    ({"exp": ...}, {}, "claim_missing: none | a number of seconds | "
        "The claim `exp` is missing; it must be a number of seconds."),
    ({"nbf": None}, {}, "claim_missing: none | a number of seconds, or absent | "
        "The claim `nbf` is none; it must be a number of seconds, or absent."),
    ({"jti": 5}, {}, "claim_missing: 5 | a string, or absent | The claim `jti` is 5; it must be a string, or absent."),
    ({"exp": NOW - 31}, {}, "expired: exp 2027-01-15T07:59:29+00:00 | 2027-01-15T08:00:00+00:00, give or take 30 s | "
        "The token expired 31 s ago."),
    ({"nbf": NOW + 31}, {}, "not_yet_valid: nbf 2027-01-15T08:00:31+00:00 | 2027-01-15T08:00:00+00:00, give or take "
        "30 s | "
        "The token's `nbf` is 31 s ahead: one of the clocks is wrong."),
    ({"exp": NOW + 3600}, {}, "lifetime_exceeded: 3610 s | at most 3600 s | "
        "The token lives 3610 s from `iat` to `exp`; the issuer is registered with at most 3600 s."),
    ({"aud": ["a", ["b"], {}]}, {}, 'match_audience: ["a", an object] | "https://api.anthropic.com" | '
        'The token is meant for ["a", an object]; the rule wants the audience "https://api.anthropic.com".'),
    ({"sub": "repo:x"}, {}, f'match_subject_prefix: "repo:x" | "{RULE.subject_prefix}" | `sub` is "repo:x"; the rule '
        f'wants it to be "{RULE.subject_prefix}". The comparison is case-sensitive.'),
    ({"sub": "repo:x"}, {"rule": {"subject_prefix": "repo:acme/*"}}, 'match_subject_prefix: "repo:x" | "repo:acme/*" | '
        '`sub` is "repo:x"; the rule wants it to begin with "repo:acme/". The comparison is case-sensitive.'),
    ({"branch": 1}, {"rule": {"claims": {"iss": "https://issuer.example", "branch": "main"}}}, "match_claims: "
        'branch: 1 | branch: "main" | The claim `branch` is 1; the rule wants the string "main".'),
    ({}, {"seen": frozenset({"first"})}, 'jti_reused: "first" | not exchanged before | '
        'The token "first" was exchanged before, and each may be once; fetch a new one.'),
    ({}, {"service_account_id": "svac_02"}, "service_account_mismatch: svac_02 | svac_01 | "
        "The request asks for svac_02; the rule's tokens act as svac_01."),
    ({}, {"rule": {"workspace_ids": ("wrkspc_01", "wrkspc_02")}}, "workspace_id_required: none asked for | "
        "wrkspc_01, wrkspc_02 | The rule is enabled for wrkspc_01, wrkspc_02; the request must say which workspace it "
        "wants."),
    ({}, {"workspace_id": "default"}, "workspace_not_enabled: default | wrkspc_01 | "
        "The request asks for default; the rule is enabled for wrkspc_01."),
    ({}, {"rule": {"workspace_ids": ("wrkspc_99",)}}, "service_account_not_member: wrkspc_99 | wrkspc_01 | "
        "The service account ci (svac_01) is not a member of wrkspc_99."),
    ({}, {"registration": None}, 'rule_not_found: no such rule | "fdrl_01" | The organization has no rule "fdrl_01".'),
    ({"crit": ["x"]}, {}, "malformed_assertion: 370 characters | a JWT of at most 16384 bytes | "
        "The assertion is not a JWT: its header demands extensions (`crit`) that are not supported."),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "options", "words"), SAID, ids=[row[2].partition(":")[0] for row in SAID])
def test_a_denied_token_says_what_was_found_what_was_wanted_and_why(
    changes: dict[str, object], options: dict[str, object], words: str
) -> None:
    header = {**HEADER, **{name: changes[name] for name in ("alg", "kid", "crit") if name in changes}}
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not ... and name not in header}
    check = judged(signed(header, claims), **options).checks[-1]
    assert f"{check.reason}: {said(check)}" == words
    assert check.reason is not None
    assert check.number == REASONS[check.reason].check
    assert f"\n{check.number} {check.title} | " in PASSED


def test_importing_the_rules_imports_neither_jwt_nor_pydantic() -> None:
    code = "import sys, ant_wif.rules; print(sorted({'jwt', 'pydantic', 'cryptography'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Check 2


def test_an_unknown_rule_is_not_found_but_the_claims_are_still_shown() -> None:
    judgement = judged(token(), registration=None)
    assert judgement.reason == "rule_not_found"
    assert judgement.unverified_claims == CLAIMS


@pytest.mark.parametrize("what", ["rule", "issuer", "service_account"])
def test_whatever_is_archived_makes_the_rule_not_found(what: str) -> None:
    archived = replace(REGISTRATION, **{what: replace(getattr(REGISTRATION, what), archived=True)})
    assert reason(token(), registration=archived) == "rule_not_found"


def test_a_rule_of_another_organization_is_not_found() -> None:
    assert reason(token(), organization_id="another") == "rule_not_found"


# Checks 3 to 8


@pytest.mark.parametrize(
    "assertion",
    [
        "",
        "a.b",
        "a.b.c.d",
        "....",
        token() + "=",
        " " + token(),
        token() + "\n",
        token().replace(".", ".é", 1),
        signed(HEADER, b"\xff\xfe"),
        signed(HEADER, b"[]"),
        signed(HEADER, b"null"),
        signed(HEADER, b"{} {}"),
        signed(HEADER, b'\xef\xbb\xbf{"sub":"x"}'),
        signed(HEADER, b'{"sub": "a", "sub": "b"}'),
        signed(HEADER, b'{"exp": NaN}'),
        signed(HEADER, b'{"exp": -Infinity}'),
        signed(HEADER, b'{"exp": 1e400}'),
        signed(HEADER, b'{"exp": ' + b"9" * 5000 + b"}"),
        signed(HEADER, b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"),
        signed(HEADER, b'{"a":' * 2000 + b"1" + b"}" * 2000),
        signed({**HEADER, "crit": ["b64"], "b64": False}, CLAIMS),
        *(signed(part, CLAIMS) for part in (b"[]", b"", b'{"alg":NaN}', {**HEADER, "crit": []})),
        *(signed(HEADER, part) for part in (b"", b"{", b'"claims"', b"{}{}", "{}".encode("utf-16"), b"[" * 6000)),
        *(token().rpartition(".")[0] + rest for rest in ("", ".A", ".AA==", ".A+/A", ".AA.AA.AA")),
        token().replace(".", "\n.", 1),
    ],
)
def test_what_is_not_a_jwt_is_malformed(assertion: str) -> None:
    assert reason(assertion) == "malformed_assertion"


@pytest.mark.parametrize(
    ("assertion", "flaw"),
    [
        ("\u00e9", "it holds characters that no JWT has"),
        ("." * 16_385, "it has 16385 bytes, and 16384 is the most allowed"),
        ("." * 16_384, "a JWT has three parts joined by dots, and this has 16385"),
        ("!.e30.", "its header is not base64url"),
        ("e30.e30AA.", "its payload is not base64url"),
        ("e30.e30.=", "its signature is not base64url"),
        ("bm8.e30.", "its header is not a well-formed JSON object"),
        ("e30.W10.", "its payload is not a well-formed JSON object"),
    ],
)
def test_what_is_not_a_jwt_says_what_is_wrong_with_it(assertion: str, flaw: str) -> None:
    assert judged(assertion).checks[-1].sentence == f"The assertion is not a JWT: {flaw}."


def test_sixteen_kib_are_allowed_and_a_byte_more_is_not() -> None:
    def of_size(size: int) -> str:
        # Base64 has no length of 4n+1, so the padding goes where it makes the size exact.
        for digits in range(size - len(token()), 0, -1):
            for extra in range(3):
                made = signed({**HEADER, "x": "y" * extra}, {**CLAIMS, "fill": "z" * (digits * 3 // 4)})
                if len(made) == size:
                    return made
        raise AssertionError

    assert reason(of_size(16 * 1024)) is None
    assert reason(of_size(16 * 1024 + 1)) == "malformed_assertion"


@pytest.mark.parametrize("alg", ["none", "HS256", "EdDSA", "es256", "", None, 5, ["ES256"], {}])
def test_only_public_key_algorithms_are_allowed(alg: object) -> None:
    assert reason(signed({"alg": alg, "kid": "k1"}, CLAIMS)) == "alg_not_allowed"


@pytest.mark.parametrize("kid", [None, "", 1, ["k1"], {"k1": 1}, True])
def test_the_header_must_name_its_key_with_a_string(kid: object) -> None:
    assert reason(signed({"alg": "ES256", "kid": kid}, CLAIMS)) == "kid_missing"


@pytest.mark.parametrize(
    "iss", [..., None, 1, ["https://issuer.example"], "https://issuer.example/", "https://ISSUER.example"]
)
def test_the_issuer_must_be_equal_in_every_byte(iss: object) -> None:
    assert reason(token(iss=iss)) == "issuer_mismatch"


def test_a_key_set_that_cannot_be_fetched_is_told_from_a_key_that_is_not_in_it() -> None:
    def unavailable() -> KeySet:
        raise KeySetUnavailableError("timed out")

    wish = ExchangeRequest(assertion=token(), organization_id="org", federation_rule_id="fdrl_01")
    judgement = evaluate(wish, REGISTRATION, now=NOW, key_set=unavailable, jti_seen=lambda _: False)
    assert judgement.reason == "jwks_unavailable"
    assert "timed out" in judgement.checks[-1].sentence
    assert reason(token(), key_set={}) == "kid_not_found"


@pytest.mark.parametrize(
    "assertion",
    [
        signed(HEADER, CLAIMS, OTHER_KEY),
        ".".join((encoded(HEADER), encoded({**CLAIMS, "sub": "root"}), token().split(".")[2])),
        *(signed({"alg": alg, "kid": "k1"}, CLAIMS) for alg in ("ES384", "ES512", "RS256", "PS512")),
        *(
            f"{token().rpartition('.')[0]}.{signature}"
            for signature in ("", "AA", encoded(b"\0" * 64), encoded(b"\xff" * 64), encoded(b"1" * 5000))
        ),
    ],
    ids=["another key", "altered", "ES384", "ES512", "RS256", "PS512", "none", "a byte", "zeros", "ones", "long"],
)
def test_what_the_published_key_did_not_sign_by_the_named_algorithm_is_invalid(assertion: str) -> None:
    assert reason(assertion) == "signature_invalid"


def test_every_allowed_algorithm_verifies() -> None:
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    curves = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
    for family in ("RS", "PS", "ES"):
        for bits in (256, 384, 512):
            alg = f"{family}{bits}"
            key = ec.generate_private_key(curves[alg]) if family == "ES" else rsa_key
            made = jwt.encode(CLAIMS, key, alg, headers={"kid": "k1"})
            assert reason(made, key_set={"k1": VerificationKey(key.public_key())}) is None, alg


# Checks 9 and 10


@pytest.mark.parametrize(
    "change",
    [
        *({name: value} for name in ("sub", "iat", "exp") for value in (..., None, True, [], {}, "")),
        {"exp": str(NOW + 60)},
        *({"nbf": value} for value in ("soon", False, None)),
        *({"jti": value} for value in (1, ["first"])),
        {"sub": 7},
    ],
)
def test_a_claim_that_is_absent_or_of_another_type_is_missing(change: dict[str, object]) -> None:
    assert reason(token(**change)) == "claim_missing"


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"exp": NOW - 29}, None),
        ({"exp": NOW - 30}, "expired"),
        ({"exp": NOW - 29.5}, None),
        ({"exp": 0}, "expired"),
        ({"iat": NOW + 30}, None),
        ({"iat": NOW + 31}, "not_yet_valid"),
        ({"nbf": NOW + 30}, None),
        ({"nbf": NOW + 31}, "not_yet_valid"),
        ({"exp": 10**400}, "lifetime_exceeded"),
        ({"exp": -(10**400)}, "expired"),
        ({"iat": 1e300}, "not_yet_valid"),
        ({"iat": -1e300, "exp": 1e300}, "lifetime_exceeded"),
        ({"nbf": -(10**400)}, None),
        ({"iat": NOW - 10, "exp": NOW - 10 + 3600}, None),
        ({"iat": NOW - 10, "exp": NOW - 10 + 3601}, "lifetime_exceeded"),
    ],
)
def test_times_have_thirty_seconds_of_leeway_and_lifetimes_none_however_far_off(
    change: dict[str, object], wanted: str | None
) -> None:
    assert reason(token(**change)) == wanted


def test_the_issuer_says_how_long_a_token_may_live() -> None:
    assert reason(token(), issuer={"max_jwt_lifetime_seconds": 299}) == "lifetime_exceeded"
    assert reason(token(), issuer={"max_jwt_lifetime_seconds": 300}) is None


# Checks 11 to 14


@pytest.mark.parametrize(
    ("aud", "wanted"),
    [
        ("https://api.anthropic.com", None),
        (["a", "https://api.anthropic.com"], None),
        (["https://api.anthropic.com", 1, {}, []], None),
        ("https://api.anthropic.com/", "match_audience"),
        ([], "match_audience"),
        ([["https://api.anthropic.com"]], "match_audience"),
        ({"https://api.anthropic.com": 1}, "match_audience"),
        (..., "match_audience"),
        (None, "match_audience"),
    ],
)
def test_the_audience_is_one_string_or_a_list_that_contains_it(aud: object, wanted: str | None) -> None:
    assert reason(token(aud=aud)) == wanted


def test_a_rule_may_want_another_audience() -> None:
    assert reason(token(aud="mine"), rule={"audience": "mine"}) is None
    assert reason(token(), rule={"audience": "mine"}) == "match_audience"


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("repo:acme/app:ref:refs/heads/main", True),
        ("repo:acme/app:ref:refs/heads/mai", False),
        ("repo:acme/app:ref:refs/heads/main*", True),
        ("repo:acme/app:*", True),
        ("repo:ACME/app:*", False),
        ("repo:acme/*:main", False),
        (None, True),
    ],
)
def test_a_subject_is_equal_or_begins_with_the_text_before_the_star(pattern: str | None, *, matches: bool) -> None:
    found = reason(token(), rule={"subject_prefix": pattern})
    assert found == (None if matches else "match_subject_prefix")


@pytest.mark.parametrize("value", [..., None, "Main", "main ", ["main"], True, 1])
def test_each_named_claim_must_be_an_equal_string(value: object) -> None:
    assert reason(token(branch="main"), rule={"claims": {"branch": "main"}}) is None
    assert reason(token(branch=value), rule={"claims": {"branch": "main"}}) == "match_claims"


# Checks 15 to 17


def test_a_jti_that_was_seen_is_refused_unless_the_issuer_does_not_check() -> None:
    seen = frozenset({"first"})
    assert reason(token(), seen=seen) == "jti_reused"
    unchecked = judged(token(), seen=seen, issuer={"check_jti": False})
    assert (unchecked.granted, unchecked.jti) == (True, None)


def test_a_token_without_jti_is_not_limited() -> None:
    judgement = judged(token(jti=...))
    assert (judgement.granted, judgement.jti) == (True, None)


def test_a_denial_after_the_jti_check_does_not_ask_for_the_jti_to_be_spent() -> None:
    for request in ({"service_account_id": "svac_02"}, {"workspace_id": "wrkspc_02"}):
        judgement = judged(token(), **request)
        assert (judgement.granted, judgement.jti) == (False, None)


def test_the_service_account_asked_for_must_be_the_rules() -> None:
    assert reason(token(), service_account_id="svac_01") is None
    assert reason(token(), service_account_id="svac_02") == "service_account_mismatch"


ANYWHERE = {"applies_to_all_workspaces": True, "workspace_ids": ()}


@pytest.mark.parametrize(
    ("rule", "asked", "wanted"),
    [
        ({}, None, "wrkspc_01"),
        ({}, "wrkspc_01", "wrkspc_01"),
        ({}, "wrkspc_02", "workspace_not_enabled"),
        ({}, "default", "workspace_not_enabled"),
        ({"workspace_ids": ("wrkspc_01", "wrkspc_02")}, None, "workspace_id_required"),
        ({"workspace_ids": ("wrkspc_01", "wrkspc_02")}, "wrkspc_02", "service_account_not_member"),
        ({"workspace_ids": ("wrkspc_01", "wrkspc_default")}, None, "wrkspc_default"),
        ({"workspace_ids": ("wrkspc_default",)}, "default", "wrkspc_default"),
        ({"workspace_ids": ("wrkspc_default",)}, "wrkspc_default", "wrkspc_default"),
        ({"workspace_ids": ()}, None, "workspace_id_required"),
        (ANYWHERE, None, "wrkspc_default"),
        (ANYWHERE, "wrkspc_01", "wrkspc_01"),
        (ANYWHERE, "wrkspc_99", "service_account_not_member"),
    ],
)
def test_the_workspace_is_the_one_asked_for_the_only_one_or_the_default(
    rule: dict[str, object], asked: str | None, wanted: str
) -> None:
    judgement = judged(token(), rule=rule, **({"workspace_id": asked} if asked else {}))
    assert (judgement.workspace_id or judgement.reason) == wanted


@pytest.mark.parametrize(
    ("seconds_left", "rule_seconds", "granted_seconds"),
    [(290, 3600, 580), (290, 300, 300), (10, 3600, 60), (-20, 3600, 60), (300, 60, 60)],
)
def test_an_access_token_lives_at_most_twice_as_long_as_is_left_of_the_assertion(
    seconds_left: int, rule_seconds: int, granted_seconds: int
) -> None:
    judgement = judged(token(exp=NOW + seconds_left), rule={"token_lifetime_seconds": rule_seconds})
    assert judgement.token_lifetime_seconds == granted_seconds


# Key sets


def test_a_key_set_document_is_read_and_what_is_unusable_in_it_passed_over() -> None:
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    good_rsa = {**RSAAlgorithm.to_jwk(rsa_key, as_dict=True), "kid": "rsa", "alg": "PS256"}
    good_ec = {**ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "kid": "ec"}
    usable = read_key_set(
        {
            "keys": [
                {**good_rsa, "kid": "encryption", "use": "enc"},
                {**good_rsa, "kid": 5},
                {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"},
                {"kty": "RSA", "kid": "hollow"},
                {"kty": "EC", "crv": "P-256", "x": "!", "y": 1, "kid": "broken"},
                {"kty": ["RSA"], "kid": "odd"},
                "not a key",
                good_rsa,
                good_ec,
            ]
        }
    )
    assert set(usable) == {"rsa", "ec"}
    assert usable["rsa"].alg == "PS256"
    assert reason(signed({"alg": "ES256", "kid": "ec"}, CLAIMS), key_set=usable) is None
    # A key that its issuer keeps for one algorithm verifies no other.
    made = jwt.encode(CLAIMS, rsa_key, "RS256", headers={"kid": "rsa"})
    assert reason(made, key_set=usable) == "signature_invalid"


@pytest.mark.parametrize("document", [None, [], {}, {"keys": {}}, "keys"])
def test_a_document_without_keys_is_not_a_key_set(document: object) -> None:
    with pytest.raises(KeySetUnavailableError, match="the document has no list `keys`"):
        read_key_set(document)


# Whatever comes

# Not all of Unicode, whose tables take Hypothesis seconds to build.
TEXT = st.text('aZ09-_.=:/* "\\\x00\x1b\n\u2028\u202eé\ud800', max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
ODD_CLAIMS = st.fixed_dictionaries({}, optional=dict.fromkeys((*CLAIMS, "nbf", "branch"), JSON))


def assert_sound(judgement: Decision) -> None:
    assert judgement.reason is None or judgement.reason in get_args(Reason)
    assert [check.number for check in judgement.checks] == list(range(2, 2 + len(judgement.checks)))
    assert all(check.passed for check in judgement.checks[:-1])
    for check in judgement.checks:
        shown = check.found + check.wanted + check.sentence
        assert shown.isascii()
        assert shown.isprintable()


@given(TEXT | st.lists(st.binary().map(encoded), min_size=3, max_size=3).map(".".join))
def test_any_text_gets_a_verdict(assertion: str) -> None:
    judgement = judged(assertion)
    assert not judgement.granted
    assert_sound(judgement)


@given(st.fixed_dictionaries({}, optional={"alg": JSON, "kid": JSON, "typ": JSON}))
def test_any_header_gets_a_verdict(header: dict[str, object]) -> None:
    assert_sound(judged(signed(header, CLAIMS)))


@given(ODD_CLAIMS)
def test_any_claims_get_a_verdict(changes: dict[str, object]) -> None:
    judgement = judged(signed(HEADER, {**CLAIMS, **changes}), rule={"claims": {"branch": "main"}})
    assert_sound(judgement)
    assert not judgement.granted or changes.get("branch") == "main"


def surveyed(assertion: str, known: Knowledge, **request: str) -> Evaluation:
    wish = {"assertion": assertion, "organization_id": "org", "federation_rule_id": "fdrl_01", **request}
    return evaluate_known(ExchangeRequest(**wish), known, now=NOW, jti_seen=lambda jti: jti != "first")


KNOWN = Knowledge(
    rule=RULE,
    issuer=ISSUER,
    service_account=ACCOUNT,
    key_set=lambda: KEY_SET,
    default_workspace_id=REGISTRATION.default_workspace_id,
)


# With less than everything known

NO_RULE, NO_KEYS = "Not checked: the rule is not known here.", "Not checked: the issuer's keys are not known here."
UNKNOWN = f"""
2 the rule is active | "fdrl_01" | {NO_RULE}
6 the token comes from the rule's issuer | "https://issuer.example" | Not checked: the issuer is not known here.
7 the issuer publishes the key | "k1" | {NO_KEYS}
8 the signature verifies | {NO_KEYS}
12 the subject is the rule's | "{RULE.subject_prefix}" | {NO_RULE}
13 the claims are the rule's | {NO_RULE}
14 the condition holds | {NO_RULE}
16 the service account is the rule's | none asked for | {NO_RULE}
17 the workspace is enabled | none asked for | {NO_RULE}"""
NO_ACCOUNT = "Not checked: the service account is not known here."
LONG = "4010 s | at most 3600 s | The token has 4010 s, and at most 3600 s is assumed: an issuer accepts one hour " \
    "unless it is registered with more."  # fmt: skip
FOR_X = '"x" | "https://api.anthropic.com" | The token has "x", and "https://api.anthropic.com" is assumed: ' \
    "a rule expects it unless it names another."  # fmt: skip
UNSEEN_LIFETIME = "? 300 s | Not checked: the issuer is not known here. By default it accepts at most 3600 s."
OLD = replace(ACCOUNT, archived=True)
DEMOTED = replace(ACCOUNT, organization_role="developer")
HOLLOW = replace(RULE, service_account_id="", workspace_ids=())
UNREAD = "Not checked: the token cannot be read."
SURVEYS: list[tuple[str, Knowledge, dict[str, str], list[str]]] = [
    (token(), KNOWN, {}, []),
    ("no", KNOWN, {}, ["3! 2 characters | a JWT of at most 16384 bytes | The assertion is not a JWT: a JWT has three "
        "parts joined by dots, and this has 1.", *(f"{number}? {UNREAD}" for number in range(4, 16)),
        *(f"{number}? none asked for | {UNREAD}" for number in (16, 17))]),
    (signed({"alg": "ES256"}, CLAIMS), KNOWN, {}, ["5! none | a string | The token's header does not name its key in "
        "`kid`.", "7? Not checked: the header names no key.", "8? Not checked: the header names no key."]),
    (signed({"alg": "x", "kid": "k1"}, CLAIMS), KNOWN, {}, [f'4! "x" | {ALGORITHMS} | The token is signed with "x"; '
        "only public-key signatures are accepted.", "8? Not checked: no such algorithm is allowed."]),
    (signed({"alg": "ES256", "kid": "z"}, CLAIMS), KNOWN, {}, ['7! "k1" | "z" | The issuer publishes no key named "z".',
        "8? Not checked: the key is not known here."]),
    (token(sub=...), KNOWN, {}, ["9! none | a string | The claim `sub` is missing; it must be a string.",
        f"10? {NOW + 290} | Not checked: a claim that it needs is missing.",
        "12? Not checked: a claim that it needs is missing."]),
    (token(exp=NOW + 4000, aud="x"), replace(KNOWN, issuer=None), {}, [
        "2? main-branch | Not checked: the issuer is not known here.",
        '6? "https://issuer.example" | Not checked: the issuer is not known here.', f"10! {LONG}",
        '11! "x" | "https://api.anthropic.com" | The token is meant for "x"; the rule wants the audience '
        '"https://api.anthropic.com".']),
    (token(), replace(KNOWN, rule=HOLLOW), {"service_account_id": "s", "workspace_id": "w"}, [
        "16? s | Not checked: the rule at hand names no service account.",
        "17? w | Not checked: the rule at hand names no workspaces."]),
    (token(), replace(KNOWN, rule=replace(HOLLOW, **ANYWHERE)), {}, [
        "16? none asked for | Not checked: the rule at hand names no service account."]),
    (token(), replace(KNOWN, rule=replace(RULE, id="")), {}, [
        '2? "fdrl_01" | Not checked: the rule at hand has no id.']),
    (token(), replace(KNOWN, rule=replace(RULE, id="")), {"federation_rule_id": ""}, [
        "2? Not checked: the rule at hand has no id."]),
    (token(), KNOWN, {"federation_rule_id": "fdrl_02"}, ['2! fdrl_01 | "fdrl_02" | '
        'The request names "fdrl_02", and the rule at hand is "fdrl_01".']),
    (token(), replace(KNOWN, issuer=replace(ISSUER, id="fdis_02")), {}, [
        "2? The rule is for the issuer fdis_01, and the issuer at hand is fdis_02.",
        '6? "https://issuer.example" | Not checked: the issuer is not known here.', f'7? "k1" | {NO_KEYS}',
        f"8? {NO_KEYS}", f"10{UNSEEN_LIFETIME}"]),
    (token(), replace(KNOWN, issuer=replace(ISSUER, id="")), {}, []),
    (token(), replace(KNOWN, rule=replace(RULE, issuer_id="")), {}, []),
    (token(), replace(KNOWN, rule=replace(RULE, archived=True)), {}, [
        '2! archived rule | "fdrl_01" | The rule is archived.']),
    (token(), replace(KNOWN, service_account=OLD), {}, [
        '2! archived service account | "fdrl_01" | The service account is archived.']),
    (token(), replace(KNOWN, rule=replace(RULE, oauth_scope="x org:admin"), service_account=DEMOTED), {}, [
        '2! a demoted service account | "fdrl_01" | The rule grants org:admin, and its account is not an admin.']),
    (token(), replace(KNOWN, service_account=DEMOTED), {}, []),
    (token(), replace(KNOWN, service_account=None), {}, [
        f"2? main-branch | {NO_ACCOUNT}", f"17? wrkspc_01 | {NO_ACCOUNT}"]),
    (token(), replace(KNOWN, service_account=replace(ACCOUNT, workspace_ids=frozenset())), {}, ["17! wrkspc_01 | "
        "the default workspace only | The service account ci (svac_01) is not a member of wrkspc_01."]),
    (token(), replace(KNOWN, default_workspace_id=None), {}, []),
    (token(), replace(KNOWN, default_workspace_id=None), {"workspace_id": "w"}, [
        "17! w | wrkspc_01 | The request asks for w; the rule is enabled for wrkspc_01."]),
]  # fmt: skip


MARKS = {"passed": "", "unchecked": "? ", "failed": "! "}


@pytest.mark.parametrize(("assertion", "known", "request_", "lines"), SURVEYS)
def test_a_survey_says_what_failed_and_what_could_not_be_checked_and_why(
    assertion: str, known: Knowledge, request_: dict[str, str], lines: list[str]
) -> None:
    checks = surveyed(assertion, known, **request_).checks
    assert [check.number for check in checks] == list(range(2, 18))
    assert all(f"\n{check.number} {check.title} | " in PASSED for check in checks)
    assert [f"{check.number}{MARKS[check.state]}{said(check)}" for check in checks if not check.passed] == lines


@pytest.mark.parametrize(
    ("known", "changes", "lifetime", "audience"),
    [
        ({}, {}, UNSEEN_LIFETIME,
            f'? "https://api.anthropic.com" | {NO_RULE} The token\'s audience is the default.'),
        ({}, {"exp": NOW + 4000, "aud": "x"}, f"! {LONG}", f"! {FOR_X}"),
        ({"defaults_apply": False}, {"exp": NOW + 4000, "aud": "x"}, f"? {LONG}", f"? {FOR_X}"),
        ({"expected_audience": "x"}, {"aud": "x"}, UNSEEN_LIFETIME,
            f'? "x" | {NO_RULE} The token\'s audience differs from the default, https://api.anthropic.com.'),
    ],
)  # fmt: skip
def test_where_nothing_is_known_the_defaults_are_taken_and_named(
    known: dict[str, Any], changes: dict[str, object], lifetime: str, audience: str
) -> None:
    checks = surveyed(token(**changes), Knowledge(**known)).checks
    assert titled(check for check in checks if check.unchecked and check.number not in (10, 11)) == UNKNOWN
    assert [MARKS[check.state] + said(check) for check in checks[8:10]] == [lifetime, audience]


@given(ODD_CLAIMS, st.fixed_dictionaries({}, optional={"alg": JSON, "kid": JSON}))
def test_a_survey_with_everything_known_agrees_with_the_judgement(
    changes: dict[str, object], header: dict[str, object]
) -> None:
    assertion = signed({**HEADER, **header}, {**CLAIMS, **changes})
    wish = ExchangeRequest(assertion=assertion, organization_id="org", federation_rule_id="fdrl_01")
    judgement = evaluate(wish, REGISTRATION, now=NOW, key_set=lambda: KEY_SET, jti_seen=lambda jti: jti != "first")
    found = surveyed(assertion, KNOWN)
    assert found.reason == judgement.reason
    assert found.unverified_claims == judgement.unverified_claims
    # Until one fails, every check is made, and made alike.
    assert found.checks[: len(judgement.checks)] == judgement.checks


@given(ODD_CLAIMS, TEXT)
def test_a_survey_with_nothing_known_gets_through_any_token(changes: dict[str, object], text: str) -> None:
    for assertion in (signed(HEADER, {**CLAIMS, **changes}), text):
        checks = surveyed(assertion, Knowledge()).checks
        assert [check.number for check in checks] == list(range(2, 18))
        assert all((check.found + check.wanted + check.sentence).isprintable() for check in checks)
