"""Whether a body has the structure of a model of `schemas`, which is imported when the first body comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ant_wif.rules import RegistrationError

if TYPE_CHECKING:
    from ant_wif.emulator._http.validation import Strict


def check_structure(body: object, model: type[Strict]) -> None:
    """Raises `RegistrationError` with the place that is wrong first, such as `match.claims` or `keys[0].kty`."""
    from ant_wif.emulator._http.validation import find_flaw

    flaw = find_flaw(model, body)
    if flaw is not None:
        place, sentence = flaw
        shown = "".join(f"[{name}]" if isinstance(name, int) else f".{name}" for name in place)
        raise RegistrationError(shown.removeprefix(".") or "body", sentence)


def model_named(name: str) -> type[Strict]:
    """Return a model of `schemas`."""
    from ant_wif.emulator._admin import schemas

    found: type[Strict] = getattr(schemas, name)
    return found
