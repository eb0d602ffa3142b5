"""Bodies as pydantic models: what a model refuses, in the API's words. Imported at first use: start-up time counts."""

from __future__ import annotations

import re
from typing import Annotated, Optional, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, WrapValidator
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ValidatorFunctionWrapHandler

from ant_wif._secrets import clean

T = TypeVar("T")

_SENTENCES = {
    "extra_forbidden": "this field is not allowed",
    "missing": "this field is required",
    "union_tag_not_found": "this field is required",
    "string_type": "must be a string",
    "string_unicode": "must have names of fields that are valid Unicode",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "list_type": "must be a list",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
}


class Strict(BaseModel):
    """An object without other fields. Nothing is converted: "1" is not a number, and neither is true."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)


def _or_null(value: object, validate: ValidatorFunctionWrapHandler) -> object:
    try:
        return validate(value)
    except ValidationError as error:
        (first, *_) = error.errors(include_url=False, include_input=False)
        if first["loc"] or first["type"].startswith("union_tag"):
            raise
        sentence = f"{_sentence(first)} or null"
        raise PydanticCustomError("nullable", "{sentence}", {"sentence": sentence}) from None


OrNull = Annotated[Optional[T], WrapValidator(_or_null)]  # noqa: UP045  # `T | None` takes no arguments in Python 3.10


def find_flaw(model: type[BaseModel], body: object) -> tuple[list[str | int], str] | None:
    """Return the place of what is wrong first, and a sentence such as "must be a string"; `None` for a valid body."""
    try:
        model.model_validate(body)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
        ranks = {"extra_forbidden": 0, "missing": 1}
        first = min(errors, key=lambda each: ranks.get(each["type"], 2))
        return _place(first, body), _sentence(first)
    return None


def _sentence(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    if error["type"] in {"literal_error", "union_tag_invalid"}:
        words = re.findall(r"'([^']*)'", str(context.get("expected") or context.get("expected_tags")))
        return f"must be {' or '.join(words)}"
    return _SENTENCES.get(error["type"], error["msg"]).format_map(context)


def _place(error: ErrorDetails, body: object) -> list[str | int]:
    """Return the path in the body. pydantic's has the tags of unions, too, which are not in the body."""
    place: list[str | int] = []
    if not error["loc"]:
        return place
    *parents, last = error["loc"]
    for name in parents:
        if isinstance(body, dict) and isinstance(name, str) and (name in body or body.get("type") != name):
            body = body.get(name)
        elif isinstance(body, list) and isinstance(name, int):
            body = body[name]
        else:
            continue
        place.append(name)
    if not (isinstance(body, str | list) and isinstance(last, str)):
        place.append(last)
    if error["type"].startswith("union_tag"):
        place.append("type")
    return [clean(name, limit=64) if isinstance(name, str) else name for name in place]
