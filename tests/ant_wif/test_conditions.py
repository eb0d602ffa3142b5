"""A condition is true, or the token is denied: whatever the expression, whatever the claims, and soon."""

from __future__ import annotations

import sys
import time

import pytest

from ant_wif.rules import (
    Check,
    ConditionError,
    ExchangeRequest,
    Issuer,
    Knowledge,
    Rule,
    check_condition,
    evaluate_known,
)
from ant_wif.rules.cel import _problem, _work, evaluate_condition
from support import preloaded
from support.samples import needs_cel

pytestmark = needs_cel

CLAIMS: dict[str, object] = {
    "sub": "repo:acme/app:ref:refs/heads/main",
    "environment": "production",
    "run_attempt": 2,
    "exp": 1_800_000_300,
    "iat": 1_800_000_000,
    "ratio": 1.5,
    "admin": True,
    "nothing": None,
    "groups": ["dev", "ops"],
    "kubernetes.io": {"namespace": "ci", "pod": {"name": "runner"}},
}


ENDLESS: list[object] = []
ENDLESS.append(ENDLESS)
NESTED: list[object] = []
for _ in range(5000):
    NESTED = [NESTED]


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("claims.environment == 'production'", True),
        ("claims.environment == 'staging'", False),
        ("claims['kubernetes.io'].namespace == 'ci'", True),
        ("claims['kubernetes.io'].pod.name.startsWith('run')", True),
        ("'ops' in claims.groups", True),
        ("'root' in claims.groups", False),
        ("claims.groups.exists(g, g == 'dev') && claims.groups.all(g, size(g) == 3)", True),
        ("claims.groups.filter(g, g != 'dev') == ['ops']", True),
        ("claims.groups.map(g, g + '!').exists_one(g, g == 'dev!')", True),
        ("has(claims.environment) && !has(claims.missing)", True),
        ("has(claims.missing) && claims.missing == 'x'", False),
        ("claims.missing == 'x' || claims.admin", True),
        ("claims.admin", True),
        ("claims.exp - claims.iat <= 600", True),
        ("claims.run_attempt == 2 && claims.run_attempt < 2.5", True),
        ("claims.ratio > 1", True),
        ("claims.nothing == null", True),
        ("claims.sub.matches('^repo:acme/[a-z]+:')", True),
        ("claims.sub.matches('^acme')", False),
        ("claims.environment in ['production', 'staging']", True),
        ("timestamp(claims.iat) < timestamp('2100-01-01T00:00:00Z')", True),
        ("claims.environment == 'production' ? claims.run_attempt < 3 : false", True),
        ("// a word on why\nclaims.admin", True),
    ],
)
def test_a_condition_sees_the_claims(condition: str, *, holds: bool) -> None:
    assert evaluate_condition(condition, CLAIMS) == (holds, str(holds).lower())


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("claims.missing == 'x'", "missing"),
        ("claims.groups[7] == 'x'", "an error"),
        ("claims.run_attempt / 0 == 1", "divide by zero"),
        ("claims.sub.namespace == 'ci'", "an error"),
        ("claims.sub < 5", "an error"),
        ("claims.sub.matches('(')", "an error"),
        ("claims.environment", "string, which is not a boolean"),
        ("claims.nothing", "null, which is not a boolean"),
    ],
)
def test_an_error_and_a_result_that_is_not_a_boolean_deny_and_say_what_happened(condition: str, said: str) -> None:
    holds, words = evaluate_condition(condition, CLAIMS)
    assert not holds
    assert said in words


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("", "compile"),
        ("claims.sub ==", "compile"),
        ("claims.sub == 'x", "compile"),
        ("claim.sub == 'x'", "undeclared reference"),
        ("sub == 'x'", "undeclared reference"),
        ("fetch('https://example.com') == claims.sub", "undeclared reference to 'fetch'"),
        ("1 == 'x' || claims.admin", "no matching overload"),
        ("\x00", "compile"),
        ("\ud800", "compile"),
        ("'x'", "it yields string, and must yield a boolean"),
        ("1 + 1", "it yields int, and must yield a boolean"),
        ("(" * 500 + "true" + ")" * 500, "compile"),
        ("[" * 500 + "]" * 500 + " == claims.groups", "compile"),
        ("claims.admin".ljust(2049), "it has 2049 characters, and 2048 is the most allowed"),
        ("true", "^it is true whatever the token says$"),
        ("1 < 2", "whatever"),
        ("true || claims.admin", "whatever"),
        ("claims.missing == 'x' || true", "whatever"),
        ("[1, 2].exists(x, x == 1)", "whatever"),
    ],
)
def test_what_does_not_compile_and_what_is_always_true_is_not_a_condition(condition: str, said: str) -> None:
    with pytest.raises(ConditionError, match=said):
        check_condition(condition)


@pytest.mark.parametrize(
    "condition", ["claims.admin".ljust(2048), "!has(claims.blocked)", "false", "claims.sub == claims.sub"]
)
def test_what_depends_on_the_claims_is_a_condition(condition: str) -> None:
    check_condition(condition)


def verdict(condition: str, claims: dict[str, object]) -> str:
    """Return what is said of a condition that is not true."""
    try:
        holds, said = evaluate_condition(condition, claims)
    except ConditionError as error:
        return str(error)
    return "" if holds else said


def chained(first: str, step: str, times: int) -> str:
    return f"{first}{step * times}.size() == 1"


@pytest.mark.parametrize(
    "condition",
    [
        "claims.l.all(a, claims.l.all(b, claims.l.all(c, claims.l.all(d, true))))",
        "claims.l.all(e, " + " && ".join(["claims.l == claims.l"] * 80) + ")",
        "claims.l.all(e, " + " && ".join(["!claims.text.matches('(a|aa|b)*c$')"] * 40) + ")",
        "claims.l.all(e, " + " && ".join(["(claims.text + claims.text) != 'a'"] * 40) + ")",
        chained("[claims.text]", ".map(a, a + a)", 20),
        chained("[claims.l]", ".map(a, a + a)", 20),
        chained("[claims.l]", ".map(a, [a, a, a])", 20),
        "// '''\n" + chained("[claims.l]", ".map(a, a + a)", 20) + " // '''",
    ],
)
def test_what_would_run_long_or_take_much_memory_is_not_run(condition: str) -> None:
    claims: dict[str, object] = {"l": [0] * 2500, "text": "a" * 6000}
    began = time.perf_counter()
    said = verdict(condition, claims)
    assert "too much work" in said
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize(
    ("condition", "claims", "work"),
    [
        ("true", {}, 6),  # as many as the characters of both
        ("a+b,c", {}, 5 * (2 + 5)),  # times the operations
        ("'map(' + \"+\" // +,", {}, 4 * (2 + 18)),  # what stands in a string or a comment is not one
        ("claims.l.all(a, claims.l.exists(b, (a == b)))", {"l": [1, 2, 3]}, 2 * 7**2 * 20 * (16 + 45)),  # in two levels
        ("f(a, b).filter(c, d)", {"l": [1]}, 5 * 11 * (10 + 20)),  # in one: what is not a macro is not a level
        ("[1,2].map(x, x+x)", {"l": [1, {"a": 2}]}, 8 * 12 * (20 + 17) * (3 / 1 + 1)),  # a `map` may make more of each
        ("a.map(x, x).map(y, y + [1,2])", {}, 2 * 6 * 17 * (2 + 29) * (4 / 2 + 1) ** 2),
        (f"{'a.all(b, ' * 9}c{')' * 9}", {}, 10_000 * 46 * (2 + 91)),  # the library goes on no longer
        ("claims.n", {"endless": ENDLESS}, float("inf")),
    ],
)
def test_the_work_is_estimated_from_what_condition_and_claims_hold(
    condition: str, claims: dict[str, object], work: float
) -> None:
    assert _work(condition, claims) == work


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no such thing", "no such thing"),
        ("CODE: no such thing", "no such thing"),
        ("INVALID_ARGUMENT: ERROR: <input>:1:11: no [x] thing\n | more", "no [x] thing (column 11)"),
        ("CODE: ERROR: <input>:3:0: no such thing [CODE]", "no such thing (column 0 of line 3)"),
        ("CODE: ERROR: <input>:-1:-1: no such thing", "no such thing"),
        ("no such [thing]", "no such [thing]"),
        ("no [A] such [CODE]", "no [A] such"),
    ],
)
def test_of_what_the_library_says_its_first_line_is_told_without_codes(text: str, said: str) -> None:
    assert _problem(text) == said


def test_many_groups_are_no_reason_to_refuse_an_honest_condition() -> None:
    claims: dict[str, object] = {"groups": [f"group-{number:04}" for number in range(300)], "sub": "x"}
    condition = "claims.sub == 'x' && claims.groups.exists(g, g == 'group-0299') && !claims.groups.exists(g, g == 'y')"
    assert evaluate_condition(condition, claims)[0]


@pytest.mark.parametrize(
    "odd",
    [10**30, -(10**400), 2**64, 1e308, "\ud800", {"\udfff": 1}, "\x00", [[[[[[[]]]]]]], {}, {"": None}],
    ids=lambda odd: type(odd).__name__,
)
def test_odd_claims_elsewhere_do_not_disturb_a_condition(odd: object) -> None:
    assert evaluate_condition("claims.sub == 'x'", {"sub": "x", "odd": odd})[0]
    assert not evaluate_condition("claims.odd == 'x'", {"sub": "x", "odd": odd})[0]


def test_a_claim_nested_deep_gets_a_verdict() -> None:
    evaluate_condition("claims.deep == claims.deep", {"deep": NESTED})


def checked(condition: str) -> Check:
    rule = Rule(id="r", name="r", issuer_id="i", service_account_id="s", condition=condition)
    known = Knowledge(rule=rule, issuer=Issuer(id="i", name="i", issuer_url="https://issuer.example"))
    request = ExchangeRequest(assertion="e30.e30.", organization_id="o", federation_rule_id="r")
    return evaluate_known(request, known, now=0, jti_seen=lambda _: False).checks[12]


def test_a_condition_that_holds_is_shown_with_what_it_yields() -> None:
    check = checked("!has(claims.blocked)")
    assert (check.passed, check.found, check.wanted) == (True, "true", "!has(claims.blocked)")


def test_backslashes_in_a_condition_and_in_what_is_said_stay_on_one_line() -> None:
    check = checked("claims.sub ==\n\t'\x1b'")
    assert (check.number, check.reason, check.failed) == (14, "match_condition", True)
    assert (check.found + check.wanted + check.sentence).isprintable()


def test_a_rule_without_a_condition_imports_no_cel() -> None:
    code = """
import sys
from ant_wif.rules import *
rule = Rule(id="r", name="r", issuer_id="i", service_account_id="s")
request = ExchangeRequest(assertion="e30.e30.", organization_id="o", federation_rule_id="r")
evaluate_known(request, Knowledge(rule=rule), now=0, jti_seen=lambda _: False)
print("cel_expr_python" in sys.modules)
"""
    done = preloaded.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_without_the_library_the_check_is_not_made_and_says_what_is_missing() -> None:
    code = """
import sys
sys.modules["cel_expr_python"] = None
from ant_wif.rules import *
rule = Rule(id="r", name="r", issuer_id="i", service_account_id="s", condition="claims.sub == 'x'")
request = ExchangeRequest(assertion="e30.e30.", organization_id="o", federation_rule_id="r")
check = evaluate_known(request, Knowledge(rule=rule), now=0, jti_seen=lambda _: False).checks[12]
print(check.number, check.reason, check.unchecked, "cel-expr-python" in check.sentence)
"""
    done = preloaded.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["14", "match_condition", "True", "True"]
