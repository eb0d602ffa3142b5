"""`fly`: the OIDC token of a Fly Machine, from the socket that every Machine has.

https://fly.io/docs/security/openid-connect/ (also /docs/machines/api/tokens-resource/)
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from ant_wif._http import Flow, Request
from ant_wif._secrets import sanitize_path
from ant_wif.errors import IdentitySourceError
from ant_wif.identity._endpoint import Endpoint, socket_problem
from ant_wif.identity.source import Context, Detection, IdentitySource, detected, not_detected
from ant_wif.identity.token import IdentityToken

SOCKET = "/.fly/api"
SOCKET_VARIABLE = "ANT_FLY_API_SOCKET"
_SIGN, _MACHINE = "FLY_APP_NAME", "FLY_MACHINE_ID"
_REMEDY = "run the program in the Machine itself, or mount /.fly into its container"


@dataclass(frozen=True)
class Fly(IdentitySource):
    """Asks the Machine's own API, which issues a new token each time."""

    audience: str | None = None
    source: Literal["fly"] = "fly"

    title: ClassVar[str] = "Fly.io OIDC"
    renewable: ClassVar[bool] = True

    @classmethod
    def detect(cls, context: Context) -> Detection:
        if _SIGN not in context.environ:
            return not_detected("fly", f"{_SIGN} is not set")
        if os.path.exists(_socket(context)):
            return detected(cls(), f"{_SIGN} is set, and {SOCKET} exists")
        if _MACHINE in context.environ:
            return detected(cls(), f"{_SIGN} and {_MACHINE} are set, but {SOCKET} does not exist")
        return not_detected("fly", f"{_SIGN} is set, but {SOCKET} does not exist: this is not a Machine")

    def unmet(self, context: Context) -> IdentitySourceError | None:
        path = _socket(context)
        found = socket_problem(path, _REMEDY)
        if found is None:
            return None
        return IdentitySourceError(f"the Fly Machine's socket {sanitize_path(path)} {found[0]}", hint=found[1])

    def fetch(self, context: Context) -> Flow[IdentityToken]:
        self.require_met(context)
        audience = self.audience or context.audience
        path = _socket(context)
        request = Request("POST", "http://localhost/v1/tokens/oidc", json={"aud": audience}, socket=path)
        endpoint = Endpoint(f"the Fly Machine's API at {sanitize_path(path)}", _REMEDY)
        raw = yield from endpoint.token(request)
        return context.parse(self, raw, audience=audience)


def _socket(context: Context) -> Path:
    stated = context.environ.get(SOCKET_VARIABLE)
    return context.environ.expand(stated) if stated else context.locate(SOCKET)
