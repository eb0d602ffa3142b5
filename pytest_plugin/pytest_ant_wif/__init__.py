"""Claude API credentials for test suites: a real one in CI, an emulator on a laptop.

The types of the fixtures, for annotations. Names are loaded on first use (PEP 562): pytest imports this package in
every run.
"""

from __future__ import annotations

# Not from `typing`, whose import would cost more than all the rest of this module.
TYPE_CHECKING = False
if TYPE_CHECKING:
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


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
