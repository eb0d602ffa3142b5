"""An assertion is exchanged once: who finds it spent or denied, what is kept of it, and for how long."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import ant_wif
from ant_wif.credentials import Credentials
from ant_wif.emulator import Emulator, Fault
from ant_wif.errors import ExchangeError, IdentityTokenError, IdentityTokenReusedError
from support.clock import Clock
from support.jobs import federation_of
from support.leaks import jwts_in
from support.misbehaving_server import HostileServer, denial, forged_jwt
from support.samples import ORGANIZATION, RULE

TEN_MINUTES = 600


@dataclass(frozen=True)
class Job:
    """A job whose token file holds one single-use token, and a platform by the same clock."""

    emulator: Emulator
    clock: Clock
    root: Path

    @property
    def environ(self) -> dict[str, str]:
        places = {"ANTHROPIC_IDENTITY_TOKEN_FILE": str(self.file), "ANT_CACHE_DIR": str(self.folder)}
        return {**federation_of(self.emulator.env()), **places, "ANT_IDENTITY_SOURCE": "file"}

    @property
    def file(self) -> Path:
        return self.root / "identity"

    @property
    def folder(self) -> Path:
        return self.root / "cache"

    def rotate(self, **claims: object) -> str:
        jwt = self.emulator.issue(**claims)  # type: ignore[arg-type]  # handed through
        self.file.write_text(jwt)
        return jwt

    def credentials(self, **changes: str) -> Credentials:
        """What a process gets that starts now."""
        return ant_wif.resolve(environ={**self.environ, **changes}, clock=self.clock)

    def forget_tokens(self) -> None:
        for path in self.folder.glob("*.json"):
            path.unlink()

    def records(self) -> list[dict[str, object]]:
        return [json.loads(path.read_text()) for path in sorted((self.folder / "spent").iterdir())]


@pytest.fixture
def clock() -> Clock:
    return Clock(time.time())


@pytest.fixture
def job(clock: Clock, tmp_path: Path) -> Iterator[Job]:
    with Emulator(clock=clock) as emulator:
        emulator.update_rule("github", token_lifetime_seconds=TEN_MINUTES)
        found = Job(emulator, clock, tmp_path)
        found.rotate(exp=int(clock.now) + 1200)
        yield found


def test_a_spent_assertion_whose_token_is_gone_is_refused_with_who_used_it_and_when(job: Job) -> None:
    job.credentials().token()
    spent_at = job.clock.now
    job.forget_tokens()
    job.clock.now += 7
    with pytest.raises(IdentityTokenReusedError, match=r"\(7s ago\)") as caught:
        job.credentials().token()
    error = caught.value
    assert error.used_at == spent_at
    assert f"process {os.getpid()} (" in error.used_by
    assert error.used_by in str(error)
    assert error.hint is not None
    assert "ant exec" in error.hint
    shown = "".join(traceback.format_exception_only(error))
    assert shown.endswith(f"\nhint: {error.hint}\n") or sys.version_info < (3, 11)
    assert len(job.emulator.history) == 1
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(other) is IdentityTokenReusedError
        assert str(other) == str(error)
        assert (other.hint, other.used_at, other.used_by) == (error.hint, error.used_at, error.used_by)


@pytest.mark.parametrize(
    "changes",
    [
        {"ANTHROPIC_WORKSPACE_ID": "wrkspc_other"},
        {"ANTHROPIC_FEDERATION_RULE_ID": "fdrl_other"},
        {"ANTHROPIC_SERVICE_ACCOUNT_ID": ""},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_an_assertion_spent_for_one_federation_is_refused_for_another_before_anything_is_sent(
    changes: dict[str, str], job: Job
) -> None:
    job.credentials().token()
    with pytest.raises(IdentityTokenReusedError, match="for another rule, workspace or host"):
        job.credentials(**changes).token()
    assert len(job.emulator.history) == 1


def test_a_denied_assertion_is_not_sent_again_by_the_next_process_but_one_that_replaced_it_is(job: Job) -> None:
    job.emulator.update_rule("github", subject_prefix="repo:somebody/else")
    with pytest.raises(ExchangeError) as first:
        job.credentials().token()
    job.emulator.update_rule("github", subject_prefix="repo:acme/app:*")
    with pytest.raises(ExchangeError, match="a denied token is not sent again") as second:
        job.credentials().token()
    (attempt,) = job.emulator.history
    assert first.value.status == second.value.status == 401
    assert first.value.request_id == second.value.request_id == attempt.request_id
    assert attempt.request_id in str(second.value)
    assert second.value.causes
    assert second.value.hint
    job.rotate()
    assert job.credentials().token()
    assert [record.outcome for record in job.emulator.history] == ["denied", "granted"]


@pytest.mark.parametrize("status", [401, 403])
def test_the_next_process_is_told_the_status_with_which_the_assertion_was_denied(status: int, tmp_path: Path) -> None:
    (tmp_path / "identity").write_text(forged_jwt())
    with HostileServer(denial(status)) as server:
        environ = {
            "ANTHROPIC_BASE_URL": server.base_url,
            "ANTHROPIC_FEDERATION_RULE_ID": RULE,
            "ANTHROPIC_ORGANIZATION_ID": ORGANIZATION,
            "ANTHROPIC_IDENTITY_TOKEN_FILE": str(tmp_path / "identity"),
            "ANT_CACHE_DIR": str(tmp_path / "cache"),
        }
        for _ in range(2):
            with pytest.raises(ExchangeError, match=f"HTTP {status}") as caught:
                ant_wif.resolve(environ=environ).token()
            assert caught.value.status == status
            assert caught.value.request_id == "req_hostile"
        assert len(server.requests) == 1


def test_an_assertion_whose_answer_was_lost_may_still_serve_the_next_process(job: Job) -> None:
    job.emulator.fail("token", Fault.drop_before())
    with pytest.raises(ExchangeError, match="the identity token may be used already; if so, the next attempt needs a"):
        job.credentials().token()
    assert [record["outcome"] for record in job.records()] == ["unknown"]
    assert job.credentials().token()
    assert [record["outcome"] for record in job.records()] == ["granted"]


def test_an_assertion_that_a_proxy_kept_from_the_api_is_not_taken_for_used(job: Job) -> None:
    job.rotate()
    with HostileServer(b"HTTP/1.1 407 No\r\n\r\n") as proxy, pytest.raises(ExchangeError, match="HTTP 407"):
        job.credentials(HTTPS_PROXY=proxy.base_url, ANTHROPIC_BASE_URL="https://api.example").token()
    assert job.records() == []
    with HostileServer(denial()) as server, pytest.raises(ExchangeError) as caught:
        job.credentials(ANTHROPIC_BASE_URL=server.base_url).token()
    assert not any("the answer was lost" in cause for cause in caught.value.causes)


@pytest.mark.parametrize("lasts", [1200, 500], ids=["the identity token lasts", "the identity token has expired too"])
def test_while_its_access_token_is_valid_a_used_assertion_is_not_a_failure(lasts: int, job: Job) -> None:
    job.rotate(exp=int(job.clock.now) + lasts)
    credentials = job.credentials()
    first, expires_at = credentials.token(), credentials.expires_at or 0
    for left in (100, 20, 2):
        job.clock.now = expires_at - left
        assert credentials.token() == first, f"{left} seconds are left"
        assert job.credentials().token() == first, f"{left} seconds are left, to another process"
    assert len(job.emulator.history) == 1
    job.clock.now = expires_at
    for each in (credentials, job.credentials()):
        with pytest.raises(IdentityTokenError):
            each.token()
    job.rotate()
    assert credentials.token() != first


def test_nothing_in_the_folder_holds_the_assertion_or_a_part_of_it(job: Job) -> None:
    presented = [job.file.read_text()]
    job.credentials().token()
    for claims, fault in (({"sub": "repo:somebody/else"}, None), ({}, Fault.drop_after())):
        job.forget_tokens()
        presented.append(job.rotate(**claims))
        if fault is not None:
            job.emulator.fail("token", fault)
        with pytest.raises(ExchangeError):
            job.credentials().token()
    job.rotate()
    job.credentials().token()
    assert sorted(str(record["outcome"]) for record in job.records()) == ["denied", "granted", "granted", "unknown"]
    pieces = {part[:12] for jwt in presented for part in jwt.split(".")}
    for path in (path for path in job.folder.rglob("*") if path.is_file()):
        content = f"{path.name} {path.read_text()}"
        assert [piece for piece in pieces if piece in content] == jwts_in(content) == []


def test_records_go_when_their_assertions_have_expired_and_not_before(job: Job) -> None:
    kept = []
    for lifetime, then in ((300, 200), (1200, 300), (1200, 0)):
        job.rotate(exp=int(job.clock.now) + lifetime)
        job.forget_tokens()
        job.credentials().token()
        kept.append(len(job.records()))
        job.clock.now += then
    assert kept == [1, 2, 2], "that of the first is gone, that of the third came"


@pytest.mark.parametrize("moment", [0, -1, -9e11, 9e11, 253402300800], ids=str)
def test_a_record_of_an_absurd_moment_gives_a_typed_error_or_none(moment: float, job: Job) -> None:
    job.credentials().token()
    job.forget_tokens()
    (path,) = (job.folder / "spent").iterdir()
    path.write_text(json.dumps({**json.loads(path.read_text()), "at": moment}))
    with pytest.raises((IdentityTokenReusedError, ExchangeError)):
        job.credentials().token()


def test_without_a_folder_a_process_still_remembers_what_it_presented(job: Job) -> None:
    credentials = job.credentials(ANT_CACHE="memory")
    credentials.token()
    credentials.invalidate()
    with pytest.raises(IdentityTokenReusedError):
        credentials.token()
    assert len(job.emulator.history) == 1
    assert not job.folder.exists()


@pytest.mark.parametrize("cache", ["", "memory"], ids=["shared", "in memory"])
def test_an_issuer_that_does_not_check_jti_accepts_the_token_again_when_the_access_token_has_expired(
    cache: str, job: Job
) -> None:
    job.emulator.update_issuer("github", check_jti=False)
    credentials = job.credentials(ANT_CACHE=cache)
    first = credentials.token()
    job.clock.now = credentials.expires_at or 0
    second = credentials.token()
    assert second != first
    assert job.credentials().token() == second or cache
    assert [record.outcome for record in job.emulator.history][:2] == ["granted", "granted"]


@pytest.mark.parametrize("cache", ["", "memory"], ids=["shared", "in memory"])
def test_it_accepts_the_token_again_when_an_access_token_that_the_api_rejected_has_expired(
    cache: str, job: Job
) -> None:
    job.emulator.update_issuer("github", check_jti=False)
    credentials = job.credentials(ANT_CACHE=cache)
    first, expires_at = credentials.token(), credentials.expires_at or 0
    credentials.invalidate()
    for moment in (job.clock.now, expires_at - 2):
        job.clock.now = moment
        with pytest.raises(IdentityTokenReusedError):
            credentials.token()
    assert len(job.emulator.history) == 1
    job.clock.now = expires_at
    second = credentials.token()
    assert second != first
    credentials.invalidate()
    job.clock.now += TEN_MINUTES
    assert credentials.token() not in {first, second}


def test_a_process_that_finds_an_access_token_does_not_load_the_record_of_identity_tokens(job: Job) -> None:
    job.credentials().token()
    script = "import sys, ant_wif; ant_wif.resolve().token(); print('ant_wif._tokens.assertion_log' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], env=job.environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("False", "")
    assert job.emulator.exchanges == 1


@pytest.mark.parametrize("cache", ["", "memory"], ids=["shared", "in memory"])
def test_where_no_other_identity_token_can_be_had_the_access_token_serves_to_its_end(cache: str, job: Job) -> None:
    credentials = job.credentials(ANT_CACHE=cache)
    token, expires_at = credentials.token(), credentials.expires_at or 0
    for left in (60, 20, 2):
        job.clock.now = expires_at - left
        assert credentials.token() == token
    job.clock.now = expires_at - 1
    with pytest.raises(IdentityTokenReusedError):
        credentials.token()


def test_a_used_token_is_tried_once_more_after_its_access_token_and_then_never_again(job: Job) -> None:
    credentials = job.credentials()
    credentials.token()
    used_at = job.clock.now
    job.clock.now = credentials.expires_at or 0
    for each in (credentials, job.credentials(), job.credentials()):
        with pytest.raises(IdentityTokenReusedError) as caught:
            each.token()
        assert caught.value.used_at == used_at
        denied = job.emulator.history[-1].request_id
        assert f"sent again since then: denied (HTTP 401, request id {denied})" in caught.value.facts
    assert [record.outcome for record in job.emulator.history] == ["granted", "denied"]
    job.rotate()
    assert credentials.token()


def test_a_second_use_whose_answer_is_lost_is_tried_by_the_next_process(job: Job) -> None:
    job.emulator.update_issuer("github", check_jti=False)
    credentials = job.credentials()
    credentials.token()
    job.clock.now = credentials.expires_at or 0
    job.emulator.fail("token", Fault.drop_before())
    with pytest.raises(ExchangeError):
        credentials.token()
    assert job.credentials().token()
