"""Two judges, written apart from one another, come to the same verdict on any token, rule and request."""

from __future__ import annotations

import base64
import itertools
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from ant_wif.emulator import Emulator
from ant_wif.rules import REASONS, KeySet, KeySetUnavailableError, VerificationKey
from support.identity_failures import rsa_key
from support.reference_rules import Condition, Denied, Granted, Organization, Wish, judged

NOW = 1_800_000_000.25
BETA = "oauth-2025-04-20,oidc-federation-2026-04-01"
SUBJECT = "repo:acme/app:ref:refs/heads/main"
RSA, EC, OTHER = rsa_key(), ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
DEFAULT, OWN, FOREIGN = "wrkspc_default", "wrkspc_own", "wrkspc_foreign"
WORKSPACES = (DEFAULT, OWN, FOREIGN)
NUMBERS = itertools.count()


def is_number(value: object, wanted: int) -> bool:
    return not isinstance(value, bool) and value == wanted


CONDITIONS: list[Condition] = [
    ("claims.environment == 'production'", lambda claims: claims["environment"] == "production"),
    ("has(claims.environment)", lambda claims: "environment" in claims),
    ("!has(claims.environment) || claims.attempt == 1", lambda claims: (
        "environment" not in claims or is_number(claims["attempt"], 1))),
    ("'ops' in claims.environment", lambda claims: (
        isinstance(claims["environment"], list | dict) and "ops" in claims["environment"])),
    ("claims.sub.startsWith('repo:acme/') && claims.attempt == 1", lambda claims: (
        str(claims["sub"]).startswith("repo:acme/") and is_number(claims["attempt"], 1))),
    ("claims.missing == 'x'", lambda claims: claims["missing"] == "x"),
    ("claims.environment", lambda claims: claims["environment"] is True),
    ("claims.sub ==", lambda _: False),
    ("true", lambda _: False),
]  # fmt: skip


# What makes a good token, and what else may stand in each place; `...` leaves it out.
HEADER: dict[str, object] = {"alg": "RS256", "kid": "rsa"}
CLAIMS: dict[str, object] = {
    "iss": "https://issuer.example",
    "sub": SUBJECT,
    "aud": "https://api.anthropic.com",
    "iat": 1_799_999_990,
    "exp": 1_800_000_300,
    "environment": "production",
    "attempt": 1,
}
ODD: dict[str, list[object]] = {
    "alg": ["none", "HS256", "es256", "EdDSA", "ES256", "PS384", "RS512", None, 5, ["RS256"]],
    "kid": ["ec", "absent", "", 5, None, ["rsa"], {}],
    "crit": [["exp"]],
    "iss": [..., None, 5, "https://issuer.example/", ["https://issuer.example"]],
    "sub": [..., None, "", 7, True, [SUBJECT], SUBJECT.upper(), SUBJECT + "\ud800", "repo:acme/\u00e9\u202e"],
    "aud": [
        ["https://api.anthropic.com", 5, {}], "mine", ["mine"], [], ["https://api.anthropic.com/"], 7, True, None, ...,
        "", [["https://api.anthropic.com"]], {"https://api.anthropic.com": 1},
    ],
    "iat": [
        ..., None, True, "1", 10**400, -(10**400), 1e300, float("nan"), float("inf"), [5], 0, -5,
        1_800_000_030, 1_800_000_030.25, 1_800_000_030.5, 1_799_996_000.5,
    ],
    "exp": [
        ..., None, False, "x", 10**400, -(10**400), -1e300, float("-inf"), {}, 0, -1, 1_799_999_970.25, 2**53 + 1,
        1_799_999_970.5, 1_800_000_000.5, 1_800_003_590, 1_800_003_590.5, 1_800_000_031,
    ],
    "nbf": [None, 1_800_000_030.25, 1_800_000_031, 0, "0", True, -(10**400), 10**400, [], 1.5],
    "jti": ["", "\ud800", "\u00e9", None, 5, ["first"], {}],
    "environment": [..., "Production", None, 5, True, ["ops"], {"ops": None}, "\udfff", 2**70],
    "attempt": [..., "1", True, 1.0, 2],
    "fill": ["x" * 11_000, "x" * 12_300],
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One request, and how many seconds pass before it."""

    assertion: str
    request: Mapping[str, str]
    seconds: float


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


DAMAGE: list[Callable[[str], str]] = [
    lambda assertion: assertion[:-1],
    lambda assertion: assertion[:-2],
    lambda assertion: assertion + "=",
    lambda assertion: assertion + ".",
    lambda assertion: assertion + "\n",
    lambda assertion: " " + assertion,
    lambda assertion: assertion.replace(".", "..", 1),
    lambda assertion: assertion.rpartition(".")[0],
    lambda assertion: assertion.rpartition(".")[0] + ".",
    lambda assertion: assertion.rpartition(".")[0] + ".AAAA",
    lambda assertion: "e30." + assertion.partition(".")[2],
    lambda assertion: "e30K." + assertion.partition(".")[2],
    lambda assertion: encoded(b"[]") + "." + assertion.partition(".")[2],
    lambda assertion: encoded(b'{"alg":"none","alg":"RS256"}') + "." + assertion.partition(".")[2],
    lambda assertion: encoded(b"\xff\xfe{\0}\0") + "." + assertion.partition(".")[2],
    lambda assertion: assertion.replace("e", "é", 1),
    lambda assertion: assertion.swapcase(),
    lambda _: "x",
]


def few(places: Mapping[str, list[object]]) -> st.SearchStrategy[dict[str, object]]:
    """Draw odd values for two places at most: with more, nothing would get far."""
    chosen = st.lists(st.sampled_from(list(places)), max_size=2, unique=True)
    return chosen.flatmap(lambda names: st.fixed_dictionaries({name: st.sampled_from(places[name]) for name in names}))


def assertion(odd: dict[str, object], jti: str | None, kind: str, trusted: bool, damage: Callable[[str], str]) -> str:
    header = {**HEADER, **({"alg": "ES256", "kid": "ec"} if kind == "ec" else {})}
    claims = {**CLAIMS, **({"jti": jti} if jti else {})}
    for name, value in odd.items():
        part = header if name in {"alg", "kid", "crit"} else claims
        part[name] = value
    parts = ({name: value for name, value in each.items() if value is not ...} for each in (header, claims))
    signing_input = ".".join(encoded(json.dumps(part).encode()) for part in parts)
    key = {"rsa": RSA, "ec": EC if trusted else OTHER}[kind]
    usual = "RS256" if kind == "rsa" else "ES256"
    alg = header["alg"] if header["alg"] in ("PS384", "RS512") and kind == "rsa" else usual
    signature = jwt.get_algorithm_by_name(str(alg)).sign(signing_input.encode(), key)
    return damage(f"{signing_input}.{encoded(signature)}")


SOUND = [lambda text: text] * (5 * len(DAMAGE))
STEPS = st.builds(
    Step,
    st.builds(
        assertion,
        few(ODD),
        st.sampled_from(["first", "first", "second", None]),
        st.sampled_from(["rsa", "ec"]),
        st.sampled_from([True] * 5 + [False]),
        st.sampled_from([*SOUND, *DAMAGE]),
    ),
    few(
        {
            "service_account_id": ["svac_own", "svac_own", "svac_other"],
            "workspace_id": ["default", *WORKSPACES, "wrkspc_unknown"],
            "federation_rule_id": ["fdrl_naive"] * 5 + ["fdrl_unknown"],
        }
    ),
    st.sampled_from([0] * 6 + [0.25, 29, 300, 330]),
)
ORGANIZATIONS = few(
    {
        "keys": [None, {}],
        "member_of": [frozenset()],
        "max_jwt_lifetime_seconds": [1, 309, 310, 176_400],
        "check_jti": [False],
        "audience": ["mine", ""],
        "subject_prefix": [None, "*", "repo:acme/*", "repo:ACME/*", SUBJECT + "*", SUBJECT[:-1]],
        "claims": [{"environment": "production"}, {"sub": SUBJECT}, {"attempt": "1"}, {"environment": "\udfff"}],
        "condition": [*CONDITIONS] if sys.version_info >= (3, 11) else [None],
        "workspace_ids": [(), (DEFAULT,), (OWN, FOREIGN), (OWN, DEFAULT), (FOREIGN,)],
        "applies_to_all_workspaces": [True],
        "token_lifetime_seconds": [60, 61, 600, 86_400],
        "archived": ["rule", "issuer", "account"],
    }
)


def organization(emulator: Emulator, odd: dict[str, object]) -> Organization:
    usual = Organization(
        organization_id=emulator.organization_id,
        rule_id="fdrl_naive",
        issuer_url="https://issuer.example",
        service_account_id="svac_own",
        default_workspace_id=DEFAULT,
        keys={"rsa": RSA.public_key(), "ec": EC.public_key()},
        member_of=frozenset({OWN}),
        subject_prefix=SUBJECT,
        workspace_ids=(OWN,),
    )
    changes: dict[str, Any] = odd
    return replace(usual, **changes)


@pytest.fixture(scope="module")
def client(running: Emulator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.base_url, headers={"anthropic-beta": BETA}) as opened:
        yield opened


def register(emulator: Emulator, org: Organization) -> None:
    """Have the emulator hold what `org` says, with an issuer that has spent nothing yet."""
    state = emulator._state
    state.default_workspace = replace(state.default_workspace, id=org.default_workspace_id)
    account = replace(
        next(iter(state.service_accounts.values())),
        id=org.service_account_id,
        workspace_ids=org.member_of,
        archived=org.archived == "account",
    )
    issuer = replace(
        next(iter(state.issuers.values())),
        id=f"fdis_{next(NUMBERS)}",
        issuer_url=org.issuer_url,
        max_jwt_lifetime_seconds=org.max_jwt_lifetime_seconds,
        check_jti=org.check_jti,
        archived=org.archived == "issuer",
    )
    state.rules[org.rule_id] = replace(
        next(iter(state.rules.values())),
        id=org.rule_id,
        issuer_id=issuer.id,
        service_account_id=account.id,
        subject_prefix=org.subject_prefix,
        audience=org.audience,
        claims=org.claims,
        condition=org.condition[0] if org.condition else None,
        workspace_ids=org.workspace_ids,
        applies_to_all_workspaces=org.applies_to_all_workspaces,
        token_lifetime_seconds=org.token_lifetime_seconds,
        archived=org.archived == "rule",
    )
    state.service_accounts[account.id], state.issuers[issuer.id] = account, issuer
    state.key_sets[issuer.id] = lambda: published(org)


def published(org: Organization) -> KeySet:
    if org.keys is None:
        raise KeySetUnavailableError("timed out")
    return {kid: VerificationKey(key) for kid, key in org.keys.items()}


def verdict(wish: Wish, org: Organization, spent: dict[str, float], now: float) -> Granted | str:
    """Return the plain judge's verdict, and remember what it spends."""
    try:
        granted = judged(wish, org, spent, now)
    except Denied as denied:
        return str(denied)
    if granted.spent is not None:
        spent[granted.spent] = granted.spent_until
    return granted


def test_both_judges_agree_on_every_request_of_a_series(emulator: Emulator, client: httpx.Client) -> None:
    met: Counter[str] = Counter()

    @settings(max_examples=100)
    @given(ORGANIZATIONS, st.lists(STEPS, min_size=1, max_size=4), st.booleans())
    def compare(odd: dict[str, object], steps: list[Step], again: bool) -> None:
        org = organization(emulator, odd)
        register(emulator, org)
        spent: dict[str, float] = {}
        now = NOW
        for step in [*steps, steps[0]] if again else steps:
            now += step.seconds
            emulator.clock = lambda: now  # noqa: B023 - asked before the next turn
            body = {
                "assertion": step.assertion,
                "federation_rule_id": org.rule_id,
                "organization_id": org.organization_id,
                **step.request,
            }
            grant_type = "urn:ietf:params:oauth:grant-type:jwt-bearer"
            response = client.post("/v1/oauth/token", json={"grant_type": grant_type, **body})
            record = emulator.history[-1]
            found: object = record.reason
            expected = verdict(Wish(**body), org, spent, now)
            if isinstance(expected, Granted):
                found = (response.status_code, record.workspace_id, response.json().get("expires_in"))
                assert found == (200, expected.workspace_id, expected.lifetime), record
            else:
                assert (response.status_code, found) == (401, expected)
            met["granted" if isinstance(expected, Granted) else expected] += 1

    compare()
    # A comparison of denials for the same few reasons would prove little.
    assert met["granted"] >= 10, met
    assert len(met) > len(REASONS) * 3 / 4, met
