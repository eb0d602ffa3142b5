"""Without a scripted reply, the model answers what the request forces: a tool's input, or a document, by its schema."""

from __future__ import annotations

import json
import re
from typing import Any

import anthropic
import jsonschema
import pydantic
import pytest

from ant_wif.emulator import Emulator
from support.samples import MODEL

NODE = {
    "type": "object",
    "properties": {
        "value": {"type": "integer"},
        "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
        "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
    },
    "required": ["value", "next", "children"],
}

SATISFIABLE: list[Any] = [
    {},
    {"enum": ["b", "a"]},
    {"const": {"a": [1]}},
    {"type": ["null", "string"]},
    {"$defs": {"node": NODE}, "$ref": "#/$defs/node"},
    {"$defs": {"a~b/c d": {"const": 3}}, "$ref": "#/$defs/a~0b~1c%20d"},
    {"type": "string", "format": "email"},
    {"type": "string", "format": "unheard-of"},
    {"type": "string", "minLength": 20, "maxLength": 21},
    {"type": "string", "maxLength": 0},
    {"type": "string", "not": {"const": "text"}},
    {"type": "string", "pattern": r"^[A-Z]{3}-\d{2,4}$"},
    {"type": "string", "pattern": "^(a|b)+c$", "minLength": 5},
    {"type": "string", "pattern": r"^[^abc]\w*\W\S$"},
    {"type": "string", "pattern": r"^(x)(?:y|z){2}\1.$"},
    {"type": "integer", "minimum": -10, "maximum": -5},
    {"type": "integer", "multipleOf": 1.5, "minimum": 4},
    {"type": "number", "multipleOf": 0.1, "minimum": 0.35},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    {"type": "integer", "default": 7},
    {"type": "string", "default": 7},
    {"type": "array", "items": {"enum": [1, 2, 3]}, "minItems": 3, "uniqueItems": True},
    {"type": "array", "prefixItems": [{"const": 1}, {"type": "string"}], "minItems": 2, "items": False},
    {"type": "array", "contains": {"const": 9}, "minItems": 2},
    {"type": "array", "minItems": 2, "uniqueItems": True, "items": {"properties": {"id": {"type": "integer"}}}},
    {"type": "object", "required": ["a"], "dependentRequired": {"a": ["b"]}, "properties": {"b": {"const": 1}}},
    {"type": "object", "minProperties": 2, "additionalProperties": {"type": "integer"}},
    {"minProperties": 1, "patternProperties": {"^x-[a-z]+$": {"type": "integer"}}, "additionalProperties": False},
    {"type": "object", "propertyNames": {"pattern": "^[a-c]{2}$"}, "minProperties": 2},
    {"allOf": [{"properties": {"a": {"type": "number"}}, "required": ["a"]}, {"properties": {"a": {"minimum": 5}}}]},
    {"allOf": [{"anyOf": [{"type": "string"}, {"type": "integer"}]}, {"type": "number"}]},
    {
        "anyOf": [
            {"type": "integer", "minimum": 5, "maximum": 3},
            {"type": "string", "minLength": 2, "maxLength": 1},
            {},
        ]
    },
    {"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 2}]},
    {
        "type": "object",
        "if": {"properties": {"kind": {"const": "x"}}, "required": ["kind"]},
        "then": {"required": ["y"]},
        "else": {"required": ["z"]},
    },
    {"oneOf": [{"type": "number"}, {"type": "integer"}]},
    {"type": "string", "pattern": r"^(?=.*[a-z])(?=.*[A-Z])(?=.*\d)(?=.*[@$!%*?&])[A-Za-z\d@$!%*?&]{8,}$"},
    {"type": "string", "pattern": r"^(?=.*\d).{12,}$", "minLength": 20},
    {"type": "string", "pattern": "^/api/", "minLength": 20},
    {"type": "string", "pattern": r"\.png$", "minLength": 20},
    *(
        {"type": "array", "minItems": 30, "uniqueItems": True, "items": items}
        for items in (
            {"type": "string", "pattern": "^https://"},
            *({"type": "string", "format": name} for name in ("date", "date-time", "uuid", "email", "uri", "ipv4")),
        )
    ),
    {"type": "array", "minItems": 300, "uniqueItems": True, "items": {"type": "integer"}},
    {"type": "array", "minItems": 300, "uniqueItems": True, "items": {"type": "string"}},
    {"type": "array", "minItems": 5_000, "items": {"type": "object"}},
    {"type": "array", "prefixItems": [{"type": "string"}], "contains": {"type": "integer"}, "minContains": 2},
    {"type": "array", "contains": {"type": "string"}, "maxContains": 1, "minItems": 3},
    {"type": "object", "patternProperties": {"^x-": {}}, "additionalProperties": False, "minProperties": 3},
    {"allOf": [{"properties": {"a": {}}}], "minProperties": 2, "unevaluatedProperties": {"type": "integer"}},
    {"type": "array", "prefixItems": [True], "unevaluatedItems": {"type": "integer"}, "minItems": 3},
    {"type": "object", "required": ["a"], "dependentSchemas": {"a": {"required": ["b"]}, "c": False}},
]
# Written as ECMAScript has it, which Python does not.
SATISFIED_BY: list[tuple[str, str]] = [
    (r"^(?<year>\d{4})-(?<month>\d{2})$", r"\d{4}-\d{2}"),
    (r"^\p{Lu}\p{Ll}+$", "[A-Z][a-z]+"),
    (r"^[\p{L} '-]{3,}$", "[A-Za-z]{3}"),
    (r"^\P{L}$", "[^A-Za-z]"),
    (r"^[[x]{2}$", r"\[\["),
    (r"^[&&||~~]{3}$", "&&&"),
    (r"^[x[]y$", "[x[]y"),
    (r"^[*--],$", "[*+,-],"),
]

IMPOSSIBLE: list[tuple[Any, str]] = [
    ({"properties": {"age": {"type": "integer", "minimum": 5, "maximum": 3}}}, "minimum 5 is greater than maximum 3"),
    ({"properties": {"age": {"type": "string", "minLength": 5, "maxLength": 3}}}, "minLength 5 is greater than"),
    ({"properties": {"age": {"type": "string", "minLength": 10**12}}}, "no text of 1000000000000 characters"),
    ({"properties": {"age": False}}, "no value satisfies it"),
    ({"properties": {"age": {"enum": []}}}, "no value satisfies it"),
    ({"properties": {"age": {"pattern": "^a$", "type": "string", "minLength": 3}}}, "no value satisfies it"),
    ({"properties": {"age": {"pattern": "((a{9999}){9999}){9999}", "type": "string"}}}, "no value was found"),
    (
        {"properties": {"age": {"pattern": "(((((a{30}){30}){30}){30}){30}){30}b", "type": "string"}}},
        "no value was found",
    ),
    ({"properties": {"age": {"type": "string", "pattern": "("}}}, "the pattern cannot be read: missing )"),
    *(
        ({"properties": {"age": {"const": f"{'a' * 60}!", "pattern": pattern}}}, f"the pattern '{pattern}' repeats")
        for pattern in (
            "^(a+)+$",
            "^(a*)*$",
            "(x|a+a+)+y",
            "^(?:[a-z]+.?)*$",
            "^(([a-z])+.)+[A-Z]$",
            "(.*a){20}",
            "^(a|a)*$",
            "^(?:aa|a)*$",
            "^(?:[a-z]|(a))*$",
            "^(?:(|)a)*$",
            "^([a-z]{2,3})*$",
            "^(?:a+(?:-|))*$",
        )
    ),
    ({"properties": {"age": {"type": "integer", "minimum": "x"}}}, "'x' is not a number"),
    ({"properties": {"age": {"type": "integer", "multipleOf": 0}}}, "multipleOf must be greater than 0"),
    ({"properties": {"age": {"allOf": [{"type": "string"}, {"type": "null"}]}}}, "type string excludes type null"),
    ({"properties": {"age": {"$ref": "#/nowhere"}}}, "$ref '#/nowhere' names nothing"),
    ({"properties": {"age": {"$ref": "https://example.com/x"}}}, "is not a path within the schema"),
    ({"properties": {"age": {"type": "array", "minItems": 10**9}}}, "no list of 1000000000 items is made"),
    (
        {"properties": {"age": {"type": "array", "minItems": 3, "uniqueItems": True, "items": {"type": "boolean"}}}},
        "there are no 3 different items",
    ),
]
INVALID: list[tuple[Any, str]] = [
    ({"type": "strin"}, "type 'strin' is not one of string"),
    ({"type": 5}, "is not a valid JSON schema"),
    (5, "is not a valid JSON schema"),
]


class Person(pydantic.BaseModel):
    name: str
    age: int = pydantic.Field(ge=18)
    email: str | None
    code: str = pydantic.Field(pattern="^[A-Z]{2,3}-[0-9]+$", max_length=8)
    scores: set[float] = pydantic.Field(min_length=2)
    friends: list[Person] = pydantic.Field(max_length=3)


class Team(pydantic.BaseModel):
    lead: Person
    size: int = pydantic.Field(ge=2)


def ask(sdk: anthropic.Anthropic, **more: Any) -> anthropic.types.Message:
    messages: list[anthropic.types.MessageParam] = [{"role": "user", "content": "Hello"}]
    return sdk.messages.create(model=MODEL, max_tokens=10_000, messages=messages, **more)


def with_schema(schema: object) -> dict[str, Any]:
    return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}


def test_a_document_satisfies_the_schema_of_the_request(sdk: anthropic.Anthropic) -> None:
    for schema in SATISFIABLE:
        wanted = with_schema(schema)
        block = ask(sdk, **wanted).content[0]
        assert block.type == "text"
        validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
        validator.validate(json.loads(block.text))
        again = ask(sdk, **wanted).content[0]
        assert again == block


@pytest.mark.parametrize(("pattern", "form"), SATISFIED_BY)
def test_a_pattern_of_ecmascript_is_understood(sdk: anthropic.Anthropic, pattern: str, form: str) -> None:
    block = ask(sdk, **with_schema({"type": "string", "pattern": pattern})).content[0]
    assert block.type == "text"
    assert re.fullmatch(form, json.loads(block.text))


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("^[a-z0-9]+(?:-[a-z0-9]+)*$", "one-word-after-the-other-of-many"),
        ("^([A-Z][a-z0-9]*)+$", "ANameOfManyWordsInPascalCase"),
        (r"^\w+(\s+\w+)*$", "many words with blanks between them"),
        (r"^([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$", "a.very-long.name.of.a.host.example"),
        (r"^(?:[a-z](?:[a-z0-9-]{0,61}[a-z])?\.)+$", "a.very-long.name.of.a.host.example."),
        ("^(?:[0-9a-zA-Z+/]{4})*$", "bG9uZyBlbm91Z2ggdG8gYmUgZG91YnRl"),
        ('^("[^"]*",?)+$', '"many","words","in","quotes"'),
        ("^(foo|bar)*$", "foobar" * 5),
        ("^(?:read|reads|write)(?:,(?:read|reads|write))*$", "read,write,reads,read,write"),
        (r"^(?:0|[1-9]\d*|\d*[a-z-][\da-z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-z-][\da-z-]*))*$", "alpha.1.0.beta-2.12.x7y8.9"),
    ],
)
def test_a_repetition_of_repetitions_with_a_sign_between_them_is_checked_in_long_texts(
    sdk: anthropic.Anthropic, pattern: str, text: str
) -> None:
    block = ask(sdk, **with_schema({"const": text, "pattern": pattern})).content[0]
    assert block.type == "text"
    assert json.loads(block.text) == text


def test_the_sdk_parses_what_it_asks_for(sdk: anthropic.Anthropic) -> None:
    messages: list[anthropic.types.MessageParam] = [{"role": "user", "content": "Hello"}]
    parsed = sdk.messages.parse(model=MODEL, max_tokens=500, messages=messages, output_format=Person)
    assert parsed.parsed_output is not None
    assert parsed.parsed_output.age >= 18
    with sdk.messages.stream(model=MODEL, max_tokens=500, messages=messages, output_format=Person) as stream:
        assert stream.get_final_message().parsed_output == parsed.parsed_output


def tool(name: str, schema: object) -> dict[str, object]:
    return {"name": name, "input_schema": schema}


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "second"}], ids=["any", "tool"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_forced_tool_is_used_with_a_fitting_input(
    sdk: anthropic.Anthropic, choice: dict[str, str], streamed: bool
) -> None:
    tools: Any = [tool("first", {"type": "object"}), tool("second", Team.model_json_schema())]
    if choice["type"] == "any":
        tools.reverse()
    messages: list[anthropic.types.MessageParam] = [{"role": "user", "content": "Hello"}]
    if streamed:
        with sdk.messages.stream(
            model=MODEL,
            max_tokens=99,
            messages=messages,
            tools=tools,
            tool_choice=choice,  # type: ignore[arg-type]  # a dict
        ) as stream:
            message: anthropic.types.Message = stream.get_final_message()
    else:
        message = ask(sdk, tools=tools, tool_choice=choice)
    (used,) = message.content
    assert (used.type, message.stop_reason) == ("tool_use", "tool_use")
    assert used.type == "tool_use"
    assert used.name == "second"
    Team.model_validate(used.input)


def test_an_example_of_the_tools_own_comes_first(sdk: anthropic.Anthropic) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    examples: list[object] = [{"city": 5}, {"city": "Ulm"}]
    used = ask(sdk, tools=[{**tool("weather", schema), "input_examples": examples}], tool_choice={"type": "any"})
    assert used.content[0].to_dict()["input"] == {"city": "Ulm"}


def test_a_scripted_reply_comes_before_what_is_forced(emulator: Emulator, sdk: anthropic.Anthropic) -> None:
    emulator.reply("scripted")
    block = ask(sdk, tools=[tool("weather", {"type": "object"})], tool_choice={"type": "any"}).content[0]
    assert block.type == "text"
    assert block.text == "scripted"


def test_a_schema_that_cannot_be_satisfied_is_named_with_its_place(sdk: anthropic.Anthropic) -> None:
    for part, said in IMPOSSIBLE:
        schema = {"type": "object", "required": ["age"], **part}
        with pytest.raises(anthropic.BadRequestError) as caught:
            ask(sdk, tools=[tool("person", schema)], tool_choice={"type": "any"})
        message = caught.value.body["error"]["message"]  # type: ignore[index,call-overload]  # an object
        assert message.startswith("emulator: tools.0.input_schema.properties.age"), message
        assert said in message
    for part, said in INVALID:
        with pytest.raises(anthropic.BadRequestError) as caught:
            ask(sdk, **with_schema({"type": "object", "required": ["age"], "properties": {"age": part}}))
        assert "output_config.format.schema.properties.age" in str(caught.value)
        assert said in str(caught.value)


def test_a_document_that_is_longer_than_max_tokens_is_cut(sdk: anthropic.Anthropic) -> None:
    messages: list[anthropic.types.MessageParam] = [{"role": "user", "content": "Hello"}]
    cut = sdk.messages.create(model=MODEL, max_tokens=1, messages=messages, **with_schema({"type": "string"}))
    assert cut.stop_reason == "max_tokens"
