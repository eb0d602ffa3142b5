"""Replies that a test sets for the requests of its application: what they may be, and which request gets which."""

# ruff: noqa: TRY004  # as for the emulator's other methods, ValueError is the one kind of error

from __future__ import annotations

import inspect
import json
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any, TypeAlias, cast

from ant_wif._secrets import sanitize
from ant_wif.emulator._http.ids import tagged_id
from ant_wif.emulator._state.requests import RecordedRequest

When: TypeAlias = Callable[[RecordedRequest], object] | str | Mapping[str, object] | None
"""A predicate, a part of the last user text, a part of the body; `None` for any request."""

Json: TypeAlias = dict[str, Any]

_STOP_REASONS = (
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "compaction",
    "refusal",
    "model_context_window_exceeded",
)
_LONGEST_DELAY = 86_400.0
_MOST_USED = 1_000
_SHOWN = 60


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
    """The file and line that set it, such as `test_agent.py:12`."""
    times_left: int | None = 1
    """How many requests can still get this reply; `None` for any number."""
    times_used: int = 0

    def __str__(self) -> str:
        condition = "" if self.when is None else f" when {_condition(self.when)}"
        left = "" if self.times_left in {1, None} else f", {self.times_left} times"
        return f"{self.description}{condition}{left} (set at {self.place})"


class NoReplyError(Exception):
    """A request that no reply is left for, or whose reply cannot be chosen or sent. The text says why."""


def scripted_reply(
    text: str | None = None,
    *,
    content: Iterable[Mapping[str, object]] | None = None,
    tool_use: Mapping[str, object] | Iterable[Mapping[str, object]] | None = None,
    thinking: str | None = None,
    stop_reason: str | None = None,
    usage: Mapping[str, object] | None = None,
    model: str | None = None,
    error: Iterable[object] | None = None,
    events: Iterable[Mapping[str, object] | str] | None = None,
    delay: float = 0.0,
    when: When = None,
    times: int | None = 1,
) -> ScriptedReply:
    """Return a reply. Raises ValueError as `Emulator.reply` says."""
    __tracebackhide__ = True
    answers = {"text": text, "content": content, "tool_use": tool_use, "thinking": thinking, "stop_reason": stop_reason}
    details = {"usage": usage, "model": model}
    _check_combination(answers, details, error=error, events=events)
    for name, value in (("text", text), ("thinking", thinking), ("model", model)):
        if value is not None and not isinstance(value, str):
            raise ValueError(f"{name}: must be a string, not {_kind(value)}")
    blocks = _blocks(text, content, tool_use, thinking)
    return ScriptedReply(
        content=blocks,
        stop_reason=_stop_reason(stop_reason, blocks),
        usage=_object("usage", {} if usage is None else usage),
        model=model,
        error=None if error is None else _error(error),
        events=None if events is None else _events(events),
        delay=_delay(delay),
        when=_checked_condition(when),
        description=_description({**answers, "error": error, "events": events}),
        place=caller(),
        times_left=_times(times),
    )


def _check_combination(
    answers: Mapping[str, object], details: Mapping[str, object], *, error: object, events: object
) -> None:
    __tracebackhide__ = True
    given = [name for name, value in answers.items() if value is not None]
    beside = [*given, *(name for name, value in details.items() if value is not None)]
    if error is not None and events is not None:
        raise ValueError("error and events exclude each other; an error within a stream is one of the events")
    for name, value in (("error", error), ("events", events)):
        if value is not None and beside:
            raise ValueError(f"{name} is the whole reply and cannot be combined with {', '.join(beside)}")
    if error is None and events is None and not given:
        raise ValueError(f"a reply needs one of {', '.join([*answers, 'error', 'events'])}")


def _blocks(text: object, content: object, tool_use: object, thinking: object) -> tuple[Json, ...]:
    __tracebackhide__ = True
    blocks: list[Json] = []
    if thinking is not None:
        signature = tagged_id("signature")
        blocks.append({"type": "thinking", "thinking": thinking, "signature": signature})
    if text:
        blocks.append({"type": "text", "text": text})
    if content is not None:
        for number, block in enumerate(_list("content", content)):
            plain = _object(f"content[{number}]", block)
            if not isinstance(plain.get("type"), str) or not plain["type"]:
                raise ValueError(f"content[{number}]: a block needs a type, such as text")
            blocks.append(plain)
    if tool_use is not None:
        uses = [tool_use] if isinstance(tool_use, Mapping) else _list("tool_use", tool_use)
        for number, use in enumerate(uses):
            blocks.append(
                _tool_use("tool_use" if len(uses) == 1 else f"tool_use[{number}]", use)
            )  # a frame of its own would be shown
        if not uses:
            raise ValueError("tool_use: must not be empty")
    return tuple(blocks)


def _tool_use(place: str, use: object) -> Json:
    __tracebackhide__ = True
    given = _object(place, use)
    unknown = sorted(set(given) - {"type", "id", "name", "input"})
    if unknown or given.get("type", "tool_use") != "tool_use":
        raise ValueError(f"{place}: has name, input and id only, and not {unknown[0] if unknown else 'another type'}")
    if not isinstance(given.get("name"), str) or not given["name"]:
        raise ValueError(f"{place}: needs the name of a tool")
    given.setdefault("input", {})
    if not isinstance(given["input"], dict):
        raise ValueError(f"{place}: input must be an object, not {_kind(given['input'])}")
    if not isinstance(given.setdefault("id", tagged_id("toolu")), str):
        raise ValueError(f"{place}: id must be a string")
    return {"type": "tool_use", "id": given["id"], "name": given["name"], "input": given["input"]}


def _stop_reason(given: object, blocks: tuple[Json, ...]) -> str:
    __tracebackhide__ = True
    uses_tool = any(block["type"] == "tool_use" for block in blocks)
    if given is None:
        return "tool_use" if uses_tool else "end_turn"
    if given not in _STOP_REASONS:
        raise ValueError(f"stop_reason {given!r} is not one of {', '.join(_STOP_REASONS)}")
    if given == "tool_use" and not uses_tool:
        raise ValueError('stop_reason "tool_use" needs a tool_use')
    return str(given)


def _error(error: object) -> tuple[int, str, str]:
    __tracebackhide__ = True
    parts = list(error) if isinstance(error, tuple | list) else []
    if len(parts) != 3 or not all(isinstance(part, kind) for part, kind in zip(parts, (int, str, str), strict=True)):
        raise ValueError('error: must be (status, type, message), such as (529, "overloaded_error", "Overloaded")')
    if not 400 <= parts[0] <= 599:
        raise ValueError(f"error: status {parts[0]} is not an error status from 400 to 599")
    return parts[0], parts[1], parts[2]


def _events(events: object) -> tuple[Json | str, ...]:
    __tracebackhide__ = True
    listed: list[Json | str] = []
    for number, event in enumerate(_list("events", events)):
        if isinstance(event, str):
            listed.append(event)
            continue
        plain = _object(f"events[{number}]", event)
        if not isinstance(plain.get("type"), str):
            raise ValueError(f"events[{number}]: an event needs a type, such as message_start")
        listed.append(plain)
    return tuple(listed)


def _delay(seconds: object) -> float:
    __tracebackhide__ = True
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 <= seconds <= _LONGEST_DELAY:
        raise ValueError(f"delay: must be a number of seconds from 0 to {_LONGEST_DELAY:.0f}")
    return float(seconds)


def _times(times: object) -> int | None:
    __tracebackhide__ = True
    if times is None:
        return None
    if not isinstance(times, int) or isinstance(times, bool) or times < 1:
        raise ValueError("times: must be a positive whole number, or None for any number of requests")
    return times


def _checked_condition(when: object) -> When:
    __tracebackhide__ = True
    if isinstance(when, Mapping):
        return _object("when", when)
    if inspect.iscoroutinefunction(when):
        raise ValueError("when: must be a function that is not async")
    if when is not None and not callable(when) and (not isinstance(when, str) or not when):
        raise ValueError("when: must be a function, a part of the last user text, or a part of the body")
    return cast("When", when)


def _list(name: str, value: object) -> list[object]:
    __tracebackhide__ = True
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise ValueError(f"{name}: must be a list, not {_kind(value)}")
    return list(value)


def _object(name: str, value: object) -> Json:
    """Return a copy, as JSON has it."""
    __tracebackhide__ = True
    if not isinstance(value, Mapping):
        raise ValueError(f"{name}: must be an object, not {_kind(value)}")
    try:
        return cast("Json", json.loads(json.dumps(dict(value), allow_nan=False)))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{name}: holds a value that JSON does not have: {error}") from None


def _kind(value: object) -> str:
    return type(value).__name__


def _description(given: Mapping[str, object]) -> str:
    parts = [f"{name} {sanitize(repr(value), limit=_SHOWN)}" for name, value in given.items() if value is not None]
    return ", ".join(parts)


def _condition(when: object) -> str:
    if callable(when):
        name = getattr(when, "__qualname__", type(when).__name__).rpartition(">.")[2]
        return f"{name}()" if name.isidentifier() else "a predicate holds"
    return sanitize(repr(when), limit=_SHOWN)


_LIBRARY = PurePath(__file__).parents[2]


def caller() -> str:
    """Return the file and line outside this library that called it."""
    frame = sys._getframe(1)
    while frame.f_back is not None and PurePath(frame.f_code.co_filename).is_relative_to(_LIBRARY):
        frame = frame.f_back
    return f"{PurePath(frame.f_code.co_filename).name}:{frame.f_lineno}"


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
        self._put([], [], None)

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
        with self._lock:
            replies, used, failure = list(self._replies), list(self._used), self._failure
        return lambda: self._put(replies, used, failure)

    def _put(
        self,
        replies: list[ScriptedReply],
        used: list[ScriptedReply],
        failure: tuple[ScriptedReply, BaseException] | None,
    ) -> None:
        with self._lock:
            self._replies, self._used, self._failure = list(replies), list(used), failure


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
