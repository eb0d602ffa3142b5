from collections.abc import Mapping

import httpx
import pytest


def test_the_models_can_be_listed(ant_client: httpx.Client) -> None:
    assert ant_client.get("/v1/models").json()["data"]


def test_a_program_that_sets_its_own_headers(ant_headers: Mapping[str, str]) -> None:
    assert ant_headers["anthropic-version"]


@pytest.mark.ant_live
def test_only_with_a_real_credential(ant_client: httpx.Client) -> None:
    assert "anthropic-organization-id" in ant_client.get("/v1/models").headers
