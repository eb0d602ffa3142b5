"""Finding secrets in text, and masking them.

Prose and source code that only speak of secrets stay as they are: a text is masked where it is known to the
plugin, has the shape of a secret, or is long, random and labelled as one.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import functools
import re
from collections.abc import Collection, Iterator
from typing import Any

from ant_wif._secrets import labelled_values, redact

_SHORTEST = 16  # below this a "known secret" would erase ordinary words
# Of a run of 16 characters at least one block of 8 begins at a multiple of 8, so only these are looked up.
_BLOCK = 8
_EDGE = 4  # what has to be left on each side where pytest cut a long text in the middle
_SHOWN = 16  # of a secret that pytest cut
_TRIES = 8  # in how many places of a secret the same few characters are tried


class Masking:
    """Masks the secrets that it was told of, and those that give themselves away."""

    def __init__(self) -> None:
        self._known: dict[str, None] = {}
        self._blocks: dict[str, list[tuple[str, int]]] | None = None

    def know(self, secret: str) -> None:
        """Remember a secret."""
        if len(secret) >= _SHORTEST and secret not in self._known:
            self._known[secret] = None
            self._blocks = None

    def clean(self, text: str) -> str:
        """Return `text` with every secret masked. What was masked already is not changed again."""
        if self._known:
            for secret in self._known:
                text = text.replace(secret, "[masked]")
            if "..." in text:
                text = "".join(self._without_cut(text))
        if "..." in text and ("sk-an" in text or "eyJ" in text):
            text = _run_with_cut()[0].sub(_mask_cut, text)
        text = redact(text, certain=True)
        # Last: what two JWTs have in common must not keep the other from being recognised.
        return "".join(self._without_pieces(text)) if self._known else text

    @contextlib.contextmanager
    def knowing(self, text: str) -> Iterator[bool]:
        """Know meanwhile what `text` labels as a secret: elsewhere in the same report it may stand without a label.

        Gives whether there is any.
        """
        before, blocks = dict(self._known), self._blocks
        for secret in labelled_values(text):
            self.know(secret)
        try:
            yield self._known != before
        finally:
            self._known, self._blocks = before, blocks

    def clean_object(self, shown: Any, depth: int = 12, *, kept: Collection[str] = ()) -> None:
        """Clean every text in a report or in a representation of an exception, in place, but for what is `kept`."""
        if depth == 0:
            return
        values = dict(getattr(shown, "__dict__", {}))
        if dataclasses.is_dataclass(shown):  # one with slots
            values |= {field.name: getattr(shown, field.name, None) for field in dataclasses.fields(shown)}
        for name, value in values.items():
            cleaned = value if name in kept else self.clean_value(value, depth - 1)
            if cleaned is not value:
                # Some of pytest's representations are frozen.
                object.__setattr__(shown, name, cleaned)

    def clean_value(self, value: Any, depth: int = 12) -> Any:
        """Return a text, or what holds texts, with every secret masked."""
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, (list, tuple)):
            if value and all(isinstance(each, str) for each in value):
                made = list(self._lines(value))
            else:
                made = [self.clean_value(each, depth) for each in value]
            return made if isinstance(value, list) else tuple(made)
        if isinstance(value, dict):
            return {self.clean_value(key, depth): self.clean_value(each, depth) for key, each in value.items()}
        if type(value).__module__.startswith(("_pytest.", "allure_commons.")):
            self.clean_object(value, depth)
        return value

    def _without_cut(self, text: str) -> Iterator[str]:
        """pytest cuts long texts in the middle: the start and the end of a secret are part of it, too."""
        done, cut = 0, text.find("...")
        while cut >= 0:
            for secret in self._known:
                start = max(_starts(secret, text, done, cut), default=0)
                end = max(_ends(secret, text, cut + 3), default=0)
                if start and end:
                    yield f"{text[done : cut - start]}[masked]"
                    done = cut + 3 + end
                    break
            cut = text.find("...", max(cut + 3, done))
        yield text[done:]

    def _without_pieces(self, text: str) -> Iterator[str]:
        if self._blocks is None:
            self._blocks = _blocks_of(self._known)
        done = 0
        for at in range(0, len(text) - _BLOCK + 1, _BLOCK):
            if at < done:
                continue
            for secret, place in self._blocks.get(text[at : at + _BLOCK], ()):
                start, end = _widened(secret, place, text, at, done)
                shown = end - start == _SHORTEST and text.startswith("...", end) and secret.startswith(text[start:end])
                if end - start >= _SHORTEST and not shown:
                    yield f"{text[done:start]}[masked]"
                    done = end
                    break
        yield text[done:]

    def _lines(self, lines: list[str] | tuple[str, ...]) -> Iterator[str]:
        """Clean lines that belong together: a private key fills several."""
        if any("PRIVATE KEY" in line for line in lines):
            yield from self.clean("\n".join(lines)).split("\n")
        else:
            yield from map(self.clean, lines)


def _places(piece: str, secret: str) -> Iterator[int]:
    place = secret.find(piece) if len(piece) == min(_EDGE, len(secret)) else -1
    for _ in range(_TRIES):
        if place < 0:
            return
        yield place
        place = secret.find(piece, place + 1)


def _starts(secret: str, text: str, done: int, cut: int) -> Iterator[int]:
    """How much of the secret's start stands before the cut."""
    for place in _places(text[max(done, cut - _EDGE) : cut], secret):
        length = place + _EDGE
        if length <= cut - done and text.startswith(secret[:length], cut - length):
            yield length


def _ends(secret: str, text: str, at: int) -> Iterator[int]:
    """How much of the secret's end stands behind the cut."""
    for place in _places(text[at : at + _EDGE], secret):
        if text.startswith(secret[place:], at):
            yield len(secret) - place


def _blocks_of(known: dict[str, None]) -> dict[str, list[tuple[str, int]]]:
    blocks: dict[str, list[tuple[str, int]]] = {}
    for secret in known:
        for place in range(len(secret) - _BLOCK + 1):
            places = blocks.setdefault(secret[place : place + _BLOCK], [])
            if len(places) < _TRIES:
                places.append((secret, place))
    return blocks


def _widened(secret: str, place: int, text: str, at: int, done: int) -> tuple[int, int]:
    """Where the piece of the secret that stands at `at` begins and ends."""
    start, end, ahead = at, at + _BLOCK, place + _BLOCK
    while start > done and place > 0 and text[start - 1] == secret[place - 1]:
        start, place = start - 1, place - 1
    while end < len(text) and ahead < len(secret) and text[end] == secret[ahead]:
        end, ahead = end + 1, ahead + 1
    return start, end


@functools.cache
def _run_with_cut() -> tuple[re.Pattern[str], re.Pattern[str]]:
    return (
        re.compile(r"[\w.\-]{8,}", re.ASCII),
        re.compile(r"sk-ant-|sk-an?t?(?=\.\.\.)|eyJ(?=\w)", re.ASCII),
    )


def _mask_cut(found: re.Match[str]) -> str:
    run = found.group()
    cut = run.find("...")
    if cut < 0:
        return run
    # Searched in the text, not in the run: the text before it counts.
    start = _run_with_cut()[1].search(found.string, found.start(), found.end())
    if start is None:
        return run
    begin = start.start() - found.start()
    cut = run.find("...", begin)
    if cut < 0 or not run[cut:].strip(".") or (run[begin] == "e" and not _is_text(run[begin:cut])):
        return run
    return f"{run[: min(cut, begin + _SHOWN)]}..."


def _is_text(start: str) -> bool:
    """Whether the start of something in base64url is text, as a JWT's header is."""
    part = start.partition(".")[0]
    try:
        return base64.urlsafe_b64decode(part[: len(part) // 4 * 4]).decode("ascii").isprintable()
    except ValueError:
        return False
