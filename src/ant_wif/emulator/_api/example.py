"""A value that satisfies a JSON schema: always the same one, and with nothing in it that the schema does not need."""

from __future__ import annotations

import json
import math
import re
import string
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from fractions import Fraction
from itertools import islice
from typing import Any

from ant_wif.emulator._api.json_schema import (
    ANY,
    TYPES,
    Checker,
    Schema,
    SchemaError,
    exact,
    finds,
    key_of,
    parsed,
    resolve,
    schema_of_item,
    schema_of_member,
    set_of,
    types_of,
)

_MOST_STEPS = 10_000
_DEEPEST = 40
_SHALLOW = 1
"""From this depth on, alternatives without a reference come first: recursion is to end."""
_LONGEST = 100_000
_SHOWN = 8
"""How many names of a path an error has."""
_TRIED = 40
"""How many values of one kind are tried."""
_DIFFERENT = 1_000
"""How many different ones there are, where each may be right."""
_MIXED = 3
"""The variant of a text that has a character of each kind."""
_FORMATS: Mapping[str, str] = {
    "date-time": "{date}T00:00:00Z",
    "date": "{date}",
    "time": "00:{hour}Z",
    "duration": "P{number}D",
    "email": "user{more}@example.com",
    "idn-email": "user{more}@example.com",
    "hostname": "example{more}.com",
    "idn-hostname": "example{more}.com",
    "ipv4": "192.0.2.{octet}",
    "ipv6": "2001:db8::{number}",
    "uri": "https://example.com/{more}",
    "uri-reference": "https://example.com/{more}",
    "iri": "https://example.com/{more}",
    "uuid": "00000000-0000-4000-8000-{number:012}",
    "json-pointer": "/name{more}",
    "regex": ".*{more}",
    "binary": "text{more}",
    "byte": "dGV4{number:04}",
}
"""What a format wants, with a part that makes it another one."""
_FIRST_DAY = date(2030, 1, 1)
_SIGNS = {
    "object": ("properties", "required", "additionalProperties", "patternProperties", "minProperties", "propertyNames"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"),
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
_LOWEST = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains"})
_HIGHEST = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains"})
_BY_NAME = frozenset({"properties", "patternProperties", "dependentSchemas"})
_BOTH = frozenset({"items", "additionalProperties", "contains", "propertyNames", "not"})
_NOTED = re.compile(r"\{((?:[^{}]|\{\d*,?\d*\})*)\}\Z")
_NOTED_KEYWORD = re.compile(r"(?:\A|, )(\w+): (.*?)(?=, \w+: |\Z)", re.DOTALL)
_NOTABLE = frozenset({*_LOWEST, *_HIGHEST, "multipleOf", "uniqueItems", "pattern"})
_COMBINING = frozenset({"$ref", "allOf", "anyOf", "oneOf", "if", "then", "else"})


class UnsatisfiableError(Exception):
    """`place` is the path of the part that no value satisfies, such as `properties.age`; it may be empty."""

    def __init__(self, place: Sequence[str | int], reason: str) -> None:
        super().__init__(reason)
        self.place = ".".join(map(str, place[:_SHOWN])) + ("..." if len(place) > _SHOWN else "")
        self.reason = reason


# What reading a schema as what it is not comes to.
_MALFORMED = (TypeError, AttributeError, KeyError, ValueError, ArithmeticError, RecursionError)


def example_of(schema: object) -> Any:
    """Return a value that satisfies the schema. Raises `UnsatisfiableError`."""
    maker = _Maker(schema)
    try:
        return maker.first(schema, (), 0)
    except _TooComplexError:
        raise UnsatisfiableError(maker.place, "no value was found that satisfies it") from None
    except SchemaError as error:
        raise UnsatisfiableError(maker.place, str(error)) from None
    except re.error as error:
        raise UnsatisfiableError(maker.place, f"the pattern cannot be read: {error}") from None
    except _MALFORMED:
        raise UnsatisfiableError(maker.place, "is not a valid JSON schema") from None


_Place = tuple[str | int, ...]


class _TooComplexError(Exception):
    pass


class _ConflictError(Exception):
    """Two schemas have no value in common."""


class _Maker:
    def __init__(self, root: object) -> None:
        self._root = root
        self._checker = Checker(root)
        self._steps = 0
        self.place: _Place = ()
        self._conflict = ""

    def first(self, schema: object, place: _Place, depth: int) -> Any:
        return next(self._values(schema, place, depth))

    def _values(self, schema: object, place: _Place, depth: int) -> Iterator[Any]:
        """Yield values that satisfy a schema, none twice. Raises `UnsatisfiableError` before it yields nothing."""
        self.place, self._conflict = place, ""
        schema = _with_noted(schema)
        if depth > _DEEPEST:
            raise UnsatisfiableError(place, "every value that satisfies it is nested without end")
        seen: set[str] = set()
        failure: UnsatisfiableError | None = None
        for flat in self._variants(schema, place, depth):
            try:
                for value in self._candidates(flat, place, depth):
                    self._count()
                    if key_of(value) not in seen and self._checker.accepts(schema, value):
                        seen.add(key_of(value))
                        yield value
            except UnsatisfiableError as error:
                failure = failure or error
        if not seen:
            raise failure or UnsatisfiableError(place, self._conflict or "no value satisfies it")

    def _count(self) -> None:
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise _TooComplexError

    def _variants(self, schema: object, place: _Place, depth: int) -> Iterator[Schema]:
        """Yield schemas without alternatives and references. What satisfies one of them may satisfy the schema."""
        self._count()
        schema = _with_noted(schema)
        if schema is False or depth > _DEEPEST:
            return
        if schema is True:
            schema = {}
        if not isinstance(schema, Mapping):
            raise SchemaError("is not a valid JSON schema: must be an object")
        flat = {name: value for name, value in schema.items() if name not in _COMBINING}
        parts = [[resolve(self._root, schema["$ref"])]] if "$ref" in schema else []
        parts += [[True, each] for each in schema.get("dependentSchemas", {}).values()]
        parts += [[each] for each in schema.get("allOf", ())]
        parts += [_ordered(schema[name], depth) for name in ("anyOf", "oneOf") if name in schema]
        if "if" in schema:
            parts.append([{"allOf": [schema["if"], schema.get("then", True)]}, schema.get("else", True)])
        yield from self._joined(flat, parts, place, depth)

    def _joined(self, flat: Schema, parts: list[list[object]], place: _Place, depth: int) -> Iterator[Schema]:
        if not parts:
            for rest, others in (("unevaluatedProperties", "additionalProperties"), ("unevaluatedItems", "items")):
                flat = {others: flat[rest], **flat} if rest in flat else flat
            yield flat
            return
        for alternative in parts[0]:
            for variant in self._variants(alternative, place, depth + 1):
                try:
                    joined = _merged(flat, variant)
                except _ConflictError as error:
                    self._conflict = str(error)
                    continue
                yield from self._joined(joined, parts[1:], place, depth)

    def _candidates(self, flat: Schema, place: _Place, depth: int) -> Iterator[Any]:
        if "const" in flat:
            yield flat["const"]
            return
        if "enum" in flat:
            yield from flat["enum"]
            return
        if "default" in flat:
            yield flat["default"]
        yield from flat.get("examples", ())
        failure: UnsatisfiableError | None = None
        for kind in _kinds(flat, depth):
            try:
                yield from self._of_kind(kind, flat, place, depth)
            except UnsatisfiableError as error:
                failure = failure or error
        if failure is not None:
            raise failure

    def _of_kind(self, kind: str, flat: Schema, place: _Place, depth: int) -> Iterator[Any]:
        if kind == "object":
            yield from self._objects(flat, place, depth)
        elif kind == "array":
            yield from self._lists(flat, place, depth)
        elif kind == "string":
            yield from _strings(flat, place)
        elif kind in {"integer", "number"}:
            yield from _numbers(flat, is_whole=kind == "integer", place=place)
        elif kind == "boolean":
            yield from (True, False)
        else:
            yield None

    def _objects(self, flat: Schema, place: _Place, depth: int) -> Iterator[dict[str, Any]]:
        made: dict[str, Any] = {}

        def add(name: str) -> None:
            if name not in made:
                made[name] = self.first(schema_of_member(flat, name), (*place, "properties", name), depth + 1)
                for other in flat.get("dependentRequired", {}).get(name, ()):
                    add(other)

        for name in flat.get("required", ()):
            add(name)
        for name in self._further_names(flat, place, depth):
            if len(made) >= flat.get("minProperties", 0):
                break
            add(name)
        yield dict(made)
        # Others, for a schema that forbids the first, or wants several that are unlike.
        for name in (*made, *flat.get("properties", {})):
            try:
                values = self._values(schema_of_member(flat, name), (*place, "properties", name), depth + 1)
                yield from ({**made, name: value} for value in islice(values, _TRIED))
            except UnsatisfiableError:
                continue

    def _further_names(self, flat: Schema, place: _Place, depth: int) -> Iterator[str]:
        yield from flat.get("properties", {})
        for pattern in flat.get("patternProperties", {}):
            yield from (text for text in _matching(pattern) if finds(pattern, text))
        if "propertyNames" in flat:
            yield from self._values({"type": "string", "allOf": [flat["propertyNames"]]}, place, depth + 1)
        yield from (f"property{number}" for number in range(1, _LONGEST))

    def _lists(self, flat: Schema, place: _Place, depth: int) -> Iterator[list[Any]]:
        contained = flat.get("contains", True)
        left = flat.get("minContains", 1) if "contains" in flat else 0
        least = max(flat.get("minItems", 0), left)
        if least > _MOST_STEPS:
            raise UnsatisfiableError(place, f"no list of {least} items is made")
        made: list[Any] = []
        used: set[str] = set()
        before: object = None
        values: Iterator[Any] = iter(())
        for size in range(least, min(flat.get("maxItems", least + _TRIED), least + _TRIED) + 1):
            while len(made) < size:
                schema = schema_of_item(flat, len(made))
                if left:
                    schema, left = self._both(schema, contained, left, (*place, "items"), depth)
                elif "maxContains" in flat:
                    schema, _ = self._both(schema, {"not": contained}, 1, (*place, "items"), depth)
                if schema != before or not made:
                    before, values = schema, self._values(schema, (*place, "items"), depth + 1)
                elif not flat.get("uniqueItems"):
                    made.append(made[-1])
                    continue
                item = next(((value,) for value in values if key_of(value) not in used), None)
                if item is None:
                    raise UnsatisfiableError(place, f"there are no {size} different items")
                made.extend(item)
                used |= {key_of(item[0])} if flat.get("uniqueItems") else set()
            yield list(made)

    def _both(self, schema: object, other: object, left: int, place: _Place, depth: int) -> tuple[object, int]:
        """Return a schema that satisfies both, and one less that are left; or the first and all, if there is none."""
        both = {"allOf": [schema, other]}
        try:
            self.first(both, place, depth + 1)
        except UnsatisfiableError:
            return schema, left
        return both, left - 1


def _with_noted(schema: object) -> object:
    """Return a schema with the keywords that the official SDK moves to the end of a description: `{minimum: 18}`."""
    description = schema.get("description") if isinstance(schema, Mapping) else None
    noted = _NOTED.search(description) if isinstance(description, str) else None
    if noted is None or not isinstance(schema, Mapping):
        return schema
    found = {name: value for name, value in _NOTED_KEYWORD.findall(noted[1]) if name in _NOTABLE and name not in schema}
    numbers = {name: value for name, value in found.items() if name != "pattern"}
    try:
        return {**schema, **found, **{name: json.loads(value.lower()) for name, value in numbers.items()}}
    except ValueError:
        return schema


def _ordered(alternatives: Sequence[object], depth: int) -> list[object]:
    if depth <= _SHALLOW:
        return list(alternatives)
    return sorted(alternatives, key=lambda each: "$ref" in str(each))


def _kinds(flat: Schema, depth: int) -> Sequence[str]:
    named = types_of(flat)
    if named:
        return sorted(named, key=lambda kind: kind in {"object", "array"}) if depth > _SHALLOW else named
    signed = [kind for kind, signs in _SIGNS.items() if any(sign in flat for sign in signs)]
    return [*signed, *(kind for kind in TYPES if kind not in signed)]


def _merged(one: Schema, other: Schema) -> Schema:
    """Return a schema whose values satisfy both, but for patterns and the like, which are checked later."""
    merged = dict(one)
    for name, value in other.items():
        if name not in merged:
            merged[name] = value
        elif name == "type":
            merged[name] = _common_types(types_of(one), types_of(other))
        elif name == "required":
            merged[name] = [*one[name], *value]
        elif name == "enum":
            kept = set(map(key_of, value))
            merged[name] = [each for each in one[name] if key_of(each) in kept]
        elif name in _LOWEST:
            merged[name] = max(one[name], value)
        elif name in _HIGHEST:
            merged[name] = min(one[name], value)
        elif name in _BY_NAME:
            merged[name] = {**one[name], **value}
            for each in one[name].keys() & value.keys():
                merged[name][each] = {"allOf": [one[name][each], value[each]]}
        elif name in _BOTH:
            merged[name] = {"anyOf" if name == "not" else "allOf": [one[name], value]}
    return merged


def _common_types(ones: Sequence[str], others: Sequence[str]) -> list[str]:
    common = [kind for kind in ones if kind in others]
    if "integer" not in common and "integer" in {*ones, *others} and {"number"} & {*ones, *others}:
        common.append("integer")
    if not common:
        raise _ConflictError(f"type {' or '.join(ones)} excludes type {' or '.join(others)}")
    return common


def _numbers(flat: Schema, *, is_whole: bool, place: _Place) -> Iterator[float]:
    lows = [exact(flat[name]) for name in ("minimum", "exclusiveMinimum") if name in flat]
    highs = [exact(flat[name]) for name in ("maximum", "exclusiveMaximum") if name in flat]
    low, high = max(lows, default=None), min(highs, default=None)
    if low is not None and high is not None and low > high:
        raise UnsatisfiableError(place, f"minimum {float(low):g} is greater than maximum {float(high):g}")
    step = exact(flat["multipleOf"]) if "multipleOf" in flat else Fraction(1)
    if step <= 0:
        raise SchemaError("multipleOf must be greater than 0")
    if is_whole:
        step = Fraction(step.numerator)
    begin = Fraction(1)
    if (low is not None and low > 1) or (high is not None and high < 1):
        begin = high if low is None and high is not None else low or Fraction(0)
    # Upwards from where the range begins, and downwards where it has no beginning.
    first = math.ceil(begin / step) * step
    last = math.floor(begin / step) * step
    for number in range(_DIFFERENT):
        for value in (first + number * step, last - number * step):
            yield int(value) if value.denominator == 1 else float(value)
        if number == 0 and not is_whole:
            yield float(first + step / 2)
        if low is not None and high is not None and first + number * step > high and last - number * step < low:
            break
    if low is not None and high is not None and not is_whole:
        yield float((low + high) / 2)


def _strings(flat: Schema, place: _Place) -> Iterator[str]:
    least, most = flat.get("minLength", 0), flat.get("maxLength", sys.maxsize)
    if least > _LONGEST:
        raise UnsatisfiableError(place, f"no text of {least} characters is made")
    if least > most:
        raise UnsatisfiableError(place, f"minLength {least} is greater than maxLength {most}")
    if "pattern" in flat:
        yield from _matching(flat["pattern"], least)
    if (form := _FORMATS.get(flat.get("format", ""))) is not None:
        for number in range(1, _DIFFERENT):
            more = number if number > 1 else ""
            day = _FIRST_DAY + timedelta(days=number - 1)
            hour = f"{number // 60 % 60:02}:{(number - 1) % 60:02}"
            yield form.format(number=number, more=more, date=day, octet=number % 255, hour=hour)
    for number in range(1, _TRIED if "pattern" in flat else _DIFFERENT):
        yield f"text{number if number > 1 else ''}".ljust(least, "x")[:most]
    yield from (letter * min(max(least, 1), most) for letter in string.ascii_letters)


def _matching(pattern: str, least: int = 0) -> Iterator[str]:
    """Yield texts in which a regular expression finds itself, of growing length. What is found is to be checked."""
    parts = parsed(pattern)
    for extra in (0, 1, 2, 3, 7, 15, least):
        for variant in range(_MIXED + 1):
            yield _text(parts, extra, variant, {})
    text = _text(parts, 0, 0, {})
    for number in range(1, _TRIED):
        yield f"{text}{number}".ljust(least, "x")
        yield f"{number}{text}".rjust(least, "x")


_KINDS = "aA0!"


def _text(parsed: Any, extra: int, variant: int, groups: dict[int, str]) -> str:
    made = ""
    for kind, argument in parsed:
        name = str(kind)
        if name == "LITERAL":
            made += chr(argument)
        elif name == "ANY":
            made += ANY[variant] if variant < _MIXED else _KINDS[(variant - _MIXED) % len(_KINDS)]
        elif name in {"NOT_LITERAL", "IN"}:
            made += _one_of([(kind, argument)] if name == "NOT_LITERAL" else argument, variant)
        elif name == "BRANCH":
            alternatives = argument[1]
            made += _text(alternatives[variant % len(alternatives)], extra, variant, groups)
        elif name == "SUBPATTERN":
            number, _, _, inner = argument
            groups[number] = _text(inner, extra, variant, groups)
            made += groups[number]
        elif name == "ATOMIC_GROUP":
            made += _text(argument, extra, variant, groups)
        elif name.endswith("REPEAT"):
            low, high, inner = argument
            made += _repeated(inner, min(int(low) + extra, int(high), _LONGEST), variant, groups)
        elif name == "GROUPREF":
            made += groups.get(argument, "")
    return made


def _repeated(inner: Any, times: int, variant: int, groups: dict[int, str]) -> str:
    is_mixed, made = variant >= _MIXED and times <= _TRIED, ""
    for number in range(times if is_mixed else min(times, 1)):
        made += _text(inner, 0, variant + number, groups)
        if not made:
            break
        if len(made) * (1 if is_mixed else times) > _LONGEST:
            raise _TooComplexError
    return made if is_mixed else made * times


def _one_of(members: Sequence[tuple[Any, Any]], variant: int) -> str:
    """Return a character that a set has; of a mixed text, the first of one of its ranges after the other."""
    allowed = set_of(members)
    if variant >= _MIXED and str(members[0][0]) not in {"NEGATE", "NOT_LITERAL"}:
        allowed, variant = "".join(set_of([each])[:1] for each in members), variant - _MIXED
    return allowed[variant % len(allowed)] if allowed else ""
