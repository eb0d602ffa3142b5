"""Where profiles are, what they may be called and what can be set in them: all that completing a word takes."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from ant_wif._environment import CONFIG, Environment

# As long as the name of its files may be with what a temporary one adds.
_NAME = re.compile(r"(?!\.)[A-Za-z0-9_.-]{1,200}")

LOGIN_KEYS = ("scope", "client_id", "console_url")
KEYS = ("workspace_id", "base_url", "organization_id", *LOGIN_KEYS)


def is_name(text: str) -> bool:
    """Whether a profile may be called so: letters, digits, `_`, `-` and `.`, not a dot first, 200 at most."""
    return _NAME.fullmatch(text) is not None


def locate(environ: Environment, explicit: str | os.PathLike[str] | None = None) -> tuple[Path, str]:
    """Return the configuration directory, and by what it was found: `flag`, `env` or `default`.

    It is the argument, `ANTHROPIC_CONFIG_DIR`, or the platform's default. `XDG_CONFIG_HOME` is not consulted,
    as in the official SDKs.
    """
    if explicit is not None:
        return Path(explicit), "flag"
    stated = environ.text("ANTHROPIC_CONFIG_DIR")
    if stated:
        return Path(stated), "env"
    return environ.user_folder(CONFIG), "default"


def names(directory: Path) -> list[str]:
    """Return the profiles there are, sorted."""
    with contextlib.suppress(OSError):
        there = (entry for entry in (directory / "configs").iterdir() if entry.suffix == ".json" and not entry.is_dir())
        # A link that leads nowhere is a broken profile; a pipe or a socket is not a profile.
        found = (entry.stem for entry in there if entry.is_file() or entry.is_symlink())
        return sorted(name for name in found if is_name(name))
    return []
