"""The pages of the documentation site that are made from the project itself, and the links to them.

Hooks of MkDocs (`mkdocs.yml` names this file):

- `commands/`: a page for each command of `ant`, from its help.
- `api/`: a page for each public module, from its docstrings.
- `examples/`: a page for each folder of `ci-examples/`, with its files.
- The changelog, the security policy and the contributor's guide stand at the root of the repository.

A page in `docs/` links to other files of the repository as a reader of the repository does, with a relative path.
"""

from __future__ import annotations

import ast
import functools
import logging
import posixpath
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from command_pages import CommandPage, command_pages

ROOT = Path(__file__).parent.parent
PACKAGES = {"ant_wif": ROOT / "src", "pytest_ant_wif": ROOT / "pytest_plugin"}
AT_THE_ROOT = {"CHANGELOG.md": "changelog.md", "SECURITY.md": "security.md", "CONTRIBUTING.md": "contributing.md"}
NOT_OURS = {"SecretStr", "__version__"}
"""Public names that are not described: the first is pydantic's."""
LANGUAGES = {".yml": "yaml", ".yaml": "yaml", ".json": "json", ".py": "python", "": "groovy"}

_SOURCES: dict[str, str] = {}
"""The file of the repository that each page of the site is made from, by the page's path."""

log = logging.getLogger("mkdocs.hooks.site_pages")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill in the navigation of the folders whose pages are generated."""
    filled = {
        "commands/": ["commands/index.md", *(f"commands/{group}.md" for group in _by_group() if group != "ant")],
        "api/": ["api/index.md", *(f"api/{name}.md" for name in public_modules())],
        "examples/": ["examples/index.md", *(f"examples/{folder.name}.md" for folder in _example_folders())],
    }
    for section in config.nav or []:
        for pages in section.values():
            if isinstance(pages, list):
                for entry in pages:
                    for title, target in entry.items():
                        entry[title] = filled.get(target, target)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    for file in files.documentation_pages():
        _SOURCES[file.src_uri] = f"docs/{file.src_uri}"
    for path, text in {**_commands(), **_api(), **_examples(), **_from_the_root()}.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Have links into the repository lead to the pages of the site."""
    del config, files
    source = _SOURCES.get(page.file.src_uri)
    if source is None:
        return markdown
    return re.sub(r"\]\((?!https?://|#)([^)\s]+)\)", lambda found: f"]({_link(source, page, found[1])})", markdown)


def on_post_build(config: MkDocsConfig) -> None:
    """Warn of a public name that the reference leaves out. In a strict build a warning is an error."""
    for module, names in public_modules().items():
        html = Path(config.site_dir, "api", module, "index.html").read_text(encoding="utf-8")
        for name in names:
            if name not in NOT_OURS and f'id="{_path_of(module, name)}"' not in html:
                log.warning("api/%s.md does not describe the public name %s", module, name)


def public_modules() -> dict[str, list[str]]:
    """Return the names in `__all__` of each module that users may import, by the module's name.

    A package that names in its `__init__` what others may use is described there, and its modules are not.
    """
    found: dict[str, list[str]] = {}
    for package, folder in PACKAGES.items():
        for path in sorted((folder / package).rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            name, parent = ".".join(parts), ".".join(parts[:-1])
            names = _all(path)
            is_private = any(part.startswith("_") for part in parts)
            if is_private or not names or parts[-1] in names:  # the last: a function that hides its module
                continue
            if not found.get(parent) or parts[-1] in found[parent] or parent in {*PACKAGES, "ant_wif.integrations"}:
                found[name] = names
    modules = set(found)
    return {name: [each for each in names if f"{name}.{each}" not in modules] for name, names in found.items()}


def _all(path: Path) -> list[str]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [str(name) for name in ast.literal_eval(node.value)]
    return []


def _path_of(module: str, name: str) -> str:
    """Return where a public name is found without importing: a function may hide the module of its name."""
    beside = PACKAGES[module.partition(".")[0]].joinpath(*module.split("."), f"{name}.py")
    return f"{module}.{name}.{name}" if beside.exists() else f"{module}.{name}"


def _api() -> dict[str, str]:
    pages = {}
    rows = []
    for name, names in public_modules().items():
        path = PACKAGES[name.partition(".")[0]].joinpath(*name.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        rows.append(f"| [`{name}`]({name}.md) | {docstring.splitlines()[0]} |")
        hidden = [where for each in names if (where := _path_of(name, each)) != f"{name}.{each}"]
        own = {"show_root_heading": "true", "show_root_toc_entry": "true", "show_root_full_path": "false"}
        options = "    options:\n" + "".join(f"      {option}: {value}\n" for option, value in own.items())
        pages[f"api/{name}.md"] = f"# {name}\n\n::: {name}\n" + "".join(f"\n::: {each}\n{options}" for each in hidden)
    table = "\n".join(["| module | contents |", "| --- | --- |", *rows])
    intro = "The names that a program may import. All other modules and names may change in any release."
    return {"api/index.md": f"# Python API\n\n{intro}\n\n{table}\n", **pages}


def _by_group() -> dict[str, list[CommandPage]]:
    groups: dict[str, list[CommandPage]] = {}
    for page in command_pages():
        groups.setdefault(" ".join(page.path.split()[1:2]) or "ant", []).append(page)
    return groups


def _commands() -> dict[str, str]:
    pages = {}
    for group, commands in _by_group().items():
        title = "Commands" if group == "ant" else f"ant {group}"
        name = "index" if group == "ant" else group
        pages[f"commands/{name}.md"] = f"# {title}\n\n" + "\n".join(line for each in commands for line in _one(each))
    return pages


def _one(page: CommandPage) -> Iterator[str]:
    depth = len(page.path.split())
    if depth > 2:
        yield f"{'#' * min(depth - 1, 4)} {page.path}\n"
    yield f"{page.summary}.\n"
    yield f"```text\n{page.usage}\n```\n"
    for paragraph in page.paragraphs:
        yield f"{_text(paragraph)}\n"
    for title, commands in page.commands.items():
        yield f"**{title}**\n\n| command | description |\n| --- | --- |"
        for name, text in commands.items():
            target = f"{name}.md" if depth == 1 else "#" + "-".join([*page.path.split(), name])
            yield f"| [`{page.path} {name}`]({target}) | {_text(text.removesuffix('.'))} |"
        yield ""
    for title, options in page.options.items():
        yield f"**{title}**\n\n| option | description |\n| --- | --- |"
        for names, text in options:
            yield f"| {_code(names)} | {_text(text)} |"
        yield ""
    if page.examples:
        yield "**Examples**\n\n```console"
        yield from (f"$ {example}" for example in page.examples)
        yield "```\n"


def _text(text: str) -> str:
    return escape(text, quote=False).replace("|", "\\|").replace("*", "\\*").replace("[", "\\[")


def _code(text: str) -> str:
    return f"<code>{escape(text, quote=False).replace('|', '&#124;').replace('[', '&#91;')}</code>"


def _example_folders() -> list[Path]:
    return sorted(path for path in (ROOT / "ci-examples").iterdir() if path.is_dir())


def _examples() -> dict[str, str]:
    folder = ROOT / "ci-examples"
    index = (folder / "README.md").read_text(encoding="utf-8")
    pages = {"examples/index.md": f"{index}\n## program.py\n\n{_block(folder / 'program.py')}"}
    _SOURCES["examples/index.md"] = "ci-examples/README.md"
    for each in _example_folders():
        name = f"examples/{each.name}.md"
        _SOURCES[name] = f"ci-examples/{each.name}/README.md"
        parts = [(each / "README.md").read_text(encoding="utf-8"), "\n## The files\n"]
        for path in sorted(path for path in each.rglob("*") if path.is_file() and path.suffix != ".md"):
            parts.append(f"\n### {path.relative_to(each)} {{#{_anchor(path.relative_to(each).as_posix())}}}\n")
            parts.append(_block(path))
        pages[name] = "\n".join(parts)
    return pages


def _block(path: Path) -> str:
    return f"```{LANGUAGES.get(path.suffix, 'text')}\n{path.read_text(encoding='utf-8').rstrip()}\n```\n"


def _anchor(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _from_the_root() -> dict[str, str]:
    for name, path in AT_THE_ROOT.items():
        _SOURCES[path] = name
    return {path: (ROOT / name).read_text(encoding="utf-8") for name, path in AT_THE_ROOT.items()}


def _link(source: str, page: Page, target: str) -> str:
    """Return the link from a page of the site to what a file of the repository links to."""
    path, hash_, anchor = target.partition("#")
    in_repository = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    on_site = _on_site(in_repository)
    if on_site is None:
        kind = "tree" if (ROOT / in_repository).is_dir() else "blob"
        return f"{_repository()}/{kind}/main/{in_repository}" if (ROOT / in_repository).exists() else target
    if anchor == "readme":  # of a folder, as the repository's host shows it
        hash_ = anchor = ""
    wanted, own_hash, own_anchor = on_site.partition("#")
    relative = posixpath.relpath(wanted, posixpath.dirname(page.file.src_uri) or ".")
    return relative + (hash_ + anchor or own_hash + own_anchor)


@functools.cache
def _repository() -> str:
    """Return the URL of the repository, of which pyproject.toml has the only copy."""
    (found,) = re.findall(r'^Source = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    return str(found)


def _on_site(path: str) -> str | None:
    parts = path.split("/")
    if path in AT_THE_ROOT:
        return AT_THE_ROOT[path]
    if parts[0] == "docs":
        return posixpath.join(*parts[1:])
    if parts[0] != "ci-examples":
        return None
    if len(parts) == 1 or parts[1:] == ["README.md"]:
        return "examples/index.md"
    if parts[1:] == ["program.py"]:
        return "examples/index.md#programpy"
    name = f"examples/{parts[1]}.md"
    return name if len(parts) == 2 or parts[2:] == ["README.md"] else f"{name}#{_anchor('/'.join(parts[2:]))}"
