"""The modules of the project as their source states them: what each imports, and which classes it defines."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = [ROOT / "src/ant_wif", ROOT / "src/ant_cli", ROOT / "pytest_plugin/pytest_ant_wif"]


@dataclass(frozen=True)
class Module:
    """One module. `imports` are modules of this project, those for type checkers and within functions included."""

    path: Path
    imports: frozenset[str]
    classes: list[tuple[str, int]]  # each with the line of its definition


@cache
def modules() -> dict[str, Module]:
    """Return the modules of all three packages by their dotted names."""
    paths = {_dotted(path, package.parent): path for package in PACKAGES for path in package.rglob("*.py")}
    return {name: _read(name, path, set(paths)) for name, path in paths.items()}


def cycles() -> list[list[str]]:
    """Return each group of modules that import one another, directly or through others."""
    reach = {name: _reachable(name) for name in modules()}
    in_cycles = [name for name in reach if name in reach[name]]
    groups = {tuple(sorted(other for other in reach[name] if name in reach[other])) for name in in_cycles}
    return sorted(list(group) for group in groups)


def imported_names(tree: ast.AST) -> Iterator[str]:
    """Yield what is imported, dotted: `from a.b import c` is `a.b.c`, whether `c` is a module or not."""
    for statement in _statements(tree):
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            yield from (f"{statement.module}.{alias.name}" for alias in statement.names)


def module_of(name: str, known: set[str]) -> str | None:
    """Return the module that an imported name is, or is in; `None` for one of another distribution.

    The parents of the module are not meant, although Python imports them too.
    """
    if name in known:
        return name
    parent = name.rpartition(".")[0]
    return parent if parent in known else None


def _read(name: str, path: Path, known: set[str]) -> Module:
    tree = ast.parse(path.read_bytes())
    imports = {module_of(imported, known) for imported in imported_names(tree)} - {None}
    classes = [(found.name, found.lineno) for found in _statements(tree) if isinstance(found, ast.ClassDef)]
    return Module(path, frozenset(imports), classes)


def _dotted(path: Path, above: Path) -> str:
    parts = path.relative_to(above).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all statements within. Unlike `ast.walk`, this leaves out expressions, which are most of the tree."""
    for field in ("body", "orelse", "handlers", "finalbody", "cases"):
        for child in getattr(node, field, ()):
            yield child
            yield from _statements(child)


def _reachable(start: str) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for name in modules()[waiting.pop()].imports - found:
            found.add(name)
            waiting.append(name)
    return found
