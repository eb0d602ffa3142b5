"""What is noted beside a registration, that no exchange depends on: who made and changed it, and when."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, kw_only=True)
class Note:
    """Times are unix times. An actor is a user or a service account, `None` where the emulator itself did it.

    `jwks` is where an issuer's keys come from, in the form of the Admin API.
    """

    created_at: float
    created_by: str | None = None
    updated_at: float
    updated_by: str | None = None
    archived_at: float | None = None
    archived_by: str | None = None
    description: str | None = None
    jwks: Mapping[str, object] = field(default_factory=lambda: {"type": "discovery"})


@dataclass(frozen=True)
class Membership:
    """That a service account is in a workspace, beyond the default one, in which each of them is."""

    role: str = "workspace_developer"
    actor_id: str | None = None


class Notes:
    """By the id of what they are about. What has no note is as old as the emulator. Hold the state's lock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began = clock()
        self._notes: dict[str, Note] = {}
        self.memberships: dict[tuple[str, str], Membership] = {}
        """By service account and workspace."""
        self.enablements: dict[tuple[str, str], Note] = {}
        """By rule and workspace."""

    def __getitem__(self, identifier: str) -> Note:
        return self._notes.get(identifier) or Note(created_at=self._began, updated_at=self._began)

    def begin(
        self,
        identifier: str,
        actor: str | None,
        *,
        description: str | None = None,
        jwks: Mapping[str, object] | None = None,
    ) -> None:
        note = self.fresh(actor)
        self._notes[identifier] = replace(note, description=description, jwks=jwks or note.jwks)

    def fresh(self, actor: str | None) -> Note:
        """Return the note of what `actor` makes now."""
        now = self._clock()
        return Note(created_at=now, created_by=actor, updated_at=now, updated_by=actor)

    def touch(self, identifier: str, actor: str | None) -> None:
        self._notes[identifier] = replace(self[identifier], updated_at=self._clock(), updated_by=actor)

    def archive(self, identifier: str, actor: str | None) -> None:
        self.touch(identifier, actor)
        note = self._notes[identifier]
        self._notes[identifier] = replace(note, archived_at=note.updated_at, archived_by=actor)

    def change(self, identifier: str, actor: str | None, body: Mapping[str, object]) -> None:
        """Note that somebody changed what a body says. A description of `None` is cleared, which leaves it empty."""
        if "description" in body:
            description = body["description"]
            text = description if isinstance(description, str) else ""
            self._notes[identifier] = replace(self[identifier], description=text)
        elif all(value is None for value in body.values()):
            return
        self.touch(identifier, actor)

    def set_jwks(self, identifier: str, jwks: Mapping[str, object]) -> None:
        self._notes[identifier] = replace(self[identifier], jwks=jwks)
