"""`ant auth login`: a person, a browser, a terminal; the browser here is the emulator's own."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

import ant_wif
from ant_wif._config.config_dir import ConfigDir
from ant_wif.emulator import Emulator
from support.login import asked, config, keep_a_login, stored, tree
from support.terminal import ANT, end_input, in_a_pipe, in_a_terminal, printed_url, rest

Environ = dict[str, str]


def test_a_login_through_the_browser_ends_logged_in_and_makes_the_profile(
    words: list[str], environ: Environ, emulator: Emulator, directory: ConfigDir, engineering: str
) -> None:
    with in_a_pipe(*words, environ=environ) as ant:
        url = printed_url(ant)
        page = emulator.approve(url, workspace_id=engineering).page
        status, text = rest(ant)
    assert status == 0, text
    assert f"Logged in as {stored(directory)['account_email']}" in text
    assert f"Engineering ({engineering})" in text
    assert str(directory.config_path("default")) in text
    assert str(directory.credentials_path("default")) in text
    assert "close this window" in page
    assert config(directory) == {
        "version": "1.0",
        "authentication": {
            "type": "user_oauth",
            "client_id": "41077d10-94b8-4194-be48-d251e9eb21b4",
            "console_url": emulator.base_url,
        },
        "organization_id": emulator.organization_id,
        "workspace_id": engineering,
        "base_url": emulator.base_url,
    }
    assert stored(directory)["workspace_id"] == engineering
    assert stat.S_IMODE(directory.credentials_path("default").stat().st_mode) == 0o600
    assert directory.pointed() == "default"
    with httpx.Client(auth=ant_wif.resolve(environ=environ).auth) as client:
        assert client.get(f"{emulator.base_url}/v1/models").status_code == 200
    sent = asked(url)
    assert sent["code_challenge_method"] == "S256"
    assert sent["redirect_uri"].startswith("http://localhost:")
    assert stored(directory)["access_token"] not in text


def test_the_browser_of_the_machine_is_led_once_to_the_page_that_is_printed_and_may_stay_in_the_foreground(
    words: list[str], environ: Environ, emulator: Emulator, tmp_path: Path
) -> None:
    browser = tmp_path / "browser"
    opened = tmp_path / "opened"
    os.mkfifo(opened)
    # Reads what is typed, writes where it may, and stays for as long as anybody looks at it.
    browser.write_text(f'#!/bin/sh\ncat; echo noise; echo noise >&2; printf %s "$1" > "{opened}"; exec sleep 60\n')
    browser.chmod(0o700)
    with in_a_pipe(*words, environ={**environ, "BROWSER": str(browser)}) as ant:
        ant.expect_exact("Your browser opens this page; if it does not, open it yourself:")
        url = printed_url(ant)
        led = opened.read_text()
        assert asked(led) == {}, "what a program is started with is seen by other users"
        answer = httpx.get(led)
        assert (answer.status_code, answer.headers["location"]) == (302, url)
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert httpx.get(led).status_code == 404
        emulator.approve(url)
        status, text = rest(ant)
    assert status == 0, text
    assert "noise" not in text


def test_with_a_port_and_no_browser_a_forwarded_browser_completes_the_login(
    words: list[str], environ: Environ, emulator: Emulator, tmp_path: Path, free_port: int
) -> None:
    with in_a_pipe(
        *words,
        "--no-browser",
        "--callback-port",
        str(free_port),
        environ={**environ, "BROWSER": f"touch {tmp_path}/no"},
    ) as ant:
        url = printed_url(ant)
        assert asked(url)["redirect_uri"] == f"http://localhost:{free_port}/callback"
        emulator.approve(url)
        assert rest(ant)[0] == 0
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("form", ["code and state", "bare code", "whole address"])
def test_without_a_browser_the_code_of_the_page_is_pasted(
    form: str, words: list[str], environ: Environ, emulator: Emulator, directory: ConfigDir
) -> None:
    with in_a_pipe(*words, "--no-browser", environ=environ) as ant:
        url = printed_url(ant)
        landing = emulator.approve(url)
        assert landing.code
        ant.sendline(
            {"code and state": landing.code, "bare code": landing.code.partition("#")[0]}.get(form, landing.url)
        )
        status, text = rest(ant)
    assert status == 0, text
    assert asked(url)["redirect_uri"] == f"{emulator.base_url}/oauth/code/callback?app=anthropic-cli"
    assert stored(directory)["access_token"]


def test_of_a_callback_and_a_pasted_code_the_first_wins(
    words: list[str], environ: Environ, emulator: Emulator, directory: ConfigDir
) -> None:
    with in_a_pipe(*words, environ=environ) as ant:
        listening = printed_url(ant)
        pasting = printed_url(ant)
        ant.sendline(emulator.approve(pasting).code or "")
        assert rest(ant)[0] == 0
        with pytest.raises(ConnectionError):
            emulator.approve(listening)
    assert emulator.is_live_refresh_token(str(stored(directory)["refresh_token"]))


def test_a_terminal_prompts_for_the_code_and_shows_that_it_waits(
    words: list[str], environ: Environ, emulator: Emulator
) -> None:
    with in_a_terminal(*words, "--no-browser", "--timeout", "90s", environ=environ) as ant:
        url = printed_url(ant)
        ant.expect_exact("Code: ")
        ant.expect("waiting, for 1:2[0-9] more")
        ant.sendline(emulator.approve(url).code or "")
        status, text = rest(ant)
    assert status == 0, text
    assert "Logged in as" in text


def test_a_pipe_has_no_waiting_indicator(words: list[str], environ: Environ, emulator: Emulator) -> None:
    with in_a_pipe(*words, "--timeout", "2s", environ=environ) as ant:
        status, text = rest(ant)
    assert status == 1
    assert "error: the login timed out after 2s" in text
    assert "hint: " in text
    assert "waiting" not in text
    assert "\x1b" not in text


def test_ctrl_c_ends_the_login_and_its_listener(
    words: list[str], environ: Environ, emulator: Emulator, home: Path
) -> None:
    with in_a_terminal(*words, environ=environ) as ant:
        url = printed_url(ant)
        ant.expect_exact("Code: ")
        ant.sendintr()
        status, text = rest(ant)
    assert status == 130
    assert "Traceback" not in text
    with pytest.raises(ConnectionError):
        emulator.approve(url)
    assert not list(home.rglob("*.json"))


Tamper = Callable[[Emulator, str], object]


def with_query(url: str, **query: str) -> httpx.Response:
    return httpx.get(f"{asked(url)['redirect_uri']}?{httpx.QueryParams(query)}")


ANSWERS: dict[str, tuple[Tamper, str, str]] = {
    "denied": (
        lambda emulator, url: emulator.deny(url).page,
        "the login was denied on the consent page",
        "Login denied",
    ),
    "no code": (
        lambda _, url: with_query(url, state=asked(url)["state"]),
        "the answer holds no code",
        "The answer was incomplete",
    ),
    "refused": (
        lambda _, url: with_query(
            url, state=asked(url)["state"], error="server_error", error_description="<b>\x1b[31mdown"
        ),
        "the Console refused the login (server_error: ",
        "Login failed",
    ),
    "a code that is none": (
        lambda _, url: with_query(url, state=asked(url)["state"], code="x" * 43),
        "the code was refused (HTTP 400",
        "Login failed",
    ),
}


@pytest.mark.parametrize("how", ANSWERS)
def test_a_response_without_a_login_has_its_page_and_sentence_and_keeps_the_earlier_login(
    how: str, words: list[str], environ: Environ, emulator: Emulator, directory: ConfigDir
) -> None:
    keep_a_login(directory, emulator)
    before = tree(directory)
    tamper, sentence, title = ANSWERS[how]
    with in_a_pipe(*words, environ=environ) as ant:
        shown = tamper(emulator, printed_url(ant))
        status, text = rest(ant)
    page = shown.text if isinstance(shown, httpx.Response) else str(shown)
    assert status == 1, text
    assert f"error: {sentence}" in text or sentence in text
    assert "hint: " in text
    assert f"<h1>{title}</h1>" in page
    assert "<script" not in page
    assert "x" * 43 not in page + text
    assert "\x1b" not in text
    assert "stolen" not in page + text
    assert tree(directory) == before


@pytest.mark.parametrize(
    "query",
    [
        {"code": "<script>x</script>", "state": "another"},
        {"code": "stolen"},
        {"code": "stolen", "state": ""},
        {"error": "access_denied"},
        {"error": "access_denied", "state": "another"},
        {"state": "\u00fc"},
    ],
    ids=str,
)
def test_an_answer_without_the_state_of_this_login_has_its_page_and_the_login_goes_on(
    query: dict[str, str], words: list[str], environ: Environ, emulator: Emulator
) -> None:
    with in_a_pipe(*words, environ=environ) as ant:
        url = printed_url(ant)
        for host in ("localhost", "127.0.0.1"):
            page = httpx.get(asked(url)["redirect_uri"].replace("localhost", host), params=query)
            assert "<h1>This page belongs to another login</h1>" in page.text
            assert "<script" not in page.text
            assert "stolen" not in page.text
        assert "Logged in" in emulator.approve(url).page
        status, text = rest(ant)
    assert status == 0, text


def test_pages_load_nothing_from_anywhere_and_name_their_language(
    words: list[str], environ: Environ, emulator: Emulator
) -> None:
    with in_a_pipe(*words, environ=environ) as ant:
        answer = with_query(printed_url(ant), state="another")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert '<html lang="en">' in answer.text
    assert "src=" not in answer.text
    assert "http" not in answer.text


def test_strays_and_floods_neither_end_nor_fail_the_login(
    words: list[str], environ: Environ, emulator: Emulator
) -> None:
    with in_a_pipe(*words, environ=environ) as ant:
        url = printed_url(ant)
        redirect = asked(url)["redirect_uri"]
        port = urlsplit(redirect).port
        assert port is not None
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
        garbage = [
            b"\x16\x03\x01\x02\x00",
            b"GET /callback",
            b"GET " + b"a" * 70000 + b"\r\n\r\n",
            b"\r\n\r\n",
            b"\xff\xfe",
        ]
        for sent, stray in zip(garbage * 10, idle, strict=False):
            stray.sendall(sent)
        with httpx.Client() as client:
            for path in ("/", "/favicon.ico", "/callback/", "/callback", "/callback?x=1", "/Callback?code=1"):
                assert client.get(f"http://localhost:{port}{path}").status_code == 404, path
            for method in ("POST", "PUT", "HEAD", "OPTIONS", "DELETE"):
                assert client.request(method, f"{redirect}?code=1").status_code in {404, 501}, method
            rebound = client.get(f"{redirect}?code=1&state=2", headers={"Host": f"evil.example:{port}"})
            assert rebound.status_code == 404
        emulator.approve(url)
        assert rest(ant)[0] == 0
        for stray in idle:
            stray.close()


def test_clients_that_send_a_byte_now_and_then_do_not_keep_the_browser_out(
    words: list[str], environ: Environ, emulator: Emulator
) -> None:
    with in_a_pipe(*words, environ=environ) as ant:
        url = printed_url(ant)
        port = urlsplit(asked(url)["redirect_uri"]).port
        assert port is not None
        done = threading.Event()

        def drip() -> None:
            with contextlib.ExitStack() as stack:
                slow = [stack.enter_context(socket.socket()) for _ in range(150)]
                for each in slow:
                    each.settimeout(5)
                    with contextlib.suppress(OSError):
                        each.connect(("127.0.0.1", port))
                while not done.wait(0.2):
                    for each in slow:
                        with contextlib.suppress(OSError):
                            each.send(b"G")

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            emulator.approve(url)
            assert rest(ant)[0] == 0
        finally:
            done.set()
            dripping.join()


WRONG = ("code#another", "http://[", "https://console.example/?code=1", "of-another-page")


def test_what_is_not_a_code_of_this_login_is_asked_for_again(
    words: list[str], environ: Environ, emulator: Emulator
) -> None:
    with in_a_pipe(*words, "--no-browser", environ=environ) as ant:
        landing = emulator.approve(printed_url(ant))
        for pasted in WRONG:
            ant.sendline(pasted)
            ant.expect_exact("Not used: ")
            ant.expect_exact("Paste the code that the page above shows:")
        ant.sendline(landing.code or "")
        status, text = rest(ant)
    assert status == 0, text


@pytest.mark.parametrize("last", ["another#code", "x" * 5000, ""], ids=["wrong", "refused", "end of input"])
def test_pasting_ends_with_a_sentence(last: str, words: list[str], environ: Environ) -> None:
    with in_a_pipe(*words, "--no-browser", environ=environ) as ant:
        printed_url(ant)
        for pasted in WRONG:
            ant.sendline(pasted)
        if last:
            ant.sendline(last)
        else:
            end_input(ant)
        status, text = rest(ant)
    assert status == 1
    assert text.count("Not used: ") == len(WRONG)
    assert "error: " in text
    assert "hint: " in text
    assert "unexpected" not in text


def test_closed_output_is_not_a_failure_and_a_reader_that_goes_is_not_a_success(
    words: list[str], environ: Environ, emulator: Emulator
) -> None:
    shell = 'exec "$@" >&-'
    with in_a_pipe(*words, environ=environ, shell=shell) as ant:
        emulator.approve(printed_url(ant))
        assert rest(ant)[0] == 0
    done = subprocess.run(
        ["bash", "-c", '"$@" 2>&1 | head -c 1; exit "${PIPESTATUS[0]}"', "bash", ANT, *words, "--timeout", "1s"],
        env={"PATH": os.environ["PATH"], **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1


def test_the_listener_is_reachable_on_loopback_only_and_gone_afterwards(
    words: list[str], environ: Environ, emulator: Emulator
) -> None:
    with in_a_pipe(*words, environ=environ) as ant:
        url = printed_url(ant)
        port = urlsplit(asked(url)["redirect_uri"]).port
        assert port is not None
        # 127.0.0.2 stands for every other interface: a listener on all of them would answer there.
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port))
        emulator.approve(url)
        assert rest(ant)[0] == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_what_the_terminal_and_the_debug_log_show_holds_no_secret(
    words: list[str], environ: Environ, emulator: Emulator, directory: ConfigDir
) -> None:
    with in_a_pipe(*words, "--debug", environ=environ) as ant:
        printed_url(ant)
        pasting = printed_url(ant)
        code = (emulator.approve(pasting).code or "").partition("#")[0]
        ant.sendline(code)
        status, text = rest(ant)
    assert status == 0, text
    assert "/v1/oauth/token" in text
    kept = stored(directory)
    for secret in (code, kept["access_token"], kept["refresh_token"]):
        assert str(secret) not in text
    assert "code_verifier" in text
