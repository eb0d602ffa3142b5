"""`ant auth login` and the pages that it leads to, in a real browser; skipped where there is none."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from ant_wif._config.config_dir import ConfigDir
from ant_wif.emulator import Emulator
from support.browser import chromium_running, needs_chromium, window
from support.login import stored
from support.terminal import in_a_terminal, printed_url, rest

Environ = dict[str, str]

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with chromium_running() as browser:
        yield browser


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    with window(chromium) as opened:
        yield opened


def test_a_person_picks_a_workspace_and_approves(
    words: list[str], environ: Environ, engineering: str, emulator: Emulator, directory: ConfigDir, page: Page
) -> None:
    with in_a_terminal(*words, environ=environ) as ant:
        page.goto(printed_url(ant))
        page.get_by_label("Workspace").select_option("Engineering")
        page.get_by_role("button", name="Approve").click()
        expect(page.get_by_role("heading")).to_have_text("Logged in")
        expect(page.get_by_role("main")).to_contain_text("You can close this window")
        status, text = rest(ant)
    assert status == 0, text
    assert f"Engineering ({engineering})" in text
    assert stored(directory)["workspace_id"] == engineering


def test_the_keyboard_is_enough(words: list[str], environ: Environ, page: Page) -> None:
    with in_a_terminal(*words, environ=environ) as ant:
        page.goto(printed_url(ant))
        page.keyboard.press("Tab")
        expect(page.get_by_label("Workspace")).to_be_focused()
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Approve")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading")).to_have_text("Logged in")
        assert rest(ant)[0] == 0


def test_a_person_pastes_the_code_that_the_page_shows(
    words: list[str], environ: Environ, directory: ConfigDir, page: Page
) -> None:
    with in_a_terminal(*words, "--no-browser", environ=environ) as ant:
        page.goto(printed_url(ant))
        page.get_by_role("button", name="Approve").click()
        code = page.locator("#code").inner_text()
        assert re.fullmatch(r"[\w-]+#[\w-]+", code)
        ant.expect_exact("Code: ")
        ant.sendline(code)
        status, text = rest(ant)
    assert status == 0, text
    assert stored(directory)["refresh_token"]
