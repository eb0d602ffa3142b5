"""Put a man page for each command into the wheel: pip installs them below `share/man`."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ManPages(BuildHookInterface):  # type: ignore[type-arg] # older versions of hatchling have no parameter here
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        del version
        for folder in ("src", "tools"):
            sys.path.insert(0, str(Path(self.root, folder)))
        from manpages import write_manpages

        self._folder = TemporaryDirectory()
        for path in write_manpages(Path(self._folder.name)):
            build_data["shared_data"][str(path)] = f"share/man/man1/{path.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        del version, build_data, artifact_path
        self._folder.cleanup()
