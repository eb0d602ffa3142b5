"""Data on stdout, in the form that was asked for."""

from __future__ import annotations

import codecs
import json
import re
import sys
from collections.abc import Callable, Iterable

import click

from ant_cli._session import Session

__all__ = ["is_terminal", "print_bytes", "print_item", "print_items", "print_text", "written"]

# What could move a terminal's cursor, break a line or turn text around, and halves of characters, which UTF-8 has not.
_UNPRINTABLE = re.compile(r"[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f]|" + _UNPRINTABLE.pattern)


def print_item(session: Session, item: object) -> None:
    """Print one document: JSON unless another form was asked for."""
    print_items(session, [item], kind="json")


def print_items(session: Session, items: Iterable[object], *, kind: str = "jsonl") -> None:
    """Print a list one item at a time, as each arrives. `kind` is its form unless another was asked for."""
    kind = kind if session.format == "auto" else session.format
    transformed = _transformation(session)
    for number, item in enumerate(items):
        separator = "---\n" if kind == "yaml" and number else ""
        _print(f"{separator}{written(transformed(item), kind, raw=bool(session.options.get('raw_output')))}\n")


def print_text(pieces: Iterable[str]) -> None:
    """Print text as it arrives, without what would have a terminal do anything but show it."""
    ended = True
    try:
        for piece in pieces:
            _print(_harmless(piece))
            ended = piece.endswith("\n") if piece else ended
    finally:
        if not ended:
            _print("\n")


def print_bytes(pieces: Iterable[bytes]) -> None:
    """Print what is no JSON as it came, and to a terminal as text."""
    if is_terminal():
        print_text(codecs.iterdecode(pieces, "utf-8", "replace"))
        return
    for piece in pieces:
        click.echo(piece, nl=False)


def is_terminal() -> bool:
    """Whether somebody looks at what is printed."""
    return sys.stdout is not None and sys.stdout.isatty()


def written(item: object, kind: str, *, raw: bool = False) -> str:
    """Return a document in one of the forms; `raw` leaves out the quotes of a string."""
    if isinstance(item, str) and (raw or kind == "raw"):
        return _harmless(item)
    try:
        if kind == "yaml":
            import yaml

            text = yaml.safe_dump(item, sort_keys=False, allow_unicode=True)
            if not _is_printable(text):
                text = yaml.safe_dump(item, sort_keys=False)
            return text.rstrip("\n").removesuffix("\n...")
        indent = None if kind in {"jsonl", "raw"} else 2
        text = json.dumps(item, ensure_ascii=False, indent=indent)
        return text if _is_printable(text) else json.dumps(item, indent=indent)
    except RecursionError:
        raise click.ClickException("the answer is nested too deep to be printed in this form") from None


def _print(text: str) -> None:
    click.echo(text, nl=False)
    if sys.stdout is not None:
        sys.stdout.flush()


def _harmless(text: str) -> str:
    """Return text as it may go to stdout: what its encoding does not have is replaced, what moves a cursor, too."""
    if is_terminal():
        text = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
    return text.encode(_encoding(), "replace").decode(_encoding())


def _is_printable(text: str) -> bool:
    if _UNPRINTABLE.search(text):
        return False
    try:
        text.encode(_encoding())
    except UnicodeEncodeError:
        return False
    return True


def _encoding() -> str:
    return getattr(sys.stdout, "encoding", None) or "utf-8"


def _transformation(session: Session) -> Callable[[object], object]:
    """Return what `--transform` does to an item. Raises click.BadParameter before anything is printed."""
    expression = session.options.get("transform")
    if expression is None:
        return lambda item: item
    import jmespath
    import jmespath.exceptions

    from ant_wif._secrets import sanitize

    problem = ""
    try:
        compiled = jmespath.compile(expression)
    except jmespath.exceptions.JMESPathError as error:
        problem = str(error).splitlines()[0].removeprefix("Invalid jmespath expression: ").rstrip(":")
    except RecursionError:
        problem = "it is nested too deep"
    if problem:
        raise click.BadParameter(f"{expression!r} is no JMESPath expression: {problem}", param_hint="--transform")

    def transform(item: object) -> object:
        try:
            found: object = compiled.search(item)
        except jmespath.exceptions.JMESPathError as error:
            problem = sanitize(error)  # it quotes the answer
        else:
            return found
        raise click.BadParameter(f"{expression!r} does not suit the answer: {problem}", param_hint="--transform")

    return transform
