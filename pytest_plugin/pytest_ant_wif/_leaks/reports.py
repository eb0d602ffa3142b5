"""Where the leak guard looks: the text of a report, the variables of a job, and what hints at a secret."""

from __future__ import annotations

import pytest

__all__ = ["HINTS", "VARIABLES", "subtest_of", "text_of"]

# What has none of these holds no secret that shows by itself; most texts end here.
HINTS = (
    "sk-ant-", "eyJ", "PRIVATE KEY", "earer", "asic ", "_token", "-token", "assertion", "secret", "verifier", "api_key",
    "api-key", "code", "password",
)  # fmt: skip
VARIABLES = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_IDENTITY_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "BUILDKITE_AGENT_ACCESS_TOKEN",
    "IDENTITY_HEADER",
)


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
