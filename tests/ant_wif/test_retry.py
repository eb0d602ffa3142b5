"""What passes by itself is tried again: with which assertion, how often, and how long in all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ant_wif._environment import Environment
from ant_wif._http.flow import (
    ATTEMPTS,
    DEADLINE_SECONDS,
    FIRST_DELAY_SECONDS,
    LONGEST_DELAY_SECONDS,
    Backoff,
    RequestFailure,
    Response,
    is_transient,
    retry_after,
)
from ant_wif._http.transport import arun, run
from ant_wif._secrets import SecretBytes
from ant_wif._tokens.access_token import TokenRequest
from ant_wif._tokens.grants.jwt_bearer import Federation
from ant_wif._tokens.providers import FederatedProvider
from ant_wif.emulator import Emulator, Fault
from ant_wif.errors import ExchangeError
from ant_wif.identity import Context, File, GitHubActions
from support.identity_failures import at_once
from support.misbehaving_server import (
    Act,
    HostileServer,
    Received,
    denial,
    drop_after_reading,
    forged_jwt,
    grant,
    in_turn,
    reply,
)
from support.samples import ORGANIZATION, RULE

GRANTED = reply(grant())

BOTH = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer(GRANTED) as started:
        yield started


def failing(status: int, after: str | None = None) -> bytes:
    body = {"type": "error", "error": {"type": "api_error", "message": "not now"}}
    return reply(body, status=status, headers={"retry-after": after} if after is not None else {})


def ask(provider: FederatedProvider, *, asynchronous: bool, client: httpx.Client | None = None) -> str:
    """The token, after as many attempts as it takes, without the pauses between them."""
    flow = at_once(provider.obtain(TokenRequest()))
    token = anyio.run(arun, flow) if asynchronous else run(flow, client)
    return token.secret.get_secret_value()


def with_github(emulator: Emulator, base_url: str) -> FederatedProvider:
    """A job of GitHub, which hands out a new identity token each time; tokens are exchanged at `base_url`."""
    federation = Federation(base_url, emulator.rule().id, emulator.organization_id)
    return FederatedProvider(federation, GitHubActions(), Context(Environment(emulator.env())), cache=None)


def with_file(path: Path, base_url: str, jwt: str) -> FederatedProvider:
    path.write_text(jwt)
    federation = Federation(base_url, RULE, ORGANIZATION)
    return FederatedProvider(federation, File(str(path)), Context(Environment({})), cache=None)


def presented(server: HostileServer) -> list[object]:
    return [request.json()["assertion"] for request in server.requests]


# --- at the token endpoint --------------------------------------------------------------------------

PASSES = pytest.mark.parametrize(
    "failure",
    [
        pytest.param(failing(429, "0"), id="429, at once"),
        pytest.param(failing(429, "1"), id="429, in a second"),
        pytest.param(failing(429, "Fri, 31 Dec 2027 23:59:59 GMT"), id="429, at a date"),
        pytest.param(failing(500), id="500"),
        pytest.param(failing(529), id="529"),
        pytest.param(drop_after_reading(), id="dropped"),
    ],
)


@BOTH
@PASSES
def test_a_source_that_issues_tokens_gets_through_with_a_fresh_assertion_each_time(
    asynchronous: bool, failure: bytes | Act, emulator: Emulator, server: HostileServer
) -> None:
    server.behaviour = in_turn(failure, failure, GRANTED)
    assert ask(with_github(emulator, server.base_url), asynchronous=asynchronous) == grant()["access_token"]
    assert len(presented(server)) == len(set(presented(server))) == 3


@BOTH
@pytest.mark.parametrize("fault", [Fault.drop_before(), Fault.drop_after()], ids=["before", "after"])
def test_a_source_that_issues_tokens_survives_a_dropped_connection_before_and_after_the_exchange(
    asynchronous: bool, fault: Fault, emulator: Emulator
) -> None:
    emulator.fail("token", fault, times=2)
    assert ask(with_github(emulator, emulator.base_url), asynchronous=asynchronous)
    assert {record.outcome for record in emulator.history} == {"granted"}
    ids = [(record.unverified_claims or {})["jti"] for record in emulator.history]
    assert len(set(ids)) == len(ids) == (1 if "before" in fault.description else 3)


@BOTH
@PASSES
def test_a_single_use_assertion_that_the_server_may_have_received_is_not_sent_twice(
    asynchronous: bool, failure: bytes | Act, server: HostileServer, tmp_path: Path
) -> None:
    server.behaviour = in_turn(failure, GRANTED)
    with pytest.raises(ExchangeError) as caught:
        ask(with_file(tmp_path / "identity", server.base_url, forged_jwt()), asynchronous=asynchronous)
    assert caught.value.hint
    assert len(server.requests) == 1


@BOTH
def test_an_assertion_without_an_id_is_sent_again(asynchronous: bool, server: HostileServer, tmp_path: Path) -> None:
    server.behaviour = in_turn(failing(503), drop_after_reading(), GRANTED)
    jwt = forged_jwt({"jti": None})
    assert ask(with_file(tmp_path / "identity", server.base_url, jwt), asynchronous=asynchronous)
    assert presented(server) == [jwt] * 3


@BOTH
def test_a_token_file_that_was_rotated_in_the_meantime_is_sent(
    asynchronous: bool, server: HostileServer, tmp_path: Path
) -> None:
    old, new = forged_jwt({"jti": "old"}), forged_jwt({"jti": "new"})

    def rotate(_: Received) -> bytes:
        (tmp_path / "identity").write_text(new)
        server.behaviour = GRANTED
        return failing(503)

    server.behaviour = rotate
    assert ask(with_file(tmp_path / "identity", server.base_url, old), asynchronous=asynchronous)
    assert presented(server) == [old, new]


class Refused(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Sends the first requests to a port where nobody listens, and keeps what they would have presented."""

    def __init__(self, times: int) -> None:
        self._left = times
        self._sync, self._async = httpx.HTTPTransport(), httpx.AsyncHTTPTransport()
        self.presented: list[str] = []

    def _turn(self, request: httpx.Request) -> httpx.Request:
        self.presented.append(json.loads(request.read())["assertion"])
        if self._left:
            self._left -= 1
            request.url = request.url.copy_with(port=1)
        return request

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._sync.handle_request(self._turn(request))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._async.handle_async_request(self._turn(request))

    def close(self) -> None:
        self._sync.close()

    async def aclose(self) -> None:
        await self._async.aclose()


@BOTH
def test_a_refused_connection_is_retried_with_the_same_unused_assertion(
    asynchronous: bool, server: HostileServer, tmp_path: Path
) -> None:
    jwt, transport = forged_jwt(), Refused(times=2)

    provider = with_file(tmp_path / "identity", server.base_url, jwt)

    async def story() -> None:
        async with httpx.AsyncClient(transport=transport) as client:
            await arun(at_once(provider.obtain(TokenRequest())), client)

    if asynchronous:
        anyio.run(story)
    else:
        with httpx.Client(transport=transport) as client:
            ask(provider, asynchronous=False, client=client)
    assert transport.presented == [jwt] * 3
    assert presented(server) == [jwt]


def test_a_connection_that_is_always_refused_is_given_up_after_four_attempts(tmp_path: Path) -> None:
    transport = Refused(times=99)
    provider = with_file(tmp_path / "identity", "http://127.0.0.1:1", forged_jwt())
    with httpx.Client(transport=transport) as client, pytest.raises(ExchangeError, match="could not be used") as caught:
        ask(provider, asynchronous=False, client=client)
    assert caught.value.status is None
    assert caught.value.hint
    assert len(transport.presented) == ATTEMPTS


@BOTH
@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 307])
def test_what_does_not_pass_by_itself_is_not_tried_again(
    asynchronous: bool, status: int, emulator: Emulator, server: HostileServer
) -> None:
    server.behaviour = in_turn(denial(status), GRANTED)
    with pytest.raises(ExchangeError) as caught:
        ask(with_github(emulator, server.base_url), asynchronous=asynchronous)
    assert caught.value.status == status
    assert len(server.requests) == 1


@BOTH
@pytest.mark.parametrize(
    ("after", "said"),
    [
        ("61", "61"),
        ("3600", "3600"),
        ("86400", "86400"),
        ("100000", "more than a day"),
        ("31536000", "more than a day"),
    ],
)
def test_a_wait_beyond_the_deadline_is_given_up_at_once_and_the_hint_says_when(
    asynchronous: bool, after: str, said: str, emulator: Emulator, server: HostileServer
) -> None:
    server.behaviour = in_turn(failing(429, after), GRANTED)
    with pytest.raises(ExchangeError) as caught:
        ask(with_github(emulator, server.base_url), asynchronous=asynchronous)
    assert caught.value.status == 429
    assert caught.value.hint is not None
    assert said in caught.value.hint
    assert len(server.requests) == 1


# --- the schedule -----------------------------------------------------------------------------------

DOWN = RequestFailure("no answer", maybe_received=True, transient=True)


def status(code: int, after: str | None = None) -> Response:
    return Response(code, {} if after is None else {"retry-after": after}, SecretBytes(b""))


class Time:
    """A clock that each wait moves on."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def waits(
    backoff: Backoff, time: Time, answers: Callable[[], Response | RequestFailure], *, each_takes: float
) -> list[float]:
    """What is waited between attempts, until it is given up."""
    found: list[float] = []
    while True:
        time.now += each_takes
        delay = backoff.delay(answers())
        if delay is None:
            return found
        found.append(delay)
        time.now += delay


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_limit_of_a_wait_doubles_up_to_the_longest(share: float) -> None:
    backoff = Backoff(attempts=8, deadline=1e9, now=lambda: 0.0, draw=lambda: share)
    limits = [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    assert (limits[0], limits[-1]) == (FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS)
    assert [backoff.delay(DOWN) for _ in range(8)] == [*(share * limit for limit in limits), None]


@given(
    draws=st.lists(st.floats(0, 1, exclude_max=True), min_size=20, max_size=20),
    asked=st.lists(st.none() | st.integers(0, 90), min_size=20, max_size=20),
    each_takes=st.floats(0, 40),
    attempts=st.integers(1, 12),
    deadline=st.floats(0, 120),
    start=st.floats(0, 1e9),
)
def test_no_wait_passes_its_limit_or_the_deadline_or_comes_before_what_the_server_asked(
    draws: list[float], asked: list[int | None], each_takes: float, attempts: int, deadline: float, start: float
) -> None:
    time, drawn, wanted = Time(start), iter(draws), iter(asked)
    given_: list[int | None] = []

    def answer() -> Response:
        given_.append(next(wanted))
        return status(503, None if given_[-1] is None else str(given_[-1]))

    backoff = Backoff(attempts=attempts, deadline=deadline, now=time, draw=lambda: next(drawn))
    found = waits(backoff, time, answer, each_takes=each_takes)
    assert len(found) < attempts
    assert time.now - each_takes <= start + deadline + 1e-6
    for number, (waited, after) in enumerate(zip(found, given_, strict=False)):
        limit = min(FIRST_DELAY_SECONDS * 2**number, LONGEST_DELAY_SECONDS)
        assert (after or 0) <= waited <= (after or 0) + max(limit, (after or 0) / 2)


def test_processes_that_a_server_asks_to_wait_alike_come_back_one_by_one() -> None:
    shares = (0.0, 0.25, 0.5, 0.75)
    found = [Backoff(now=lambda: 0.0, draw=lambda share=share: share).delay(status(429, "20")) for share in shares]  # type: ignore[misc]
    assert found == [20.0, 22.5, 25.0, 27.5]


def test_what_a_server_asks_is_waited_where_there_is_no_time_for_more() -> None:
    assert Backoff(deadline=22.0, now=lambda: 0.0, draw=lambda: 0.5).delay(status(429, "20")) == 21.0
    assert Backoff(deadline=20.0, now=lambda: 0.0, draw=lambda: 0.5).delay(status(429, "20")) is None


def test_by_default_there_are_four_attempts_within_a_minute() -> None:
    time = Time()
    backoff = Backoff(now=time, draw=lambda: 1.0)
    assert waits(backoff, time, lambda: DOWN, each_takes=0) == [0.5, 1.0, 2.0]
    assert (ATTEMPTS, DEADLINE_SECONDS) == (4, 60.0)
    slow = Backoff(now=time, draw=lambda: 1.0)
    assert waits(slow, time, lambda: DOWN, each_takes=30) == [0.5], "thirty seconds twice, and the minute is over"


@pytest.mark.parametrize("code", [200, 302, 400, 401, 403, 404, 408, 422, 425, 429, 500, 502, 503, 504, 529])
def test_what_a_server_may_answer_otherwise_a_little_later_is_transient(code: int) -> None:
    passes = code in {408, 425, 429} or code >= 500
    assert is_transient(status(code)) == passes
    assert Backoff(now=lambda: 0.0, draw=lambda: 0.0).delay(status(code)) == (0.0 if passes else None)


@pytest.mark.parametrize(
    ("stated", "seconds"),
    [
        ("0", 0.0),
        (" 3 ", 3.0),
        ("1.5", 1.5),
        ("99999", 99999.0),
        ("-1", None),
        ("", None),
        ("1e3", None),
        ("soon", None),
    ],
)
def test_seconds_are_read_from_retry_after_and_nothing_else(stated: str, seconds: float | None) -> None:
    assert retry_after(status(429, stated)) == seconds
    assert retry_after(DOWN) is None
