"""The structure of the source: what is public, what is private, who may import what."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

from architecture.source import ROOT, cycles, imported_names, module_of, modules

LIBRARY = ROOT / "src/ant_wif"
FILES = sorted(path.relative_to(LIBRARY) for path in LIBRARY.rglob("*") if path.is_file() and path.suffix != ".pyc")
ENTRIES = {path.parts[0] for path in FILES} - {"py.typed"}
PUBLIC = {
    "__init__",
    "admin",
    "credentials",
    "diagnostics",
    "emulator",
    "errors",
    "identity",
    "integrations",
    "rules",
}
PACKAGE_NAMES = ("ant_wif", "ant_cli", "pytest_ant_wif")
_REPLACING = re.compile(r"\b(setattr|delattr|patch(\.\w+)?)(\(|$)")


def test_the_library_has_at_most_22_entries() -> None:
    assert len(ENTRIES) <= 22, sorted(ENTRIES)


def test_the_library_has_at_most_160_modules() -> None:
    assert sum(path.suffix == ".py" for path in FILES) <= 160


def test_every_module_that_is_not_public_begins_with_an_underscore() -> None:
    assert {Path(entry).stem for entry in ENTRIES if not re.match("_(?!_)", entry)} == PUBLIC


def test_no_modules_import_one_another_in_a_cycle_not_even_for_types() -> None:
    assert cycles() == []


def test_no_class_name_is_used_twice() -> None:
    places = defaultdict(list)
    for module in modules().values():
        for name, line in module.classes:
            places[name].append(f"{module.path.relative_to(ROOT)}:{line}")
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_a_private_package_is_imported_as_a_whole_from_outside() -> None:
    wrong = [
        f"{importer} imports {imported}"
        for importer, module in modules().items()
        for imported in module.imports
        if (package := _private_package(imported)) and imported != package and not _is_within(importer, package)
    ]
    assert sorted(wrong) == []


def test_a_private_module_of_a_package_is_imported_within_that_package_only() -> None:
    wrong = [
        f"{importer} imports {imported}"
        for importer, module in modules().items()
        for imported in module.imports
        if not all(_is_within(importer, parent) for parent in _private_to(imported))
    ]
    assert sorted(wrong) == []


def test_the_errors_import_nothing_of_the_library_not_even_for_types() -> None:
    assert modules()["ant_wif.errors"].imports == frozenset()


EXAMPLES = sorted(
    path
    for folder in ("tests/howto", "ci-examples")
    for path in (ROOT / folder).rglob("*.py")
    if not (path.parent.name == "howto" and path.name.startswith(("test_", "conftest")))
)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_documentation_imports_public_modules_only() -> None:
    for path in (*EXAMPLES, *PAGES):
        text = path.read_text()
        if path.suffix == ".md":
            text = "\n".join(re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
        assert [name for name in imported_names(ast.parse(text)) if not _is_public(name)] == [], path


def test_no_test_replaces_a_part_of_this_project() -> None:
    found = {}
    for path in (ROOT / "tests").rglob("*.py"):
        if _REPLACING.search(text := path.read_text()):
            tree = ast.parse(text)
            ours = {name.rpartition(".")[2] for name in imported_names(tree) if name.startswith(PACKAGE_NAMES)}
            found[str(path)] = _replaced(tree) & {*ours, *PACKAGE_NAMES}
    assert {path: replaced for path, replaced in found.items() if replaced} == {}


def _private_package(name: str) -> str | None:
    """Return the private package directly below `ant_wif` that a module is, or is in."""
    package = ".".join(name.split(".")[:2])
    is_package = package in modules() and modules()[package].path.name == "__init__.py"
    return package if is_package and package.startswith("ant_wif._") else None


def _private_to(name: str) -> list[str]:
    """Return the packages to which a module is private. What is private to `ant_wif` serves all three packages."""
    parts = name.split(".")
    return [".".join(parts[:depth]) for depth, part in enumerate(parts) if part.startswith("_") and depth > 1]


def _is_within(name: str, package: str) -> bool:
    return f"{name}.".startswith(f"{package}.")


def _is_public(name: str) -> bool:
    """Tell whether the documentation may show the import of a name. It may show all of other distributions."""
    root, *below = name.split(".")
    if root not in PACKAGE_NAMES:
        return True
    if any(part.startswith("_") for part in below):
        return False
    module = module_of(name, set(modules()))
    return root == "pytest_ant_wif" or module == "ant_wif" or (module is not None and module.split(".")[1] in PUBLIC)


def _replaced(tree: ast.Module) -> set[str]:
    """Return what calls of `setattr`, `delattr` and `patch` name first: that, or its first part before a dot."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    targets = [call.args[0] for call in calls if _REPLACING.search(ast.unparse(call.func))]
    return {ast.unparse(target).strip("'\"").partition(".")[0] for target in targets}
