"""Data on stdout, in the form that was asked for."""

from __future__ import annotations

import json
from collections.abc import Iterable

import click

from ant_cli.options import Session

__all__ = ["print_item", "print_items"]


def print_item(session: Session, item: object) -> None:
    """Print one document: JSON unless another form was asked for."""
    click.echo(_written(_transformed(session, item), session.format, raw=bool(session.options.get("raw_output"))))


def print_items(session: Session, items: Iterable[object]) -> None:
    """Print a list one item at a time, as each arrives: one JSON document a line unless another form was asked for."""
    kind = "jsonl" if session.format == "auto" else session.format
    for number, item in enumerate(items):
        if kind == "yaml" and number:
            click.echo("---")
        click.echo(_written(_transformed(session, item), kind, raw=bool(session.options.get("raw_output"))))


def _transformed(session: Session, item: object) -> object:
    expression = session.options.get("transform")
    if expression is None:
        return item
    import jmespath.exceptions

    try:
        found: object = jmespath.search(expression, item)
    except jmespath.exceptions.JMESPathError as error:
        problem = str(error).splitlines()[0]
        raise click.BadParameter(
            f"{expression!r} is no JMESPath expression: {problem}", param_hint="--transform"
        ) from None
    return found


def _written(item: object, kind: str, *, raw: bool) -> str:
    if isinstance(item, str) and (raw or kind == "raw"):
        return item
    if kind == "yaml":
        import yaml

        return yaml.safe_dump(item, sort_keys=False, allow_unicode=True).rstrip("\n").removesuffix("\n...")
    return json.dumps(item, ensure_ascii=False, indent=None if kind in {"jsonl", "raw"} else 2)
