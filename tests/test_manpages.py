"""The man pages: one for each command, from the same source as its help."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from ant_cli._click.suggesting import commands_below
from ant_cli.main import cli
from manpages import write_manpages

# Where a wheel is built, there is click and nothing else of what the package needs.
ISOLATED = """
import sys
sys.modules |= dict.fromkeys(["pydantic", "httpx", "yaml", "filelock", "jwt", "starlette"])
from command_pages import command_pages
print(len(command_pages()))
"""
ROOT = click.Context(cli, info_name="ant")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    written = write_manpages(tmp_path_factory.mktemp("man"))
    return {path.name: path.read_text(encoding="utf-8") for path in written}


def test_every_command_has_a_page_with_its_options_and_examples(pages: dict[str, str]) -> None:
    contexts = [ROOT, *commands_below(ROOT)]
    assert set(pages) == {f"{each.command_path.replace(' ', '-')}.1" for each in contexts}
    for each in contexts:
        page = _shown(pages[f"{each.command_path.replace(' ', '-')}.1"])
        for parameter in each.command.get_params(each):
            if isinstance(parameter, click.Option) and not parameter.hidden:
                assert all(name in page for name in parameter.opts), each.command_path
        assert all(example in page for example in getattr(each.command, "examples", ())), each.command_path


def test_the_pages_can_be_made_where_only_click_is_installed(pages: dict[str, str]) -> None:
    command = [sys.executable, "-c", ISOLATED]
    tools = Path(__file__).parents[1] / "tools"
    done = subprocess.run(command, cwd=tools, capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout) == ("", f"{len(pages)}\n")


def test_no_line_of_a_page_is_a_request_by_accident(pages: dict[str, str]) -> None:
    known = {".TH", ".SH", ".PP", ".TP", ".B", ".EX", ".EE"}
    for name, page in pages.items():
        assert {line.split()[0] for line in page.splitlines() if line.startswith((".", "'"))} <= known, name
        assert "\n\n" not in page, name


def _shown(page: str) -> str:
    return re.sub(r"\\&", "", page.replace("\\-", "-").replace("\\(aq", "'").replace("\\(ga", "`").replace("\\e", "\\"))
