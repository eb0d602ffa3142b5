"""What `ant models list` takes until its request leaves, and until a long list is printed; what completes a word."""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from stage import ANT, Stage, alone
from table import Ratio, Row

LIST = [ANT, "models", "list"]
BESIDE = "import click, pydantic_settings, httpx"
OFFICIAL = "import anthropic; anthropic.Anthropic().models.list()"
START_BAR = 1.5
COMPLETION_MILLISECONDS = 100
ITEMS = 10_000
MEBIBYTES = 8
_EMPTY = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 29\r\n\r\n{"data":[],"has_more": false}'
# The most memory of the process, printed where nobody looks for data.
_PEAK = """
import re, sys
from ant_cli.main import main
status = main(["models", "list"])
print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1], file=sys.stderr)
raise SystemExit(status)
"""


def rows(stage: Stage) -> list[Row]:
    return [_until_the_request(stage), *_long_list(stage), _completion(stage)]


def _until_the_request(stage: Stage) -> Row:
    here, beside, official = [], [], []
    for number in range(stage.runs + 1):
        taken = (
            _leaves_after(stage, LIST),
            alone([sys.executable, "-c", BESIDE], stage.variables(stage.home()))[0],
            _leaves_after(stage, [sys.executable, "-c", OFFICIAL]),
        )
        if number:  # the first run writes bytecode
            for times, seconds in zip((here, beside, official), taken, strict=True):
                times.append(seconds)
    ours, theirs = (statistics.median(times) * 1000 for times in (here, official))
    ratio = Ratio.of(here, beside)
    return Row(
        "`ant models list`, until the request leaves",
        f"{ours:.0f} ms, {ratio} `{BESIDE}`",
        f"{theirs:.0f} ms",
        f"{START_BAR} x `{BESIDE}`",
        ratio.median <= START_BAR,
        {"seconds": here, "beside_seconds": beside, "official_seconds": official},
        ratio,
    )


def _leaves_after(stage: Stage, command: Sequence[str]) -> float:
    """Return the seconds from the start of a process to the first byte of its request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        environ = stage.variables(
            stage.home(),
            ANTHROPIC_API_KEY="sk-ant-api03-EXAMPLE",
            ANTHROPIC_BASE_URL=f"http://127.0.0.1:{listener.getsockname()[1]}",
        )
        started = time.perf_counter()
        process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)
        connection, _ = listener.accept()
        with connection:
            connection.recv(1)
            seconds = time.perf_counter() - started
            connection.recv(65536)
            connection.sendall(_EMPTY)
        if process.wait():
            raise RuntimeError(f"{command} ended with {process.returncode}")
    return seconds


def _long_list(stage: Stage) -> list[Row]:
    short, long = (_peak(stage, items) for items in (100, ITEMS))
    return [
        Row(
            f"peak memory of a list of {ITEMS} items in {ITEMS // 100} pages, beside one of 100",
            f"{long:.1f} MiB ({long - short:+.1f} MiB)",
            "not measured",
            f"at most {MEBIBYTES} MiB more",
            long - short <= MEBIBYTES,
            {"mebibytes": long, "short_mebibytes": short},
        )
    ]


def _peak(stage: Stage, items: int) -> float:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _pages(items))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        environ = stage.variables(
            stage.home(),
            ANTHROPIC_API_KEY="sk-ant-api03-EXAMPLE",
            ANTHROPIC_BASE_URL=f"http://127.0.0.1:{server.server_address[1]}",
        )
        _, ended = alone([sys.executable, "-c", _PEAK], environ)
    finally:
        server.shutdown()
        server.server_close()
    if ended.status or ended.output.count("\n") != items:
        raise RuntimeError(f"the list is not whole:\n{ended.error[-2000:]}")
    return int(ended.error.split()[-1]) / 1024


def _pages(count: int) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            start = int(query.get("after_id", ["-1"])[0]) + 1
            end = min(start + int(query["limit"][0]), count)
            items = [{"id": str(number), "display_name": 400 * "x"} for number in range(start, end)]
            body = json.dumps({"data": items, "has_more": end < count, "last_id": str(end - 1)}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def _completion(stage: Stage) -> Row:
    home = stage.home()
    words = {"_ANT_COMPLETE": "bash_complete", "COMP_WORDS": "ant profile activate ", "COMP_CWORD": "3"}
    times = [alone([ANT], stage.variables(home, **words))[0] * 1000 for _ in range(stage.runs + 1)][1:]
    taken = statistics.median(times)
    return Row(
        "completing a word",
        f"{taken:.0f} ms",
        "has none",
        f"under {COMPLETION_MILLISECONDS} ms",
        taken < COMPLETION_MILLISECONDS,
        {"ms": times},
    )
