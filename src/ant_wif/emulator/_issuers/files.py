"""The files of emulated jobs: token files, and executables for the PATH."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import weakref
from pathlib import Path


class Folder:
    """A temporary folder that nobody else can read, made when it is first written to. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._path: Path | None = None
        self._removal: weakref.finalize[..., Folder] | None = None

    @property
    def path(self) -> Path:
        with self._lock:
            if self._path is None:
                self._path = Path(tempfile.mkdtemp(prefix="ant-emulator-"))
                # For an emulator that is not stopped before the process ends.
                self._removal = weakref.finalize(self, shutil.rmtree, self._path, ignore_errors=True)
            return self._path

    def write(self, name: str, text: str) -> str:
        """Write a file that only its owner can read, and return its path. `name` may have folders."""
        return write_privately(self.path / name, text)

    def remove(self) -> None:
        """Remove the folder with all that is in it. Writing makes a new one."""
        with self._lock:
            if self._removal is not None:
                self._removal()
            self._path = self._removal = None


def write_privately(path: str | os.PathLike[str], text: str, *, mode: int = 0o600) -> str:
    """Write a file in one step, so that nobody reads half of it, and return its path.

    Folders are made as needed, for the owner only. Raises OSError.
    """
    target = Path(path)
    for folder in reversed([folder for folder in target.parents if not folder.exists()]):
        folder.mkdir(mode=0o700, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(draft).chmod(mode)
        Path(draft).replace(target)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    return str(target)
