"""`command`: an identity token that a program of yours prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ant_wif._http import Flow, call
from ant_wif._secrets import sanitize_path
from ant_wif.identity._subprocess import TIMEOUT_SECONDS, token_printed_by
from ant_wif.identity.source import Context, IdentitySource
from ant_wif.identity.token import IdentityToken


@dataclass(frozen=True)
class Command(IdentitySource):
    """Runs an argument list, without a shell; the JWT is what it prints on stdout."""

    command: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
    timeout_seconds: Annotated[float, Field(gt=0, le=600)] = TIMEOUT_SECONDS
    source: Literal["command"] = "command"

    title: ClassVar[str] = "command"
    renewable: ClassVar[bool] = True
    undetected: ClassVar[str] = "only by configuration: a profile's identity_token with `command`"

    def __init__(
        self,
        command: tuple[str, ...] | list[str],
        timeout_seconds: float = TIMEOUT_SECONDS,
        source: Literal["command"] = "command",
    ) -> None:
        """Take the words as a list, as a profile has them."""
        object.__setattr__(self, "command", tuple(command))
        object.__setattr__(self, "timeout_seconds", timeout_seconds)
        object.__setattr__(self, "source", source)

    @property
    def description(self) -> str:
        return f"the command {sanitize_path(self.command[0])}"

    def asks_for(self, context: Context) -> str:
        return sanitize_path(" ".join(self.command))

    def fetch(self, context: Context) -> Flow[IdentityToken]:
        raw = yield from call(
            lambda: token_printed_by(
                self.command,
                context.environ,
                missing="name the program by its full path in the profile's identity_token.command",
                timeout=self.timeout_seconds,
            )
        )
        return context.parse(self, raw, audience=None)
