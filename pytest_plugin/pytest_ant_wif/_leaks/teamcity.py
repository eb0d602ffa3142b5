"""No secret in the service messages of teamcity-messages, which notes both sides of a comparison by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


def clean_teamcity(
    config: pytest.Config, clean: Callable[[str], str], replace: Callable[[Any, str, object], None]
) -> None:
    """Clean each value of a message before it is escaped."""
    messages: Any = getattr(getattr(config, "_teamcityReporting", None), "teamcity", None)
    if type(messages).__module__ == "teamcity.messages":
        escape = messages.escapeValue
        replace(messages, "escapeValue", lambda value: escape(clean(messages.decode(value))))
