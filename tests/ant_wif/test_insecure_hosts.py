"""`ANT_INSECURE_HOSTS`: an emulator in another container, over plain http."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import ant_wif
from ant_cli.main import main
from ant_wif._http import check_url, permit_url
from ant_wif.emulator import Emulator
from ant_wif.errors import InsecureUrlError


@pytest.fixture
def job(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A job whose emulator is reached by an address that is not a loopback one, and on Linux leads to this machine."""
    with Emulator("0.0.0.0", allow_remote=True) as emulator:
        yield {**emulator.env("github"), "HOME": str(tmp_path)}


def test_a_host_that_is_named_is_used_over_plain_http_and_warned_of(
    job: dict[str, str], caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InsecureUrlError, match="must use https") as caught:
        ant_wif.resolve(environ=job).token()
    assert "ANT_INSECURE_HOSTS" in (caught.value.hint or "")
    job["ANT_INSECURE_HOSTS"] = "emulator, 0.0.0.0"
    with caplog.at_level(logging.WARNING, "ant_wif.http"):
        credentials = ant_wif.resolve(environ=job)
    assert "ANT_INSECURE_HOSTS allows plain http to 0.0.0.0" in caplog.text
    with httpx.Client(base_url=credentials.base_url, auth=credentials.auth) as client:
        headers = {"anthropic-version": "2023-06-01"}
        assert client.get("/v1/models", headers=headers).status_code == 200
    assert main(["auth", "verify"], job) == 0
    assert main(["exec", "--", "true"], {**job, "PATH": "/usr/bin:/bin"}) == 0
    assert "The credential works" in capsys.readouterr().out


@pytest.mark.parametrize("host", ["api.anthropic.com", "Anthropic.com", "platform.claude.com", "x.api.anthropic.com"])
def test_anthropic_s_own_hosts_are_never_reached_without_encryption(host: str, tmp_path: Path) -> None:
    environ = {"ANT_INSECURE_HOSTS": f"emulator,{host}", "ANTHROPIC_API_KEY": "example", "HOME": str(tmp_path)}
    with pytest.raises(InsecureUrlError, match="must use https"):
        check_url(f"http://{host}", what="the URL", environ=environ)
    with pytest.raises(InsecureUrlError, match="must use https"):
        ant_wif.resolve(environ={**environ, "ANTHROPIC_BASE_URL": f"http://{host}"}).token()
    assert main(["auth", "status"], {**environ, "ANTHROPIC_BASE_URL": f"http://{host}"}) == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://emulator.evil.example:8700",
        "http://emulator@evil.example",
        "http://xemulator",
        "http://evil.example/emulator",
        "ftp://emulator",
        "http://sub.emulator",
    ],
)
def test_names_are_exact(url: str) -> None:
    with pytest.raises(InsecureUrlError):
        check_url(url, what="the URL", environ={"ANT_INSECURE_HOSTS": "emulator,*,.example"})


def test_what_is_made_of_a_permitted_url_is_not_permitted() -> None:
    permitted = permit_url("http://emulator:8700/", {"ANT_INSECURE_HOSTS": "EMULATOR"})
    assert check_url(permitted, what="the URL") == "http://emulator:8700"
    assert check_url(permitted.rstrip("/"), what="the URL") == "http://emulator:8700"
    with pytest.raises(InsecureUrlError):
        check_url(f"{permitted}x", what="the URL")
