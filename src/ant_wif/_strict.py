"""JSON that every reader understands alike, and YAML that reads like it: one meaning for each text, or an error."""

from __future__ import annotations

import json
import math
import re
from functools import cache
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import yaml

_MAX_DEPTH = 500
"""How deep objects and lists may be nested."""
_LONGEST_NUMBER = 1000


_PROBLEMS = {
    "missing": "is missing",
    "union_tag_not_found": "is missing",
    "string_type": "is not a string",
    "string_too_short": "is empty",
    "string_pattern_mismatch": "has a form that this version does not know",
    "int_type": "is not a whole number",
    "int_from_float": "is not a whole number",
    "int_parsing": "is not a whole number",
    "float_type": "is not a number",
    "float_parsing": "is not a number",
    "bool_type": "is neither true nor false",
    "bool_parsing": "is neither true nor false",
    "list_type": "is not a list",
    "tuple_type": "is not a list",
    "dict_type": "is not an object",
    "model_type": "is not an object",
    "model_attributes_type": "is not an object",
    "dataclass_type": "is not an object",
}


def problem_in_words(kind: str, message: str) -> str:
    """Return what is wrong with a field of a document, from the type and the message of pydantic."""
    plain = re.sub(r"^Value error, | after validation, not \d+$", "", re.sub(r"^\w+ should", "it should", message))
    return _PROBLEMS.get(kind, f"cannot be used: {plain}")


_KINDS = {dict: "object", list: "list", str: "string", bool: "boolean", type(None): "null"}


def kind_of(value: object) -> str:
    """Return what JSON calls the kind of a value (RFC 8259 §3)."""
    return _KINDS.get(type(value), "number")


def read_json(text: bytes | str) -> object:
    """Read a document: no name twice in an object, no NaN or infinity, no absurd nesting. Raises ValueError.

    Bytes are UTF-8; a byte order mark is passed over (RFC 8259 §8.1). RFC 8259 §4 and RFC 7519 §4 let a reader refuse
    names that occur twice; two readers that each pick another one of them would be worse.
    """
    text = text.decode("utf-8-sig") if isinstance(text, bytes) else text
    try:
        value: object = _STRICT.decode(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    # Python 3.12 and newer read what older ones refuse: the limit must not depend on it.
    if text.count("[") + text.count("{") > _MAX_DEPTH and _is_deeper(value, _MAX_DEPTH):
        raise ValueError("it is nested too deep")
    return value


def read_object(text: bytes | str) -> dict[str, object]:
    """Read a document that is an object, and begins with no mark. Raises ValueError."""
    value = read_json(text.decode("utf-8") if isinstance(text, bytes) else text)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004  # callers handle one kind of error
    return value


def read_value(text: str) -> object:
    """Read JSON, or YAML without what surprises: `no` and a date are strings. Raises ValueError with the place."""
    if text.lstrip()[:1] in {"{", "[", '"'}:
        try:
            return read_json(text)
        except ValueError:
            pass  # then it is YAML, whose reader names the place of a fault
    import yaml

    try:
        return yaml.load(text, Loader=_loader())  # noqa: S506 - a SafeLoader that knows less than others
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = f"{place}{error.problem or error.context}"
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        problem = f"line {line}, column {column}: a character that YAML does not allow"
    except RecursionError:
        problem = "it is nested too deep"
    raise ValueError(problem)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name occurs twice")
    return members


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _refuse(digits)


# One for all: to make a decoder takes longer than to decode a token.
_STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)


def _is_deeper(value: object, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            child
            for parent in level
            if isinstance(parent, (dict, list))
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
    return any(isinstance(value, (dict, list)) for value in level)


@cache
def _loader() -> type[yaml.SafeLoader]:
    """Return a loader with the types of JSON only, as YAML 1.2's core schema has them (§10.3), and no aliases.

    With aliases, a few lines could stand for gigabytes.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        def fetch_flow_collection_start(self, token: type[yaml.Token]) -> None:
            if self.flow_level >= _MAX_DEPTH:  # it looks at all that are open again for each one more
                raise RecursionError
            super().fetch_flow_collection_start(token)

        def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
            self.check_event()
            event, problem = self.current_event, ""
            if isinstance(event, yaml.AliasEvent):
                problem = "an alias (*name) is not allowed: write out what it stands for"
            elif getattr(event, "tag", None) is not None:
                problem = "a tag (!name) is not allowed: write the value as in JSON"
            if problem:
                raise yaml.composer.ComposerError(None, None, problem, event.start_mark)
            return super().compose_node(parent, index)

    def refused(node: yaml.Node, problem: str) -> yaml.constructor.ConstructorError:
        return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)

    def mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[str, object]:
        found: dict[str, object] = {}
        for name, value in node.value:
            plain = name.value if isinstance(name, yaml.ScalarNode) else None
            if plain is None or plain in found:
                problem = "a field's name must be a text" if plain is None else f"the field {plain!r} stands twice"
                raise refused(name, problem)
            found[plain] = loader.construct_object(value, deep=True)
        return found

    def integer(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
        digits = str(loader.construct_scalar(node))
        if len(digits) > _LONGEST_NUMBER:
            raise refused(node, "a number is too long")
        return int(digits)

    def number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
        found = float(str(loader.construct_scalar(node)))
        if not math.isfinite(found):
            raise refused(node, "a number is too large")
        return found

    known = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq")}
    Loader.yaml_constructors = {
        tag: make for tag, make in yaml.SafeLoader.yaml_constructors.items() if tag in {*known, None}
    }
    Loader.yaml_implicit_resolvers = {}
    for tag, pattern, first in (
        ("null", r"null|Null|NULL|~|", ["n", "N", "~", ""]),
        ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
        ("int", r"[-+]?[0-9]+", list("-+0123456789")),
        ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ):
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"(?:{pattern})\\Z"), first)
    Loader.add_constructor("tag:yaml.org,2002:map", mapping)
    Loader.add_constructor("tag:yaml.org,2002:int", integer)
    Loader.add_constructor("tag:yaml.org,2002:float", number)
    return Loader
