"""The types of the newest official SDK for a request to the messages API, as a JSON schema.

`python tests/support/sdk_types.py` writes the file, and tests/ant_wif/test_emulator_sdk_types.py compares it.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

Schema: TypeAlias = Mapping[str, Any]

SDK_TYPES = Path(__file__).with_name("sdk_types.json")


@functools.cache
def types_of_the_sdk() -> dict[str, Any]:
    """Return the schema. `counting` has the names of the fields that a request to count tokens may have, too."""
    schema: dict[str, Any] = json.loads(SDK_TYPES.read_text())
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


@functools.cache
def block_types() -> tuple[str, ...]:
    """Return the types of the blocks that a message may have."""
    found: dict[str, None] = {}
    for message in alternatives(types_of_the_sdk()["properties"]["messages"]["items"]):
        for content in alternatives(message["properties"]["content"]):
            blocks = alternatives(content.get("items", {}))
            found.update((str(tag), None) for each in blocks for tag in tags(each, "type"))
    return tuple(found)
