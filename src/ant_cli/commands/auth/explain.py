"""`ant auth explain`: why an exchange is denied."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from ant_cli._click.groups import AntCommand
from ant_cli._session import Session, pass_session
from ant_cli._terminal import width, wrapped
from ant_wif._secrets import harmless
from ant_wif.errors import AntWifError, ExchangeError

if TYPE_CHECKING:
    from ant_wif.diagnostics.explain import Explanation
    from ant_wif.rules import Check

_DENIED = 4  # the exit status
_UNAUTHORIZED = 401
_MARKS = {"passed": "✓", "failed": "✗", "unchecked": "?"}
_PLAIN_MARKS = {"passed": "+", "failed": "x", "unchecked": "?"}
_WIDTH = 38
_INDENT = " " * 6

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    cls=AntCommand,
    examples=(
        "ant auth explain",
        "ant auth explain --profile admin",
        "ant auth explain --format json",
    ),
)
@click.option("--rule", type=_FILE, metavar="FILE", help="Federation rule of the Admin API, in JSON or YAML.")
@click.option("--issuer", type=_FILE, metavar="FILE", help="Issuer of the Admin API, in JSON or YAML.")
@click.option("--jwks", type=_FILE, metavar="FILE", help="JWKS of the issuer.")
@pass_session
def explain(session: Session, *, rule: Path | None, issuer: Path | None, jwks: Path | None) -> int:
    """Explain why a token exchange is denied.

    The server returns the same error for every denial, so this command runs the server's checks locally. It reads the
    rule and the issuer with the login of an administrator (--profile, scope org:admin) or from files. Without them, it
    checks the identity token alone. The token is not sent to the server. Exits with 4 if a check fails.
    """
    from ant_wif.diagnostics.explain import Registered
    from ant_wif.diagnostics.explain import explain as explain_
    from ant_wif.diagnostics.registered import registered_for

    with session.scope(on_failure=2):
        given = Registered.load(rule=rule, issuer=issuer, jwks=jwks)
    resolution = session.resolution()
    found = explain_(resolution, given.over(registered_for(resolution)))
    if session.for_programs:
        from ant_cli._output import print_item

        print_item(session, found.as_json())
    else:
        print_explanation(found, sys.stdout)
    return _DENIED if found.reason else 0


def explain_denial(session: Session, error: AntWifError) -> None:
    """Print to stderr why an exchange was denied, where `error` is that."""
    if isinstance(error, ExchangeError) and error.status == _UNAUTHORIZED:
        from ant_wif.diagnostics.explain import explain as explain_

        # What cannot be explained must not hide the error that was just printed.
        with suppress(AntWifError, BrokenPipeError):
            print_explanation(explain_(session.resolution()), sys.stderr)


def print_explanation(found: Explanation, to: TextIO | None) -> None:
    """Print it for a person."""
    marks = _MARKS
    try:
        "".join(_MARKS.values()).encode(getattr(to, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        marks = _PLAIN_MARKS
    for line in _lines(found, marks):
        for part in wrapped(harmless(line), width(to)):
            click.echo(part, file=to)


def _lines(found: Explanation, marks: dict[str, str]) -> Iterator[str]:
    yield f"The identity token is from {found.identity_source}. Its claims are not verified."
    if found.registered_from:
        yield f"Rule, issuer and service account are as registered now, read with {found.registered_from}."
    yield ""
    for check in found.checks:
        yield from _check_lines(check, marks)
    # The one cause of a known reason is in its check already.
    causes = found.causes if len(found.causes) > 1 or not found.reason else ()
    if causes:
        yield ""
        yield "Likely causes, by the token's unverified claims, the most likely first:"
        for number, cause in enumerate(causes, 1):
            yield f"  {number}. {cause}"
    yield ""
    if found.reason:
        yield f"Denied: {found.reason}. {found.remedy}"
    else:
        unchecked = sum(check.unchecked for check in found.checks)
        yield f"No check failed{f', and {unchecked} checks could not be made' if unchecked else ''}."
        if unchecked:
            yield "If the exchange is denied, the reason is probably one of those."
            if not found.registered_from:
                yield "To make all checks, name the login of an administrator (org:admin):"
                yield "  ant auth explain --profile NAME"
            yield "To make more of them, give --rule, --issuer and --jwks."
            yield "The authentication history in the Console has the reason of each denial."


def _check_lines(check: Check, marks: dict[str, str]) -> Iterator[str]:
    yield f"{marks[check.state]} {check.number:>2}  {check.title:<{_WIDTH}} {check.found}".rstrip()
    if not check.passed:
        if check.wanted:
            yield f"{_INDENT}expected: {check.wanted}"
        maybe = f"Perhaps {check.reason}. " if check.unchecked and check.reason else ""
        yield f"{_INDENT}{maybe}{check.sentence}"
