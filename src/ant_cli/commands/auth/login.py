"""`ant auth login`: a browser, an address to open elsewhere, a code to paste."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, TextIO

import click

from ant_cli._click.groups import AntCommand
from ant_cli._click.options import Number, not_empty
from ant_cli._output import say
from ant_cli._session import Session, pass_session
from ant_cli._terminal import is_terminal
from ant_wif._environment import HAS_DESKTOP, span

if TYPE_CHECKING:
    from ant_wif._profiles import Listener, LoggedIn, LoginPlan
    from ant_wif._tokens import AuthorizationRequest, AuthorizationResponse

_FRAMES = "|/-\\"
_FRAME_SECONDS = 0.2
_LONGEST_LINE = 1 << 16
_PASTES = 5
_OPEN = "Open this page in a browser:"

Outcome = Mapping[str, str] | str | None
"""What came: the query of a callback, a pasted text, or `None` for an end of input."""


@click.command(
    cls=AntCommand,
    on_failure=1,
    on_closed_pipe=1,
    examples=(
        "ant auth login",
        "ant auth login --no-browser",
        "ant auth login --no-browser --callback-port 8765",
        "ant auth login --profile admin --scope org:admin",
    ),
)
@click.option(
    "--no-browser", is_flag=True, help="Do not open a browser. Add --callback-port to use ssh -L PORT:localhost:PORT."
)
@click.option("--callback-port", type=Number(0, 65535), help="Port of 127.0.0.1 to listen on. 0: any free port.")
@click.option(
    "--timeout", default="5m", show_default=True, metavar="TIME", help="Timeout for the login, e.g. 90s, 5m or 1h30m."
)
@click.option("--client-id", callback=not_empty, metavar="ID", help="OAuth client ID.")
@click.option(
    "--scope",
    callback=not_empty,
    metavar="SCOPES",
    help="Scopes to request, e.g. org:admin.",
)
@click.option("--console-url", callback=not_empty, metavar="URL", help="Console URL.")
@pass_session
def login(
    session: Session,
    *,
    no_browser: bool,
    callback_port: int | None,
    timeout: str,
    client_id: str | None,
    scope: str | None,
    console_url: str | None,
) -> None:
    """Log in with a browser.

    The login is stored in a profile, which every official tool reads.
    """
    from ant_wif._profiles import plan_login

    patience = seconds(timeout)
    own = {"oauth_client_id": client_id, "scope": scope, "console_url": console_url}
    session.options.update({name: value for name, value in own.items() if value is not None})
    resolution = session.resolution(*own)
    active = resolution.inputs.directory.active(session.options.get("profile"))
    prepared = plan_login(resolution.inputs.directory, active, resolution.inputs.arguments, resolution.inputs.environ)
    _log_in(session, prepared, browser=not no_browser, port=callback_port, timeout=patience)


def _log_in(session: Session, plan: LoginPlan, *, browser: bool, port: int | None, timeout: float) -> None:
    """Carry out a plan. Raises AntWifError."""
    from ant_wif._http import run
    from ant_wif.errors import LoginError

    def finish(answer: AuthorizationResponse) -> LoggedIn:
        return run(plan.finish(attempt, answer), environ=session.environ)

    attempt = plan.attempt()
    outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
    with ExitStack() as stack:
        loopback, listener = None, None
        if browser or port is not None:
            from ant_wif._profiles import Listener

            listener = stack.enter_context(Listener(port or 0, outcomes.put, attempt.is_ours))
            loopback = attempt.loopback_uri(listener.port)
        _invite(session, attempt, loopback, listener if browser else None)
        threading.Thread(target=_read_pasted, args=(session.stdin, outcomes), daemon=True).start()
        indicator = _Indicator(session, time.monotonic() + timeout)
        found = _wait(outcomes, attempt, loopback, indicator, finish)
        if found is None:
            raise LoginError(
                f"the login timed out after {span(timeout)}",
                hint="run the command again; --timeout gives more time",
            )
    _tell(found, plan)
    _say_what_is_used_instead(session, plan)
    if found.replaced:
        # The last line, because it is about what the next command does.
        there = found.replaced in plan.directory.names()
        back = f"); ant profile activate {found.replaced}" if there else ", which does not exist)"
        say(f"active profile: {plan.active.name} (was {found.replaced}{back}", err=True)


def _invite(session: Session, attempt: AuthorizationRequest, loopback: str | None, listener: Listener | None) -> None:
    if loopback is not None:
        url = attempt.authorize_url(loopback)
        opens = listener is not None and _has_desktop(session.environ)
        lead = "Your browser opens this page; if it does not, open it yourself:" if opens else _OPEN
        say(f"{lead}\n\n  {url}\n", lines=True, err=True)
        say("If the browser is on another machine, open this page there, and paste the code it shows:", err=True)
        if opens and listener is not None:
            _open(session.environ, listener.opening(url))
    else:
        say("Open this page in a browser, and paste the code it shows:", err=True)
    say(f"\n  {attempt.authorize_url(attempt.paste_uri)}\n", lines=True, err=True)
    _prompt()


def _prompt() -> None:
    if is_terminal(sys.stderr):
        click.echo("\nCode: ", nl=False, err=True)


def _has_desktop(environ: Mapping[str, str]) -> bool:
    """A browser that takes over the terminal does not count."""
    return HAS_DESKTOP or any(environ.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"))


def _open(environ: Mapping[str, str], url: str) -> None:
    """Open the browser from a process apart: it may stay in the foreground, read and write as it likes."""
    with contextlib.suppress(OSError):
        subprocess.Popen(  # noqa: S603  # no shell, our own URL
            [sys.executable, "-m", "webbrowser", url],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def _read_pasted(stdin: TextIO | None, outcomes: queue.SimpleQueue[Outcome]) -> None:
    """Hand over lines as they are pasted; the end of input is not one.

    Reads the descriptor: a thread that waits in `sys.stdin` holds its lock, over which Python stumbles at its exit.
    """
    with contextlib.suppress(OSError, ValueError):
        if stdin is not None:
            with os.fdopen(stdin.fileno(), "rb", buffering=0, closefd=False) as pasted:
                while line := pasted.readline(_LONGEST_LINE):
                    if text := line.decode("utf-8", "replace").strip():
                        outcomes.put(text)
    outcomes.put(None)


def _wait(
    outcomes: queue.SimpleQueue[Outcome],
    attempt: AuthorizationRequest,
    loopback: str | None,
    indicator: _Indicator,
    finish: Callable[[AuthorizationResponse], LoggedIn],
) -> LoggedIn | None:
    """Wait for whichever comes first, and `finish` the login; what is pasted wrongly is asked for again.

    Raises LoginError: the login was refused, or nothing that was pasted belongs to this attempt.
    """
    from ant_wif._tokens import AuthorizationResponse, AuthorizationResponseError
    from ant_wif.errors import LoginError

    wrong: LoginError | None = None
    pastes = _PASTES
    while (left := indicator.left()) > 0:
        try:
            outcome = outcomes.get(timeout=min(left, _FRAME_SECONDS))
        except queue.Empty:
            indicator.turn()
            continue
        if outcome is not None:
            indicator.end()
            is_pasted = isinstance(outcome, str)
            found = (
                attempt.pasted(outcome, loopback)
                if isinstance(outcome, str)
                else attempt.answer(dict(outcome), loopback or attempt.paste_uri)
            )
            del outcome  # it holds the code, and this frame may raise
            if isinstance(found, AuthorizationResponse):
                try:
                    return finish(found)
                except AuthorizationResponseError as error:
                    found = error
            pastes -= 1
            if not is_pasted or not pastes or found.reason not in {"state", "code", "rejected"}:
                raise found
            wrong = found
            say(f"Not used: {found.summary}. Paste the code that the page above shows:", err=True)
            _prompt()
            indicator.go_on()
            continue
        if loopback is None:
            raise wrong or LoginError(
                "no code was pasted, and standard input has ended",
                hint="run the command in a terminal, or without --no-browser where there is a browser",
            )
        indicator.end()
        say("(Standard input has ended: only a browser on this machine can complete the login.)", err=True)
    indicator.end()
    return None


class _Indicator:
    """Shows in a terminal that something is waited for, one line above the prompt; nothing in a pipe."""

    def __init__(self, session: Session, until: float) -> None:
        self._until = until
        self._may_be_shown = is_terminal(sys.stderr) and session.environ.get("TERM", "dumb") != "dumb"
        self._shown = self._may_be_shown
        self._frame = 0

    def left(self) -> float:
        """Return the seconds that are left to wait."""
        return self._until - time.monotonic()

    def turn(self) -> None:
        if self._shown:
            left = max(0, int(self.left()))
            frame = _FRAMES[self._frame % len(_FRAMES)]
            self._frame += 1
            self._write(f"{frame} waiting, for {left // 60}:{left % 60:02} more")

    def go_on(self) -> None:
        """Show it again, above a new prompt."""
        self._shown = self._may_be_shown

    def end(self) -> None:
        """Leave the prompt's line."""
        if self._shown:
            self._write("")
            click.echo("", err=True)
        self._shown = False

    def _write(self, text: str) -> None:
        text = text[: shutil.get_terminal_size().columns - 1]
        # Saved and restored, so that what is being typed in the prompt stays where it is.
        sys.stderr.write(f"\x1b7\x1b[1A\r{text}\x1b[K\x1b8")
        sys.stderr.flush()


def _tell(found: LoggedIn, plan: LoginPlan) -> None:
    def both(name: str | None, key: str | None) -> str:
        return f"{name} ({key})" if name and key else name or key or "not named by the server"

    say(f"Logged in{f' as {found.account_email}' if found.account_email else ''}", err=True)
    say(f"  organization:  {both(found.organization_name, found.organization_id)}", err=True)
    say(f"  workspace:     {both(found.workspace_name, found.workspace_id)}", err=True)
    say(f"  profile:       {plan.active.name}, {found.config_path}", err=True)
    say(f"  credentials:   {found.credentials_path}", err=True)
    for note in found.notes:
        say(f"note: {note}", err=True)


def _say_what_is_used_instead(session: Session, plan: LoginPlan) -> None:
    """Name what the next command, without any option, would use in place of this login."""
    from ant_wif._environment import Environment
    from ant_wif._resolution import Resolution, ResolutionContext
    from ant_wif.errors import AntWifError

    try:
        chosen = Resolution(ResolutionContext({}, Environment(session.environ))).chosen
    except AntWifError:
        return
    name = plan.active.name
    if chosen is not None and chosen.origin != f"profile:{name}":
        variable = "ANTHROPIC_PROFILE" if chosen.tier == 3 else chosen.origin
        unset = f", or unset {variable}" if variable.isupper() else ""
        say(
            f"note: commands use {chosen.origin} and not this login; to use it: ant --profile {name} …{unset}",
            err=True,
        )


_PART = r"([0-9]{1,6}(?:\.[0-9]{1,6})?)(h|ms|m|s)"
_UNITS = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}


def seconds(text: str) -> float:
    """Read a duration such as `90`, `90s`, `5m0s`, `1.5h` or `1h30m`. Raises BadParameter if it is not one."""
    text = text.strip()
    stated = f"{text}s" if text.isdigit() else text
    parts = re.findall(_PART, stated) if re.fullmatch(f"(?:{_PART})+", stated) else []
    total = round(sum(float(number) * _UNITS[unit] for number, unit in parts), 6)
    if total == 0:
        raise click.BadParameter(
            f"{text!r} is not a valid duration; expected hours (h), minutes (m), seconds (s) or milliseconds (ms), "
            "e.g. 90s, 1.5h or 1h30m",
            param_hint="--timeout",
        )
    return float(total)
