"""Lists: how many, from where on, and whether archived ones are among them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.datastructures import QueryParams

from ant_wif.emulator._http.protocol import Refusal
from ant_wif.emulator._http.queries import is_set, limit_of, single

MOST = 100


@dataclass(frozen=True)
class Wish:
    """What a caller asks for. `after` is the id that the page before ended with."""

    limit: int
    after: str | None
    include_archived: bool


def read_wish(query: QueryParams) -> Wish:
    """Raises `Refusal` (400) for a value that cannot be; other parameters are nobody's matter."""
    limit, archived, page = limit_of(query, MOST), is_set(query, "include_archived"), single(query, "page")
    return Wish(limit, None if page is None else _read_cursor(page), include_archived=archived)


def page(wish: Wish, ids: Sequence[str], shown: Sequence[str]) -> tuple[list[str], str | None]:
    """Return those of `shown` that are on the page, and the cursor of the next one.

    `ids` are all there are, in order, so that a cursor stays good when what it stands at is archived.
    Raises `Refusal` (400) for a cursor of another list.
    """
    position = {identifier: number for number, identifier in enumerate(ids)}
    if wish.after is not None and wish.after not in position:
        raise _no_cursor()
    begin = -1 if wish.after is None else position[wish.after]
    rest = [identifier for identifier in shown if position[identifier] > begin]
    found = rest[: wish.limit]
    return found, _cursor(found[-1]) if len(rest) > len(found) else None


def _cursor(identifier: str) -> str:
    return base64.urlsafe_b64encode(identifier.encode()).rstrip(b"=").decode("ascii")


def _read_cursor(cursor: str) -> str:
    try:
        return base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode("ascii")
    except (ValueError, binascii.Error):
        raise _no_cursor() from None


def _no_cursor() -> Refusal:
    return Refusal(400, "page: must be the next_page of an answer to the same request")
