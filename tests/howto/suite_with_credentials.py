import httpx

import ant_wif


def test_the_models_can_be_listed(ant_credentials: ant_wif.Credentials) -> None:
    with httpx.Client(base_url=ant_credentials.base_url, auth=ant_credentials.auth) as client:
        assert client.get("/v1/models").json()["data"]
