"""`ant exec`: run a program with a credential that stays fresh for as long as it runs."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from ant_cli import _github as github
from ant_cli import _logging as logs
from ant_cli._click import completing
from ant_cli._click.groups import AntCommand
from ant_cli._output import say
from ant_cli._session import Session, pass_session
from ant_wif._environment import IS_POSIX, group_named

if TYPE_CHECKING:
    from ant_wif._secrets import SecretStr
    from ant_wif._tokens import AccessToken
    from ant_wif.credentials import Credentials

NOT_EXECUTABLE, NOT_FOUND = 126, 127


def _group_id(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    if not IS_POSIX:
        raise click.BadParameter("this system has no group IDs")
    if value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    try:
        return group_named(value)
    except (KeyError, ValueError):
        raise click.BadParameter(f"{value!r} is not the ID or the name of a group") from None


@click.command(
    "exec",
    cls=AntCommand,
    on_closed_pipe=1,
    examples=(
        "ant exec -- python app.py",
        "ant exec --env -- python app.py",
        "ant exec --profile staging -- python app.py",
    ),
    context_settings={"allow_interspersed_args": False},
)
@click.option("--env", "by_variable", is_flag=True, help="Pass the token in a variable. It is not refreshed.")
@click.option(
    "--as-api-key", is_flag=True, help="Pass the token as ANTHROPIC_API_KEY, for programs that know only that."
)
@click.option(
    "--github-mask",
    "by_mask",
    is_flag=True,
    help="In GitHub Actions, mask the token in the log. Prints it to stderr for the runner.",
)
@click.option(
    "--group",
    callback=_group_id,
    metavar="GID",
    help="Let this group read the credential's file. Most official SDKs then refuse it. ID or name.",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, shell_complete=completing.files)
@pass_session
def exec_(
    session: Session,
    command: tuple[str, ...],
    *,
    by_variable: bool,
    as_api_key: bool,
    by_mask: bool,
    group: int | None,
) -> int:
    """Run a program with a credential that stays fresh.

    COMMAND finds the credential in a profile, which every official SDK and tool reads. Put -- before a COMMAND that
    has options. Returns the exit status of COMMAND, 127 if it does not exist, 126 if it cannot be run.
    """
    if by_variable and group is not None:
        raise click.UsageError("--env passes the token in a variable: --group has no file to share")
    problem = _cannot_run(command[0], session.environ)
    if problem is not None:
        return problem
    credentials = session.credentials()
    token = credentials.access_token()
    if token.expires_at is None and credentials.source in {"api_key", "auth_token"}:
        _say_what_would_be_refreshed(session, credentials)
        return _replace(command, session, credentials, token, as_api_key=as_api_key, by_mask=by_mask)
    if by_variable or as_api_key:
        from ant_cli.commands.auth.status import expiry

        logs.try_to_say(f"note: the token {expiry(token.expires_at)} and is not refreshed")
        return _replace(command, session, credentials, token, as_api_key=as_api_key, by_mask=by_mask)
    with session.scope(on_failure=1):
        return _run(command, session, credentials, by_mask=by_mask, group=group)


def _run(
    command: tuple[str, ...], session: Session, credentials: Credentials, *, by_mask: bool, group: int | None
) -> int:
    from ant_cli._process import Ended, Relay
    from ant_wif._environment import Environment
    from ant_wif._export import AHEAD_SECONDS, ExportedProfile, TokenRenewer

    logs.warn_now_and_then()
    session.at_end.callback(logs.stop)
    credentials.refresh_ahead(AHEAD_SECONDS)
    masked: list[SecretStr] = []

    def obtain() -> AccessToken:
        token = credentials.access_token()
        if by_mask and token.secret not in masked:
            github.mask(session.environ, token.secret, amid=bool(masked))
            masked[:] = [token.secret]
        return token

    with Relay() as relay:
        handover = ExportedProfile(Environment(session.environ), credentials, group=group)
        try:
            with TokenRenewer(obtain, handover.put, ahead=AHEAD_SECONDS) as broker:
                broker.step()
                child = relay.run(command, handover.variables(session.environ, credentials.base_url))
                # Only now: a process with threads had better not fork.
                broker.start()
                return relay.wait(child)
        except Ended as ended:
            return ended.status
        except OSError as error:
            return _say(command[0], _why_not_started(error), NOT_EXECUTABLE)
        finally:
            handover.remove()


def _replace(
    command: tuple[str, ...],
    session: Session,
    credentials: Credentials,
    token: AccessToken,
    *,
    as_api_key: bool,
    by_mask: bool,
) -> int:
    """Become the program: there is nothing left to do here. Where `ant` is a guest, run it and wait instead."""
    from ant_wif._export import in_variables

    if by_mask:
        github.mask(session.environ, token.secret)

    def environ() -> dict[str, str]:  # which no frame holds that an error passes
        return in_variables(session.environ, credentials, token, as_api_key=as_api_key)

    try:
        if session.is_guest:
            status = subprocess.run(command, env=environ(), check=False).returncode  # noqa: S603  # the very purpose
            return status if status >= 0 else 128 - status
        os.execvpe(command[0], command, environ())  # noqa: S606  # as above
    except OSError as error:
        return _say(command[0], _why_not_started(error), NOT_EXECUTABLE)


def _say_what_would_be_refreshed(session: Session, credentials: Credentials) -> None:
    """A static credential in front of one that could be kept fresh is mostly an exported token, which ends."""
    from ant_wif.errors import AntWifError

    with contextlib.suppress(AntWifError):
        other = session.resolution().require(lambda candidate: candidate.source in {"api_key", "auth_token"})
        logs.try_to_say(
            f"note: {credentials.origin} is handed on as it is, and never refreshed; "
            f"without it, {other.origin} would be kept fresh"
        )


def _cannot_run(program: str, environ: Mapping[str, str]) -> int | None:
    """Say what is wrong with a program before an identity token is spent on it."""
    path = environ.get("PATH", os.defpath)
    if shutil.which(program, path=path):
        return None
    if os.path.exists(program) if os.path.dirname(program) else shutil.which(program, os.F_OK, path):
        return _say(program, "Is a directory" if os.path.isdir(program) else "Permission denied", NOT_EXECUTABLE)
    return _say(program, "no such program", NOT_FOUND)


def _why_not_started(error: OSError) -> str:
    """Say why the system did not start a program that is there."""
    if error.errno == errno.ENOENT:
        return "the interpreter that it names does not exist; in a script see its first line, and its line ends"
    return error.strerror or type(error).__name__


def _say(program: str, problem: str, status: int) -> int:
    from ant_wif._secrets import sanitize

    hint = (
        "check its spelling and PATH; options of `ant exec` stand before the program"
        if status == NOT_FOUND
        else "name a file that may be executed (chmod +x), or its interpreter before it"
    )
    say(f"error: {sanitize(program, limit=200)} cannot be run: {problem}", err=True)
    say(f"hint: {hint}", err=True)
    return status
