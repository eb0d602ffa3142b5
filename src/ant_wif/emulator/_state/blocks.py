"""The types of the newest official SDK for a request to the messages API, as a JSON schema, and what fits them.

`python tests/support/sdk_types.py` writes the file, and tests/ant_wif/test_emulator_sdk_types.py compares it.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from ant_wif._secrets import sanitize
from ant_wif.emulator._http.fields import refuse_unknown
from ant_wif.emulator._http.protocol import Refusal

Schema: TypeAlias = Mapping[str, Any]

SDK_TYPES = Path(__file__).with_name("sdk_types.json")
_TYPES = SDK_TYPES.read_bytes()
"""Read at once: a test may hide the files of this machine, as with pyfakefs."""
# What the service refuses beyond what a type of the SDK says, by the place of the type.
_LIMITS: Mapping[tuple[str, ...], Mapping[str, object]] = {
    ("properties", "max_tokens"): {"minimum": 0},
    ("properties", "messages"): {"minItems": 1, "otherwise": "at least one message is required"},
    ("properties", "model"): {"anyOf": [{"type": "string", "minLength": 1}]},
    ("properties", "stop_sequences", "items"): {
        "pattern": r"\S",
        "otherwise": "each stop sequence must contain non-whitespace",
    },
    ("$defs", "BetaTextBlockParam", "properties", "text"): {
        "minLength": 1,
        "otherwise": "text content blocks must be non-empty",
    },
    ("$defs", "BetaThinkingConfigEnabledParam", "properties", "budget_tokens"): {"minimum": 1024},
    ("$defs", "BetaToolParam", "properties", "name"): {"pattern": r"^[a-zA-Z0-9_-]{1,128}$"},
    ("$defs", "BetaToolUseBlockParam", "properties", "id"): {"pattern": r"^[a-zA-Z0-9_-]+$"},
}
_KINDS = {
    dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null",
}  # fmt: skip


@functools.cache
def types_of_the_sdk() -> dict[str, Any]:
    """Return the schema. `counting` has the names of the fields that a request to count tokens may have, too.

    `answers` has the types of blocks in an answer, and `usage` the fields of its `usage`.
    """
    schema: dict[str, Any] = json.loads(_TYPES)
    for path, limits in _LIMITS.items():
        functools.reduce(lambda found, name: found[name], path, schema).update(limits)
    return schema


def alternatives(schema: Schema) -> Iterator[Schema]:
    """Yield the types that a part of the schema stands for: what references name, and those of a union."""
    if "$ref" in schema:
        yield from alternatives(types_of_the_sdk()["$defs"][schema["$ref"].rpartition("/")[2]])
    elif "anyOf" in schema:
        for each in schema["anyOf"]:
            yield from alternatives(each)
    else:
        yield schema


def tags(schema: Schema, name: str) -> tuple[str | None, ...]:
    """Return the values of a member that tells the objects of a union apart: none where an object does not have it.

    `None` is among them where it may be missing.
    """
    if name not in schema.get("properties", ()):
        return ()
    values = [value for each in alternatives(schema["properties"][name]) for value in each.get("enum", (None,))]
    return (*values, None) if name not in schema.get("required", ()) else tuple(values)


def check(schema: Schema, value: object, place: str) -> None:
    """Raises `Refusal` (400) with the first place where a value is not of this type."""
    possible = list(alternatives(schema))
    kind = _KINDS[type(value)]
    kinds = {kind, "number"} if kind == "integer" else {kind}
    fitting = [each for each in possible if each.get("type", kind) in kinds]
    if not fitting:
        named = (each["type"].replace("object", "dictionary").replace("array", "list") for each in possible)
        raise Refusal(400, f"{place}: Input should be a valid {' or '.join(dict.fromkeys(named))}")
    if isinstance(value, dict) and len(fitting) > 1:
        place, fitting = _with_tag_of(value, fitting, place)
    refusals = []
    for each in fitting:
        try:
            _check_one(each, value, place)
        except Refusal as refusal:
            refusals.append(refusal)
        else:
            return
    raise refusals[0]


def _with_tag_of(value: Mapping[str, object], objects: list[Schema], place: str) -> tuple[str, list[Schema]]:
    """Return the objects of a union that the value's tag names: its `type`, or the role of a message.

    A type is part of the place: `tools.0.custom`.
    """
    name = next((name for name in ("type", "role") if all(tags(each, name) for each in objects)), None)
    if name is None:
        return place, objects
    found = [each for each in objects if value.get(name) in tags(each, name)]
    if not found and name not in value:
        raise Refusal(400, f"{place}.{name}: Field required")
    if not found and not isinstance(value[name], str):
        raise Refusal(400, f"{place}.{name}: Input should be a valid string")
    if not found:
        shown = sanitize(value[name], limit=64)
        expected = ", ".join(f"'{tag}'" for each in objects for tag in tags(each, name) if tag is not None)
        here = place if name == "type" else f"{place}.{name}"
        raise Refusal(
            400, f"{here}: Input tag '{shown}' found using '{name}' does not match any of the expected tags: {expected}"
        )
    return (f"{place}.{tags(found[0], name)[0]}" if name == "type" else place), found


def _check_one(schema: Schema, value: Any, place: str) -> None:
    """Check a value of the right kind."""
    complaint = None
    if "enum" in schema and value not in schema["enum"]:
        *others, last = map(repr, schema["enum"])
        complaint = f"Input should be {', '.join(others)}{' or ' * bool(others)}{last}"
    elif "minimum" in schema and value < schema["minimum"]:
        complaint = f"Input should be greater than or equal to {schema['minimum']:g}"
    elif "maximum" in schema and value > schema["maximum"]:
        complaint = f"Input should be less than or equal to {schema['maximum']:g}"
    elif ("minItems" in schema or "minLength" in schema) and not value:
        complaint = "String should have at least 1 character"
    elif "pattern" in schema and not re.search(schema["pattern"], value):
        complaint = f"String should match pattern '{schema['pattern']}'"
    if complaint is not None:
        raise Refusal(400, f"{place}: {schema.get('otherwise', complaint)}")
    if "properties" in schema:
        _check_members(schema, value, f"{place}." if place else "")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            check(schema.get("items", {}), item, f"{place}.{number}")
    elif isinstance(schema.get("additionalProperties"), dict):
        for name, each in value.items():
            check(schema["additionalProperties"], each, f"{place}.{sanitize(name, limit=64)}")


def _check_members(schema: Schema, value: Mapping[str, object], place: str) -> None:
    if not place:  # of a wrong name at the top, it says more than that the right one is missing
        refuse_unknown(value, schema["properties"])
    for name in schema.get("required", ()):
        if name not in value:
            raise Refusal(400, f"{place}{name}: Field required")
    refuse_unknown(value, schema["properties"], place=place)
    for name, each in value.items():
        check(schema["properties"][name], each, f"{place}{name}")


def check_block(block: object, place: str) -> None:
    """Raises `Refusal` with what is wrong with a block of an answer."""
    check({"anyOf": _blocks_of_answers()}, block, place)


@functools.cache
def _blocks_of_answers() -> tuple[Schema, ...]:
    types = types_of_the_sdk()
    content = types["$defs"]["BetaAssistantMessageParam"]["properties"]["content"]
    blocks = next(each for each in alternatives(content) if "items" in each)["items"]
    return tuple(each for each in alternatives(blocks) if not set(types["answers"]).isdisjoint(tags(each, "type")))
