"""Claude API credentials for test suites: a real one in CI, an emulator on a laptop.

The types of the fixtures, for annotations. Names are loaded on first use (PEP 562): pytest imports this package in
every run. PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import atexit
import sys
from importlib.machinery import ModuleSpec, PathFinder

# Not from `typing`, whose import would cost more than all the rest of this module.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_ant_wif._command import CommandLine, CommandOutcome
    from pytest_ant_wif._environment import AntEnv, UnknownPlatformError
    from pytest_ant_wif._platforms import MotoAws, Platform

__all__ = ["AntEnv", "CommandLine", "CommandOutcome", "MotoAws", "Platform", "UnknownPlatformError"]

_MODULES = {
    "AntEnv": "_environment",
    "MotoAws": "_platforms",
    "CommandLine": "_command",
    "CommandOutcome": "_command",
    "Platform": "_platforms",
    "UnknownPlatformError": "_environment",
}


class _Ours:
    """Finds the modules of this project as Python does.

    pytest would rewrite the assertions of all that is installed with a plugin: in a new environment that takes a
    second, and its own way to load them stays slower later. A hook ahead of pytest's stays ahead of this one.
    """

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        del target
        return PathFinder.find_spec(name, path) if name.partition(".")[0] in _PACKAGES else None


_PACKAGES = ("ant_wif", "ant_cli", __name__)
for _index, _finder in enumerate(sys.meta_path):
    if type(_finder).__name__ == "AssertionRewritingHook":
        sys.meta_path.insert(_index, _Ours)
        # What can be reached from there is cleared last, which takes Python a few milliseconds more.
        atexit.register(lambda: sys.meta_path.remove(_Ours) if _Ours in sys.meta_path else None)
        break


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
