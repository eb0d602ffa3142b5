"""`spiffe`: a JWT-SVID, from the SPIFFE Workload API or from the file that spiffe-helper keeps.

https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Workload_API.md
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from ant_wif._http import Flow, call, mask_foreign_logs
from ant_wif._secrets import SecretStr, sanitize, sanitize_path
from ant_wif.errors import IdentitySourceError
from ant_wif.identity._endpoint import socket_problem
from ant_wif.identity.file import File, read_token
from ant_wif.identity.source import Context, IdentitySource
from ant_wif.identity.token import IdentityToken

VARIABLE = "SPIFFE_ENDPOINT_SOCKET"
TIMEOUT_SECONDS = 10.0
_REMEDY = f"set {VARIABLE}, for example to unix:///run/spire/sockets/agent.sock, or `socket` in the profile"


@dataclass(frozen=True)
class Spiffe(IdentitySource):
    """Asks the Workload API at `socket`, or reads `path` if that is set."""

    audience: str | None = None
    socket: str | None = None
    path: str | None = None
    source: Literal["spiffe"] = "spiffe"

    title: ClassVar[str] = "SPIFFE JWT-SVID"
    renewable: ClassVar[bool] = True
    signs: ClassVar[tuple[str, ...]] = (VARIABLE,)

    def at_hand(self, context: Context) -> SecretStr | None:
        return File(self.path).at_hand(context) if self.path else None

    def fetch(self, context: Context) -> Flow[IdentityToken]:
        audience = self.audience or context.audience
        if self.path is not None:
            path = context.environ.expand(self.path)
            raw = yield from call(lambda: read_token(path, where=context.path_named_by))
        else:
            named_by = "`socket` in the profile" if self.socket else VARIABLE
            socket = self.socket or context.environ.get(VARIABLE, "")
            raw = yield from call(lambda: _from_workload_api(socket, named_by, audience))
        return context.parse(self, raw, audience=audience)


def _from_workload_api(stated: str, named_by: str, audience: str) -> SecretStr:
    if not stated:
        raise IdentitySourceError(f"no SPIFFE Workload API is known: {VARIABLE} is not set", hint=_REMEDY)
    path = _socket_path(stated, named_by)
    found = _fetched(path, audience)
    if isinstance(found, SecretStr):
        return found
    raise IdentitySourceError(f"the SPIFFE Workload API at {sanitize_path(path)} {found[0]}", hint=found[1])


def _socket_path(stated: str, named_by: str) -> str:
    """Return the path in `unix:///path`, `unix:/path` or `/path`.

    https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Workload_Endpoint.md#4-locating-the-endpoint
    """
    found = re.fullmatch(r"(?i:unix:(?://)?)?(/[^/?#][^?#]*)", stated.strip())
    if found is not None:
        return found[1]
    problem = "is not the address of a Unix socket"
    if stated.strip().lower().startswith("tcp:"):
        problem = "is a TCP address, and the Workload API is asked over a Unix socket only"
    raise IdentitySourceError(f"{named_by} {problem}: found {sanitize_path(stated)}", hint=_REMEDY)


def _fetched(path: str, audience: str) -> SecretStr | tuple[str, str]:
    """Ask, or say what is wrong and what to do: this frame holds the bare token."""
    try:
        from spiffe import WorkloadApiClient
        from spiffe.errors import PySpiffeError
    except ImportError:
        return "cannot be asked without the package spiffe", "pip install 'ant-wif[spiffe]'"
    found = socket_problem(Path(path), "check that the agent runs, and that its socket is mounted here")
    if found is not None:
        return f"cannot be asked: its socket {found[0]}", found[1]
    try:
        with mask_foreign_logs(), WorkloadApiClient(f"unix://{path}") as client:
            return SecretStr(client.fetch_jwt_svid({audience}, timeout=TIMEOUT_SECONDS).token)
    except (PySpiffeError, ValueError) as error:
        return (
            f"gave no JWT-SVID: {sanitize(error)}",
            "check that the agent runs, and that an entry is registered for this workload",
        )
