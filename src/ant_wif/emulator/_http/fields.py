"""Reading the fields of a request: a JSON body, a query, a form."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Optional, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, ValidationError, WrapValidator
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ValidatorFunctionWrapHandler
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from ant_wif._secrets import sanitize
from ant_wif.emulator._http.protocol import Refusal, json_response, media_type, read_body

T = TypeVar("T")

NOT_PERMITTED = "Extra inputs are not permitted"
"""What the real service says of a field that it does not know."""

_SENTENCES = {
    "extra_forbidden": NOT_PERMITTED,
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
    sentence = _SENTENCES.get(error["type"])
    return error["msg"] if sentence is None else sentence.format_map(context)


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
    return [sanitize(name, limit=64) if isinstance(name, str) else name for name in place]


@dataclass(frozen=True)
class Field:
    """`form` is a regular expression that the whole value matches; `description` names it in a refusal."""

    form: str
    description: str
    required: bool = True


def refuse_unknown(body: Mapping[str, object], known: Container[str], *, place: str = "") -> None:
    """Raise `Refusal` (400) with the first name that is not known. `place` stands before it: `messages.0.`."""
    for name in body:
        if name not in known:
            raise Refusal(400, f"{place}{sanitize(name, limit=64)}: {NOT_PERMITTED}")


def read_fields(body: Mapping[str, object], fields: Mapping[str, Field]) -> dict[str, str]:
    """Return the values that are there. Raises `Refusal` (400) with the name of the first wrong field."""
    refuse_unknown(body, fields)
    values: dict[str, str] = {}
    for name, field in fields.items():
        if name not in body:
            if field.required:
                raise Refusal(400, f"{name}: this field is required")
            continue
        value = body[name]
        if not isinstance(value, str) or not re.fullmatch(field.form, value, re.DOTALL):
            raise Refusal(400, f"{name}: must be {field.description}")
        values[name] = value
    return values


DEFAULT_LIMIT = 20
MOST_BY_ID = 1000
"""How many things a page has at most that is asked for by `after_id` or `before_id`."""

_LIMIT = re.compile(r"[0-9]{1,4}")


def single(query: QueryParams, name: str) -> str | None:
    """Return a parameter, or `None` where it is missing. Raises `Refusal` (400) where it is there twice."""
    values = query.getlist(name)
    if len(values) > 1:
        raise Refusal(400, f"{name}: must not be there more than once")
    return values[0] if values else None


def limit_of(query: QueryParams, most: int) -> int:
    """Raises `Refusal` (400) for what is not a number from 1 to `most`."""
    text = single(query, "limit")
    limit = DEFAULT_LIMIT if text is None else int(text) if _LIMIT.fullmatch(text) else 0
    if not 1 <= limit <= most:
        raise Refusal(400, f"limit: must be a number from 1 to {most}")
    return limit


def is_set(query: QueryParams, name: str) -> bool:
    """Return whether a parameter is `true`. Raises `Refusal` (400) for what is neither that nor `false`."""
    value = single(query, name)
    if value not in {None, "true", "false"}:
        raise Refusal(400, f"{name}: must be true or false")
    return value == "true"


def page_by_id(query: QueryParams, title: str, count: int, position: Callable[[str], int | None]) -> tuple[range, bool]:
    """Return which of `count` things are on the page, and whether there are more the way one pages.

    `position` says where the thing with an id stands. Raises `Refusal` (400).
    """
    limit, after, before = limit_of(query, MOST_BY_ID), single(query, "after_id"), single(query, "before_id")

    def stands_at(parameter: str, identifier: str) -> int:
        found = position(identifier)
        if found is None:
            raise Refusal(400, f"{parameter}: no such {title}")
        return found

    if before is None:
        begin = 0 if after is None else stands_at("after_id", after) + 1
        return range(begin, min(begin + limit, count)), begin + limit < count
    if after is not None:
        raise Refusal(400, "before_id: not allowed together with after_id")
    end = stands_at("before_id", before)
    begin = max(0, end - limit)
    return range(begin, end), begin > 0


def page_answer(data: Sequence[Mapping[str, object]], *, has_more: bool) -> dict[str, object]:
    return {
        "data": data,
        "has_more": has_more,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
    }


class OAuthError(Exception):
    """What a token endpoint answers instead of a token."""

    def __init__(self, code: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.status = status


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form. Empty ones count as absent (RFC 6749 §3.2). Raises `OAuthError`."""
    if media_type(request) != "application/x-www-form-urlencoded":
        raise OAuthError("invalid_request", "Content-Type must be application/x-www-form-urlencoded")
    try:
        pairs = parse_qsl((await read_body(request)).decode("utf-8"), strict_parsing=True, max_num_fields=100)
    except ValueError:
        raise OAuthError("invalid_request", "The body is not a form") from None
    if len(dict(pairs)) != len(pairs):
        raise OAuthError("invalid_request", "A parameter is there more than once")
    return dict(pairs)


def required(form: Mapping[str, str], name: str) -> str:
    """Raises `OAuthError` where the field is missing."""
    if name not in form:
        raise OAuthError("invalid_request", f"The parameter {name} is missing")
    return form[name]


def require_grant(form: Mapping[str, str], grant_type: str) -> None:
    """Raises `OAuthError` for any other grant."""
    if required(form, "grant_type") != grant_type:
        raise OAuthError("unsupported_grant_type", f"The only grant_type is {grant_type}")


def granted(payload: Mapping[str, object]) -> Response:
    return json_response(payload, headers={"cache-control": "no-store"})


def refused(error: OAuthError, headers: Mapping[str, str] | None = None) -> Response:
    payload = {"error": error.code, "error_description": error.description}
    return json_response(payload, error.status, {"cache-control": "no-store", **(headers or {})})
