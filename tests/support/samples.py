"""Ids and documents that tests share. None of them is anybody's."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

needs_cel = pytest.mark.skipif(sys.version_info < (3, 11), reason="there is no cel-expr-python for Python 3.10")

RULE = "fdrl_01EXAMPLE"
ORGANIZATION = "0f3c1a52-7b7e-4a51-9c0e-6c1f2d3e4b5a"
WORKSPACE = "wrkspc_01EXAMPLE"

MODEL = "claude-opus-5-5"
"""The model that tests and documentation name. Change it when the official SDK calls it deprecated."""


def federation_profile(**changes: object) -> dict[str, object]:
    """A complete federation profile whose identity token is in a file."""
    return {
        "version": "1.0",
        "authentication": {
            "type": "oidc_federation",
            "federation_rule_id": RULE,
            "identity_token": {"source": "file", "path": "/var/run/secrets/anthropic.com/token"},
        },
        "organization_id": ORGANIZATION,
        **changes,
    }


def login_profile(**changes: object) -> dict[str, object]:
    """A profile as an interactive login leaves it."""
    return {"version": "1.0", "authentication": {"type": "user_oauth", "client_id": "client"}, **changes}


def pairs(values: Mapping[str, Iterable[Any]]) -> list[tuple[str, Any]]:
    """Each name with each of its values, as parameters of a test."""
    return [(name, value) for name, each in values.items() for value in each]
