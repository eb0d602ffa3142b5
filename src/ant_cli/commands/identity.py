"""`ant identity`: look at the identity token of this machine or job."""

from __future__ import annotations

import dataclasses
import os
import stat
from typing import TYPE_CHECKING

import click

from ant_cli import _github as github
from ant_cli import _logging as logs
from ant_cli._click.groups import AntGroup
from ant_cli._click.options import not_empty
from ant_cli._output import say
from ant_cli._session import Session, pass_session

if TYPE_CHECKING:
    from ant_wif._secrets import SecretStr
    from ant_wif._tokens import AccessToken
    from ant_wif.identity import Context, IdentitySource, IdentityToken


@click.group(
    cls=AntGroup,
    examples=(
        "ant identity detect",
        "ant identity claims",
    ),
)
def identity() -> None:
    """Inspect the workload's identity token."""


def _replaceable(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Refuse what a new file must not take the place of, such as /dev/null, which all users of the machine need."""
    not_empty(context, parameter, value)
    if value == "-" or (value and os.path.lexists(value) and not stat.S_ISREG(os.lstat(value).st_mode)):
        raise click.BadParameter(
            f"{value!r} is not a regular file; without the option the token is printed", ctx=context, param=parameter
        )
    return value


@identity.command(
    examples=(
        "ant identity detect",
        "ant identity detect --format json",
    )
)
@pass_session
def detect(session: Session) -> None:
    """Show the detected platform and identity source."""
    from ant_cli._output import print_item
    from ant_cli._terminal import fitted, width
    from ant_wif.errors import IdentityTokenError
    from ant_wif.identity import detect_all

    resolution = session.resolution()
    detections = detect_all(resolution.inputs.context(resolution.inputs.settings))
    try:
        selected = resolution.identity[0].source
    except IdentityTokenError:
        selected = None
    if session.for_programs:
        sources = [
            {
                "name": each.name,
                "detected": each.detected,
                "near_miss": each.near_miss is not None,
                "reason": each.reason,
            }
            for each in detections
        ]
        print_item(session, {"selected": selected, "sources": sources})
        return
    shown = []
    for each in detections:
        mark = "*" if each.name == selected else " "
        state = "yes" if each.detected else "part" if each.near_miss else "no"
        shown.append(f"{mark} {each.name:<16} {state:<5}{each.reason}")
    for line in fitted(shown, width()):
        say(line)
    if selected is None and any(each.near_miss for each in detections):
        say("no identity source: complete what is configured in part, or set ANT_IDENTITY_SOURCE", err=True)
    elif selected is None:
        say("no identity source was detected", err=True)
    elif selected not in {each.name for each in detections if each.detected}:
        say(f"* {selected:<16} {'-':<4} named explicitly")


@identity.command(
    examples=(
        "ant identity token",
        "ant identity token --output token.jwt",
        "ant identity token --watch --output token.jwt",
    )
)
@click.option("--audience", callback=not_empty, metavar="A", help="Audience to request. Default: the configured one.")
@click.option(
    "--output",
    callback=_replaceable,
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Write to FILE, with mode 0600, instead of stdout.",
)
@click.option("--watch", is_flag=True, help="With --output: rewrite FILE before each expiry, until stopped.")
@pass_session
def token(session: Session, *, audience: str | None, output: str | None, watch: bool) -> None:
    """Print the identity token.

    The token is a JWT and can be exchanged once. --watch is for a program that reads ANTHROPIC_IDENTITY_TOKEN_FILE
    each time it needs a token. If several processes read the file, only the first exchange succeeds. Use `ant exec`
    instead: it makes one exchange for all of them.
    """
    from ant_wif._secrets import sanitize_path

    if watch and output is None:
        raise click.UsageError("--watch needs --output FILE")
    with session.scope(on_closed_pipe=None if output is None else 1):
        if watch and output is not None:
            _watch(session, audience, output)
            return
        fetched = _fetch(session, audience)
        if output is None:
            github.mask(session.environ, fetched.assertion)
            click.echo(fetched.assertion.get_secret_value())
            return
        with session.scope(on_failure=1):
            _write(output, fetched.assertion)
        say(f"wrote {sanitize_path(output)}", err=True)


@identity.command(
    examples=(
        "ant identity claims",
        "ant identity claims --transform claims.sub -r",
    )
)
@click.option("--audience", callback=not_empty, metavar="A", help="Audience to request. Default: the configured one.")
@pass_session
def claims(session: Session, audience: str | None) -> None:
    """Print the claims of the identity token.

    The signature is neither printed nor verified.
    """
    from ant_cli._output import print_item

    fetched = _fetch(session, audience)
    print_item(session, {"header": dict(fetched.unverified_header), "claims": dict(fetched.unverified_claims)})


def _watch(session: Session, audience: str | None, output: str) -> None:
    from ant_wif._export import TokenRenewer
    from ant_wif._http import Flow
    from ant_wif._secrets import sanitize_path
    from ant_wif._tokens import TokenCache, TokenRequest

    source, context = _source(session, audience)

    def obtain(_: TokenRequest) -> Flow[AccessToken]:
        fetched = yield from source.fetch(context)
        return _as_access_token(fetched, context.clock())

    def put(token: AccessToken) -> None:
        with session.scope(on_failure=1):
            _write(output, token.secret)

    logs.warn_now_and_then()
    session.at_end.callback(logs.stop)
    broker = TokenRenewer(TokenCache(obtain, clock=context.clock).get, put, clock=context.clock)
    broker.step()
    say(f"wrote {sanitize_path(output)}, and will again before each expiry; stop this with Ctrl-C or SIGTERM", err=True)
    with session.scope(on_failure=1):
        broker.run()


def _as_access_token(fetched: IdentityToken, now: float) -> AccessToken:
    """Say when it expires. A token is as old as it says, unless this machine's clock says younger."""
    from ant_wif._tokens import AccessToken

    expires_at, issued_at = (fetched.unverified_claims.get(name) for name in ("exp", "iat"))
    ends = int(expires_at) if isinstance(expires_at, (int, float)) else int(now)
    begins = issued_at if isinstance(issued_at, (int, float)) else now
    return AccessToken(fetched.assertion, ends, max(1.0, ends - begins))


def _write(output: str, assertion: SecretStr) -> None:
    from pathlib import Path

    from ant_wif._files import write_atomically

    def content() -> bytes:
        return f"{assertion.get_secret_value()}\n".encode()

    write_atomically(Path(output), content, mode=0o600, folder_mode=0o700)


def _fetch(session: Session, audience: str | None) -> IdentityToken:
    from ant_wif._http import run

    source, context = _source(session, audience)
    return run(source.fetch(context), environ=session.environ)


def _source(session: Session, audience: str | None) -> tuple[IdentitySource, Context]:
    source, context = session.resolution().identity
    if audience:
        context = dataclasses.replace(context, audience=audience)
        if hasattr(source, "audience"):
            # What was asked for here beats what the profile says.
            source = dataclasses.replace(source, audience=audience)  # type: ignore[type-var]  # sources are dataclasses
    return source, context
