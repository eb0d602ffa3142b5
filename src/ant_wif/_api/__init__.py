"""The API client behind `ant models`, `ant messages` and `ant api`."""

from ant_wif._lazy import loader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ant_wif._api.client import Api, is_json, media_type, read_answer
    from ant_wif._api.streaming import EVENT_STREAM, JSON_LINES, events, json_lines, message_events, pieces, text_of

__all__ = [
    "EVENT_STREAM",
    "JSON_LINES",
    "Api",
    "events",
    "is_json",
    "json_lines",
    "media_type",
    "message_events",
    "pieces",
    "read_answer",
    "text_of",
]

if not TYPE_CHECKING:
    __getattr__ = loader(
        __name__,
        {
            "client": ("Api", "is_json", "media_type", "read_answer"),
            "streaming": ("EVENT_STREAM", "JSON_LINES", "events", "json_lines", "message_events", "pieces", "text_of"),
        },
    )
