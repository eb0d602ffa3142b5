"""Names of a package that are loaded on first use (PEP 562): a process pays for what it needs."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def loader(package: str, homes: Mapping[str, Sequence[str]]) -> Callable[[str], object]:
    """Return the `__getattr__` of a package; `homes` tells which of its modules has which names.

    A name under its own module's name is that module itself.
    """

    def load(name: str) -> object:
        import sys
        from importlib import import_module

        for module, names in homes.items():
            if name in names:
                home = import_module(f"{package}.{module}")
                found: object = home if name == module else getattr(home, name)
                setattr(sys.modules[package], name, found)
                return found
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return load
