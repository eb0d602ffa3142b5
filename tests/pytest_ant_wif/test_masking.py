"""What is masked and what is left alone, in texts of every kind and size."""

from __future__ import annotations

import base64
import json
import secrets
import time

import pytest

from pytest_ant_wif._leaks.masking import Masking

KNOWN = "a-known-secret-0123456789-of-no-shape-ABCDEFGHIJ"


def _encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode().rstrip("=")


JWT = f"{_encoded({'alg': 'RS256', 'kid': 'one'})}.{_encoded({'sub': 'someone', 'n': 1})}.{secrets.token_urlsafe(64)}"
BODY = "\n".join(secrets.token_hex(32) for _ in range(3))
BEGIN, END = "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----"


@pytest.fixture
def masking() -> Masking:
    made = Masking()
    made.know(KNOWN)
    return made


@pytest.mark.parametrize(
    "unit",
    ["QUJDREVGR0hJSktMTU5PUA", "a...", ".", "eyJ", "eyJ-...", f"{BEGIN}\n", "\\", KNOWN[:12], "bearer%20%20%20%20%20"],
)
def test_the_time_grows_with_the_text_and_not_with_its_square(masking: Masking, unit: str) -> None:
    def taken(size: int) -> float:
        text = f"loading...{unit * (size // len(unit))}...end"
        begun = time.process_time()
        masking.clean(text)
        return time.process_time() - begun

    small = min(taken(50_000) for _ in range(2))
    assert min(taken(200_000) for _ in range(2)) < 9 * small + 0.5


def test_a_secret_of_many_equal_characters_costs_little(masking: Masking) -> None:
    masking.know("x" * 1000)
    masking.know("..." * 1000)
    begun = time.process_time()
    masking.clean("x" * 999 + "..." + "x" * 900 + "y" + ("x" * 15 + "...") * 20_000)
    assert time.process_time() - begun < 10


@pytest.mark.parametrize("start", range(0, len(KNOWN) - 16, 5))
@pytest.mark.parametrize("before", range(0, 9, 3))
def test_a_piece_of_a_known_secret_is_masked_wherever_it_stands(masking: Masking, start: int, before: int) -> None:
    piece = KNOWN[start : start + 17]
    assert masking.clean(f"{'-' * before} {piece}|") == f"{'-' * before} [masked]|"
    assert masking.clean(f"{piece[:15]}|") == f"{piece[:15]}|"


def test_what_was_masked_already_is_not_changed_again(masking: Masking) -> None:
    masking.know(JWT)
    for text in f"{KNOWN[:16]}...", f"{JWT[:16]}...", "[masked]", "[JWT of 700 characters]", "sk-ant-oat01-abc...":
        assert masking.clean(text) == text


@pytest.mark.parametrize("text", ["'{}...{}'", "{{'token': '{}...{}'}}", "a...b {}...{}, c...d", "'of{}...{}'"])
def test_both_sides_of_a_cut_are_masked(masking: Masking, text: str) -> None:
    assert masking.clean(text.format(KNOWN[:9], KNOWN[-7:])) == text.replace("{}...{}", "{}").format("[masked]")
    for secret in JWT, f"sk-ant-oat01-{secrets.token_urlsafe(60)}":
        shown = text.replace("{}...{}", "{}").format(f"{secret[:16]}...")
        assert masking.clean(text.format(secret[:40], secret[-40:])) == shown
    assert masking.clean(text.format("sk-ant", secret[6:])) == text.format("sk-ant", "")


@pytest.mark.parametrize(
    "text",
    ["{}", "Bearer {}", "token={}", "assertion%3D{}", "'\\n{}'", "https://example.com/{}", "{}.", "x-{}", "x{}"],
)
def test_a_jwt_is_masked_wherever_it_stands(text: str) -> None:
    cleaned = Masking().clean(text.format(JWT))
    for part in JWT.split("."):
        assert part not in cleaned
    assert "[JWT of" in cleaned


@pytest.mark.parametrize(
    "text",
    [
        "keyJsonSerializerFactory",
        "the keyJsonSerializerFactory.of.it",
        "eyJsonSerializerFactory.of.it",
        "data:image/png;base64,iVBORw0KGgo/eyJhbGciOiJSUzI1NiJ9AAAAAAAAAAAA+eyJhbGciOiJSUzI1NiJ9==",
        "next_page=eyJwYWdlIjoyfQ",
        "cursor eyJwYWdlIjoyfQ... and eyJwYWdlIjoyfQ.json",
        "code: compute3CodesOfThisRunAgain",
        "a basic 3DimensionalPipelineForEveryone",
        "error code: E1234567890ABCDEFGHIJ",
        f"a key begins with {BEGIN} and then some words follow, many of them",
        f"{BEGIN} and {END}",
        f"key = '{BEGIN}\\n' + generate_private_key_body() + '{END}'",
    ],
)
def test_what_only_looks_like_a_secret_is_left_alone(text: str) -> None:
    assert Masking().clean(text) == text


@pytest.mark.parametrize(
    "text",
    ["code={}", "code: '{}'", '{{"code": "{}"}}', "code%3D{}", "Authorization: Basic {}", "token: {}", "bearer {}"],
)
def test_what_a_label_names_is_masked(text: str) -> None:
    secret = f"{secrets.token_urlsafe(32)}0aA"
    assert Masking().clean(text.format(secret)) == text.format("[masked]")


@pytest.mark.parametrize("newline", ["\n", "\\n", "\nE   ", "\r\n    ", "|"])
@pytest.mark.parametrize("end", [END, ""])
def test_a_private_key_is_masked_and_what_follows_is_not(newline: str, end: str) -> None:
    lines = [line for line in (BEGIN, *BODY.split("\n"), "Ag==", end) if line]
    assert Masking().clean(f"key: {newline.join(lines)}\nwords after it") == "key: [private key]\nwords after it"
