"""What may be registered, asked without an emulator."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ant_wif.rules import Issuer, RegistrationError, Rule, check_issuer, check_name, check_rule
from ant_wif.rules.cel import named_claims
from ant_wif.rules.registration import SHARED_ISSUERS, address_flaw, pins_tenant
from support import preloaded
from support.samples import needs_cel

GITHUB, GITLAB, BUILDKITE, TERRAFORM, GOOGLE = SHARED_ISSUERS
RULE = Rule(id="", name="main", issuer_id="", service_account_id="", applies_to_all_workspaces=True)


def pins(issuer_url: str, *, subject: str | None = None, condition: str | None = None, **claims: str) -> bool:
    rule = replace(RULE, subject_prefix=subject, condition=condition, claims=claims)
    return pins_tenant(rule, SHARED_ISSUERS[issuer_url])


@pytest.mark.parametrize(
    ("issuer_url", "subject", "pinned"),
    [
        (GITHUB, "repo:acme/*", True),
        (GITHUB, "repo:acme/app:ref:refs/heads/main", True),
        (GITHUB, "repo:acme@1234/app@5678:ref:*", True),
        (GITHUB, "repository_owner:acme:*", True),
        (GITHUB, "repository_owner_id:90210", True),
        (GITHUB, "repo:*", False),
        (GITHUB, "repo:ac*", False),
        (GITHUB, "repo:acme*", False),
        (GITHUB, "repo:/*", False),
        (GITHUB, "repo:*/app:*", False),
        (GITHUB, "r*", False),
        (GITHUB, "repository_owner:acme*", False),
        (GITHUB, "environment:production", False),
        (GITHUB, "xrepo:acme/*", False),
        (GITHUB, "Repo:acme/*", False),
        (GITLAB, "project_path:acme/*", True),
        (GITLAB, "project_path:acme*", False),
        (GITLAB, "project_path:*", False),
        (BUILDKITE, "organization:acme:*", True),
        (BUILDKITE, "organization:acme*", False),
        (TERRAFORM, "organization:acme:project:*", True),
        (TERRAFORM, "organization:*", False),
        (GOOGLE, "104857600123456789012", True),
        (GOOGLE, "1048*", False),
        (GOOGLE, "*", False),
    ],
)
def test_a_subject_pins_the_tenant_where_its_name_is_whole(issuer_url: str, subject: str, pinned: bool) -> None:
    assert pins(issuer_url, subject=subject) is pinned


@pytest.mark.parametrize(
    ("issuer_url", "claims", "pinned"),
    [
        (GITHUB, {"repository_owner": "acme"}, True),
        (GITHUB, {"repository_id": "1"}, True),
        (GITHUB, {"repository_owner": ""}, False),
        (GITHUB, {"ref": "refs/heads/main", "environment": "production"}, False),
        (GITHUB, {"job_workflow_ref": "acme/x/.github/workflows/y.yml@main"}, False),
        (GITHUB, {"sub": "repo:acme/app:ref:refs/heads/main"}, True),
        (GITHUB, {"sub": "repo:*"}, False),
        (GITLAB, {"namespace_path": "acme"}, True),
        (GITLAB, {"repository_owner": "acme"}, False),
        (BUILDKITE, {"organization_slug": "acme"}, True),
        (BUILDKITE, {"pipeline_slug": "app"}, False),
        (TERRAFORM, {"terraform_organization_name": "acme"}, True),
        (GOOGLE, {"hd": "acme.example"}, True),
        (GOOGLE, {"email": "ci@acme.example"}, True),
        (GOOGLE, {"email_verified": "true"}, False),
        (GOOGLE, {"sub": "104857600123456789012"}, True),
    ],
)
def test_a_claim_pins_the_tenant_where_one_tenant_owns_it(
    issuer_url: str, claims: dict[str, str], pinned: bool
) -> None:
    assert pins(issuer_url, **claims) is pinned


@pytest.mark.parametrize(
    ("condition", "pinned"),
    [
        ('claims.repository_owner == "acme"', True),
        ('claims["repository_owner"] == "acme"', True),
        ("claims [ 'repository_owner' ] in ['acme']", True),
        ('has(claims.ref) && claims.repository.startsWith("acme/")', True),
        ('claims.ref == "claims.repository_owner"', False),
        ("claims.ref == 'x' // claims.repository_owner", False),
        ('claims.ref in ["repository_owner"]', False),
        ('claims.ref == "\\" || claims.repository_owner == "', False),
        ('claims.ref == r"\\" || claims.repository_owner == "acme"', True),
        ('claims.ref == """ " claims.repository_owner " """', False),
        # To name the claim is all that the platform asks.
        ('claims.repository_owner != ""', True),
        ("claims.repository_owner_name == 'acme'", False),
        ("claims.x.repository_owner == 'acme'", False),
        ("true", False),
    ],
)
def test_a_condition_pins_the_tenant_where_its_code_names_the_claim(condition: str, pinned: bool) -> None:
    assert pins(GITHUB, condition=condition) is pinned


@given(st.text(alphabet="abc-*/:", max_size=8))
def test_a_prefix_that_pins_the_tenant_accepts_the_subjects_of_one_owner_only(text: str) -> None:
    prefix = f"repo:{text}"
    owners = ["".join(letters) for length in (1, 2, 3) for letters in itertools.product("abc-", repeat=length)]
    accepted = [
        owner for owner in owners if f"repo:{owner}/app".startswith(prefix) or prefix.startswith(f"repo:{owner}/")
    ]
    if pins(GITHUB, subject=f"{prefix}*"):
        assert len(accepted) <= 1


@given(text=st.text(alphabet="claims.hd[]\"'/\\ r\n", max_size=30))
def test_naming_claims_never_fails_and_finds_none_in_a_string(text: str) -> None:
    assert all(name.isalnum() for name in named_claims(text))
    quoted = '"' + text.replace("\\", "").replace('"', "").replace("\n", "") + '"'
    assert named_claims(quoted) == frozenset()


FLAWS = {
    "must use https": ["http://idp.acme.example"],
    "must use port 443": ["https://idp.acme.example:8443", "https://idp.acme.example:1", "https://idp.acme.example:65535"],
    "must be a URL of scheme, host, port and path, such as https://idp.example.com": [
        "https://[fe80::1%25eth0]", "https://idp_acme.example", "https://user@idp.acme.example",
        "https://idp.acme.example\\@192.0.2.1", "https://idp.acme.example\n", " https://idp.acme.example",
        "https://idp.acme.example#fragment", "https://idp.acme.ex\u00e4mple", "https://\uff11\uff19\uff12.0.2.1",
        "https://idp.acme.example:\u0664\u0664\u0663", "https://idp.acme.example:", "https://idp.acme.example:65536",
        "https:/idp.acme.example", "https://", "file:///etc/passwd", "",
    ],
    "must name its host by a public DNS name, not by an IP address or a name without a dot": [
        "https://192.0.2.1", "https://192.0.2.1.", "https://3221225985", "https://0xC0000201", "https://0300.0.2.1",
        "https://192.0.513", "https://127.1", "https://[::ffff:192.0.2.1]", "https://localhost", "https://idp",
        "https://idp.acme.example.", "https://-idp.acme.example", "https://idp..example", f"https://{'a.' * 124}bookss",
    ],
    "must name a host that is public, and idp.localhost is not": ["https://IDP.localhost"],
    "must name a host that is public, and printer.local is not": ["https://printer.local"],
    "must name a host that is public, and metadata.google.internal is not": ["https://metadata.google.internal"],
}  # fmt: skip


@pytest.mark.parametrize("flaw", FLAWS, ids=range(len(FLAWS)))
def test_keys_are_fetched_from_no_such_address(flaw: str) -> None:
    assert {url: address_flaw(url) for url in FLAWS[flaw]} == dict.fromkeys(FLAWS[flaw], flaw)


@pytest.mark.parametrize(
    "url",
    [
        "https://idp.acme.example", "HTTPS://IDP.ACME.EXAMPLE:443/realms/a", "https://xn--bcher-kva.example/?v=1",
        f"https://{'a.' * 124}books", "https://mylocal.example",
    ],
)  # fmt: skip
def test_keys_are_fetched_from_public_names(url: str) -> None:
    assert address_flaw(url) is None


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://127.0.0.1:8080/idp", True),
        ("http://127.9.9.9", True),
        ("http://LOCALHOST:1", True),
        ("http://[::1]:80/", True),
        ("http://localhost.evil.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://0.0.0.0", False),
        ("http://127.1", False),
        ("http://10.0.0.1", False),
        ("http://127.0.0.1@evil.example", False),
    ],
)
def test_this_machine_may_be_named_only_where_that_is_allowed(url: str, allowed: bool) -> None:
    assert address_flaw(url) is not None
    assert (address_flaw(url, allow_loopback=True) is None) is allowed


@given(st.text())
def test_any_name_and_url_is_judged_without_an_accident(text: str) -> None:
    address_flaw(text)
    if not text.isascii() or not text or text.strip() != text or text != text.lower():
        with pytest.raises(RegistrationError, match="lower-case letters"):
            check_name(text)


SCOPES = "must be one or more of workspace:developer, workspace:inference, org:admin, with one space between"
TAKES_ALL = "match: takes any token of the issuer: add claims, a condition, or a subject_prefix other than *"
NAME = "name: must be 1 to 255 lower-case letters, digits and hyphens"
RULES: list[tuple[dict[str, Any], str]] = [
    ({}, ""),
    *(({"name": name}, NAME) for name in ("A", "a\n", "", "a" * 256, "a_b")),
    ({"name": "a" * 255}, ""),
    ({"token_lifetime_seconds": 59}, "token_lifetime_seconds: must be 60 to 86400 seconds"),
    ({"token_lifetime_seconds": 86_401}, "token_lifetime_seconds: must be 60 to 86400 seconds"),
    ({"token_lifetime_seconds": 60}, ""),
    ({"token_lifetime_seconds": 86_400}, ""),
    ({"subject_prefix": ""}, "match.subject_prefix: must not be empty"),
    ({"audience": ""}, "match.audience: must not be empty"),
    *(({"subject_prefix": each, "audience": "x"}, TAKES_ALL) for each in (None, "*", "**")),
    ({"subject_prefix": None, "claims": {"a": "b"}}, ""),
    ({"subject_prefix": "*a*"}, ""),
    *(({"oauth_scope": scope}, f"oauth_scope: {SCOPES}")
        for scope in ("", "user:inference", "workspace:developer  workspace:inference",
                      "workspace:developer\tworkspace:inference", "workspace:developer workspace:developer")),
    ({"oauth_scope": "workspace:developer workspace:inference"}, ""),
    ({"oauth_scope": "org:admin"}, "oauth_scope: org:admin takes a target whose organization_role is admin, "
        "and this one's is not"),
    ({"oauth_scope": "org:admin", "organization_role": "admin"}, ""),
    ({"oauth_scope": "org:admin", "organization_role": None}, ""),
    ({"applies_to_all_workspaces": False}, "workspace_id: is required, unless applies_to_all_workspaces is true"),
    ({"applies_to_all_workspaces": False, "workspace_ids": ("wrkspc_01",)}, ""),
    ({"issuer_url": f"{GITHUB.upper()}/"}, "match: does not say whose tokens of GitHub Actions it means: add "
        "a subject_prefix such as repo:OWNER/*, or the claim repository_owner"),
    ({"issuer_url": GITHUB, "subject_prefix": "repo:acme/*"}, ""),
    ({"issuer_url": GOOGLE, "subject_prefix": None, "claims": {"sub": "104857600123456789012"}}, ""),
]  # fmt: skip


def refusal(check: Callable[..., None], *arguments: object, **options: object) -> str:
    try:
        check(*arguments, **options)
    except RegistrationError as error:
        return str(error) if error.args == (error.field, error.sentence) else repr(error)
    return ""


@pytest.mark.parametrize(("changes", "said"), RULES)
def test_a_rule_is_refused_for_the_field_that_is_wrong(changes: dict[str, Any], said: str) -> None:
    where = {"issuer_url": "urn:idp", "organization_role": "developer", **changes}
    fields = {name: where.pop(name) for name in changes if hasattr(RULE, name)}
    assert refusal(check_rule, replace(RULE, **{"subject_prefix": "job:*", **fields}), **where) == said


@needs_cel
@pytest.mark.parametrize(
    ("condition", "said"),
    [("claims.sub == 'x'", ""), ("true", "match.condition: it is true whatever the token says"),
     ("1", "match.condition: it yields int, and must yield a boolean")],
)  # fmt: skip
def test_a_rule_is_refused_for_its_condition(condition: str, said: str) -> None:
    rule = replace(RULE, condition=condition)
    assert refusal(check_rule, rule, issuer_url="urn:idp", organization_role="developer") == said


HTTPS, PUBLIC = (
    "must use https",
    "must name its host by a public DNS name, not by an IP address or a name without a dot",
)


@pytest.mark.parametrize(
    ("changes", "jwks", "said"),
    [
        ({}, {"type": "discovery"}, ""),
        ({"name": "A"}, {}, NAME),
        ({"issuer_url": ""}, {}, "issuer_url: must not be empty"),
        *(({"max_jwt_lifetime_seconds": each}, {}, "max_jwt_lifetime_seconds: must be 1 to 176400 seconds")
            for each in (0, 176_401)),
        *(({"max_jwt_lifetime_seconds": each}, {}, "") for each in (1, 176_400)),
        ({"issuer_url": "http://x.example"}, {"type": "discovery"}, f"issuer_url: {HTTPS}"),
        ({"issuer_url": "http://x.example"}, {"type": "inline"}, ""),
        ({"issuer_url": "http://x.example"}, {"type": "discovery", "discovery_base": "https://x.example"}, ""),
        ({}, {"type": "discovery", "discovery_base": "https://10.0.0.1"}, f"jwks.discovery_base: {PUBLIC}"),
        ({"issuer_url": "urn:x"}, {"type": "explicit_url", "url": "http://x.example"}, f"jwks.url: {HTTPS}"),
        ({"issuer_url": "urn:x"}, {"type": "explicit_url", "url": "https://x.example"}, ""),
        ({"issuer_url": "http://localhost:1"}, {"type": "discovery"}, f"issuer_url: {HTTPS}"),
    ],
)  # fmt: skip
def test_an_issuer_is_refused_for_the_field_that_is_wrong(
    changes: dict[str, Any], jwks: dict[str, str], said: str
) -> None:
    issuer = Issuer(**{"id": "", "name": "idp", "issuer_url": "https://x.example", **changes})
    assert refusal(check_issuer, issuer, jwks) == said
    assert refusal(check_issuer, issuer, jwks, allow_loopback=True) == (
        "" if "localhost" in issuer.issuer_url else said
    )


def test_a_condition_is_refused_where_it_cannot_be_checked() -> None:
    program = """
import sys
sys.modules["cel_expr_python"] = None
from ant_wif.rules import RegistrationError, Rule, check_rule
rule = Rule(id="", name="a", issuer_id="", service_account_id="", condition="claims.a == 'b'")
try:
    check_rule(rule, issuer_url="urn:idp", organization_role=None)
except RegistrationError as error:
    print(error)
"""
    outcome = preloaded.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert outcome.stdout.startswith("match.condition: cannot be checked here: the package cel-expr-python")
