"""The models that the emulator serves, and those that it lists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

Model = Mapping[str, object]

# The models that the newest official SDK names in its types and does not call deprecated, newest first, each with the
# date of the SDK release that names it first. tests/ant_wif/test_emulator_models.py compares them with the SDK.
_CURRENT = (
    ("claude-fable-5-2", "2026-11-09"),
    ("claude-mythos-5-2", "2026-11-09"),
    ("claude-haiku-5-5", "2026-10-07"),
    ("claude-sonnet-5-5", "2026-09-28"),
    ("claude-opus-5-5", "2026-09-22"),
    ("claude-fable-5-1", "2026-09-01"),
    ("claude-mythos-5-1", "2026-09-01"),
    ("claude-opus-5", "2026-07-24"),
    ("claude-sonnet-5", "2026-06-30"),
    ("claude-fable-5", "2026-06-09"),
    ("claude-mythos-5", "2026-06-09"),
    ("claude-opus-4-8", "2026-05-28"),
    ("claude-opus-4-7", "2026-04-16"),
    ("claude-sonnet-4-6", "2026-02-17"),
    ("claude-opus-4-6", "2026-02-05"),
    ("claude-haiku-4-5", "2025-10-15"),
    ("claude-haiku-4-5-20251001", "2025-10-15"),
)

_CLAUDE = re.compile(r"claude-[!-~]{1,249}")
"""What an id may be for which the emulator has no entry: printable ASCII without spaces."""
_SNAPSHOT = re.compile(r"-(\d{8}|latest)\Z")
_VERSION = re.compile(r"(?<=\d) (?=\d)")
_LINES = frozenset({"haiku", "sonnet", "opus", "fable", "mythos"})
_UNKNOWN_DATE = "1970-01-01"  # as the API has it: the epoch, where the date of a release is not known


class ModelList:
    """Immutable: to serve other models, make another catalogue."""

    def __init__(self, models: Iterable[Model], *, serves_unlisted: bool) -> None:
        self._models = tuple(models)
        self._positions = {str(model["id"]): position for position, model in enumerate(self._models)}
        self._serves_unlisted = serves_unlisted

    @classmethod
    def seeded(cls) -> ModelList:
        """Return the current models. Other `claude-*` ids are served, but not listed."""
        return cls((_model(*entry) for entry in _CURRENT), serves_unlisted=True)

    @classmethod
    def of(cls, ids: Iterable[str]) -> ModelList:
        """Return these models and no others. Raises ValueError for an id that is empty or there twice."""
        names = [] if isinstance(ids, str) else list(ids)
        if isinstance(ids, str) or not all(isinstance(name, str) for name in names):
            raise ValueError(f"the models must be a list of ids, not {ids!r}")
        if "" in names or len(set(names)) != len(names):
            raise ValueError("every model needs an id of its own")
        return cls((_model(name, "2025-01-01", name) for name in names), serves_unlisted=False)

    def __len__(self) -> int:
        return len(self._models)

    def __contains__(self, model_id: str) -> bool:
        return self.find(model_id) is not None

    def find(self, model_id: str) -> Model | None:
        """Return the model, listed or not, or `None` where it is not served."""
        position = self.position(model_id)
        if position is not None:
            return self._models[position]
        return _model(model_id) if self._serves_unlisted and _CLAUDE.fullmatch(model_id) else None

    def position(self, model_id: str) -> int | None:
        """Return where the model stands in the list, or `None` where it is not listed."""
        return self._positions.get(model_id)

    def part(self, start: int, end: int) -> tuple[Model, ...]:
        return self._models[start:end]


def _model(model_id: str, created: str = _UNKNOWN_DATE, name: str | None = None) -> Model:
    return {
        "type": "model",
        "id": model_id,
        "display_name": name or _display_name(model_id),
        "created_at": f"{created}T00:00:00Z",
        "lifecycle": "active",
        "deprecated_at": None,
        "retires_at": None,
        "line": next((word for word in model_id.split("-") if word in _LINES), None),
        "max_input_tokens": None,
        "max_tokens": None,
        "capabilities": None,
    }


def _display_name(model_id: str) -> str:
    """Return `Claude Haiku 4.5` for `claude-haiku-4-5-20251001`."""
    words = _SNAPSHOT.sub("", model_id).replace("-", " ").title()
    return _VERSION.sub(".", words)
