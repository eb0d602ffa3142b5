"""JSON as a person writes it on a command line: YAML, with the types of JSON."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from ant_wif._strict import read_json

if TYPE_CHECKING:
    import yaml

__all__ = ["read_value"]

_LONGEST_NUMBER = 1000


def read_value(text: str, fail: Callable[[str], object]) -> object:
    """Read JSON, or YAML without what surprises: `no` and a date are strings. `fail` raises."""
    if text.lstrip()[:1] in {"{", "[", '"'}:
        try:
            return read_json(text, object_of=_unique)
        except ValueError:
            pass  # then it is YAML, whose reader names the place of a fault
    return _read_yaml(text, fail)


def _read_yaml(text: str, fail: Callable[[str], object]) -> object:
    import yaml

    try:
        return yaml.load(text, Loader=_loader())  # noqa: S506 - a SafeLoader that knows less than others
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        return fail(f"{place}{error.problem or error.context}")
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        return fail(f"line {line}, column {column}: a character that YAML does not allow")
    except RecursionError:
        return fail("it is nested too deep")


@cache
def _loader() -> type[yaml.SafeLoader]:
    """Return a loader with the types of JSON only, as YAML 1.2's core schema has them (§10.3), and no aliases.

    With aliases, a few lines could stand for gigabytes.
    """
    import yaml

    class Loader(yaml.SafeLoader):
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

    def mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[str, object]:
        found: dict[str, object] = {}
        for name, value in node.value:
            plain = name.value if isinstance(name, yaml.ScalarNode) else None
            if plain is None or plain in found:
                problem = "a field's name must be a text" if plain is None else f"the field {plain!r} stands twice"
                raise yaml.constructor.ConstructorError(None, None, problem, name.start_mark)
            found[plain] = loader.construct_object(value, deep=True)
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
    Loader.add_constructor("tag:yaml.org,2002:int", _integer)
    Loader.add_constructor("tag:yaml.org,2002:float", _number)
    return Loader


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a field stands twice")
    return found


def _integer(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    import yaml

    digits = str(loader.construct_scalar(node))
    if len(digits) > _LONGEST_NUMBER:
        raise yaml.constructor.ConstructorError(None, None, "a number is too long", node.start_mark)
    return int(digits)


def _number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    import yaml

    number = float(str(loader.construct_scalar(node)))
    if not math.isfinite(number):
        raise yaml.constructor.ConstructorError(None, None, "a number is too large", node.start_mark)
    return number
