"""The fields of a token request: none but the known ones, those that are required, each in its form."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass

from ant_wif._secrets import clean
from ant_wif.emulator._http.protocol import Refusal


@dataclass(frozen=True)
class Field:
    """`form` is a regular expression that the whole value matches; `description` names it in a refusal."""

    form: str
    description: str
    required: bool = True


def refuse_unknown(body: Mapping[str, object], known: Container[str], *, place: str = "") -> None:
    """Raise `Refusal` (400) with the first name that is not known. `place` stands before it: `messages.0.`."""
    for name in body:
        if name not in known:
            raise Refusal(400, f"{place}{clean(name, limit=64)}: this field is not allowed")


def read_fields(body: Mapping[str, object], fields: Mapping[str, Field]) -> dict[str, str]:
    """Return the values that are there. Raises `Refusal` (400) with the name of the first wrong field."""
    refuse_unknown(body, fields)
    values: dict[str, str] = {}
    for name, field in fields.items():
        if name not in body:
            if field.required:
                raise Refusal(400, f"{name}: this field is required")
            continue
        value = body[name]
        if not isinstance(value, str) or not re.fullmatch(field.form, value, re.DOTALL):
            raise Refusal(400, f"{name}: must be {field.description}")
        values[name] = value
    return values
