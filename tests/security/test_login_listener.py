"""What other programs of the machine can send to the listener of a login, and what of it they see."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator

import httpx
import pytest

from ant_wif._profiles import Listener
from ant_wif.errors import LoginError
from support import preloaded

URL = "https://console.example/oauth/authorize?state=ours"

# What is needed is imported before: the other user may not read the modules.
ASK = """
import os, socket, sys
os.setuid(65534)
with socket.socket() as connection:
    connection.connect(("127.0.0.1", int(sys.argv[1])))
    connection.sendall(f"GET {sys.argv[2]} HTTP/1.0\\r\\nHost: 127.0.0.1\\r\\n\\r\\n".encode())
    print(connection.recv(4096).decode())
"""


class Waiting:
    """A login that waits for a callback with the state `ours`."""

    def __init__(self) -> None:
        self.delivered: list[dict[str, str]] = []
        self.listener = Listener(0, self.deliver, lambda state: state == "ours")

    def deliver(self, query: dict[str, str]) -> None:
        self.delivered.append(query)
        self.listener.settle(None)

    def get(self, path: str, host: str = "127.0.0.1", method: str = "GET") -> httpx.Response:
        return httpx.request(method, f"http://{host}:{self.listener.port}{path}", trust_env=False)


@pytest.fixture
def waiting() -> Iterator[Waiting]:
    waiting = Waiting()
    with waiting.listener:
        yield waiting


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/callback?code=1&state=theirs"),
        ("GET", "/callback?code=1"),
        ("GET", "/callback?error=access_denied"),
        ("GET", "/callback?error=access_denied&state=theirs"),
        ("GET", "/callback?state=theirs&state=ours&code=1"),
        ("GET", "/favicon.ico"),
        ("GET", "/callback"),
        ("HEAD", "/callback?code=1&state=ours"),
        ("POST", "/callback?code=1&state=ours"),
    ],
)
def test_a_stray_request_is_not_delivered(method: str, path: str, waiting: Waiting) -> None:
    answer = waiting.get(path, method=method)
    assert answer.status_code in {404, 501} or "belongs to another login" in answer.text
    assert waiting.delivered == []
    assert "Logged in" in waiting.get("/callback?code=1&state=ours").text


def test_a_second_callback_sees_what_came_of_the_first(waiting: Waiting) -> None:
    for _ in range(2):
        assert "Logged in" in waiting.get("/callback?code=1&state=ours").text


def test_both_addresses_of_loopback_are_the_logins_own(waiting: Waiting) -> None:
    if has_ipv6():
        assert "another login" in waiting.get("/callback?code=1&state=theirs", "[::1]").text
        with pytest.raises(OSError, match="in use"):
            socket.create_server(("::1", waiting.listener.port), family=socket.AF_INET6)
        assert "Logged in" in waiting.get("/callback?code=1&state=ours", "[::1]").text
    assert "Logged in" in waiting.get("/callback?code=1&state=ours").text


def test_a_port_that_another_program_has_on_one_address_is_not_used() -> None:
    family, host = (socket.AF_INET6, "::1") if has_ipv6() else (socket.AF_INET, "127.0.0.1")
    with socket.create_server((host, 0), family=family) as taken, pytest.raises(LoginError, match="cannot be used"):
        Listener(taken.getsockname()[1], print, lambda _: True)


def test_the_page_of_the_login_is_shown_once_and_only_at_its_address(waiting: Waiting) -> None:
    opening = waiting.listener.opening(URL)
    assert "ours" not in opening
    path = opening.removeprefix(f"http://127.0.0.1:{waiting.listener.port}")
    assert waiting.get("/").status_code == 404
    assert waiting.get(path, method="HEAD").status_code == 501
    assert waiting.get(path).headers["location"] == URL
    assert waiting.get(path).status_code == 404
    assert waiting.delivered == []


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="becomes another user, and Linux says who connects"
)
def test_another_user_is_not_led_to_the_page_of_the_login(waiting: Waiting) -> None:
    opening = waiting.listener.opening(URL)
    path = opening.removeprefix(f"http://127.0.0.1:{waiting.listener.port}")
    done = preloaded.run(
        [sys.executable, "-c", ASK, str(waiting.listener.port), path], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("HTTP/1.0 404")
    assert httpx.get(opening, trust_env=False).headers["location"] == URL
