"""What a query asks of a list, and the lists that are paged by the id of what stands beside the page."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from starlette.datastructures import QueryParams

from ant_wif.emulator._http.protocol import Refusal

DEFAULT_LIMIT = 20
MOST_BY_ID = 1000
"""How many things a page has at most that is asked for by `after_id` or `before_id`."""

_LIMIT = re.compile(r"[0-9]{1,4}")


def single(query: QueryParams, name: str) -> str | None:
    """Return a parameter, or `None` where it is missing. Raises `Refusal` (400) where it is there twice."""
    values = query.getlist(name)
    if len(values) > 1:
        raise Refusal(400, f"{name}: must not be there more than once")
    return values[0] if values else None


def limit_of(query: QueryParams, most: int) -> int:
    """Raises `Refusal` (400) for what is no number from 1 to `most`."""
    text = single(query, "limit")
    limit = DEFAULT_LIMIT if text is None else int(text) if _LIMIT.fullmatch(text) else 0
    if not 1 <= limit <= most:
        raise Refusal(400, f"limit: must be a number from 1 to {most}")
    return limit


def is_set(query: QueryParams, name: str) -> bool:
    """Return whether a parameter is `true`. Raises `Refusal` (400) for what is neither that nor `false`."""
    value = single(query, name)
    if value not in {None, "true", "false"}:
        raise Refusal(400, f"{name}: must be true or false")
    return value == "true"


def page_by_id(query: QueryParams, title: str, count: int, position: Callable[[str], int | None]) -> tuple[range, bool]:
    """Return which of `count` things are on the page, and whether there are more the way one pages.

    `position` says where the thing with an id stands. Raises `Refusal` (400).
    """
    limit, after, before = limit_of(query, MOST_BY_ID), single(query, "after_id"), single(query, "before_id")

    def stands_at(parameter: str, identifier: str) -> int:
        found = position(identifier)
        if found is None:
            raise Refusal(400, f"{parameter}: no such {title}")
        return found

    if before is None:
        begin = 0 if after is None else stands_at("after_id", after) + 1
        return range(begin, min(begin + limit, count)), begin + limit < count
    if after is not None:
        raise Refusal(400, "before_id: not allowed together with after_id")
    end = stands_at("before_id", before)
    begin = max(0, end - limit)
    return range(begin, end), begin > 0


def page_answer(data: Sequence[Mapping[str, object]], *, has_more: bool) -> dict[str, object]:
    return {
        "data": data,
        "has_more": has_more,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
    }
