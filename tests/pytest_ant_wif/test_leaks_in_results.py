"""What other plugins write of a test by ways of their own: results of Allure, and cassettes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., pytest.RunResult]

SEEN = "sk-ant-oat01-" + "EXAMPLE-" * 8

RESULTS = """
import allure
import pytest

SEEN = "sk-ant-oat01-" + "EXAMPLE-" * 8

@pytest.fixture
def prepared(ant_token):
    with allure.step(f"with {ant_token}"):
        yield

def test_prints_and_fails(prepared, ant_token):
    print(ant_token, SEEN)
    with open("secrets.txt", "w") as file:
        file.write(ant_token)
    assert not ant_token, SEEN

@pytest.mark.parametrize("one", [SEEN])
def test_attaches(one):
    with allure.step(SEEN):
        allure.attach("body " + SEEN, SEEN)
        allure.attach(b"\\xff " + SEEN.encode())
    with open("attached.txt", "w") as file:
        file.write(SEEN)
    allure.attach.file("attached.txt")

def test_prints():
    print(SEEN)

@pytest.mark.ant_allow_secrets
def test_means_to():
    print("ALLOWED", SEEN.lower(), SEEN)
"""


@pytest.mark.parametrize("leaks", ["fail", "redact"])
def test_no_result_of_allure_holds_a_secret(leaks: str, pytester: pytest.Pytester, run: Run) -> None:
    pytest.importorskip("allure_pytest")
    pytester.makepyfile(RESULTS)
    outcome = run("--alluredir=results", "--ant-leaks", leaks, plugins=("allure_pytest.plugin",))
    failed = 2 if leaks == "fail" else 1
    outcome.assert_outcomes(passed=4 - failed, failed=failed)
    written = [path.read_bytes() for path in Path("results").iterdir()]
    assert len(written) >= 8
    token = Path("secrets.txt").read_text()
    for each in written:
        assert token.encode() not in each
        assert (SEEN.encode() in each) is (b"ALLOWED" in each)
    assert any(b"\xff sk-ant-oat01-EXA..." in each for each in written)
    shown = {}
    for path in Path("results").glob("*-result.json"):
        result = json.loads(path.read_text())
        shown[result["name"].partition("[")[0]] = result["status"], result.get("statusDetails", {}).get("message", "")
    assert shown["test_means_to"][0] == "passed"
    assert shown["test_prints_and_fails"][0] == "failed"
    leaked = shown["test_prints_and_fails"][1].startswith("a secret leaked into captured stdout call")
    assert leaked is (leaks == "fail")
    assert shown["test_prints"][0] == ("failed" if leaks == "fail" else "passed")


CASSETTE = """
import httpx
import pytest

@pytest.mark.vcr(match_on=["method", "path"])
def test_exchange_and_call(ant_emulator, recorded):
    base, job = ant_emulator.base_url, ant_emulator.env("github")
    url = f"{job['ACTIONS_ID_TOKEN_REQUEST_URL']}&audience=https://api.anthropic.com"
    headers = {"authorization": f"Bearer {job['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"}
    identity = httpx.get(url, headers=headers).json()["value"]
    assert identity.count(".") == 2
    grant = {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": identity,
        "federation_rule_id": job["ANTHROPIC_FEDERATION_RULE_ID"],
        "organization_id": job["ANTHROPIC_ORGANIZATION_ID"],
        "service_account_id": job.get("ANTHROPIC_SERVICE_ACCOUNT_ID"),
    }
    headers = {"anthropic-version": "2023-06-01", "anthropic-beta": "oauth-2025-04-20,oidc-federation-2026-04-01"}
    body = {name: value for name, value in grant.items() if value}
    answer = httpx.post(f"{base}/v1/oauth/token", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    token = answer.json()["access_token"]
    recorded(identity, token)
    models = httpx.get(f"{base}/v1/models", headers={**headers, "authorization": f"Bearer {token}"})
    assert models.json()["data"]

@pytest.mark.vcr(match_on=["method", "path"])
def test_call(ant_client):
    assert ant_client.get("/v1/models").json()["data"]

@pytest.fixture
def recorded(record_mode, ant_emulator):
    def note(*secrets):
        if record_mode == "once":
            with open("secrets.txt", "w") as file:
                file.writelines(f"{secret}\\n" for secret in secrets)

    yield note
    assert bool(ant_emulator.history) is (record_mode == "once")
"""


def test_a_cassette_holds_no_token_and_plays(pytester: pytest.Pytester, run: Run) -> None:
    pytest.importorskip("pytest_recording")
    pytester.makepyfile(CASSETTE)
    for mode in ("once", "none"):
        run("--record-mode", mode, plugins=("pytest_recording.plugin",)).assert_outcomes(passed=2)
    cassettes = [path.read_text() for path in Path("cassettes").rglob("*.yaml")]
    assert len(cassettes) == 2
    for secret in Path("secrets.txt").read_text().split():
        pieces = {secret[start : start + 20] for start in range(16, len(secret) - 20)}
        assert not [piece for piece in pieces if any(piece in cassette for cassette in cassettes)]


VCRPY = """
from pathlib import Path

import httpx
import pytest
import vcr

RECORDER = vcr.VCR(record_mode=Path("mode.txt").read_text(), match_on=["method", "path"])

def call(client):
    assert client.get("/v1/models").json()["data"]

@RECORDER.use_cassette("of_the_decorator.yaml")
def test_decorated(ant_client, ant_token):
    Path("secrets.txt").write_text(ant_token)
    call(ant_client)

@pytest.mark.parametrize("serializer", ["json", "yaml"])
def test_within(ant_client, serializer):
    with RECORDER.use_cassette(f"within.{serializer}", serializer=serializer):
        call(ant_client)

def test_with_a_persister(ant_client):
    class Persister(vcr.persisters.filesystem.FilesystemPersister):
        pass

    with RECORDER.use_cassette("of_a_persister.yaml", persister=Persister):
        call(ant_client)

def test_a_compressed_body(ant_client, compressed):
    with RECORDER.use_cassette("compressed.yaml"):
        assert httpx.get(compressed).text.startswith("sk-ant-oat01-EXA")

@pytest.mark.ant_allow_secrets
def test_means_to(ant_client):
    with RECORDER.use_cassette("allowed.yaml"):
        call(ant_client)
"""
GZIP = """
import gzip
import http.server
import threading

import pytest

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = gzip.compress(b"sk-ant-oat01-" + b"EXAMPLE-" * 8)
        self.send_response(200)
        for header in (("Content-Encoding", "gzip"), ("Content-Length", str(len(body)))):
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

@pytest.fixture
def compressed():
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()
"""


def test_a_cassette_of_vcrpy_alone_holds_no_token_and_plays(pytester: pytest.Pytester, run: Run) -> None:
    pytest.importorskip("vcr")
    pytester.makepyfile(VCRPY)
    pytester.makeconftest(GZIP)
    secret = ""
    for mode in ("once", "none"):
        Path("mode.txt").write_text(mode)
        run().assert_outcomes(passed=6)
        secret = secret or Path("secrets.txt").read_text()
    cassettes = {path.name: path.read_text() for path in (*Path().glob("*.yaml"), *Path().glob("*.json"))}
    assert set(cassettes) == {
        "of_the_decorator.yaml", "within.json", "within.yaml", "of_a_persister.yaml", "compressed.yaml", "allowed.yaml",
    }  # fmt: skip
    for name, cassette in cassettes.items():
        assert (secret[16:40] in cassette) is (name == "allowed.yaml"), name
        assert "EXAMPLE-EXAMPLE" not in cassette, name


UNDONE = """
import atexit

import vcr

BEFORE = vcr.cassette.Cassette.__init__
atexit.register(lambda: print("undone:", vcr.cassette.Cassette.__init__ is BEFORE))

def pytest_runtest_call():
    assert vcr.cassette.Cassette.__init__ is not BEFORE
"""


def test_vcrpy_is_as_it_was_when_the_run_ends(pytester: pytest.Pytester, run: Run) -> None:
    pytest.importorskip("vcr")
    pytester.makeconftest(UNDONE)
    pytester.makepyfile("def test_a(): pass")
    result = run()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["undone: True"])
