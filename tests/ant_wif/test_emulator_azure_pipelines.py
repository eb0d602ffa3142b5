"""Azure Pipelines: Azure DevOps gives a job the token of the service connection that it may use."""

from __future__ import annotations

import httpx
import jwt

from ant_wif.emulator import Emulator


def test_azure_devops_gives_a_token_of_the_service_connection_to_its_job_only() -> None:
    with Emulator() as emulator:
        job = emulator.env("azure_pipelines")
        url, headers = job["SYSTEM_OIDCREQUESTURI"], {"Authorization": f"Bearer {job['SYSTEM_ACCESSTOKEN']}"}
        query = {"api-version": "7.1", "serviceConnectionId": job["ANT_AZURE_SERVICE_CONNECTION_ID"]}
        given = httpx.post(url, params=query, headers=headers).json()["oidcToken"]
        refused = [
            httpx.post(url, params=query).status_code,
            httpx.post(url, params=query, headers={"Authorization": "Bearer another"}).status_code,
            httpx.post(url, params={**query, "serviceConnectionId": "another"}, headers=headers).status_code,
            httpx.post(url, params={**query, "api-version": "1.0"}, headers=headers).status_code,
        ]
    claims = jwt.decode(given, options={"verify_signature": False})
    assert claims["sub"] == "sc://acme/app/anthropic"
    assert claims["aud"] == "api://AzureADTokenExchange"
    assert refused == [401, 401, 404, 400]
