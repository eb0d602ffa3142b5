"""`make docs`: the pictures of the documentation, which are a build log and the emulator's pages in a narrow window."""

from __future__ import annotations

import html
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import httpx

from ant_cli._session import Session
from ant_cli.commands.auth.status import lines
from ant_wif.diagnostics.describe import describe
from ant_wif.emulator import Emulator
from support.browser import chromium_running, window
from support.consent_page import authorize_url
from support.federation_grant import exchange

FOLDER = Path(__file__).parents[2] / "docs" / "img"
JOB = {
    "HOME": "/home/runner",
    "CI": "true",
    "GITHUB_ACTIONS": "true",
    "ACTIONS_ID_TOKEN_REQUEST_URL": "https://pipelines.actions.githubusercontent.com/token",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of-the-runner",
    "ANTHROPIC_FEDERATION_RULE_ID": "fdrl_01EXAMPLE",
    "ANTHROPIC_ORGANIZATION_ID": "0f3c1a52-7b7e-4a51-9c0e-6c1f2d3e4b5a",
    "ANTHROPIC_SERVICE_ACCOUNT_ID": "svac_01EXAMPLE",
    "ANTHROPIC_WORKSPACE_ID": "wrkspc_01EXAMPLE",
}
LOG = """<!doctype html><body style="margin:0;background:#0d1117;color:#e6edf3">
<pre style="margin:0;padding:16px;font:12px/20px monospace"><b>▾ Run ant auth status</b>
{}</pre>"""


def main() -> None:
    """Needs Chromium."""
    with Emulator(port=8700) as emulator, chromium_running() as browser, window(browser, width=400) as page:
        with httpx.Client(base_url=emulator.base_url, trust_env=False) as client:
            exchange(client, emulator)
            exchange(client, emulator, emulator.issue(sub="repo:acme/app:ref:refs/heads/feature"))
        for name, url in {"history": f"{emulator.base_url}/_emulator/", "consent": authorize_url(emulator)}.items():
            page.goto(url)
            (FOLDER / f"{name}.png").write_bytes(with_palette(page.screenshot(full_page=True)))
    with chromium_running() as browser, window(browser, width=960) as page:
        page.set_content(build_log())
        (FOLDER / "status.png").write_bytes(with_palette(page.locator("pre").screenshot()))


def build_log() -> str:
    """Return a page with what `ant auth status` prints in a job of GitHub Actions, each line with its number."""
    report = describe(Session(JOB).resolution())
    shown = lines(report, home=JOB["HOME"], now=time.time())
    return LOG.format("\n".join(f"{number:4}  {html.escape(line)}" for number, line in enumerate(shown, 1)))


def with_palette(png: bytes) -> bytes:
    """Return a browser's PNG with a byte for each pixel, a fraction of its size: text on white has few colours."""
    width, height, _, kind = struct.unpack(">IIBB", png[16:26])
    depth = {2: 3, 6: 4}[kind]
    packed = b"".join(data for name, data in chunks(png) if name == b"IDAT")
    rows = [
        [(red & 0xF8 | red >> 5, green & 0xF8 | green >> 5, blue & 0xF8 | blue >> 5) for red, green, blue, *_ in pixels]
        for pixels in (zip(*[iter(row)] * depth, strict=True) for row in scanlines(packed, width * depth, depth))
    ]
    colours = sorted({colour for row in rows for colour in row})
    number = {colour: index for index, colour in enumerate(colours)}
    lines = b"".join(b"\0" + bytes(number[colour] for colour in row) for row in rows)
    return (
        png[:8]
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0))
        + chunk(b"PLTE", bytes(part for colour in colours for part in colour))
        + chunk(b"IDAT", zlib.compress(lines, 9))
        + chunk(b"IEND", b"")
    )


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += length + 12


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def scanlines(packed: bytes, length: int, depth: int) -> Iterator[bytearray]:
    """Undo the filters of the lines (PNG specification §9)."""
    data = zlib.decompress(packed)
    above = bytearray(length)
    for start in range(0, len(data), length + 1):
        kind, line = data[start], bytearray(data[start + 1 : start + 1 + length])
        for at in range(length):
            left = line[at - depth] if at >= depth else 0
            corner = above[at - depth] if at >= depth else 0
            line[at] = (line[at] + predicted(kind, left, above[at], corner)) & 0xFF
        yield line
        above = line


def predicted(kind: int, left: int, up: int, corner: int) -> int:
    if kind < 4:
        return (0, left, up, (left + up) // 2)[kind]
    guess = left + up - corner
    return min((left, up, corner), key=lambda each: abs(guess - each))


if __name__ == "__main__":
    main()
