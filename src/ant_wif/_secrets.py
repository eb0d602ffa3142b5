"""Masking. No other module prints or formats a secret, and text from outside passes through `sanitize`.

What looks like a secret is defined here once, for the library, the command line and the pytest plugin. Every
search takes time linear in the length of the text.

`SecretStr` and `SecretBytes` are kinds of pydantic's: their `repr` is stars, so a frame that holds one can be printed.
No pickle holds their value, and neither does a dump of attributes, such as `json.dumps(…, default=vars)`.
"""

from __future__ import annotations

import base64
import functools
import json
import re
import string
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NoReturn, TypeVar, cast
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from pydantic import SecretBytes, SecretStr

__all__ = [
    "LABELS",
    "NotCopied",
    "SecretBytes",
    "SecretStr",
    "as_secret",
    "decoded_part",
    "harmless",
    "harmless_json",
    "harmless_pieces",
    "has_surrogates",
    "is_sendable",
    "labelled_values",
    "mask",
    "masked",
    "may_hold_secret",
    "quoted",
    "redact",
    "reveal",
    "sanitize",
    "sanitize_path",
    "secrets_in",
    "wrap_secrets",
]

Same = TypeVar("Same")


class NotCopied:
    """What holds a secret: a copy of it is itself, and it cannot be pickled."""

    __slots__ = ()

    def __copy__(self: Same) -> Same:
        return self

    def __deepcopy__(self: Same, _: object) -> Same:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"cannot pickle {type(self).__name__}: it holds a secret; call ant_wif.resolve() in the other process"
        )


class _Secret(NotCopied):
    """Has a place outside of `__dict__` for the attribute that pydantic keeps the value in."""

    __slots__ = ("_secret_value",)


@functools.cache
def _secret(name: str) -> type:
    import pydantic

    return type(name, (_Secret, getattr(pydantic, name)), {"__module__": __name__})


def __getattr__(name: str) -> object:
    # The pytest plugin reads this module in every run, and pydantic takes longer to import than most suites wait.
    if name in {"SecretBytes", "SecretStr"}:
        return _secret(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


_SHOWN = 16
_SHORTEST_SEGMENT = 8  # below this a "known secret" would erase ordinary words
_BLOCK = 12  # of a cut secret, whatever holds a whole block of this size is seen

# Names whose value is a secret: in JSON, a form, a query, a header, YAML or a Python repr.
LABELS = (
    "access_token", "refresh_token", "id_token", "identity_token", "auth_token", "token", "api_key", "assertion",
    "client_assertion", "client_secret", "secret", "authorization_code", "code_verifier", "verifier", "password",
    # In the clouds' ways to write them.
    "accesstoken", "refreshtoken", "idtoken", "sessiontoken", "session_token", "webidentitytoken",
    "secretaccesskey", "secret_access_key", "aws_session_token", "aws_secret_access_key",
)  # fmt: skip
_XML = ("sessiontoken", "secretaccesskey", "webidentitytoken")
_HEADERS = (
    "authorization", "proxy-authorization", "x-api-key", "x-identity-header", "x-amz-security-token",
    "x-aws-ec2-metadata-token",
)  # fmt: skip
# More ways to write them, which source code is not searched for.
_SPELLINGS = ("api-key", "apikey", "secret-access-key", "passphrase")
_OTHERS = (*_SPELLINGS, "cookie", "set-cookie")
# Ordinary words as well: a value after a colon counts only in quotes. `value` is too common for text of any origin.
_WORDS = ("code", "value")
# What a text must contain, in lower case, to hold a secret that gives itself away. Each label contains one of these,
# "api_key", "assertion" or "bearer"; but for the last one of the signs follows it.
_MARKS = ("authorization", "token", "secret", "code", "verifier", "password")
_DASHED = ("x-api-key", "x-identity-header")
_SIGNS = "=:>,%"
_LETTERS = "bcksvwyz"
"""Each mark has one of these."""
_SHORTEST_RANDOM = 20  # of a labelled value in prose or source code
_RANDOM_CHARACTERS = bytes(map(f"{string.ascii_letters}{string.digits}_~+%-".encode().__contains__, range(256)))


@functools.cache
def _label(*, certain: bool) -> re.Pattern[str]:
    """The text before a secret. Compiled on first use, as all of these: start-up time counts."""
    return re.compile(_certain_label() if certain else _any_label(), re.ASCII | re.IGNORECASE)


def _certain_label() -> str:
    labels, blank, mark = "|".join(LABELS), r"(?:\s|%20){1,4}", r"\\?['\"]"
    byte = rf"(?:b(?={mark}))?"
    equals = rf"(?:==?|%3D)\s*{byte}"
    return (
        rf"(?<![A-Za-z0-9_\-])(?:"
        rf"(?:{labels})(?:{mark})?\s*(?:{equals}|:\s*b?(?={mark})|(?P<bare>:)\s*)"
        rf"|(?:{'|'.join(_XML)})>"
        rf"|code(?:{mark})?\s*(?:{equals}|:\s*b?(?={mark}))"
        rf"|(?:{'|'.join(_HEADERS)})(?:{mark})?\s*(?:[:=]\s*{byte}|,\s*b?(?={mark}))(?:{mark})?(?:(?:bearer|basic){blank})?"
        rf"|bearer{blank})"
    )


def _any_label() -> str:
    """As above, with any words before a label, in the quotes of nested JSON, and written for a URL."""
    labels, blank, mark = "|".join((*LABELS, *_SPELLINGS)), r"(?:\s|%20|\+){1,4}", r"(?:\\{0,7}['\"]|%22|%27)"
    alone, colon, byte = r"(?:(?<![\w\-])|(?<=%[0-9A-F]{2}))", "(?::|%3A)", rf"(?:b(?={mark}))?"
    equals, quoted = rf"(?:==?|%3D)\s*{byte}", rf"{colon}\s*b?(?={mark})"
    one, several = (
        "bearer|basic|negotiate|ntlm|token|dpop|apikey|key",
        "digest|hawk|oauth|hmac|signature|aws4-[a-z0-9-]+",
    )
    return (
        # After a colon, a block of YAML may follow; after a name in quotes and a blank line, the part of a form.
        rf"(?:{labels})(?:{mark})?\s*"
        rf"(?:{equals}|{quoted}|>|(?P<bare>{colon}\s*(?:[>|][+-]?\s+)?|(?<=['\"])\r?\n\r?\n))"
        rf"|{alone}(?:code|value)(?:{mark})?\s*(?:{equals})|{alone}code(?:{mark})?\s*{quoted}"
        rf"|{alone}value{mark}\s*{quoted}"  # "Invalid value: 'x'" is a sentence
        rf"|(?:{'|'.join(_HEADERS)})(?:{mark})?\s*(?:(?:{colon}|=)\s*{byte}|,\s*b?(?={mark}))(?:{mark})?"
        rf"(?:(?:{one}|(?P<rest>{several})){blank})?"
        rf"|{alone}(?:set-)?cookie(?:{mark}\s*(?:{quoted}|,\s*b?(?={mark}))|(?P<cookies>\s*{colon}\s*)(?=[\w.-]+=))"
        rf"|{alone}bearer{blank}"
        rf"|{alone}(?:{labels})(?:{mark})?(?P<spaced>[ \t]{{1,4}})"
    )


@functools.cache
def _values() -> tuple[re.Pattern[str], ...]:
    """A value: in quotes; without; random enough to be a secret in any text; what follows none; to the line's end."""
    return (
        re.compile(r"(?P<quote>['\"])(?P<value>(?:(?!(?P=quote))[^\\]|\\.)+)", re.DOTALL),
        re.compile(r"(?:\\{1,7}['\"]|%22|%27)?(?P<value>[^\s'\",;&\\]+)"),
        re.compile(r"\\?['\"]?(?P<value>[\w~+%\-]+=*)", re.ASCII),
        re.compile(r"[\w(./\[]", re.ASCII),
        re.compile(r"(?P<value>[^\r\n]+)"),
    )


@functools.cache
def _shapes(*, certain: bool) -> re.Pattern[str]:
    """What is a secret by its form alone."""
    # The next line, where it holds such a run as words are not.
    line = r"(?:(?=[\w.\-]{0,60}\d)[\w.\-]{20,}|[\w.\-]{40,})"
    more = "" if certain else rf"(?:(?:=?\r?\n|(?:\\r)?\\n)[ \t>|]{{0,8}}{line})*"
    return re.compile(rf"sk-ant-[A-Za-z0-9]+-[\w\-]+(?:\.\.\.|{more})|eyJ[\w\-]{{8,}}(?:\.[\w\-]*)*{more}", re.ASCII)


# A JWT by what its header says first: algorithm, type or key.
_BEGINNINGS = ("sk-ant-", "eyJhbGciOi", "eyJ0eXAiOi", "eyJraWQiOi")


@functools.cache
def _signs() -> tuple[dict[str, list[str]], dict[str, tuple[str, ...]], tuple[str, ...]]:
    """How a token begins in base64 of any text around it and in hex; escapes of its dashes and dots; of its start.

    The first two stand under what they begin with or need: hardly a text has it, and to look for all costs time.
    """
    in_hex = [each.encode().hex() for each in _BEGINNINGS]
    in_base64 = {each for beginning in _BEGINNINGS for each in _in_base64(beginning)}
    in_hex_escapes, alike = ("x2d", "x2D", "x2e", "x2E"), dict[str, list[str]]()
    for each in (*sorted(in_base64), *in_hex, *map(str.upper, in_hex)):
        alike.setdefault(each[:3], []).append(each)
    return (
        alike,
        {"&": ("&#45;", "&#46;", *in_hex_escapes), "%": ("%2",), "\\": ("u002", *in_hex_escapes)},
        (
            *("sk", "eyJ", "&#115;", "&#101;"),
            *(f"{sign}{ord(each):x}" for each in "se" for sign in ("&#x", "&#X", "%", "%25", "\\u00", "\\x")),
        ),
    )


def _found(text: str, signs: Mapping[str, Iterable[str]]) -> Iterator[str]:
    return (sign for first, behind in signs.items() if first in text for sign in behind if sign in text)


@functools.cache
def _disguised() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """A token to its end, where `_signs` tell of one: in base64, over lines too, or in hex; with escapes; an escape."""
    written = r"(?:{2}|&#(?:{0};|x{0:x};)|%(?:25)?{0:x}|\\{{1,8}}(?:u00|x){0:x})"
    begins = "|".join("".join(written.format(ord(each), 0, each) for each in start) for start in ("sk-ant-", "eyJ"))
    code = r"&#(?:(\d{2,3})|x([0-9a-f]{2}));|(?:%(?:25)?|\\{1,8}(?:u00|x))([0-9a-f]{2})"
    return (
        re.compile(r"[\w+/\-]+=*(?:(?:\r?\n|(?:\\r)?\\n)[\w+/\-]{20,}=*)*", re.ASCII),
        re.compile(
            rf"(?:(?<!\w)|(?<=%[0-9a-f]{{2}})|(?<=\\x[0-9a-f]{{2}})|(?<=\\[nrt]))(?:{begins})(?:{code}|[\w.\-])*",
            re.ASCII | re.IGNORECASE,
        ),
        re.compile(code, re.ASCII | re.IGNORECASE),
    )


@functools.cache
def _pem() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """A marker; a line of the key with what may stand before it in a representation or a traceback; a long word."""
    return (
        re.compile(r"-----(BEGIN|END) [A-Z ]{0,40}PRIVATE KEY-----"),
        re.compile(
            r"(?:[\\\s\"'|,>()]|(?<=\\)[nr]|[E+\-](?=\s))*(?:(?=[A-Za-z_+/\-]*[0-9+/])[\w+/\-]{20,}=*|[\w+/\-]+=+)(?![\w(])",
            re.ASCII,
        ),
        re.compile(r"[\w+/\-]{16,}=*", re.ASCII),
    )


@functools.cache
def _of_user() -> re.Pattern[str]:
    """The password in a URL (RFC 3986 §3.2.1)."""
    return re.compile(r"(://[^\s/?#:@'\"]{0,100}:)[^\s/?#@'\"]{1,400}(@)")


# Controls, line separators, halves of characters, and what reorders text or is not seen: marks of direction, zero
# width, fillers, tags and selectors in which a text can be hidden. A joiner of letters is part of a word.
_HIDDEN = (
    r"\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164"
    r"\ud800-\udfff\ufeff\uffa0\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_JOINED = rf"[^\x00-\x7f{_HIDDEN}\u200c\u200d]"
_JOINER = rf"(?<!{_JOINED})[\u200c\u200d]|[\u200c\u200d](?!{_JOINED})"


@functools.cache
def _harmful() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """What must not stand in lines; how a line becomes a command; the end of a text that may become one of these.

    Commands are those of a build log: GitHub's old and new syntax, Azure Pipelines, TeamCity.
    """
    return (
        re.compile(rf"[\x00-\x08\x0b\x0c\x0e-\x1f{_HIDDEN}]|\r(?!\n)|{_JOINER}"),
        re.compile(r"(?<!\S)::(?=[A-Za-z])|##(?=(?:vso|teamcity)?\[)", re.IGNORECASE),
        re.compile(
            r"(?:(?<!\S)::?|##?(?:v(?:so?)?|t(?:e(?:a(?:m(?:c(?:i(?:ty?)?)?)?)?)?)?)?|[\r\u200c\u200d])\Z", re.I
        ),
    )


def mask(secret: SecretStr | str) -> str:
    """Return what may be shown of a secret: its first 16 characters, or only its length if it has no more."""
    text = secret if isinstance(secret, str) else secret.get_secret_value()
    if len(text) <= _SHOWN:
        return f"({len(text)} characters)"
    return f"{''.join(c if c.isprintable() else '?' for c in text[:_SHOWN])}..."


def as_secret(secret: SecretStr | str | None) -> SecretStr | str | None:
    """Wrap a secret that came as plain text. Nothing stays nothing, and empty stays recognisably empty.

    What is of a wrong type, such as bytes, is wrapped for the one who refuses it.
    """
    from pydantic import Secret, SecretStr

    bare = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
    if isinstance(bare, str):
        return cast("SecretStr", _secret("SecretStr")(bare)) if bare else secret
    wrong: object = bare
    return wrong if wrong is None else cast("SecretStr", Secret(wrong))


def wrap_secrets(value: object, name: str = "") -> object:
    """Return a JSON value with every text wrapped that is a secret, by the name that it stands under or by its shape.

    Raises:
        RecursionError: it is nested too deep; the frames hold what is not wrapped yet.
    """
    if isinstance(value, dict):
        return {key: wrap_secrets(item, name if _is_label(name) else key) for key, item in value.items()}
    if isinstance(value, list):
        return [wrap_secrets(item, name) for item in value]
    if isinstance(value, str) and (_is_label(name) or redact(value) != value):
        return as_secret(value)
    return value


def reveal(value: object) -> object:
    """Return what `wrap_secrets` was given."""
    if isinstance(value, dict):
        return {key: reveal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [reveal(item) for item in value]
    return value.get_secret_value() if hasattr(value, "get_secret_value") else value


def masked(value: object, name: str = "") -> object:
    """Return a JSON value as it may be shown: what `wrap_secrets` would wrap is masked, of a text the secret alone."""
    if isinstance(value, dict):
        return {key: masked(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item, name) for item in value]
    if not isinstance(value, str) or wrap_secrets(value, name) == value:
        return value
    shown = redact(value)
    return shown if shown != value else "[masked]"


def secrets_in(value: object) -> Iterator[SecretStr]:
    """Yield what `wrap_secrets` wrapped."""
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from secrets_in(item)
    if hasattr(value, "get_secret_value"):
        yield cast("SecretStr", value)


def _is_label(name: str) -> bool:
    """Whether a field is one of those whose value is a secret, in any spelling and with any words before it."""
    plain = re.sub(r"[^a-z]", "", name.lower()).removesuffix("s")
    return plain.endswith(tuple(re.sub(r"[^a-z]", "", label) for label in (*LABELS, *_SPELLINGS, *_HEADERS, "cookie")))


def is_sendable(secret: SecretStr) -> bool:
    """Whether a secret can stand in an HTTP header: visible ASCII, so no blank and no line break."""
    return re.fullmatch(r"[\x21-\x7e]+", secret.get_secret_value()) is not None


def has_surrogates(text: str) -> bool:
    """Whether a text has halves of characters, which UTF-8 does not: Python keeps bytes that are not UTF-8 as these."""
    return re.search("[\ud800-\udfff]", text) is not None


def sanitize_path(path: object) -> str:
    """Return a path for a message: whole, but a secret that was put in its place is masked."""
    return sanitize(path, limit=4096)


def sanitize(text: object, *, known: Iterable[SecretStr] = (), limit: int = 256) -> str:
    """Return outside text fit for a message or a build log: secrets masked, harmless, cut to `limit`.

    Control and invisible characters are escaped, and no build system takes a part of it for a command.
    """
    # Masked before it is cut, or the cut could divide a secret into a part that has no known shape.
    shown = harmless(redact(str(text), known))
    return shown if len(shown) <= limit else f"{shown[:limit]}..."


def quoted(text: object, *, limit: int = 256) -> str:
    """Return outside text in quotes, fit for a message. What is escaped in it is escaped once."""
    return f"'{sanitize(text, limit=limit)}'"


def facts_of(text: str, expected: str, *, limit: int = 64) -> tuple[str, ...]:
    """Return the facts about a text where ASCII was expected: letters of other scripts look the same."""
    foreign = next((character for character in text if not character.isascii()), None)
    named = (f"not ASCII: the character U+{ord(foreign):04X}",) if foreign else ()
    return (f"found: {quoted(text, limit=limit)}", f"expected: {expected}", *named)


def harmless(text: str, *, lines: bool = False) -> str:
    """Return `text` so that no terminal obeys it, no build system takes a part of it for a command, and all is seen.

    What is not printable is escaped, as in Python. With `lines` only what a terminal or a reader is deceived by:
    line breaks and tabs stay, and so do wide spaces, joiners within words and characters of a newer Unicode.
    """
    shown = text
    if not (text.isascii() and text.isprintable()):
        shown = _harmful()[0].sub(lambda found: _escaped(found.group()), text)
    if not lines and not shown.isprintable():
        shown = "".join(c if c.isprintable() else _escaped(c) for c in shown)
    if "::" not in shown and "##" not in shown:
        return shown
    return _harmful()[1].sub(lambda found: f"{found.group()[0]} {found.group()[1]}", shown)


def harmless_pieces(pieces: Iterable[str]) -> Iterator[str]:
    """Make a text harmless that comes in pieces, each as it comes: what may become a command waits for the next."""
    before, held = "", ""
    for piece in pieces:
        text = before + held + piece
        unfinished = _harmful()[2].search(text, max(len(before), len(text) - 16))
        end = unfinished.start() if unfinished else len(text)
        shown = harmless(text[:end], lines=True)
        yield shown[len(before) :]
        before, held = shown[-1:], text[end:]
    yield harmless(before + held, lines=True)[len(before) :]


def harmless_json(text: str) -> str:
    """Return a JSON document that says the same and is harmless: what is not is escaped, which only strings hold."""
    unsafe, command, _ = _harmful()
    shown = unsafe.sub(lambda found: json.dumps(found.group())[1:-1], text)
    return command.sub(lambda found: f"{found.group()[0]}\\u{ord(found.group()[1]):04x}", shown)


def _escaped(text: str) -> str:
    return text.encode("unicode_escape").decode("ascii")


def may_hold_secret(text: str) -> bool:
    """Whether a search with `certain` is worth its time: a cheap look that most texts do not pass.

    To look for one character costs next to nothing, so what needs one that is rare is looked for behind it. A word as
    long as a random value is looked for at once, with all characters that it may have made one.
    """
    if ("-" in text and ("sk-ant-" in text or "PRIVATE KEY-----" in text)) or ("J" in text and "eyJ" in text):
        return True
    if not any(letter in text for letter in _LETTERS + _LETTERS.upper()):
        return False
    if bytes([True]) * _SHORTEST_RANDOM not in text.encode("ascii", "replace").translate(_RANDOM_CHARACTERS):
        return False
    lowered = text.lower()
    return (
        "bearer" in lowered
        or any(any(_found(text, signs)) for signs in _signs()[:2])
        or (any(sign in text for sign in _SIGNS) and _has_mark(lowered))
    )


def _has_mark(lowered: str) -> bool:
    if ("-" in lowered and any(mark in lowered for mark in _DASHED)) or ("_" in lowered and "api_key" in lowered):
        return True
    # Each failure of a test says AssertionError.
    return any(mark in lowered for mark in _MARKS) or lowered.count("assertion") > lowered.count("assertionerror")


def redact(text: str, known: Iterable[SecretStr] = (), *, certain: bool = False) -> str:
    """Return `text` with every secret masked: those in `known`, and whatever has the shape or the label of one.

    Of a known secret also each dot-separated part is removed, because a server may echo a JWT's
    payload or signature alone, the ways to write it in JSON, in a URL, in base64 and in hex, and its long pieces,
    whatever their case, what splits them and how their characters are escaped.

    With `certain`, prose and source code that only speak of secrets stay: a JWT must have a header that is JSON,
    a private key must have lines, and a labelled value must be long and random.
    """
    before = text
    known = known if len(text) >= _SHORTEST_SEGMENT else ()
    ways = sorted({way for secret in known for way in _ways_to_write(secret.get_secret_value())}, key=len, reverse=True)
    for way in ways:
        if len(way) >= _SHORTEST_SEGMENT:
            text = text.replace(way, "[masked]")
    if text != before:  # An echo that was cut in a JWT ends with a piece that does not belong to it.
        text = re.sub(r"\[masked\](?:\.(?:\[masked\]|[A-Za-z0-9_\-]+))+", "[masked]", text)
    if "PRIVATE KEY-----" in text:
        text = "".join(_without_pem(text, certain=certain))
    if "://" in text and not certain:
        text = _of_user().sub(r"\1[masked]\2", text)
    text = _without_disguised(text, certain=certain)
    if "sk-ant-" in text or "eyJ" in text:
        text = _shapes(certain=certain).sub(_mask_certain if certain else _mask_shape, text)
    done, parts = 0, []
    for start, end in _labelled(text, certain=certain):
        parts.append(f"{text[done:start]}[masked]")
        done = end
    return _without_pieces("".join([*parts, text[done:]]), ways)


def labelled_values(text: str) -> Iterator[str]:
    """What `text` names as a secret, and which is long and random."""
    for start, end in _labelled(text, certain=True):
        yield text[start:end]


def _labelled(text: str, *, certain: bool) -> Iterator[tuple[int, int]]:
    """Where what follows a label begins and ends. A label is looked for by its name: that costs least."""
    lowered = text.replace("\u0130", "I").lower()  # the one character that has another length in lower case
    if certain and "bearer" not in lowered and not any(sign in text for sign in _SIGNS):
        return
    done = 0
    for at in _places(lowered, (*_HEADERS, *LABELS, "bearer", *_WORDS, *(() if certain else _OTHERS))):
        if at < done or (found := _label(certain=certain).match(text, at)) is None:
            continue
        quoted, plain, random, _, rest = _values()
        if certain or found["spaced"]:
            value = random.match(text, found.end())
            is_random = value is not None and _is_random(text, value)
            wanted = is_random and (certain or not (value and re.fullmatch(_ID, value["value"], re.IGNORECASE)))
        else:
            lasts = found["rest"] is not None or found["cookies"] is not None
            value = rest.match(text, found.end()) if lasts else None
            value = value or quoted.match(text, found.end()) or plain.match(text, found.end())
            wanted = value is not None and not _is_word(found, value["value"])
        if value is not None and wanted:
            yield value.span("value")
        if value is not None and (wanted or certain):
            done = value.end()


def _places(text: str, words: Iterable[str]) -> list[int]:
    places = set()
    for word in words:
        at = text.find(word)
        while at >= 0:
            places.add(at)
            at = text.find(word, at + len(word))
    return sorted(places)


_ID = r"(?:fdrl|fdis|svac|wrkspc|org|user|req|msg)_\w+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def _is_random(text: str, value: re.Match[str]) -> bool:
    """Whether the value of a label is a secret in prose or source code."""
    run = value["value"].rstrip("=")
    return (
        len(run) >= _SHORTEST_RANDOM
        and re.search("[0-9]", run) is not None
        and re.search("[A-Za-z]", run) is not None
        and _values()[3].match(text, value.end()) is None
    )


def _is_word(label: re.Match[str], value: str) -> bool:
    """Whether what follows a label is masked already, or after a bare colon no more than a word of a sentence."""
    if value.startswith(("[masked", "[JWT", "[private")) or (value.endswith("...") and len(value) <= _SHOWN + 3):
        return True
    if label.group().lower().startswith("bearer") or label["bare"]:
        return len(value) < 8 or (bool(label["bare"]) and re.search("[0-9]", value) is None)
    return False


def _without_pieces(text: str, ways: Iterable[str]) -> str:
    """Mask every run of letters and digits that stands in a way to write a secret, too, and holds a block of it.

    Neither case matters, nor what is between: line breaks, blanks, and escapes of URLs, JSON, Python and HTML.
    """
    blocks: dict[str, tuple[str, int]] = {}
    for way in ways:
        whole = _NOT_PLAIN.sub("", way).lower()
        # The first block may be shown, and begins many a secret of the same kind.
        first = len(_NOT_PLAIN.sub("", way[:_BLOCK]))
        blocks |= {whole[at : at + _BLOCK]: (whole, at) for at in range(first, len(whole) - _BLOCK + 1, _BLOCK)}
    may_be_escaped = len(text) <= _LONGEST_ESCAPED and any(sign in text for sign in "%\\&<")
    plain = _NOT_PLAIN.sub("", text).lower()
    if not blocks or not (may_be_escaped or any(block in plain for block in blocks)):  # the fast way of most texts
        return text
    plain, starts, ends = _flattened(text)
    done, parts, place = 0, [], 0
    while place <= len(plain) - _BLOCK:
        way, at = blocks.get(plain[place : place + _BLOCK], ("", 0))
        if not way:
            place += 1
            continue
        start = place - _in_common(way[:at][::-1], plain[max(0, place - at) : place][::-1])
        place += _in_common(way[at:], plain[place : place + len(way) - at])
        if starts[start] >= done:
            parts.append(f"{text[done : starts[start]]}[masked]")
        done = ends[place - 1]
    return "".join([*parts, text[done:]])


_NOT_PLAIN = re.compile(r"[^A-Za-z0-9]+")
_LONGEST_ESCAPED = 1 << 20


@functools.cache
def _units() -> re.Pattern[str]:
    """Letters and digits, one of them in an escape, or what only stands between."""
    code = r"([0-9a-f]{2})"
    return re.compile(
        rf"([a-z0-9]+)|%(?:25)?{code}|\\{{1,8}}u00{code}|\\{{1,8}}x{code}|&#x{code};|&#(\d{{2,3}});|\\{{1,8}}[nrtb]|&[a-z]{{2,6}};|<[^<>]{{1,20}}>",
        re.ASCII | re.IGNORECASE,
    )


def _flattened(text: str) -> tuple[str, list[int], list[int]]:
    """Return the letters and digits of a text in lower case, unescaped, and where each of them begins and ends."""
    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for unit in _units().finditer(text):
        run, *codes, decimal = unit.groups()
        start, end = unit.span()
        if run:
            parts.append(run.lower())
            starts.extend(range(start, end))
            ends.extend(range(start + 1, end + 1))
        elif code := next(filter(None, codes), None) or decimal:
            meant = chr(int(code, 10 if decimal else 16))
            if not _NOT_PLAIN.match(meant):
                parts.append(meant.lower())
                starts.append(start)
                ends.append(end)
    return "".join(parts), starts, ends


def _in_common(one: str, other: str) -> int:
    """How many characters both begin with."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _in_base64(value: str) -> Iterator[str]:
    """What base64 of any text around a value has of it, by how many bytes stand before the groups of three."""
    raw = value.encode("utf-8", "replace")
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw).decode()
        start, end = (8 * before + 5) // 6, (before + len(raw)) * 8 // 6
        yield encoded[start:end]
        yield encoded[start:end].translate(str.maketrans("+/", "-_"))


def _ways_to_write(value: str) -> set[str]:
    ways = {value, *value.split(".")}
    if len(value) >= _SHORTEST_SEGMENT:
        ways.update((*_in_base64(value), value.encode("utf-8", "replace").hex()))
    if re.fullmatch(r"[A-Za-z0-9._~-]*", value) is None:
        escaped = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
        ways |= escaped | {way.replace("/", "\\/") for way in escaped}
        encoded = value.encode("utf-8", "replace")
        ways |= {quote(encoded, safe=""), quote(encoded), quote_plus(encoded)}
    return ways


def _mask_shape(found: re.Match[str]) -> str:
    secret = found.group()
    if secret.startswith("eyJ"):
        return secret if _is_of_id(found) else f"[JWT of {len(secret)} characters]"
    already = len(secret) == _SHOWN + 3 and secret.endswith("...")
    return secret if already else mask(secret)


def _without_disguised(text: str, *, certain: bool) -> str:
    """Mask every token that is encoded, and long enough to be one."""
    signs, escapes, starts = _signs()
    for which, words in enumerate((_found(text, signs), starts if any(_found(text, escapes)) else ())):
        done, parts = 0, []
        for at in _places(text, words):
            if at < done or (found := _disguised()[which].match(text, at)) is None:
                continue
            is_token = len(found[0]) >= 2 * _SHOWN and (which == 0 or _is_escaped(found[0], certain=certain))
            parts.append(text[done:at] + ("[masked]" if is_token else found[0]))
            done = found.end()  # of any: a token in what is not one would be shorter, and end there too
        text = "".join([*parts, text[done:]]) if parts else text
    return text


def _is_escaped(text: str, *, certain: bool) -> bool:
    """Whether this is a token with escapes, and not one as it is, which is masked by its form."""
    plain = _disguised()[2].sub(lambda found: chr(int(found[1]) if found[1] else int(found[2] or found[3], 16)), text)
    return plain != text and (not certain or _shapes(certain=True).sub(_mask_certain, plain) != plain)


def _is_of_id(found: re.Match[str]) -> bool:
    """Whether this is the end of an ID of the platform, which may hold the letters that a JWT begins with."""
    before = re.search(r"(?<!\w)[a-z]{2,16}_01[A-Za-z0-9]*\Z", found.string[max(0, found.start() - 48) : found.start()])
    return before is not None and re.fullmatch(r"[a-z]+_01[A-Za-z0-9]{22}", before.group() + found.group()) is not None


def _mask_certain(found: re.Match[str]) -> str:
    text = found.group()
    if not text.startswith("eyJ") or _is_jwt(text):
        return _mask_shape(found)
    # The letters that a JWT begins with may stand by chance in what it is glued to.
    start = text.rfind("eyJ", 0, text.find("."))
    return f"{text[:start]}[JWT of {len(text) - start} characters]" if start > 0 and _is_jwt(text[start:]) else text


def _is_jwt(text: str) -> bool:
    """Whether this has a payload and a signature, which may be empty, behind a header that is a JSON object."""
    header, *rest = text.split(".")
    if len(rest) < 2 or not rest[0]:
        return False
    return isinstance(decoded_part(header), dict)


def decoded_part(part: str) -> object:
    """Decode a part of a JWT to JSON, or return `None`: the decoders' own errors carry its text."""
    try:
        return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return None


def _without_pem(text: str, *, certain: bool) -> Iterator[str]:
    marker, line, _ = _pem()
    markers = list(marker.finditer(text))
    done = 0
    for number, begin in enumerate(markers):
        if begin.group(1) == "END" or begin.start() < done:
            continue
        after = markers[number + 1] if number + 1 < len(markers) else None
        end = begin.end()
        if not certain:  # all that follows, up to the end of the key or of the text
            end = next((each.end() for each in markers[number + 1 :] if each.group(1) == "END"), len(text))
        elif after is not None and after.group(1) == "END" and _is_key(text[end : after.start()]):
            end = after.end()
        else:
            limit = after.start() if after is not None else len(text)
            while found := line.match(text, end, limit):
                end = found.end()
        if end > begin.end():
            yield f"{text[done : begin.start()]}[private key]"
            done = end
    yield text[done:]


def _is_key(body: str) -> bool:
    """Whether most of the text between the markers is base64, not words."""
    words = [word for word in _pem()[2].findall(body) if re.search(r"[0-9+/]", word)]
    return 2 * sum(map(len, words)) > len(body)
