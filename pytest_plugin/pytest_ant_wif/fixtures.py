"""The fixtures: each builds and tears down; the work is in classes that can be used without pytest."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, TypeVar, cast

import pytest

from pytest_ant_wif._leaks.guard import LeakGuard
from pytest_ant_wif._options import mode_of

if TYPE_CHECKING:  # a test without these fixtures does not wait for their imports
    import ssl

    import anthropic
    import httpx

    from ant_wif import Credentials
    from ant_wif.emulator import Emulator
    from pytest_ant_wif._command import CommandLine
    from pytest_ant_wif._environment import AntEnv
    from pytest_ant_wif._platforms import MotoAws, Platform

_T = TypeVar("_T")
_EMULATES = pytest.StashKey[bool]()

__all__ = [
    "ant_async_client",
    "ant_aws",
    "ant_cli",
    "ant_client",
    "ant_credentials",
    "ant_emulator",
    "ant_emulator_session",
    "ant_env",
    "ant_headers",
    "ant_identity_token",
    "ant_platform",
    "ant_token",
    "anthropic_client",
    "async_anthropic_client",
]


@pytest.fixture(scope="session")
def ant_emulator_session(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    """The emulator for fixtures of a class, a module or the session: what they change stays.

    Where a proxy is set, loopback is left out of what goes through it.
    """
    from ant_wif.emulator import Emulator

    with pytest.MonkeyPatch.context() as session, Emulator() as emulator:
        for name in ("NO_PROXY", "no_proxy"):
            session.setenv(name, "127.0.0.1,localhost", prepend=",")
        request.config.stash[_EMULATES] = True
        yield emulator


@pytest.fixture
def ant_emulator(ant_emulator_session: Emulator) -> Iterator[Emulator]:
    """A local emulator of the Claude Platform, on loopback for the whole session; `.spawn()` starts a private one.

    What a test changes (faults, replies, requests, history, time, keys, rules, models) is undone after it. A fixture
    of a wider scope takes `ant_emulator_session`.
    """
    undo = ant_emulator_session.savepoint()
    ant_emulator_session.clear_requests()  # a test that only has a client leaves its requests behind
    yield ant_emulator_session
    ant_emulator_session.start()  # a test may have stopped it
    undo()


@pytest.fixture(scope="session")
def ant_credentials(request: pytest.FixtureRequest) -> Credentials:
    """A credential to call the API with: the emulator's, or with `--ant-mode live` the real one."""
    mode = mode_of(request.config)
    if mode != "emulator":
        from pytest_ant_wif._live import NoLiveCredentialError, live_credentials

        try:
            return live_credentials(request.config)
        except NoLiveCredentialError as error:
            if mode == "live":
                pytest.fail(f"ant_mode is live, and there is no credential: {error}", pytrace=False)
    from pytest_ant_wif._exchanges import emulated_credentials

    return emulated_credentials(cast("Emulator", request.getfixturevalue("ant_emulator_session")))


@pytest.fixture
def ant_token(request: pytest.FixtureRequest, ant_credentials: Credentials) -> str:
    """A bearer token that is valid now. The leak guard knows it."""
    _undo_after(request)
    token = _or_fail(ant_credentials.token)
    _know(request, token)
    return token


@pytest.fixture
def ant_headers(request: pytest.FixtureRequest, ant_credentials: Credentials) -> dict[str, str]:
    """The complete headers of an API request."""
    _undo_after(request)
    headers = _or_fail(ant_credentials.headers)
    _know(request, headers["Authorization"].removeprefix("Bearer "))
    return headers


@pytest.fixture
def ant_client(request: pytest.FixtureRequest, ant_credentials: Credentials) -> Iterator[httpx.Client]:
    """An `httpx.Client` with base URL and credential set."""
    _undo_after(request)
    import httpx

    url = ant_credentials.base_url
    with httpx.Client(base_url=url, auth=ant_credentials.auth, verify=_verify(url)) as client:
        yield client


@pytest.fixture
def ant_async_client(request: pytest.FixtureRequest, ant_credentials: Credentials) -> Iterator[httpx.AsyncClient]:
    """An `httpx.AsyncClient` with base URL and credential set, for any event loop."""
    _undo_after(request)
    import httpx

    # No connection outlives its request, so nothing is left for an event loop that has ended.
    client = httpx.AsyncClient(
        base_url=ant_credentials.base_url,
        auth=ant_credentials.auth,
        verify=_verify(ant_credentials.base_url),
        limits=httpx.Limits(max_keepalive_connections=0),
    )
    yield client
    _close(client.aclose)


@pytest.fixture
def anthropic_client(request: pytest.FixtureRequest, ant_credentials: Credentials) -> Iterator[anthropic.Anthropic]:
    """The official SDK's client on the same credential; skips where the SDK is not installed."""
    _undo_after(request)
    sdk = pytest.importorskip("anthropic", reason="the official SDK is not installed: pip install anthropic")
    url = ant_credentials.base_url
    transport = sdk.DefaultHttpxClient(verify=_verify(url))
    with sdk.Anthropic(base_url=url, http_client=transport, **_for_sdk(ant_credentials)) as client:
        yield client


@pytest.fixture
def async_anthropic_client(
    request: pytest.FixtureRequest, ant_credentials: Credentials
) -> Iterator[anthropic.AsyncAnthropic]:
    """The official SDK's asynchronous client on the same credential, for any event loop."""
    _undo_after(request)
    sdk = pytest.importorskip("anthropic", reason="the official SDK is not installed: pip install anthropic")
    import httpx2

    url, limits = ant_credentials.base_url, httpx2.Limits(max_keepalive_connections=0)
    transport = sdk.DefaultAsyncHttpxClient(limits=limits, verify=_verify(url))
    client = sdk.AsyncAnthropic(base_url=url, http_client=transport, **_for_sdk(ant_credentials))
    yield client
    _close(client.close)


@pytest.fixture
def ant_env(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, ant_emulator: Emulator
) -> AntEnv:
    """An environment of the test's own: every variable of Claude and of CI platforms gone, a temporary home."""
    from pytest_ant_wif._environment import AntEnv

    return AntEnv(tmp_path_factory.mktemp("ant-env"), monkeypatch, ant_emulator)


@pytest.fixture
def ant_platform(request: pytest.FixtureRequest, ant_env: AntEnv, ant_emulator: Emulator) -> Platform:
    """A platform to be on: `@pytest.mark.ant_platform("gitlab")`, or the fixture parametrized indirectly."""
    from pytest_ant_wif._environment import UnknownPlatformError
    from pytest_ant_wif._platforms import Platform

    marker = request.node.get_closest_marker("ant_platform")
    stated = [*marker.args, *marker.kwargs.values()] if marker else ["github"]
    if len(stated) != 1 or (marker and marker.kwargs.keys() - {"name"}):
        pytest.fail("the marker ant_platform takes one argument: the name of a platform", pytrace=False)
    name = getattr(request, "param", stated[0])
    try:
        ant_env.federate(name)
    except UnknownPlatformError as error:
        pytest.fail(str(error), pytrace=False)
    if name == "aws":
        request.getfixturevalue("ant_aws")
    return Platform(name, ant_emulator, ant_env)


@pytest.fixture
def ant_aws(ant_env: AntEnv, ant_emulator: Emulator) -> Iterator[MotoAws]:
    """moto's AWS, whose STS issues identity tokens that the emulator trusts."""
    from pytest_ant_wif._platforms import MotoAws

    with MotoAws(ant_emulator, ant_env) as aws:
        yield aws


@pytest.fixture
def ant_identity_token(ant_emulator: Emulator) -> Callable[..., str]:
    """Makes identity tokens, good and bad: `ant_identity_token(sub=…, lifetime=-60)`; see `Emulator.issue`."""
    return ant_emulator.issue


@pytest.fixture
def ant_cli(ant_env: AntEnv) -> CommandLine:
    """Runs `ant …` in this process and in the isolated environment."""
    from pytest_ant_wif._command import CommandLine

    del ant_env
    return CommandLine(os.environ)


def _or_fail(obtain: Callable[[], _T]) -> _T:
    """Obtain a token; a refusal is one line of the test's failure, not a traceback through this package."""
    from ant_wif.errors import AntWifError

    problem = ""
    try:
        return obtain()
    except AntWifError as error:
        problem = f"{error}\nhint: {error.hint}" if error.hint else str(error)
    pytest.fail(problem, pytrace=False)


def _undo_after(request: pytest.FixtureRequest) -> None:
    """Undo after the test what it does to the emulator through a client alone, such as the upload of a file."""
    if request.config.stash.get(_EMULATES, False):
        request.getfixturevalue("ant_emulator")


def _know(request: pytest.FixtureRequest, secret: str) -> None:
    guard = request.config.pluginmanager.get_plugin("ant_wif_leaks")
    if isinstance(guard, LeakGuard):
        guard.know(secret)


def _verify(url: str) -> ssl.SSLContext | bool:
    """Return what certificates are checked against: for clear text nothing, as a client takes 25 ms to load it."""
    import ssl

    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if url.startswith("http:") else True


def _for_sdk(credentials: Credentials) -> dict[str, object]:
    import ant_wif

    if credentials.source == "api_key":
        return {"api_key": credentials.token()}
    return {"credentials": ant_wif.anthropic_credentials(credentials)}


def _close(aclose: Callable[[], Awaitable[object]]) -> None:
    import anyio

    anyio.run(aclose)
