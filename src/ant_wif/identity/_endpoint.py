"""Asking a platform's own endpoint for a token, and saying what is wrong when it gives none."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ant_wif._environment import LONGEST_SOCKET_PATH
from ant_wif._http import (
    EMPTY,
    HTML,
    Backoff,
    Flow,
    Request,
    RequestFailure,
    Response,
    is_transient,
    send_again,
    what_it_is,
)
from ant_wif._secrets import SecretStr, sanitize
from ant_wif.errors import IdentitySourceError, IdentityTokenError

ATTEMPTS = 3
DEADLINE_SECONDS = 20.0
_SHOWN_BYTES = 1 << 16
_NO_PROXY = "check that no proxy answers in its place"

Explain = Callable[[Response, str], IdentityTokenError | None]


@dataclass(frozen=True)
class Endpoint:
    """An endpoint that hands out tokens: how messages call it, and what to do when it fails."""

    name: str
    remedy: str
    unreachable: str = ""
    """What to do where it cannot be reached, if that is something else."""
    passing: Callable[[Response], bool] = lambda _: False
    """Whether a failure passes by itself though its status does not say so."""

    def token(
        self, request: Request, *path: str, sent: Sequence[SecretStr] = (), explain: Explain = lambda _, __: None
    ) -> Flow[SecretStr]:
        """Send a request until a token comes; what passes by itself is tried again for a few seconds.

        The token is what `path` leads to through the objects of a JSON answer, or the whole answer without one.

        `explain` may know more of another answer (it gets the error fields, or the start of the body, cleaned of
        what was `sent`) and return the error for it.

        Raises IdentitySourceError: it cannot be reached, or refuses, or its answer has no token there.
        """
        request = replace(request, known=tuple(sent), token_at=path)

        def passes(reply: Response | RequestFailure) -> bool:
            return is_transient(reply) or (isinstance(reply, Response) and self.passing(reply))

        backoff = Backoff(attempts=ATTEMPTS, deadline=DEADLINE_SECONDS, passes=passes)
        reply = yield from send_again(request, backoff)
        if isinstance(reply, RequestFailure) or reply.status not in {200, 201}:
            raise self._failure(reply, sent, explain)
        found = reply.text_at(path) if path else SecretStr(reply.body.decode("utf-8", "replace").strip())
        if found is None:
            raise IdentitySourceError(
                f"{self.name} returned something other than a JSON object with a field `{'.'.join(path)}`",
                hint=f"{_NO_PROXY}; {self.remedy}",
            )
        return found

    def _failure(
        self, reply: Response | RequestFailure, sent: Sequence[SecretStr], explain: Explain
    ) -> IdentityTokenError:
        if isinstance(reply, RequestFailure):
            return IdentitySourceError(
                f"{self.name} could not be reached: {reply.reason}",
                hint=reply.hint or self.unreachable or self.remedy,
            )
        error = reply.error(sent)
        kind, shown = what_it_is(reply.body), error.said
        if not error.fields and not reply.is_redirect and kind not in {EMPTY, HTML}:
            shown = sanitize(reply.body[:_SHOWN_BYTES].decode("utf-8", "replace"), known=sent)
        remedy = f"{_NO_PROXY}; {self.remedy}" if kind == HTML or reply.is_redirect else self.remedy
        if is_transient(reply) and not remedy.startswith("run "):
            remedy = f"run again in a minute; if it persists, {remedy}"
        return explain(reply, shown) or IdentitySourceError(
            f"{self.name} returned HTTP {reply.status}: {shown}", hint=remedy
        )


def file_problem(error: OSError) -> str:
    """Say why a file cannot be used, for behind its path."""
    known = next((said for kind, said in _FILE_PROBLEMS.items() if isinstance(error, kind)), None)
    return known or f"cannot be used ({sanitize(error.strerror or type(error).__name__)})"


_FILE_PROBLEMS: Mapping[type, str] = {
    FileNotFoundError: "does not exist",
    PermissionError: "may not be read or run by this user",
    IsADirectoryError: "is a directory",
}


def socket_problem(path: Path, remedy: str) -> tuple[str, str] | None:
    """Say why no Unix socket can be reached at `path`, without connecting, and what to do; mostly that is `remedy`."""
    size = len(os.fsencode(path))
    if size > LONGEST_SOCKET_PATH:
        problem = f"has a path of {size} bytes, and that of a socket may have {LONGEST_SOCKET_PATH}"
        return problem, "use a shorter path, such as that of a symbolic link to its folder"
    try:
        found = stat.S_ISSOCK(path.stat().st_mode)
    except PermissionError:
        return "may not be reached by this user", remedy
    except (OSError, ValueError):
        return "does not exist", remedy
    return None if found else ("is another kind of file", remedy)
