"""Masking. No other module prints or formats a secret, and text from outside passes through `clean`.

`SecretStr` is pydantic's: its `repr` is stars, so a frame that holds one can be printed.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from pydantic import SecretStr

__all__ = ["SecretStr", "clean", "hidden", "is_sendable", "mask", "scrub", "show_path"]

_SHOWN = 16
_SHORTEST_SEGMENT = 8  # below this a "known secret" would erase ordinary words

# Fields whose value is a secret wherever they stand: JSON, form, query, header or Python repr.
_FIELDS = (
    "access_token|refresh_token|id_token|identity_token|auth_token|api_key|assertion|client_assertion|"
    "client_secret|code_verifier|code|password|secret|value"
)


@functools.cache
def _shapes() -> tuple[re.Pattern[str], ...]:
    """What is a secret by its form alone. Compiled on first use: start-up time counts."""
    return (
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
        re.compile(r"sk-ant-[A-Za-z0-9]+-[A-Za-z0-9_\-]+"),
        re.compile(r"eyJ[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*)*"),
    )


@functools.cache
def _labelled() -> tuple[re.Pattern[str], ...]:
    """What is a secret because of the name before it."""
    return (
        re.compile(
            r"(?i)(?P<label>\b(?:authorization|x-api-key|x-identity-header)['\"]?\s*[:=]\s*['\"]?"
            r"(?:(?:bearer|basic)\s+)?)(?P<secret>[^\s'\",;]+)"
        ),
        re.compile(r"(?i)(?P<label>\bbearer\s+)(?P<secret>[A-Za-z0-9._~+/=\-]{8,})"),
        re.compile(
            rf"(?i)(?P<label>['\"](?:{_FIELDS})['\"]\s*:\s*(?P<quote>['\"]))(?P<secret>(?:(?!(?P=quote))[^\\]|\\.)+)"
        ),
        re.compile(rf"(?i)(?P<label>(?:^|[?&\s])(?:{_FIELDS})=)(?P<secret>[^&\s]+)"),
    )


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def mask(secret: SecretStr | str) -> str:
    """Return what may be shown of a secret: its first 16 characters, or only its length if it has no more."""
    text = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
    if len(text) <= _SHOWN:
        return f"({len(text)} characters)"
    return f"{_CONTROL.sub('?', text[:_SHOWN])}..."


def hidden(secret: SecretStr | str | None) -> SecretStr | str | None:
    """Wrap a secret that came as plain text. Nothing stays nothing, and empty stays recognisably empty."""
    return SecretStr(secret) if isinstance(secret, str) and secret else secret


def is_sendable(secret: SecretStr) -> bool:
    """Whether a secret can stand in an HTTP header: visible ASCII, so no blank and no line break."""
    return re.fullmatch(r"[\x21-\x7e]+", secret.get_secret_value()) is not None


def show_path(path: object) -> str:
    """Return a path for a message: whole, but a secret that was put in its place is masked."""
    return clean(path, limit=4096)


def scrub(text: str, known: Iterable[SecretStr] = ()) -> str:
    """Return `text` with every secret masked: those in `known`, and whatever has the shape of one.

    Of a known secret also each dot-separated part is removed, because a server may echo a JWT's
    payload or signature alone, and the ways to write it in JSON and in a URL.
    """
    for secret in known:
        for part in sorted(_ways_to_write(secret.get_secret_value()), key=len, reverse=True):
            if len(part) >= _SHORTEST_SEGMENT:
                text = text.replace(part, "[masked]")
    for shape in _shapes():
        text = shape.sub(_mask_shape, text)
    for labelled in _labelled():
        text = labelled.sub(_mask_labelled, text)
    return text


def _ways_to_write(value: str) -> set[str]:
    ways = {value, *value.split(".")}
    if re.fullmatch(r"[A-Za-z0-9._~-]*", value) is None:
        escaped = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
        ways |= escaped | {way.replace("/", "\\/") for way in escaped}
        encoded = value.encode("utf-8", "replace")
        ways |= {quote(encoded, safe=""), quote(encoded), quote_plus(encoded)}
    return ways


def clean(text: object, *, known: Iterable[SecretStr] = (), limit: int = 256) -> str:
    """Return outside text fit for a message: secrets masked, control characters escaped, cut to `limit`."""
    # Masked before it is cut, or the cut could divide a secret into a part that has no known shape.
    shown = scrub(str(text), known)
    shown = _CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), shown)
    return shown if len(shown) <= limit else f"{shown[:limit]}..."


def _mask_shape(found: re.Match[str]) -> str:
    secret = found.group()
    if secret.startswith("-----"):
        return "[private key]"
    if secret.startswith("eyJ"):
        return f"[JWT of {len(secret)} characters]"
    already = len(secret) == _SHOWN and found.string.startswith("...", found.end())
    return secret if already else mask(secret)


def _mask_labelled(found: re.Match[str]) -> str:
    secret = found.group("secret")
    already = secret.startswith(("[masked", "[JWT", "[private")) or secret.endswith("...")
    return found.group() if already else f"{found.group('label')}[masked]"
