"""The replies that a test sets for the requests of its application: which request gets which."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from ant_wif._secrets import sanitize
from ant_wif.emulator._http.ids import tagged_id
from ant_wif.emulator._state import savepoint
from ant_wif.emulator._state.history import RecordedRequest

When: TypeAlias = Callable[[RecordedRequest], object] | str | Mapping[str, object] | None
"""A predicate, a part of the last user text, a part of the body; `None` for any request."""

Json: TypeAlias = dict[str, Any]

IDS = {"tool_use": "toolu", "server_tool_use": "srvtoolu", "mcp_tool_use": "mcptoolu"}
"""How the ids of blocks begin, by type."""
_MOST_USED = 1_000
SHOWN = 60
"""How many characters of a value a description has."""


@dataclass(frozen=True)
class ScriptedReply:
    """A reply that was set, with what has become of it. Made by `Emulator.reply`."""

    content: tuple[Json, ...] = field(repr=False)
    stop_reason: str
    usage: Mapping[str, object] = field(repr=False)
    model: str | None = field(repr=False)
    error: tuple[int, str, str] | None = field(repr=False)
    events: tuple[Json | str, ...] | None = field(repr=False)
    delay: float = field(repr=False)
    when: When = field(repr=False)
    description: str
    """What the reply is, in a few words."""
    place: str
    """The file and line that set it, such as `test_agent.py:12`, or the request that did."""
    times_left: int | None = 1
    """How many requests can still get this reply; `None` for any number."""
    times_used: int = 0

    def blocks(self) -> tuple[Json, ...]:
        """Return the content of an answer: a use of a tool has another id in each, unless the test gave one."""
        return tuple(
            {"type": block["type"], "id": tagged_id(IDS[block["type"]]), **block} if block["type"] in IDS else block
            for block in self.content
        )

    def __str__(self) -> str:
        condition = "" if self.when is None else f" when {_condition(self.when)}"
        left = "" if self.times_left in {1, None} else f", {self.times_left} times"
        return f"{self.description}{condition}{left} (set at {self.place})"

    def entry(self) -> dict[str, object]:
        """Return what is left of the reply, as JSON has it."""
        return {
            "description": str(self),
            "place": self.place,
            "times_left": self.times_left,
            "times_used": self.times_used,
        }


class NoReplyError(Exception):
    """A request that no reply is left for, or whose reply cannot be chosen or sent. The text says why."""


def _condition(when: object) -> str:
    if callable(when):
        name = getattr(when, "__qualname__", type(when).__name__).rpartition(">.")[2]
        return f"{name}()" if name.isidentifier() else "a predicate holds"
    return sanitize(repr(when), limit=SHOWN)


class Replies:
    """The replies that were set. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._replies: list[ScriptedReply] = []
        self._used: list[ScriptedReply] = []
        self._failure: tuple[ScriptedReply, BaseException] | None = None

    def add(self, reply: ScriptedReply) -> None:
        with self._lock:
            self._replies.append(reply)

    def take(self, request: RecordedRequest | None, last_user_text: str) -> ScriptedReply | None:
        """Return the reply to a request, and count it as used; `None` where none was set for such a request.

        Raises `NoReplyError`: those that were set for such a request have all been used, or a predicate fails.
        """
        with self._lock:
            for _, reply in sorted(enumerate(self._replies), key=_rank):
                if self._applies(reply, request, last_user_text):
                    self._count(reply)
                    return reply
            for used in reversed(self._used):
                if self._applies(used, request, last_user_text):
                    raise NoReplyError(f"every reply to such a request has been used; the last was {used}")
        return None

    def _applies(self, reply: ScriptedReply, request: RecordedRequest | None, last_user_text: str) -> bool:
        if reply.when is None:
            return True
        if isinstance(reply.when, str):
            return reply.when in last_user_text
        if request is None:
            return False
        if isinstance(reply.when, Mapping):
            return _contains(request.json, reply.when)
        try:
            return bool(reply.when(request))
        except BaseException as error:  # noqa: BLE001  # also pytest.fail(), whose exception the server must survive
            self._failure = self._failure or (reply, error)
            said = sanitize(f"{type(error).__name__}: {error}")
            raise NoReplyError(f"the predicate of a reply raised {said}; the reply is {reply}") from None

    def _count(self, reply: ScriptedReply) -> None:
        left = None if reply.times_left is None else reply.times_left - 1
        position = next(n for n, each in enumerate(self._replies) if each is reply)
        counted = replace(reply, times_left=left, times_used=reply.times_used + 1)
        if left != 0:
            self._replies[position] = counted
            return
        del self._replies[position]
        # Of those for any request, the last one tells all that there is to tell.
        self._used = [each for each in self._used[-_MOST_USED:] if each.when is not None or reply.when is not None]
        self._used.append(reply)

    def left(self) -> list[ScriptedReply]:
        """Return those that can still be used and must be: not those for any number of requests that were used."""
        with self._lock:
            return [reply for reply in self._replies if reply.times_left is not None or not reply.times_used]

    def clear(self) -> None:
        with self._lock:
            self._replies, self._used, self._failure = [], [], None

    def check(self) -> None:
        """Raises AssertionError, with the predicate's own error as its cause, where a predicate has failed."""
        __tracebackhide__ = True
        with self._lock:
            failure, self._failure = self._failure, None
        if failure is not None:
            reply, error = failure
            raise AssertionError(f"the predicate of a reply raised {type(error).__name__}; it is {reply}") from error

    def savepoint(self) -> Callable[[], None]:
        """Return what brings back the replies of now."""
        return savepoint(self, "_replies", "_used", "_failure", lock=self._lock)


def _rank(numbered: tuple[int, ScriptedReply]) -> tuple[bool, bool, int]:
    """Return where a reply comes in the order: those with a condition first, those for any number of requests last.

    Of these, the last one that was set replaces those before.
    """
    number, reply = numbered
    is_unlimited = reply.times_left is None
    return reply.when is None, is_unlimited, -number if is_unlimited else number


def _contains(whole: object, part: object) -> bool:
    """Return whether JSON contains other JSON: objects some members, lists some items, anything else is equal."""
    if isinstance(part, Mapping):
        return isinstance(whole, Mapping) and all(
            name in whole and _contains(whole[name], value) for name, value in part.items()
        )
    if isinstance(part, list):
        return isinstance(whole, list) and all(any(_contains(item, wanted) for item in whole) for wanted in part)
    if isinstance(whole, bool) is not isinstance(part, bool):
        return False
    return whole == part
