"""Lists of the API, as if they had no pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from urllib.parse import parse_qsl

from ant_wif._secrets import sanitize
from ant_wif.errors import ApiError

__all__ = ["PAGE_SIZE", "Query", "items", "split_query"]

PAGE_SIZE = 100

Query = Sequence[tuple[str, str]]

_CURSORS = {"page", "after_id", "before_id"}


def items(
    get: Callable[[Query], Mapping[str, object]],
    query: Query,
    *,
    name: str,
    limit: int | None = None,
    page_size: int | None = PAGE_SIZE,
) -> Iterator[Mapping[str, object]]:
    """Yield what a list holds one by one, asking for the next page only when it is reached.

    Pages lead on by `next_page`, or by `has_more` and the id at their end. `limit` is the most that are yielded;
    without it all are. `page_size` is asked for, unless it is `None`. `name` is that of the list in errors.

    Raises:
        ApiError: what answers is not a list, or one that leads in a circle.
    """
    remaining = limit
    backwards = any(parameter == "before_id" for parameter, _ in query)
    following: tuple[str, str] | None = None
    seen: set[str] = set()
    while remaining is None or remaining > 0:
        size = [] if page_size is None else [("limit", str(min(page_size, remaining or page_size)))]
        kept = [pair for pair in query if following is None or pair[0] not in _CURSORS]
        found, has_more, following = _of_page(
            get([*kept, *size, *([following] if following else [])]), backwards=backwards
        )
        if found is None:
            raise ApiError(
                f"the response to GET {sanitize(name)} is not a list: it has no objects in `data`",
                hint="check that the path is that of a list, and that the base URL names the API",
            )
        yield from found if remaining is None else found[:remaining]
        remaining = None if remaining is None else remaining - len(found)
        if following is None and has_more:
            raise ApiError(
                f"the list at {sanitize(name)} has more, and does not say where it goes on",
                hint="what came up to here is not all; report this to the operator of the API",
            )
        if following is None:
            return
        if following[1] in seen:
            raise ApiError(
                f"the list at {sanitize(name)} leads in a circle: the page {sanitize(following[1])} came before",
                hint="what came up to here is all there is; report this to the operator of the API",
            )
        seen.add(following[1])


def _of_page(
    page: Mapping[str, object], *, backwards: bool
) -> tuple[list[Mapping[str, object]] | None, bool, tuple[str, str] | None]:
    """Return the objects of a page, `None` if it has no list of them; whether more follow, and where."""
    data = page.get("data")
    found = data if isinstance(data, list) and all(isinstance(item, dict) for item in data) else None
    return found, page.get("has_more") is True, _following(page, backwards=backwards)


def _following(page: Mapping[str, object], *, backwards: bool) -> tuple[str, str] | None:
    """Return the query parameter that leads to the next page, or `None` on the last one."""
    cursor = page.get("next_page")
    if isinstance(cursor, str) and cursor:
        return "page", cursor
    end = page.get("first_id" if backwards else "last_id")
    if page.get("has_more") is True and isinstance(end, str) and end:
        return ("before_id" if backwards else "after_id"), end
    return None


def split_query(path: str) -> tuple[str, Query]:
    """Return a path without its query, and what was in that."""
    bare, mark, query = path.partition("?")
    return bare, parse_qsl(query.partition("#")[0], keep_blank_values=True) if mark else []
