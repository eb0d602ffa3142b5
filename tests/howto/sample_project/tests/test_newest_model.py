import httpx
import pytest
from newest_model import newest_model

import ant_wif
from pytest_ant_wif import AntEnv, CommandLine, Platform


def test_the_newest_model_is_one_of_them(ant_client: httpx.Client) -> None:
    assert newest_model(ant_client).startswith("claude-")


def test_a_token_of_another_repository_is_refused(ant_credentials: ant_wif.Credentials) -> None:
    headers = {"authorization": "Bearer no-token"}
    with httpx.Client(base_url=ant_credentials.base_url, headers=headers) as client, pytest.raises(httpx.HTTPError):
        newest_model(client)


@pytest.mark.parametrize("ant_platform", ["github", "gitlab", "aws"], indirect=True)
def test_the_job_needs_no_key(ant_platform: Platform) -> None:
    job = ant_platform.credentials()
    with httpx.Client(base_url=job.base_url, auth=job.auth) as client:
        assert newest_model(client)


def test_the_command_says_what_is_missing(ant_env: AntEnv, ant_cli: CommandLine) -> None:
    assert ant_cli("auth", "print-credentials").exit_code == 3
    ant_env.federate("github")
    assert ant_cli("auth", "print-credentials").exit_code == 0


@pytest.mark.ant_live
def test_with_a_real_credential(ant_client: httpx.Client) -> None:
    assert "anthropic-organization-id" in ant_client.get("/v1/models").headers
