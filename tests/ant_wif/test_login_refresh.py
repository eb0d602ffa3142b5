"""A person's login stays alive: refreshed by one for all, its rotating token never lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import httpx
import pytest

import ant_wif
from ant_wif._config.config_dir import ConfigDir
from ant_wif._environment import Environment
from ant_wif.emulator import Emulator, Fault
from ant_wif.errors import ExchangeError, LoginError, ProfileError
from support import preloaded
from support.misbehaving_server import HostileServer
from support.processes import forked

MANY = 20
OFFICIAL = "import anthropic; print(anthropic.Anthropic().models.list().data[0].id)"


def variables(home: Path, emulator: Emulator) -> dict[str, str]:
    return {"HOME": str(home), "ANTHROPIC_BASE_URL": emulator.base_url, "PATH": os.environ["PATH"]}


def logged_in(home: Path, emulator: Emulator, *, seconds: int = -60, client_id: str | None = "ours") -> Path:
    """Leave a login as `ant auth login` would, with so many seconds left; return its credentials file."""
    directory = ConfigDir.locate(Environment({"HOME": str(home)}))
    login = emulator.login(**({"client_id": client_id} if client_id else {}))
    authentication = {"type": "user_oauth", **({"client_id": client_id} if client_id else {})}
    directory.write("default", {"authentication": authentication, "base_url": emulator.base_url})
    path = directory.credentials_path("default")
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.touch(mode=0o600)
    document = {
        "version": "1.0",
        "type": "oauth_token",
        "access_token": login.access_token,
        "refresh_token": login.refresh_token,
        "expires_at": int(time.time()) + seconds,
        "organization_uuid": login.organization_uuid,
        "account_email": login.account_email,
        "somebody_elses": "kept",
    }
    path.write_text(json.dumps(document))
    return path


def stored(path: Path) -> dict[str, object]:
    document: dict[str, object] = json.loads(path.read_text())
    return document


def test_an_expired_login_is_refreshed_and_its_successor_written_before_use(emulator: Emulator, tmp_path: Path) -> None:
    path = logged_in(tmp_path, emulator)
    before = stored(path)
    token = ant_wif.resolve(environ=variables(tmp_path, emulator)).token()
    after = stored(path)
    assert after["access_token"] == token != before["access_token"]
    assert emulator.is_live_refresh_token(str(after["refresh_token"]))
    assert not emulator.is_live_refresh_token(str(before["refresh_token"]))
    assert (after["account_email"], after["somebody_elses"]) == (before["account_email"], "kept")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_login_that_lasts_is_used_as_it_is(emulator: Emulator, tmp_path: Path) -> None:
    path = logged_in(tmp_path, emulator, seconds=600)
    assert ant_wif.resolve(environ=variables(tmp_path, emulator)).token() == stored(path)["access_token"]
    assert not emulator.refreshes


@pytest.mark.parametrize("seconds", [100, 20])
def test_a_login_about_to_expire_is_refreshed_ahead_of_time(seconds: int, emulator: Emulator, tmp_path: Path) -> None:
    path = logged_in(tmp_path, emulator, seconds=seconds)
    before = stored(path)["access_token"]
    assert ant_wif.resolve(environ=variables(tmp_path, emulator)).token() != before
    assert len(emulator.refreshes) == 1


def test_a_login_that_something_else_rotates_is_never_refreshed_and_read_at_each_use(
    emulator: Emulator, tmp_path: Path
) -> None:
    path = logged_in(tmp_path, emulator, seconds=100, client_id=None)
    credentials = ant_wif.resolve(environ=variables(tmp_path, emulator))
    first = credentials.token()
    document = stored(path)
    path.write_text(json.dumps({**document, "access_token": "rotated-by-somebody"}))
    assert (first, credentials.token()) == (document["access_token"], "rotated-by-somebody")
    assert not emulator.refreshes


def test_of_many_threads_with_an_expired_login_one_refreshes(emulator: Emulator, tmp_path: Path) -> None:
    logged_in(tmp_path, emulator)
    holders = [ant_wif.resolve(environ=variables(tmp_path, emulator)) for _ in range(MANY)]
    with ThreadPoolExecutor(MANY) as pool:
        tokens = set(pool.map(lambda holder: holder.token(), holders))
    assert len(tokens) == 1
    assert len(emulator.refreshes) == 1


def test_of_many_tasks_with_an_expired_login_one_refreshes(emulator: Emulator, tmp_path: Path) -> None:
    logged_in(tmp_path, emulator)
    tokens: set[str] = set()

    async def use() -> None:
        tokens.add(await ant_wif.resolve(environ=variables(tmp_path, emulator)).atoken())

    async def story() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(MANY):
                group.start_soon(use)

    anyio.run(story)
    assert len(tokens) == 1
    assert len(emulator.refreshes) == 1


def test_of_many_processes_with_an_expired_login_one_refreshes_and_all_go_on(
    emulator: Emulator, tmp_path: Path
) -> None:
    path = logged_in(tmp_path, emulator)
    printed = forked(MANY, variables(tmp_path, emulator))
    assert len(printed) == MANY
    assert {out.strip() for out in printed} == {stored(path)["access_token"]}
    assert [record.outcome for record in emulator.refreshes] == ["granted"]
    assert emulator.is_live_refresh_token(str(stored(path)["refresh_token"]))


def in_processes(number: int, environ: Mapping[str, str], words: Sequence[str]) -> list[subprocess.Popen[str]]:
    command = [sys.executable, *words]
    return [
        preloaded.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(number)
    ]


def finished(running: Sequence[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    return [(process.wait(), *process.communicate()) for process in running]


def test_of_many_processes_and_the_official_sdk_which_takes_no_lock_none_of_ours_fails_and_the_login_lives(
    emulator: Emulator, tmp_path: Path
) -> None:
    path = logged_in(tmp_path, emulator)
    environ = variables(tmp_path, emulator)
    theirs = in_processes(1, environ, ["-c", OFFICIAL])
    assert len(forked(MANY, environ)) == MANY
    finished(theirs)
    assert [record.outcome for record in emulator.refreshes].count("granted") == 1
    assert emulator.is_live_refresh_token(str(stored(path)["refresh_token"]))


@pytest.mark.parametrize("writes", [True, False], ids=["and writes it later", "and is killed before it writes"])
def test_the_official_sdk_was_granted_the_refresh_a_moment_earlier(
    writes: bool, emulator: Emulator, tmp_path: Path
) -> None:
    path = logged_in(tmp_path, emulator)
    environ = variables(tmp_path, emulator)
    emulator.fail("token", Fault.delay(0.3 if writes else 60))
    [sdk] = in_processes(1, environ, ["-c", OFFICIAL])
    deadline = time.monotonic() + 60
    while not emulator.refreshes and time.monotonic() < deadline:
        time.sleep(0.005)
    credentials = ant_wif.resolve(environ=environ)
    if writes:
        assert credentials.token() == stored(path)["access_token"]
    else:
        sdk.kill()
        with pytest.raises(LoginError) as caught:
            credentials.token()
        assert "ant auth login --profile default" in str(caught.value.hint)
    finished([sdk])
    assert [record.outcome for record in emulator.refreshes] == ["granted", "denied"]


def test_a_rejected_access_token_is_refreshed_though_it_has_not_expired(emulator: Emulator, tmp_path: Path) -> None:
    path = logged_in(tmp_path, emulator, seconds=3000)
    credentials = ant_wif.resolve(environ=variables(tmp_path, emulator))
    rejected = credentials.token()
    emulator.revoke(rejected)
    with httpx.Client(base_url=credentials.base_url, auth=credentials.auth) as client:
        assert client.get("/v1/models").status_code == 200
    assert stored(path)["access_token"] != rejected


def test_a_login_that_the_server_ended_says_so_and_how_to_log_in(emulator: Emulator, tmp_path: Path) -> None:
    path = logged_in(tmp_path, emulator)
    refresh_token = str(stored(path)["refresh_token"])
    emulator.revoke(refresh_token)
    with pytest.raises(LoginError, match="has ended: its refresh was refused") as caught:
        ant_wif.resolve(environ=variables(tmp_path, emulator)).token()
    assert "ant auth login --profile default" in str(caught.value.hint)
    assert refresh_token not in f"{caught.value} {caught.value!r} {caught.value.hint}"


@pytest.mark.parametrize("meanwhile", ["logged out", "logged in anew"])
def test_what_a_person_did_while_the_server_answered_a_refresh_counts(
    meanwhile: str, emulator: Emulator, tmp_path: Path
) -> None:
    path = logged_in(tmp_path, emulator)
    environ = variables(tmp_path, emulator)
    emulator.fail("token", Fault.delay(0.5))
    with ThreadPoolExecutor(1) as pool:
        refreshed = pool.submit(ant_wif.resolve(environ=environ).token)
        deadline = time.monotonic() + 60
        while not emulator.refreshes and time.monotonic() < deadline:
            time.sleep(0.005)
        path.unlink()
        if meanwhile == "logged in anew":
            anew = logged_in(tmp_path, emulator, seconds=3000).read_bytes()
            assert refreshed.result() == stored(path)["access_token"]
            assert path.read_bytes() == anew
        else:
            with pytest.raises(ProfileError, match="holds no login"):
                refreshed.result()
            assert not path.exists()


@pytest.mark.parametrize("status", [302, 403, 404, 407, 413])
def test_an_answer_of_something_else_than_the_platform_does_not_end_a_login(
    status: int, emulator: Emulator, tmp_path: Path
) -> None:
    path = logged_in(tmp_path, emulator)
    before = path.read_bytes()

    def portal(request: httpx.Request) -> httpx.Response:
        page = httpx.ByteStream(b"<html>Sign in to the network</html>")
        return httpx.Response(status, stream=page, request=request)

    with httpx.Client(transport=httpx.MockTransport(portal)) as client, pytest.raises(ExchangeError) as caught:
        ant_wif.resolve(environ=variables(tmp_path, emulator), http_client=client).token()
    assert "no proxy answers in its place" in str(caught.value.hint)
    assert path.read_bytes() == before


def test_a_login_that_still_lasts_is_served_when_its_refresh_fails(
    emulator: Emulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = logged_in(tmp_path, emulator, seconds=100)
    emulator.fail("token", Fault.status(529), times=9)
    assert ant_wif.resolve(environ=variables(tmp_path, emulator)).token() == stored(path)["access_token"]
    assert "used while it lasts" in caplog.text


@pytest.mark.parametrize(
    ("seconds", "hint"),
    [
        (300, "run again in 300 seconds"),
        (99_999_999, "run again later: the server asks for a wait of more than a day"),
    ],
)
def test_an_endpoint_that_is_down_is_not_a_reason_to_log_in_again(
    emulator: Emulator, tmp_path: Path, seconds: int, hint: str
) -> None:
    logged_in(tmp_path, emulator)
    emulator.fail("token", Fault.status(503, retry_after=seconds), times=9)
    with pytest.raises(ExchangeError) as caught:
        ant_wif.resolve(environ=variables(tmp_path, emulator)).token()
    assert (caught.value.status, caught.value.hint) == (503, hint)


def test_a_connection_that_was_never_made_is_waited_out(emulator: Emulator, tmp_path: Path) -> None:
    logged_in(tmp_path, emulator)
    refused = []

    def flaky(request: httpx.Request) -> httpx.Response:
        if len(refused) < 2:
            refused.append(request.url)
            raise httpx.ConnectError("refused", request=request)
        answer = httpx.request(request.method, request.url, headers=request.headers, content=request.read())
        return httpx.Response(answer.status_code, stream=httpx.ByteStream(answer.content), request=request)

    with httpx.Client(transport=httpx.MockTransport(flaky)) as client:
        assert ant_wif.resolve(environ=variables(tmp_path, emulator), http_client=client).token()
    assert (len(refused), len(emulator.refreshes)) == (2, 1)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 529])
def test_a_refresh_token_that_was_sent_is_not_sent_again(emulator: Emulator, tmp_path: Path, status: int) -> None:
    logged_in(tmp_path, emulator)
    emulator.fail("token", Fault.status(status, retry_after=0))
    with pytest.raises(ExchangeError):
        ant_wif.resolve(environ=variables(tmp_path, emulator)).token()
    assert emulator.refreshes == []


def test_a_profile_made_by_this_project_is_refreshed_by_the_official_sdk_and_back(
    emulator: Emulator, tmp_path: Path
) -> None:
    path = logged_in(tmp_path, emulator)
    environ = variables(tmp_path, emulator)
    ours = ant_wif.resolve(environ=environ).token()
    path.write_text(json.dumps({**stored(path), "expires_at": int(time.time()) - 5}))
    done = preloaded.run([sys.executable, "-c", OFFICIAL], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    theirs = stored(path)["access_token"]
    assert theirs != ours
    assert ant_wif.resolve(environ=environ).token() == theirs
    path.write_text(json.dumps({**stored(path), "expires_at": int(time.time()) - 5}))
    assert ant_wif.resolve(environ=environ).token() not in {ours, theirs}
    assert len(emulator.refreshes) == 3


def test_a_refresh_token_goes_to_the_host_that_issued_it_only(
    emulator: Emulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = logged_in(tmp_path, emulator)
    path.write_text(json.dumps({**stored(path), "ant_wif": {"login_base_url": emulator.base_url}}))
    with HostileServer() as gateway:
        environ = {**variables(tmp_path, emulator), "ANTHROPIC_BASE_URL": gateway.base_url}
        path_of_profile = tmp_path / ".config" / "anthropic" / "configs" / "default.json"
        profile = json.loads(path_of_profile.read_text())
        path_of_profile.write_text(json.dumps({**profile, "base_url": gateway.base_url}))
        assert ant_wif.resolve(environ=environ).token() == stored(path)["access_token"]
        assert gateway.connections == 0
    assert len(emulator.refreshes) == 1
    note = stored(path)["ant_wif"]
    assert isinstance(note, dict)
    assert note["login_base_url"] == emulator.base_url
    warned = [record.getMessage() for record in caplog.records if "issued by" in record.getMessage()]
    assert len(warned) == 1
    assert f"({path_of_profile}) sends its access token to {gateway.base_url}." in warned[0]
