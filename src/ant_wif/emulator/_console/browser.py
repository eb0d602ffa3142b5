"""A browser, as far as the consent page needs one: it opens the page, picks, presses a button, follows redirects."""

from __future__ import annotations

import ssl
from collections.abc import Collection
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from ant_wif.emulator._console.consent import AUTHORIZE_PATH

if TYPE_CHECKING:
    import httpx

_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class Landing:
    """What a browser shows in the end. `code` is what a person pastes into the terminal, where it is shown."""

    url: str = field(repr=False)
    status: int
    page: str = field(repr=False)
    code: str | None = field(repr=False)


def decide(
    origins: Collection[str], url: str, decision: Literal["approve", "deny"], workspace_id: str | None
) -> Landing:
    """Open an authorize URL of one of the `origins`, and answer. Raises as `Emulator.approve` says."""
    import httpx  # late: the start of an emulator does not wait for it

    parts = urlsplit(url)
    if f"{parts.scheme}://{parts.netloc}" not in origins or parts.path != AUTHORIZE_PATH:
        raise ValueError(f"the URL must begin with {' or '.join(f'{origin}{AUTHORIZE_PATH}' for origin in origins)}")
    try:
        # The pages are all http: to read the trusted certificates would be time lost.
        with httpx.Client(
            trust_env=False,
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            follow_redirects=True,
            timeout=_SECONDS,
        ) as client:
            shown = client.get(url)
            if shown.url.path != AUTHORIZE_PATH:
                return _landing(shown)
            form = _Page(shown.text)
            if "ticket" not in form.fields:
                raise ValueError(f"the page does not ask for consent (HTTP {shown.status_code}): {form.text}")
            answer = {**form.fields, "decision": decision, **form.picked(workspace_id)}
            return _landing(client.post(shown.url.copy_with(query=None), data=answer))
    except httpx.HTTPError as error:
        # Without its cause, which holds the request, and that a code.
        raise ConnectionError(f"a page of the login could not be had: {type(error).__name__}") from None
    except httpx.InvalidURL as error:
        raise ValueError(f"the URL is not valid: {error}") from None


def _landing(response: httpx.Response) -> Landing:
    code = _Page(response.text).code or None
    return Landing(url=str(response.url), status=response.status_code, page=response.text, code=code)


class _Page(HTMLParser):
    """What is on a page: fields that are sent anyway, workspaces to pick from, a code, its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.workspaces: list[str] = []
        self.code = ""
        self._preselected: str | None = None
        self._tag, self._id = "", ""
        self._texts: list[str] = []
        self.feed(html)
        self.close()

    @property
    def text(self) -> str:
        return " ".join(self._texts)

    def picked(self, workspace_id: str | None) -> dict[str, str]:
        """Return the field of the picker. Raises ValueError for what is not on the page."""
        if workspace_id is not None and workspace_id not in self.workspaces:
            raise ValueError(f"no workspace {workspace_id!r} to pick; there are {', '.join(self.workspaces) or 'none'}")
        chosen = workspace_id or self._preselected
        return {} if chosen is None else {"workspace_id": chosen}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self._tag, self._id = tag, found.get("id", "")
        if tag == "input":
            self.fields[found.get("name", "")] = found.get("value", "")
        elif tag == "option":
            self.workspaces.append(found.get("value", ""))
            if "selected" in found:
                self._preselected = found.get("value")

    def handle_endtag(self, tag: str) -> None:
        del tag
        self._tag, self._id = "", ""

    def handle_data(self, data: str) -> None:
        if self._id == "code":
            self.code += data
        if self._tag in {"h1", "p"}:
            self._texts.append(data.strip())
