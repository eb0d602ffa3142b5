"""Data on stdout, in the form that was asked for."""

from __future__ import annotations

import codecs
import json
import os
import stat
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import click

from ant_cli._session import Session
from ant_cli._terminal import is_terminal, table, waiting, width
from ant_wif._secrets import harmless, harmless_json, harmless_pieces, sanitize


def say(text: str, *, lines: bool = False, err: bool = False) -> None:
    """Print one line for people, or with `lines` several. Of what it quotes, nothing is obeyed and all is seen."""
    click.echo(harmless(text, lines=lines), err=err)


def print_item(session: Session, item: object) -> None:
    """Print one document: JSON unless another format was asked for."""
    _print(f"{form(session)(item)}\n")


def form(session: Session) -> Callable[[object], str]:
    """Return what writes a document in the form that was asked for. Its frame is gone when the text is printed."""
    kind = "json" if session.format == "auto" else session.format
    raw, transformed = bool(session.options.get("raw_output")), _transformation(session)
    return lambda item: written(transformed(item), kind, raw=raw)


def print_items(session: Session, items: Iterable[object]) -> None:
    """Print a list one item at a time, as each arrives: a JSON document a line unless another format was asked for."""
    kind = "jsonl" if session.format == "auto" else session.format
    raw = bool(session.options.get("raw_output"))
    transformed = _transformation(session)
    if kind == "json" and not raw:
        _print_array(map(transformed, items))
        return
    for number, item in enumerate(items):
        separator = "---\n" if kind == "yaml" and number else ""
        _print(f"{separator}{written(transformed(item), kind, raw=raw)}\n")


def check_transformation(session: Session) -> None:
    """Raises click.BadParameter: `--transform` is not valid."""
    _transformation(session)


def _print_array(items: Iterable[object]) -> None:
    """Print one JSON document with all items, each as it arrives."""
    start = "["
    for item in items:
        _print(f"{start}\n{textwrap.indent(written(item, 'json'), '  ')}")
        start = ","
    _print("[]\n" if start == "[" else "\n]\n")


def print_list(session: Session, items: Iterable[Mapping[str, object]], columns: Mapping[str, str]) -> None:
    """Print a list: in a terminal a table, of which `columns` has the field by the title, else a document a line."""
    if session.for_programs or not is_terminal(sys.stdout):
        print_items(session, items)
        return
    with waiting("Reading the list", session.environ):
        found = list(items)
    print_table(session, list(columns), [[_cell(item, field) for field in columns.values()] for item in found])


def print_table(session: Session, titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows below their titles, or a note that there are none."""
    if not rows:
        say("no items found", err=True)
        return
    whole = [[harmless(cell) for cell in row] for row in rows]
    for number, line in enumerate(table(titles, whole, width())):
        is_head = not number and line.split() == " ".join(titles).split()
        click.echo(click.style(line, bold=True) if is_head and session.color else line, color=session.color)


def _cell(item: Mapping[str, object], field: str) -> str:
    """Return the text of a field, which may be one of a structure: `match.subject_prefix`."""
    value: object = item
    for name in field.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    if value is None or value == "":
        return "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def print_text(pieces: Iterable[str]) -> None:
    """Print text as it arrives, without what would have a terminal or a build system do anything but show it."""
    ended = True
    try:
        for piece in pieces if _is_file() else harmless_pieces(pieces):
            _print(_encodable(piece))
            ended = piece.endswith("\n") if piece else ended
    finally:
        if not ended:
            _print("\n")


def print_bytes(pieces: Iterable[bytes], *, is_text: bool) -> None:
    """Print a response that is not JSON: as text where it is one or goes to a terminal, and else unchanged."""
    if is_text or is_terminal(sys.stdout):
        print_text(codecs.iterdecode(pieces, "utf-8", "replace"))
        return
    for piece in pieces:
        click.echo(piece, nl=False)


def written(item: object, kind: str, *, raw: bool = False) -> str:
    """Return a document in one of the forms; `raw` leaves out the quotes of a string."""
    if isinstance(item, str) and (raw or kind == "raw"):
        return _encodable(item if _is_file() else harmless(item, lines=True))
    try:
        if kind == "yaml":
            return _as_yaml(item)
        indent = None if kind in {"jsonl", "raw"} else 2
        text = json.dumps(item, ensure_ascii=False, indent=indent)
        return harmless_json(text if _is_encodable(text) else json.dumps(item, indent=indent))
    except RecursionError:
        raise click.ClickException("the answer is nested too deep to be printed in this form") from None


def _as_yaml(item: object) -> str:
    import yaml

    class Quoting(yaml.SafeDumper):
        """Writes every text in quotes and in one line, where what has to be escaped can be."""

    Quoting.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))
    form: dict[str, Any] = {"sort_keys": False, "width": sys.maxsize}
    text: str = yaml.safe_dump(item, allow_unicode=True, **form)
    if not _is_encodable(text) or text != harmless(text, lines=True):
        text = harmless_json(yaml.dump(item, Dumper=Quoting, **form))
    return text.rstrip("\n").removesuffix("\n...")


def _print(text: str) -> None:
    click.echo(text, nl=False, color=True)  # or click would take out of a file what it takes for colours
    if sys.stdout is not None:
        sys.stdout.flush()


def _is_file() -> bool:
    """Whether what is printed goes to a file, which is to hold a text as it is."""
    try:
        return stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode)
    except (AttributeError, OSError, ValueError):
        return False


def _encodable(text: str) -> str:
    """Return text as it may go to stdout: what its encoding does not have is replaced."""
    return text.encode(_encoding(), "replace").decode(_encoding())


def _is_encodable(text: str) -> bool:
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

    problem = ""
    try:
        compiled = jmespath.compile(expression)
    except jmespath.exceptions.JMESPathError as error:
        problem = str(error).splitlines()[0].removeprefix("Invalid jmespath expression: ").rstrip(":")
    except RecursionError:
        problem = "it is nested too deep"
    if problem:
        raise click.BadParameter(
            f"{expression!r} is not a valid JMESPath expression: {problem}", param_hint="--transform"
        )

    def transform(item: object) -> object:
        try:
            found: object = compiled.search(item)
        except jmespath.exceptions.JMESPathError as error:
            problem = sanitize(error)  # it quotes the answer
        else:
            return found
        raise click.BadParameter(f"{expression!r} does not suit the answer: {problem}", param_hint="--transform")

    return transform
