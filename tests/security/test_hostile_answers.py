"""Whatever answers a request, a result or a typed error comes of it: in time, in little memory, without a secret.

The answers are made of small tables. Each is given to every endpoint that this package asks: by threads, and where
there is an asynchronous way also by tasks.
"""

from __future__ import annotations

import base64
import collections
import functools
import gzip
import hashlib
import json
import re
import socket
import struct
import time
import tracemalloc
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import pytest

import ant_wif
from ant_wif._api import Api, message_events
from ant_wif._environment import Environment
from ant_wif._http import Backoff, Flow, arun, run
from ant_wif._tokens import TokenRequest
from ant_wif.credentials import Credentials
from ant_wif.errors import AntWifError
from ant_wif.identity import Azure, Context, Env, GitHubActions
from support.identity_failures import at_once
from support.leaks import everything_seen, fragments
from support.misbehaving_server import Act, HostileServer, Received, drop_before_reading, forged_jwt, reply
from support.samples import ORGANIZATION, RULE, login_profile

DEADLINE = 0.4
"""Seconds that a request may take whose answer does not end; the others may take longer than they ever need."""
AMPLE = 20.0
MARGIN = 2.0
ATTEMPTS = 4
MOST_MEMORY = 100 << 20

# --- what is sent, and what must not be seen ------------------------------------------------------------------


def opaque(name: str) -> str:
    return base64.b64encode(hashlib.sha512(name.encode()).digest()).decode()


IDENTITY = forged_jwt({"nonce": opaque("identity")})
REFRESH = f"sk-ant-ort01-{hashlib.sha256(b'refresh').hexdigest()}"
KEY = f"sk-ant-api03-{hashlib.sha256(b'key').hexdigest()}"
REQUEST_TOKEN = opaque("request token")
IDENTITY_HEADER = opaque("identity header")
GRANTED = forged_jwt({"aud": ["https://api.anthropic.com", "api://app"], "nonce": opaque("granted")})
SENT = (IDENTITY, REFRESH, KEY, REQUEST_TOKEN, IDENTITY_HEADER)
ENCODED = [base64.b64encode(secret.encode()).decode() for secret in SENT]
LENGTH = 12
RUN = re.compile(rf"[\w+/=-]{{{LENGTH},}}", re.ASCII)
"""Where a piece may be: most of a text need not be looked at more closely."""
UNFIT = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Categories of characters that are not for a message: controls, what is not seen, halves, and ends of lines."""
PIECES = {piece for secret in (*SENT, *ENCODED, GRANTED) for piece in fragments(secret)}


def sent(request: Received) -> str:
    """The secret that a request carries."""
    return next((secret for secret in SENT if secret in f"{request.head} {request.body.decode()}"), "none")


# --- the endpoints ----------------------------------------------------------------------------------------------

Ask = Callable[[str, Path, float], Any]
Flows = Callable[[str, Path], Flow[Any]]


def obtaining(creds: Credentials) -> Flow[Any]:
    return creds._provider.obtain(TokenRequest(has_spare=True))  # one attempt


def exchange(base_url: str, home: Path) -> Flow[Any]:
    environ = {"TOKEN": IDENTITY, "ANT_CACHE": "memory", "HOME": str(home)}
    ids = {"federation_rule_id": RULE, "organization_id": ORGANIZATION}
    return obtaining(ant_wif.federate(Env("TOKEN"), base_url=base_url, environ=environ, **ids))


def refresh(base_url: str, home: Path) -> Flow[Any]:
    folder = home / ".config" / "anthropic"
    documents = {
        "configs": login_profile(base_url=base_url),
        "credentials": {"access_token": KEY, "refresh_token": REFRESH, "expires_at": 1},
    }
    for name, document in documents.items():
        (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / name / "default.json"
        path.touch(0o600)
        path.write_text(json.dumps(document))
    return obtaining(ant_wif.resolve(environ={"HOME": str(home)}))


def github(base_url: str, _: Path) -> Flow[Any]:
    environ = {
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{base_url}/oidc?api-version=2.0",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": REQUEST_TOKEN,
    }
    return GitHubActions().fetch(Context(Environment(environ)))


def azure(base_url: str, _: Path) -> Flow[Any]:
    environ = {"IDENTITY_ENDPOINT": f"{base_url}/msi", "IDENTITY_HEADER": IDENTITY_HEADER}
    return Azure(audience="api://app").fetch(Context(Environment(environ)))


def with_api(call: Callable[[Api], object]) -> Ask:
    def ask(base_url: str, home: Path, seconds: float) -> object:
        environ = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": base_url, "HOME": str(home)}
        creds = ant_wif.resolve(environ=environ)
        with Api(creds, sleep=lambda _: None, seconds=seconds, backoff=lambda: Backoff(attempts=2)) as api:
            return call(api)

    return ask


def get(api: Api) -> object:
    return api.get("/v1/models")


def stream(api: Api) -> object:
    with api.open("POST", "/v1/messages", body=b"{}") as response:
        return list(message_events(response))


def in_a_thread(flow: Flows) -> Ask:
    return lambda base_url, home, seconds: run(at_once(flow(base_url, home), seconds=seconds), environ={})


FLOWS: dict[str, Flows] = {"exchange": exchange, "refresh": refresh, "GitHub": github, "Azure": azure}
ENDPOINTS: dict[str, Ask] = {
    **{name: in_a_thread(flow) for name, flow in FLOWS.items()},
    "API": with_api(get),
    "stream": with_api(stream),
}

# --- the answers ------------------------------------------------------------------------------------------------

Answer = Callable[[Received], bytes | Act]
STREAM = "text/event-stream"


def is_stream(request: Received) -> bool:
    return request.target.endswith("/messages")


def kind_of(request: Received) -> str:
    return STREAM if is_stream(request) else "application/json"


def as_sent(request: Received, body: bytes) -> bytes:
    """A body as this request expects it: that of a stream is an event."""
    return b"data: " + body + b"\n\n" if is_stream(request) else body


def good(_: Received) -> bytes:
    """What every endpoint takes for a success."""
    return json.dumps(
        {"access_token": GRANTED, "value": GRANTED, "token_type": "Bearer", "expires_in": 3600, "data": []}
    ).encode()


def whole(request: Received, body: bytes, status: int = 200, kind: str | None = None, **headers: str) -> bytes:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return reply(
        as_sent(request, body), status=status, headers=named, content_type=kind_of(request) if kind is None else kind
    )


def said(text: str) -> bytes:
    """An error as both kinds of endpoint have it, that says this."""
    return json.dumps(
        {
            "type": "error",
            "error": {"type": text, "message": text},
            "error_description": text,
            "token_type": text,
            "request_id": text,
        }
    ).encode()


def nested(opening: bytes, closing: bytes, depth: int = 5000) -> bytes:
    return opening * depth + closing * depth


GRANT = good(Received("", b"")).decode()
TEXTS = {
    "an ANSI sequence": "\x1b[31mred\x1b[2J\x1b]0;title\x07",
    "an OSC 52 sequence": "\x1b]52;c;cm0gLXJm\x1b\\",
    "bidirectional text": "\u202egnp.exe\u2066\u2069\u200f",
    "tags": "\U000e0041\U000e0042",
    "a workflow command": "\n::add-mask::x\n::set-output name=a::b",
    "an old workflow command": "##[add-path]/tmp",
    "an Azure command": "##vso[task.setvariable variable=PATH]/tmp",
    "a TeamCity command": "##teamcity[setParameter name='x' value='y']",
    "line breaks": "a\r\nb\u2028c\u2029d\x85e\x0bf",
    "a lone surrogate": "\ud800\udfff",
    "nulls": "\x00" * 40,
    "a very long line": "x" * 20_000,
    "a format": "%s %n {0.__class__} ${HOME} `id`",
    "a private key": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0\n-----END PRIVATE KEY-----",
}
BODIES: dict[str, bytes] = {
    **{f"an error that is {name}": said(text) for name, text in TEXTS.items()},
    "empty": b"",
    "blank": b" \r\n\t ",
    "null": b"null",
    "a number": b"7",
    "a string": b'"x"',
    "NaN": b"NaN",
    "NaN in fields": GRANT.replace("3600", "NaN").encode(),
    "infinity in fields": GRANT.replace("3600", "-1e999").encode(),
    "a huge integer": b"9" * 5000,
    "a huge integer in fields": GRANT.replace("3600", "9" * 4000).encode(),
    "a negative life": GRANT.replace("3600", "-3600").encode(),
    "a list": b"[" + GRANT.encode() + b"]",
    "deep lists": nested(b"[", b"]"),
    "deep objects": nested(b'{"error":', b"}"),
    "lists that are deep enough to be read": nested(b"[", b"]", 900),
    "many lists": b"[" + b"[]," * 30_000 + b"[]]",
    "keys twice": (GRANT[:-1] + ', "access_token": 7, "value": null, "data": "x", "error": []}').encode(),
    "a key that is a surrogate": b'{"\\ud800": "\\udfff", "error": {"\\ud800": "\\ud800"}}',
    "fields of other types": b'{"access_token": {}, "value": [], "token_type": 1, "expires_in": "1", "data": {}}',
    "errors of other types": b'{"error": 7, "error_description": [], "type": {}, "request_id": {}}',
    "an error of lists": b'{"type": "error", "error": {"type": [], "message": {"a": "b"}}}',
    "list items that are none": b'{"data": [1, null, "x"], "has_more": true}',
    "a byte order mark": b"\xef\xbb\xbf" + GRANT.encode(),
    "UTF-16": GRANT.encode("utf-16"),
    "UTF-32": GRANT.encode("utf-32"),
    "bytes that are no UTF-8": b'{"access_token": "\xff\xfe\xc0\xaf", "error": "\xed\xa0\x80"}',
    "binary": bytes(range(256)) * 8,
    "an executable": b"\x7fELF\x02\x01\x01" + bytes(200),
    "gzip without its header": gzip.compress(GRANT.encode(), mtime=0),
    "a JWT": GRANTED.encode(),
    "cut JSON": GRANT[: len(GRANT) // 2].encode(),
    "JSON and more": GRANT.encode() + b"\n{}",
    "a JavaScript prefix": b")]}',\n" + GRANT.encode(),
    "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "a sign-in page": b'<!DOCTYPE html><html><form action="https://evil.example"><input name=password></form>',
    "a form": f"access_token={GRANTED}&token_type=bearer".encode(),
    "events": b'event: error\ndata: {"type": "error"}\n\ndata: [DONE]\n\n',
    "odd event fields": b"7\n\nretry: 999999999999\nid: \x00\nevent: \x1b[2J\ndata\n\n: ping\n\ndata: {}",
}


def bodies(status: int) -> dict[str, Answer]:
    def answer(body: bytes) -> Answer:
        return lambda request: whole(request, body, status, x_should_retry="false")

    return {f"{name}, HTTP {status}": answer(body) for name, body in BODIES.items()}


def statuses() -> Iterator[tuple[str, Answer]]:
    bad = (101, 199, 201, 202, 204, 206, 304, 402, 403, 404, 405, 407, 408, 418, 421, 425, 451, 501, 502, 503, 529, 999)
    for status in bad:
        yield f"HTTP {status}", lambda it, s=status: whole(it, b"<html>Sign in</html>", s)  # type: ignore[misc]  # a lambda's default has no annotation


KINDS = ("", "text/html; charset=utf-7", "application/json; charset=utf-16", "text/event-stream; charset=latin-1",
                  "application/json; charset=no-such-charset", "multipart/byteranges",
         "application/x-ndjson", "\x7f/\xff", "a" * 500)  # fmt: skip
BAD_GZIP = {
    "gzip cut short": lambda body: gzip.compress(body)[:-9],
    "gzip with a wrong sum": lambda body: gzip.compress(body)[:-8] + bytes(8),
    "gzip and more": lambda body: gzip.compress(body) + b"more",
    "gzip twice in a row": lambda body: gzip.compress(body) * 2,
    "a gzip header": lambda _: b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff",
    "nothing": lambda _: b"",
    "plain text": lambda body: body,
}
CODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    **{f"gzip: {name}": ("gzip", spoil) for name, spoil in BAD_GZIP.items()},
    "x-gzip": ("X-GZIP", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "deflate without its header": ("deflate", lambda body: zlib.compress(body)[2:-4]),
    "deflate that is garbage": ("deflate", lambda _: b"\x00\xff" * 50),
    "gzip twice": ("gzip, gzip", lambda body: gzip.compress(gzip.compress(body))),
    "gzip thrice": ("gzip, gzip, gzip", lambda body: gzip.compress(gzip.compress(gzip.compress(body)))),
    "many codings": (", ".join(["gzip"] * 1000), lambda body: body),
    "identity": ("identity, , identity", lambda body: body),
    "brotli": ("br", lambda body: body),
    "zstandard": ("zstd", lambda body: b"\x28\xb5\x2f\xfd" + body),
    "an unknown coding": ("\x1b[31m", lambda body: body),
}


def encodings() -> Iterator[tuple[str, Answer]]:
    for kind in KINDS:
        yield f"{kind[:40]!r}", lambda it, k=kind: whole(it, good(it), kind=k)  # type: ignore[misc]  # as above
    for name, (coding, encode) in CODINGS.items():

        def answer(it: Received, coding: str = coding, encode: Callable[[bytes], bytes] = encode) -> bytes:
            return reply(encode(as_sent(it, good(it))), headers={"Content-Encoding": coding}, content_type=kind_of(it))

        yield name, answer


HEADERS: dict[str, tuple[int, dict[str, str]]] = {
    **{f"Location {to!r} of HTTP {status}": (status, {"Location": to})
       for status, to in product((301, 302, 303, 307, 308),
                                 ("http://127.0.0.1:1/", "//evil.example", "javascript:alert(1)", "http://[::1", ""))},
    **{f"Retry-After {it[:40]!r}": (429, {"Retry-After": it})
       for it in ("-1", "1e9", "9" * 400, "NaN", "\u0663", "Wed, 21 Oct 2015 07:28:00 GMT",
                  "Thu, 99 Foo 0000 99:99 +9999")},
    **{f"x-should-retry {it!r}": (400, {"x-should-retry": it}) for it in ("true", "maybe")},
    **{f"request-id {it[:20]!r}": (400, {"request-id": it}) for it in ("\x1b[2J", "x" * 9000, "::add-mask::", "\xff")},
    **{f"Content-Length {it[:20]!r}": (200, {"Content-Length": it})
       for it in ("99999", "0", "7", "-1", "+7", "0x10", "1, 2", "9" * 50, "\u0663", "")},
    **{f"Transfer-Encoding {it!r}": (200, {"Transfer-Encoding": it})
       for it in ("chunked", "gzip", "gzip, chunked", "chunked, chunked", "identity", "\x0bchunked")},
    "Set-Cookie": (200, {"Set-Cookie": "session=x; Domain=.com; Path=/"}),
    "a challenge": (401, {"WWW-Authenticate": 'Basic realm="\x1b[31m", Digest nonce="x", Negotiate'}),
    "Upgrade": (200, {"Upgrade": "h2c", "Connection": "Upgrade, close"}),
    "Alt-Svc": (200, {"Alt-Svc": 'h3="evil.example:443"', "Refresh": "0; url=http://evil.example"}),
    "a header that is too long": (200, {"X-Long": "x" * 70_000}),
    "too many headers": (200, {f"X-{number}": "x" * 20 for number in range(4000)}),
}  # fmt: skip


def headers() -> Iterator[tuple[str, Answer]]:
    for name, (status, fields) in HEADERS.items():

        def answer(it: Received, s: int = status, fields: dict[str, str] = fields) -> bytes:
            return reply(as_sent(it, good(it)), status=s, headers=fields, content_type=kind_of(it))

        yield name, answer


FRAMES: dict[str, bytes] = {
    "no status line": b"%(body)s",
    "an SSH banner": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a TLS alert": b"\x15\x03\x01\x00\x02\x02\x28",
    "an HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/2 frames": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" * 20,
    "an FTP greeting": b"220 ready\r\n",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\n%(body)s",
    "HTTP/0.9": b"HTTP/0.9 200 OK\r\n\r\n%(body)s",
    "HTTP/3.7": b"HTTP/3.7 200 OK\r\n\r\n%(body)s",
    "a status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "a negative status": b"HTTP/1.1 -200 OK\r\n\r\n",
    "a status of letters": b"HTTP/1.1 OK 200\r\n\r\n",
    "no reason": b"HTTP/1.1 200\r\n\r\n%(body)s",
    "a reason that is a command": b"HTTP/1.1 400 ::add-mask::x\r\n\r\n",
    "a reason that is a sequence": b"HTTP/1.1 400 \x1b[31m\r\n\r\n",
    "lines that end with a line feed": b"HTTP/1.1 200 OK\nX: y\n\n%(body)s",
    "lines that end with a return": b"HTTP/1.1 200 OK\rX: y\r\r%(body)s",
    "blank lines first": b"\r\n\r\nHTTP/1.1 200 OK\r\n\r\n%(body)s",
    "a head that is cut": b"HTTP/1.1 200 OK\r\nContent-",
    "a head without its end": b"HTTP/1.1 200 OK\r\nX: y\r\n",
    "a header without a colon": b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n%(body)s",
    "a header without a name": b"HTTP/1.1 200 OK\r\n: x\r\n\r\n%(body)s",
    "a header with a blank": b"HTTP/1.1 200 OK\r\nX : y\r\n\r\n%(body)s",
    "a header with a null": b"HTTP/1.1 200 OK\r\nX: \x00\r\n\r\n%(body)s",
    "a folded header": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\tc\r\n\r\n%(body)s",
    "lengths twice": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n%(body)s",
    "a length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two answers": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "a switch of protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n%(body)s",
    "hints and nothing": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 5,
    "too many hints": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 17 + b"HTTP/1.1 200 OK\r\n\r\n%(body)s",
    "one byte": b"H",
}  # fmt: skip
CHUNKS = {
    "no size": b"\r\n%(body)s\r\n0\r\n\r\n",
    "a size that is no number": b"xyz\r\n%(body)s\r\n0\r\n\r\n",
    "a negative size": b"-1\r\n%(body)s\r\n0\r\n\r\n",
    "a size with a prefix": b"0x5\r\n%(body)s\r\n0\r\n\r\n",
    "a size with underscores": b"1_0\r\n%(body)s\r\n0\r\n\r\n",
    "a size beyond all": b"fffffffffffffffff\r\n%(body)s",
    "a size of many digits": b"f" * 5000 + b"\r\n%(body)s",
    "a size that is too small": b"2\r\n%(body)s\r\n0\r\n\r\n",
    "a size that is too large": b"ffff\r\n%(body)s\r\n0\r\n\r\n",
    "no end": b"2\r\n{}\r\n",
    "an end without its line": b"2\r\n{}\r\n0\r\n",
    "line feeds only": b"2\n{}\n0\n\n",
    "an extension": b"2;a=\x1b[31m\r\n{}\r\n0\r\n\r\n",
    "a long extension": b"2;a=" + b"x" * 100_000 + b"\r\n{}\r\n0\r\n\r\n",
    "a trailer": b"2\r\n{}\r\n0\r\nContent-Length: 7\r\nX-Evil: \x1b[31m\r\n\r\n",
    "a trailer that is none": b"2\r\n{}\r\n0\r\nnonsense\r\n\r\n",
    "a long trailer": b"2\r\n{}\r\n0\r\n" + b"X: yyyyyyyy\r\n" * 20_000 + b"\r\n",
    "more behind the end": b"2\r\n{}\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{}",
}


def frames() -> Iterator[tuple[str, Answer]]:
    chunked = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n"
    for name, frame in FRAMES.items():
        yield name, lambda it, f=frame: f.replace(b"%(body)s", as_sent(it, good(it)))  # type: ignore[misc]  # as above
    for name, frame in CHUNKS.items():

        def answer(it: Received, frame: bytes = frame) -> bytes:
            return chunked % kind_of(it).encode() + frame.replace(b"%(body)s", as_sent(it, good(it)))

        yield f"chunks: {name}", answer


PLACES: dict[str, Callable[[Received, str], bytes]] = {
    "an error": lambda it, echo: whole(it, said(f"cannot use '{echo}' here"), 400),
    "an error of the server": lambda it, echo: whole(it, said(echo), 500),
    "a success": lambda it, echo: whole(it, said(echo)),
    "a denial": lambda it, echo: whole(it, json.dumps({"error": "invalid_grant", "seen": echo}).encode(), 401),
    "text": lambda it, echo: whole(it, f"cannot use {echo}".encode(), 403, "text/plain"),
    "cut JSON": lambda it, echo: whole(it, json.dumps({"error_description": echo})[:-2].encode(), 400),
    "a list": lambda it, echo: whole(it, json.dumps([echo]).encode()),
    "a cookie": lambda it, echo: whole(it, b"{}", 400, Set_Cookie=f"a={echo}; Path=/"),
    "the request id": lambda it, echo: whole(it, b"{}", 401, request_id=echo[:64]),
    "Retry-After": lambda it, echo: whole(it, b"{}", 429, Retry_After=echo),
    "Location": lambda it, echo: whole(it, b"", 307, Location=f"http://127.0.0.1:1/{echo}"),
    "an impossible Location": lambda it, echo: whole(it, b"", 307, Location=f"http://[{echo}"),
    "Content-Type": lambda it, echo: whole(it, b"x", 200, f"text/{echo}"),
    "Content-Encoding": lambda it, echo: whole(it, b"x", Content_Encoding=echo),
    "Content-Length": lambda it, echo: whole(it, b"x", Content_Length=echo),
    "Transfer-Encoding": lambda it, echo: whole(it, b"x", Transfer_Encoding=echo),
    "the status line": lambda _, echo: f"{echo}\r\n\r\n".encode(),
    "the reason": lambda _, echo: f"HTTP/1.1 400 {echo}\r\n\r\n".encode(),
    "an illegal header": lambda _, echo: f"HTTP/1.1 200 OK\r\n{echo} \x01: x\r\n\r\n".encode(),
    "a chunk's size": lambda _, echo: f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{echo}\r\n".encode(),
}
FORMS: dict[str, Callable[[str], str]] = {
    "whole": lambda secret: secret,
    "cut": lambda secret: secret[: len(secret) * 2 // 3],
    "cut at its start": lambda secret: secret[len(secret) // 3 :],
    "in base64": lambda secret: base64.b64encode(f"x{secret}".encode()).decode(),
    "in its base64": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="),
    "percent-encoded": lambda secret: quote(secret, safe=""),
}


def echoes() -> Iterator[tuple[str, Answer]]:
    for (place, put), (form, write) in product(PLACES.items(), FORMS.items()):
        yield f"{place}: {form}", lambda it, p=put, w=write: p(it, w(sent(it)))  # type: ignore[misc]  # as above


def endless(start: bytes, piece: bytes, pause: float = 0.0) -> Answer:
    def do(connection: socket.socket, request: Received) -> None:
        connection.sendall(start.replace(b"%(kind)s", kind_of(request).encode()))
        until = time.monotonic() + AMPLE
        while time.monotonic() < until:
            connection.sendall(piece)
            if pause:
                time.sleep(pause)

    return lambda _: Act(do)


def reset(before: bytes) -> Answer:
    def do(connection: socket.socket, request: Received) -> None:
        connection.sendall(before.replace(b"%(body)s", good(request)))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    return lambda _: Act(do)


OK = b"HTTP/1.1 200 OK\r\nContent-Type: %(kind)s\r\n"
IN_CHUNKS = OK + b"Transfer-Encoding: chunked\r\n\r\n"
SLOWLY = 0.1
HANGING: dict[str, Answer] = {
    "silence": endless(b"", b"", SLOWLY),
    "a status line, slowly": endless(b"HTTP/1.1 ", b"2", SLOWLY),
    "a header, slowly": endless(OK + b"X: ", b"x", SLOWLY),
    "headers, slowly": endless(OK, b"X: y\r\n", SLOWLY),
    "hints, slowly": endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", SLOWLY),
    "a body, slowly": endless(OK + b"\r\n", b" ", SLOWLY),
    "a body of a length, slowly": endless(OK + b"Content-Length: 99999\r\n\r\n", b" ", SLOWLY),
    "an error, slowly": endless(b"HTTP/1.1 500 X\r\n\r\n", b" ", SLOWLY),
    "a redirect, slowly": endless(b"HTTP/1.1 307 X\r\nLocation: /\r\n\r\n", b" ", SLOWLY),
    "a chunk's size, slowly": endless(IN_CHUNKS, b"0", SLOWLY),
    "chunks, slowly": endless(IN_CHUNKS, b"1\r\n \r\n", SLOWLY),
    "an extension, slowly": endless(IN_CHUNKS + b"5;x=", b"y", SLOWLY),
    "a trailer, slowly": endless(IN_CHUNKS + b"0\r\nX: ", b"y", SLOWLY),
    "gzip, slowly": endless(OK + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08", b"\x00", SLOWLY),
    "comments, slowly": endless(OK + b"\r\n", b": ping\n\n", SLOWLY),
    "events without data, slowly": endless(OK + b"\r\n", b"event: ping\n\n", SLOWLY),
    "silence behind a body": endless(OK + b'\r\ndata: {"type": "message_start"}\n\n', b"", SLOWLY),
    "silence behind half a head": endless(OK, b"", SLOWLY),
}


@functools.cache
def bomb(window: int) -> bytes:
    """256 MiB of blanks, packed as `window` says."""
    packer = zlib.compressobj(1, zlib.DEFLATED, window)
    return b"".join([*(packer.compress(b" " * (1 << 20)) for _ in range(256)), packer.flush()])


GZIP, DEFLATE = 31, 15
LARGE: dict[str, Answer] = {
    "headers without end": endless(OK, b"X: " + b"y" * 1000 + b"\r\n"),
    "a header without end": endless(OK + b"X: ", b"y" * 4096),
    "hints without end": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
    "a body without end": endless(OK + b"\r\n", b" " * 65536),
    "an error without end": endless(b"HTTP/1.1 400 X\r\n\r\n", b" " * 65536),
    "chunks without end": endless(IN_CHUNKS, b"4000\r\n" + b" " * 0x4000 + b"\r\n"),
    "a chunk without end": endless(IN_CHUNKS + b"fffffffffff\r\n", b" " * 65536),
    "a chunk's size without end": endless(IN_CHUNKS, b"0" * 4096),
    "an extension without end": endless(IN_CHUNKS + b"5;x=", b"y" * 4096),
    "a trailer without end": endless(IN_CHUNKS + b"0\r\nX: ", b"y" * 4096),
    "an event without end": endless(OK + b"\r\n", b"data: " + b"x" * 65536 + b"\n"),
    "an event of a line without end": endless(OK + b"\r\ndata: ", b"x" * 65536),
    "a bomb": lambda it: reply(bomb(GZIP), headers={"Content-Encoding": "gzip"}, content_type=kind_of(it)),
    "a bomb of a refusal": lambda _: reply(bomb(GZIP), status=403, headers={"Content-Encoding": "gzip"}),
    "a bomb of deflate": lambda it: reply(
        bomb(DEFLATE), headers={"Content-Encoding": "deflate"}, content_type=kind_of(it)
    ),
    "a bomb in a bomb": lambda it: reply(
        gzip.compress(bomb(GZIP), 9), headers={"Content-Encoding": "gzip, gzip"}, content_type=kind_of(it)
    ),
}


GROUPS: dict[str, dict[str, Answer]] = {
    **{f"bodies of HTTP {status}": bodies(status) for status in (200, 400)},
    "statuses": dict(statuses()),
    "encodings": dict(encodings()),
    "headers": dict(headers()),
    "frames": dict(frames()),
    "echoes": dict(echoes()),
    "resets": {
        "after the request": reset(b""),
        "in the head": reset(b"HTTP/1.1 200 OK\r\nContent-"),
        "in the body": reset(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n%(body)s"),
        "after the body": reset(b"HTTP/1.1 200 OK\r\n\r\n%(body)s"),
        "no answer": lambda _: b"",
        "before the request": lambda _: b"",
    },
    "hanging": HANGING,
    "large": LARGE,
}

# --- the tests --------------------------------------------------------------------------------------------------


@dataclass
class Servers:
    """One that answers a path by the number of the case in it, and one that hangs up at once."""

    base_url: str
    hangs_up: str


CASES = [(group, name) for group, answers in GROUPS.items() for name in answers]
by_turns = pytest.mark.parametrize("turns", [6, pytest.param(1, marks=pytest.mark.long)], ids=["turns", "all"])
"""Each answer is given to one of the six endpoints, and under `-m long` to all."""


def some_of(group: str, endpoint: str, turns: int) -> list[str]:
    return list(GROUPS[group])[list(ENDPOINTS).index(endpoint) % turns :: turns]


def answered(connection: socket.socket, request: Received) -> None:
    group, name = CASES[int(request.target.split("/")[1])]
    answer = GROUPS[group][name](request)
    if isinstance(answer, Act):
        answer.do(connection, request)
    else:
        connection.sendall(answer)


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with HostileServer(Act(answered)) as server, HostileServer(drop_before_reading()) as other:
        yield Servers(server.base_url, other.base_url)


def url_of(servers: Servers, group: str, name: str) -> str:
    if name == "before the request":
        return servers.hangs_up
    return f"{servers.base_url}/{CASES.index((group, name))}"


def problem_of(error: BaseException | None, seconds: float, allowed: float) -> str | None:
    """What is wrong with how a case ended, or `None`; the frames that an error passed are looked through, too."""
    if seconds > ATTEMPTS * allowed + MARGIN:
        return f"it took {seconds:.1f} s"
    if error is None:
        return None
    if not isinstance(error, AntWifError):
        return f"raised {error!r}"
    shown = [error.summary, *error.facts, str(error.hint)]
    if any(unicodedata.category(character) in UNFIT for line in shown for character in line):
        return f"is not fit for a terminal: {error!a} {error.hint!a}"
    return next(
        (f"shows a piece in {where}: {text[:300]!a}" for where, text in everything_seen(error) if is_seen(text)), None
    )


@functools.lru_cache(1000)
def is_seen(text: str) -> bool:
    return any(
        not PIECES.isdisjoint(run[at : at + LENGTH] for at in range(len(run) - LENGTH + 1)) for run in RUN.findall(text)
    )


def seen_in(log: pytest.LogCaptureFixture, output: str) -> list[str]:
    text = f"{log.text}{output}"
    return [line[:600] for line in text.split("\n") if is_seen(line)] if is_seen(text) else []


def test_there_are_enough_answers_and_no_two_are_the_same() -> None:
    assert len(CASES) >= 366
    assert {len(piece) for piece in PIECES} == {LENGTH}
    assert all(RUN.fullmatch(piece) for piece in PIECES)
    request = Received(f"GET /1/oidc HTTP/1.1\r\nAuthorization: {REQUEST_TOKEN}", b"")
    made = [answer(request) for group in GROUPS.values() for answer in group.values()]
    whole_ones = [it for it in made if isinstance(it, bytes) and it]
    assert not [it[:300] for it, times in collections.Counter(whole_ones).items() if times > 1]


@by_turns
@pytest.mark.parametrize("group", [name for name in GROUPS if name != "large"])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_thread_gets_a_result_or_a_typed_error(
    endpoint: str,
    group: str,
    turns: int,
    servers: Servers,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Other libraries say at each step what they do: that is read where they might repeat a secret.
    caplog.set_level("DEBUG", None if group == "echoes" else "ant_wif")
    allowed = DEADLINE if group == "hanging" else AMPLE

    def attempt(name: str) -> str | None:
        home = tmp_path / str(CASES.index((group, name)))
        error, begun = None, time.monotonic()
        try:
            ENDPOINTS[endpoint](url_of(servers, group, name), home, allowed)
        except Exception as raised:  # noqa: BLE001 - whatever comes is judged
            error = raised
        return problem_of(error, time.monotonic() - begun, allowed)

    names = some_of(group, endpoint, turns)
    with ThreadPoolExecutor(len(HANGING)) as pool:
        found = (pool.map if group == "hanging" else map)(attempt, names)
        problems = {name: problem for name, problem in zip(names, found, strict=True) if problem}
    assert not problems, "\n".join(f"{name}: {problem}" for name, problem in problems.items())
    assert not seen_in(caplog, "".join(capsys.readouterr()))


@by_turns
@pytest.mark.parametrize("group", ["encodings", "frames", "resets", "hanging"])
@pytest.mark.parametrize("endpoint", FLOWS)
def test_a_task_gets_a_result_or_a_typed_error(
    endpoint: str, group: str, turns: int, servers: Servers, tmp_path: Path
) -> None:
    """What is in a body is read by the same code."""
    allowed = DEADLINE if group == "hanging" else AMPLE
    problems: dict[str, str] = {}

    async def attempt(name: str, limit: anyio.CapacityLimiter) -> None:
        async with limit:
            error, begun = None, time.monotonic()
            try:
                flow = FLOWS[endpoint](url_of(servers, group, name), tmp_path / str(CASES.index((group, name))))
                await arun(at_once(flow, seconds=allowed), environ={})
            except Exception as raised:  # noqa: BLE001 - whatever comes is judged
                error = raised
            problem = problem_of(error, time.monotonic() - begun, allowed)
        if problem:
            problems[name] = problem

    async def all_of_them() -> None:
        limit = anyio.CapacityLimiter(len(HANGING))
        async with anyio.create_task_group() as tasks:
            for name in some_of(group, endpoint, turns):
                tasks.start_soon(attempt, name, limit)

    anyio.run(all_of_them)
    assert not problems, "\n".join(f"{name}: {problem}" for name, problem in problems.items())


@by_turns
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_large_answer_takes_little_memory(endpoint: str, turns: int, servers: Servers, tmp_path: Path) -> None:
    problems = {}
    tracemalloc.start(1)
    try:
        for name in some_of("large", endpoint, turns):
            tracemalloc.reset_peak()
            before, begun, error = tracemalloc.get_traced_memory()[0], time.monotonic(), None
            try:
                ENDPOINTS[endpoint](url_of(servers, "large", name), tmp_path, AMPLE)
            except Exception as raised:  # noqa: BLE001 - whatever comes is judged
                error = raised
            taken = tracemalloc.get_traced_memory()[1] - before
            problem = problem_of(error, time.monotonic() - begun, AMPLE)
            if problem or error is None or taken > MOST_MEMORY:
                problems[name] = f"{taken >> 20} MiB, {error!r}, {problem}"
    finally:
        tracemalloc.stop()
    assert not problems, "\n".join(f"{name}: {problem}" for name, problem in problems.items())
