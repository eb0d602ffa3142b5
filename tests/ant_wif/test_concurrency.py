"""One exchange for all who ask at once, and nobody left waiting: threads, tasks of asyncio and trio, and mixtures."""

from __future__ import annotations

import asyncio
import math
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.abc
import anyio.to_thread
import httpx
import pytest

import ant_wif
from ant_wif._config.config_dir import ConfigDir
from ant_wif._http import Flow, arun, run
from ant_wif._secrets import SecretStr
from ant_wif._tokens import TokenCache, TokenRequest, poll
from ant_wif._tokens.access_token import AccessToken, fresh_between, pause_after, refresh_state
from ant_wif.credentials import Credentials
from ant_wif.emulator import Emulator
from ant_wif.errors import AntWifError, ApiError, ExchangeError, IdentityTokenError
from ant_wif.identity import IdentitySource, Literal
from support.clock import Clock
from support.jobs import profile_of
from support.misbehaving_server import (
    GENEROUS_SECONDS,
    HostileServer,
    Received,
    denial,
    forged_jwt,
    grant,
    held,
    in_turn,
    reply,
)

MANY = 64
RULE = "fdrl_01"
ORGANIZATION = "8f2b5a40-1d0e-4c8e-9a55-0f2d3c4b5a69"
TEN_MINUTES = 600

T = TypeVar("T")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timed(clock: Clock) -> Iterator[Emulator]:
    """An emulator by the same clock as the credential."""
    with Emulator(clock=clock) as started:
        yield started


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer(reply(grant())) as started:
        yield started


@pytest.fixture
def release(server: HostileServer) -> Iterator[threading.Event]:
    """What an answer of the server is held for. It is let go in any case before the server stops."""
    event = threading.Event()
    yield event
    event.set()


def credentials_for(emulator: Emulator, clock: Callable[[], float] = time.time) -> Credentials:
    return ant_wif.resolve(environ=emulator.env(), clock=clock)


def credentials_at(
    server: HostileServer,
    identity: IdentitySource | None = None,
    clock: Callable[[], float] = time.time,
    environ: Mapping[str, str] | None = None,
) -> Credentials:
    return ant_wif.federate(
        identity or Literal(SecretStr(forged_jwt({"exp": 1 << 33, "jti": None}))),
        federation_rule_id=RULE,
        organization_id=ORGANIZATION,
        base_url=server.base_url,
        environ=environ or {},
        clock=clock,
    )


def guarded(work: Callable[[], T]) -> T:
    """Do it in a thread of its own, so that a deadlock fails this test and stops no other."""
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again by the test
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(GENEROUS_SECONDS / 2)
    assert not thread.is_alive(), "deadlock"
    if failures:
        raise failures[0]
    return results[0]


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + GENEROUS_SECONDS / 3
    while not holds():
        assert time.monotonic() < deadline, "what was waited for did not come about"
        time.sleep(0.002)


def at_once(function: Callable[[], T], count: int = MANY) -> list[T | AntWifError]:
    """Call it from so many threads, which start together. Our errors are results."""
    together = threading.Barrier(count)

    def one() -> T | AntWifError:
        together.wait(GENEROUS_SECONDS)
        try:
            return function()
        except AntWifError as error:
            return error

    def all_of_them() -> list[T | AntWifError]:
        with ThreadPoolExecutor(count) as pool:
            return [future.result() for future in [pool.submit(one) for _ in range(count)]]

    return guarded(all_of_them)


async def all_tasks(credentials: Credentials, count: int = MANY) -> list[str | AntWifError]:
    found: list[str | AntWifError] = []

    async def one() -> None:
        try:
            found.append(await credentials.atoken())
        except AntWifError as error:
            found.append(error)

    async with anyio.create_task_group() as group:
        for _ in range(count):
            group.start_soon(one)
    return found


def waiting_for_another(threads: list[threading.Thread]) -> int:
    """How many of these threads wait for a result that another one is to bring."""
    frames = sys._current_frames()
    count = 0
    for thread in threads:
        frame = frames.get(thread.ident or 0)
        while frame is not None:
            if frame.f_code.co_filename.endswith("concurrent/futures/_base.py"):
                count += 1
                break
            frame = frame.f_back
    return count


BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


# --- a cold credential ------------------------------------------------------------------------------


def assert_shared(tokens: list[str | AntWifError], emulator: Emulator) -> None:
    assert len(tokens) == MANY
    assert len(set(map(str, tokens))) == 1
    assert emulator.exchanges == len(emulator.history) == 1


@pytest.mark.parametrize("by", ["federation", "profile"])
def test_sixty_four_threads_share_one_exchange(by: str, emulator: Emulator, tmp_path: Path) -> None:
    environ = profile_environ(emulator, tmp_path) if by == "profile" else emulator.env()
    credentials = ant_wif.resolve(environ=environ)
    assert credentials.source == by
    assert_shared(at_once(credentials.token), emulator)


@BACKENDS
def test_sixty_four_tasks_share_one_exchange(backend: str, emulator: Emulator) -> None:
    assert_shared(guarded(lambda: anyio.run(all_tasks, credentials_for(emulator), backend=backend)), emulator)


def test_threads_and_the_tasks_of_two_event_loops_share_one_exchange(emulator: Emulator) -> None:
    credentials = credentials_for(emulator)
    together = threading.Barrier(18)

    def tasks(backend: str) -> list[str | AntWifError]:
        together.wait(GENEROUS_SECONDS)
        return anyio.run(all_tasks, credentials, 24, backend=backend)

    def one() -> list[str | AntWifError]:
        together.wait(GENEROUS_SECONDS)
        return [credentials.token()]

    def everybody() -> list[str | AntWifError]:
        with ThreadPoolExecutor(18) as pool:
            futures = [pool.submit(tasks, "asyncio"), pool.submit(tasks, "trio")]
            futures += [pool.submit(one) for _ in range(16)]
            return [token for future in futures for token in future.result()]

    assert_shared(guarded(everybody), emulator)


def profile_environ(emulator: Emulator, root: Path) -> dict[str, str]:
    """A job with a federated profile, which keeps its token on disk."""
    ConfigDir(root).write("ci", profile_of(emulator.env(), identity_token={"source": "github_actions"}))
    return {**emulator.env(), "ANTHROPIC_CONFIG_DIR": str(root), "ANTHROPIC_PROFILE": "ci"}


# --- an endpoint that fails -------------------------------------------------------------------------


def test_when_the_exchange_fails_all_waiting_threads_get_that_error_after_one_request(
    release: threading.Event, server: HostileServer
) -> None:
    server.behaviour = held(release, denial())
    credentials = credentials_at(server)
    outcomes: list[BaseException] = []

    def one() -> None:
        with pytest.raises(ExchangeError) as caught:
            credentials.token()
        outcomes.append(caught.value)

    threads = [threading.Thread(target=one, daemon=True) for _ in range(MANY)]
    for thread in threads:
        thread.start()
    wait_until(lambda: waiting_for_another(threads) == MANY - 1)
    release.set()
    for thread in threads:
        thread.join(GENEROUS_SECONDS)
    assert len(outcomes) == MANY
    assert len({str(outcome) for outcome in outcomes}) == 1
    assert len({id(outcome) for outcome in outcomes}) == MANY, "each has an error, and a traceback, of its own"
    assert all(isinstance(outcome, ExchangeError) and outcome.status == 401 and outcome.causes for outcome in outcomes)
    assert len(server.requests) == 1


@BACKENDS
def test_when_the_exchange_fails_all_waiting_tasks_get_that_error_after_one_request(
    backend: str, server: HostileServer
) -> None:
    server.behaviour = denial(400, "invalid_request_error", "workspace_id: malformed")
    credentials = credentials_at(server)
    outcomes = guarded(lambda: anyio.run(all_tasks, credentials, backend=backend))
    assert len(outcomes) == MANY
    assert {type(outcome) for outcome in outcomes} == {ExchangeError}
    assert len(set(map(str, outcomes))) == 1
    assert len(server.requests) == 1


def test_a_failure_is_not_remembered_beyond_those_who_waited_for_it(server: HostileServer) -> None:
    server.behaviour = in_turn(denial(400), reply(grant("sk-ant-oat01-second")))
    credentials = credentials_at(server)
    with pytest.raises(ExchangeError):
        credentials.token()
    assert credentials.token() == "sk-ant-oat01-second"


def test_an_identity_source_that_fails_sends_nothing_for_any_of_the_callers(server: HostileServer) -> None:
    credentials = credentials_at(server, Literal(SecretStr("no JWT")))
    outcomes = at_once(credentials.token)
    assert {type(outcome) for outcome in outcomes} == {IdentityTokenError}
    assert server.requests == []


# --- interruption -----------------------------------------------------------------------------------


@BACKENDS
def test_a_cancelled_leader_does_not_strand_the_others(
    backend: str, release: threading.Event, server: HostileServer
) -> None:
    server.behaviour = in_turn(held(release, b""), reply(grant("sk-ant-oat01-after")))
    credentials = credentials_at(server)

    async def story() -> list[str]:
        found: list[str] = []

        async def follow() -> None:
            found.append(await credentials.atoken())

        async with anyio.create_task_group() as group:
            leader = anyio.CancelScope()

            async def lead() -> None:
                with leader:
                    await credentials.atoken()

            group.start_soon(lead)
            while not server.requests:
                await anyio.sleep(0.002)
            for _ in range(MANY):
                group.start_soon(follow)
            await anyio.wait_all_tasks_blocked()
            leader.cancel()
        return found

    assert guarded(lambda: anyio.run(story, backend=backend)) == ["sk-ant-oat01-after"] * MANY
    assert len(server.requests) == 2


@BACKENDS
def test_a_cancelled_follower_does_not_disturb_others(
    backend: str, release: threading.Event, server: HostileServer
) -> None:
    server.behaviour = held(release, reply(grant("sk-ant-oat01-one")))
    credentials = credentials_at(server)

    async def story() -> list[str]:
        found: list[str] = []

        async def ask() -> None:
            found.append(await credentials.atoken())

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            with anyio.move_on_after(0.01):
                await ask()
            group.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            release.set()
        return found

    assert guarded(lambda: anyio.run(story, backend=backend)) == ["sk-ant-oat01-one"] * 2
    assert len(server.requests) == 1


def test_threads_that_wait_for_a_cancelled_task_make_the_exchange_themselves(
    release: threading.Event, server: HostileServer
) -> None:
    server.behaviour = in_turn(held(release, b""), reply(grant("sk-ant-oat01-after")))
    credentials = credentials_at(server)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(credentials.token()), daemon=True) for _ in range(8)]

    async def story() -> None:
        leader = asyncio.create_task(credentials.atoken())
        while not server.requests:
            await asyncio.sleep(0.002)
        for thread in threads:
            thread.start()
        await asyncio.to_thread(wait_until, lambda: waiting_for_another(threads) == len(threads))
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader

    guarded(lambda: asyncio.run(story()))
    for thread in threads:
        thread.join(GENEROUS_SECONDS / 2)
    assert found == ["sk-ant-oat01-after"] * len(threads)
    assert len(server.requests) == 2


def test_an_event_loop_that_ends_in_the_middle_leaves_the_credential_usable(
    release: threading.Event, server: HostileServer
) -> None:
    server.behaviour = in_turn(held(release, b""), reply(grant("sk-ant-oat01-after")))
    credentials = credentials_at(server)

    async def abandon() -> None:
        # Left running: `asyncio.run` cancels it at its end.
        abandoned.append(asyncio.create_task(credentials.atoken()))
        while not server.requests:
            await asyncio.sleep(0.002)

    abandoned: list[asyncio.Task[str]] = []
    guarded(lambda: asyncio.run(abandon()))
    assert abandoned[0].cancelled()
    assert guarded(credentials.token) == "sk-ant-oat01-after"


# --- blocking calls where they should not be ---------------------------------------------------------


@BACKENDS
@pytest.mark.parametrize("shared", [False, True], ids=["memory", "shared"])
def test_a_blocking_call_in_a_coroutine_does_not_wait_for_the_event_loop_that_it_stops(
    backend: str, shared: bool, release: threading.Event, server: HostileServer, tmp_path: Path
) -> None:
    server.behaviour = in_turn(held(release, reply(grant("sk-ant-oat01-one"))), reply(grant("sk-ant-oat01-two")))
    credentials = credentials_at(server, environ={"HOME": str(tmp_path)} if shared else {})

    async def story() -> tuple[str, list[str]]:
        found: list[str] = []

        async def ask() -> None:
            found.append(await credentials.atoken())

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            group.start_soon(ask)
            while not server.requests:
                await anyio.sleep(0.002)
            blocking = credentials.token()
            release.set()
        return blocking, found

    blocking, found = guarded(lambda: anyio.run(story, backend=backend))
    assert blocking == "sk-ant-oat01-two"
    assert found == ["sk-ant-oat01-one"] * 2


def test_a_blocking_call_in_a_coroutine_waits_for_another_thread(
    release: threading.Event, server: HostileServer
) -> None:
    server.behaviour = held(release, reply(grant("sk-ant-oat01-one")))
    credentials = credentials_at(server)
    found: list[str] = []
    other = threading.Thread(target=lambda: found.append(credentials.token()), daemon=True)

    async def story() -> str:
        return credentials.token()

    other.start()
    wait_until(lambda: len(server.requests) == 1)
    threading.Timer(0.05, release.set).start()
    assert guarded(lambda: asyncio.run(story())) == "sk-ant-oat01-one"
    other.join(GENEROUS_SECONDS / 2)
    assert found == ["sk-ant-oat01-one"]
    assert len(server.requests) == 1


@BACKENDS
@pytest.mark.parametrize("profile", [False, True], ids=["reading its token file", "storing the token"])
def test_worker_threads_that_all_wait_for_a_task_do_not_keep_it_from_files(
    backend: str, profile: bool, emulator: Emulator, tmp_path: Path
) -> None:
    """The pool of worker threads is limited: what a refresh needs must not queue behind those who wait for it."""
    path = tmp_path / "token"
    path.write_text(emulator.issue())
    from_file = {**emulator.env(), "ANT_IDENTITY_SOURCE": "file", "ANTHROPIC_IDENTITY_TOKEN_FILE": str(path)}
    credentials = ant_wif.resolve(environ=profile_environ(emulator, tmp_path) if profile else from_file)

    async def story() -> list[str]:
        found: list[str] = []
        pool = int(anyio.to_thread.current_default_thread_limiter().total_tokens)
        busy, go = threading.Semaphore(0), threading.Event()

        def work() -> None:
            busy.release()
            go.wait(GENEROUS_SECONDS)
            found.append(credentials.token())

        async def ask() -> None:
            found.append(await credentials.atoken())

        async with anyio.create_task_group() as group:
            for _ in range(pool):
                group.start_soon(anyio.to_thread.run_sync, work)
            for _ in range(pool):
                while not busy.acquire(blocking=False):
                    await anyio.sleep(0.002)
            group.start_soon(ask)
            await anyio.sleep(0.05)
            go.set()
        return found

    assert len(set(guarded(lambda: anyio.run(story, backend=backend)))) == 1
    assert emulator.exchanges == 1


# --- the schedule -----------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", [None, "asyncio", "trio"])
def test_a_hundred_calls_on_sixty_second_tokens_make_at_most_two_exchanges(
    backend: str | None, timed: Emulator, clock: Clock
) -> None:
    timed.update_rule("github", token_lifetime_seconds=60)
    credentials = credentials_for(timed, clock)

    async def story() -> None:
        for _ in range(100):
            await credentials.atoken() if backend else credentials.token()
            clock.now += 0.3

    guarded(lambda: anyio.run(story, backend=backend or "asyncio"))
    assert 1 <= timed.exchanges <= 2


END = 10_000


@pytest.mark.parametrize(
    ("lifetime", "ahead", "start", "advised", "required"),
    [
        (TEN_MINUTES, 0, 660, 120, 30),
        (100, 0, 160, 50, 25),
        (60, 0, 120, 30, 15),
        (TEN_MINUTES, 119, 660, 120, 30),
        (TEN_MINUTES, 300, 660, 300, 30),
        (TEN_MINUTES, 599, 660, 450, 30),
        (None, 0, None, 120, 30),
        (None, 300, None, 300, 30),
    ],
)
def test_a_token_is_refreshed_in_good_time_before_its_end_and_where_the_clock_was_set_back(
    lifetime: float | None, ahead: float, start: int | None, advised: int, required: int
) -> None:
    token = AccessToken(SecretStr("x"), END, lifetime)
    left = {advised + 1: "nothing", advised: "advised", required + 1: "advised", required: "required", 0: "required"}
    left |= {9_999: "nothing"} if start is None else {start: "nothing", start + 1: "required"}
    found = {seconds: refresh_state(token, END - seconds, ahead).value for seconds in left}
    assert found == left
    assert fresh_between(token, ahead) == (-math.inf if start is None else END - start, END - advised)
    assert [token.lasts(END - seconds) for seconds in (2, 1.1, 1, 0)] == [True, True, False, False]


def test_no_token_must_be_obtained_and_one_that_never_expires_is_left_alone() -> None:
    assert refresh_state(None, 0).value == "required"
    forever = AccessToken(SecretStr("x"))
    assert refresh_state(forever, 1e12, 1e12).value == "nothing"
    assert fresh_between(forever, 5) == (-math.inf, math.inf)
    assert forever.lasts(1e12)


def test_the_pauses_after_failures_are_spread_from_the_third_on() -> None:
    assert [pause_after(failures, lambda: 0.5) for failures in (1, 2, 3, 9)] == [5, 5, 7.5, 7.5]


class Source:
    """Obtains what it is told to, and keeps what was wanted."""

    def __init__(self, *outcomes: AccessToken | Exception) -> None:
        self.outcomes, self.wanted = list(outcomes), list[TokenRequest]()

    def __call__(self, wanted: TokenRequest) -> Flow[AccessToken]:
        self.wanted.append(wanted)
        outcome = self.outcomes.pop(0)
        yield from ()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def lasting(name: str, clock: Clock, seconds: int = TEN_MINUTES) -> AccessToken:
    return AccessToken(SecretStr(name), int(clock()) + seconds, seconds)


def test_a_cache_asks_for_what_its_caller_needs_and_serves_what_it_has_meanwhile(clock: Clock) -> None:
    failed = ExchangeError("down")
    first, second = lasting("first", clock), lasting("second", clock, 2 * TEN_MINUTES)
    source = Source(first, failed, failed, failed, second, failed, failed)
    cache = TokenCache(source, clock=clock, draw=lambda: 0.5)
    assert (cache.token, cache.fresh()) == (None, None)
    assert cache.get() is cache.get() is cache.token is cache.fresh() is first
    clock.now += TEN_MINUTES - 120
    assert cache.fresh() is None
    for seconds, asked in ((0, 2), (4.9, 2), (0.1, 3), (4.9, 3), (0.1, 4), (7.4, 4), (0.1, 5)):
        clock.now += seconds
        assert cache.get() is (second if asked == 5 else first), asked
        assert len(source.wanted) == asked
    assert source.wanted[1:] == [TokenRequest(has_spare=True)] * 4
    cache.refresh_ahead(300)
    assert cache.fresh() is None
    assert cache.get() is second
    cache.invalidate(SecretStr("another"))
    assert cache.token is second
    cache.invalidate(SecretStr("second"))
    cache.invalidate(SecretStr("second"))
    assert (cache.token, cache.fresh()) == (None, None)
    for _ in range(2):
        with pytest.raises(ExchangeError, match="down"):
            cache.get()
    assert source.wanted[5:] == [TokenRequest(rejected=SecretStr("second"), ahead=300)] * 2


def test_a_token_that_is_due_as_it_comes_counts_as_a_failure(clock: Clock) -> None:
    due = [AccessToken(SecretStr(str(number)), int(clock()) + 100) for number in range(4)]
    good = lasting("good", clock)
    source = Source(*due, good, good)
    cache = TokenCache(source, clock=clock, draw=lambda: 0.5)
    served = []
    for seconds in (0, 4.9, 0.1, 5, 7.4, 0.1, 7.4, 0.1):
        clock.now += seconds
        served.append(cache.get().secret.get_secret_value())
    assert served == ["0", "0", "1", "2", "2", "3", "3", "good"]


def test_in_the_advisory_window_one_refreshes_while_the_others_keep_the_token(
    release: threading.Event, server: HostileServer, clock: Clock
) -> None:
    server.behaviour = in_turn(
        reply(grant("sk-ant-oat01-old", expires_in=TEN_MINUTES)), held(release, reply(grant("sk-ant-oat01-new")))
    )
    credentials = credentials_at(server, clock=clock)
    credentials.token()
    clock.now += TEN_MINUTES - 60
    found: list[str] = []
    leader = threading.Thread(target=lambda: found.append(credentials.token()), daemon=True)
    leader.start()
    wait_until(lambda: len(server.requests) == 2)
    assert at_once(credentials.token) == ["sk-ant-oat01-old"] * MANY
    assert found == []
    release.set()
    leader.join(GENEROUS_SECONDS)
    assert found == [credentials.token()] == ["sk-ant-oat01-new"]
    assert len(server.requests) == 2


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_refresh_that_fails_in_the_advisory_window_serves_the_token(
    asynchronous: bool, server: HostileServer, clock: Clock
) -> None:
    server.behaviour = in_turn(
        reply(grant("sk-ant-oat01-old", expires_in=TEN_MINUTES)), denial(503, "api_error", "down")
    )
    credentials = credentials_at(server, clock=clock)

    def ask() -> str:
        return anyio.run(credentials.atoken) if asynchronous else credentials.token()

    assert ask() == "sk-ant-oat01-old"
    clock.now += TEN_MINUTES - 119
    assert [ask(), ask()] == ["sk-ant-oat01-old"] * 2
    assert len(server.requests) == 2


@pytest.mark.parametrize("left", [30, -100])
def test_a_refresh_that_fails_in_the_mandatory_window_raises(left: int, server: HostileServer, clock: Clock) -> None:
    server.behaviour = reply(grant(expires_in=TEN_MINUTES))
    credentials = credentials_at(server, clock=clock)
    credentials.token()
    server.behaviour = denial(503, "api_error", "down", retry_after="99")
    clock.now += TEN_MINUTES - left
    with pytest.raises(ExchangeError) as caught:
        credentials.token()
    assert caught.value.status == 503
    with pytest.raises(ExchangeError):
        anyio.run(credentials.atoken)


@pytest.mark.parametrize(
    ("left", "later"), [(31, 1), (60, -30)], ids=["into the mandatory window", "over a clock that is set back"]
)
def test_the_pause_after_a_failed_advised_refresh_does_not_reach(
    left: int, later: int, server: HostileServer, clock: Clock
) -> None:
    server.behaviour = in_turn(
        reply(grant("sk-ant-oat01-old", expires_in=TEN_MINUTES)), denial(503), reply(grant("sk-ant-oat01-new"))
    )
    credentials = credentials_at(server, clock=clock)
    credentials.token()
    clock.now += TEN_MINUTES - left
    assert credentials.token() == "sk-ant-oat01-old"
    clock.now += later
    assert credentials.token() == "sk-ant-oat01-new"


# --- a token that the API rejects -------------------------------------------------------------------


def test_many_401s_at_once_cause_one_exchange(emulator: Emulator) -> None:
    credentials = credentials_for(emulator)
    first = credentials.token()
    emulator.revoke(first)
    rejected = SecretStr(first)

    def fail_and_retry() -> str:
        credentials.invalidate(rejected)
        return credentials.token()

    tokens = at_once(fail_and_retry)
    assert len(set(map(str, tokens))) == 1
    assert first not in tokens
    assert emulator.exchanges == 2


def test_a_late_401_for_an_old_token_does_not_drop_the_new_one(emulator: Emulator) -> None:
    credentials = credentials_for(emulator)
    first = SecretStr(credentials.token())
    credentials.invalidate(first)
    second = credentials.token()
    credentials.invalidate(first)
    assert credentials.token() == second
    assert emulator.exchanges == 2


def test_invalidate_without_a_token_named_drops_what_is_held(emulator: Emulator) -> None:
    credentials = credentials_for(emulator)
    credentials.invalidate()
    first = credentials.token()
    credentials.invalidate()
    assert credentials.expires_at is None
    assert credentials.token() != first


def test_a_rejected_token_is_not_taken_from_the_disk_again(emulator: Emulator, tmp_path: Path) -> None:
    environ = profile_environ(emulator, tmp_path)
    credentials = ant_wif.resolve(environ=environ)
    first = credentials.token()
    assert ant_wif.resolve(environ=environ).token() == first, "the disk cache serves another process"
    emulator.revoke(first)
    credentials.invalidate(SecretStr(first))
    second = credentials.token()
    assert second != first
    assert ant_wif.resolve(environ=environ).token() == second
    assert emulator.exchanges == 2


# --- httpx ------------------------------------------------------------------------------------------


def sent(
    credentials: Credentials, *, asynchronous: bool, method: str = "GET", url: str = "", **changes: Any
) -> httpx.Response:
    """The answer to a request with the credential, which goes to the models unless another address is said."""
    url = url or f"{credentials.base_url}/v1/models"

    async def story() -> httpx.Response:
        async with httpx.AsyncClient(auth=credentials.auth) as client:
            return await client.request(method, url, **changes)

    if asynchronous:
        return anyio.run(story)
    with httpx.Client(auth=credentials.auth) as client:
        return client.request(method, url, **changes)


BOTH_CLIENTS = pytest.mark.parametrize("asynchronous", [False, True], ids=["Client", "AsyncClient"])


@BOTH_CLIENTS
def test_a_request_is_replayed_once_with_a_new_token_after_a_401(asynchronous: bool, emulator: Emulator) -> None:
    credentials = credentials_for(emulator)
    emulator.revoke(credentials.token())
    assert sent(credentials, asynchronous=asynchronous).status_code == 200
    assert emulator.exchanges == 2


class Api:
    """A server that grants numbered tokens and answers every API call with one status."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.granted = 0
        self.calls: list[Received] = []

    def __call__(self, request: Received) -> bytes:
        if request.target == "/v1/oauth/token":
            self.granted += 1
            return reply(grant(f"sk-ant-oat01-number-{self.granted}"))
        self.calls.append(request)
        return reply({}, status=self.status)


@pytest.fixture
def api(server: HostileServer) -> Api:
    api = Api()
    server.behaviour = api
    return api


@BOTH_CLIENTS
def test_an_api_that_always_says_401_is_asked_twice_and_no_more(
    asynchronous: bool, api: Api, server: HostileServer
) -> None:
    api.status = 401
    credentials = credentials_at(server)
    assert sent(credentials, asynchronous=asynchronous).status_code == 401
    assert [call.header("authorization") for call in api.calls] == [
        "Bearer sk-ant-oat01-number-1",
        "Bearer sk-ant-oat01-number-2",
    ]
    assert api.granted == 2


@BOTH_CLIENTS
@pytest.mark.parametrize("status", [400, 403, 404, 429, 500])
def test_other_refusals_are_not_replayed(asynchronous: bool, status: int, api: Api, server: HostileServer) -> None:
    api.status = status
    assert sent(credentials_at(server), asynchronous=asynchronous).status_code == status
    assert len(api.calls) == api.granted == 1


@BOTH_CLIENTS
def test_a_static_key_that_is_rejected_is_not_sent_again(asynchronous: bool, api: Api, server: HostileServer) -> None:
    api.status = 401
    credentials = ant_wif.resolve(api_key="sk-ant-api03-static", base_url=server.base_url, environ={})
    assert sent(credentials, asynchronous=asynchronous).status_code == 401
    (call,) = api.calls
    shown = [call.header(name) for name in ("authorization", "x-api-key", "anthropic-beta")]
    assert shown == ["Bearer sk-ant-api03-static", None, None], "without the flag of OAuth"
    assert api.granted == 0


@BOTH_CLIENTS
def test_a_body_held_in_memory_is_replayed_whole(asynchronous: bool, api: Api, server: HostileServer) -> None:
    api.status = 401
    sent(credentials_at(server), asynchronous=asynchronous, method="POST", json={"n": 1})
    assert [call.json() for call in api.calls] == [{"n": 1}, {"n": 1}]


@BOTH_CLIENTS
def test_a_streamed_body_is_not_replayed_and_the_error_says_why(
    asynchronous: bool, api: Api, server: HostileServer
) -> None:
    api.status = 401
    credentials = credentials_at(server)

    def chunks() -> Iterator[bytes]:
        yield b"spent"

    async def achunks() -> AsyncIterator[bytes]:
        yield b"spent"

    content = achunks() if asynchronous else chunks()
    with pytest.raises(ApiError, match="its body was streamed") as caught:
        # The server reads as much as is announced; with a body left unread it would reset the connection.
        sent(credentials, asynchronous=asynchronous, method="POST", content=content, headers={"Content-Length": "5"})
    assert caught.value.status == 401
    assert caught.value.hint
    assert len(api.calls) == 1
    assert credentials.token() == "sk-ant-oat01-number-2", "the rejected token is dropped nevertheless"


@BOTH_CLIENTS
@pytest.mark.parametrize("header", ["Authorization", "X-Api-Key"])
def test_a_request_with_a_credential_of_its_own_is_left_alone(
    asynchronous: bool, header: str, api: Api, server: HostileServer
) -> None:
    api.status = 401
    credentials = credentials_at(server)
    sent(credentials, asynchronous=asynchronous, headers={header: "mine"})
    assert len(api.calls) == 1
    assert api.calls[0].header(header) == "mine"
    assert api.calls[0].header("anthropic-beta") is None
    assert [api.calls[0].header(name) for name in ("authorization", "x-api-key")].count(None) == 1
    assert api.granted == 0


@BOTH_CLIENTS
@pytest.mark.parametrize(
    ("name", "own", "wanted"),
    [
        ("anthropic-beta", {}, "oauth-2025-04-20"),
        ("anthropic-beta", {"anthropic-beta": "files-api"}, "files-api,oauth-2025-04-20"),
        ("anthropic-beta", {"Anthropic-Beta": "a, oauth-2025-04-20 ,b"}, "a,oauth-2025-04-20,b"),
        ("anthropic-beta", {"anthropic-beta": "oauth-2025-04-20"}, "oauth-2025-04-20"),
        ("anthropic-beta", {"anthropic-beta": ""}, "oauth-2025-04-20"),
        ("anthropic-version", {}, "2026-10-21"),
        ("anthropic-version", {"anthropic-version": "2023-06-01"}, "2023-06-01"),
    ],
)
def test_beta_flags_are_merged_and_the_callers_version_is_kept_also_on_the_replay(
    asynchronous: bool, name: str, own: dict[str, str], wanted: str, api: Api, server: HostileServer
) -> None:
    api.status = 401
    sent(credentials_at(server), asynchronous=asynchronous, headers=own)
    assert [call.header(name) for call in api.calls] == [wanted, wanted]
    assert all(call.head.lower().count(f"\r\n{name}:") == 1 for call in api.calls)


@BOTH_CLIENTS
def test_an_exchange_that_fails_is_raised_through_the_client(asynchronous: bool, server: HostileServer) -> None:
    server.behaviour = denial()
    with pytest.raises(ExchangeError):
        sent(credentials_at(server), asynchronous=asynchronous)


@pytest.mark.parametrize("waits_well", [True, False])
def test_who_waits_for_a_lock_gets_it_or_goes_on_without_it(waits_well: bool) -> None:
    tries = iter([None, None, "lock"])
    assert driven(poll(lambda: next(tries), 60, give_up=lambda: False), waits_well=waits_well) == "lock"
    assert driven(poll(lambda: None, 0.0), waits_well=waits_well) is None
    tries = iter([None, "lock"])
    found = driven(poll(lambda: next(tries), 60, give_up=lambda: True), waits_well=waits_well)
    assert found == ("lock" if waits_well else None), "it stops where the holder could not go on meanwhile"


def driven(flow: Flow[object], *, waits_well: bool) -> object:
    async def awaited() -> object:
        return await arun(flow)

    return anyio.run(awaited) if waits_well else run(flow)
