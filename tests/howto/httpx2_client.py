import httpx2

import ant_wif
from ant_wif.integrations.httpx2 import Httpx2Auth

creds = ant_wif.resolve()
with httpx2.Client(base_url=creds.base_url, auth=Httpx2Auth(creds)) as client:
    print(client.get("/v1/models").status_code)
