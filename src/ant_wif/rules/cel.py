"""Conditions: expressions of the Common Expression Language over the one variable `claims`.

They are evaluated by cel-expr-python, the CEL project's binding of its C++ runtime. Compared with cel-python
(pure Python) and common-expression-language (Rust), with some sixty expressions of the kind that rules have
and with expressions meant to do harm: it alone checks types and names before it evaluates, so that "does not
compile" means what it means to the service; it alone bounds nesting and iterations; it needs no other package
and 3 ms to import. Against the others stood: a comparison of a string with a number that is an error, and
gigabytes taken (cel-python); `size()` of a string in bytes, and no bound on time (Rust). It costs a wheel of
16 MB, and has none for Python 3.10, where a condition is therefore denied, and the sentence says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

MAX_CONDITION_CHARACTERS = 2048

# Some half a second of work at worst, of a kind that no honest condition asks for.
_MOST_WORK = 500_000_000
_MOST_ITERATIONS = 10_000  # the library's own bound
# A comment or a string is not code. In a raw string a backslash escapes nothing.
_TEXT = re.compile(
    r"""//[^\n]*
    | (?:[rR][bB]?|[bB][rR]) (?: "{3}.*?"{3} | '{3}.*?'{3} | "[^"\n]*" | '[^'\n]*' )
    | [bB]? (?: "{3}(?:\\.|.)*?"{3} | '{3}(?:\\.|.)*?'{3} | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' )""",
    re.DOTALL | re.VERBOSE,
)
_TOKEN = re.compile(r"\.\s*(?P<macro>all|exists|exists_one|map|filter)\s*\(|[A-Za-z_]\w*|\d[\w.]*|[^\s\w]")
# A claim as code names it: `claims.sub`, or `claims["sub"]`, where the name stands in a string.
_NAMED = re.compile(
    rf"""(?:{_TEXT.pattern})
    | (?<![\w.])claims\s*(?:
        \[\s*(?P<quote>["'])(?P<index>\w+)(?P=quote)\s*\]
        | \.\s*(?P<field>[A-Za-z_]\w*)
    )""",
    re.DOTALL | re.VERBOSE,
)
_PLACE = re.compile(r"^(?:[A-Z_]+: )?(?:ERROR: <input>:(?P<line>-?\d+):(?P<column>-?\d+): )?")
_FAILURES = (RuntimeError, ValueError, TypeError, OverflowError, MemoryError)
_INT64 = range(-(2**63), 2**63)


class ConditionError(ValueError):
    """A condition that no rule can have. The text says why."""


class ConditionUnavailableError(Exception):
    """Conditions cannot be evaluated by this installation. The text says what it lacks."""


def check_condition(expression: str) -> None:
    """Refuse what no rule may have for a condition: what does not compile, and what is true whatever the token says.

    Raises:
        ConditionError: the condition is refused.
        ConditionUnavailableError: it cannot be told.
    """
    program = _compiled(expression)
    if _work(expression, {}) > _MOST_WORK:
        raise ConditionError("it asks for too much work")
    try:
        # Without `claims`, what depends on it is an error; what is true nevertheless is always true.
        found = program.eval().plain_value()
    except _FAILURES:
        return
    if found is True:
        raise ConditionError("it is true whatever the token says")


def named_claims(expression: str) -> frozenset[str]:
    """Return the claims that the code of a condition names; its strings and comments do not count."""
    found = _NAMED.finditer(expression)
    return frozenset(name for match in found for name in (match["field"], match["index"]) if name is not None)


def evaluate_condition(expression: str, claims: Mapping[str, object]) -> tuple[bool, str]:
    """Return whether a condition yields `true`, and in words what it yields. An error is not `true`.

    The work is bounded by what expression and claims could ask for at most, so that the same two always
    get the same answer. Raises what `check_condition` raises.
    """
    check_condition(expression)
    if _work(expression, claims) > _MOST_WORK:
        return False, "stopped: it asks for too much work on these claims"
    try:
        found = _compiled(expression).eval(data={"claims": _as_cel(claims)})
        value, kind = found.plain_value(), found.type().name()
    except (*_FAILURES, RecursionError) as error:
        return False, f"an error: {_problem(str(error))}"
    if kind == "ERROR":
        return False, f"an error: {_problem(str(value))}"
    if not isinstance(value, bool):
        return False, f"{kind.lower()}, which is not a boolean"
    return value, "true" if value else "false"


@lru_cache(maxsize=1)
def _environment() -> Any:
    # One for all: each takes longer than a compilation, and its programs keep 100 KB of it.
    try:
        from cel_expr_python import cel
    except ModuleNotFoundError:
        raise ConditionUnavailableError(
            "the package cel-expr-python is not installed; the extra `emulator` has it, from Python 3.11 on"
        ) from None
    return cel.NewEnv(variables={"claims": cel.Type.Map(cel.Type.STRING, cel.Type.DYN)})


@lru_cache(maxsize=256)
def _compiled(expression: str) -> Any:
    if len(expression) > MAX_CONDITION_CHARACTERS:
        raise ConditionError(f"it has {len(expression)} characters, and {MAX_CONDITION_CHARACTERS} is the most allowed")
    environment = _environment()
    try:
        program = environment.compile(expression)
    except _FAILURES as error:
        raise ConditionError(f"it does not compile: {_problem(str(error))}") from None
    yields = program.return_type().name()
    if yields not in {"BOOL", "DYN"}:
        raise ConditionError(f"it yields {yields.lower()}, and must yield a boolean")
    return program


def _as_cel(claims: Mapping[str, object]) -> object:
    """Return the claims with values that CEL has: no integers beyond 64 bits, no halves of characters."""

    def number(digits: str) -> int | float:
        return int(digits) if len(digits) < 21 and int(digits) in _INT64 else float(digits)

    return json.loads(json.dumps(claims, ensure_ascii=False).encode("utf-8", "replace"), parse_int=number)


def _work(expression: str, claims: Mapping[str, object]) -> float:
    """Estimate from above the bytes that an evaluation touches.

    Iterations times operations times the most that one operation works on. Values grow only where a `map` makes
    several of one, and a level of `map` can do that no oftener than it has operands.
    """
    try:
        text = json.dumps(claims)
    except (ValueError, RecursionError):
        return float("inf")
    bare = _TEXT.sub(" s ", expression)
    depth = deepest = macros = maps = operands = operations = 0
    opened: list[bool] = []
    for token in _TOKEN.finditer(bare):
        macro, symbol = token["macro"], token.group()
        operations += 1
        operands += symbol in {"+", ","}
        macros += macro is not None
        maps += macro == "map"
        if symbol[-1] == "(":
            opened.append(macro is not None)
            depth += opened[-1]
        elif symbol == ")" and opened:
            depth -= opened.pop()
        deepest = max(deepest, depth)
    elements = 1 + text.count(",") + text.count("{") + text.count("[") + operands
    iterations = min(_MOST_ITERATIONS, macros * elements ** min(deepest, 8)) if macros else 1
    growth = (operands / maps + 1) ** maps if maps else 1
    return float(iterations * operations * (len(text) + len(expression)) * growth)


def _problem(text: str) -> str:
    """Return the first line of what the library says, without its codes."""
    first = text.partition("\n")[0].removesuffix("]").rpartition(" [")
    line = first[0] if first[1] and first[2].isupper() else text.partition("\n")[0]
    place = _PLACE.match(line)
    said = line[place.end() :] if place else line
    if place and place["column"] and int(place["column"]) >= 0:
        return f"{said} (column {place['column']}{'' if place['line'] == '1' else ' of line ' + place['line']})"
    return said
