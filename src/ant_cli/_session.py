"""What one run of `ant` was told, and what its commands need of the library."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from ant_wif._resolution import Resolution, TierCandidate
    from ant_wif.credentials import Credentials
    from ant_wif.errors import AntWifError

LIBRARY_ARGUMENTS = {
    "api_key", "auth_token", "base_url", "federation_rule_id", "identity_source", "identity_token",
    "identity_token_file", "organization_id", "service_account_id", "workspace_id",
}  # fmt: skip
_LAST_STATIC_TIER = 2
_PLACE_OPTIONS = ("organization_id", "workspace_id")
_FEDERATION_OPTIONS = (
    "federation_rule_id", "service_account_id", "identity_token", "identity_token_file", "identity_source",
)  # fmt: skip


class ReaderGoneError(Exception):
    """The reader of the output closed the pipe, as `head` does. `status` is the exit status that follows."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Session:
    """What one run was told, and what its commands need of the library."""

    def __init__(self, environ: Mapping[str, str] | None = None, *, is_guest: bool = True) -> None:
        self.environ = os.environ if environ is None else environ
        self.is_guest = is_guest
        """Whether the process belongs to another program, a test suite for example."""
        self.options: dict[str, Any] = {}
        self.at_end = ExitStack()
        """What is to be undone when the run is over: the process may go on."""
        self.after_error: Callable[[Session, AntWifError], object] | None = None
        """What the running command prints after an error of the library."""
        self._failed: tuple[Exception, int] | None = None

    @property
    def stdin(self) -> TextIO | None:
        """Standard input, the only way to it; `None` where it is closed or belongs to another program."""
        return None if self.is_guest else sys.stdin

    @property
    def debug(self) -> bool:
        return bool(self.options.get("debug"))

    @property
    def format(self) -> str:
        return str(self.options.get("format", "auto"))

    @property
    def color(self) -> bool:
        """Whether stdout gets colors."""
        from ant_cli._terminal import understands_color

        return understands_color(str(self.options.get("color", "auto")), self.environ)

    @property
    def for_programs(self) -> bool:
        """Whether the output was asked for in a form that programs read."""
        return self.format != "auto" or "transform" in self.options

    @property
    def error_format(self) -> str | None:
        """The form of an error, where it is not to be read by a person."""
        form = self.options.get("format_error")
        return str(form) if form in {"json", "jsonl", "yaml"} else None

    @property
    def names_profile(self) -> bool:
        """Whether a profile is named, so that an API key in the environment does not count where it could not."""
        return bool(self.options.get("profile") or self.environ.get("ANTHROPIC_PROFILE"))

    def resolution(self, *more: str) -> Resolution:
        """Look at arguments, environment and configuration directory; `more` names options of one command."""
        from ant_wif._environment import Environment
        from ant_wif._resolution import Resolution, ResolutionContext

        arguments = {name: value for name, value in self.options.items() if name in {*LIBRARY_ARGUMENTS, *more}}
        return Resolution(ResolutionContext(arguments, Environment(self.environ), profile=self.options.get("profile")))

    def credentials(self, passing_over: Callable[[TierCandidate], bool] = lambda _: False) -> Credentials:
        """Find the credential to use; see `ant_wif.resolve` for what is raised."""
        resolution, chosen = self.choose(passing_over)
        return resolution.credentials(chosen)

    def choose(
        self, passing_over: Callable[[TierCandidate], bool] = lambda _: False
    ) -> tuple[Resolution, TierCandidate]:
        """Find the credential to use, and say on stderr which options it ignores. Raises as `ant_wif.resolve` does."""
        from ant_cli import _logging as logs
        from ant_wif._secrets import harmless

        logs.warn()
        self.at_end.callback(logs.stop)
        resolution = self.resolution()
        chosen = resolution.require(passing_over)
        for note in self._ignored(chosen):
            logs.try_to_say(f"note: {harmless(note)}")
        return resolution, chosen

    def _ignored(self, chosen: TierCandidate) -> Iterator[str]:
        from ant_wif._config import flag

        named = self.options.get("profile") or self.environ.get("ANTHROPIC_PROFILE")
        if named and chosen.tier <= _LAST_STATIC_TIER:
            by = "--profile" if self.options.get("profile") else "ANTHROPIC_PROFILE"
            remedy = "leave out" if chosen.tier == 1 else "unset"
            yield (
                f"{chosen.origin} is used instead of the profile {named!r} ({by}); to use the profile: "
                f"{remedy} {chosen.origin}"
            )
        if chosen.source in {"api_key", "auth_token"}:
            unused, reason = [*_FEDERATION_OPTIONS, *_PLACE_OPTIONS], "its organization and workspace are fixed"
        elif chosen.profile is not None and chosen.profile.type == "user_oauth":
            unused, reason = [*_FEDERATION_OPTIONS, "organization_id"], "a login exchanges no identity token"
        else:
            return
        given = [flag(name) for name in unused if name in self.options]
        if given:
            yield f"{', '.join(given)} {'has' if len(given) == 1 else 'have'} no effect on {chosen.origin}: {reason}"

    @contextmanager
    def scope(self, *, on_failure: int | None = None, on_closed_pipe: int | None = None) -> Iterator[None]:
        """Choose the exit status of what is raised inside; the innermost choice counts.

        `on_failure` is for errors of the library, `on_closed_pipe` for a reader that closed stdout or stderr. `None`
        leaves it to the scope around this one, and in the end to the error's type.
        """
        try:
            yield
        except BrokenPipeError:
            if on_closed_pipe is None:
                raise
            raise ReaderGoneError(on_closed_pipe) from None
        except Exception as error:
            if on_failure is not None and self.chosen_status(error) is None:
                self._failed = (error, on_failure)
            raise

    def chosen_status(self, error: Exception) -> int | None:
        """Return the exit status that a scope chose for an error; `None` where its type decides."""
        return self._failed[1] if self._failed and self._failed[0] is error else None


pass_session = click.make_pass_decorator(Session)
