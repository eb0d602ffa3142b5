"""The folder in which processes of one user and one CI job share tokens: where it is, and whether it may be used."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ant_wif._environment import CACHE, HOME, Environment
from ant_wif._files import findings, make_folder, owners_in, read_object, remove_folder, write_atomically
from ant_wif._secrets import sanitize_path
from ant_wif.errors import ConfigurationError
from ant_wif.identity import jobs

_JOBS_FOLDER = "jobs"
_JOB_SECONDS = 2 * 24 * 3600


class CacheDir(NamedTuple):
    """The folder of the shared store; `via` is `env`, `job` or `user`.

    `owners` are whose files are used; `None` means this user's and root's. Root in another user's home works for that
    user.
    """

    path: Path
    via: str
    owners: frozenset[int] | None = None

    @classmethod
    def locate(cls, environ: Environment, stated: str | None = None) -> CacheDir | None:
        """Find it: `ANT_CACHE_DIR` (`stated`), the CI job's temp folder, or the user's cache folder.

        Returns `None` where there is none of them, such as for a user without a home.
        """
        if stated:
            return cls(environ.expand(stated), "env")
        user, owners = _of_user(environ), owners_in(environ.home)
        for job in jobs(environ):
            temporary, job_id = (environ.get(name or "", "") for name in (job.temporary_folder, job.id))
            name = re.sub(r"[^A-Za-z0-9-]", "_", job_id)[:64]
            if temporary and os.path.isdir(temporary):
                return cls(Path(temporary) / (f"ant-wif-{name}" if name else "ant-wif"), "job")
            if name and user is not None:
                return cls(user / _JOBS_FOLDER / name, "job", owners)
        return cls(user, "user", owners) if user is not None else None

    @property
    def spent(self) -> Path:
        """Where the records of assertions are."""
        return self.path / "spent"

    def is_safe(self) -> bool:
        """Whether the folder is there, and no other user could have changed its content."""
        try:
            return _unsafe(self) is None
        except OSError:
            return False

    def prepare(self) -> None:
        """Make the folder, for this user only, unless it exists.

        Raises ConfigurationError: it cannot be made, or others could tamper with what is in it.
        """
        try:
            if not os.path.lexists(self.path):
                self._create()
            self.check()
            make_folder(self.spent, mode=0o700, owners=self.owners)
        except OSError as error:
            raise ConfigurationError(
                f"the cache folder {sanitize_path(self.path)} cannot be used: {error.strerror or type(error).__name__}",
                hint="set ANT_CACHE_DIR to a folder of this user's own",
            ) from None

    def check(self) -> None:
        """Refuse the folder where others could tamper with what is in it. Raises ConfigurationError: what was found."""
        try:
            problem = _unsafe(self)
        except PermissionError as error:
            problem = str(error.strerror), "check the owner and mode of the folders above it"
        except OSError:
            problem = None
        if problem is not None:
            found, remedy = problem
            raise ConfigurationError(
                f"the cache folder {sanitize_path(self.path)} is not used: {found}",
                hint=f"{remedy}, or set ANT_CACHE_DIR to a folder of this user's own",
            )

    def write(self, path: Path, content: Callable[[], bytes]) -> None:
        """Write a file of the folder. Raises ConfigurationError: `prepare` does, or the file cannot be written."""
        self.prepare()
        write_atomically(path, content, mode=0o600, folder_mode=0o700, owners=self.owners)

    def read(self, path: Path, *, what: str) -> dict[str, object] | None:
        """Read a file of the folder, as `read_object` does. Raises ProfileError."""
        return read_object(path, what=what, secret=True, owners=self.owners)

    def _create(self) -> None:
        make_folder(self.path, mode=0o700, owners=self.owners)
        self._forget_old_jobs()

    def _forget_old_jobs(self) -> None:
        """Where job folders outlive their jobs, remove those that have long ended."""
        if self.path.parent.name != _JOBS_FOLDER:
            return
        with contextlib.suppress(OSError):
            for other in os.scandir(self.path.parent):
                if other.stat(follow_symlinks=False).st_mtime < time.time() - _JOB_SECONDS:
                    remove_folder(Path(other.path))


def _of_user(environ: Environment) -> Path | None:
    """Return the user's cache folder. Not by platformdirs, which reads `os.environ`: this is passed in."""
    has_place = HOME in environ or os.path.isabs(environ.get(CACHE.variable, ""))
    return environ.user_folder(CACHE) if has_place else None


def _unsafe(cache: CacheDir) -> tuple[str, str] | None:
    """Say what is wrong with the folder, and what mends it. Raises OSError: it is not there."""
    path = cache.path
    if not stat.S_ISDIR(path.lstat().st_mode):
        return "it is not a folder, or is a link to one", f"remove {sanitize_path(path)}"
    refused = (finding for finding in findings(path, top=path, owners=cache.owners) if finding.refused)
    return next(((finding.problem, finding.hint.partition(";")[0]) for finding in refused), None)
