"""The official TypeScript SDK from npm, under node."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

__all__ = ["installed"]

SCRIPTS = Path(__file__).parents[1] / "typescript"


def installed(cache: Path) -> Path:
    """Return a folder with the scripts and the SDK, installed once beside Python's packages.

    `cache` is for npm. Skips the test where there is no node, or nothing to install from.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not here")
    folder = Path(sys.prefix) / "typescript"
    with FileLock(f"{folder}.lock"):
        if not (folder / "node_modules" / ".package-lock.json").exists():
            shutil.copytree(SCRIPTS, folder, dirs_exist_ok=True)
            done = subprocess.run(
                ["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock", "--cache", str(cache)],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                pytest.skip(f"npm could not install the SDK: {done.stderr[-300:]}")
        shutil.copytree(SCRIPTS, folder, dirs_exist_ok=True)
    return folder
