"""SPIFFE: JWT-SVIDs of one workload."""

from __future__ import annotations

import socket
from pathlib import Path

import jwt
import pytest

import ant_wif
from ant_wif.emulator import Emulator


def test_spiffe_helper_writes_a_svid_that_the_seeded_rule_accepts(tmp_path: Path) -> None:
    with Emulator() as emulator:
        path = emulator.spiffe_svid(tmp_path / "svids" / "jwt_svid.token")
        job = {"HOME": "/nonexistent", "ANT_CACHE": "memory", **emulator.env("spiffe")}
        assert ant_wif.resolve(environ={**job, "ANTHROPIC_IDENTITY_TOKEN_FILE": path}).token()
        profile = emulator.identity_token("spiffe")
        assert Path(str(profile["path"])).read_text().count(".") == 2
    claims = jwt.decode(Path(path).read_text(), options={"verify_signature": False})
    assert claims["sub"] == "spiffe://acme.example/ns/ci/sa/builder"
    assert claims["aud"] == ["https://api.anthropic.com"]
    assert "jti" not in claims


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_the_server_of_the_workload_api_signs_as_spiffe(alg: str) -> None:
    with Emulator() as emulator:
        token = emulator.sign_as("spiffe", {"sub": "spiffe://acme.example/x", "aud": ["a"]}, alg)
        issuer = emulator.issuer("spiffe").issuer_url
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["iss"] == issuer
    assert claims["exp"] - claims["iat"] == 300


def test_the_socket_is_a_place_where_a_test_may_listen() -> None:
    with Emulator() as emulator, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(emulator.env("spiffe")["SPIFFE_ENDPOINT_SOCKET"].removeprefix("unix://"))
