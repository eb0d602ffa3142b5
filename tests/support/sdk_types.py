"""What the official SDK can send, read from its own types. Run as a program, it writes them for the emulator."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import pydantic
from anthropic.types.beta import BetaContentBlock, BetaUsage, message_count_tokens_params, message_create_params

from ant_wif.emulator._api.example import example_of
from ant_wif.emulator._state.blocks import SDK_TYPES

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
        self._drop_answers(schema)
        self.fields: dict[str, Any] = {name: each for name, each in schema["properties"].items() if name not in headers}
        self.required = [name for name in schema.get("required", ()) if name not in headers]

    def _drop_answers(self, part: Any) -> None:
        """Keep one type of each union for what is sent and for an answer that is sent back: that of what is sent.

        It gets the members that the other has more.
        """
        for each in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            self._drop_answers(each)
        for union in (part.get("anyOf"), part.get("oneOf")) if isinstance(part, dict) else ():
            tags = {tag for each in union or () if not self._is_answer(each) for tag in self._tags(each)} - {None}
            for answer in [each for each in union or () if self._is_answer(each) and self._tags(each) & tags]:
                union.remove(answer)
        for name, answer in self._definitions.items() if part is self._definitions else ():
            request = self._definitions.get(f"{name}Param", answer)
            request.get("properties", {}).update(answer.get("properties", {}) | request.get("properties", {}))

    def _is_answer(self, schema: Mapping[str, Any]) -> bool:
        name = schema.get("$ref", "").rpartition("/")[2]
        return "additionalProperties" in self._definitions.get(name, {}) and not name.endswith("Param")

    def _tags(self, schema: Mapping[str, Any]) -> set[str]:
        found = self._definitions.get(schema.get("$ref", "").rpartition("/")[2], {})
        tag = found.get("properties", {}).get("type", {})
        return {*tag.get("enum", ()), tag.get("const")}

    def used(self) -> dict[str, Any]:
        """Return the definitions that the fields need."""
        found: dict[str, Any] = {}
        left: list[Any] = [self.fields]
        while left:
            part = left.pop()
            name = part.get("$ref", "").rpartition("/")[2] if isinstance(part, dict) else ""
            if name and name not in found:
                left.append(found.setdefault(name, self._definitions[name]))
            left += part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        return dict(sorted(found.items()))

    def examples(self, name: str) -> Iterator[Any]:
        """Yield values of a field: one for each alternative of each part that its type has."""
        return self._examples(self.fields[name], frozenset())

    def wrong_examples(self, name: str) -> Iterator[Any]:
        """Yield values of a field in which one object has a member too many, or one that it needs too few."""
        return self._wrong(self.fields[name], frozenset())

    def alternatives(self, schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Yield the types that a type stands for: what references name, and the alternatives of a union."""
        if "$ref" in schema:
            yield from self.alternatives(self._definitions[schema["$ref"].rpartition("/")[2]])
        elif "anyOf" in schema or "oneOf" in schema:
            for alternative in schema.get("anyOf") or schema["oneOf"]:
                yield from self.alternatives(alternative)
        else:
            yield schema

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

    def _wrong(self, schema: Mapping[str, Any], within: frozenset[str]) -> Iterator[Any]:
        name = schema.get("$ref", "").rpartition("/")[2]
        if name and name not in within:
            yield from self._wrong(self._definitions[name], within | {name})
        elif "anyOf" in schema or "oneOf" in schema:
            possible = schema.get("anyOf") or schema["oneOf"]
            if not any(each.get("type") == "object" and "properties" not in each for each in possible):
                for alternative in possible:
                    yield from self._wrong(alternative, within)
        elif schema.get("type") == "array":
            yield from ([item] for item in self._wrong(schema["items"], within))
        elif "properties" in schema:
            least = next(self._objects(schema, within))
            yield {**least, "unheard_of": 1}
            yield from ({name: value for name, value in least.items() if name != missing} for missing in least)
            for member, each in schema["properties"].items():
                yield from ({**least, member: value} for value in self._wrong(each, within))


@functools.cache
def sent_body(parameters: type, headers: frozenset[str] = HEADERS) -> SentBody:
    """Return the fields of a body, read once: pydantic takes half a second for those of a message."""
    return SentBody(parameters, headers)


def types_for_the_emulator() -> str:
    """Return what `SDK_TYPES` is to hold: the body of the SDK's `beta.messages.create`, a definition a line.

    With what the answer has: the types of its blocks, and its `usage`.
    """
    counting = sent_body(message_count_tokens_params.MessageCountTokensParams)
    known = sent_body(message_create_params.MessageCreateParamsNonStreaming)
    usage = sent_body(BetaUsage)
    parts = {
        "type": "object",
        "properties": {name: _bare(each) for name, each in known.fields.items()} | {"stream": {"type": "boolean"}},
        "required": known.required,
        "counting": sorted(counting.fields),
        "answers": sorted(
            kind
            for block in get_args(get_args(BetaContentBlock)[0])
            for kind in get_args(block.__annotations__["type"])
        ),
        "usage": {name: _bare(each) for name, each in usage.fields.items()},
    }
    used = dict(sorted((usage.used() | known.used()).items()))
    definitions = [f"{json.dumps(name)}: {json.dumps(_bare(each))}" for name, each in used.items()]
    lines = [f"{json.dumps(name)}: {json.dumps(part)}" for name, part in parts.items()]
    return "{\n" + ",\n".join([*lines, '"$defs": {\n' + ",\n".join(definitions) + "\n}"]) + "\n}\n"


def _bare(schema: Any) -> Any:
    """Return a schema with nothing but what tells right from wrong. A constant is an `enum` of one value."""
    if isinstance(schema, list):
        return [_bare(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: _bare(schema[name]) for name in ("$ref", "type", "enum", "items", "required") if name in schema}
    if "const" in schema:
        kept["enum"] = [schema["const"]]
    if "anyOf" in schema or "oneOf" in schema:
        kept["anyOf"] = _bare(schema.get("anyOf") or schema["oneOf"])
    if isinstance(schema.get("additionalProperties"), dict):
        kept["additionalProperties"] = _bare(schema["additionalProperties"])
    if "properties" in schema:
        kept["properties"] = {name: _bare(each) for name, each in schema["properties"].items()}
    return kept


if __name__ == "__main__":
    SDK_TYPES.write_text(types_for_the_emulator())
