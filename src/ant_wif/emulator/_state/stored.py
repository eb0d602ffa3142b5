"""What callers of the API store: batches of messages, and files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = Mapping[str, Any]


@dataclass(frozen=True)
class StoredBatch:
    """Times are unix times. `results` are in the order of `requests`, and empty until the batch has ended."""

    id: str
    workspace_id: str
    created_at: float
    expires_at: float
    requests: tuple[Json, ...] = field(repr=False)
    results: tuple[Json, ...] = field(default=(), repr=False)
    cancel_initiated_at: float | None = None
    ended_at: float | None = None

    def count(self, kind: str) -> int:
        return sum(line["result"]["type"] == kind for line in self.results)


@dataclass(frozen=True)
class StoredFile:
    id: str
    workspace_id: str
    created_at: float
    filename: str
    mime_type: str
    content: bytes = field(repr=False)
    expires_at: float | None = None
