"""Identifiers and credentials, random and of the form that the real service hands out."""

from __future__ import annotations

import secrets

_ALPHABET = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
# Bytes fold onto 58 characters unevenly, which an identifier may be.
_FOLD = bytes(_ALPHABET[byte % len(_ALPHABET)] for byte in range(256))


def tagged_id(tag: str) -> str:
    """Return an identifier such as `fdrl_01…`."""
    return f"{tag}_01{secrets.token_bytes(22).translate(_FOLD).decode('ascii')}"


def access_token() -> str:
    return f"sk-ant-oat01-{secrets.token_urlsafe(72)}"


def refresh_token() -> str:
    return f"sk-ant-ort01-{secrets.token_urlsafe(72)}"


def api_key() -> str:
    return f"sk-ant-api03-{secrets.token_urlsafe(72)}"
