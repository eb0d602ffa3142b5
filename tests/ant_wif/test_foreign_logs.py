"""What other libraries log while they work for this one."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading

import httpx
import pytest

from ant_wif._http import Request, mask_foreign_logs, run
from ant_wif._http.flow import Flow, RequestFailure, Response, send
from ant_wif._secrets import SecretStr
from support.identity_failures import OPAQUE, TOKEN
from support.leaks import assert_unseen
from support.misbehaving_server import HostileServer, reply

LOG = logging.getLogger("urllib3.connectionpool")


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError(OPAQUE)


def test_text_arguments_extras_and_tracebacks_are_masked(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with mask_foreign_logs([SecretStr(OPAQUE)]):
        LOG.debug("sent %s, %d bytes", OPAQUE, 7)
        LOG.debug("got %s", TOKEN.encode(), extra={"httpResponse": {"token": "opaque-value", "list": [OPAQUE, 1]}})
        LOG.debug("%d", OPAQUE)
        LOG.debug("%s", Unprintable())
        try:
            raise ValueError(f"bad value {OPAQUE}")
        except ValueError:
            LOG.debug("failed", exc_info=True)
    assert_unseen(f"{caplog.text} {[vars(record) for record in caplog.records]}", OPAQUE, TOKEN)
    assert "sent [masked], 7 bytes" in caplog.text
    assert "ValueError: bad value [masked]" in caplog.text
    assert vars(caplog.records[1])["httpResponse"] == {"token": "[masked]", "list": ["[masked]", 1]}
    LOG.debug("after it %s", OPAQUE)
    assert OPAQUE in caplog.text


def test_calls_that_overlap_mask_until_the_last_has_ended(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with mask_foreign_logs([SecretStr(OPAQUE)]):
            inside.set()
            leave.wait(60)

    thread = threading.Thread(target=other)
    with mask_foreign_logs():
        thread.start()
        assert inside.wait(60)
    LOG.debug("meanwhile %s", OPAQUE)
    leave.set()
    thread.join()
    assert_unseen(caplog.text, OPAQUE)
    assert LOG.filters == []


def test_a_server_that_echoes_a_secret_in_a_header_puts_it_into_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    def flow(url: str) -> Flow[Response | RequestFailure]:
        return (yield from send(Request("GET", url, headers={"X-Thing": SecretStr(OPAQUE)})))

    with HostileServer() as server:
        server.behaviour = reply({}, headers={"X-Echo": OPAQUE})
        assert isinstance(run(flow(server.base_url)), Response)
    assert any(record.name.startswith("httpcore") for record in caplog.records)
    assert_unseen("\n".join(map(str, (vars(record) for record in caplog.records))), OPAQUE)


def test_a_client_of_the_user_s_own_logs_no_token_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    """hpack logs the headers that it packs; this stands for it."""
    from ant_wif import resolve

    caplog.set_level(logging.DEBUG)
    token = f"opaque-{OPAQUE}"
    logging.getLogger("hpack.hpack")

    def answer(request: httpx.Request) -> httpx.Response:
        logging.getLogger("hpack.hpack").debug("Adding %s", request.headers.raw)
        return httpx.Response(401)

    creds = resolve(auth_token=token, base_url="http://127.0.0.1:1", environ={})
    with httpx.Client(transport=httpx.MockTransport(answer), auth=creds.auth) as client:
        client.get("http://127.0.0.1:1/v1/models")
    assert "Adding" in caplog.text
    assert_unseen(caplog.text, token)


FIRST_REQUEST = """
import asyncio, logging, sys
logging.basicConfig(level=logging.DEBUG)
from ant_wif._http import Request, arun, run, send
request = Request("GET", "https://api.example/x")
if sys.argv[2] == "sync":
    run(send(request), environ={"HTTPS_PROXY": sys.argv[1]})
else:
    asyncio.run(arun(send(request), environ={"HTTPS_PROXY": sys.argv[1]}))
"""


@pytest.mark.parametrize("way", ["sync", "async"])
def test_the_first_request_of_a_process_is_masked_in_a_log_that_its_library_gets_only_then(way: str) -> None:
    with HostileServer(f"HTTP/1.1 407 {OPAQUE}\r\n\r\n".encode()) as proxy:
        where = proxy.base_url.replace("://", f"://bob:{OPAQUE}@")
        outcome = subprocess.run(
            [sys.executable, "-c", FIRST_REQUEST, where, way], capture_output=True, text=True, check=True
        )
    assert "receive_response_headers.complete" in outcome.stderr
    assert_unseen(outcome.stderr, OPAQUE)
