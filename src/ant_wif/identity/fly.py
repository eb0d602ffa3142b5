"""`fly`: the OIDC token of a Fly Machine, from the socket that every Machine has.

https://fly.io/docs/security/openid-connect/ (also /docs/machines/api/tokens-resource/)
"""

from __future__ import annotations

import http.client
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from ant_wif._constants import MAX_ASSERTION_BYTES
from ant_wif._environment import unix_socket
from ant_wif._http import Flow, call
from ant_wif._secrets import SecretStr, sanitize, sanitize_path
from ant_wif.errors import IdentitySourceError
from ant_wif.identity._endpoint import socket_problem
from ant_wif.identity.source import Context, Detection, IdentitySource, detected, not_detected
from ant_wif.identity.token import IdentityToken

SOCKET = "/.fly/api"
SOCKET_VARIABLE = "ANT_FLY_API_SOCKET"
_SIGN, _MACHINE = "FLY_APP_NAME", "FLY_MACHINE_ID"
_TIMEOUT_SECONDS = 10.0
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
        found = yield from call(lambda: _asked(path, audience))
        if not isinstance(found, SecretStr):
            raise IdentitySourceError(f"the Fly Machine's API at {sanitize_path(path)} {found}", hint=_REMEDY)
        return context.parse(self, found, audience=audience)


def _socket(context: Context) -> Path:
    stated = context.environ.get(SOCKET_VARIABLE)
    return context.environ.expand(stated) if stated else context.locate(SOCKET)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = unix_socket(self._path, self.timeout)


def _asked(path: Path, audience: str) -> SecretStr | str:
    """Return the token, or what went wrong: this frame holds the bare token."""
    connection = _UnixConnection(path)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/v1/tokens/oidc", json.dumps({"aud": audience}), headers)
        answer = connection.getresponse()
        body = _read(answer).decode("utf-8", "replace").strip()
    except ConnectionRefusedError:
        return "is not served by anything"
    except TimeoutError:
        return f"did not answer within {_TIMEOUT_SECONDS:g} seconds"
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"cannot be asked: {getattr(error, 'strerror', None) or type(error).__name__}"
    finally:
        connection.close()
    if answer.status not in {200, 201}:
        return f"returned HTTP {answer.status}: {sanitize(body, limit=200) or 'its body is empty'}"
    return SecretStr(body)


def _read(answer: http.client.HTTPResponse) -> bytes:
    """Read no more than a token may have, and for no longer than one may take. Raises OSError."""
    deadline, body = time.monotonic() + _TIMEOUT_SECONDS, bytearray()
    while len(body) <= MAX_ASSERTION_BYTES and (piece := answer.read1(MAX_ASSERTION_BYTES)):
        body += piece
        if time.monotonic() > deadline:
            raise TimeoutError
    return bytes(body)
