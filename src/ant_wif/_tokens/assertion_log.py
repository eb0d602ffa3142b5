"""Which assertions were already sent: by which process, when, and with which result.

An assertion with a `jti` can be exchanged once, and one that was denied is denied again. A record
names an assertion by its hash; the JWT itself is stored nowhere.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import random
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ant_wif._config import CacheDir
from ant_wif._files import remove, sweep
from ant_wif._http import RequestFailure, Response, request_id_of
from ant_wif._secrets import SecretStr, sanitize
from ant_wif.errors import ConfigurationError, ProfileError
from ant_wif.identity import IdentityToken
from ant_wif.identity.token import trimmed

__all__ = ["AssertionLog", "AssertionUse", "earlier_use", "outcome_of", "retryable"]

log = logging.getLogger("ant_wif.store")

UNKNOWN, GRANTED, DENIED, USED = "unknown", "granted", "denied", "used"
_LATEST = 2.5e11  # the last year that a date can have
_LEEWAY_SECONDS = 60
_LONGEST_SECONDS = 48 * 3600
_MOST_READ = 100


class AssertionUse(NamedTuple):
    """One assertion that was presented.

    `outcome` is `granted`, `denied`, `unknown` where the answer was lost, or `used` where it was granted, then denied.
    """

    outcome: str
    federation: str
    """The fingerprint of what it was presented for."""
    at: float
    until: float
    """Unix seconds: when it was presented, and when the assertion has expired for good."""
    pid: int
    program: str
    request_id: str | None = None
    status: int | None = None
    """The HTTP status of the last answer, as is the request ID."""

    @property
    def was_granted(self) -> bool:
        return self.outcome in {GRANTED, USED}

    @property
    def used_by(self) -> str:
        return f"process {self.pid} ({self.program})"


def outcome_of(answer: Response | RequestFailure | None) -> str:
    """Say what became of an assertion by the answer to it; `unknown` while there is none that tells."""
    return {200: GRANTED, 401: DENIED, 403: DENIED}.get(answer.status if isinstance(answer, Response) else 0, UNKNOWN)


def earlier_use(before: AssertionUse | None, claims: Mapping[str, object]) -> str:
    """Say what is known of an earlier use of a token with these claims; nothing where that explains no denial."""
    if before is not None and "jti" in claims:
        if before.was_granted:
            return f"the token was exchanged by {before.used_by}, which works once"
        if before.outcome == UNKNOWN:
            return f"the token was presented by {before.used_by}, and the answer was lost: it may be used already"
    return ""


def retryable(cache: CacheDir) -> list[Path]:
    """Return the records without which an assertion can be tried again: it was denied, and the rule may be corrected.

    That one was used, or may have been, stays true whatever is forgotten here.
    """
    found = {path: _read(cache, path) for path in sorted(cache.spent.glob("*.json"))}
    return [path for path, record in found.items() if record is None or record.outcome == DENIED]


class AssertionLog:
    """The records, in a folder that processes share, or in memory where there is none."""

    def __init__(self, cache: CacheDir | None, clock: Callable[[], float]) -> None:
        self._cache = cache
        self._clock = clock
        self._memory: dict[str, AssertionUse] = {}

    def find(self, assertion: SecretStr) -> AssertionUse | None:
        """Return what is known of an assertion; `None` if it was never presented from here."""
        name = _name(assertion)
        found = self._memory.get(name)
        if self._cache is not None and self._cache.is_safe() and (found is None or found.outcome == UNKNOWN):
            found = _read(self._cache, self._cache.spent / name) or found
        return found

    def record(
        self,
        token: IdentityToken,
        federation: str,
        answer: Response | None = None,
        granted: AssertionUse | None = None,
    ) -> None:
        """Keep what became of an assertion. Before it is answered, that is `unknown`; after it, old records go.

        Of one that was `granted` before, it is kept when that was and in which process, unless it is granted again.
        """
        now = self._clock()
        record = AssertionUse(
            outcome_of(answer),
            federation,
            now,
            _until(token, now),
            os.getpid(),
            _program(),
            request_id_of(answer.headers, [token.assertion]) if answer else None,
            answer.status if answer else None,
        )
        if granted is not None and record.outcome == DENIED:
            record = granted._replace(outcome=USED, request_id=record.request_id, status=record.status)
        elif granted is not None and record.outcome == UNKNOWN:
            record = granted
        self._memory = {name: kept for name, kept in self._memory.items() if kept.until > now}
        self._memory[_name(token.assertion)] = record
        if self._cache is None:
            return
        content = (json.dumps({"version": 1, **record._asdict()}) + "\n").encode()
        try:
            self._cache.write(self._cache.spent / _name(token.assertion), lambda: content)
            if answer is not None:
                self._forget_expired(self._cache)
        except ConfigurationError as error:
            log.debug("the use of an identity token is not recorded for other processes: %s", error.summary)

    def withdraw(self, token: IdentityToken) -> None:
        """Forget that an assertion was presented: it was not sent."""
        self._memory.pop(_name(token.assertion), None)
        if self._cache is not None:
            _forget(self._cache.spent / _name(token.assertion))

    def _forget_expired(self, cache: CacheDir) -> None:
        """Remove records of assertions that have expired, and what killed processes left.

        Of many records it reads some, at random: each exchange adds one and may remove more, so a folder that many
        processes share stays small without a process that reads all of it.
        """
        sweep(cache.spent)
        with suppress(OSError):
            names = [name for name in os.listdir(cache.spent) if name.endswith(".json")]
            for name in random.sample(names, min(len(names), _MOST_READ)):
                path = cache.spent / name
                record = _read(cache, path)
                if record is None or record.until < self._clock():
                    _forget(path)


def _name(assertion: SecretStr) -> str:
    # A variable may hold bytes that are not UTF-8, which Python keeps as surrogates.
    content = trimmed(assertion).get_secret_value().encode("utf-8", "surrogatepass")
    return hashlib.sha256(content).hexdigest() + ".json"


def _until(token: IdentityToken, now: float) -> float:
    stated = token.unverified_claims.get("exp")
    expires_at = stated if isinstance(stated, (int, float)) else now
    return min(expires_at + _LEEWAY_SECONDS, now + _LONGEST_SECONDS)


def _program() -> str:
    return re.sub(r"[^\w.-]", "_", sanitize(Path(sys.argv[0] if sys.argv else "").name or "python", limit=40))


def _read(cache: CacheDir, path: Path) -> AssertionUse | None:
    try:
        fields = cache.read(path, what="record")
    except ConfigurationError as error:
        log.debug("a record is ignored: %s", error.summary)
        return None
    record = None if fields is None else _parse(fields)
    if fields is not None and record is None:
        log.debug("%s is not what this version writes, and is ignored", path)
    return record


def _parse(fields: Mapping[str, object]) -> AssertionUse | None:
    texts = {name: fields.get(name) for name in ("outcome", "federation", "program")}
    numbers = {name: fields.get(name) for name in ("at", "until", "pid")}
    request_id, status = fields.get("request_id"), fields.get("status")
    if fields.get("version") != 1 or fields.get("outcome") not in (UNKNOWN, GRANTED, DENIED, USED):
        return None
    if not all(isinstance(text, str) and re.fullmatch(r"[\w.-]{1,128}", text) for text in texts.values()):
        return None
    if not all(isinstance(number, (int, float)) and 0 <= number < _LATEST for number in numbers.values()):
        return None
    if request_id is not None and not (isinstance(request_id, str) and re.fullmatch(r"[\w.-]{1,64}", request_id)):
        return None
    if status is not None and not (isinstance(status, int) and 100 <= status < 1000):
        return None
    return AssertionUse(**texts, **numbers, request_id=request_id, status=status)  # type: ignore[arg-type]  # checked above, each


def _forget(path: Path) -> None:
    with suppress(ProfileError):
        remove(path)
