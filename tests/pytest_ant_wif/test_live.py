"""A live run: the platform is in this process, and the inner suite, workers and all, has one credential of it."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping

import pytest

from ant_wif.emulator import Emulator
from support.jobs import profile_of

Run = Callable[..., pytest.RunResult]
Begin = Callable[[], None]
Job = Callable[[Mapping[str, str]], None]


def test_one_identity_token_that_works_once_serves_all_workers(
    pytester: pytest.Pytester, run: Run, platform: Emulator, single_use: Begin
) -> None:
    single_use()
    pytester.makepyfile(
        """
        import os
        import urllib.request
        import pytest

        @pytest.mark.ant_live
        @pytest.mark.parametrize("number", range(6))
        def test_the_models_can_be_listed(ant_headers, number):
            url = os.environ["ANTHROPIC_BASE_URL"] + "/v1/models"
            with urllib.request.urlopen(urllib.request.Request(url, headers=ant_headers)) as answer:
                assert answer.status == 200
        """
    )
    result = run("--ant-mode", "live", "-n", "3", "-v")
    result.assert_outcomes(passed=6)
    workers = {found.group() for line in result.outlines if (found := re.match(r"\[gw\d+\]", line))}
    assert len(workers) == 3
    assert platform.exchanges == len(platform.history) == 1
    # No file shared the token, for there is none.
    assert not [path for path in pytester.path.rglob("ant-wif") if path.is_dir()]


def test_every_way_to_the_credential_works_in_a_worker(
    pytester: pytest.Pytester, run: Run, platform: Emulator, single_use: Begin
) -> None:
    single_use()
    workspace = platform.env()["ANTHROPIC_WORKSPACE_ID"]
    pytester.makeini("[pytest]\nant_mode = auto")
    pytester.makepyfile(
        f"""
        import asyncio
        import httpx
        import os

        BASE_URL = {platform.base_url!r}

        def test_token(ant_token, ant_credentials):
            assert ant_credentials.token() == ant_token == asyncio.run(ant_credentials.atoken())

        def test_headers(ant_headers):
            assert httpx.get(BASE_URL + "/v1/models", headers=ant_headers).status_code == 200

        def test_client(ant_client):
            assert ant_client.get("/v1/models").status_code == 200

        def test_async(ant_async_client):
            async def ask():
                return (await ant_async_client.get("/v1/models")).status_code
            assert asyncio.run(ask()) == 200

        def test_sdk(anthropic_client):
            assert anthropic_client.models.list().data

        def test_async_sdk(async_anthropic_client):
            async def ask():
                return (await async_anthropic_client.models.list()).data
            assert asyncio.run(ask())

        def test_what_is_known_of_it(ant_credentials):
            assert ant_credentials.source == "federation"
            assert ant_credentials.base_url == BASE_URL
            assert ant_credentials.workspace_id == {workspace!r}
            assert ant_credentials.organization_id == {platform.organization_id!r}
            assert ant_credentials.identity_source == "file"
            assert ant_credentials.origin == "environment"

        def test_the_environment_holds_no_token(ant_token):
            assert ant_token not in repr(dict(os.environ))
        """
    )
    run("-n", "1", "-W", "error", heavy="sdk").assert_outcomes(passed=8)
    assert platform.exchanges == len(platform.history) == 1
    # The header is one line, shows where the credential is from, and costs no exchange.
    shown = run("--ant-mode", "live", "--collect-only", "-W", "error")
    assert [line for line in shown.outlines if line.startswith("ant-wif:")] == [
        f"ant-wif: live, environment, workspace {workspace}"
    ]
    assert platform.exchanges == 1


def test_an_api_key_and_a_profile_are_live_credentials_too(
    pytester: pytest.Pytester, run: Run, platform: Emulator, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(
        test_key="""
        def test_httpx(ant_client, ant_credentials):
            assert ant_credentials.source == "api_key"
            assert ant_client.get("/v1/models").status_code == 200
        """,
        test_profile="""
        def test_httpx(ant_client, ant_credentials):
            assert ant_credentials.origin == "profile:ci"
            assert ant_client.get("/v1/models").status_code == 200
        """,
    )
    job({"ANTHROPIC_API_KEY": platform.api_key, "ANTHROPIC_BASE_URL": platform.base_url})
    run("--ant-mode", "live", "-n", "1", "test_key.py").assert_outcomes(passed=1)
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    configs = pytester.path / ".config" / "anthropic" / "configs"
    configs.mkdir(parents=True)
    path = pytester.path / "identity-token"
    path.write_text(platform.issue("github"))
    document = profile_of(platform.env("github"), identity_token={"source": "file", "path": str(path)})
    configs.joinpath("ci.json").write_text(json.dumps(document))
    run("--ant-mode", "live", "--ant-profile", "ci", "test_profile.py").assert_outcomes(passed=1)
    assert platform.exchanges == 1


def test_a_token_that_is_revoked_in_the_middle_is_replaced_once_for_all(
    pytester: pytest.Pytester, run: Run, platform: Emulator, job: Job
) -> None:
    job({**platform.env("github"), "ANT_CACHE": "memory"})
    pytester.makepyfile(
        """
        import time
        from pathlib import Path
        import pytest

        @pytest.mark.parametrize("number", range(2))
        def test_all_the_time(ant_client, ant_credentials, number):
            here = Path(__file__).parent
            first = ant_credentials.token()
            (here / f"writing-{number}").write_text(first)
            (here / f"writing-{number}").rename(here / f"started-{number}")
            end = time.monotonic() + 60
            while not (here / "revoked").exists():
                assert ant_client.get("/v1/models").status_code == 200
                assert time.monotonic() < end
                time.sleep(0.05)
            for _ in range(3):
                assert ant_client.get("/v1/models").status_code == 200
            assert ant_credentials.token() != first
            (here / f"ended-{number}").write_text(ant_credentials.token())
        """
    )

    def revoke() -> None:
        end = time.monotonic() + 60
        while len(list(pytester.path.glob("started-*"))) < 2 and time.monotonic() < end:
            time.sleep(0.02)
        # Every worker has it, and uses it, while it becomes invalid.
        for token in {path.read_text() for path in pytester.path.glob("started-*")}:
            platform.revoke(token)
        (pytester.path / "revoked").touch()

    meanwhile = threading.Thread(target=revoke)
    meanwhile.start()
    result = run("--ant-mode", "live", "-n", "2")
    meanwhile.join()
    result.assert_outcomes(passed=2)
    assert len({path.read_text() for path in pytester.path.glob("ended-*")}) == 1
    assert platform.exchanges == 2


def test_a_credential_that_is_denied_in_the_middle_fails_tests_in_one_line_each(
    pytester: pytest.Pytester, run: Run, single_use: Begin
) -> None:
    pytester.makepyfile(
        """
        def test_before(ant_token): ...

        def test_it_is_rejected(ant_credentials):
            ant_credentials.invalidate()

        def test_token(ant_token): ...

        def test_headers(ant_headers): ...

        def test_client(ant_client):
            ant_client.get("/v1/models")
        """
    )
    single_use()
    result = run("--ant-mode", "live", "-n", "1")
    result.assert_outcomes(passed=2, errors=2, failed=1)
    # The identity token was spent, and there is no other.
    summary = [line for line in result.outlines if line.startswith(("ERROR ", "FAILED "))]
    assert len(summary) == 3, summary
    assert all("was exchanged already" in line for line in summary), summary


STEP, WORKERS = 5, 2  # how many seconds of the clock pass when all workers have made another request


def test_workers_stay_authenticated_for_three_minutes_of_60_second_tokens(
    pytester: pytest.Pytester, run: Run, job: Job
) -> None:
    """Inner suite and platform go by a clock that the requests themselves move."""
    seconds, lifetime, began = 180, 60, time.time()
    rounds = [pytester.path / f"rounds-{number}" for number in range(WORKERS)]
    for path in rounds:
        path.touch()
    clock = f"{began} + {STEP} * min(os.stat(path).st_size for path in {[str(path) for path in rounds]})"
    with Emulator(clock=lambda: began + STEP * min(path.stat().st_size for path in rounds)) as platform:
        platform.update_rule("github", token_lifetime_seconds=lifetime)
        job({**platform.env("github"), "ANT_CACHE": "memory"})
        pytester.makeconftest(
            f"""
            import os
            import time
            time.time = lambda: {clock}
            time.clock_gettime = lambda clock: time.time()
            """
        )
        pytester.makepyfile(
            f"""
            import time
            import pytest

            @pytest.mark.parametrize("number", range({WORKERS}))
            def test_all_the_time(ant_client, ant_credentials, number):
                seen = set()
                while time.time() < {began + seconds}:
                    assert ant_client.get("/v1/models").status_code == 200
                    seen.add(ant_credentials.token())
                    with open(f"rounds-{{number}}", "a") as rounds:
                        rounds.write(".")
                    time.sleep(0.02)
                assert len(seen) > 3
            """
        )
        # What was imported before would go by the clock of the machine.
        run("--ant-mode", "live", "-n", str(WORKERS), heavy=None).assert_outcomes(passed=WORKERS)
        took = platform.history[-1].at - platform.history[0].at
        assert took > seconds / 2
        assert len(platform.history) == platform.exchanges <= (took + lifetime / 2) // (lifetime / 2) + 1
