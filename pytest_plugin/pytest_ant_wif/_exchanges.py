"""The exchanges of the session's credential, out of reach of what tests do to HTTP libraries.

The token is that of all tests: whether it can be had must not depend on which of them comes first, and whether that
one has a mock of httpx, such as respx or pytest-httpx, or records a cassette.
"""

from __future__ import annotations

from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING

import httpx

import ant_wif
from ant_wif._http import call, is_loopback
from ant_wif.credentials import Credentials

if TYPE_CHECKING:
    from ant_wif._http import Flow
    from ant_wif._tokens import AccessToken, TokenRequest

__all__ = ["emulated_credentials"]

_SECONDS = 30
_ABOUT = ("source", "origin", "base_url", "organization_id", "workspace_id", "identity_source")


def emulated_credentials(variables: dict[str, str]) -> Credentials:
    """Resolve what these variables describe: a job whose backend is on loopback."""
    exchanging = ant_wif.resolve(
        environ=variables, http_client=httpx.Client(transport=_PlainTransport(), trust_env=False)
    )
    about = {name: getattr(exchanging, name) for name in _ABOUT}
    return Credentials(_Exchanging(exchanging), workspace_header=exchanging.sends_workspace, **about)


@dataclass
class _Exchanging:
    """A provider that has another credential obtain its tokens; see `ant_wif._tokens.providers.Provider`.

    An async caller waits for it in a thread, as httpx needs a transport of another kind there.
    """

    credentials: Credentials
    held: bool = True

    def obtain(self, wanted: TokenRequest) -> Flow[AccessToken]:
        return (yield from call(lambda: self._token(wanted)))

    def _token(self, wanted: TokenRequest) -> AccessToken:
        if wanted.rejected is not None:
            self.credentials.invalidate(wanted.rejected)
        self.credentials.renew_ahead(wanted.ahead)
        return self.credentials.access_token()


class _PlainTransport(httpx.BaseTransport):
    """HTTP by the standard library, a connection for each request."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.scheme != "http" or not is_loopback(request.url.host):
            raise httpx.UnsupportedProtocol("only the emulator's own address is asked", request=request)
        connection = HTTPConnection(request.url.host, request.url.port, timeout=_SECONDS)
        try:
            target, headers = request.url.raw_path.decode("ascii"), dict(request.headers)
            connection.request(request.method, target, request.read(), headers)
            answer = connection.getresponse()
            return httpx.Response(answer.status, headers=answer.getheaders(), stream=httpx.ByteStream(answer.read()))
        except HTTPException as error:
            raise httpx.RemoteProtocolError(type(error).__name__, request=request) from None
        finally:
            connection.close()
