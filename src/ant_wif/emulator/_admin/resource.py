"""What service accounts, issuers and rules have in common: found by id, named once, archived for good."""

from __future__ import annotations

import base64
import binascii
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from starlette.datastructures import QueryParams

from ant_wif._secrets import sanitize
from ant_wif.emulator._http.fields import is_set, limit_of, page_answer, page_by_id, single
from ant_wif.emulator._http.protocol import Refusal, timestamp
from ant_wif.emulator._state.state import State, Workspace
from ant_wif.rules import Issuer, RegistrationError, Rule, ServiceAccount

if TYPE_CHECKING:
    from ant_wif.emulator._admin.schemas import Strict

MOST = 100


@dataclass(frozen=True)
class Wish:
    """What a caller asks for. `after` is the id that the page before ended with."""

    limit: int
    after: str | None
    include_archived: bool


def read_wish(query: QueryParams) -> Wish:
    """Raises `Refusal` (400) for a value that cannot be; other parameters are ignored."""
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


Body = Mapping[str, object]

ROOT = "/v1/organizations"


T = TypeVar("T", Issuer, Rule, ServiceAccount)


class Resource(ABC, Generic[T]):
    """One kind of registration. Hold the state's lock while anything is called.

    Methods raise `Refusal`, and `RegistrationError` for what the platform refuses to register.
    """

    path: ClassVar[str]
    """Where they are, below `ROOT`."""
    title: ClassVar[str]
    parameter: ClassVar[str]
    """What a path has for an id, in its description."""
    answer: ClassVar[str]
    """The name of a model of `schemas`, which is imported at first use, as the next two."""
    creation: ClassVar[str]
    change: ClassVar[str]

    def __init__(self, state: State) -> None:
        self.state = state

    @property
    @abstractmethod
    def all(self) -> dict[str, T]:
        """By id, oldest first."""

    @abstractmethod
    def show(self, found: T) -> dict[str, object]: ...

    @abstractmethod
    def create(self, body: Body, actor: str) -> T: ...

    @abstractmethod
    def update(self, found: T, body: Body, actor: str) -> T:
        """Change a live one. `body` has the structure that `change` asks for."""

    @abstractmethod
    def archived(self, found: T) -> T:
        """Return it as archived. Raises `Refusal` where something needs it."""

    def fits(self, found: T, query: QueryParams) -> bool:  # noqa: ARG002  # there is nothing to filter by
        """Return whether one is among what a list was asked for."""
        return True

    def known(self, identifier: str) -> T:
        """Raises `Refusal` (404) where there is no such one."""
        found = self.all.get(identifier)
        if found is None:
            raise Refusal(404, f"There is no {self.title} {sanitize(identifier, limit=64)}")
        return found

    def live(self, identifier: str) -> T:
        """Raises `Refusal`: 404 where there is no such one, 400 where it is archived."""
        found = self.known(identifier)
        if found.archived:
            raise Refusal(400, f"The {self.title} {found.name} is archived, and cannot be changed any more")
        return found

    def refuse_taken(self, name: str, *, but: str = "") -> None:
        """Raises `Refusal` (409) for a name that another one has, or had before it was archived."""
        if any(other.name == name and other.id != but for other in self.all.values()):
            raise Refusal(409, f"name: there is a {self.title} {name} already")

    def list(self, query: QueryParams) -> dict[str, object]:
        """Return a page of them, the newest first."""
        wish, ids = read_wish(query), list(reversed(self.all))
        shown = [
            each
            for each in ids
            if (wish.include_archived or not self.all[each].archived) and self.fits(self.all[each], query)
        ]
        found, next_page = page(wish, ids, shown)
        return {"data": [self.show(self.all[identifier]) for identifier in found], "next_page": next_page}

    def archive(self, identifier: str, actor: str) -> T:
        """Archive it, unless it is: the first time counts."""
        found = self.known(identifier)
        if not found.archived:
            found = self.all[identifier] = self.archived(found)
            self.state.notes.archive(identifier, actor)
        return found

    def frame(self, found: T) -> dict[str, object]:
        """Return the fields that every kind is shown with."""
        note = self.state.notes[found.id]
        archived_at = (note.updated_at if note.archived_at is None else note.archived_at) if found.archived else None
        return {
            "id": found.id,
            "name": found.name,
            "created_at": timestamp(note.created_at),
            "created_by_actor_id": note.created_by,
            "updated_at": timestamp(note.updated_at),
            "updated_by_actor_id": note.updated_by,
            "archived_at": None if archived_at is None else timestamp(archived_at),
            "archived_by_actor_id": note.archived_by if found.archived else None,
        }


def given(body: Body) -> dict[str, object]:
    """Return the fields that are there and not null: null leaves a field as it is."""
    return {name: value for name, value in body.items() if value is not None}


MOST_IDS = 100


class Workspaces:
    """Hold the state's lock while anything is called."""

    path = "workspaces"

    def __init__(self, state: State) -> None:
        self._state = state

    def list(self, query: QueryParams) -> dict[str, object]:
        """Return what is asked for; the default workspace only where it is asked for by `include_default`."""
        is_set(query, "include_archived")  # there are none
        default = None if is_set(query, "include_default") else self._state.default_workspace.id
        asked = query.getlist("ids[]") or query.getlist("ids")
        if len(asked) > MOST_IDS:
            raise Refusal(400, f"ids: must be at most {MOST_IDS}")
        ids = [each for each in self._state.workspaces if each != default and (not asked or each in asked)]
        positions = {identifier: position for position, identifier in enumerate(ids)}
        page, has_more = page_by_id(query, "workspace", len(ids), positions.get)
        return page_answer([self.get(ids[position]) for position in page], has_more=has_more)

    def get(self, identifier: str) -> dict[str, object]:
        """Raises `Refusal` (404) where there is no such one."""
        found = self._state.workspaces.get(identifier)
        if found is None:
            raise Refusal(404, f"There is no workspace {sanitize(identifier, limit=64)}")
        return self._shown(found)

    def _shown(self, workspace: Workspace) -> dict[str, object]:
        return {
            "type": "workspace",
            "id": workspace.id,
            "name": workspace.name,
            "archived_at": None,
            "compartment_id": workspace.id.replace("wrkspc_", "cmpt_", 1),
            "created_at": timestamp(self._state.notes[workspace.id].created_at),
            "data_residency": {
                "allowed_inference_geos": "unrestricted",
                "default_inference_geo": "global",
                "workspace_geo": "us",
            },
            "display_color": "#6C5BB9",
            "external_key_id": None,
            "tags": {},
            "user_profile_id": None,
        }


def check_structure(body: object, model: type[Strict]) -> None:
    """Raises `RegistrationError` with the place that is wrong first, such as `match.claims` or `keys[0].kty`."""
    from ant_wif.emulator._admin.schemas import find_flaw

    flaw = find_flaw(model, body)
    if flaw is not None:
        place, sentence = flaw
        shown = "".join(f"[{name}]" if isinstance(name, int) else f".{name}" for name in place)
        raise RegistrationError(shown.removeprefix(".") or "body", sentence)


def model_named(name: str) -> type[Strict]:
    """Return a model of `schemas`."""
    from ant_wif.emulator._admin import schemas

    found: type[Strict] = getattr(schemas, name)
    return found
