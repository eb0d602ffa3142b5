"""What tests of the Admin API share: an administrator's requests, and an identity provider to register."""

from __future__ import annotations

import itertools
import time
from typing import Any

import httpx

from ant_wif.emulator import Emulator
from ant_wif.emulator._issuers import SigningKey
from support.loopback import TokenEndpoint

ROOT = "/v1/organizations"
VERSION = {"anthropic-version": "2026-10-21"}

_numbers = itertools.count()


def fresh_name(what: str = "thing") -> str:
    return f"{what}-{next(_numbers)}"


def reason_of(answer: httpx.Response, status: int = 400) -> str:
    """Return what a refusal says, once it is seen to be one in the API's shape."""
    assert answer.status_code == status, answer.text
    document = answer.json()
    assert document["type"] == "error"
    assert document["request_id"] == answer.headers["request-id"]
    kinds = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 409: "conflict_error"}
    assert document["error"]["type"] == kinds.get(status, "invalid_request_error")
    return str(document["error"]["message"])


class Administrator:
    """A person who logged in with `org:admin`. What is created here has a name that nothing else has."""

    def __init__(self, emulator: Emulator, client: httpx.Client) -> None:
        self.emulator = emulator
        self.client = client
        self.token = emulator.login(scope="org:admin", lifetime=10**7).access_token
        self.workspace_id = emulator.rule("gitlab").workspace_ids[0]

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.token}", **VERSION, **more.pop("headers", {})}
        return self.client.request(method, f"{ROOT}/{path}", headers=headers, **more)

    def get(self, path: str, **parameters: object) -> Any:
        return self._done(self.ask("GET", path, params=parameters))

    def post(self, path: str, body: object = None) -> Any:
        return self._done(self.ask("POST", path, json=body) if body is not None else self.ask("POST", path))

    def refused(self, path: str, body: object, status: int = 400) -> str:
        return reason_of(self.ask("POST", path, json=body), status)

    def account(self, **fields: object) -> Any:
        return self.post("service_accounts", {"name": fresh_name("account"), **fields})

    def issuer(self, **fields: object) -> Any:
        complete = {"name": fresh_name("issuer"), "issuer_url": "https://idp.acme.example", **fields}
        return self.post("federation_issuers", complete)

    def rule_body(self, **fields: object) -> dict[str, object]:
        """Return a rule that can be registered; a field of `None` is left out."""
        seeded = self.emulator.rule("github")
        complete = {
            "name": fresh_name("rule"),
            "issuer_id": seeded.issuer_id,
            "match": {"subject_prefix": "repo:acme/*"},
            "oauth_scope": "workspace:developer",
            "target": {"type": "service_account", "service_account_id": seeded.service_account_id},
            "workspace_id": self.workspace_id,
            **fields,
        }
        return {name: value for name, value in complete.items() if value is not None}

    def rule(self, **fields: object) -> Any:
        return self.post("federation_rules", self.rule_body(**fields))

    def _done(self, answer: httpx.Response) -> Any:
        assert answer.status_code == 200, answer.text
        return answer.json()


class Idp(TokenEndpoint):
    """An identity provider on a port of its own, whose one document is for discovery and holds the keys as well."""

    def __init__(self) -> None:
        super().__init__()
        self.key = SigningKey()

    def publish(self) -> None:
        self.status, self.body = 200, {"jwks_uri": f"{self.base_url}/keys", **self.key.jwks()}

    def rotate(self) -> None:
        self.key = SigningKey()
        self.publish()

    def token(self, now: float | None = None, **claims: object) -> str:
        issued = int(time.time() if now is None else now)
        frame = {"iss": self.base_url, "sub": "job:1", "aud": "https://api.anthropic.com"}
        header = {"alg": "RS256", "kid": self.key.kid("RS256")}
        return self.key.sign(header, {**frame, "iat": issued, "exp": issued + 300, **claims})
