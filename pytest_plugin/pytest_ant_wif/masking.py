"""Finding secrets in text, and masking them.

Prose and source code that only speak of secrets stay as they are: a text is masked where it is known to the
plugin, has the shape of a secret, or is long, random and labelled as one.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterator
from typing import Any

__all__ = ["Masking"]

_SHORTEST = 16  # below this a "known secret" would erase ordinary words
_LABELS = (
    "access_token|refresh_token|id_token|identity_token|auth_token|token|api_key|x-api-key|assertion|client_assertion|"
    "client_secret|secret|authorization_code|code_verifier|verifier|code|password"
)


@functools.cache
def _cut() -> re.Pattern[str]:
    """pytest cuts long strings in the middle; what is before and behind the cut is part of the secret, too."""
    return re.compile(r"([\w.~+/\-]{4,}?)\.\.\.([\w.~+/=\-]{4,})", re.ASCII)


@functools.cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Compiled on first use: a run that only collects writes little."""
    return (
        re.compile(r"((?:sk-ant-|eyJ)[\w.\-]{0,16})[\w.\-]*?\.\.\.[\w.\-]+", re.ASCII),
        re.compile(
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
            r"|sk-ant-[A-Za-z0-9]+-[\w\-]+(?:\.\.\.)?|eyJ[\w\-]{8,}(?:\.[\w\-]*)*",
            re.DOTALL | re.ASCII,
        ),
        re.compile(
            rf"(?P<label>\b(?i:(?:{_LABELS})\\?['\"]?\s*(?:={{1,2}}|:|%3D)\s*b?\\?['\"]?|(?:bearer|basic)(?:\s|%20)+))"
            r"(?P<secret>(?=[\w~+%\-]*[0-9])(?=[\w~+%\-]*[A-Za-z])[\w~+%\-]{20,}=*)(?![\w(./\[])",
            re.ASCII,
        ),
    )


class Masking:
    """Masks the secrets that it was told of, and those that give themselves away."""

    def __init__(self) -> None:
        self._known: dict[str, None] = {}

    def know(self, secret: str) -> None:
        """Remember a secret."""
        if len(secret) >= _SHORTEST:
            self._known[secret] = None

    def clean(self, text: str) -> str:
        """Return `text` with every secret masked. What was masked already is not changed again."""
        if self._known:
            text = self._without_known(text)
        cut, shapes, labelled = _patterns()
        if "..." in text:
            text = cut.sub(lambda found: f"{found.group()[:16]}...", text)
        text = shapes.sub(_mask, text)
        return labelled.sub(lambda found: f"{found.group('label')}[masked]", text)

    @contextlib.contextmanager
    def knowing(self, text: str) -> Iterator[None]:
        """Know meanwhile what `text` labels as a secret: elsewhere in the same report it may stand without a label."""
        before = dict(self._known)
        for found in _patterns()[2].finditer(text):
            self.know(found.group("secret"))
        try:
            yield
        finally:
            self._known = before

    def clean_object(self, shown: Any, depth: int = 12) -> None:
        """Clean every text in a representation of an exception, in place: chains, entries, locals, arguments."""
        if depth == 0 or not hasattr(shown, "__dict__"):
            return
        for name, value in list(vars(shown).items()):
            cleaned = self._cleaned(value, depth - 1)
            if cleaned is not value:
                # Some of pytest's representations are frozen.
                object.__setattr__(shown, name, cleaned)

    def _without_known(self, text: str) -> str:
        for secret in self._known:
            text = text.replace(secret, "[masked]")
        return _cut().sub(self._without_rest, text) if "..." in text else text

    def _without_rest(self, found: re.Match[str]) -> str:
        start, end = found.groups()
        cut = any(secret.startswith(start) and secret.endswith(end) for secret in self._known)
        return "[masked]" if cut else found.group()

    def _cleaned(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, (list, tuple)):
            if value and all(isinstance(each, str) for each in value):
                made = list(self._lines(value))
            else:
                made = [self._cleaned(each, depth) for each in value]
            return made if isinstance(value, list) else tuple(made)
        if type(value).__module__.startswith("_pytest."):
            self.clean_object(value, depth)
        return value

    def _lines(self, lines: list[str] | tuple[str, ...]) -> Iterator[str]:
        """Clean lines that belong together: a private key fills several."""
        if any("PRIVATE KEY" in line for line in lines):
            yield from self.clean("\n".join(lines)).split("\n")
        else:
            yield from map(self.clean, lines)


def _mask(found: re.Match[str]) -> str:
    from ant_wif.secrets import scrub

    return scrub(found.group())
