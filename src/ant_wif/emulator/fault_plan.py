"""Which faults are to come at which endpoint, and the middleware that has them happen."""

from __future__ import annotations

import re
import threading
from collections import deque
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from ant_wif.emulator.faults import Fault

# Endpoint -> the requests that it takes, as method and path.
_ENDPOINTS = {
    "token": re.compile(r"POST /v1/oauth/token"),
    "models": re.compile(r"GET /v1/models(/[^/]+)?"),
    "messages": re.compile(r"POST /v1/messages"),
    "count_tokens": re.compile(r"POST /v1/messages/count_tokens"),
    "admin": re.compile(r"[A-Z]+ /v1/organizations/.+"),
    "oidc": re.compile(r"GET /github/token"),
    "google": re.compile(r"GET /computeMetadata/v1/instance/service-accounts/[^/]+/identity|POST /google/token"),
    "azure": re.compile(r"GET (/azure/msi|/metadata/identity/oauth2)/token|POST /azure/[^/]+/oauth2/v2\.0/token"),
    "kubernetes": re.compile(r"POST /api/v1/namespaces/[^/]+/serviceaccounts/[^/]+/token"),
    "oauth": re.compile(r"POST /oauth/token"),
    "authorize": re.compile(r"(GET|POST) /oauth/authorize"),
    "discovery": re.compile(r"GET /.+/\.well-known/openid-configuration"),
    "jwks": re.compile(r"GET /.+/\.well-known/jwks"),
}


@dataclass
class _Planned:
    fault: Fault
    times: int


class FaultPlan:
    """For each endpoint the faults that its next requests meet. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: dict[str, deque[_Planned]] = {endpoint: deque() for endpoint in _ENDPOINTS}

    def add(self, endpoint: str, fault: Fault, times: int) -> None:
        """Raises ValueError as `Emulator.fail` says."""
        if endpoint not in _ENDPOINTS:
            raise ValueError(f"no endpoint {endpoint!r}; there are {', '.join(_ENDPOINTS)}")
        if fault.only_for not in {None, endpoint}:
            raise ValueError(f"the fault {fault.description!r} can only happen at {fault.only_for!r}")
        if times < 1:
            raise ValueError(f"times {times} is not a positive number")
        with self._lock:
            self._planned[endpoint].append(_Planned(fault, times))

    def clear(self) -> None:
        with self._lock:
            for planned in self._planned.values():
                planned.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """Return the fault that this request meets, and count it as met."""
        for endpoint, requests in _ENDPOINTS.items():
            if requests.fullmatch(f"{method} {path}"):
                return self._next(endpoint)
        return None

    def _next(self, endpoint: str) -> Fault | None:
        with self._lock:
            planned = self._planned[endpoint]
            if not planned:
                return None
            first = planned[0]
            first.times -= 1
            if first.times == 0:
                planned.popleft()
            return first.fault


class Faults:
    """ASGI middleware: a request for which a fault is planned meets it, all others pass."""

    def __init__(self, app: ASGIApp, plan: FaultPlan) -> None:
        self._app = app
        self._plan = plan

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = self._plan.take(scope["method"], scope["path"])
        if fault is None:
            await self._app(scope, receive, send)
        else:
            await fault.act(self._app, scope, receive, send)
