"""What the official SDK can send, read from its own types."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pydantic

from ant_wif.emulator._api.example import example_of

LOCKED = Path(__file__).parents[2] / "requirements" / "dev.txt"

HEADERS = frozenset({"betas", "user_profile_id", "workspace_id"})
"""Parameters of the SDK's methods for messages that are headers, not fields of a body."""


def sdk_is_locked() -> bool:
    """Return whether the installed release is the one that the emulator was last compared with."""
    return re.search(rf"^anthropic=={re.escape(version('anthropic'))}\b", LOCKED.read_text(), re.MULTILINE) is not None


class SentBody:
    """The fields of a body that a `TypedDict` of the SDK's describes."""

    def __init__(self, parameters: type, headers: frozenset[str] = HEADERS) -> None:
        schema = pydantic.TypeAdapter(parameters).json_schema()
        self._definitions = schema.get("$defs", {})
        self.fields: dict[str, Any] = {name: each for name, each in schema["properties"].items() if name not in headers}
        self.required = [name for name in schema.get("required", ()) if name not in headers]

    def examples(self, name: str) -> Iterator[Any]:
        """Yield values of a field: one for each alternative of each part that its type has."""
        return self._examples(self.fields[name], frozenset())

    def alternatives(self, schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Yield the types that a type stands for: what references name, and the alternatives of a union."""
        if "$ref" in schema:
            yield from self.alternatives(self._definitions[schema["$ref"].rpartition("/")[2]])
        elif "anyOf" in schema or "oneOf" in schema:
            for alternative in schema.get("anyOf") or schema["oneOf"]:
                yield from self.alternatives(alternative)
        else:
            yield schema

    def tags(self, schema: Mapping[str, Any]) -> dict[str, frozenset[str]]:
        """Return the values of `type` in a union of objects, with the other fields that every such object needs."""
        found: dict[str, frozenset[str]] = {}
        for member in self.alternatives(schema):
            needed = frozenset(member.get("required", ())) - {"type"}
            for tag in self.alternatives(member["properties"].get("type", {"enum": []})):
                for value in [tag["const"]] if "const" in tag else tag.get("enum", ()):
                    found[value] = needed & found.get(value, needed)
        return found

    def _examples(self, schema: Mapping[str, Any], within: frozenset[str]) -> Iterator[Any]:
        name = schema.get("$ref", "").rpartition("/")[2]
        if name and name not in within:
            yield from self._examples(self._definitions[name], within | {name})
        elif "anyOf" in schema or "oneOf" in schema:
            for alternative in schema.get("anyOf") or schema["oneOf"]:
                yield from self._examples(alternative, within)
        elif "enum" in schema:
            yield from schema["enum"]
        elif schema.get("type") == "array":
            yield from ([item] for item in self._examples(schema["items"], within))
        elif "properties" in schema:
            yield from self._objects(schema, within)
        else:
            yield example_of({**schema, "$defs": self._definitions})

    def _objects(self, schema: Mapping[str, Any], within: frozenset[str]) -> Iterator[dict[str, Any]]:
        members = schema["properties"]
        least = {name: next(self._examples(members[name], within)) for name in schema.get("required", ())}
        yield least
        for name, member in members.items():
            yield from ({**least, name: value} for value in self._examples(member, within))
