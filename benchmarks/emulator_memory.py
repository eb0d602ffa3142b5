"""What ten thousand bad requests leave behind in `ant emulator`: no memory, and a server that still grants."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stage import ANT, Stage
from table import Row

REQUESTS = 10_000
WARM_UP = 2_500
"""More than the history remembers: what it holds is there before the measurement begins."""
MEBIBYTES = 5
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN = "/v1/oauth/token"
JSON = {"content-type": "application/json", "anthropic-beta": "oauth-2025-04-20,oidc-federation-2026-04-01"}

Bad = tuple[str, str, dict[str, str], bytes]
"""Method, path, headers and body."""


class Server:
    """`ant emulator` in a process of its own, and a connection to it that is kept as long as it lets."""

    def __init__(self, environment: dict[str, str]) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([ANT, "emulator"], env=environment, stderr=pipe, text=True)
        assert self.process.stderr is not None
        self.url = self.process.stderr.readline().split()[-1]
        address = urlsplit(self.url)
        self._connection = HTTPConnection(str(address.hostname), address.port, timeout=60)

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """Return status and body; the status is 0 where the server hung up instead."""
        try:
            self._connection.request(method, path, body, headers)
            response = self._connection.getresponse()
            return response.status, response.read()
        except (HTTPException, OSError):
            self._connection.close()
            return 0, b""

    def json(self, method: str, path: str, body: object = None) -> Any:
        status, content = self.answer(method, path, JSON, json.dumps(body).encode() if body else b"")
        if status != 200:
            raise RuntimeError(f"{method} {path} was answered with {status}: {content[:500]!r}")
        return json.loads(content)

    @property
    def mebibytes(self) -> float:
        """What the process has in memory."""
        return resident_mebibytes(self.process.pid)

    def end(self) -> None:
        self._connection.close()
        self.process.kill()
        self.process.communicate()


def resident_mebibytes(pid: int | None = None) -> float:
    """Return what a process has in memory, by default this one."""
    pid = pid or os.getpid()
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        found = re.search(r"VmRSS:\s+(\d+) kB", status.read_text())
        assert found is not None
        return int(found[1]) / 1024
    shown = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return int(shown.stdout) / 1024


def rows(stage: Stage) -> list[Row]:
    server = Server(stage.variables(stage.home()))
    try:
        bad, statuses = _bad_requests(server), Counter[int]()
        for _ in range(WARM_UP):
            server.answer(*next(bad))
        before = server.mebibytes
        for _ in range(REQUESTS):
            statuses[server.answer(*next(bad))[0]] += 1
        growth = server.mebibytes - before
        server.json("POST", TOKEN, _exchange(server, _signed(server)))
    finally:
        server.end()
    if statuses[200] or min(status for status in statuses if status) < 400:
        raise RuntimeError(f"a bad request was granted: {statuses}")
    return [
        Row(
            f"memory after {REQUESTS:,} bad requests to `ant emulator`",
            f"{growth:+.1f} MiB",
            "has none",
            f"under {MEBIBYTES} MiB",
            growth < MEBIBYTES,
            {
                "growth_mebibytes": growth,
                "before_mebibytes": before,
                "statuses": {str(status): count for status, count in sorted(statuses.items())},
            },
        )
    ]


def _signed(server: Server, **changes: object) -> str:
    """Return a token that the platform signed; without changes it is a good one."""
    claims = {"sub": "repo:acme/app:ref:refs/heads/main", "aud": "https://api.anthropic.com", **changes}
    return str(server.json("POST", "/_emulator/github/sign", {"claims": claims})["token"])


def _exchange(server: Server, assertion: str, **changes: object) -> dict[str, object]:
    ids = server.json("GET", "/_emulator/env/github")
    return {
        "grant_type": GRANT,
        "assertion": assertion,
        "federation_rule_id": ids["ANTHROPIC_FEDERATION_RULE_ID"],
        "organization_id": ids["ANTHROPIC_ORGANIZATION_ID"],
        **changes,
    }


def _bad_requests(server: Server) -> Iterator[Bad]:
    """Yield requests without end, of every kind by turns, no two of them alike."""
    denied = [
        _signed(server, **claims)
        for claims in (
            {"sub": "repo:acme/other"},
            {"aud": "elsewhere"},
            {"exp": 5},
            {"exp": 10**300},
            {"jti": 5},
            {"iss": "https://issuer.example"},
            {"sub": "repo:acme/other", "many": [[]] * 2_500},
            {"sub": "repo:acme/other", "long": "x" * 10_000},
            {"sub": "repo:acme/other", **{f"claim-{number}": [number] for number in range(500)}},
        )
    ]
    request = _exchange(server, "x")

    def asking(**changes: object) -> Bad:
        return "POST", TOKEN, JSON, json.dumps({**request, **changes}).encode()

    kinds: list[Callable[[int], Bad]] = [
        lambda number: asking(assertion=denied[number % len(denied)]),
        lambda number: asking(assertion=_unsigned({"alg": "none"}, {"sub": str(number), "many": [[]] * 2_500})),
        lambda number: asking(assertion=_unsigned({"alg": "RS256", "kid": str(number)}, {"sub": "x"})),
        lambda number: asking(assertion=f"{number}.{number}.{number}"),
        lambda number: asking(assertion="x" * (17_000 + number % 1_000)),
        lambda number: asking(federation_rule_id=f"fdrl_{number}"),
        lambda number: asking(workspace_id=f"workspace-{number}"),
        lambda number: asking(**{f"unknown-{number}": number}),
        lambda number: asking(grant_type=f"grant-{number}"),
        lambda number: ("POST", TOKEN, JSON, b'{"a":' * 3_000 + str(number).encode()),
        lambda number: ("POST", TOKEN, JSON, b"\xff" * (number % 1_000)),
        lambda number: ("POST", TOKEN, {"content-type": f"text/x-{number}"}, b"{}"),
        lambda number: ("POST", TOKEN, JSON, b" " * (70_000 + number % 1_000)),
        lambda number: ("POST", TOKEN, {**JSON, f"x-{number}": "\x00"}, b"{}"),
        lambda number: ("GET", f"/v1/models/{number}", {"authorization": f"Bearer {number}"}, b""),
        lambda number: ("GET", "/v1/models", {"x-api-key": str(number), "authorization": "x"}, b""),
        lambda number: ("GET", f"/{number}", {}, b""),
        lambda number: ("DELETE", f"{TOKEN}?{number}", {}, b""),
        lambda number: ("GET", f"/oauth/authorize?client_id={number}", {}, b""),
    ]
    number = 0
    while True:
        for kind in kinds:
            number += 1
            yield kind(number)


def _unsigned(header: object, claims: object) -> str:
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims))
    return ".".join((*parts, "AA"))


if __name__ == "__main__":
    sys.exit("run benchmarks/run.py --only emulator_memory")
