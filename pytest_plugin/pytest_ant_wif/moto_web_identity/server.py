"""A moto server with the operations. Besides, it shows an account's key set, which AWS does at the issuer's URL."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

from pytest_ant_wif.moto_web_identity.installation import jwks

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_KEY_SET = re.compile(r"/outbound-web-identity/(\d{12})/jwks\.json")


class QuietRequestHandler(MotoRequestHandler):
    """Does not write a line for each request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def moto_application() -> WSGIApplication:
    """Return moto's own application, with a route more: `/outbound-web-identity/<account>/jwks.json`."""
    moto = cast("WSGIApplication", DomainDispatcherApplication(create_backend_app))

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        shown = _KEY_SET.fullmatch(environ.get("PATH_INFO", ""))
        if shown is None:
            return moto(environ, start_response)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(jwks(shown[1])).encode()]

    return application


def make_moto_server(host: str, port: int) -> BaseWSGIServer:
    """Return a server that listens already; port 0 is any free one. Raises SystemExit when it cannot listen."""
    handler: type[Any] = QuietRequestHandler
    return make_server(host, port, moto_application(), threaded=True, request_handler=handler)
