"""What tests of failing identity sources share: secrets to look for, flows without their pauses, keys."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar, cast

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from ant_wif import IdentityTokenError
from ant_wif._environment import Environment
from ant_wif._http.flow import Flow, Pause, Request
from ant_wif._http.transport import run
from ant_wif.identity import Context, IdentitySource, IdentityToken
from support.leaks import assert_in_lines, assert_unseen
from support.misbehaving_server import forged_jwt

OPAQUE = "kq7Zr0Vw2Lx9Tn4Yb6Hd8Mf1Gs3Pc5Ja"
"""A secret of no known shape, whose use is all that gives it away."""
TOKEN = forged_jwt()
ELSEWHERE = forged_jwt({"aud": "https://elsewhere.example"})

T = TypeVar("T")


def at_once(flow: Flow[T], waited: list[float] | None = None, *, seconds: float | None = None) -> Flow[T]:
    """The flow without its pauses, which are noted in `waited` instead of made; each request may take `seconds`."""
    outcome: Any = None
    failure: Exception | None = None
    try:
        while True:
            step = flow.throw(failure) if failure else flow.send(outcome)
            outcome, failure = None, None
            if isinstance(step, Pause):
                outcome = True
                if waited is not None:
                    waited.append(step.seconds)
                continue
            if isinstance(step, Request) and seconds is not None:
                step = replace(step, timeout=seconds)
            try:
                outcome = yield step
            except Exception as error:  # noqa: BLE001 - the flow decides, and raises it again
                failure = error
    except StopIteration as done:
        return cast("T", done.value)


def fetched(
    source: IdentitySource, environ: dict[str, str] | None, waited: list[float] | None = None, *, client: httpx.Client
) -> IdentityToken:
    """What the source hands out; `environ` is the process's own where it is `None`."""
    return run(at_once(source.fetch(Context(Environment(environ))), waited), client)


def assert_fails(
    fetch: Callable[..., IdentityToken],
    log: pytest.LogCaptureFixture,
    source: IdentitySource,
    environ: dict[str, str] | None,
    *hints: str,
    secrets: tuple[str, ...] = (),
) -> IdentityTokenError:
    """The error of a source: printable lines, with a step that mends it and no secret, nor is one logged."""
    with pytest.raises(IdentityTokenError) as failed:
        fetch(source, environ)
    error = failed.value
    assert_in_lines(error)
    assert error.hint, str(error)
    for hint in hints:
        assert hint in error.hint, f"{error}\nhint: {error.hint}"
    logged = "\n".join(record.getMessage() for record in log.records)
    log.clear()  # so that the next one does not look through it again
    assert_unseen(f"{error} {error!r} {error.hint} {vars(error)}\n{logged}", TOKEN, ELSEWHERE, OPAQUE, *secrets)
    return error


@functools.cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def unusable_keys() -> dict[str, bytes]:
    """Files in the place of a private key that RS256 or ES256 could sign with."""
    key = rsa_key()
    return {
        "public": key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "encrypted": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")),
        "der": key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        "cut": pem(key)[:-200],
        "another curve": pem(ec.generate_private_key(ec.SECP256K1())),
        "another kind": pem(ed25519.Ed25519PrivateKey.generate()),
        "text": OPAQUE.encode(),
        "empty": b"",
    }
