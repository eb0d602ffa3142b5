"""What was asked for: the mode, the profile, what to do with a leak."""

from __future__ import annotations

from typing import Literal, cast

import pytest

Mode = Literal["emulator", "live", "auto"]
Leaks = Literal["redact", "fail", "off"]
MODES: tuple[Mode, ...] = ("emulator", "live", "auto")
LEAKS: tuple[Leaks, ...] = ("redact", "fail", "off")


def add_options(parser: pytest.Parser) -> None:
    """Declare options and ini keys."""
    group = parser.getgroup("ant", "Claude API credentials (ant-wif)")
    mode = "where ant_credentials comes from: the emulator, the environment, or (auto) whichever there is"
    leaks = "what to do with a secret in what pytest writes: mask it, fail the test that leaked it, or nothing"
    group.addoption("--ant-mode", choices=MODES, default=None, help=mode)
    group.addoption("--ant-profile", metavar="NAME", default=None, help="the profile of a live credential")
    group.addoption("--ant-leaks", choices=LEAKS, default=None, help=leaks)
    parser.addini("ant_mode", mode, default="emulator")
    parser.addini("ant_leaks", leaks, default="redact")


def mode_of(config: pytest.Config) -> Mode:
    """Raises UsageError: there is no such mode."""
    return cast("Mode", _chosen(config, "ant_mode", MODES))


def leaks_of(config: pytest.Config) -> Leaks:
    """Raises UsageError: there is no such choice."""
    return cast("Leaks", _chosen(config, "ant_leaks", LEAKS))


def profile_of(config: pytest.Config) -> str | None:
    return cast("str | None", config.getoption("ant_profile"))


def is_worker(config: pytest.Config) -> bool:
    """Whether this process runs tests for another that pytest-xdist controls it from."""
    return hasattr(config, "workerinput")


def is_marked(item: pytest.Item, name: str) -> bool:
    """Whether a test has this marker. Most do not, and a look at the keywords, which hold other names too, is cheap."""
    return name in item.keywords and item.get_closest_marker(name) is not None


def _chosen(config: pytest.Config, name: str, choices: tuple[str, ...]) -> str:
    chosen = config.getoption(name) or config.getini(name)
    if chosen not in choices:
        raise pytest.UsageError(f"{name} is {chosen!r}; expected one of {', '.join(choices)}")
    return str(chosen)
