"""How what a flow asks for is done: `run` makes blocking calls, `arun` awaited ones. Neither decides anything."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ant_wif._constants import __version__
from ant_wif._environment import Environment, span
from ant_wif._http.debug_log import log_failure, log_reply, log_request, mask_foreign_logs
from ant_wif._http.flow import Deadline, Flow, Pause, Request, RequestFailure, Response, masked_headers, unwrap
from ant_wif._http.urls import proxy_secrets
from ant_wif._secrets import SecretBytes, SecretStr, sanitize

if TYPE_CHECKING:
    import httpx

    from ant_wif._http.connection import ProxyFailure

T = TypeVar("T")

USER_AGENT = f"ant-wif/{__version__}"
LARGEST_BODY = 1 << 20


def run(flow: Flow[T], client: httpx.Client | None = None, environ: Mapping[str, str] | None = None) -> T:
    """Drive a flow to its result with blocking calls; a given `client` is used and left open.

    Without one, the variables for proxies and certificates are those of `environ`, by default the process's own.
    """
    outcome: object = None
    failure: BaseException | None = None
    try:
        while True:
            step = flow.throw(failure) if failure else flow.send(outcome)
            outcome, failure = None, None
            try:
                if isinstance(step, Request):
                    outcome = _send(step, client, environ)
                elif isinstance(step, Pause):
                    time.sleep(step.seconds)
                    outcome = False
                else:
                    outcome = step.function()
            except BaseException as error:  # noqa: BLE001 - the flow decides, and raises it again
                failure = error
    except StopIteration as done:
        return cast("T", done.value)
    finally:
        failure = None  # an exception must not hold the frame that holds it


async def arun(flow: Flow[T], client: httpx.AsyncClient | None = None, environ: Mapping[str, str] | None = None) -> T:
    """Drive a flow to its result without blocking the event loop."""
    import anyio
    import anyio.to_thread

    outcome: object = None
    failure: BaseException | None = None
    try:
        while True:
            step = flow.throw(failure) if failure else flow.send(outcome)
            outcome, failure = None, None
            try:
                if isinstance(step, Request):
                    outcome = await _asend(step, client, environ)
                elif isinstance(step, Pause):
                    await anyio.sleep(step.seconds)
                    outcome = True
                else:
                    # A limiter of its own: the shared one may be taken up by threads that wait for this very flow.
                    outcome = await anyio.to_thread.run_sync(step.function, limiter=anyio.CapacityLimiter(1))
            except BaseException as error:  # noqa: BLE001 - the flow decides, and raises it again
                failure = error
    except StopIteration as done:
        return cast("T", done.value)
    finally:
        failure = None


def _send(
    request: Request, client: httpx.Client | None, environ: Mapping[str, str] | None
) -> Response | RequestFailure:
    import httpx

    deadline = Deadline.after(request.timeout)
    environ = Environment() if environ is None else environ
    sender = None if _is_special(request) else client
    if sender is None:  # before the logs are masked: only of what is imported are they found
        from ant_wif._http.connection import Transport
    try:
        with mask_foreign_logs([*request.secrets, *proxy_secrets(environ)]), contextlib.ExitStack() as stack:
            if sender is None:
                sender = httpx.Client(
                    transport=Transport(request.url, environ, deadline, **_way(request)), trust_env=False
                )
                stack.enter_context(sender)
            response = sender.send(_outgoing(request), stream=True, auth=None, follow_redirects=False)
            stack.callback(response.close)
            body = _Body(deadline)
            unpack = _unpacking(response)
            for chunk in response.iter_raw():
                for piece in unpack(chunk):
                    body.add(piece)
            return _reply(request, response, body)
    except http_errors(OSError, ValueError) as error:
        failure = request_failure(request.method, request.url, request.timeout, error, request.secrets)
    return _with_issuer(failure, request, environ)


def _unpacking(response: httpx.Response) -> Callable[[bytes], Iterable[bytes]]:
    encoding = response.headers.get("content-encoding", "")
    if not encoding:  # as of a client that was given, which need not have the library that the others stand on
        return lambda chunk: (chunk,)
    from ant_wif._http.connection import Unpacker

    return Unpacker(encoding).feed


def _with_issuer(failure: RequestFailure, request: Request, environ: Mapping[str, str]) -> RequestFailure:
    if request.ca_file is not None:
        return failure._replace(hint=None)
    return with_issuer(failure, request.url, environ, direct=request.direct)


async def _asend(
    request: Request, client: httpx.AsyncClient | None, environ: Mapping[str, str] | None
) -> Response | RequestFailure:
    import anyio.to_thread
    import httpx

    deadline = Deadline.after(request.timeout)
    environ = Environment() if environ is None else environ
    sender = None if _is_special(request) else client
    if sender is None:  # as above
        from ant_wif._http.connection import AsyncTransport
    try:
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(mask_foreign_logs([*request.secrets, *proxy_secrets(environ)]))
            if sender is None:
                transport = AsyncTransport(request.url, environ, deadline, **_way(request))
                sender = httpx.AsyncClient(transport=transport, trust_env=False)
                await stack.enter_async_context(sender)
            response = await sender.send(_outgoing(request), stream=True, auth=None, follow_redirects=False)
            stack.push_async_callback(response.aclose)
            body = _Body(deadline)
            unpack = _unpacking(response)
            async for chunk in response.aiter_raw():
                for piece in unpack(chunk):
                    body.add(piece)
            return _reply(request, response, body)
    except http_errors(OSError, ValueError) as error:
        failure = request_failure(request.method, request.url, request.timeout, error, request.secrets)
    if not failure.hint:  # no thread for what needs none
        return failure
    return await anyio.to_thread.run_sync(_with_issuer, failure, request, environ)


def http_errors(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """Return the classes of all that httpx and httpcore raise, some of which have no base in common, and `others`."""
    import httpcore
    import httpx

    return (
        httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, httpx.CookieConflict, httpcore.ConnectionNotAvailable,
        httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError,
        httpcore.UnsupportedProtocol, *others,
    )  # fmt: skip


def client_for(url: str, environ: Mapping[str, str], deadline: Deadline, **options: Any) -> httpx.Client:
    """Make a client for the host of `url` that is reached as `environ` says; `options` are those of httpx.

    Raises ConfigurationError: a variable for proxies or certificates cannot be used.
    """
    import httpx

    from ant_wif._http.connection import ACCEPTED, Transport

    headers = {"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": ACCEPTED}
    return httpx.Client(transport=Transport(url, environ, deadline), trust_env=False, headers=headers, **options)


def _is_special(request: Request) -> bool:
    """Whether a client made for anything else would not do."""
    return any(_way(request).values())


def _way(request: Request) -> dict[str, Any]:
    return {"ca_file": request.ca_file, "direct": request.direct, "socket": request.socket, "tls": request.tls}


class _UnusableAnswerError(ValueError):
    """The answer is too large to be read to its end."""


class _Body:
    """Collects a response body within the limits of size and time."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._chunks: list[bytes] = []
        self._size = 0

    def add(self, chunk: bytes) -> None:
        import httpx

        self._size += len(chunk)
        if self._size > LARGEST_BODY:
            raise _UnusableAnswerError(f"the answer is larger than {LARGEST_BODY} bytes")
        if self._deadline.passed:
            raise httpx.ReadTimeout("the answer did not end in time")
        self._chunks.append(chunk)

    def __bytes__(self) -> bytes:
        return b"".join(self._chunks)


def _outgoing(request: Request) -> httpx.Request:
    """Build the request apart from any client, so that no default header, cookie or login joins it."""
    import httpx

    headers = {
        "User-Agent": USER_AGENT,
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        **{name: unwrap(value) for name, value in request.headers.items()},
    }
    if request.content_type is not None:
        headers.setdefault("Content-Type", request.content_type)
    outgoing = httpx.Request(
        request.method,
        request.url,
        headers=headers,
        content=request.body(),
        extensions={"timeout": httpx.Timeout(request.timeout).as_dict()},
    )
    log_request(outgoing, known=request.secrets)
    return outgoing


def _reply(request: Request, response: httpx.Response, body: _Body) -> Response:
    headers = masked_headers(response.headers, request.secrets)
    reply = Response(response.status_code, headers, SecretBytes(bytes(body)))
    token = reply.text_at(request.token_at) if request.token_at else None
    known = (*request.secrets, token) if token else request.secrets
    log_reply(request.url, reply.status, reply.headers, reply.body, known=known)
    return reply


_NEVER = {"UnsupportedProtocol", "LocalProtocolError"}
_BEFORE_SENDING = {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "ConnectionNotAvailable", *_NEVER}
_TRANSIENT = {"TransportError", "TimeoutException", "NetworkError", "ProtocolError", "ConnectionNotAvailable"}


def request_failure(
    method: str, url: str, timeout: float, error: Exception, known: Iterable[SecretStr]
) -> RequestFailure:
    """Put a failure to send into words that hold no header: httpx and h11 quote those they dislike.

    What they quote of an answer may be a secret that is `known`.
    """
    import httpx

    from ant_wif._http.connection import LimitError, ProxyFailure

    # By their names, which the classes of httpcore have in common with those of httpx.
    names = {kind.__name__ for kind in type(error).__mro__}
    maybe_received = isinstance(error, http_errors(_UnusableAnswerError)) and not names & _BEFORE_SENDING
    hint = None
    if isinstance(error, ProxyFailure):
        reason, hint = str(error), _on_proxy(error)
    elif isinstance(error, (httpx.LocalProtocolError, UnicodeError)):
        reason = "a header or the URL holds a character that cannot be sent"
    elif isinstance(error, httpx.RemoteProtocolError):
        # The limits of `ant_wif._http.connection` are told as they are; h11's words may quote the answer.
        limit = str(error) if isinstance(error, LimitError) else None
        reason = limit or "the connection ended early, or what answers there does not speak HTTP"
    elif isinstance(error, httpx.TimeoutException):
        reason = f"no answer within {span(timeout)}"
    elif isinstance(error, httpx.InvalidURL):
        # One that an answer redirects to is read though it is not followed.
        reason = "its URL, or the one that the answer redirects to, is not valid"
    else:
        reason = sanitize(error, known=known, limit=200) or type(error).__name__
    untrusted = re.search(_UNTRUSTED, str(error))
    if untrusted is not None:
        reason = f"{_UNTRUSTED_WORDS}: {sanitize(untrusted[1], limit=128)}"
        hint = next(said for sign, said in _ON_CERTIFICATES.items() if sign in reason)
    log_failure(method, url, reason)
    transient = bool(names & _TRANSIENT) and not names & _NEVER and getattr(error, "status", None) not in _REFUSALS
    return RequestFailure(reason, maybe_received, transient and untrusted is None, hint)


def _on_proxy(error: ProxyFailure) -> str:
    if error.status == _LOGIN_WANTED:
        return f"write a user and password that the proxy accepts into {error.variable}: http://USER:PASSWORD@HOST:PORT"
    return f"correct or unset {error.variable}, or name the host in NO_PROXY to reach it without the proxy"


def with_issuer(
    failure: RequestFailure, url: str, environ: Mapping[str, str], *, direct: bool = False
) -> RequestFailure:
    """Name who issued the certificate that is not trusted, where one is why nothing was sent."""
    if not failure.reason.startswith(_UNTRUSTED_WORDS):
        return failure
    from ant_wif._http.connection import certificate_issuer

    issuer = certificate_issuer(url, environ, direct=direct)
    return failure._replace(reason=f"{failure.reason}; it was issued by {sanitize(issuer)}") if issuer else failure


_LOGIN_WANTED = 407
_REFUSALS = {401, 403, _LOGIN_WANTED}
_UNTRUSTED_WORDS = "its certificate is not trusted"
_UNTRUSTED = r"CERTIFICATE_VERIFY_FAILED\] certificate verify failed(?:: (.+?))?\.?(?: \(_ssl|$)"
# By what OpenSSL says; the last is for whatever else it says.
_ON_CERTIFICATES = {
    "has expired": "check this machine's clock; if it is right, the server or a proxy before it must renew the "
    "certificate",
    "not yet valid": "check this machine's clock",
    "mismatch": "check the host in the URL, and that no proxy answers in its place",
    "": "if the issuer is an authority of your own (a proxy that inspects TLS has one), name a file with its "
    "certificate in SSL_CERT_FILE",
}
