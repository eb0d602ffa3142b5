"""What the token endpoint answers, to whichever grant: a token (RFC 6749 §5.1), or why not (§5.2)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ant_wif._secrets import SecretStr, sanitize

__all__ = ["Granted", "error_fields", "token_endpoint", "what_it_is"]

_TOKEN_FIELDS = ("access_token", "refresh_token", "id_token")
_ERROR_FIELDS = ("error", "error_description", "error_uri")


def token_endpoint(base_url: str) -> str:
    """The one URL of all three grants."""
    return f"{base_url.rstrip('/')}/v1/oauth/token"


@dataclass(frozen=True)
class Granted:
    """The answer of RFC 6749 §5.1, as far as it matters."""

    access_token: SecretStr
    expires_in: int
    """Seconds."""
    refresh_token: SecretStr | None = None
    scope: str | None = None

    @classmethod
    def parse(cls, body: bytes) -> Granted | str:
        """Return what is wrong in words, from a frame that no error passes: it holds the bare token."""
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            return f"its body is {what_it_is(body)}, expected a JSON object with access_token and expires_in"
        if not isinstance(fields, dict):
            return f"its body is a JSON {type(fields).__name__}, expected an object"
        token, expires_in, kind = (fields.get(name) for name in ("access_token", "expires_in", "token_type"))
        if kind is not None and str(kind).lower() != "bearer":
            shown = f"{kind!r}" if re.fullmatch(r"[A-Za-z]{1,16}", str(kind)) else "something else"
            return f"its token_type is {shown}, expected 'Bearer'"
        # A token goes into a header: what could not stand there, or would split it, is none.
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
            return "it has no usable access_token"
        if isinstance(expires_in, str) and re.fullmatch(r"\d{1,9}", expires_in):
            expires_in = int(expires_in)
        if isinstance(expires_in, bool) or not isinstance(expires_in, (int, float)) or not 1 <= expires_in < 1e9:
            return "it does not say in expires_in for how many seconds the token is valid"
        refresh, scope = fields.get("refresh_token"), fields.get("scope")
        return cls(
            SecretStr(token),
            int(expires_in),
            SecretStr(refresh) if refresh and isinstance(refresh, str) else None,
            scope if scope and isinstance(scope, str) else None,
        )


def error_fields(body: bytes, sent: Sequence[SecretStr]) -> dict[str, str]:
    """Keep the standard error fields (RFC 6749 §5.2 and the API's own), cleaned: a body may echo what was sent."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(fields, dict):
        return {}
    found = {name: fields[name] for name in _ERROR_FIELDS if isinstance(fields.get(name), str)}
    if isinstance(fields.get("error"), dict):
        inner = fields["error"]
        found |= {f"error.{name}": inner[name] for name in ("type", "message") if isinstance(inner.get(name), str)}
    known = [*sent, *(SecretStr(value) for value in map(fields.get, _TOKEN_FIELDS) if isinstance(value, str))]
    return {name: sanitize(value, known=known) for name, value in found.items()}


def what_it_is(body: bytes) -> str:
    """Name a body that is not what was expected, without quoting it."""
    start = body[:256].lstrip().lower()
    if not start:
        return "empty"
    return "an HTML page" if start.startswith((b"<!doctype", b"<html", b"<head")) else f"{len(body)} bytes of no JSON"
