"""Fly.io: a Machine of acme's app, and the API at its socket."""

from __future__ import annotations

import socketserver
import sys
import threading
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

from ant_wif._strict import read_object
from ant_wif.emulator._issuers import Folder, IdentityProvider

_MACHINE = "148e21ea7e46e8"


class EmulatedFly(IdentityProvider):
    name = "fly"
    source = "fly"
    subject = "acme:app:summer-dew-1234"
    accepted_subject = "acme:app:*"
    lifetime_seconds = 600

    def __init__(self, clock: Callable[[], float], folder: Folder) -> None:
        super().__init__(clock, folder)
        self._served: str | None = None
        self._lock = threading.Lock()

    def claims(self, now: int) -> dict[str, object]:
        return {
            **super().claims(now),
            "jti": str(uuid.uuid4()),
            "nbf": now,
            "app_id": "11111111",
            "app_name": "app",
            "image": "registry.fly.io/app:deployment-01HTGGC1TZ2JHK83J4AC0R3VET",
            "machine_id": _MACHINE,
            "machine_name": "summer-dew-1234",
            "machine_version": "01HTGGC1TZ2JHK83J4AC0R3VET",
            "org_id": "22222222",
            "org_name": "acme",
            "region": "sea",
        }

    def environment(self) -> dict[str, str]:
        served = {"ANT_FLY_API_SOCKET": self._socket()} if hasattr(socketserver, "UnixStreamServer") else {}
        return {"FLY_APP_NAME": "app", "FLY_MACHINE_ID": _MACHINE, "FLY_REGION": "sea", **served}

    def _socket(self) -> str:
        """Return the path of the socket, which is served from now on until its folder goes."""
        path = self._folder.socket_path("fly.sock")
        with self._lock:
            if self._served != str(path):
                server = _server_at(str(path), _handler_of(self.token))
                serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
                serving.start()

                def end() -> None:
                    server.shutdown()
                    serving.join()
                    server.server_close()

                self._folder.at_removal(end)
                self._served = str(path)
        return str(path)

    def token(self, audience: str) -> str:
        return self.mint(claims={"aud": audience})


def _server_at(path: str, handler: type[BaseHTTPRequestHandler]) -> socketserver.BaseServer:
    # Made here, because `socketserver` has no Unix sockets on Windows.
    if sys.platform == "win32":  # for mypy, which checks for Windows too
        raise OSError("this system has no Unix sockets, on which a Fly Machine asks for its token")
    else:  # noqa: RET506  # mypy would check what follows

        class SocketServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

        return SocketServer(path, handler)


def _handler_of(token: Callable[[str], str]) -> type[BaseHTTPRequestHandler]:
    class MachineApi(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, answer = self._answered()
            body = answer.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _answered(self) -> tuple[int, str]:
            if self.path != "/v1/tokens/oidc":
                return 404, "not found"
            try:
                wanted = read_object(self.rfile.read(min(int(self.headers.get("Content-Length") or 0), 65536)))
            except ValueError:
                return 400, "invalid request body"
            return 200, token(str(wanted.get("aud") or "https://fly.io/acme"))

        def address_string(self) -> str:
            return "machine"

        def log_message(self, format: str, *args: object) -> None:
            pass

    return MachineApi
