"""Where the leak guard looks: the text of a report and the variables of a job."""

from __future__ import annotations

import pytest

__all__ = ["VARIABLES", "is_bare", "subtest_of", "text_of"]

VARIABLES = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_IDENTITY_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "BUILDKITE_AGENT_ACCESS_TOKEN",
    "IDENTITY_HEADER",
)


def is_bare(report: pytest.TestReport) -> bool:
    """Whether the report holds no text of the test: most are so, and have to cost nothing."""
    parts = report.sections, report.longrepr, report.user_properties
    return not (any(parts) or hasattr(report, "wasxfail") or hasattr(report, "context"))


def text_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    others = [
        value for name, value in vars(report).items() if name not in {"sections", "longrepr", "keywords", "result"}
    ]
    sections = "\n".join(f"{title}\n{content}" for title, content in report.sections)
    return f"{sections}\n{report.longrepr or ''}\n{others}"


def subtest_of(report: pytest.TestReport) -> str:
    """How a subtest is described, or nothing."""
    context = getattr(report, "context", None)
    return f"{getattr(context, 'msg', None) or ''}\n{getattr(context, 'kwargs', None) or ''}"
