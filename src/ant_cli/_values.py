"""Structured values from options, files and stdin, and the body that they make."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ant_cli._request_input import LARGEST_BODY, read_file
from ant_wif._files import wide_text
from ant_wif._secrets import has_surrogates
from ant_wif._strict import read_value

if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:  # generic from click 8.2 on
    _ParamType = click.ParamType

_LITERAL = re.compile(r"null|true|false|-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?", re.ASCII)


class Value(_ParamType):
    """An option's value: what `read_value` makes of it, with the files in it that are named by `@`."""

    name = "value"

    def __init__(self, *kinds: type, hint: str) -> None:
        """`kinds` are the types that the value may have; `hint` shows one."""
        self._kinds = kinds
        self._hint = hint

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        # The content of a file may be from another user, so it cannot name further files.
        is_file = value.startswith("@")
        try:
            found = read_value(_contents(value[1:])) if is_file else inlined(read_value(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if self._kinds and not isinstance(found, self._kinds):
            self.fail(f"{_shown(found)} cannot be used here; write {self._hint}", param, ctx)
        return found


class TextValue(Value):
    """A text as it stands, or a list where it begins with a bracket."""

    def __init__(self) -> None:
        super().__init__(str, list, hint="a text, or a list: [{type: text, text: …}]")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and not value.lstrip().startswith("["):
            return inlined(value)
        return super().convert(value, param, ctx)


def read_document(content: bytes, name: str) -> dict[str, object]:
    """Read the object that a file or stdin holds, JSON or YAML; empty where it holds nothing.

    Raises click.UsageError with line and column.
    """
    if wide := wide_text(content):
        raise click.UsageError(f"{name} is {wide} text; save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{name} is not text in UTF-8 (byte {error.start})") from None
    try:
        found = read_value(text)
    except ValueError as error:
        raise click.UsageError(f"{name} is neither JSON nor YAML: {error}") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise click.UsageError(f"{name} holds {_shown(found)}, and an object is wanted: field: value")
    return found


def field_value(name: str, text: str) -> object:
    """Return what the value of a field `name=text` is: JSON where it looks like it, a file by `@`, else the text.

    A number, `true`, `false` and `null` are what they are in JSON; what begins with a brace, a bracket or a quote may
    be YAML that reads like JSON. Raises click.UsageError.
    """
    try:
        if text.lstrip()[:1] in {"{", "[", '"'}:
            return inlined(read_value(text))
        return read_value(text) if _LITERAL.fullmatch(text) else inlined(text)
    except ValueError as error:
        raise click.UsageError(f"the value of the field {name!r} is neither JSON nor YAML: {error}") from None


def inlined(value: object) -> object:
    """Put the contents of files where strings name them: `@path`, `@file://path` as text, `@data://path` in base64.

    `@path` is text where it is UTF-8, and base64 where it is not. `\\@` begins a string with an @.
    Raises click.UsageError.
    """
    try:
        return _inlined(value)
    except RecursionError:
        raise click.UsageError("a value is nested too deep") from None


def _inlined(value: object) -> object:
    if isinstance(value, str):
        return _contents(value[1:]) if value.startswith("@") else value[value.startswith("\\@") :]
    if isinstance(value, dict):
        return {name: _inlined(each) for name, each in value.items()}
    return [_inlined(each) for each in value] if isinstance(value, list) else value


def encoded(body: object) -> bytes:
    """Return a body as JSON. Raises click.UsageError for one that the API would not take, or JSON cannot hold."""
    pieces: list[str] = []
    size = 0
    try:
        for piece in json.JSONEncoder(ensure_ascii=False, allow_nan=False).iterencode(body):
            size += len(piece) if piece.isascii() else len(piece.encode())
            if size > LARGEST_BODY:
                raise click.UsageError(f"the body is longer than {LARGEST_BODY} bytes")
            pieces.append(piece)
        return "".join(pieces).encode()
    except UnicodeEncodeError:
        fields = body.items() if isinstance(body, dict) else ()
        odd = (key for key, value in fields if has_surrogates(json.dumps([key, value], ensure_ascii=False)))
        what = next((f"the field {key!r} of" for key in odd), "a text in")
        raise click.UsageError(f"{what} the body holds text that is not valid UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"the body cannot be written as JSON: {error}") from None


def _contents(reference: str) -> str:
    scheme, separator, rest = reference.partition("://")
    kind, path = (scheme, rest) if separator and scheme in {"file", "data"} else ("", reference)
    if not path or "\0" in path:
        raise click.UsageError(f"@{reference} names no file; write \\@{reference} for the text itself")
    content = read_file(Path(path), f"the file of @{reference} (write \\@… for a text that begins so)")
    if kind != "data":
        if wide := wide_text(content):
            raise click.UsageError(
                f"the file of @{reference} is {wide} text; save it as UTF-8, "
                f"or write @data://{path} to send it in base64"
            )
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError:
            if kind == "file":
                raise click.UsageError(
                    f"the file of @{reference} is not text in UTF-8; write @data://{path} to send it in base64"
                ) from None
    return base64.b64encode(content).decode("ascii")


def _shown(value: object) -> str:
    kinds = {
        dict: "an object",
        list: "a list",
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    return kinds.get(type(value), "nothing")
