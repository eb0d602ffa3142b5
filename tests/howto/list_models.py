import httpx

import ant_wif

creds = ant_wif.resolve()
with httpx.Client(base_url=creds.base_url, auth=creds.auth) as client:
    for model in client.get("/v1/models").raise_for_status().json()["data"]:
        print(model["id"])
