"""Files and formatters through which no secret passes."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterable
from typing import TextIO

Clean = Callable[[str], str]

_LONGEST_LINE = 65_536  # what has no end is not held back for ever


class CleanFile:
    """A text file to which whole messages are written."""

    def __init__(self, file: TextIO, clean: Clean) -> None:
        self._wrapped = file
        self._clean = clean

    def write(self, text: str) -> int:
        self._wrapped.write(self._clean(text))
        return len(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self._wrapped, name)


class CleanStream(io.TextIOBase):
    """Standard output or error: an unfinished line is held back, so that a secret may come in pieces."""

    def __init__(self, file: TextIO, clean: Clean) -> None:
        self._wrapped = file
        self._clean = clean
        self._held = ""

    @property
    def shown(self) -> TextIO:
        """What it writes to."""
        return self._wrapped

    @property
    def encoding(self) -> str:  # type: ignore[override]  # typeshed has an attribute
        return self._wrapped.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]  # as above
        return self._wrapped.errors

    @property
    def buffer(self) -> _CleanBuffer:
        return _CleanBuffer(self, self._wrapped, self._clean)

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._held += text
        end = len(self._held) if len(self._held) > _LONGEST_LINE else self._held.rfind("\n") + 1
        if end:
            done, self._held = self._held[:end], self._held[end:]
            self._wrapped.write(self._clean(done))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:  # type: ignore[override]  # typeshed allows bytes
        self.write("".join(lines))

    def release(self) -> None:
        """Write what is held back, if anything is."""
        if self._held:
            self.flush()

    def flush(self) -> None:
        held, self._held = self._held, ""
        if held:
            self._wrapped.write(self._clean(held))
        self._wrapped.flush()

    def fileno(self) -> int:
        return self._wrapped.fileno()

    def isatty(self) -> bool:
        return self._wrapped.isatty()

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        """Only what is held back is written: the file belongs to others."""
        if not self._wrapped.closed:
            self.flush()

    def __getattr__(self, name: str) -> object:
        return getattr(self._wrapped, name)


class _CleanBuffer:
    """The bytes of a stream. They need not be text; a secret in them is ASCII."""

    def __init__(self, stream: CleanStream, file: TextIO, clean: Clean) -> None:
        self._stream = stream
        self._wrapped = file.buffer
        self._clean = clean

    def write(self, data: bytes | bytearray | memoryview) -> int:
        self._stream.flush()
        text = bytes(data).decode("latin-1")
        self._wrapped.write(self._clean(text).encode("latin-1", "replace"))
        return len(text)

    def writelines(self, lines: Iterable[bytes]) -> None:
        self.write(b"".join(lines))

    def __getattr__(self, name: str) -> object:
        return getattr(self._wrapped, name)


class CleanFormatter(logging.Formatter):
    """A formatter of log records."""

    def __init__(self, formatter: logging.Formatter | None, clean: Clean) -> None:
        super().__init__()
        self._wrapped = formatter or logging.Formatter()
        self._clean = clean

    def format(self, record: logging.LogRecord) -> str:
        return self._clean(self._wrapped.format(record))

    def __getattr__(self, name: str) -> object:
        return getattr(self._wrapped, name)
