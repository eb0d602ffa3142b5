"""What `ant` says of an error, and the exit status that follows."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Mapping, Sequence

import click

from ant_cli._session import ReaderGoneError, Session
from ant_wif.errors import AntWifError

_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF}

DONE, FAILED, NO_CREDENTIAL, DENIED = 0, 1, 3, 4


def tell(error: Exception, session: Session, arguments: Sequence[str]) -> int:
    """Say on stderr what went wrong, and return the exit status."""
    if isinstance(error, click.ClickException):
        _remember_form(session, arguments)
        summary, *facts = _in_our_words(error)
        return _say(session, error, summary, _usage_hint(error, arguments), error.exit_code, facts=facts)
    if isinstance(error, (BrokenPipeError, ReaderGoneError)):
        _fall_silent()
        return getattr(error, "status", DONE)
    _trace(session, error)
    if not isinstance(error, AntWifError):
        return _say(session, error, *_unexpected(error, session.environ), FAILED)
    status = _say(session, error, error.summary, error.hint, _status(error, session), facts=error.facts)
    if session.after_error is not None and not session.error_format:
        session.after_error(session, error)
    return status


def _remember_form(session: Session, arguments: Sequence[str]) -> None:
    """Know the form of errors even where the command line could not be read."""
    if "format_error" in session.options:
        return
    for place, word in enumerate(arguments):
        option, _, value = word.partition("=")
        if option == "--format-error":
            session.options["format_error"] = value or "".join(arguments[place + 1 : place + 2])


def _trace(session: Session, error: Exception) -> None:
    if session.debug:
        import traceback

        from ant_cli._output import say
        from ant_wif._secrets import redact

        say(redact("".join(traceback.format_exception(error)).rstrip("\n")), lines=True, err=True)


def _status(error: AntWifError, session: Session) -> int:
    from ant_wif.errors import ConfigurationError, IdentityTokenError, LoginError, NoCredentialsError

    if getattr(error, "status", None) in {401, 403}:
        return DENIED
    chosen = session.chosen_status(error)
    if chosen is not None:
        return chosen
    if isinstance(error, (ConfigurationError, IdentityTokenError, LoginError, NoCredentialsError)):
        return NO_CREDENTIAL
    return FAILED


def _say(
    session: Session, error: Exception, summary: str, hint: str | None, status: int, *, facts: Sequence[str] = ()
) -> int:
    from ant_cli import _github as github
    from ant_cli._output import written
    from ant_cli._terminal import width, wrapped
    from ant_wif._secrets import harmless

    try:
        if session.error_format:
            click.echo(written(_as_document(error, summary, facts, hint, status), session.error_format), err=True)
        else:
            for line in (f"error: {summary}", *(f"  {fact}" for fact in facts), *([f"hint: {hint}"] if hint else ())):
                for part in wrapped(harmless(line, lines=True), width(sys.stderr)):
                    click.echo(part, err=True)
            github.annotate(session.environ, summary)
    except OSError:
        _fall_silent()
    return status


def _as_document(
    error: Exception, summary: str, facts: Sequence[str], hint: str | None, exit_status: int
) -> dict[str, object]:
    """Return the error in the shape of the API's own, with what is known besides."""
    said: Mapping[str, str] = getattr(error, "body", {})
    kind = said.get("type") or said.get("error") or type(error).__name__
    return {
        "type": "error",
        "error": {"type": kind, "message": said.get("message") or said.get("error_description") or summary},
        "request_id": getattr(error, "request_id", None),
        "status": getattr(error, "status", None),
        "summary": summary,
        "facts": list(facts),
        "hint": hint,
        "exit_status": exit_status,
    }


def _in_our_words(error: click.ClickException) -> list[str]:
    """Return the summary and the facts of an error of click: without capital and full stop, as those of the library."""
    from ant_wif._secrets import redact

    text = error.format_message()
    if isinstance(error, click.NoSuchOption):
        text = f"unknown option {error.option_name!r}"
    text = re.sub(r"(,?)\n\t", r"\1 ", text)  # as the choices of an argument are listed
    text = re.sub(r"Got unexpected extra (arguments?) \((.*)\)", r"unknown \1: \2", text)
    text = re.sub(r"is not a valid (integer|number)\b", "is not a whole number", text)
    text = redact(re.sub(r"is not a valid float( range)?\b", "is not a number", text))
    text = text[:1].lower() + text[1:] if text[1:2].islower() else text
    return [line.strip() for line in text.rstrip(".").splitlines()] or [""]


def _fall_silent() -> None:
    from ant_cli._logging import fall_silent

    fall_silent(sys.stdout, sys.stderr)


def _usage_hint(error: click.ClickException, words: Sequence[str]) -> str | None:
    found: str | None = getattr(error, "hint", None)
    if found is None and isinstance(error, click.UsageError) and error.ctx is not None:
        from ant_cli._click.suggesting import hint_for

        found = hint_for(error, error.ctx, words) or f"{error.ctx.command_path} --help"
    return found


def _unexpected(error: Exception, environ: Mapping[str, str]) -> tuple[str, str | None]:
    from ant_cli._logging import fall_silent
    from ant_wif._secrets import has_surrogates, sanitize

    if isinstance(error, OSError) and error.errno in _UNWRITABLE and error.filename is None:
        fall_silent(sys.stdout)  # where what is left would be tried once more
        return f"the output cannot be written: {error.strerror}", None
    if isinstance(error, UnicodeEncodeError):
        names = [name for name, value in environ.items() if has_surrogates(value)]
        what = ", ".join(map(sanitize, names)) or "an argument"
        return f"{what} holds bytes that are not valid UTF-8", f"correct {what}"
    return (
        f"unexpected {type(error).__name__}: {sanitize(error)}",
        "this is a bug in ant-wif: run again with --debug and report what it prints",
    )
