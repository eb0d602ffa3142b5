"""Proxies and certificate authorities: who is asked, and who is blamed."""

from __future__ import annotations

import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ant_wif.emulator import Emulator
from support import preloaded
from support.preloaded import ANT


@pytest.fixture
def proxy() -> Iterator[tuple[str, list[str]]]:
    """A proxy that writes down what it is asked."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            asked.append(self.rfile.readline().decode("latin-1"))
            self.close_connection = True

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("credential", ["federation", "api key"])
def test_a_loopback_host_is_never_reached_through_a_proxy(
    name: str, credential: str, proxy: tuple[str, list[str]], tmp_path: Path
) -> None:
    address, asked = proxy
    with Emulator() as emulator:
        environ = {**emulator.env("github"), "HOME": str(tmp_path), "PATH": os.environ["PATH"], name: address}
        if credential == "api key":
            environ["ANTHROPIC_API_KEY"] = emulator.api_key
        done = preloaded.run([ANT, "models", "list"], env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, asked) == (0, []), done.stderr


@pytest.mark.parametrize(
    "environ",
    [{"ALL_PROXY": "socks5://proxy.example:1080"}, {"SSL_CERT_FILE": "/nonexistent/ca.pem"}],
    ids=lambda environ: next(iter(environ)),
)
def test_the_command_line_blames_the_variable_and_not_github(environ: dict[str, str], tmp_path: Path) -> None:
    job = {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "GITHUB_ACTIONS": "true",
        "ACTIONS_ID_TOKEN_REQUEST_URL": "https://token.example/?x=1",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t",
        "ANTHROPIC_FEDERATION_RULE_ID": "fdrl_01EXAMPLE",
        "ANTHROPIC_ORGANIZATION_ID": "0f3c0000-0000-4000-8000-000000000000",
    }
    done = preloaded.run([ANT, "models", "list"], env={**job, **environ}, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert next(iter(environ)) in done.stderr.splitlines()[0]
    assert "GitHub" not in done.stderr
