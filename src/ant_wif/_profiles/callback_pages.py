"""What the browser shows after a login. Fixed text only: nothing from a URL reaches a page."""

from __future__ import annotations

from enum import Enum
from html import escape

__all__ = ["Page", "page"]

_HTML = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
body {{ font: 1.125rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 15vh auto 0; padding: 0 1.5rem; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{text}</p>
</main>
</body>
</html>
"""


class Page(Enum):
    """The pages: title and text."""

    SUCCESS = ("Logged in", "The terminal has what it needs. You can close this window.")
    DENIED = ("Login denied", "Nothing was stored. You can close this window; the terminal says how to try again.")
    STATE = (
        "This page belongs to another login",
        "Its state is not the one that the terminal waits for, so nothing was stored. Close this window, and run the "
        "command again.",
    )
    CODE = (
        "The answer was incomplete",
        "It held no code, so nothing was stored. Close this window, and run the command again.",
    )
    FAILED = ("Login failed", "Nothing was stored. You can close this window; the terminal says why.")
    WAITING = ("Still working", "The terminal says what comes of the login. You can close this window.")
    UNKNOWN = ("Nothing here", "This address serves one login of a terminal, and only its callback.")


def page(which: Page) -> bytes:
    """Return a page as HTML."""
    title, text = which.value
    return _HTML.format(title=escape(title), text=escape(text)).encode()
