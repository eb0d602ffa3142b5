"""The API client: what it sends again, what it refuses to send, and what it makes of answers that go wrong."""

from __future__ import annotations

import itertools
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate

import pytest

import ant_wif
from ant_wif._api.client import Api
from ant_wif._api.streaming import events, json_lines, message_events, text_of
from ant_wif.emulator import Emulator, Fault
from ant_wif.errors import ApiError, InsecureUrlError
from support.leaks import assert_explains_and_keeps
from support.loopback import Recorded, Scripted, TokenEndpoint, cut, models, stream

DELTA = json.dumps({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}})
STOP = json.dumps({"type": "message_stop"})
OVERLOADED = json.dumps({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})


class Waits(list[float]):
    """Stands in for `time.sleep`, and notes for how long."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def waits() -> Waits:
    return Waits()


def client(endpoint: TokenEndpoint, waits: Waits) -> Api:
    credentials = ant_wif.resolve(auth_token="sk-ant-oat01-EXAMPLE-of-a-token", base_url=endpoint.base_url, environ={})
    return Api(credentials, sleep=waits)


def read_events(api: Api) -> list[object]:
    with api.open("POST", "/v1/messages", body=b"{}") as response:
        return [*events(response)]


@contextmanager
def answering(answer: object, waits: Waits) -> Iterator[Api]:
    """Serve this answer to whatever is asked."""
    with Scripted(lambda _: answer) as endpoint, client(endpoint, waits) as api:
        yield api


@pytest.fixture
def api(emulator: Emulator, waits: Waits) -> Iterator[Api]:
    with Api(ant_wif.resolve(environ=emulator.env("github")), sleep=waits) as opened:
        yield opened


@pytest.mark.parametrize("status", [429, 500, 529])
def test_what_may_pass_by_itself_is_tried_again(api: Api, emulator: Emulator, waits: Waits, status: int) -> None:
    emulator.fail("models", Fault.status(status), times=2)
    assert api.get("/v1/models")["data"]
    assert len(waits) == 2


def test_a_server_that_asks_for_more_patience_than_there_is_gets_none(
    api: Api, emulator: Emulator, waits: Waits
) -> None:
    emulator.fail("models", Fault.status(429, retry_after=3600))
    with pytest.raises(ApiError, match="HTTP 429") as caught:
        api.get("/v1/models")
    assert (waits, caught.value.body["type"]) == ([], "rate_limit_error")
    assert "retry-after" in str(caught.value.hint)


def test_a_redirect_of_the_api_is_told_with_the_place_it_leads_to(waits: Waits) -> None:
    moved = 308, {"Location": "https://moved.example/v2/models?from=here", "Content-Length": "0"}, b""
    with answering(moved, waits) as api, pytest.raises(ApiError) as caught:
        api.get("/v1/models")
    assert str(caught.value) == "GET /v1/models returned HTTP 308: it redirects to https://moved.example/v2/models"
    assert "check that base_url names the Claude API" in str(caught.value.hint)


def test_an_end_comes_to_every_patience(api: Api, emulator: Emulator, waits: Waits) -> None:
    emulator.fail("models", Fault.status(500), times=9)
    with pytest.raises(ApiError, match="HTTP 500"):
        api.get("/v1/models")
    assert len(waits) == 3


def test_a_server_may_say_that_a_retry_is_useless(waits: Waits) -> None:
    with (
        Scripted(lambda _: (500, {"x-should-retry": "false", "Content-Length": "2"}, b"{}")) as endpoint,
        client(endpoint, waits) as api,
    ):
        with pytest.raises(ApiError, match="HTTP 500"):
            api.get("/v1/models")
        assert len(endpoint.requests) == 1


def test_a_refusal_is_not_tried_again(api: Api, waits: Waits) -> None:
    with pytest.raises(ApiError, match="HTTP 404, request id req_") as caught:
        api.get("/v1/models/none")
    assert (caught.value.status, caught.value.body["type"], waits) == (404, "not_found_error", [])


def test_a_lost_answer_to_a_get_is_asked_for_again(api: Api, emulator: Emulator, waits: Waits) -> None:
    emulator.fail("models", Fault.drop_after())
    assert api.get("/v1/models")["data"]
    assert len(waits) == 1


@pytest.mark.parametrize(
    "answer", [cut(b"", announced=9), (504, {"Content-Length": "2"}, b"{}")], ids=["on the way", "by a gateway"]
)
def test_a_lost_answer_to_a_post_is_not_as_it_may_have_had_its_effect(answer: object, waits: Waits) -> None:
    with Scripted(lambda _: answer) as endpoint, client(endpoint, waits) as api:
        with pytest.raises(ApiError, match=r"could not be reached|broke off|HTTP 504"):
            api.send("POST", "/v1/things", {"name": "one"})
        assert (len(endpoint.requests), waits) == (1, [])


def test_a_connection_that_was_never_made_is_tried_again_for_any_method(waits: Waits) -> None:
    with TokenEndpoint() as endpoint:
        api = client(endpoint, waits)
    with api, pytest.raises(ApiError, match="could not be reached") as caught:
        api.send("POST", "/v1/things", {})
    assert len(waits) == 3
    assert "base_url" in str(caught.value.hint)


@pytest.mark.parametrize("fault", [None, Fault.status(500), Fault.status(429, retry_after=1), Fault.drop_after()])
def test_after_a_401_the_token_is_exchanged_once_more_also_after_another_failure(
    emulator: Emulator, waits: Waits, fault: Fault | None
) -> None:
    credentials = ant_wif.resolve(environ=emulator.env("github"))
    with Api(credentials, sleep=waits) as api:
        emulator.revoke(credentials.token())
        if fault:
            emulator.fail("models", fault)
        assert api.get("/v1/models")["data"]
    assert (emulator.exchanges, len(waits)) == (2, bool(fault))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "in 40 seconds"}, 30.0),
        ({"retry-after-ms": "7500"}, 7.5),
        ({"retry-after": "9", "retry-after-ms": "8000"}, 8.0),
    ],
)
def test_a_server_may_say_in_other_ways_how_long_to_wait(headers: dict[str, str], seconds: float, waits: Waits) -> None:

    def answer(_: Recorded) -> object:
        if waits:
            return {"data": []}
        date = formatdate(time.time() + 40, usegmt=True)
        stated = {name: date if value == "in 40 seconds" else value for name, value in headers.items()}
        return 429, {**stated, "Content-Length": "2"}, b"{}"

    with Scripted(answer) as endpoint, client(endpoint, waits) as api:
        api.get("/v1/models")
    assert seconds <= waits[0] <= 1.5 * seconds + 20  # half as much again spreads those that wait


@pytest.mark.parametrize("stated", ["", "soon", "Mon, 99 Nov 2026 12:00:00 GMT", "-5", "1e9"])
def test_an_invalid_time_to_wait_is_ignored(stated: str, waits: Waits) -> None:
    answers = iter([(429, {"retry-after": stated, "Content-Length": "2"}, b"{}"), {"data": []}])
    with Scripted(lambda _: next(answers)) as endpoint, client(endpoint, waits) as api:
        api.get("/v1/models")
    assert waits[0] <= 0.5


def test_a_server_may_ask_for_another_attempt_but_not_after_a_denial(waits: Waits) -> None:
    for status, attempts in ((409, 4), (400, 1), (403, 1)):
        answer = (status, {"x-should-retry": "TRUE", "Content-Length": "2"}, b"{}")
        with Scripted(lambda _, answer=answer: answer) as endpoint, client(endpoint, waits) as api:
            with pytest.raises(ApiError):
                api.get("/v1/models")
            assert len(endpoint.requests) == attempts


def test_a_page_that_is_cut_in_the_middle_is_asked_for_again(waits: Waits) -> None:
    answers = iter([cut(b'{"data": [', announced=99), {"data": [{"id": "a"}]}])
    with Scripted(lambda _: next(answers)) as endpoint, client(endpoint, waits) as api:
        assert api.get("/v1/models")["data"] == [{"id": "a"}]


def test_a_credential_that_an_answer_quotes_is_masked_whatever_it_looks_like(
    waits: Waits, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "corp-gateway-token-0123456789abcdef"
    caplog.set_level(logging.DEBUG, "ant_wif")
    error = {"error": {"type": "no", "message": f"bad {secret}"}}
    plain = json.dumps(error).encode()
    refused = (401, {"Content-Length": str(len(plain)), "x-echo": secret}, plain)
    for answer in (refused, stream(json.dumps({"type": "error", **error}))):
        with Scripted(lambda _, answer=answer: answer) as endpoint:
            credentials = ant_wif.resolve(auth_token=secret, base_url=endpoint.base_url, environ={})
            with Api(credentials, sleep=waits) as api, pytest.raises(ApiError) as caught:
                read_events(api)
        assert secret not in f"{caught.value} {caught.value.body} {caught.value.hint}"
    shown = [record.getMessage() for record in caplog.records if record.name.startswith("ant_wif")]
    assert shown
    assert secret not in "\n".join(shown)


@pytest.mark.parametrize(
    "answer",
    [
        (401, {"Content-Length": "2"}, b"{}"),
        (500, {"Content-Length": "9"}, b"{}"),
        stream(OVERLOADED),
        cut(b"{", announced=9),
        (200, {"Content-Length": "1"}, b"["),
    ],
)
def test_no_frame_that_an_error_passes_through_shows_the_token(answer: object, waits: Waits) -> None:
    with answering(answer, waits) as api, pytest.raises(ApiError) as caught:
        read_events(api) if "stream" in str(answer) else api.send("POST", "/v1/messages", {"a": 1})
    assert_explains_and_keeps(caught.value, "sk-ant-oat01-EXAMPLE-of-a-token")


def test_a_password_in_a_url_is_not_quoted(waits: Waits) -> None:
    with TokenEndpoint() as endpoint, client(endpoint, waits) as api:
        for url in (f"http://joe:hunter2hunter2@127.0.0.1:{endpoint.port}/x", "http://joe:hunter2hunter2@[/x"):
            with pytest.raises(InsecureUrlError) as caught:
                api.call("GET", url)
            assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example/v1/models", "//evil.example/v1/models", "/\\evil.example/v1/models",
        "\\\\evil.example\\v1", "http://127.0.0.1@evil.example/", "https:evil.example", "ftp://127.0.0.1/",
        "http://127.0.0.1.evil.example/v1/models", "http://[::1/v1", "/v1/\n models",
    ],
)  # fmt: skip
def test_the_credential_goes_to_its_own_host_only(path: str, waits: Waits) -> None:
    with TokenEndpoint() as endpoint, client(endpoint, waits) as api:
        with pytest.raises(InsecureUrlError) as caught:
            api.call("GET", path)
        assert endpoint.requests == []
        assert caught.value.hint
        with pytest.raises(InsecureUrlError):
            api.call("GET", f"http://user@127.0.0.1:{endpoint.port}/v1/models")


def test_the_whole_url_of_the_same_host_is_as_good_as_its_path(waits: Waits) -> None:
    with TokenEndpoint(body={"data": []}) as endpoint, client(endpoint, waits) as api:
        api.call("GET", f"{endpoint.base_url}/v1/models?limit=2", query=[("after_id", "a b")])
        # httpx 0.27 writes a space as %20, newer ones as +.
        assert endpoint.requests[0].path.replace("%20", "+") == "/v1/models?limit=2&after_id=a+b"


def test_the_first_item_is_out_before_the_second_page_is_asked_for(waits: Waits) -> None:
    with models(10_000) as endpoint, client(endpoint, waits) as api:
        listed = api.items("/v1/models")
        assert next(listed)["id"] == "0"
        assert len(endpoint.requests) == 1
        assert [int(str(item["id"])) for item in listed] == list(range(1, 10_000))
        assert len(endpoint.requests) == 100


def test_a_limit_asks_for_no_more_than_it_needs(waits: Waits) -> None:
    with models(1000) as endpoint, client(endpoint, waits) as api:
        assert len(list(api.items("/v1/models", limit=130))) == 130
        assert [request.path for request in endpoint.requests] == [
            "/v1/models?limit=100",
            "/v1/models?limit=30&after_id=99",
        ]


def test_a_list_with_opaque_pages_is_followed_too(waits: Waits) -> None:
    pages = {None: ("a", "p 2"), "p%202": ("b", "p3"), "p3": ("c", None)}

    def page(request: Recorded) -> object:
        _, _, cursor = request.path.partition("page=")
        item, following = pages[cursor.replace("+", "%20") or None]
        return {"data": [{"id": item}], "next_page": following}

    with Scripted(page) as endpoint, client(endpoint, waits) as api:
        assert [item["id"] for item in api.items("/v1/organizations/federation_rules")] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("path", "query", "asked"),
    [
        ("", [("before_id", "5")], ["?before_id=5", "?before_id=4"]),
        ("?limit=1&before_id=5&q=a%20b", [], ["?limit=1&before_id=5&q=a+b", "?limit=1&q=a+b&before_id=4"]),
    ],
    ids=["by its parameters", "by its path"],
)
def test_a_list_read_backwards_goes_on_backwards(
    path: str, query: list[tuple[str, str]], asked: list[str], waits: Waits
) -> None:
    last = {"data": [{"id": "3"}], "has_more": False, "first_id": "3", "last_id": "3"}
    answers = iter([{"data": [{"id": "4"}], "has_more": True, "first_id": "4", "last_id": "4"}, last])
    with Scripted(lambda _: next(answers)) as endpoint, client(endpoint, waits) as api:
        assert len(list(api.items(f"/v1/models{path}", query=query, page_size=None))) == 2
        assert [request.path.replace("%20", "+") for request in endpoint.requests] == [f"/v1/models{q}" for q in asked]


def test_a_list_that_has_more_and_does_not_say_where_is_an_error(waits: Waits) -> None:
    with answering({"data": [{"id": "a"}], "has_more": True}, waits) as api:
        listed = api.items("/v1/models")
        assert next(listed) == {"id": "a"}
        with pytest.raises(ApiError, match="does not say where it goes on"):
            next(listed)


def test_an_empty_page_in_the_middle_is_not_the_end(waits: Waits) -> None:
    answers = iter([{"data": [], "next_page": "2"}, {"data": [{"id": "a"}], "next_page": None}])
    with Scripted(lambda _: next(answers)) as endpoint, client(endpoint, waits) as api:
        assert list(api.items("/v1/things")) == [{"id": "a"}]


def test_a_list_that_leads_in_a_circle_is_left(waits: Waits) -> None:
    page = {"data": [{"id": "a"}], "next_page": "again"}
    with answering(page, waits) as api, pytest.raises(ApiError, match="circle"):
        list(itertools.islice(api.items("/v1/models"), 10))


def test_a_list_that_leads_on_to_nothing_is_left(waits: Waits) -> None:
    def page(request: Recorded) -> object:
        return {"data": [], "has_more": True, "last_id": f"p{len(endpoint.requests)}"}

    with Scripted(page) as endpoint, client(endpoint, waits) as api:
        with pytest.raises(ApiError, match="the list at /v1/models has more, but 100 pages up to p100 are empty"):
            list(api.items("/v1/models"))
        assert len(endpoint.requests) == 100


@pytest.mark.parametrize("answer", [{}, {"data": None}, {"data": {"id": "a"}}, {"data": ["a"]}, [], "text", None])
def test_a_page_that_is_not_a_list_is_an_error(answer: object, waits: Waits) -> None:
    with answering(answer, waits) as api, pytest.raises(ApiError) as caught:
        list(api.items("/v1/models"))
    assert caught.value.hint


@pytest.mark.parametrize("body", [b"<html>", b"", b'{"a":', b"[" * 100_000, b"\xff", b'{"a": NaN}', b'{"a": 1e999}'])
def test_a_page_that_is_not_json_is_an_error_with_a_hint(body: bytes, waits: Waits) -> None:
    answer = (200, {"Content-Type": "application/json", "Content-Length": str(len(body))}, body)
    with answering(answer, waits) as api, pytest.raises(ApiError, match="not a JSON object") as caught:
        api.get("/v1/models")
    assert "check that base_url names the Claude API" in str(caught.value.hint)


@pytest.mark.parametrize("body", ["[]", "{}", '{"data": [], "has_more": true}', '{"data": [], "next_page": "again"}'])
def test_a_list_that_cannot_be_read_is_an_error_with_the_request_id(body: str, waits: Waits) -> None:
    answer = (200, {"request-id": "req_9", "Content-Length": str(len(body))}, body.encode())
    with answering(answer, waits) as api, pytest.raises(ApiError, match=", request id req_9") as caught:
        list(itertools.islice(api.items("/v1/models"), 10))
    assert caught.value.request_id == "req_9"


def test_a_response_that_is_not_json_is_an_error_with_the_request_id(waits: Waits) -> None:
    answer = (200, {"request-id": "req_9", "Content-Length": "6"}, b"<html>")
    with answering(answer, waits) as api, pytest.raises(ApiError, match=", request id req_9"):
        api.call("GET", "/v1/models").document()


def test_the_text_of_a_message_is_put_together_from_its_events(waits: Waits) -> None:
    with answering(stream(DELTA, DELTA, STOP), waits) as api, api.open("POST", "/v1/messages", body=b"{}") as response:
        assert "".join(text_of(event) for event in message_events(response)) == "HelHel"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (stream(DELTA, OVERLOADED), "overloaded_error: Overloaded"),
        (stream(DELTA), "ended before the message did"),
        (stream(DELTA, "{"), "not a JSON object"),
        (stream(DELTA, "[1]"), "not a JSON object"),
        (
            (200, {"Content-Type": "text/event-stream", "Content-Length": "9999"}, f"data: {DELTA}\n\n".encode()),
            "broke off",
        ),
    ],
)
def test_a_stream_that_breaks_gives_what_came_before_and_then_an_error(answer: object, says: str, waits: Waits) -> None:
    with answering(answer, waits) as api:
        texts: list[str] = []
        with pytest.raises(ApiError, match=says), api.open("POST", "/v1/messages", body=b"{}") as response:
            texts.extend(text_of(event) for event in message_events(response))
        assert texts == ["Hel"]


@pytest.mark.parametrize("answer", [stream(DELTA, OVERLOADED), stream(DELTA), stream("{")])
def test_an_error_in_a_stream_has_the_request_id(answer: tuple[int, dict[str, str], bytes], waits: Waits) -> None:
    named = (answer[0], {**answer[1], "request-id": "req_9"}, answer[2])
    with answering(named, waits) as api, pytest.raises(ApiError, match="request id req_9") as caught:
        read_events(api)
    assert caught.value.request_id == "req_9"


def test_a_request_id_in_the_body_will_do(waits: Waits) -> None:
    body = b'{"error": {"type": "a", "message": "b"}, "request_id": "req_8"}'
    answer = (400, {"Content-Length": str(len(body))}, body)
    with answering(answer, waits) as api, pytest.raises(ApiError, match="request id req_8"):
        api.get("/v1/models")


@pytest.mark.parametrize(
    "body", [b'{"a": 1}\n{"a": 2}\n', b'{"a": 1}\r\n\n{"a": 2}', b'{"a": 1}\n{"a": "\xe2\x80\xa8"}']
)
def test_json_lines_are_read_line_by_line(body: bytes, waits: Waits) -> None:
    answer = (200, {"Content-Type": "application/x-jsonl", "Content-Length": str(len(body))}, body)
    with answering(answer, waits) as api, api.open("GET", "/v1/results") as response:
        assert len(list(json_lines(response))) == 2


def test_a_line_that_is_not_json_is_an_error_after_those_before(waits: Waits) -> None:
    body = b'{"a": 1}\nnope\n'
    answer = (200, {"Content-Length": str(len(body))}, body)
    found: list[object] = []
    with (
        answering(answer, waits) as api,
        pytest.raises(ApiError, match="not JSON"),
        api.open("GET", "/v1/results") as response,
    ):
        found.extend(json_lines(response))
    assert found == [{"a": 1}]


def test_an_answer_without_end_is_not_kept_in_memory(waits: Waits) -> None:
    size = (64 << 20) + 1
    answer = (200, {"Content-Type": "application/json", "Content-Length": str(size)}, b" " * size)
    with answering(answer, waits) as api, pytest.raises(ApiError, match="longer than"):
        api.get("/v1/models")
