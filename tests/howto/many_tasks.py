import asyncio

import httpx

import ant_wif


async def main() -> None:
    creds = ant_wif.resolve()
    async with httpx.AsyncClient(base_url=creds.base_url, auth=creds.auth) as client:
        answers = await asyncio.gather(*(client.get("/v1/models") for _ in range(20)))
    print({answer.status_code for answer in answers})


asyncio.run(main())
