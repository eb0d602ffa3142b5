"""Whether a body has the structure that a schema asks for: no unknown field, none missing, each of its type."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import cast

from ant_wif._secrets import clean
from ant_wif.emulator._admin.schemas import Schema
from ant_wif.rules import RegistrationError

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
}
_NAMES = {
    "string": "a string",
    "integer": "a whole number",
    "boolean": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}
# Deeper than any key, and far from where a reader or writer of JSON gives up.
_DEEPEST = 8


def check_structure(value: object, schema: Schema, place: str = "") -> None:
    """Raises `RegistrationError` with the place that is wrong first, such as `match.claims`."""
    variants = cast("Sequence[Schema]", schema.get("oneOf", ()))
    if variants:
        schema = _variant(value, variants, place)
    types = [schema["type"]] if isinstance(schema["type"], str) else cast("list[str]", schema["type"])
    if not any(_is(value, str(name)) for name in types):
        raise RegistrationError(place, f"must be {' or '.join(_NAMES[str(name)] for name in types)}")
    allowed = cast("Sequence[object]", [schema["const"]] if "const" in schema else schema.get("enum", ()))
    # `in` would take 0 for False.
    if allowed and not any(value == one and type(value) is type(one) for one in allowed):
        raise RegistrationError(place, f"must be {' or '.join(_shown(one) for one in allowed)}")
    if isinstance(value, dict):
        _check_object(value, schema, place)
    if isinstance(value, list):
        for position, item in enumerate(value):
            check_structure(item, cast("Schema", schema["items"]), f"{place}[{position}]")


def _variant(value: object, variants: Sequence[Schema], place: str) -> Schema:
    """Return the one that the value means to be: by its field `type`, where that tells them apart."""
    if not isinstance(value, dict):
        return next((variant for variant in variants if _is(value, str(variant["type"]))), variants[0])
    by_kind = {}
    for variant in variants:
        properties = cast("Mapping[str, Schema]", variant.get("properties", {}))
        by_kind[properties.get("type", {}).get("const")] = variant
    kind = value.get("type")
    if not isinstance(kind, str) or kind not in by_kind:
        kinds = " or ".join(str(known) for known in by_kind if known is not None)
        raise RegistrationError(_within(place, "type"), f"must be {kinds}")
    return by_kind[kind]


def _check_object(value: Mapping[str, object], schema: Schema, place: str) -> None:
    properties = cast("Mapping[str, Schema]", schema.get("properties", {}))
    others = schema.get("additionalProperties", True)
    for name in value:
        if name not in properties and others is False:
            raise RegistrationError(_within(place, clean(name, limit=64)), "this field is not allowed")
    for name in cast("Sequence[str]", schema.get("required", ())):
        if name not in value:
            raise RegistrationError(_within(place, name), "this field is required")
    for name, item in value.items():
        where = _within(place, clean(name, limit=64))
        if name in properties:
            check_structure(item, properties[name], where)
        elif isinstance(others, Mapping):
            check_structure(item, others, where)
        elif _depth(item) > _DEEPEST:
            raise RegistrationError(where, "is nested too deeply")


def _within(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _is(value: object, name: str) -> bool:
    return isinstance(value, _TYPES[name]) and not (name == "integer" and isinstance(value, bool))


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _depth(value: object) -> int:
    """Count levels, but no further than is of interest: what comes from outside may be as deep as a reader goes."""
    level, depth = [value], 0
    while level and depth <= _DEEPEST:
        depth += 1
        inner = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list)]
        level = [item for items in inner for item in items]
    return depth
