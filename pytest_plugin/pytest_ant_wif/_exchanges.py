"""The exchanges of the session's credential, out of reach of what tests do to HTTP libraries.

The token is that of all tests: whether it can be had must not depend on which of them comes first, and whether that
one has a mock of httpx, such as respx or pytest-httpx, or records a cassette.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING

import httpx
import pydantic

from ant_wif._environment import Environment
from ant_wif._http import Flow, call, is_loopback, run
from ant_wif._tokens import AccessToken, FederatedProvider, Federation, TokenRequest
from ant_wif.credentials import Credentials
from ant_wif.identity import Context, GitHubActions

if TYPE_CHECKING:
    from ant_wif.emulator import Emulator

# pydantic loads its parts on first use, and fails if one is imported again, as in the second inner run of pytester.
_ = pydantic.BaseModel

_SECONDS = 30


def emulated_credentials(emulator: Emulator) -> Credentials:
    """Return what `ant_wif.resolve` finds in the variables of a job on GitHub, whose backend is the emulator.

    Without a look at settings, profiles and a cache for other processes, of which the job has none: what reads them
    takes longer to import than the exchange takes. Time is that of the emulator's clock, which a test may freeze.
    """
    environ = Environment(emulator.env("github"))
    federation = Federation(
        environ["ANTHROPIC_BASE_URL"],
        environ["ANTHROPIC_FEDERATION_RULE_ID"],
        environ["ANTHROPIC_ORGANIZATION_ID"],
        environ["ANTHROPIC_SERVICE_ACCOUNT_ID"],
        environ["ANTHROPIC_WORKSPACE_ID"],
    )
    source = GitHubActions()
    context = Context(environ, clock=emulator.clock)
    return Credentials(
        _Exchanging(FederatedProvider(federation, source, context), environ),
        source="federation",
        origin="environment",
        base_url=federation.base_url,
        organization_id=federation.organization_id,
        workspace_id=federation.workspace_id,
        identity_source=source.source,
        clock=context.clock,
        environ=environ,
    )


@dataclass
class _Exchanging:
    """A provider that obtains its tokens with a client of its own; see `ant_wif._tokens.providers.Provider`.

    An async caller waits for it in a thread, as httpx needs a transport of another kind there.
    """

    provider: FederatedProvider
    environ: Environment
    held: bool = True
    _client: httpx.Client = field(default_factory=lambda: httpx.Client(transport=_PlainTransport(), trust_env=False))

    def obtain(self, wanted: TokenRequest) -> Flow[AccessToken]:
        return (yield from call(lambda: run(self.provider.obtain(wanted), self._client, self.environ)))


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
