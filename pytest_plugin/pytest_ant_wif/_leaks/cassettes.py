"""No secret in the cassettes of vcrpy, and something well formed in its place when they are played."""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import re
import time
import uuid
from collections.abc import Callable
from importlib import import_module
from typing import Any

_MASKED_JWT = re.compile(r"\[JWT of \d+ characters\]")
_HOUR = 3600


def clean_cassettes(clean: Callable[[str], str], replace: Callable[[Any, str, object], None]) -> None:
    """Clean every cassette that is begun from now on as it is saved."""
    kind = import_module("vcr.cassette").Cassette
    make = kind.__init__

    @functools.wraps(make)
    def make_clean(self: Any, *given: Any, **named: Any) -> None:
        make(self, *given, **named)
        if hasattr(self, "_persister"):
            self._persister = _CleanPersister(self._persister, clean)

    replace(kind, "__init__", make_clean)


class _CleanPersister:
    """Saves and loads cassettes as another does, whose secrets are masked."""

    def __init__(self, persister: Any, clean: Callable[[str], str]) -> None:
        self._wrapped = persister
        self._clean = clean

    def save_cassette(self, path: Any, cassette: Any, serializer: Any) -> None:
        if "responses" in cassette:
            cassette = {**cassette, "responses": [self._readable(each) for each in cassette["responses"]]}
        self._wrapped.save_cassette(path, cassette, _Serializer(serializer, self._clean))

    def load_cassette(self, path: Any, serializer: Any) -> Any:
        return self._wrapped.load_cassette(path, _Serializer(serializer, self._clean))

    def _readable(self, response: Any) -> Any:
        """Return a compressed response without its compression where it holds a secret, and others as they are."""
        with contextlib.suppress(Exception):  # of what cannot be read, nothing can be cleaned
            decoded = import_module("vcr.filters").decode_response(response)
            return response if _each_text(decoded, self._clean) == decoded else decoded
        return response

    def __getattr__(self, name: str) -> object:
        return getattr(self._wrapped, name)


class _Serializer:
    """Stands between a cassette and its text. What is recorded stays as it is for the test that records it."""

    def __init__(self, serializer: Any, clean: Callable[[str], str]) -> None:
        self._wrapped = serializer
        self._clean = clean

    def serialize(self, recorded: object) -> object:
        return self._wrapped.serialize(_each_text(recorded, self._clean))

    def deserialize(self, text: str) -> object:
        return _each_text(self._wrapped.deserialize(text), _with_tokens)


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, bytes):
        return change(value.decode("latin-1")).encode("latin-1")
    if isinstance(value, (list, tuple)):
        return [_each_text(each, change) for each in value]
    return {key: _each_text(each, change) for key, each in value.items()} if isinstance(value, dict) else value


def _with_tokens(text: str) -> str:
    return _MASKED_JWT.sub(lambda _: _token(), text)


def _token() -> str:
    """Return an identity token with an invalid signature: what is played is checked for its form and its age."""
    now = int(time.time())
    claims = {
        "iss": "https://masked.invalid", "sub": "masked", "aud": "https://api.anthropic.com", "jti": uuid.uuid4().hex,
        "iat": now, "nbf": now, "exp": now + _HOUR,
    }  # fmt: skip
    parts = (json.dumps({"alg": "RS256", "typ": "JWT"}), json.dumps(claims), "masked")
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)
