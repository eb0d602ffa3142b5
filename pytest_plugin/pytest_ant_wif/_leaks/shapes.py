"""What gives itself away as a secret: keys, JWTs, private keys, and values that a label names.

Every search here is linear in the length of the text, whatever the text is: all that a suite writes passes it.
"""

from __future__ import annotations

import base64
import functools
import json
import re
from collections.abc import Iterator

__all__ = ["labelled", "mask_shapes", "without_labelled"]

_LABELS = (
    "access_token|refresh_token|id_token|identity_token|auth_token|token|api_key|x-api-key|assertion|client_assertion|"
    "client_secret|secret|authorization_code|code_verifier|verifier|password"
)
_SHOWN = 16


@functools.cache
def _label() -> re.Pattern[str]:
    """Compiled on first use, as all of these: a run that only collects writes little.

    "code: …" and "basic …" are prose, too: there the value has to be quoted, or the label a header's.
    """
    equals, quote = r"(?:={1,2}|%3D)\s*(?:b(?=\\?['\"]))?\\?['\"]?", r"\\?['\"]"
    return re.compile(
        rf"(?P<label>(?i:\b(?:{_LABELS})\\?['\"]?\s*(?:{equals}|:\s*(?:b(?=\\?['\"]))?\\?['\"]?)"
        rf"|\bcode\\?['\"]?\s*(?:{equals}|:\s*b?{quote})"
        rf"|\bauthorization\\?['\"]?\s*[:=,]\s*b?\\?['\"]?basic(?:\s|%20){{1,4}}|\bbearer(?:\s|%20){{1,4}}))"
        r"(?P<secret>(?=[\w~+%\-]*[0-9])(?=[\w~+%\-]*[A-Za-z])[\w~+%\-]{20,}=*)(?![\w(./\[])",
        re.ASCII,
    )


@functools.cache
def _shape() -> re.Pattern[str]:
    # What stands before a JWT may be an escape: of a URL, or of a line break in a representation.
    return re.compile(
        r"sk-ant-[A-Za-z0-9]+-[\w\-]+(?:\.\.\.)?"
        r"|(?:(?<!\w)|(?<=%[0-9A-Fa-f]{2})|(?<=\\[nrt]))eyJ[\w\-]{8,}(?:\.[\w\-]*)*",
        re.ASCII,
    )


@functools.cache
def _run_with_cut() -> tuple[re.Pattern[str], re.Pattern[str]]:
    return (
        re.compile(r"[\w.\-]{8,}", re.ASCII),
        re.compile(r"sk-ant-|(?:(?<!\w)|(?<=\\[nrt]))eyJ(?=\w)", re.ASCII),
    )


@functools.cache
def _pem() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """A marker; a line of the key with what may stand before it in a representation or a traceback; a long word."""
    return (
        re.compile(r"-----(BEGIN|END) [A-Z ]*PRIVATE KEY-----"),
        re.compile(
            r"(?:[\\\s\"'|,>()]|(?<=\\)[nr]|[E+\-](?=\s))*(?:(?=[A-Za-z_+/\-]*[0-9+/])[\w+/\-]{20,}=*|[\w+/\-]+=+)(?![\w(])",
            re.ASCII,
        ),
        re.compile(r"[\w+/\-]{16,}=*", re.ASCII),
    )


def labelled(text: str) -> Iterator[str]:
    """What `text` names as a secret."""
    for found in _label().finditer(text):
        yield found.group("secret")


def without_labelled(text: str) -> str:
    """Return `text` without what it names as a secret."""
    return _label().sub(lambda found: f"{found.group('label')}[masked]", text)


def mask_shapes(text: str) -> str:
    """Return `text` with private keys, keys and JWTs masked, also those that pytest cut in the middle."""
    if "PRIVATE KEY-----" in text:
        text = "".join(_without_pem(text))
    if "sk-ant-" in text or "eyJ" in text:
        if "..." in text:
            text = _run_with_cut()[0].sub(_mask_cut, text)
        text = _shape().sub(_mask, text)
    return text


def _mask_cut(found: re.Match[str]) -> str:
    run = found.group()
    cut = run.find("...")
    if cut < 0:
        return run
    # Searched in the text, not in the run: what stands before it counts.
    start = _run_with_cut()[1].search(found.string, found.start(), found.end())
    if start is None:
        return run
    begin = start.start() - found.start()
    cut = run.find("...", begin)
    if cut < 0 or not run[cut:].strip(".") or (run[begin] == "e" and not _is_text(run[begin:cut])):
        return run
    return f"{run[: min(cut, begin + _SHOWN)]}..."


def _mask(found: re.Match[str]) -> str:
    if found.group().startswith("eyJ") and not _is_jwt(found.group()):
        return found.group()
    from ant_wif._secrets import scrub

    return scrub(found.group())


def _is_jwt(text: str) -> bool:
    """Whether this has a payload and a signature, which may be empty, behind a header that is a JSON object."""
    header, *rest = text.split(".")
    if len(rest) < 2 or not rest[0]:
        return False
    try:
        return isinstance(json.loads(_decoded(header)), dict)
    except (ValueError, RecursionError):
        return False


def _is_text(start: str) -> bool:
    """Whether the start of something in base64url is text, as a JWT's header is."""
    part = start.partition(".")[0]
    try:
        return _decoded(part[: len(part) // 4 * 4]).decode("ascii").isprintable()
    except ValueError:
        return False


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _without_pem(text: str) -> Iterator[str]:
    marker, line, _ = _pem()
    markers = list(marker.finditer(text))
    done = 0
    for number, begin in enumerate(markers):
        if begin.group(1) == "END" or begin.start() < done:
            continue
        after = markers[number + 1] if number + 1 < len(markers) else None
        end = begin.end()
        if after is not None and after.group(1) == "END" and _is_key(text[end : after.start()]):
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
    """Whether most of what stands between the markers is base64, not words."""
    words = [word for word in _pem()[2].findall(body) if re.search(r"[0-9+/]", word)]
    return 2 * sum(map(len, words)) > len(body)
