"""What pytest loads, in every run of every project that has this installed: so nothing heavy is imported here.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

from pytest_ant_wif._leaks.guard import ALLOWED, LeakGuard, LeakJudge
from pytest_ant_wif._options import add_options, is_marked, is_worker, leaks_of, mode_of
from pytest_ant_wif._safety import never_raises
from pytest_ant_wif.fixtures import *  # noqa: F403  # that module has the list of them
from pytest_ant_wif.fixtures import __all__

_MARKERS = (
    "ant_live: needs a real credential; skipped, with the reason, where there is none or the mode is emulator",
    "ant_platform(name): the platform that the fixture ant_platform pretends to be",
    f"{ALLOWED}: means to print secrets, so the leak guard leaves this test alone",
)


def __dir__() -> list[str]:
    """Fixtures and hooks: pytest looks at each name twice, in every run."""
    return [*__all__, *(name for name in globals() if name.startswith("pytest_"))]


_PLATFORM = "ant_platform"
_NAMES = ("ant_wif", __name__)
_GUARD = "ant_wif_leaks"
_MADE = pytest.StashKey[LeakGuard]()


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare options and ini keys, once: what is installed may also be loaded by `-p` or `pytest_plugins`."""
    try:
        add_options(parser)
    except ValueError as error:
        raise pytest.UsageError(f"another plugin has an option of ant-wif: {error}; use -p no:NAME for one") from None
    for name in _NAMES:
        if pluginmanager.get_plugin(name) is None:
            pluginmanager.set_blocked(name)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """Cover the streams before pytest captures them, and a conftest gives them to a handler of logs."""
    _cover_streams(early_config)
    try:
        with _without_secrets(early_config):
            return (yield)
    finally:
        _show_captured_at_the_end(early_config)


@never_raises
def _cover_streams(config: pytest.Config) -> None:
    if (config.known_args_namespace.ant_leaks or config.getini("ant_leaks")) != "off":
        _guard_of(config).cover_streams()


@never_raises
def _show_captured_at_the_end(config: pytest.Config) -> None:
    if _MADE in config.stash:
        config.add_cleanup(config.stash[_MADE].show_captured)  # done before that of pytest, which was added earlier


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> Iterator[None]:
    """Clean an error that ends the run: pytest, or Python, shows it when all of this has been put back."""
    with _without_secrets(config):
        return (yield)


def _without_secrets(config: pytest.Config) -> AbstractContextManager[None]:
    guard, namespace = config.stash.get(_MADE, None), getattr(config, "known_args_namespace", None)
    # An error of a conftest does not keep pytest from showing its help.
    asked = getattr(namespace, "help", False) or getattr(namespace, "version", False)
    return nullcontext() if guard is None or asked else guard.errors()


@pytest.hookimpl(tryfirst=True)
@never_raises
def pytest_configure(config: pytest.Config) -> None:
    """Refuse what there is not before any test runs, and set the guard."""
    mode_of(config)
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    leaks = leaks_of(config)
    if leaks == "off":
        return
    if config.pluginmanager.has_plugin(_GUARD):
        raise pytest.UsageError(f"another plugin is called {_GUARD}: give it another name, or use --ant-leaks off")
    guard = _guard_of(config)
    guard.cover_captured_streams()
    _show_captured_at_the_end(config)  # again, for a guard that a conftest loads
    if leaks == "fail":
        guard.fails = True
        config.pluginmanager.register(LeakJudge(guard))
    guard.cover_trace()
    config.pluginmanager.register(guard, _GUARD)


def _guard_of(config: pytest.Config) -> LeakGuard:
    guard = config.stash.get(_MADE, None)
    if guard is None:
        guard = config.stash[_MADE] = LeakGuard(config)
        config.add_cleanup(guard.put_back)
    return guard


@never_raises
def pytest_sessionstart(session: pytest.Session) -> None:
    """Where the command line demands a live credential, say at once that there is none."""
    config = session.config
    if config.getoption("ant_mode") == "live" and not is_worker(config) and not config.option.collectonly:
        from pytest_ant_wif._live import NoLiveCredentialError, live_credentials

        try:
            live_credentials(config)
        except NoLiveCredentialError as error:
            raise pytest.UsageError(f"--ant-mode live: {error}") from None


@never_raises
def pytest_report_header(config: pytest.Config) -> str | None:
    """Say in one line which credential is used, where that was asked for."""
    if not any(config.getoption(name) for name in ("ant_mode", "ant_profile", "ant_leaks")):
        return None
    mode = mode_of(config)
    if mode == "emulator":
        return "ant-wif: emulator"
    from pytest_ant_wif._live import NoLiveCredentialError, live_credentials

    try:
        found = live_credentials(config)
    except NoLiveCredentialError:
        return f"ant-wif: {mode}, no credential" + (", the emulator instead" if mode == "auto" else "")
    from ant_wif._secrets import harmless

    return harmless(f"ant-wif: {mode}, {found.origin}, workspace {found.workspace_id or 'chosen by the server'}")


@pytest.hookimpl(optionalhook=True)
@never_raises
def pytest_configure_node(node: Any) -> None:
    """Let a worker of pytest-xdist ask this process for tokens."""
    if mode_of(node.config) != "emulator":
        from pytest_ant_wif._live import join_workers

        join_workers(node.config, node)


@never_raises
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a real credential where there is none, and refuse a marker that would do nothing."""
    if any(mark.name == _PLATFORM for mark in item.own_markers) and {_PLATFORM, "request"}.isdisjoint(
        getattr(item, "fixturenames", (_PLATFORM,))
    ):  # what has `request` may ask for the fixture as it runs
        pytest.fail(
            f"the marker {_PLATFORM} is for the fixture of that name, which this test does not use: "
            f'give it the argument {_PLATFORM}, or the marker usefixtures("{_PLATFORM}")',
            pytrace=False,
        )
    if not is_marked(item, "ant_live"):
        return
    if mode_of(item.config) == "emulator":
        pytest.skip("needs a real credential, and the mode is emulator: run with --ant-mode live or auto")
    from pytest_ant_wif._live import NoLiveCredentialError, live_credentials

    try:
        live_credentials(item.config)
    except NoLiveCredentialError as error:
        first = str(error).partition("\n")[0]
        pytest.skip(f"needs a real credential: {first}")
