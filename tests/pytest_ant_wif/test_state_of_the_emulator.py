"""What a test changes in the emulator belongs to that test; what a fixture of a wider scope sets up stays."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Run = Callable[..., pytest.RunResult]

SUITE = """
import httpx
import pytest

from ant_wif.emulator import Fault

SAY = {"model": "claude-opus-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}

def say(client):
    answer = client.post("/v1/messages", json=SAY)
    assert answer.status_code == 200, answer.text
    return answer.json()["content"][0]["text"]

@pytest.fixture(scope="module")
def prepared(ant_emulator_session):
    ant_emulator_session.reply("of the module", when="hi", times=None)
    ant_emulator_session.register_client("of-the-module")

@pytest.fixture(scope="class", autouse=True)
def models(request, ant_emulator_session):
    if request.cls is not None:
        ant_emulator_session.serve_models(["claude-of-the-class"])

def seen(emulator):
    return [
        emulator.history, emulator.requests, emulator.replies_left, emulator.rules, emulator.issuer("github"),
        emulator.allow_token_requests, emulator.omit_login_fields, round(emulator.now - emulator.clock()),
        emulator._platforms.named("github").key.jwks(), emulator.exchanges, emulator.clock,
    ]

@pytest.mark.parametrize("turn", range(3))
def test_everything_is_changed(turn, ant_emulator, ant_credentials, ant_token, ant_client, request):
    before = seen(ant_emulator)
    if turn > 1:  # the first one may have obtained the token of the session
        assert before == request.config.seen
    request.config.seen = before
    assert say(ant_client) == "hi"
    ant_emulator.fail("messages", Fault.status(500), times=3)
    ant_emulator.fail("models", Fault.status(500))
    ant_emulator.reply("of this test", times=5)
    ant_emulator.update_rule("github", archived=True)
    ant_emulator.update_issuer("github", archived=True)
    ant_emulator.rotate_keys("github")
    ant_emulator.serve_models(["claude-of-this-test"])
    ant_emulator.revoke(ant_token)
    ant_emulator.revoke(ant_emulator.login().refresh_token)
    ant_emulator.oauth_client(client_id="of-this-test")
    ant_emulator.allow_token_requests = False
    ant_emulator.omit_login_fields = ["workspace"]
    ant_emulator.clock = lambda: 1_700_000_000.0
    ant_emulator.advance(3600)
    assert ant_client.get("/v1/models").status_code == 500

def test_and_undone(ant_client, ant_emulator_session):
    assert say(ant_client) == "hi"
    assert len(ant_client.get("/v1/models").json()["data"]) > 1

def test_what_a_test_without_the_emulator_requested_is_not_seen(ant_client, ant_emulator):
    assert list(ant_emulator.requests) == []
    say(ant_client)
    assert [request.status for request in ant_emulator.requests.messages()] == [200]

@pytest.mark.parametrize("turn", range(2))
def test_what_is_made_through_a_client_alone_is_of_its_test(turn, ant_client):
    assert ant_client.get("/v1/files").json()["data"] == []
    ant_client.post("/v1/files", files={"file": ("a.txt", b"a")}).raise_for_status()

@pytest.mark.parametrize("turn", range(2))
def test_what_is_made_with_headers_alone_is_of_its_test(turn, ant_headers, ant_credentials):
    assert httpx.get(f"{ant_credentials.base_url}/v1/files", headers=ant_headers).json()["data"] == []
    httpx.post(
        f"{ant_credentials.base_url}/v1/files", headers=ant_headers, files={"file": ("a.txt", b"a")}
    ).raise_for_status()

def test_a_spawned_one_stops(ant_emulator, request):
    request.config.spawned = ant_emulator.spawn().base_url

def test_it_has_stopped(request):
    with pytest.raises(httpx.ConnectError):
        httpx.get(request.config.spawned)

def test_an_outage(ant_emulator):
    ant_emulator.stop()

def test_ends_with_its_test(ant_client):
    assert say(ant_client) == "hi"

def test_an_outage_within_a_test_ends_too(ant_client, ant_emulator):
    with ant_emulator:
        pass
    assert ant_emulator.start().base_url == str(ant_client.base_url).rstrip("/")
    assert say(ant_client) == "hi"

def test_a_wider_fixture_stays(prepared, ant_client, ant_emulator):
    ant_emulator.clear_replies()
    assert say(ant_client) == "hi"

def test_a_wider_fixture_stays_again(prepared, ant_client, ant_emulator):
    assert say(ant_client) == "of the module"

class TestClass:
    @pytest.mark.parametrize("turn", range(2))
    def test_models_of_the_class(self, turn, ant_client, ant_emulator):
        assert [each["id"] for each in ant_client.get("/v1/models").json()["data"]] == ["claude-of-the-class"]
        ant_emulator.serve_models(["claude-other"])
"""


def test_what_a_test_changes_is_undone_after_it(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(SUITE)
    run().assert_outcomes(passed=18)


def test_a_fixture_of_a_wider_scope_is_told_which_emulator_it_can_have(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture(scope="module")
        def mine(ant_emulator): ...

        def test_one(mine): ...
        """
    )
    result = run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ScopeMismatch: *function scoped fixture ant_emulator with a module scoped request*",
            "test_a_fixture_of_a_wider_scope*.py:*def mine(ant_emulator)",
            "*fixtures.py:*def ant_emulator(ant_emulator_session*",
        ]
    )
