"""`file`: an identity token that something else keeps in a file."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ant_wif._constants import MAX_ASSERTION_BYTES
from ant_wif._files import read_up_to, wide_text
from ant_wif._http import Flow, call
from ant_wif._secrets import SecretStr, sanitize_path
from ant_wif.errors import IdentitySourceError, IdentityTokenError
from ant_wif.identity.source import Context, Detection, IdentitySource, detected, not_detected, refused
from ant_wif.identity.token import IdentityToken

VARIABLE = "ANTHROPIC_IDENTITY_TOKEN_FILE"
# Where a pod finds tokens for other services. In many images /var/run is a link to /run.
_FOREIGN = {"kubernetes.io": "the cluster's own API", "eks.amazonaws.com": "AWS STS"}
_MOUNTS = ("/var/run/secrets", "/run/secrets")


class InFile(IdentitySource):
    """A source whose token something else keeps in the file at `path`."""

    path: str
    compares_audience: ClassVar[bool] = False
    """Whether a token in the file must be for `context.audience`."""

    @property
    def description(self) -> str:
        return f"the file {sanitize_path(self.path)}"

    def asks_for(self, context: Context) -> str:
        return sanitize_path(self.path)

    def at_hand(self, context: Context) -> SecretStr | None:
        path = context.environ.expand(self.path)
        with contextlib.suppress(IdentitySourceError, OSError, ValueError):
            # A pipe can be read once, and its reader is `fetch`.
            return read_token(path) if os.path.isfile(path) else None
        return None

    def unusable(self, context: Context) -> IdentityTokenError | None:
        path = context.environ.expand(self.path)
        if os.path.isfile(path) or os.path.isdir(path) or not os.path.exists(path):  # a pipe is for `fetch`
            return refused(lambda: self._read(context))
        return None

    def fetch(self, context: Context) -> Flow[IdentityToken]:
        return (yield from call(lambda: self._read(context)))

    def _read(self, context: Context) -> IdentityToken:
        path = context.environ.expand(self.path)
        refuse_foreign(path, context.audience)
        named_by = VARIABLE if context.environ.text(VARIABLE) == self.path else context.path_named_by
        return context.parse(
            self, read_token(path, where=named_by), audience=context.audience if self.compares_audience else None
        )


@dataclass(frozen=True)
class File(InFile):
    """The file at `path`, read again at every exchange, because its writer may rotate it."""

    path: Annotated[str, Field(min_length=1)]
    source: Literal["file"] = "file"

    title: ClassVar[str] = "identity token file"

    @classmethod
    def detect(cls, context: Context) -> Detection:
        path = context.environ.text(VARIABLE)
        if path is None:
            return not_detected("file", f"{VARIABLE} is not set")
        return detected(cls(path), f"{VARIABLE} is set")


_TOKEN_FILE = "the identity token file"  # noqa: S105 - words of a message


def refuse_foreign(path: Path, audience: str) -> None:
    """Refuse the tokens of a pod that are for other services.

    Raises IdentitySourceError: `path` is where such a token is mounted.
    """
    # By the name it is given, and by the place that this name leads to.
    plain = {f"/{os.path.normpath(path).lstrip('/')}"}
    with contextlib.suppress(OSError, ValueError):  # a path that leads nowhere is for the reader to refuse
        plain.add(os.path.realpath(path))
    for folder, party in _FOREIGN.items():
        if any(each.startswith(f"{mount}/{folder}/") for mount in _MOUNTS for each in plain):
            raise IdentitySourceError(
                f"{sanitize_path(path)} is the pod's token for {party}, and is not presented elsewhere",
                hint=f"add a projected serviceAccountToken volume with the audience {audience}, and name its path",
            )


def read_token(path: Path, *, where: str = "the profile", what: str = _TOKEN_FILE) -> SecretStr:
    """Read a token that something else keeps in a file; `where` says in the hint what names the path.

    `what` is how a message calls the file.

    Raises IdentitySourceError: there is none that could be read.
    """
    problem, hint = "", f"check the path in {where}"
    try:
        # A byte over the limit is enough to know that it is not a token.
        found = _decoded(read_up_to(path, MAX_ASSERTION_BYTES + 1023), is_token=what == _TOKEN_FILE)
        if isinstance(found, SecretStr):
            return found
        problem, hint = found
    except FileNotFoundError:
        problem = "does not exist"
    except IsADirectoryError:
        problem, hint = "is a directory", "name the token file itself, not the folder it is in"
    except PermissionError:
        problem, hint = "may not be read by this user", f"run `ls -l {sanitize_path(path)}` and check owner and mode"
    except ValueError:
        problem = "has a name that no file can have"
    except OSError as error:
        problem = f"could not be read ({error.strerror or type(error).__name__})"
    raise IdentitySourceError(f"{what} {sanitize_path(path)} {problem}", hint=hint)


def _decoded(raw: bytes, *, is_token: bool) -> SecretStr | tuple[str, str]:
    """Return the text, or what is wrong with it and what to do: this frame holds the bare secret."""
    if wide := wide_text(raw):
        return f"is {wide} text{', as PowerShell writes it with `>`' * (wide == 'UTF-16')}", "save it as UTF-8"
    try:
        return SecretStr(raw.decode("utf-8-sig"))
    except UnicodeDecodeError:
        if is_token:
            return "is binary, not a JWT", "name the file that holds the OIDC token"
        return "is binary, not text", "name the file that holds the secret alone"
