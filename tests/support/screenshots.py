"""`make docs`: the pictures of the documentation, and others that are for looking at.

The first are in docs/img: a build log, and the emulator's pages in a narrow window. The others are in build/terminal,
help and tables in terminals, and in build/pages, the pages of the emulator and of a login; all in dark and in light.
"""

from __future__ import annotations

import html
import os
import re
import struct
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from playwright.sync_api import Page

from ant_cli._session import Session
from ant_cli.commands.auth.status import lines
from ant_wif._config.config_dir import ConfigDir
from ant_wif._profiles import callback
from ant_wif.diagnostics.describe import describe
from ant_wif.emulator import Emulator
from support.browser import chromium_running, window
from support.consent_page import authorize_url
from support.federation_grant import exchange
from support.login import keep_a_login
from support.terminal import in_a_terminal

FOLDER = Path(__file__).parents[2] / "docs" / "img"
TERMINALS = Path(__file__).parents[2] / "build" / "terminal"
PAGES = Path(__file__).parents[2] / "build" / "pages"
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

SHOWN = {
    "help": ["--help"],
    "group": ["auth", "--help"],
    "command": ["auth", "login", "--help"],
    "exec": ["exec", "--help"],
    "status": ["auth", "status"],
    "models": ["models", "list"],
    "profiles": ["profile", "list"],
    "rules": ["wif", "rules", "list", "--profile", "admin"],
    "denied": ["auth", "explain"],
    "error": ["profile", "activate", "stagin"],
}
# Background, text, and the eight colours of an editor's terminal and of GNOME's.
THEMES = {
    "dark": "#1e1e1e #d4d4d4 #000000 #f14c4c #23d18b #e5e510 #3b8eea #d670d6 #29b8db #e5e5e5",
    "light": "#ffffff #1f2328 #000000 #c01c28 #26a269 #a2734c #12488b #a347ba #2aa1b3 #77767b",
}
SCREEN = """<!doctype html><body style="margin:0;background:{0};color:{1}">
<pre style="display:inline-block;margin:0;padding:8px;font:14px/18px 'DejaVu Sans Mono',monospace;width:{2}ch;
border-right:1px dashed #888;white-space:pre-wrap;word-break:break-all">{3}</pre>"""


def main() -> None:
    """Needs Chromium."""
    terminals()
    PAGES.mkdir(parents=True, exist_ok=True)
    with Emulator(port=8700) as emulator, chromium_running() as browser, window(browser, width=400) as page:
        with httpx.Client(base_url=emulator.base_url, trust_env=False) as client:
            exchange(client, emulator)
            exchange(client, emulator, emulator.issue(sub="repo:acme/app:ref:refs/heads/feature"))
        for name, url in {"history": f"{emulator.base_url}/_emulator/", "consent": authorize_url(emulator)}.items():
            page.goto(url)
            (FOLDER / f"{name}.png").write_bytes(with_palette(page.screenshot(full_page=True)))
            in_both_themes(page, name)
        page.goto("about:blank")  # and with it the content security policy of the emulator
        for each in callback.Page:
            page.set_content(callback.page(each).decode())
            in_both_themes(page, f"login-{each.name.lower()}")
    with chromium_running() as browser, window(browser, width=960) as page:
        page.set_content(build_log())
        (FOLDER / "status.png").write_bytes(with_palette(page.locator("pre").screenshot()))


def in_both_themes(page: Page, name: str) -> None:
    """Take pictures of a page in dark and in light, in a phone and in a window."""
    before = page.viewport_size
    for theme in THEMES:
        for width in (400, 1280):
            page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
            page.set_viewport_size({"width": width, "height": 720})
            page.screenshot(full_page=True, path=PAGES / f"{name}-{width}-{theme}.png")
    page.emulate_media(color_scheme=None)
    assert before is not None
    page.set_viewport_size(before)


def terminals() -> None:
    """Take pictures of what commands print in terminals of two widths, in dark and in light."""
    TERMINALS.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as home, Emulator() as emulator, chromium_running() as browser:
        directory = ConfigDir(Path(home, ".config", "anthropic"))
        for profile in ("default", "staging"):
            keep_a_login(directory, emulator, profile)
        keep_a_login(directory, emulator, "admin", scope="org:admin user:inference")
        denied = {**emulator.env("github"), "ANTHROPIC_IDENTITY_TOKEN": emulator.issue(sub="repo:acme/other:ref:x")}
        for name, words in SHOWN.items():
            for columns in (80, 120):
                environ = {"HOME": home, "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
                environ |= {"ANTHROPIC_BASE_URL": emulator.base_url} if name != "denied" else denied
                with in_a_terminal(*words, environ=environ, columns=columns) as child:
                    printed = child.read()
                for theme, values in THEMES.items():
                    background, text, *colours = values.split()
                    with window(browser, width=1200) as page:
                        page.set_content(SCREEN.format(background, text, columns, in_colours(printed, colours)))
                        page.locator("pre").screenshot(path=TERMINALS / f"{name}-{columns}-{theme}.png")


def in_colours(printed: str, colours: Sequence[str]) -> str:
    """Return what a terminal was sent as HTML: the colours and weights of ECMA-48, and no other sequence."""
    marked, style = [], {}
    for part in re.split(r"(\x1b\[[0-9;]*m)", re.sub(r"[^\n]*\r(?!\n)(\x1b\[K)?", "", printed.replace("\r\n", "\n"))):
        if not part.startswith("\x1b["):
            css = ";".join(f"{name}:{value}" for name, value in style.items())
            marked.append(f'<span style="{css}">{html.escape(part)}</span>' if css else html.escape(part))
            continue
        for code in map(int, (part[2:-1] or "0").split(";")):
            if code == 0:
                style = {}
            elif 30 <= code <= 37 or 90 <= code <= 97:
                style = {**style, "color": colours[code % 10]}
            else:
                style = {
                    **style,
                    **{1: {"font-weight": "bold"}, 2: {"opacity": "0.7"}, 4: {"text-decoration": "underline"}}[code],
                }
    return "".join(marked)


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
