"""Masking: whatever surrounds a secret, it does not get through, and no input makes the search slow."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from collections.abc import Callable

import pydantic
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ant_wif import _secrets
from ant_wif._http import Request
from ant_wif._http.flow import unwrap
from ant_wif._secrets import (
    LABELS,
    SecretStr,
    as_secret,
    harmless,
    harmless_json,
    harmless_pieces,
    mask,
    may_hold_secret,
    redact,
    sanitize,
)
from support import preloaded

BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def jwt(claims: dict[str, object], signature: bytes) -> str:
    parts = (b'{"alg":"RS256","kid":"k"}', json.dumps(claims, separators=(",", ":")).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


# What a scrubber could stumble over: beginnings of secrets, labels, quotes, and ordinary text.
fragments = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            "", " ", ".", "..", "...", "-", "_", "eyJ", "eyJhbGciOi", "eyJhbGciOi.", "eyJhbGciOiJ.e.e.", "a.b.",
            "sk-ant-", "sk-ant-oat01-", "sk-ant-api03", "sk-", "Bearer ", "bearer  ", "Authorization: ", "Basic ",
            '"access_token": "', "'value': '", '"', "'", "\\", '\\"', "\\n", "\n", "\x00", "token=", "code=", "&", "?",
            "[masked]", "[JWT", "[private key]", "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----",
            "-----BEGIN RSA PRIVATE KEY-----\n", "%2e", "=", "==", ":", ";", ",", "\ud800", "\u202e", "K",
        ]
    ),
)  # fmt: skip
surroundings = st.lists(fragments, max_size=6).map("".join)

anthropic_tokens = st.builds(
    lambda kind, rest: f"sk-ant-{kind}-{rest}",
    st.sampled_from(["api03", "oat01", "ort01", "admin01", "sid01", "x"]),
    st.text(alphabet=BASE64URL, min_size=24, max_size=120),
)
jwts = st.builds(
    jwt,
    st.dictionaries(st.sampled_from(["iss", "sub", "aud", "jti"]), st.text(max_size=20), min_size=1),
    st.binary(min_size=32, max_size=64),
)
known_secrets = st.text(min_size=12, max_size=60).filter(lambda text: len(set(text)) > 6 and "masked" not in text)


def leaked(secret: str, text: str, *, shown: int = 16, window: int = 12) -> str | None:
    """A piece of the secret, beyond the beginning that may be shown, that can be read in the text."""
    hidden = secret[shown:]
    pieces = (hidden[at : at + window] for at in range(max(1, len(hidden) - window + 1)))
    return next((piece for piece in pieces if piece and piece in text), None)


# --- mask -------------------------------------------------------------------------------------------


def test_a_mask_shows_sixteen_characters_and_no_more() -> None:
    assert mask("sk-ant-oat01-abcdefghijkl") == "sk-ant-oat01-abc..."
    assert mask(SecretStr("sk-ant-oat01-abcdefghijkl")) == "sk-ant-oat01-abc..."


@pytest.mark.parametrize("text", ["", "x", "sixteen letters!"])
def test_of_a_short_secret_only_the_length_is_shown(text: str) -> None:
    assert mask(text) == f"({len(text)} characters)"


@given(st.text(max_size=80))
def test_a_mask_never_holds_more_than_the_beginning_and_no_control_character(secret: str) -> None:
    shown = mask(secret)
    assert len(shown) <= 19
    assert len(secret) <= 16 or shown[:-3].replace("?", "") in secret or "?" in shown
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", shown)


def test_a_secret_string_does_not_show_itself() -> None:
    assert "oat01" not in f"{SecretStr('sk-ant-oat01-abcdef')!r} {SecretStr('sk-ant-oat01-abcdef')}"


def test_a_secret_string_of_pydantic_s_own_is_taken_and_sent_as_one_of_ours() -> None:
    given = pydantic.SecretStr("sk-ant-oat01-abcdef")
    assert as_secret(given) == SecretStr("sk-ant-oat01-abcdef")
    assert type(as_secret(given)) is SecretStr
    assert unwrap(given) == "sk-ant-oat01-abcdef"
    assert Request("GET", "https://x.example", headers={"X-Thing": given}).secrets == (given,)


# --- scrub ------------------------------------------------------------------------------------------


@given(before=surroundings, token=anthropic_tokens, after=surroundings)
def test_no_anthropic_token_gets_through(before: str, token: str, after: str) -> None:
    assume(leaked(token, before + after) is None)
    assert leaked(token, redact(before + token + after)) is None
    assert leaked(token, sanitize(before + token + after)) is None


@given(before=surroundings, token=jwts, after=surroundings)
def test_no_jwt_gets_through(before: str, token: str, after: str) -> None:
    seen = redact(before + token + after)
    for part in token.split("."):
        assert leaked(part, seen, shown=0) is None
        assert leaked(part, sanitize(before + token + after), shown=0) is None


@given(before=surroundings, secret=known_secrets, after=surroundings)
def test_no_known_secret_gets_through(before: str, secret: str, after: str) -> None:
    known = [SecretStr(secret)]
    assert secret not in redact(before + secret + after, known)
    assert secret not in sanitize(before + secret + after, known=known)


long_secrets = st.text(alphabet=BASE64URL, min_size=48, max_size=120).filter(lambda text: len(set(text)) > 12)


@given(before=surroundings, secret=long_secrets, after=surroundings, start=st.integers(0, 80))
def test_no_long_piece_of_a_known_secret_gets_through(before: str, secret: str, after: str, start: int) -> None:
    piece = secret[start:]
    assume(len(piece) >= 35)
    assume(leaked(secret, before + after) is None)
    assert leaked(piece, redact(before + piece + after, [SecretStr(secret)]), shown=0, window=24) is None


@given(before=st.binary(max_size=9), secret=long_secrets, after=st.binary(max_size=9), way=st.booleans())
def test_no_known_secret_gets_through_in_base64(before: bytes, secret: str, after: bytes, way: bool) -> None:
    encode = base64.urlsafe_b64encode if way else base64.b64encode
    echoed = encode(before + secret.encode() + after).decode()
    seen = redact(echoed, [SecretStr(secret)])
    # What is left at either end are the groups that hold a neighbour's byte, too.
    assert len(seen) - len("[masked]") <= len(encode(before + after)) + 8


@given(before=surroundings, token=jwts, after=surroundings, part=st.sampled_from([0, 1, 2]))
def test_no_part_of_a_known_jwt_gets_through_alone(before: str, token: str, after: str, part: int) -> None:
    piece = token.split(".")[part]
    for seen in (
        redact(before + piece + after, [SecretStr(token)]),
        sanitize(before + piece + after, known=[SecretStr(token)]),
    ):
        assert leaked(piece, seen, shown=0) is None


@given(token=jwts, before=surroundings, at=st.integers(0, 40), limit=st.sampled_from([32, 64, 256]))
def test_a_known_secret_that_the_cut_divides_does_not_get_through_in_part(
    token: str, before: str, at: int, limit: int
) -> None:
    """Masking shortens, so what stood beyond the limit may come to stand within it."""
    signature = token.split(".")[2]
    lead = f"{before}sk-ant-x-"
    filled = lead + "a" * max(0, limit * 64 - at - len(lead) - 1) + " "
    assert leaked(signature, sanitize(filled + signature, known=[SecretStr(token)], limit=limit), shown=0) is None


@pytest.mark.parametrize(
    "text",
    [
        'sent {"access_token": "S3cretS3cretS3cret"}', "sent {'refresh_token': 'S3cretS3cretS3cret'}",
        "grant_type=x&client_secret=S3cretS3cretS3cret&y=1", "https://h/callback?code=S3cretS3cretS3cret&state=x",
        "Authorization: Bearer S3cretS3cretS3cret", "authorization: basic S3cretS3cretS3cret",
        "AUTHORIZATION=S3cretS3cretS3cret", "b'Authorization': b'Bearer S3cretS3cretS3cret'",
        "x-api-key: S3cretS3cretS3cret", "X-IDENTITY-HEADER: S3cretS3cretS3cret",
        'the "value": "S3cretS3cretS3cret" came', '{"password": "it\'s S3cretS3cretS3cret"}',
        '{"password": "a\\"S3cretS3cretS3cret"}',
        "-----BEGIN PRIVATE KEY-----\nS3cretS3cretS3cret\n-----END PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\nS3cretS3cretS3cret",
        "ANTHROPIC_AUTH_TOKEN=S3cretS3cretS3cret", "export MY_API_KEY='S3cretS3cretS3cret'",
        "x-refresh-token: S3cretS3cretS3cret", "--client-secret=S3cretS3cretS3cret", "apiKey: S3cretS3cretS3cret",
        "passphrase=S3cretS3cretS3cret", "<id_token>S3cretS3cretS3cret</id_token>",
        "HTTP_AUTHORIZATION=S3cretS3cretS3cret",
        '{\\\\\\"access_token\\\\\\": \\\\\\"S3cretS3cretS3cret\\\\\\"}',
        "%7B%22token%22%3A%20%22S3cretS3cretS3cret%22%7D",
        "grant_type%3Dx%26code%3DS3cretS3cretS3cret", "token: >-\n  S3cretS3cretS3cret",
        "token: |\n  S3cretS3cretS3cret",
        'form-data; name="password"\r\n\r\nS3cretS3cretS3cret', "Authorization: Bearer+S3cretS3cretS3cret",
        "authorization: Negotiate S3cretS3cretS3cret",
        'Authorization: Digest username="x", response="S3cretS3cretS3cret"',
        "Cookie: a=b; session=S3cretS3cretS3cret", '"set-cookie": "sid=S3cretS3cretS3cret; Path=/"',
        "('cookie', 'sid=S3cretS3cretS3cret')", "cannot reach http://user:S3cretS3cretS3cret@proxy:3128/",
        "the access token S3cretS3cretS3cret01 was refused", "password\tS3cretS3cretS3cret01",
        "postgres://u:S3cretS3cretS3cret@[::1]/x", "token=S3cretS3cretS3cret...",
    ],
)  # fmt: skip
def test_what_a_label_calls_a_secret_does_not_get_through(text: str) -> None:
    assert "S3cretS3cretS3cret" not in redact(text)
    assert "S3cretS3cretS3cret" not in sanitize(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "Authentication failed", "workspace_id: must be wrkspc_… or the word default",
        "the rule fdrl_01ABC does not exist", "repo:acme/app:ref:refs/heads/main",
        "https://token.actions.githubusercontent.com", '{"error": "invalid_grant", "error_description": "expired"}',
        "-----BEGIN CERTIFICATE-----", "a code, a value and a secret", "status_code=401, exit_code=7",
        "max_tokens=1024",
        "https://[::1]:8443/a@b", "http://127.0.0.1:8080/x?y=z@w", "use <token> here", "token_type: Bearer",
        "cookies: none", "the token fdrl_01ABCDEFGHIJKLMNOPQR is not a rule",
        "the token 123e4567-e89b-12d3-a456-426614174000 was used",
    ],
)  # fmt: skip
def test_text_without_a_secret_stays_as_it_is(text: str) -> None:
    assert redact(text) == sanitize(text) == text


def test_a_known_word_too_short_to_be_a_secret_does_not_eat_ordinary_text() -> None:
    assert (
        redact("an error of a user", [SecretStr("error"), SecretStr(""), SecretStr("a.of.user")])
        == "an error of a user"
    )


@given(text=surroundings, token=st.one_of(anthropic_tokens, jwts))
def test_scrubbing_what_is_scrubbed_brings_nothing_back(text: str, token: str) -> None:
    once = redact(text + token)
    assert leaked(token.rsplit(".", maxsplit=1)[-1], redact(once), shown=16) is None


# --- clean ------------------------------------------------------------------------------------------


@given(st.text(), st.integers(1, 300))
def test_cleaned_text_fits_a_line_of_a_terminal_and_the_limit(text: str, limit: int) -> None:
    shown = sanitize(text, limit=limit)
    assert len(shown) <= limit + 3
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", shown)
    assert shown.encode("utf-8").decode("utf-8") == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\nb", "a\\nb"), ("\x1b[31mred", "\\x1b[31mred"), ("\u202etxt", "\\u202etxt"), ("\ud800", "\\ud800")],
)
def test_control_characters_are_escaped(text: str, shown: str) -> None:
    assert sanitize(text) == shown


@pytest.mark.parametrize("value", [None, 7, 1.5, ["a"], {"a": 1}, b"bytes"])
def test_anything_can_be_cleaned(value: object) -> None:
    assert sanitize(value) == str(value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rule fdrl_01KCCjeyJjN7wTFRv4iQ2abc", None),
        ("wrkspc_01eyJaaaaaaaaaaaaaaaaaaa, svac_01aaaaaaaaaaaeyJaaaaaaaa", None),
        ("fdrl_01KCCjeyJjN7wTFRv4iQ2abcd", "fdrl_01KCCj[JWT of 19 characters]"),
        ("fdrl_01KCCjeyJjN7wTFRv4iQ2ab.eyJaaaaaaaa.a", "fdrl_01KCCj[JWT of 31 characters]"),
        ("eyJjN7wTFRv4iQ2abc", "[JWT of 18 characters]"),
    ],
)
def test_an_id_whose_random_part_holds_the_letters_of_a_jwt_is_shown(text: str, shown: str | None) -> None:
    assert sanitize(text) == (shown or text)


def test_long_text_is_cut_and_says_so() -> None:
    assert sanitize("x" * 300) == "x" * 256 + "..."
    assert sanitize("x" * 256) == "x" * 256


# --- time -------------------------------------------------------------------------------------------

NASTY = [
    "-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "-----BEGIN A", "PRIVATE KEY", "-----END ", "A ", "-",
    "eyJ", "eyJ.", "eyJ-", "eyJaaaaaaaa", "eyJaaaaaaaa.", "eyJaaaaaaaa.a.a.a.", ".",
    "sk-ant-", "sk-ant-a", "sk-ant-a-", "sk-ant-a-b ", "sk-",
    "authorization", "authorization:", "authorization: ", "authorization : bearer ", "authorization='", "x-api-key=",
    "bearer", "bearer ", "bearer\t", "bearer aaaaaaaa", " ", "\n", "'", '"', "\\", '\\"', "''",
    '"value"', '"value":', '"value": "', '"value" : \'', "'code'", "code=", " code=", "&code=", "?code=a",
    "sk&#45;ant&#45;", "%2d", "eyJ%2E", "c2stYW50L", "c2stYW50L\n", "736b2d616e742d", "\\x2e", "\\", "&#x",
    "a", "é", "\x00", "\ud800", "=", ":",
]  # fmt: skip


def test_a_long_text_of_any_nasty_repetition_is_scrubbed() -> None:
    """In a process of its own, which can be stopped: a search that backtracks without end holds its lock."""
    program = """
import itertools, sys
from ant_wif._secrets import SecretStr, redact, sanitize
nasty = eval(sys.stdin.read())
known = [SecretStr("eyJaaaaaaaa.bbbbbbbbbbbb.cccccccccccc")]
for piece in nasty:
    text = piece * ((1 << 16) // len(piece))
    sanitize(text, known=known); redact(text + " %2d", certain=True)
for first, second in itertools.permutations(nasty, 2):
    # An opening followed by a long run that never completes it, and the same run ended by something else.
    run = first + second * (128 // len(second))
    redact(run + "!"); redact(run * 4 + "\\n")
print("done")
"""
    done = preloaded.run(
        [sys.executable, "-c", program], input=ascii(NASTY), capture_output=True, text=True, timeout=40, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("done", "")


def test_a_text_that_names_no_secret_needs_no_pattern_that_takes_long_to_compile() -> None:
    patterns = (_secrets._label, _secrets._values, _secrets._disguised)
    for each in patterns:
        each.cache_clear()
    assert sanitize("/home/me/.config/anthropic/configs/default.json").endswith("default.json")
    assert [each.cache_info().currsize for each in patterns] == [0, 0, 0]


def test_a_masked_secret_stays_as_it_is() -> None:
    once = sanitize("the token sk-ant-oat01-" + "a" * 40 + " was used")
    assert once == "the token sk-ant-oat01-aaa... was used"
    assert sanitize(once) == once


# --- one table for the library and the pytest plugin --------------------------------------------------


@pytest.mark.parametrize("form", ['{{"{}": "{}"}}', "{}={}", "{} = '{}'", "{}: '{}'", "x&{}%3D{}"])
def test_a_label_is_known_to_both_users_of_the_table(form: str) -> None:
    for label in (*LABELS, "code"):
        text = form.format(label, "S3cretS3cretS3cretS3cret")
        assert not [each for each in (False, True) if "S3cretS3cret" in redact(text, certain=each)], label
        assert may_hold_secret(text), label


def lines_of(text: str, width: int) -> list[str]:
    return [text[at : at + width] for at in range(0, len(text), width)]


SPLITS = ["\n", "\r\n    ", "\\n", "=\n", "%0A", "&#10;", "<br>", " ", "\n> ", '"\n"', "\u200b", "' + '"]
WRITINGS: dict[str, Callable[[str], str]] = {
    "upper": str.upper,
    "lower": str.lower,
    "spaced": " ".join,
    "list": lambda text: repr(list(text)),
    "percent": lambda text: "".join(f"%{ord(each):02x}" for each in text),
    "unicode": lambda text: "".join(f"\\u{ord(each):04x}" for each in text),
    "entities": lambda text: "".join(f"&#{ord(each)};" for each in text),
    "bytes": lambda text: "".join(f"\\x{ord(each):02x}" for each in text),
    "hex": lambda text: text.encode().hex(":").upper(),
    **{
        f"{width} {split!r}": lambda text, width=width, split=split: split.join(lines_of(text, width))  # type: ignore[misc]  # of the loop
        for width in (16, 76)
        for split in SPLITS
    },
}


@pytest.mark.parametrize("writing", WRITINGS)
def test_a_known_secret_is_seen_however_it_is_written(writing: str) -> None:
    opaque = "".join(hashlib.sha256(bytes([each])).hexdigest() for each in range(3))
    for secret in (opaque, f"sk-ant-oat01-{opaque}"):
        shown = redact(f'{{"x": "{WRITINGS[writing](secret)}"}} and more', [SecretStr(secret)])
        seen = re.sub("[^a-z0-9]", "", shown.lower())
        assert leaked(re.sub("[^a-z0-9]", "", secret), seen, shown=16, window=12) is None
        assert leaked(re.sub("[^a-z0-9]", "", WRITINGS[writing](secret).lower()), seen, shown=24, window=12) is None
        assert shown.endswith("and more")


def in_base64(before: int, *, safe: bool, width: int = 0) -> Callable[[str], str]:
    """Of a text that holds the token behind so many bytes, in lines where there is a `width`."""

    def write(text: str) -> str:
        whole = base64.b64encode(f"{'>' * before}{text}".encode(), b"-_" if safe else b"+/").decode()
        return "\n".join(lines_of(whole, width)) if width else whole

    return write


UNKNOWN_WRITINGS: dict[str, Callable[[str], str]] = {
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
    "in hex": lambda text: f'{{"access_token": "{text}"}}'.encode().hex(),
    "lines of base64": in_base64(17, safe=False, width=76),
    **{f"base64 {before} {safe}": in_base64(before, safe=safe) for before in range(3) for safe in (False, True)},
    **{
        each: lambda text, each=each: re.sub(r"[.\-]", lambda found: each.format(ord(found.group())), text)  # type: ignore[misc]  # of the loop
        for each in ("&#{};", "&#x{:x};", "&#x{:02X};", "%{:02X}", "%{:02x}", "%25{:02X}", "\\u{:04x}", "\\\\x{:02x}")
    },
    "all entities": WRITINGS["entities"],
    "all bytes": WRITINGS["bytes"],
}


@pytest.mark.parametrize("certain", [False, True])
@pytest.mark.parametrize("writing", UNKNOWN_WRITINGS)
def test_an_unknown_token_is_seen_however_it_is_written(writing: str, *, certain: bool) -> None:
    whole = "".join(hashlib.sha256(bytes([each])).hexdigest() for each in range(2))
    for token in (f"sk-ant-oat01-{whole}-{whole}", jwt({"sub": whole}, hashlib.sha512(b"").digest())):
        written = UNKNOWN_WRITINGS[writing](token)
        for text in (f"refused: {written} (log in)", f'{{"x": "{written}"}} (log in)'):
            shown = redact(text, certain=certain)
            assert leaked(written, shown, shown=40, window=12) is None
            assert shown.endswith(" (log in)")
            assert may_hold_secret(text) or writing.startswith("all"), "what is escaped as a whole is not looked for"


@pytest.mark.parametrize("certain", [False, True])
@pytest.mark.parametrize("before", ["token", "_", "7", "Bearer", "sha256-eyJhbGciOi", "IHggeyJ4I"])
def test_a_jwt_is_seen_behind_a_letter(before: str, *, certain: bool) -> None:
    token = jwt({"sub": "someone"}, hashlib.sha512(b"").digest())
    shown = redact(f"got {before}{token} (log in)", certain=certain)
    assert leaked(token, shown, shown=0, window=12) is None
    assert shown.endswith(" (log in)")


@pytest.mark.parametrize("split", ["\n", "\r\n  ", "\\n", "=\n", "\n> "])
def test_a_token_that_goes_on_in_the_next_line_is_masked_to_its_end(split: str) -> None:
    whole = "".join(hashlib.sha256(bytes([each])).hexdigest() for each in range(3))
    for token in (f"sk-ant-oat01-{whole}", jwt({"sub": whole}, bytes(64))):
        shown = redact(f"refused: {split.join(lines_of(token, 64))}{split}hint: log in")
        assert not any(line in shown for line in lines_of(token, 64)[1:-1])
        assert shown.endswith(f"{split}hint: log in")


@pytest.mark.parametrize("cut", range(40, 200, 7))
def test_an_echo_that_is_cut_in_a_jwt_is_masked_to_its_end(cut: int) -> None:
    token = jwt({"sub": "someone"}, bytes(range(64)))
    echoed = sanitize(f"denied: {token[:cut]}", known=[SecretStr(token)])
    assert leaked(token.split(".")[2], echoed, shown=0, window=4) is None


@given(
    st.lists(
        st.sampled_from(["::", "set-output", "##", "#", "[", "vso[", "TeamCity[", " ", "\n", "\u200e", "\U000e0041"])
    )
)
def test_sanitized_text_is_not_a_command_of_a_build_system(pieces: list[str]) -> None:
    shown = sanitize("".join(pieces))
    assert not re.search(r"(?i)^\s*::[a-z]|##(vso|teamcity)?\[|[\u061c\u200e\u200f\U000e0000-\U000e007f]", shown)


HIDING = st.sampled_from([
    "::", ":", "a::b", "set-output", "##", "#", "[", "vso[", "TeamCity[", " ", "\n", "\r", "\r\n", "\t", "é", "\u200d",
    "\u200c", "\u200b", "\u061c", "\u200e", "\u2067", "\x9b", "\x1b]52;c;aGk=\x07", "\ufeff", "\U000e0041", "\ud800",
])  # fmt: skip


@given(st.lists(HIDING))
def test_harmless_lines_stay_lines_however_they_are_cut(pieces: list[str]) -> None:
    whole = harmless("".join(pieces), lines=True)
    assert whole == "".join(harmless_pieces(pieces))
    assert whole == harmless(whole, lines=True)
    assert whole.count("\n") == "".join(pieces).count("\n")
    assert not re.search(r"(?im)^\s*::[a-z]|##(vso|teamcity)?\[|\r(?!\n)", whole)
    assert not {"\x9b", "\x1b", "\x07", "\u200b", "\u061c", "\u200e", "\u2067", "\ufeff", "\U000e0041"} & set(whole)


@pytest.mark.parametrize("text", ["\U00012544", "a\xa0b", "\u3000", "\ue000", "👩\u200d💻", "\U0010ffff", "\n"])
def test_a_sanitized_text_is_printable_on_any_unicode(text: str) -> None:
    assert sanitize(text).isprintable()


@pytest.mark.parametrize(
    "text",
    ["\u034f", "\u115f", "\u1160", "\u17b4", "\u180e", "\u3164", "\uffa0", "\U0001bca0", "\U0001d173", "\U0001d17a"],
)
def test_what_no_font_shows_is_escaped(text: str) -> None:
    escaped = text.encode("unicode_escape").decode()
    assert harmless(f"a{text}b") == harmless(f"a{text}b", lines=True) == f"a{escaped}b"
    assert text not in harmless_json(json.dumps(text, ensure_ascii=False))


@pytest.mark.parametrize("text", ["👩\u200d💻", "क\u094d\u200cष", "std::string a::b", "a ## b", "10::20", "é\r\n\t."])
def test_what_deceives_no_reader_stays_as_it_is(text: str) -> None:
    assert harmless(text, lines=True) == text


@given(st.recursive(st.text() | HIDING, lambda inner: st.lists(inner) | st.dictionaries(HIDING, inner)))
def test_harmless_json_says_the_same(document: object) -> None:
    written = harmless_json(json.dumps(document, ensure_ascii=False, indent=2))
    assert json.loads(written) == document
    assert written == harmless(written, lines=True)


@pytest.mark.parametrize(
    "text",
    ["E   AssertionError: a = 1", "a word that is a token of it", "A-B eyjafjord J", "code=1a2A3a4A5a6A7a8A9a0", ""],
)
def test_what_holds_no_mark_of_a_secret_is_not_searched(text: str) -> None:
    assert not may_hold_secret(text)
    assert redact(text, certain=True) == text


@pytest.mark.parametrize("behind", ["%3D", "%3d%3D&back=%2F", "%26page%3D2", "\\x3d", "&#61;", "%2Ejson"])
def test_escapes_behind_json_in_base64_make_no_token_of_it(behind: str) -> None:
    cursor = base64.urlsafe_b64encode(b'{"page": 1, "size": 20, "order": "asc"}').decode()
    for text in (f"GET /v1/items?after={cursor}{behind} %2D", f"GET /?path=%2Fa&state={cursor}{behind}"):
        assert redact(text, certain=True) == text
        assert cursor not in redact(text)


def test_a_mark_of_a_secret_is_seen_alone() -> None:
    for mark in (*LABELS, "code", "bearer", "authorization", "x-api-key", "x-identity-header"):
        assert may_hold_secret(f"{mark}='1a2A3a4A5a6A7a8A9a0A'"), mark
        assert may_hold_secret(f"{mark.upper()}: 1A2A3A4A5A6A7A8A9A0A"), mark


@pytest.mark.parametrize(
    "text", ["AssertionError: assertion={}", "Bearer {}", "-H 'X-API-KEY', '{}'", "<SessionToken>{}<"]
)
def test_a_mark_of_a_secret_is_seen_beside_others(text: str) -> None:
    text = text.format("S3cretS3cretS3cretS3cret")
    assert may_hold_secret(text)
    assert "S3cretS3cret" not in redact(text, certain=True)
