"""Every fixture, in a project that has the plugin installed, on its own and among four workers."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from pytest_ant_wif import plugin

Run = Callable[..., pytest.RunResult]

SUITE = """
import asyncio
import json
import os
import time
from pathlib import Path

import httpx
import jwt
import pytest

import ant_wif
from ant_wif.emulator import Emulator

PLATFORMS = [
    "github", "gitlab", "circleci", "buildkite", "kubernetes", "google_cloud", "gcp", "azure", "azure-vm", "azure-aks",
    "aws", "bitbucket", "terraform_cloud", "spacelift", "semaphore", "vercel", "azure_pipelines", "fly", "oauth", "url",
    "github-immutable",
]
OUTSIDE = "outside-of-the-tests"


def test_credentials_are_the_emulator_s_and_the_same_for_all_tests(ant_credentials, ant_emulator, ant_token):
    assert isinstance(ant_credentials, ant_wif.Credentials)
    assert ant_credentials.source == "federation"
    assert ant_credentials.base_url == ant_emulator.base_url
    assert ant_credentials.token() == ant_token


def test_the_headers_are_complete_and_each_test_s_own(ant_headers, ant_emulator, ant_credentials):
    assert httpx.get(f"{ant_emulator.base_url}/v1/models", headers=ant_headers).status_code == 200
    ant_headers.clear()
    assert ant_credentials.headers()


@pytest.mark.parametrize("number", [1, 2])
def test_the_client_has_base_url_and_credential_and_is_closed_after_the_test_before(ant_client, number):
    assert not ant_client.is_closed
    assert ant_client.get("/v1/models").json()["data"]


def test_the_client_keeps_the_credential_to_its_host(ant_client):
    with pytest.raises(ant_wif.InsecureUrlError):
        ant_client.get("http://localhost:9/elsewhere")


def test_the_async_client_serves_a_second_loop(ant_async_client):
    async def ask():
        return (await ant_async_client.get("/v1/models")).status_code

    assert asyncio.run(ask()) == asyncio.run(ask()) == 200


def test_the_emulator_runs(ant_emulator):
    assert isinstance(ant_emulator, Emulator)
    assert httpx.get(f"{ant_emulator.base_url}/v1/models").status_code == 401


def test_a_fresh_emulator_shares_nothing_with_the_session_s(ant_emulator):
    fresh = ant_emulator.spawn()
    assert fresh.base_url != ant_emulator.base_url
    assert fresh.organization_id != ant_emulator.organization_id
    creds = ant_wif.resolve(environ=fresh.env("github") | {"HOME": "/nonexistent", "ANT_CACHE": "memory"})
    before = ant_emulator.exchanges
    with httpx.Client(base_url=creds.base_url, auth=creds.auth) as client:
        assert client.get("/v1/models").status_code == 200
    assert fresh.exchanges == 1 and ant_emulator.exchanges == before
    fresh.stop()
    fresh.stop()
    with ant_emulator.spawn() as fresh:
        assert httpx.get(f"{fresh.base_url}/v1/models").status_code == 401
    with pytest.raises(RuntimeError):
        fresh.base_url
    assert ant_emulator.base_url


def test_the_environment_shows_nothing_from_outside(ant_env):
    assert not any(OUTSIDE in value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST")
    assert Path.home() == ant_env.home == Path(os.environ["HOME"])
    with pytest.raises(ant_wif.NoCredentialsError):
        ant_wif.resolve()


def test_the_environment_gives_variables_back(request):
    outside = dict(os.environ)
    env = request.getfixturevalue("ant_env")
    env.setenv("ANTHROPIC_API_KEY", "mine")
    env.setenv("SOMETHING_ELSE", "mine")
    env.delenv("PATH")
    env.federate("github")
    request.getfixturevalue("monkeypatch").undo()
    assert dict(os.environ) == outside


def test_a_variable_is_set_and_removed(ant_env):
    ant_env.setenv("ANTHROPIC_API_KEY", "mine")
    assert ant_wif.resolve().source == "api_key"
    ant_env.delenv("ANTHROPIC_API_KEY")
    ant_env.delenv("ANTHROPIC_API_KEY")
    with pytest.raises(ant_wif.NoCredentialsError):
        ant_wif.resolve()


def _login_profile(ant_env, ant_emulator, **options):
    login = ant_emulator.login()
    path = ant_env.write_profile(
        authentication={"type": "user_oauth", "client_id": login.client_id}, base_url=ant_emulator.base_url,
        organization_id=ant_emulator.organization_id, **options,
    )
    return login, path


def test_a_profile_and_its_login_are_written(ant_env, ant_emulator):
    login, path = _login_profile(ant_env, ant_emulator)
    assert path == ant_env.config_dir / "configs" / "default.json"
    assert json.loads(path.read_text())["authentication"]["type"] == "user_oauth"
    stored = ant_env.write_credentials(
        access_token=login.access_token, refresh_token=login.refresh_token, expires_at=login.expires_at
    )
    assert stored.stat().st_mode & 0o777 == 0o600
    creds = ant_wif.resolve()
    assert creds.source == "profile" and creds.token() == login.access_token
    with httpx.Client(base_url=creds.base_url, auth=creds.auth) as client:
        assert client.get("/v1/models").status_code == 200


def test_another_profile_is_activated_and_credentials_written_again(ant_env, ant_emulator):
    ant_env.write_credentials("other", access_token="one", expires_at=1)
    ant_env.write_profile("other", activate=True, base_url=ant_emulator.base_url,
                          authentication={"type": "user_oauth", "client_id": "client"})
    ant_env.write_credentials("other", access_token="of-other", expires_at=int(time.time()) + 3600)
    assert ant_wif.resolve().origin == "profile:other" and ant_wif.resolve().token() == "of-other"


def test_an_invalid_name_of_a_profile_is_refused(ant_env):
    with pytest.raises(ant_wif.AntWifError):
        ant_env.write_profile("../../outside", authentication={"type": "user_oauth"})


def test_federating_makes_this_a_job(ant_env, ant_emulator):
    before = ant_emulator.exchanges
    variables = ant_env.federate("gitlab")
    assert variables.items() <= os.environ.items()
    creds = ant_wif.resolve()
    assert creds.identity_source == "gitlab"
    assert creds.token() and ant_emulator.exchanges == before + 1
    assert any((ant_env.home / ".cache" / "ant-wif").rglob("*"))


@pytest.mark.parametrize("ant_platform", PLATFORMS, indirect=True)
def test_a_job_on_the_platform_calls_the_api(ant_platform):
    creds = ant_platform.credentials()
    assert creds.source == ("profile" if ant_platform.name in {"oauth", "url"} else "federation")
    with httpx.Client(base_url=creds.base_url, auth=creds.auth) as client:
        assert client.get("/v1/models").status_code == 200
    assert ant_platform.emulator.base_url == creds.base_url


@pytest.mark.ant_platform("gitlab")
def test_the_platform_may_be_chosen_by_a_marker(ant_platform):
    assert ant_platform.name == "gitlab" and ant_wif.resolve().identity_source == "gitlab"


def test_the_platform_is_github_unless_chosen(ant_platform):
    assert ant_platform.name == "github" and ant_wif.resolve().identity_source == "github_actions"


def test_no_platform_is_left_behind(ant_env):
    with pytest.raises(ant_wif.NoCredentialsError):
        ant_wif.resolve()


def test_aws_is_that_of_a_role_that_was_assumed_and_issues_identity_tokens(ant_aws, ant_emulator):
    import boto3
    sts = ant_aws.client("sts")
    granted = sts.get_web_identity_token(
        Audience=["https://api.anthropic.com"], SigningAlgorithm="ES384", DurationSeconds=300
    )
    claims = jwt.decode(granted["WebIdentityToken"], options={"verify_signature": False})
    assert claims["iss"] == ant_emulator.issuer("aws").issuer_url
    assert claims["sub"] == f"arn:aws:iam::{ant_aws.account_id}:role/ci"
    caller = sts.get_caller_identity()
    assert caller["Account"] == ant_aws.account_id
    assert caller["Arn"].startswith(f"arn:aws:sts::{ant_aws.account_id}:assumed-role/ci/")
    assert ant_wif.resolve().identity_source == "aws" and ant_wif.resolve().token()
    assert boto3.DEFAULT_SESSION is None


def test_identity_tokens_are_made_good_and_bad(ant_identity_token, ant_emulator):
    def exchange(assertion):
        variables = {name: value for name, value in ant_emulator.env("github").items() if "ANTHROPIC" in name}
        return ant_wif.resolve(environ={**variables, "ANTHROPIC_IDENTITY_TOKEN": assertion, "HOME": "/nonexistent",
                                        "ANT_CACHE": "memory"}).token()

    assert exchange(ant_identity_token())
    for bad, reason in [
        (ant_identity_token(sub="repo:somebody/else"), "match_subject_prefix"),
        (ant_identity_token(key="other"), "signature_invalid"),
    ]:
        with pytest.raises(ant_wif.ExchangeError):
            exchange(bad)
        assert ant_emulator.history[-1].reason == reason
    for unusable in ant_identity_token(lifetime=-60), ant_identity_token(kid=None), ant_identity_token(alg="none"):
        with pytest.raises(ant_wif.IdentityTokenError):
            exchange(unusable)


def test_the_command_line_runs_in_that_environment(ant_cli, ant_env):
    nothing = ant_cli("auth", "print-credentials")
    assert nothing.exit_code == 3 and "no credentials found" in nothing.stderr and nothing.stdout == ""
    ant_env.federate("github")
    printed = ant_cli("auth", "print-credentials", "--access-token")
    assert printed.exit_code == 0 and printed.stdout.startswith("sk-ant-oat01-")
    assert ant_cli("auth", "status", "--format", "json").json()["credential"]["usable"]
    with pytest.raises(ValueError):
        ant_cli("--version").json()


def test_the_command_line_leaves_usage_errors_as_they_are(ant_cli):
    wrong = ant_cli("nonsense")
    assert wrong.exit_code == 2 and "nonsense" in wrong.stderr
"""

# A fixture's own work is the same in a worker of pytest-xdist; boto3 takes seconds to import.
HEAVY = "aws"
IN_A_WORKER = (
    *("-n", "1", "-k", f"not ({HEAVY} or on_the_platform)"),
    *("-o", "asyncio_default_fixture_loop_scope=function"),
)

ASYNC = """
async def test_the_async_client_{0}(ant_async_client):
    assert (await ant_async_client.get("/v1/models")).status_code == 200

async def test_the_client_serves_the_next_loop_{0}(ant_async_client, ant_credentials):
    assert (await ant_async_client.get("/v1/models")).status_code == 200
    assert await ant_credentials.atoken() == ant_credentials.token()

async def test_what_is_not_async_{0}(ant_token, ant_headers, ant_env, ant_cli, ant_platform, ant_identity_token):
    assert ant_token in ant_headers["Authorization"]
    assert ant_cli("--version").exit_code == 0
    assert await ant_wif.resolve().atoken()
    assert ant_identity_token().count(".") == 2
"""
BACKENDS = """
import pytest

@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param
"""


@pytest.fixture
def outside(run: object, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a developer's machine and a CI job have; the fixtures are to hide it."""
    mark = "outside-of-the-tests"
    for name in (
        "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE", "ANTHROPIC_BASE_URL", "ANTHROPIC_CONFIG_DIR",
        "ANT_CACHE_DIR", "ANT_IDENTITY_SOURCE", "GITHUB_ACTIONS", "ACTIONS_ID_TOKEN_REQUEST_URL", "GITLAB_CI",
        "CIRCLECI", "CIRCLE_OIDC_TOKEN_V2", "BUILDKITE", "AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AZURE_FEDERATED_TOKEN_FILE", "IDENTITY_ENDPOINT", "MSI_ENDPOINT", "GOOGLE_APPLICATION_CREDENTIALS",
        "GCE_METADATA_HOST", "K_SERVICE", "KUBERNETES_SERVICE_HOST", "SPIFFE_ENDPOINT_SOCKET", "XDG_CONFIG_HOME",
        "CI", "CI_JOB_TOKEN",
    ):  # fmt: skip
        monkeypatch.setenv(name, f"{mark}-{name}")
    folder = pytester.path / ".config" / "anthropic"
    (folder / "configs").mkdir(parents=True)
    (folder / "credentials").mkdir(mode=0o700)
    document = {"version": "1.0", "authentication": {"type": "user_oauth", "client_id": "client"}}
    (folder / "configs" / "default.json").write_text(json.dumps(document))
    (folder / "credentials" / "default.json").write_text(json.dumps({"version": "1.0", "access_token": mark}))


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize(
    "options", [("-k", HEAVY), ("-k", f"not ({HEAVY})"), IN_A_WORKER], ids=["aws", "alone", "xdist"]
)
def test_every_fixture_does_what_it_says_wherever_the_suite_runs(
    pytester: pytest.Pytester, run: Run, options: tuple[str, ...]
) -> None:
    pytester.makepyfile(test_fixtures=SUITE)
    plugins: tuple[str, ...] = ()
    if options == IN_A_WORKER:  # with suites of pytest-asyncio and anyio beside it
        plugins = ("asyncio", "anyio")
        pytester.makeconftest(BACKENDS)
        for name in plugins:
            mark = f"import ant_wif, pytest\npytestmark = pytest.mark.{name}\n"
            pytester.makepyfile(**{f"test_{name}": mark + ASYNC.format(name)})
    home = sorted(path.relative_to(pytester.path) for path in (pytester.path / ".config").rglob("*"))
    result = run(
        "-W", "error", "--ant-mode", "emulator", "--ant-leaks", "redact", *options, plugins=plugins, heavy="sdk"
    )
    assert [line for line in result.outlines if line.startswith("ant-wif:")] == ["ant-wif: emulator"]
    outcomes = result.parseoutcomes()
    assert outcomes.keys() - {"deselected"} == {"passed"}, result.stdout.str()
    assert result.ret == 0
    assert sorted(path.relative_to(pytester.path) for path in (pytester.path / ".config").rglob("*")) == home
    assert not (pytester.path / ".cache").exists()


def test_the_platforms_of_the_inner_suite_are_all_there_are() -> None:
    from ant_wif.emulator import Emulator

    with Emulator() as emulator, pytest.raises(ValueError, match="known are") as caught:
        emulator.env("nonsense")
    known = set(str(caught.value).rpartition("known are ")[2].split(", "))
    # This needs a package that the plugin does not bring.
    assert all(f'"{name}"' in SUITE for name in known - {"spiffe"})


def test_every_fixture_and_marker_describes_itself(run: Run) -> None:
    shown = run("--fixtures", "-q").stdout.lines
    for fixture in plugin.__all__:
        at = next(number for number, line in enumerate(shown) if line.startswith(f"{fixture} ") or line == fixture)
        assert len(shown[at + 1].strip()) > 20, fixture
        assert "no docstring" not in shown[at + 1]
    marks = run("--markers").stdout.str()
    for marker in ("ant_live", "ant_platform", "ant_allow_secrets"):
        assert f"@pytest.mark.{marker}" in marks
    help_ = run("--help").stdout.str()
    for option in ("--ant-mode", "--ant-profile", "--ant-leaks", "ant_mode", "ant_leaks"):
        assert option in help_


def test_the_sdk_s_clients_skip_where_the_sdk_is_missing(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makeconftest("import sys\nsys.modules['anthropic'] = None")
    pytester.makepyfile("def test_one(anthropic_client): ...\ndef test_two(async_anthropic_client): ...")
    result = run("-rs")
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(["*the official SDK is not installed*"])


def test_the_marker_for_a_platform_takes_its_name_and_nothing_else(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.ant_platform(name="gitlab")
        def test_named(ant_platform):
            assert ant_platform.name == "gitlab"

        @pytest.mark.ant_platform(nam="gitlab")
        def test_misspelled(ant_platform): ...

        @pytest.mark.ant_platform()
        def test_without(ant_platform): ...

        @pytest.mark.ant_platform("gitlab", "github")
        def test_two(ant_platform): ...
        """
    )
    result = run()
    result.assert_outcomes(errors=3, passed=1)
    result.stdout.fnmatch_lines(["the marker ant_platform takes one argument: the name of a platform"] * 3)


def test_a_marker_for_a_platform_on_a_test_without_the_fixture_says_what_is_missing(
    pytester: pytest.Pytester, run: Run
) -> None:
    pytester.makepyfile(
        """
        import os
        import pytest

        pytestmark = pytest.mark.ant_platform("gitlab")  # for those that use the fixture

        @pytest.mark.ant_platform("gitlab")
        def test_without(): ...

        @pytest.mark.parametrize("n", [pytest.param(1, marks=pytest.mark.ant_platform("gitlab"))])
        def test_parameter(n): ...

        @pytest.mark.ant_platform("gitlab")
        def test_that_asks_as_it_runs(request):
            assert request.getfixturevalue("ant_platform") is not None

        @pytest.mark.ant_platform("fly")
        @pytest.mark.usefixtures("ant_platform")
        def test_by_a_marker(): assert "FLY_APP_NAME" in os.environ

        @pytest.fixture
        def job(ant_platform): return ant_platform.name

        @pytest.mark.ant_platform("fly")
        def test_by_a_fixture(job): assert job == "fly"

        @pytest.mark.ant_platform("fly")
        @pytest.mark.skip(reason="later")
        def test_skipped(): ...

        def test_of_the_module(): ...

        def test_of_the_module_on_it(job): assert job == "gitlab"

        @pytest.mark.usefixtures("ant_platform")
        class TestClass:
            @pytest.mark.ant_platform("fly")
            def test_in_a_class(self): assert "FLY_APP_NAME" in os.environ
        """
    )
    result = run()
    result.assert_outcomes(errors=2, passed=6, skipped=1)
    missing = 'give it the argument ant_platform, or the marker usefixtures("ant_platform")'
    result.stdout.fnmatch_lines([f"the marker ant_platform is for the fixture of that name,*: {missing}"] * 2)
    result.stdout.fnmatch_lines(["*ERROR at setup of test_without*"])


def test_an_unknown_platform_is_one_line_that_names_those_there_are(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.ant_platform("nonsense")
        def test_by_marker(ant_platform): ...

        @pytest.mark.parametrize("ant_platform", ["jenkins", None, ""], indirect=True)
        def test_by_parameter(ant_platform): ...

        def test_in_the_test(ant_env):
            with pytest.raises(ValueError, match="unknown platform 'nowhere'; known are"):
                ant_env.federate("nowhere")
        """
    )
    result = run()
    result.assert_outcomes(errors=4, passed=1)
    result.stdout.fnmatch_lines(
        ["unknown platform 'nonsense'; known are github, *", "unknown platform 'jenkins'; known are *"]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*fixtures.py*")
