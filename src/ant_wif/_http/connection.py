"""Connections that end at a deadline and read heads of a limited size.

httpx and httpcore limit the silence between two bytes, not the time that a whole response takes, and skip any
number of informational responses. So the streams below are what httpcore reads from.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import httpcore
import httpx

from ant_wif._environment import unix_socket
from ant_wif._http.flow import Deadline
from ant_wif._http.urls import proxy_for, proxy_variable, shown_proxy, tls_context
from ant_wif._secrets import sanitize

Headers = list[tuple[bytes, bytes]]

ACCEPTED = "gzip, deflate"
LARGEST_PART = 16 << 20
_MOST_CODINGS = 2
_PIECE = 64 << 10
_WRITTEN_AT_ONCE = 16 << 10  # a record of TLS
# What ends a part of a stream: the blank line behind an event (WHATWG HTML §9.2.5), or a line's own end.
_ENDS: dict[bytes, Sequence[bytes]] = {
    b"event-stream": (b"\n\n", b"\r\r", b"\r\n\r\n"),
    b"jsonl": (b"\n",),
    b"ndjson": (b"\n",),
}
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}

LARGEST_HEAD = 64 << 10
MOST_INFORMATIONAL = 16
_HEAD_ENDS = re.compile(rb"\r?\n\r?\n")


class LimitError(httpx.RemoteProtocolError):
    """The head of an answer is larger than what is read."""


class _OverLimitError(httpcore.RemoteProtocolError):
    """The same, as httpcore passes it on."""


class ProxyFailure(httpx.ProxyError):
    """The proxy failed, and nothing was sent to the host behind it. The text quotes nothing that it said."""

    def __init__(self, problem: str, variable: str, status: int | None = None) -> None:
        super().__init__(problem)
        self.variable, self.status = variable, status


class _Way:
    """How far one request came: up to the proxy that `variable` names, or past it, as the `trace` of httpcore says."""

    def __init__(self, variable: str | None, environ: Mapping[str, str]) -> None:
        self._variable, self._environ = variable, environ

    def note(self, event: str, info: Mapping[str, Any]) -> None:
        is_past = event == "http11.send_request_headers.started" and info["request"].method != b"CONNECT"
        if is_past or event in {"proxy.start_tls.started", "socks.start_tls.started"}:
            self._variable = None

    async def anote(self, event: str, info: Mapping[str, Any]) -> None:
        self.note(event, info)

    def failure(self, error: Exception) -> ProxyFailure | None:
        """Return what is raised for an error of httpcore's where the proxy is to blame."""
        if self._variable is None:
            return None
        status = re.match(r"\d{3}\b", str(error)) if isinstance(error, httpcore.ProxyError) else None
        if status is not None:
            problem = f"returned HTTP {status[0]}"
        elif isinstance(error, httpcore.TimeoutException):
            problem = "did not answer in time"
        elif isinstance(error, httpcore.ConnectError):
            problem = f"cannot be reached: {sanitize(error) or type(error).__name__}"
        elif isinstance(error, _OverLimitError):
            problem = f"sent too much: {error}"
        else:
            problem = "closed the connection, refused it, or does not speak the protocol of a proxy"
        return ProxyFailure(
            f"{shown_proxy(self._variable, self._environ)} {problem}",
            self._variable,
            int(status[0]) if status else None,
        )


class _ResponseHead:
    """Follows the bytes of one response up to the end of its head, and counts what comes before."""

    def __init__(self) -> None:
        self._seen = bytearray()
        self._informational = 0
        self._size = 0
        self._done = False

    def add(self, chunk: bytes) -> None:
        """Raises _OverLimitError: the head is too large, or too many informational responses precede it."""
        if self._done:
            return
        self._seen += chunk
        while (end := _HEAD_ENDS.search(self._seen)) is not None:
            self._size += end.end()
            status = self._seen.split(b" ", 2)[1:2]
            if not status or not status[0].startswith(b"1") or status[0].startswith(b"101"):
                self._done = True
                break
            self._informational += 1
            if self._informational > MOST_INFORMATIONAL:
                raise _OverLimitError(f"more than {MOST_INFORMATIONAL} informational responses came")
            del self._seen[: end.end()]
        if self._size + (0 if self._done else len(self._seen)) > LARGEST_HEAD:
            raise _OverLimitError(f"the headers of the answer are larger than {LARGEST_HEAD} bytes")
        if self._done:
            self._seen.clear()


class _Limited:
    """What the two streams below have in common: a stream of httpcore's, the deadline, and how far the head came."""

    def __init__(self, stream: Any, deadline: Deadline) -> None:
        self._stream, self._deadline, self._head = stream, deadline, _ResponseHead()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _LimitedStream(_Limited, httpcore.NetworkStream):
    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        chunk: bytes = self._stream.read(max_bytes, self._deadline.left(timeout))
        self._head.add(chunk)
        return chunk

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if buffer:
            self._head = _ResponseHead()
        # What a write finds room for at once; httpcore gives each part of a larger one the whole time anew.
        for start in range(0, len(buffer), _WRITTEN_AT_ONCE):
            self._stream.write(buffer[start : start + _WRITTEN_AT_ONCE], self._deadline.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _LimitedStream(
            self._stream.start_tls(ssl_context, server_hostname, self._deadline.left(timeout)), self._deadline
        )


class _AsyncLimitedStream(_Limited, httpcore.AsyncNetworkStream):
    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        chunk: bytes = await self._stream.read(max_bytes, self._deadline.left(timeout))
        self._head.add(chunk)
        return chunk

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if buffer:
            self._head = _ResponseHead()
        await self._stream.write(buffer, self._deadline.left(timeout))

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        stream = await self._stream.start_tls(ssl_context, server_hostname, self._deadline.left(timeout))
        return _AsyncLimitedStream(stream, self._deadline)


@contextlib.contextmanager
def _valid(host: str) -> Iterator[None]:
    """Name the host where it cannot be one, which sockets raise a UnicodeError for."""
    try:
        yield
    except UnicodeError:
        pass
    else:
        return
    raise httpcore.UnsupportedProtocol(f"{host!r} is not a valid host name")


class _DeadlineBackend(httpcore.NetworkBackend):
    def __init__(self, deadline: Deadline) -> None:
        self._backend, self._deadline = httpcore.SyncBackend(), deadline

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *more: Any, **options: Any
    ) -> httpcore.NetworkStream:
        left = self._deadline.left(timeout)
        until = None if left is None else time.monotonic() + left
        with _valid(host):
            addresses = _addresses(host, port)
        while True:
            # The system would give each address the whole time.
            share = None if until is None else max(until - time.monotonic(), 0.001) / len(addresses)
            try:
                stream = self._backend.connect_tcp(addresses.pop(0), port, share, *more, **options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if not addresses:
                    raise
            else:
                return _LimitedStream(stream, self._deadline)

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: object = None
    ) -> httpcore.NetworkStream:
        del socket_options  # none are set here
        with _as_httpcore(httpcore.ConnectTimeout, httpcore.ConnectError):
            return _LimitedStream(_UnixStream(unix_socket(Path(path), self._deadline.left(timeout))), self._deadline)


class _UnixStream(httpcore.NetworkStream):
    """A Unix socket. That of httpcore stays open when the connection is refused."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def get_extra_info(self, info: str) -> Any:
        return self._connection if info == "socket" else None

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _as_httpcore(httpcore.ReadTimeout, httpcore.ReadError):
            self._connection.settimeout(timeout)
            return self._connection.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _as_httpcore(httpcore.WriteTimeout, httpcore.WriteError):
            self._connection.settimeout(timeout)
            self._connection.sendall(buffer)

    def close(self) -> None:
        self._connection.close()


@contextlib.contextmanager
def _as_httpcore(late: type[Exception], failed: type[Exception]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise (late if isinstance(error, TimeoutError) else failed)(str(error)) from error


def _addresses(host: str, port: int) -> list[str]:
    with contextlib.suppress(OSError):
        found = [each[4] for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        # A link-local address of IPv6 is one of an interface.
        return list(dict.fromkeys("%".join(str(part) for part in (each[0], *each[3:]) if part) for each in found))
    return [host]  # who connects to it says what is wrong with it


class _AsyncDeadlineBackend(httpcore.AsyncNetworkBackend):
    def __init__(self, deadline: Deadline) -> None:
        self._backend, self._deadline = httpcore.AnyIOBackend(), deadline

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *more: Any, **options: Any
    ) -> httpcore.AsyncNetworkStream:
        with _valid(host):
            stream = await self._backend.connect_tcp(host, port, self._deadline.left(timeout), *more, **options)
        return _AsyncLimitedStream(stream, self._deadline)

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, *more: Any, **options: Any
    ) -> httpcore.AsyncNetworkStream:
        stream = await self._backend.connect_unix_socket(path, self._deadline.left(timeout), *more, **options)
        return _AsyncLimitedStream(stream, self._deadline)


@contextlib.contextmanager
def _as_httpx(way: _Way | None = None) -> Iterator[None]:
    """Raise what httpcore raises as the exception of httpx that has the same name, or as a failure of the proxy."""
    try:
        yield
    except (
        httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError,
        httpcore.ProxyError, httpcore.UnsupportedProtocol,
    ) as error:  # fmt: skip
        named = (getattr(httpx, base.__name__, None) for base in type(error).__mro__)
        kind = LimitError if isinstance(error, _OverLimitError) else next(filter(None, named))
        problem = (way.failure(error) if way is not None else None) or kind(str(error))
        problem.__cause__ = error.__cause__ or error.__context__
    else:
        return
    raise problem


class _UnpackedBody(httpx.SyncByteStream):
    """The body of a response, unpacked: httpx would unpack a whole piece at once, whatever it comes to."""

    def __init__(self, parts: Any, unpacker: Unpacker) -> None:
        self._parts, self._unpacker = parts, unpacker

    def __iter__(self) -> Iterator[bytes]:
        with _as_httpx():
            for part in self._parts:
                yield from self._unpacker.feed(part)
                del part  # what the next one raises shall not pass a frame that holds this one

    def close(self) -> None:
        self._parts.close()


class _AsyncUnpackedBody(httpx.AsyncByteStream):
    def __init__(self, parts: Any, unpacker: Unpacker) -> None:
        self._parts, self._unpacker = parts, unpacker

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx():
            async for part in self._parts:
                for piece in self._unpacker.feed(part):
                    yield piece
                    del piece
                del part

    async def aclose(self) -> None:
        await self._parts.aclose()


class Unpacker:
    """Undoes the codings that a `Content-Encoding` header names (RFC 9110 §8.4), in pieces of at most 64 KiB."""

    def __init__(self, encoding: str, *, ends: Sequence[bytes] = ()) -> None:
        """`ends` is what ends a part of an answer that is read part by part, such as a line: each part is limited.

        Raises httpx.DecodingError: there are more than two codings, or one that was not asked for."""
        names = [
            name for name in (part.strip().lower() for part in encoding.split(",")) if name not in {"", "identity"}
        ]
        if len(names) > _MOST_CODINGS:
            raise httpx.DecodingError(f"the answer is compressed {len(names)} times; at most {_MOST_CODINGS} are read")
        if not set(names) <= set(_WINDOWS):
            raise httpx.DecodingError("the answer is compressed in a way that was not asked for")
        self._decoders = [_Inflater(_WINDOWS[name]) for name in reversed(names)]
        self._ends = ends
        self._last = b""
        self._run = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what a part of the answer unpacks to.

        Raises httpx.DecodingError: it is damaged, or one part of it is longer than any that is read.
        """
        for piece in _through(self._decoders, chunk):
            if self._ends:
                self._measure(piece)
            yield piece

    def _measure(self, piece: bytes) -> None:
        seen = self._last + piece
        after = max((at + len(end) for end in self._ends if (at := seen.rfind(end)) >= 0), default=None)
        self._run = self._run + len(piece) if after is None else len(seen) - after
        self._last = seen[-3:]  # an end may begin in one piece and go on in the next
        if self._run > LARGEST_PART:
            raise httpx.DecodingError(f"a line or event of the answer is longer than {LARGEST_PART} bytes")


def _through(decoders: list[_Inflater], chunk: bytes) -> Iterator[bytes]:
    if not decoders:
        yield chunk
        return
    for piece in decoders[0].feed(chunk):
        yield from _through(decoders[1:], piece)


class _Inflater:
    def __init__(self, window: int) -> None:
        self._window = window
        self._decoder = zlib.decompressobj(window)
        self._begun = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        while chunk:
            try:
                piece = self._decoder.decompress(chunk, _PIECE)
            except zlib.error:
                if self._begun or self._window != 15:
                    raise httpx.DecodingError("the compressed answer is damaged") from None
                # Some servers send "deflate" without the header that RFC 9110 §8.4.1.2 asks for.
                self._window, self._decoder = -15, zlib.decompressobj(-15)
                continue
            self._begun = True
            chunk = self._decoder.unconsumed_tail
            if self._decoder.eof:
                # A gzip stream may have several members (RFC 1952 §2.2).
                chunk, self._decoder = self._decoder.unused_data, zlib.decompressobj(self._window)
            if piece:
                yield piece
            elif not chunk:
                break
        # What zlib kept back because the piece was full comes with an empty input.
        while self._begun and not self._decoder.eof and (piece := self._decoder.decompress(b"", _PIECE)):
            yield piece


def _pool(
    url: str,
    environ: Mapping[str, str],
    backend: _DeadlineBackend | _AsyncDeadlineBackend,
    *,
    ca_file: Path | None,
    direct: bool,
    socket: Path | None = None,
    tls: ssl.SSLContext | None = None,
) -> Any:
    """Make the pool of connections to the host of `url`. Raises as `proxy_for` and `tls_context` do."""
    proxy = None if direct or socket else proxy_for(url, environ)
    needs_tls = any((place or "").lower().startswith("https:") for place in (url, proxy)) or ca_file is not None
    # Reading the authorities takes 10 ms or more, and plain http needs none.
    context = tls or tls_context(environ, ca_file) if needs_tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    options: dict[str, Any] = {"ssl_context": context, "network_backend": backend, "keepalive_expiry": 5.0}
    awaited = isinstance(backend, _AsyncDeadlineBackend)
    if proxy is None:
        options["uds"] = None if socket is None else str(socket)
        return (httpcore.AsyncConnectionPool if awaited else httpcore.ConnectionPool)(**options)
    found = httpx.Proxy(proxy)
    to = httpcore.URL(scheme=found.url.raw_scheme, host=found.url.raw_host, port=found.url.port, target=b"/")
    if found.url.scheme.startswith("socks"):
        kind: Any = httpcore.AsyncSOCKSProxy if awaited else httpcore.SOCKSProxy
    else:
        kind = httpcore.AsyncHTTPProxy if awaited else httpcore.HTTPProxy
    return kind(proxy_url=to, proxy_auth=found.raw_auth, **options)


def _outgoing(request: httpx.Request, trace: object = None) -> httpcore.Request:
    url = request.url
    return httpcore.Request(
        request.method,
        httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        headers=request.headers.raw,
        content=request.stream,
        extensions={**request.extensions, "trace": trace} if trace is not None else request.extensions,
    )


def _unpacked(headers: Headers) -> tuple[Unpacker, Headers]:
    """Return what unpacks an answer, and its headers without those that then are not true any more."""
    codings = [value for name, value in headers if name.lower() == b"content-encoding"]
    # Streams of events and of JSON lines; whatever else is read in pieces.
    kinds = b" ".join(value for name, value in headers if name.lower() == b"content-type").lower()
    ends = next((ends for kind, ends in _ENDS.items() if kind in kinds), ())
    if not codings:
        return Unpacker("", ends=ends), headers
    rest = [(name, value) for name, value in headers if name.lower() not in {b"content-encoding", b"content-length"}]
    return Unpacker(b",".join(codings).decode("latin-1"), ends=ends), rest


class _Pooled:
    """Reaches the host of one URL, as the variables of `environ` say. `direct` leaves out proxies."""

    _backend: ClassVar[type[_DeadlineBackend | _AsyncDeadlineBackend]]

    def __init__(
        self,
        url: str,
        environ: Mapping[str, str],
        deadline: Deadline,
        *,
        ca_file: Path | None = None,
        direct: bool = False,
        socket: Path | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._pool = _pool(
            url, environ, self._backend(deadline), ca_file=ca_file, direct=direct, socket=socket, tls=tls
        )
        self._proxy, self._environ = None if direct or socket else proxy_variable(url, environ), environ

    def _way(self) -> _Way:
        return _Way(self._proxy, self._environ)


class Transport(_Pooled, httpx.BaseTransport):
    """Makes blocking calls."""

    _backend = _DeadlineBackend

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        way = self._way()
        with _as_httpx(way):
            found = self._pool.handle_request(_outgoing(request, way.note))
        try:
            unpacker, headers = _unpacked(found.headers)
        except httpx.DecodingError:
            found.close()
            raise
        return httpx.Response(
            found.status, headers=headers, stream=_UnpackedBody(found.stream, unpacker), extensions=found.extensions
        )

    def close(self) -> None:
        self._pool.close()


class AsyncTransport(_Pooled, httpx.AsyncBaseTransport):
    """What `Transport` does, awaited."""

    _backend = _AsyncDeadlineBackend

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        way = self._way()
        with _as_httpx(way):
            found = await self._pool.handle_async_request(_outgoing(request, way.anote))
        try:
            unpacker, headers = _unpacked(found.headers)
        except httpx.DecodingError:
            await found.aclose()
            raise
        return httpx.Response(
            found.status,
            headers=headers,
            stream=_AsyncUnpackedBody(found.stream, unpacker),
            extensions=found.extensions,
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


class _CertificateSeenError(Exception):
    """Ends a connection after the handshake, with the certificate that came."""

    def __init__(self, certificate: bytes) -> None:
        super().__init__("the certificate was seen")
        self.certificate = certificate


class _ProbingStream(_LimitedStream):
    """Accepts any certificate, and ends there: nothing is sent over it."""

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        del ssl_context
        lenient = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        lenient.check_hostname, lenient.verify_mode = False, ssl.CERT_NONE
        with contextlib.closing(self._stream.start_tls(lenient, server_hostname, self._deadline.left(timeout))) as tls:
            raise _CertificateSeenError(tls.get_extra_info("ssl_object").getpeercert(True))  # noqa: FBT003 - some take it by place only


class _ProbingBackend(_DeadlineBackend):
    def connect_tcp(self, *arguments: Any, **options: Any) -> httpcore.NetworkStream:
        limited = super().connect_tcp(*arguments, **options)
        return _ProbingStream(getattr(limited, "_stream"), self._deadline)  # noqa: B009


_PROBE_SECONDS = 5.0
# RFC 5280 §4.1.2.4, by the bytes of their object identifiers.
_NAME_PARTS = {b"\x55\x04\x03": "CN", b"\x55\x04\x0a": "O", b"\x55\x04\x0b": "OU"}
_BMP_STRING, _VERSION = 0x1E, 0xA0


def certificate_issuer(url: str, environ: Mapping[str, str], *, direct: bool = False) -> str | None:
    """Ask the host of `url` for its certificate, and return whose name stands in it as its issuer's.

    For an error: what was refused is not to be trusted with anything, and no request is sent.
    """
    backend = _ProbingBackend(Deadline.after(_PROBE_SECONDS))
    try:
        with _pool(url, environ, backend, ca_file=None, direct=direct) as pool:
            pool.handle_request(_outgoing(httpx.Request("GET", url)))
    except _CertificateSeenError as seen:
        with contextlib.suppress(IndexError, ValueError):
            return _issuer_in(seen.certificate)
    except Exception:  # noqa: BLE001 - the error that this is for is told without it
        return None
    return None


def _issuer_in(certificate: bytes) -> str | None:
    """Raises IndexError or ValueError: it is not a certificate."""
    fields = _parts(_parts(_parts(certificate)[0][1])[0][1])
    name = fields[3 if fields[0][0] == _VERSION else 2][1]
    attributes = [_parts(attribute) for _, each in _parts(name) for _, attribute in _parts(each)]
    named = [
        f"{_NAME_PARTS[kind]}={value.decode('utf-16-be' if tag == _BMP_STRING else 'utf-8', 'replace')}"
        for (_, kind), (tag, value) in attributes
        if kind in _NAME_PARTS
    ]
    return ", ".join(named) or None


def _parts(data: bytes) -> list[tuple[int, bytes]]:
    """Split DER (X.690 §8.1) into tags and contents."""
    found = []
    while data:
        length, start = data[1], 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(data[2:start], "big")
        found.append((data[0], data[start : start + length]))
        data = data[start + length :]
    return found
