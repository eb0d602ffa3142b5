"""Reading the fields of a request: a JSON body, a query, a form."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from ant_wif._secrets import sanitize
from ant_wif.emulator._http.protocol import Refusal, json_response, media_type, read_body

NOT_PERMITTED = "Extra inputs are not permitted"
"""What the real service says of a field that it does not know."""


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
    """Return the answer of a token endpoint, which no cache may keep (RFC 6749 §5.1)."""
    return json_response(payload, headers={"cache-control": "no-store"})


def refused(error: OAuthError, headers: Mapping[str, str] | None = None) -> Response:
    payload = {"error": error.code, "error_description": error.description}
    return json_response(payload, error.status, {"cache-control": "no-store", **(headers or {})})
