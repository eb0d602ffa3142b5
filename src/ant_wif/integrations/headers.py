"""The headers of an API call, whatever library sends it."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping

__all__ = ["API_VERSION", "OAUTH_BETA", "apply"]

API_VERSION = "2026-10-21"
OAUTH_BETA = "oauth-2025-04-20"


def apply(headers: MutableMapping[str, str], credential: Mapping[str, str]) -> None:
    """Add a credential's headers to a request's; what the caller set himself stays.

    `anthropic-beta` is a list: the flags are merged, each once.
    """
    for name, value in credential.items():
        own = None if name == "Authorization" else headers.get(name)
        if own is None:
            headers[name] = value
        elif name == "anthropic-beta" and own != value:
            flags = [flag.strip() for flag in f"{own},{value}".split(",")]
            headers[name] = ",".join(dict.fromkeys(flag for flag in flags if flag))
