"""What all emulated platforms have in common: variables, files, documents, a rule that accepts their tokens."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import httpx
import jwt
import pytest

import ant_wif
from ant_wif.emulator import Emulator
from support import preloaded

PLATFORMS = [
    "github", "google_cloud", "aws", "azure", "kubernetes", "gitlab", "circleci", "buildkite", "oauth", "spiffe",
    "bitbucket", "terraform_cloud", "spacelift", "semaphore", "vercel", "azure_pipelines", "fly", "github-immutable",
    "url",
]  # fmt: skip
# These carry no `jti`: their tokens may be exchanged more than once.
REPEATABLE = {"google_cloud", "circleci", "buildkite", "spiffe", "bitbucket", "vercel"}
FEDERATION = (
    "ANTHROPIC_BASE_URL",
    "ANTHROPIC_FEDERATION_RULE_ID",
    "ANTHROPIC_ORGANIZATION_ID",
    "ANTHROPIC_SERVICE_ACCOUNT_ID",
    "ANTHROPIC_WORKSPACE_ID",
)


def exchange(emulator: Emulator, platform: str, token: str) -> str:
    env = emulator.env(platform)
    federation = {name: env[name] for name in FEDERATION}
    return ant_wif.resolve(
        environ={"HOME": "/nonexistent", "ANT_CACHE": "memory", "ANTHROPIC_IDENTITY_TOKEN": token, **federation}
    ).token()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_seeded_rule_accepts_the_token_of_the_seeded_job(emulator: Emulator, platform: str) -> None:
    token = emulator.issue(platform)
    assert exchange(emulator, platform, token).startswith("sk-ant-oat01-")
    if platform in REPEATABLE:
        assert exchange(emulator, platform, token)
    else:
        with pytest.raises(ant_wif.ExchangeError):
            exchange(emulator, platform, token)
        assert emulator.history[-1].reason == "jti_reused"


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_seeded_rule_denies_another_subject(emulator: Emulator, platform: str) -> None:
    with pytest.raises(ant_wif.ExchangeError):
        exchange(emulator, platform, emulator.issue(platform, sub="someone else"))
    assert emulator.history[-1].reason == "match_subject_prefix"


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_relying_party_finds_the_keys_by_the_issuer(emulator: Emulator, platform: str) -> None:
    issuer = emulator.issuer(platform).issuer_url
    discovery = httpx.get(f"{issuer}/.well-known/openid-configuration").json()
    assert discovery["issuer"] == issuer
    keys = jwt.PyJWKSet.from_dict(httpx.get(discovery["jwks_uri"]).json())
    token = emulator.issue(platform)
    key = keys[jwt.get_unverified_header(token)["kid"]]
    algorithms = discovery["id_token_signing_alg_values_supported"]
    assert jwt.decode(token, key.key, algorithms=algorithms, options={"verify_aud": False})["iss"] == issuer


@pytest.mark.parametrize("platform", PLATFORMS)
def test_another_process_gets_the_same_variables(emulator: Emulator, platform: str) -> None:
    there = httpx.get(f"{emulator.base_url}/_emulator/env/{platform}").json()
    assert set(there) == set(emulator.env(platform))
    assert set(FEDERATION) <= set(there)
    assert "ANT_IDENTITY_SOURCE" not in there


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_profile_names_the_source_of_the_platform(emulator: Emulator, platform: str) -> None:
    source = "github_actions" if platform.startswith("github") else platform
    assert emulator.identity_token(platform)["source"] == source


def test_what_names_the_address_needs_an_emulator_that_is_started(tmp_path: Path) -> None:
    emulator = Emulator()
    for act in (
        lambda: emulator.env("azure"),
        lambda: emulator.identity_token("oauth"),
        lambda: emulator.sign_as("aws", {}),
        lambda: emulator.kubernetes_token(tmp_path / "token"),
        lambda: emulator.google_service_account(tmp_path / "key.json"),
        lambda: emulator.executables(tmp_path),
    ):
        with pytest.raises(RuntimeError, match="not started"):
            act()
    assert list(tmp_path.iterdir()) == []


def test_files_of_jobs_are_for_their_owner_only_and_go_when_the_emulator_stops() -> None:
    with Emulator() as emulator:
        token = Path(emulator.env("kubernetes")["ANTHROPIC_IDENTITY_TOKEN_FILE"])
        program = Path(emulator.env("circleci")["PATH"].partition(":")[0], "circleci")
        folder = next(parent for parent in token.parents if parent.name.startswith("ant-emulator-"))
        assert token.stat().st_mode & 0o777 == 0o600
        assert program.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_mode & 0o777 for path in (folder, *folder.rglob("*")) if path.is_dir()} == {0o700}
    assert not folder.exists()


def test_an_emulator_that_is_started_again_writes_its_files_anew() -> None:
    emulator = Emulator()
    paths = []
    for _ in range(2):
        with emulator:
            paths.append(Path(emulator.env("azure-aks")["AZURE_FEDERATED_TOKEN_FILE"]))
            assert paths[-1].exists()
    assert paths[0] != paths[1]


def test_platforms_do_not_trust_each_other_s_keys(emulator: Emulator) -> None:
    token = emulator.issue(
        "gitlab", iss=emulator.issuer("github").issuer_url, sub=emulator.rule("github").subject_prefix
    )
    with pytest.raises(ant_wif.ExchangeError):
        exchange(emulator, "github", token)
    assert emulator.history[-1].reason == "kid_not_found"


def test_a_socket_has_a_short_path_where_the_temporary_folder_has_a_long_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("long" * 30)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with Emulator() as emulator:
        environ = {"HOME": "/nonexistent", "ANT_CACHE": "memory", **emulator.env("fly")}
        socket = Path(environ["ANT_FLY_API_SOCKET"])
        assert socket.parent.stat().st_mode & 0o077 == 0
        assert ant_wif.resolve(environ=environ).token().startswith("sk-ant-oat01-")
    assert not socket.parent.exists()
    assert not list(long.iterdir())


def test_the_emulator_starts_where_there_are_no_unix_sockets() -> None:
    """As on Windows: `fly` then has no socket, and the other platforms are as elsewhere."""
    program = (
        "import socketserver\ndel socketserver.UnixStreamServer\n"
        "from ant_wif.emulator import Emulator\n"
        "with Emulator() as emulator:\n"
        "    print('ANT_FLY_API_SOCKET' in emulator.env('fly'), emulator.env('github')['GITHUB_ACTIONS'])\n"
    )
    done = preloaded.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "False true\n", done.stderr
