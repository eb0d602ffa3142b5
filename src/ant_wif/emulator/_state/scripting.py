"""What a test says that the model replies, and what it asks of the API calls that the model received."""

# ruff: noqa: TRY004  # as for the emulator's other methods, ValueError is the one kind of error

from __future__ import annotations

import inspect
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import PurePath
from typing import cast

from ant_wif._secrets import sanitize
from ant_wif.emulator._http.ids import tagged_id
from ant_wif.emulator._http.protocol import Refusal
from ant_wif.emulator._state.blocks import check, check_block, types_of_the_sdk
from ant_wif.emulator._state.history import RequestList
from ant_wif.emulator._state.replies import IDS, SHOWN, Json, ScriptedReply, When
from ant_wif.emulator._state.state import State

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


class ScriptedModel:
    """The part of the emulator that tests of applications use. Methods may be called from any thread."""

    _state: State

    @property
    def requests(self) -> RequestList:
        """The API calls that arrived, oldest first: a copy. `requests.messages()` has those to messages only.

        These are the last 10,000, of at most 64 MiB of bodies in all. Calls to identity endpoints and to the token
        endpoint are in the history instead.
        """
        return self._state.requests.snapshot()

    def clear_requests(self) -> None:
        """Forget the API calls that arrived."""
        self._state.requests.clear()

    def reply(
        self,
        text: str | None = None,
        *,
        content: Iterable[Mapping[str, object]] | None = None,
        tool_use: Mapping[str, object] | Iterable[Mapping[str, object]] | None = None,
        thinking: str | None = None,
        stop_reason: str | None = None,
        usage: Mapping[str, object] | None = None,
        model: str | None = None,
        error: tuple[int, str, str] | None = None,
        events: Iterable[Mapping[str, object] | str] | None = None,
        delay: float = 0.0,
        when: When = None,
        times: int | None = 1,
    ) -> None:
        """Set the reply to the next request to `POST /v1/messages`, whether it streams or not.

        The answer consists of `thinking`, `text`, the blocks of `content`, and `tool_use`, which is one
        `{"name": …, "input": {…}}` or a list of them, in this order. `stop_reason` is by default `tool_use` where a
        tool is used, and else `end_turn`. `usage` replaces some of the counted numbers of tokens, `model` the model
        of the request. `error` is (status, type, message), and `events` is a stream as it is to be sent: dicts, and
        strings that are sent unchanged; both are a whole reply. `delay` is in seconds.

        `when` says which request gets the reply: a function that takes the `RecordedRequest`, a part of the user's
        last text, or a dict that the body must contain. `times` is how many requests get it, `None` for any number.
        Replies with `when` come before those without, and those for any number of requests after the others;
        otherwise they come in the order in which they were set. When all that fit a request are used, it gets
        an error 400 that says so; a request that no reply was set for gets the echo.

        Raises ValueError for a value that cannot be meant, and for a combination that is not possible.
        """
        __tracebackhide__ = True
        answers = {
            "text": text,
            "content": content,
            "tool_use": tool_use,
            "thinking": thinking,
            "stop_reason": stop_reason,
        }
        details = {"usage": usage, "model": model}
        _check_combination(answers, details, error=error, events=events)
        for name, value in (("text", text), ("thinking", thinking), ("model", model)):
            if value is not None and not isinstance(value, str):
                raise ValueError(f"{name}: must be a string, not {_kind(value)}")
        if model == "":
            raise ValueError("model: must not be empty")
        blocks = _blocks(text, content, tool_use, thinking)
        reply = ScriptedReply(
            content=blocks,
            stop_reason=_stop_reason(stop_reason, blocks),
            usage=_usage({} if usage is None else usage),
            model=model,
            error=None if error is None else _error(error),
            events=None if events is None else _events(events),
            delay=_delay(delay),
            when=_checked_condition(when),
            description=_description({**answers, "error": error, "events": events}),
            place=_caller(),
            times_left=_times(times),
        )
        self._state.replies.add(reply)

    @property
    def replies_left(self) -> list[ScriptedReply]:
        """The replies that were set and not used, oldest first: a copy."""
        return self._state.replies.left()

    def assert_all_used(self) -> None:
        """Raises AssertionError that names the replies that were not used, or a predicate of a reply that raised."""
        __tracebackhide__ = True
        self._state.replies.check()
        left = self.replies_left
        if left:
            received = len(self.requests.messages())
            listed = "".join(f"\n  {reply}" for reply in left)
            raise AssertionError(f"Replies that were not used: {len(left)}. Requests to messages: {received}.{listed}")

    def clear_replies(self) -> None:
        """Forget the replies that were set: the next request gets the echo."""
        self._state.replies.clear()


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
            kind = str(plain.get("type"))
            if kind == "thinking":
                plain.setdefault("signature", tagged_id("signature"))
            try:
                check_block({"id": "later", **plain} if kind in IDS else plain, f"content[{number}]")
            except Refusal as refusal:
                raise ValueError(refusal.message) from None
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
    if "id" in given and not (isinstance(given["id"], str) and re.fullmatch(r"[a-zA-Z0-9_-]+", given["id"])):
        raise ValueError(f"{place}: id must be a string of letters, digits, hyphens and underscores")
    return {"type": "tool_use", **given}


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


def _usage(usage: object) -> Json:
    __tracebackhide__ = True
    given = _object("usage", usage)
    known = types_of_the_sdk()["usage"] if given else {}
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"usage: {sanitize(repr(name), limit=SHOWN)} is not one of {', '.join(known)}")
        try:
            check(known[name], value, f"usage.{name}")
        except Refusal as refusal:
            raise ValueError(refusal.message) from None
        if name.endswith("_tokens") and value is not None and value < 0:
            raise ValueError(f"usage.{name}: must not be negative")
    return given


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
        if not when:
            raise ValueError("when: must not be empty; leave it out for any request")
        return _object("when", when)
    if inspect.iscoroutinefunction(when):
        raise ValueError("when: must be a function that is not async")
    if when is not None and not callable(when) and (not isinstance(when, str) or not when):
        raise ValueError("when: must be a function, a part of the last user text, or a part of the body")
    if callable(when):
        try:
            inspect.signature(when).bind(None)
        except TypeError as error:
            raise ValueError(f"when: must be a function of one request: {error}") from None
        except ValueError:  # some functions in C do not say what they take
            pass
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
    parts = [f"{name} {sanitize(repr(value), limit=SHOWN)}" for name, value in given.items() if value is not None]
    return ", ".join(parts)


_LIBRARY = f"{PurePath(__file__).parents[2]}{os.sep}"
REPLIES_PATH = "/_emulator/replies"
_IS_REMOTE = ContextVar("a reply is set over HTTP", default=False)


@contextmanager
def over_http() -> Iterator[None]:
    """Have the replies that are set in this context say that they came over HTTP."""
    token = _IS_REMOTE.set(True)
    try:
        yield
    finally:
        _IS_REMOTE.reset(token)


def _caller() -> str:
    """Return the file and line outside this library that called it, or the path where a request did."""
    if _IS_REMOTE.get():
        return f"POST {REPLIES_PATH}"
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_LIBRARY):
        frame = frame.f_back
    return f"{PurePath(frame.f_code.co_filename).name}:{frame.f_lineno}"
