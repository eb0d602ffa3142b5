"""Where the leak guard looks: the text of a report and the variables of a job."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

VARIABLES = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_IDENTITY_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "BUILDKITE_AGENT_ACCESS_TOKEN",
    "IDENTITY_HEADER",
)


# What pytest and pytest-xdist note in each report. Others, as pytest-json-report, add texts of the test.
_PLAIN = frozenset(
    (
        "nodeid", "_id", "location", "keywords", "outcome", "longrepr", "when", "user_properties", "sections",
        "duration", "start", "stop", "result", "node", "worker_id", "testrun_uid", "item_index",
    )
)  # fmt: skip
_PLAIN_TOGETHER: set[tuple[str, ...]] = set()
"""Of the same reports in the same order: seen before."""


def is_bare(report: pytest.TestReport | pytest.CollectReport) -> bool:
    """Whether the report holds no text of the test: most are so, and have to cost nothing."""
    held = getattr(report, "__dict__", {})
    if held.get("sections", True) or held.get("user_properties") or held.get("longrepr", True) is not None:
        return False
    names = tuple(held)
    if names not in _PLAIN_TOGETHER:
        if not _PLAIN.issuperset(names):
            return False
        _PLAIN_TOGETHER.add(names)
    return True


def parts_of(report: pytest.TestReport | pytest.CollectReport, judged: object = None) -> Iterator[str]:
    """All text of a report, piece by piece; of a traceback that is `judged` already, what was added to it."""
    for section in report.sections:
        yield from section
    shown = report.longrepr
    yield str(shown or "") if shown is not judged else str(getattr(shown, "sections", ""))
    for pair in getattr(report, "user_properties", ()):
        yield from map(str, pair)
    others = {"sections", "longrepr", "keywords", "result"}
    yield str([value for name, value in vars(report).items() if name not in others])


def subtest_of(report: pytest.TestReport) -> str:
    """How a subtest is described, or nothing."""
    context = getattr(report, "context", None)
    return f"{getattr(context, 'msg', None) or ''}\n{getattr(context, 'kwargs', None) or ''}"
