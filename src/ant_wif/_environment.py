"""The environment and the clock, as they are passed in.

In the environment, empty means unset, and printing it shows no value. The clock is unix time that does not
jump while this process runs.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ant_wif._system import HOME, UserFolder
from ant_wif.errors import ConfigurationError

__all__ = ["NOWHERE", "Environment", "elapsed", "steady"]

# In place of the home of a user who has none. Nothing is ever created there.
NOWHERE = Path("/nonexistent/home")


class Environment(Mapping[str, str]):
    """A read-only view of environment variables.

    A variable set to the empty string counts as not set: CI systems expand a missing secret to
    one. Neither `repr` nor an attribute shows a value, so a traceback that shows locals stays free of secrets.

    The view is live: `Environment()` follows `os.environ`, because tokens in variables are read
    again at every exchange.
    """

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self._variables: Callable[[], Mapping[str, str]]
        if isinstance(variables, Environment):
            self._variables = variables._variables
        else:
            self._variables = lambda: os.environ if variables is None else variables

    def __getitem__(self, name: str) -> str:
        value = self._variables()[name]
        if not value:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return (name for name, value in self._variables().items() if value)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<Environment of {len(self)} variables>"

    @property
    def is_live(self) -> bool:
        """Whether this is the environment of the process, which libraries read by themselves."""
        return self._variables() is os.environ

    def text(self, name: str) -> str | None:
        """Return a variable without the white space around it, which is often copied along.

        One that holds nothing else counts as set, and stays as it is.
        """
        value = self.get(name)
        return value if value is None else value.strip() or value

    def is_empty(self, name: str) -> bool:
        """Whether the variable is set, and holds white space at most."""
        return self._variables().get(name, "unset").strip() == ""

    @property
    def home(self) -> Path | None:
        """The user's home: `HOME` (`USERPROFILE` on Windows), else what the system says; `None` where it says none.

        A container that runs under a random user id has neither.
        """
        stated = self.get(HOME)
        if stated:
            return Path(stated)
        with contextlib.suppress(RuntimeError, KeyError):
            return Path.home()
        return None

    def user_folder(self, place: UserFolder) -> Path:
        """Return where the user's own configuration or cache is on this system."""
        stated = self.get(place.variable, "")
        base = Path(stated) if os.path.isabs(stated) else (self.home or NOWHERE) / place.below_home
        return base / place.name

    def expand(self, path: str) -> Path:
        """Return `path` with a leading `~` replaced by `home`.

        Raises:
            ConfigurationError: there is no home.
        """
        if path == "~" or path.startswith("~/"):
            return self.require_home() / path[2:]
        return Path(path)

    def require_home(self) -> Path:
        """Return `home`. Raises ConfigurationError: there is none."""
        if self.home is None:
            raise ConfigurationError(
                f"the home directory is unknown: {HOME} is not set, and this user has no entry in the user database",
                hint=f"set {HOME} to a directory that this user can write",
            )
        return self.home


# Counts through a suspended machine where the system can, so that a laptop wakes to an expired token.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))


def elapsed() -> float:
    """Return seconds since a fixed moment, of a clock that is never set."""
    # The second one is not on Windows, which has no such clock.
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)  # type: ignore[attr-defined,unused-ignore]


_OFFSET = time.time() - elapsed()


def steady() -> float:
    """Return unix seconds, counted from what the clock said when this process started.

    A machine whose clock is corrected by an hour while a token is held would otherwise drop a
    good token, or keep one that has expired.
    """
    return _OFFSET + elapsed()
