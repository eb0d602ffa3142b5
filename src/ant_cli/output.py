"""Data on stdout, in the form that was asked for."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable

import click

from ant_cli.options import Session

__all__ = ["print_item", "print_items", "print_text", "written"]

# What could move a terminal's cursor or turn text around, and halves of characters, which UTF-8 has not.
_UNPRINTABLE = re.compile(r"[\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f]|" + _UNPRINTABLE.pattern)


def print_item(session: Session, item: object) -> None:
    """Print one document: JSON unless another form was asked for."""
    print_items(session, [item], kind="json")


def print_items(session: Session, items: Iterable[object], *, kind: str = "jsonl") -> None:
    """Print a list one item at a time, as each arrives. `kind` is its form unless another was asked for."""
    kind = kind if session.format == "auto" else session.format
    transformed = _transformation(session)
    for number, item in enumerate(items):
        if kind == "yaml" and number:
            click.echo("---")
        click.echo(written(transformed(item), kind, raw=bool(session.options.get("raw_output"))))
        sys.stdout.flush()


def print_text(pieces: Iterable[str]) -> None:
    """Print text as it arrives, without what would have a terminal do anything but show it."""
    ended = True
    try:
        for piece in pieces:
            text = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", piece) if sys.stdout.isatty() else piece
            click.echo(_encodable(text), nl=False)
            sys.stdout.flush()
            ended = text.endswith("\n")
    finally:
        if not ended:
            click.echo()


def written(item: object, kind: str, *, raw: bool = False) -> str:
    """Return a document in one of the forms; `raw` leaves out the quotes of a string."""
    if isinstance(item, str) and (raw or kind == "raw"):
        return _encodable(item)
    if kind == "yaml":
        import yaml

        return yaml.safe_dump(item, sort_keys=False, allow_unicode=True).rstrip("\n").removesuffix("\n...")
    indent = None if kind in {"jsonl", "raw"} else 2
    text = _UNPRINTABLE.sub(
        lambda found: f"\\u{ord(found[0]):04x}", json.dumps(item, ensure_ascii=False, indent=indent)
    )
    return text if _encodable(text) == text else json.dumps(item, indent=indent)


def _encodable(text: str) -> str:
    """Return the text with marks for what stdout's encoding does not have."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


def _transformation(session: Session) -> Callable[[object], object]:
    """Return what `--transform` does to an item. Raises click.BadParameter before anything is printed."""
    expression = session.options.get("transform")
    if expression is None:
        return lambda item: item
    import jmespath
    import jmespath.exceptions

    problem = ""
    try:
        compiled = jmespath.compile(expression)
    except jmespath.exceptions.JMESPathError as error:
        problem = str(error).splitlines()[0]
    except RecursionError:
        problem = "it is nested too deep"
    if problem:
        raise click.BadParameter(f"{expression!r} is no JMESPath expression: {problem}", param_hint="--transform")

    def transform(item: object) -> object:
        try:
            found: object = compiled.search(item)
        except jmespath.exceptions.JMESPathError as error:
            problem = str(error).splitlines()[0]
        else:
            return found
        raise click.BadParameter(f"{expression!r} does not suit the answer: {problem}", param_hint="--transform")

    return transform
