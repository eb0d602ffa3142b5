"""The kinds of content blocks and tools that the newest official SDK names, and what each needs.

tests/ant_wif/test_emulator_sdk_types.py compares them with the SDK.
"""

from __future__ import annotations

from collections.abc import Mapping

from ant_wif._secrets import sanitize
from ant_wif.emulator._http.protocol import Refusal

_RESULT = ("content", "tool_use_id")
_USE = ("id", "input", "name")

BLOCKS: Mapping[str, tuple[str, ...]] = {
    "text": ("text",),
    "image": ("source",),
    "document": ("source",),
    "search_result": ("content", "source", "title"),
    "thinking": ("signature", "thinking"),
    "redacted_thinking": ("data",),
    "tool_use": _USE,
    "tool_result": ("tool_use_id",),
    "server_tool_use": _USE,
    "advisor_tool_result": _RESULT,
    "bash_code_execution_tool_result": _RESULT,
    "code_execution_tool_result": _RESULT,
    "text_editor_code_execution_tool_result": _RESULT,
    "tool_search_tool_result": _RESULT,
    "web_fetch_tool_result": _RESULT,
    "web_search_tool_result": _RESULT,
    "mcp_tool_listing": ("mcp_server_name", "tools"),
    "mcp_tool_use": (*_USE, "server_name"),
    "mcp_tool_result": ("tool_use_id",),
    "container_upload": ("file_id",),
    "compaction": (),
    "fallback": ("from", "to"),
    "tool_addition": ("tool",),
    "tool_removal": ("tool",),
}
"""The fields that a block of each type needs, beside its type."""

TOOL_TYPES = frozenset(
    {
        "advisor_20260301",
        "bash_20241022",
        "bash_20250124",
        "browser_toolset_20260801",
        "code_execution_20250522",
        "code_execution_20250825",
        "code_execution_20260120",
        "code_execution_20260521",
        "computer_20241022",
        "computer_20250124",
        "computer_20251124",
        "computer_toolset_20260801",
        "custom",
        "mcp_toolset",
        "memory_20250818",
        "text_editor_20241022",
        "text_editor_20250124",
        "text_editor_20250429",
        "text_editor_20250728",
        "tool_search_tool_bm25",
        "tool_search_tool_bm25_20251119",
        "tool_search_tool_regex",
        "tool_search_tool_regex_20251119",
        "web_fetch_20250910",
        "web_fetch_20260209",
        "web_fetch_20260309",
        "web_fetch_20260318",
        "web_search_20250305",
        "web_search_20260209",
        "web_search_20260318",
    }
)
"""The types of tools; one without a type is `custom`."""


def check_blocks(content: object, place: str) -> None:
    """Raises `Refusal` (400) with the place of a block that no SDK knows, or that lacks what it needs."""
    for number, block in enumerate(content if isinstance(content, list) else ()):
        here = f"{place}.{number}"
        needed = BLOCKS.get(block["type"])
        if needed is None:
            kind = sanitize(block["type"], limit=64)
            raise Refusal(
                400, f"{here}: Input tag '{kind}' does not match any of the expected tags: {', '.join(BLOCKS)}"
            )
        for name in needed:
            if name not in block:
                raise Refusal(400, f"{here}.{name}: this field is required")


def check_tool_type(kind: object, place: str) -> None:
    """Raises `Refusal` (400) for a type of tool that no SDK knows."""
    if kind is not None and kind not in TOOL_TYPES:
        shown = sanitize(str(kind), limit=64)
        raise Refusal(400, f"{place}: Input tag '{shown}' does not match any of the expected tags")
