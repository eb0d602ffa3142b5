"""The federation grant as a client speaks it, for tests that look at what comes of it."""

from __future__ import annotations

import httpx

from ant_wif.emulator import Emulator

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
BETA = {"anthropic-beta": "oauth-2025-04-20,oidc-federation-2026-04-01"}


def body(emulator: Emulator, assertion: str, /, **more: object) -> dict[str, object]:
    """The request for a token; `...` leaves a field out."""
    complete = {
        "grant_type": GRANT_TYPE,
        "assertion": assertion,
        "federation_rule_id": emulator.rule().id,
        "organization_id": emulator.organization_id,
        **more,
    }
    return {name: value for name, value in complete.items() if value is not ...}


def exchange(client: httpx.Client, emulator: Emulator, assertion: str | None = None, **more: object) -> httpx.Response:
    """Exchange an identity token, by default a new one of the seeded GitHub job. `more` are further fields."""
    request = body(emulator, emulator.issue() if assertion is None else assertion, **more)
    return client.post("/v1/oauth/token", json=request, headers=BETA)
