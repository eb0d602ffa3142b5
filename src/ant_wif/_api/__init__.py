"""The API client behind `ant models`, `ant messages` and `ant api`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ant_wif._api.client import Api, is_json, media_type, read_answer
    from ant_wif._api.streaming import EVENT_STREAM, JSON_LINES, events, json_lines, message_events, text_of

__all__ = [
    "EVENT_STREAM",
    "JSON_LINES",
    "Api",
    "events",
    "is_json",
    "json_lines",
    "media_type",
    "message_events",
    "read_answer",
    "text_of",
]

_HOMES = {
    "client": (
        "Api",
        "is_json",
        "media_type",
        "read_answer",
    ),
    "streaming": (
        "EVENT_STREAM",
        "JSON_LINES",
        "events",
        "json_lines",
        "message_events",
        "text_of",
    ),
}


def __getattr__(name: str) -> object:
    """Load a name on first use (PEP 562): a command pays for what it needs."""
    from importlib import import_module

    for module, names in _HOMES.items():
        if name in names:
            found: object = getattr(import_module(f"{__name__}.{module}"), name)
            globals()[name] = found
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
