"""The emulator's pages in a real browser: on a narrow screen, without a mouse, in the dark."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Literal

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from ant_wif.emulator import Emulator
from support.browser import chromium_running, needs_chromium, window
from support.consent_page import Listener, authorize_url, paste_uri
from support.federation_grant import exchange

pytestmark = needs_chromium

# The contrast of every text with what is behind it (WCAG 2.2 §1.4.3), the lowest first.
CONTRASTS = """() => {
  const canvas = document.createElement("div");
  canvas.style.backgroundColor = "Canvas";
  document.body.append(canvas);
  const behind = getComputedStyle(canvas).backgroundColor;
  canvas.remove();
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => numbers(colour).slice(0, 3)
    .map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const backgroundOf = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor;
      if (numbers(colour)[3] !== 0) return colour;
    }
    return behind;
  };
  const texts = [...document.querySelectorAll("body *")].filter((element) =>
    [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
  return texts.map((element) => {
    const [dark, light] = [getComputedStyle(element).color, backgroundOf(element)]
      .map(luminance).sort((a, b) => a - b);
    return [(light + 0.05) / (dark + 0.05), element.outerHTML.slice(0, 80)];
  }).sort((a, b) => a[0] - b[0]);
}"""
INTERACTIVE = "a, button, select, summary, input:not([type=hidden])"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with chromium_running() as browser:
        yield browser


@pytest.fixture(scope="module")
def narrow_window(chromium: Browser) -> Iterator[Page]:
    with window(chromium, width=400) as page:
        yield page


@pytest.fixture
def narrow(narrow_window: Page, emulator: Emulator) -> Iterator[Page]:
    """Leave the page before its emulator ends: a browser may ask for an icon late."""
    del emulator
    yield narrow_window
    narrow_window.goto("about:blank")


@pytest.fixture
def a_history(emulator: Emulator) -> Emulator:
    """Something of every kind, with names and claims that no line can hold."""
    with httpx.Client(base_url=emulator.base_url, trust_env=False) as client:
        exchange(client, emulator)
        exchange(client, emulator, emulator.issue(sub="repo:" + "acme" * 60, actor="x" * 300))
        client.post("/v1/oauth/token", json={"grant_type": "g" * 120})
        client.get("/v1/models", headers={"x-api-key": emulator.api_key, "anthropic-version": "2023-06-01"})
        client.post("/v1/<b>" + "y" * 200)
    return emulator


def history(emulator: Emulator) -> str:
    return f"{emulator.base_url}/_emulator/"


def consent(emulator: Emulator) -> str:
    return authorize_url(emulator)


def pasted_code(emulator: Emulator) -> str:
    return emulator.approve(authorize_url(emulator, redirect_uri=paste_uri(emulator))).url


def refusal(emulator: Emulator) -> str:
    return f"{emulator.base_url}/oauth/code/callback?code=unknown"


PAGES = [history, consent, pasted_code, refusal]
each_page = pytest.mark.parametrize("url", PAGES, ids=lambda url: url.__name__)


def open_all(page: Page) -> None:
    for closed in page.locator("summary").all():
        closed.click()


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.outerHTML"))


def show(page: Page, emulator: Emulator, url: Callable[[Emulator], str]) -> None:
    if url is refusal:
        # A page with the status of an error is one that the browser complains of.
        page.set_content(page.request.get(url(emulator)).text())
    else:
        page.goto(url(emulator))


@each_page
def test_nothing_is_wider_than_a_narrow_screen(
    a_history: Emulator, narrow: Page, url: Callable[[Emulator], str]
) -> None:
    show(narrow, a_history, url)
    open_all(narrow)
    widths = narrow.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert widths == [400, 400]


@each_page
def test_a_page_says_what_it_is(a_history: Emulator, narrow: Page, url: Callable[[Emulator], str]) -> None:
    show(narrow, a_history, url)
    assert narrow.locator("html").get_attribute("lang") == "en"
    (heading,) = narrow.locator("h1").all_inner_texts()
    assert narrow.title() == heading
    assert narrow.get_by_role("main").count() == 1
    for number in range(narrow.locator(INTERACTIVE).count()):
        named = narrow.locator(INTERACTIVE).nth(number)
        expect(named).to_have_accessible_name(re.compile(r"\S"))


@each_page
def test_every_text_can_be_read_by_day_and_by_night(
    a_history: Emulator, narrow: Page, url: Callable[[Emulator], str]
) -> None:
    show(narrow, a_history, url)
    open_all(narrow)
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        narrow.emulate_media(color_scheme=scheme)
        contrasts = narrow.evaluate(CONTRASTS)
        assert len(contrasts) > 2
        lowest, element = contrasts[0]
        assert lowest >= 4.5, (scheme, element)
    narrow.emulate_media(color_scheme="light")


@each_page
def test_the_keyboard_reaches_everything_in_order(
    a_history: Emulator, narrow: Page, url: Callable[[Emulator], str]
) -> None:
    show(narrow, a_history, url)
    for element in narrow.locator(INTERACTIVE).all():
        narrow.keyboard.press("Tab")
        expect(element).to_be_focused()
        assert narrow.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"


def test_the_keyboard_opens_the_claims(a_history: Emulator, narrow: Page) -> None:
    narrow.goto(history(a_history))
    expect(narrow.locator("pre").first).to_be_hidden()
    while not focused(narrow).startswith("<summary"):
        narrow.keyboard.press("Tab")
    narrow.keyboard.press("Enter")
    expect(narrow.locator("pre").first).to_be_visible()
    expect(narrow.locator("pre").first).to_contain_text('"repository_owner": "acme"')
    narrow.keyboard.press("Enter")
    expect(narrow.locator("pre").first).to_be_hidden()


def test_the_keyboard_picks_a_workspace_and_approves(emulator: Emulator, narrow: Page) -> None:
    with Listener() as listener:
        narrow.goto(authorize_url(emulator, redirect_uri=listener.uri))
        narrow.keyboard.press("Tab")
        narrow.keyboard.type("Eng")
        narrow.keyboard.press("Tab")
        narrow.keyboard.press("Enter")
        expect(narrow.get_by_role("heading")).to_have_text("Back in the terminal")
        (query,) = [query for query in listener.queries if query]
    assert set(query) == {"code", "state"}


def test_the_history_lists_its_entries_for_a_screen_reader(a_history: Emulator, narrow: Page) -> None:
    narrow.goto(history(a_history))
    titles = narrow.get_by_role("listitem").get_by_role("heading", level=2).all_inner_texts()
    assert titles == ["Malformed", "Denied: match_subject_prefix", "Granted"]
    a_history.clear_history()
    narrow.get_by_role("link", name="Reload").click()
    expect(narrow.get_by_role("main")).to_contain_text("Nothing was attempted")


def test_the_api_calls_are_a_table_beside_the_history(a_history: Emulator, narrow: Page) -> None:
    narrow.goto(history(a_history))
    rows = narrow.get_by_role("table").get_by_role("row").all_inner_texts()
    assert rows[0].split("\t") == ["Request", "Status", "Time", "Credential"]
    newest, before = rows[1].split("\t"), rows[2].split("\t")
    assert (newest[0][:12], newest[1], newest[3]) == ("POST /v1/<b>", "404", "")
    assert (before[0], before[1], before[3].split()) == ("GET /v1/models", "200", ["API", "key", "default"])
