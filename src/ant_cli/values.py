"""Structured values from options, files and stdin, and the body that they make."""

from __future__ import annotations

import base64
import json
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ant_cli.relaxed import read_value

if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:  # generic from click 8.2 on
    _ParamType = click.ParamType

__all__ = ["TextValue", "Value", "encoded", "inlined", "read_document", "read_stdin"]

_LARGEST_BODY = 32 << 20  # what the API takes at most, as "Request size limits" of its errors page has it


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
        try:
            found = inlined(read_value(value, lambda problem: self.fail(problem, param, ctx)))
        except RecursionError:
            self.fail("it is nested too deep", param, ctx)
        if self._kinds and not isinstance(found, self._kinds):
            self.fail(f"{_shown(found)} is not what belongs here; write {self._hint}", param, ctx)
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

    def fail(problem: str) -> object:
        raise click.UsageError(f"{name} is neither JSON nor YAML: {problem}")

    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{name} is not text in UTF-8 (byte {error.start})") from None
    found = read_value(text, fail)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise click.UsageError(f"{name} holds {_shown(found)}, and an object is wanted: field: value")
    return found


def read_stdin() -> bytes:
    """Return what is piped to this process; nothing where stdin is a terminal, closed, or the null device."""
    try:
        descriptor = sys.stdin.fileno()
        if stat.S_ISCHR(os.fstat(descriptor).st_mode):
            return b""
    except (AttributeError, OSError, ValueError):
        return b""
    found = sys.stdin.buffer.read(_LARGEST_BODY + 1)
    if len(found) > _LARGEST_BODY:
        raise click.UsageError(f"the body on stdin is longer than {_LARGEST_BODY} bytes")
    return found


def inlined(value: object) -> object:
    """Put the contents of files where strings name them: `@path`, `@file://path` as text, `@data://path` in base64.

    `@path` is text where it is UTF-8, and base64 where it is not. `\\@` begins a string with an @.
    """
    if isinstance(value, str):
        return _contents(value[1:]) if value.startswith("@") else value[value.startswith("\\@") :]
    if isinstance(value, dict):
        return {name: inlined(each) for name, each in value.items()}
    return [inlined(each) for each in value] if isinstance(value, list) else value


def encoded(body: object) -> bytes:
    """Return a body as JSON. Raises click.UsageError for one that the API would not take, or JSON cannot hold."""
    pieces: list[str] = []
    size = 0
    try:
        for piece in json.JSONEncoder(ensure_ascii=False, allow_nan=False).iterencode(body):
            size += len(piece)
            if size > _LARGEST_BODY:
                raise click.UsageError(f"the body is longer than {_LARGEST_BODY} bytes")
            pieces.append(piece)
        return "".join(pieces).encode()
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"the body cannot be written as JSON: {error}") from None


def _contents(reference: str) -> str:
    scheme, separator, rest = reference.partition("://")
    kind, path = (scheme, rest) if separator and scheme in {"file", "data"} else ("", reference)
    if not path or "\0" in path:
        raise click.UsageError(f"@{reference} names no file; write \\@{reference} for the text itself")
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise click.UsageError(
            f"the file of @{reference} cannot be read: {error.strerror or error}; write \\@… for a text that begins so"
        ) from None
    if kind != "data":
        try:
            return content.decode("utf-8")
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
