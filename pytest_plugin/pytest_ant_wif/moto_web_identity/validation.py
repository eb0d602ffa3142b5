"""The constraints that the service model puts on GetWebIdentityToken, and the sentence that a breach gets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from moto.sts.exceptions import STSValidationError

from pytest_ant_wif.moto_web_identity.exceptions import DuplicateTagKeysError

ALGORITHMS = ("RS256", "ES384")
_TAG_CHARACTERS = r"[\p{L}\p{Z}\p{N}_.:/=+\-@]"
# The same for Python, whose \w and \s are letters, digits, the underscore and spaces.
_TAG_TEXT = re.compile(r"[\w\s.:/=+\-@]*")


def validate(audience: Sequence[str] | None, alg: str | None, duration: int, tags: Sequence[dict[str, str]]) -> None:
    """Raise what STS answers when it does not accept the parameters. `duration` is in seconds."""
    breaches = [
        f"Value {_shown(value)} at '{member}' failed to satisfy constraint: {constraint}"
        for member, value, constraint in (
            *_audience_breaches(audience),
            *_algorithm_breaches(alg),
            *_duration_breaches(duration),
            *_tag_breaches(tags),
        )
    ]
    if breaches:
        plural = "s" if len(breaches) > 1 else ""
        raise STSValidationError(f"{len(breaches)} validation error{plural} detected: {'; '.join(breaches)}")
    if len({tag["Key"].lower() for tag in tags}) < len(tags):
        raise DuplicateTagKeysError


_Breaches = Iterator[tuple[str, object, str]]


def _audience_breaches(audience: Sequence[str] | None) -> _Breaches:
    if audience is None:
        yield "audience", None, "Member must not be null"
        return
    yield from _length_breaches("audience", audience, 1, 10)
    if not all(1 <= len(recipient) <= 1000 for recipient in audience):
        yield (
            "audience",
            list(audience),
            "Member must satisfy constraint: [Member must have length less than or equal to 1000, "
            "Member must have length greater than or equal to 1]",
        )


def _algorithm_breaches(alg: str | None) -> _Breaches:
    if alg is None:
        yield "signingAlgorithm", None, "Member must not be null"
    elif alg not in ALGORITHMS:
        yield "signingAlgorithm", alg, f"Member must satisfy enum value set: [{', '.join(ALGORITHMS)}]"


def _duration_breaches(duration: int) -> _Breaches:
    if duration < 60:
        yield "durationSeconds", duration, "Member must have value greater than or equal to 60"
    elif duration > 3600:
        yield "durationSeconds", duration, "Member must have value less than or equal to 3600"


def _tag_breaches(tags: Sequence[dict[str, str]]) -> _Breaches:
    if len(tags) > 50:
        yield "tags", list(tags), "Member must have length less than or equal to 50"
        return
    for number, tag in enumerate(tags, 1):
        for name, shortest, longest, repeated in (("Key", 1, 128, "+"), ("Value", 0, 256, "*")):
            member, text = f"tags.{number}.member.{name.lower()}", tag.get(name)
            if text is None:
                yield member, None, "Member must not be null"
                continue
            yield from _length_breaches(member, text, shortest, longest)
            if not _TAG_TEXT.fullmatch(text):
                yield member, text, f"Member must satisfy regular expression pattern: {_TAG_CHARACTERS}{repeated}"


def _length_breaches(member: str, value: Sequence[str], shortest: int, longest: int) -> _Breaches:
    shown = value if isinstance(value, str) else list(value)
    if len(value) < shortest:
        yield member, shown, f"Member must have length greater than or equal to {shortest}"
    elif len(value) > longest:
        yield member, shown, f"Member must have length less than or equal to {longest}"


def _shown(value: object) -> str:
    return "null" if value is None else f"'{value}'"
