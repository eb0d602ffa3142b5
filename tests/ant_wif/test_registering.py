"""What may be registered, asked without an emulator."""

from __future__ import annotations

import itertools
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ant_wif.rules import Issuer, RegistrationError, Rule, check_issuer, check_name, check_rule
from ant_wif.rules.cel import named_claims
from ant_wif.rules.registration import SHARED_ISSUERS, address_flaw, pins_tenant

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


@pytest.mark.parametrize(
    "url",
    [
        "http://idp.acme.example", "https://idp.acme.example:8443", "https://192.0.2.1", "https://192.0.2.1.",
        "https://3221225985", "https://0xC0000201", "https://0300.0.2.1", "https://192.0.513", "https://127.1",
        "https://[::ffff:192.0.2.1]", "https://[fe80::1%25eth0]", "https://localhost", "https://idp.localhost",
        "https://printer.local", "https://metadata.google.internal", "https://idp", "https://idp.acme.example.",
        "https://-idp.acme.example", "https://idp..example", "https://idp_acme.example",
        "https://user@idp.acme.example", "https://idp.acme.example\\@192.0.2.1", "https://idp.acme.example\n",
        " https://idp.acme.example", "https://idp.acme.example#fragment", "https://idp.acme.ex\u00e4mple",
        "https://\uff11\uff19\uff12.0.2.1", "https://idp.acme.example:\u0664\u0664\u0663", "https://idp.acme.example:",
        "https://idp.acme.example:99999", "https:/idp.acme.example", "https://", "file:///etc/passwd", "",
    ],
)  # fmt: skip
def test_keys_are_fetched_from_no_such_address(url: str) -> None:
    assert (address_flaw(url) or "").startswith("must ")


@pytest.mark.parametrize(
    "url", ["https://idp.acme.example", "HTTPS://IDP.ACME.EXAMPLE:443/realms/a", "https://xn--bcher-kva.example/?v=1"]
)
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


def test_an_error_names_field_and_sentence() -> None:
    with pytest.raises(RegistrationError) as caught:
        check_issuer(Issuer(id="", name="idp", issuer_url="http://x.example"), {"type": "discovery"})
    assert caught.value.field == "issuer_url"
    assert str(caught.value) == f"issuer_url: {caught.value.sentence}"


def test_a_role_that_is_not_known_is_not_held_against_a_rule() -> None:
    rule = replace(RULE, subject_prefix="job:*", oauth_scope="org:admin")
    check_rule(rule, issuer_url="urn:idp", organization_role=None)
    check_rule(rule, issuer_url="urn:idp", organization_role="admin")
    with pytest.raises(RegistrationError, match="organization_role"):
        check_rule(rule, issuer_url="urn:idp", organization_role="developer")


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
    outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert outcome.stdout.startswith("match.condition: cannot be checked here: the package cel-expr-python")
