"""Faults as another process names them, in JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ant_wif.emulator.faults import Fault

# The types that an argument may have, and how a refusal calls them.
_Kind = tuple[tuple[type, ...], str]

_WHOLE: _Kind = ((int,), "a whole number")
_NUMBER: _Kind = ((int, float), "a number")
_TEXT: _Kind = ((str,), "a string")
_MOMENT: _Kind = ((int, str), "a whole number or a string")


@dataclass(frozen=True)
class _Named:
    """All `arguments` but those that are `required` may be left out."""

    make: Callable[..., Fault]
    arguments: Mapping[str, _Kind] = field(default_factory=dict)
    required: frozenset[str] = frozenset()


_FAULTS: Mapping[str, _Named] = {
    "status": _Named(Fault.status, {"status": _WHOLE, "retry_after": _MOMENT}, frozenset({"status"})),
    "drop_before": _Named(Fault.drop_before),
    "drop_after": _Named(Fault.drop_after),
    "delay": _Named(Fault.delay, {"seconds": _NUMBER}, frozenset({"seconds"})),
    "truncated": _Named(Fault.truncated),
    "oversized": _Named(Fault.oversized, {"size": _WHOLE}),
    "not_json": _Named(Fault.not_json),
    "trickle": _Named(Fault.trickle, {"seconds": _NUMBER}, frozenset({"seconds"})),
    "wrong_token_type": _Named(Fault.wrong_token_type, {"kind": _TEXT}),
}


def named_fault(name: object, arguments: Mapping[str, object]) -> Fault:
    """Return the fault that a method of `Fault` makes. Raises ValueError that says what is wrong."""
    named = _FAULTS.get(name) if isinstance(name, str) else None
    if named is None:
        raise ValueError(f"fault: must be one of {', '.join(_FAULTS)}")
    for argument, value in arguments.items():
        if argument not in named.arguments:
            raise ValueError(f"the fault {name} has no such argument; it has {', '.join(named.arguments) or 'none'}")
        types, words = named.arguments[argument]
        # A truth value is an int to Python, and none to anybody else.
        if not isinstance(value, types) or isinstance(value, bool):
            raise ValueError(f"{argument}: must be {words}")  # noqa: TRY004  # callers handle one kind of error
    missing = sorted(named.required - set(arguments))
    if missing:
        raise ValueError(f"{missing[0]}: this field is required for the fault {name}")
    return named.make(**arguments)
