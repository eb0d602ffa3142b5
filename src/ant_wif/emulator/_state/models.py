"""The models that there are, newest first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Model = Mapping[str, object]

_SEEDED = (
    ("claude-opus-4-5-20251101", "Claude Opus 4.5", "2025-11-24"),
    ("claude-haiku-4-5-20251001", "Claude Haiku 4.5", "2025-10-15"),
    ("claude-sonnet-4-5-20250929", "Claude Sonnet 4.5", "2025-09-29"),
    ("claude-opus-4-1-20250805", "Claude Opus 4.1", "2025-08-05"),
    ("claude-opus-4-20250514", "Claude Opus 4", "2025-05-22"),
    ("claude-sonnet-4-20250514", "Claude Sonnet 4", "2025-05-22"),
)


class Catalogue:
    """Never changes: other models are another catalogue."""

    def __init__(self, models: Iterable[Model]) -> None:
        self._models = tuple(models)
        self._positions = {str(model["id"]): position for position, model in enumerate(self._models)}

    @classmethod
    def seeded(cls) -> Catalogue:
        return cls(_model(*entry) for entry in _SEEDED)

    @classmethod
    def of(cls, ids: Iterable[str]) -> Catalogue:
        """Raises ValueError for an id that is empty or there twice."""
        names = list(ids)
        if "" in names or len(set(names)) != len(names):
            raise ValueError("every model needs an id of its own")
        return cls(_model(name, name, "2025-01-01") for name in names)

    def __len__(self) -> int:
        return len(self._models)

    def __contains__(self, model_id: str) -> bool:
        return model_id in self._positions

    def model(self, model_id: str) -> Model | None:
        return self._models[self._positions[model_id]] if model_id in self else None

    def position(self, model_id: str) -> int | None:
        return self._positions.get(model_id)

    def part(self, start: int, end: int) -> tuple[Model, ...]:
        return self._models[start:end]


def _model(model_id: str, name: str, created: str) -> Model:
    return {"type": "model", "id": model_id, "display_name": name, "created_at": f"{created}T00:00:00Z"}
