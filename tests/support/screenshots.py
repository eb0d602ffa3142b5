"""`make docs`: what the documentation shows of the emulator's pages, as a narrow window shows them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import httpx

from ant_wif.emulator import Emulator
from support.browser import chromium_running, window
from support.consent_page import authorize_url
from support.federation_grant import exchange

FOLDER = Path(__file__).parents[2] / "docs" / "img"


def main() -> None:
    """Needs Chromium."""
    with Emulator(port=8700) as emulator, chromium_running() as browser, window(browser, width=400) as page:
        with httpx.Client(base_url=emulator.base_url, trust_env=False) as client:
            exchange(client, emulator)
            exchange(client, emulator, emulator.issue(sub="repo:acme/app:ref:refs/heads/feature"))
        for name, url in {"history": f"{emulator.base_url}/_emulator/", "consent": authorize_url(emulator)}.items():
            page.goto(url)
            (FOLDER / f"{name}.png").write_bytes(with_palette(page.screenshot(full_page=True)))


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
