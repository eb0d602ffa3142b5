"""OAuth token endpoints other than the API's: forms in (RFC 6749 appendix B), errors out (§5.2)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from ant_wif.emulator._http.protocol import json_response, media_type, read_body


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
