"""A program that runs in place of this process: signals go on to it, and its end is ours."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any

from ant_wif._environment import end_with_parent, is_in_foreground

_FROM_KEYBOARD = {"SIGINT", "SIGQUIT"}
_RELAYED = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")


class Ended(Exception):  # noqa: N818 - not an error: the program was asked to end
    """A signal came before there was a program to send it to. `status` is the exit status that follows."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = 128 + number


class Relay:
    """While it is entered, signals to this process are the program's. To be used in the main thread."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Relay:
        for name in _RELAYED:
            number = getattr(signal, name, None)
            # What was ignored from the start, as under nohup, stays so, for the program too.
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._receive)
        if hasattr(signal, "SIGCHLD"):  # if it is ignored, the exit status of the program is lost
            self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def run(self, command: Sequence[str], environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start the program; it ends with this process, however that ends.

        Raises:
            Ended: a signal came before.
            OSError: it cannot be run.
        """
        if self._early:
            raise Ended(self._early[0])
        self._child = subprocess.Popen(  # noqa: S603  # the very purpose
            command,
            env=environ,
            preexec_fn=end_with_parent(),  # noqa: PLW1509  # no other thread runs yet
        )
        for number in self._early:
            self._child.send_signal(number)
        return self._child

    def wait(self, child: subprocess.Popen[bytes]) -> int:
        """Return the program's exit status, as a shell gives it: 128 and its number where a signal ended it."""
        status = child.wait()
        return 128 - status if status < 0 else status

    def _receive(self, number: int, _: FrameType | None) -> None:
        if self._child is None:
            self._early.append(number)
            return
        # A terminal sends what is typed to every process of its foreground group; twice would be once too often.
        if not (signal.Signals(number).name in _FROM_KEYBOARD and is_in_foreground()):
            self._child.send_signal(number)
