"""Reading a JSON web signature in compact form (RFC 7515 §3.1), from anyone, without believing it."""

from __future__ import annotations

import base64
import json
import math
import re
from dataclasses import dataclass

MAX_ASSERTION_BYTES = 16 * 1024

_SEGMENT = re.compile(r"[A-Za-z0-9_-]*")


class MalformedAssertionError(ValueError):
    """Not a JWS of two JSON objects. The text says what is wrong, and quotes nothing."""


@dataclass(frozen=True, repr=False)
class Assertion:
    """The parts of a JWS. Nothing in it is verified."""

    header: dict[str, object]
    claims: dict[str, object]
    signing_input: bytes
    signature: bytes


def read_assertion(text: str) -> Assertion:
    """Take a compact JWS apart. Raises `MalformedAssertionError`, and nothing else, whatever the text is."""
    if not text.isascii():
        raise MalformedAssertionError("it holds characters that no JWT has")
    if len(text) > MAX_ASSERTION_BYTES:
        raise MalformedAssertionError(f"it has {len(text)} bytes, and {MAX_ASSERTION_BYTES} is the most allowed")
    segments = text.split(".")
    if len(segments) != 3:
        raise MalformedAssertionError(f"a JWT has three parts joined by dots, and this has {len(segments)}")
    header, claims, signature = segments
    assertion = Assertion(
        header=_read_object("header", header),
        claims=_read_object("payload", claims),
        signing_input=f"{header}.{claims}".encode("ascii"),
        signature=_decode("signature", signature),
    )
    # RFC 7515 §4.1.11: an extension that is marked critical and not understood spoils the JWS.
    if "crit" in assertion.header:
        raise MalformedAssertionError("its header demands extensions (`crit`) that are not supported")
    return assertion


_MAX_DEPTH = 500
"""How deep objects and lists may be nested."""


def read_json_object(data: bytes) -> dict[str, object]:
    """Read a JSON object strictly: UTF-8, no duplicate names, no NaN or infinity, no absurd nesting.

    Raises ValueError. RFC 7519 §4 lets a reader refuse duplicate names; two readers that each pick
    another one of them would be worse.
    """
    try:
        value = _STRICT.decode(data.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    # Python 3.12 and newer read what older ones refuse: the limit must not depend on it.
    if data.count(b"[") + data.count(b"{") > _MAX_DEPTH and _is_deeper(value, _MAX_DEPTH):
        raise ValueError("nested too deeply")
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004  # callers handle one kind of error
    return value


def _read_object(part: str, segment: str) -> dict[str, object]:
    try:
        return read_json_object(_decode(part, segment))
    except MalformedAssertionError:
        raise
    except ValueError:
        raise MalformedAssertionError(f"its {part} is not a well-formed JSON object") from None


def _decode(part: str, segment: str) -> bytes:
    # Python's decoder skips what is outside the alphabet; RFC 7515 §2 allows nothing there, nor padding.
    if not _SEGMENT.fullmatch(segment) or len(segment) % 4 == 1:
        raise MalformedAssertionError(f"its {part} is not base64url")
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name occurs twice")
    return members


def _is_deeper(value: object, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            child
            for parent in level
            if isinstance(parent, (dict, list))
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
    return any(isinstance(value, (dict, list)) for value in level)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number beyond all bounds")
    return number


# One for all: to make a decoder takes longer than to decode a token.
_STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite)
