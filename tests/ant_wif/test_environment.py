"""The environment as it is passed in: empty is unset, it is live, and printing it shows no value."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ant_wif._environment import Environment
from support import preloaded

SECRET = "sk-ant-api03-not-to-be-seen"

variables = st.dictionaries(st.text(min_size=1), st.text())


def test_a_variable_set_to_the_empty_string_is_not_set() -> None:
    environ = Environment({"ANTHROPIC_API_KEY": "", "ANTHROPIC_PROFILE": "ci"})
    assert "ANTHROPIC_API_KEY" not in environ
    assert environ.get("ANTHROPIC_API_KEY") is None
    assert environ.get("ANTHROPIC_API_KEY", "other") == "other"
    assert list(environ) == ["ANTHROPIC_PROFILE"]
    assert len(environ) == 1
    with pytest.raises(KeyError):
        environ["ANTHROPIC_API_KEY"]


def test_empty_and_absent_can_be_told_apart_for_a_warning() -> None:
    environ = Environment({"EMPTY": "", "SET": "x"})
    assert environ.is_empty("EMPTY")
    assert not environ.is_empty("SET")
    assert not environ.is_empty("ABSENT")


@given(variables)
def test_it_holds_exactly_what_is_not_empty(given_variables: dict[str, str]) -> None:
    environ = Environment(given_variables)
    assert dict(environ) == {name: value for name, value in given_variables.items() if value}
    assert len(environ) == len(list(environ))
    assert {**environ} == dict(environ.items())


@given(variables)
def test_an_environment_of_an_environment_is_the_same(given_variables: dict[str, str]) -> None:
    inner = Environment(given_variables)
    outer = Environment(inner)
    assert dict(outer) == dict(inner)
    assert [name for name in given_variables if outer.is_empty(name)] == [
        name for name in given_variables if inner.is_empty(name)
    ]


@given(st.text(min_size=1))
def test_printing_it_shows_no_value(value: str) -> None:
    environ = Environment({"X": value})
    assert repr(environ) == str(environ) == "<Environment of 1 variables>"
    assert repr([environ]) == "[<Environment of 1 variables>]"


def test_a_missing_variable_tells_its_name_and_no_value() -> None:
    environ = Environment({"ANTHROPIC_API_KEY": SECRET, "EMPTY": ""})
    with pytest.raises(KeyError) as caught:
        environ["EMPTY"]
    assert caught.value.args == ("EMPTY",)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert SECRET not in "".join(shown.format())


def test_it_cannot_be_written_to() -> None:
    environ = Environment({})
    with pytest.raises(TypeError):
        environ["X"] = "y"  # type: ignore[index]  # this is what must not work


def test_it_follows_the_mapping_it_was_made_from() -> None:
    given_variables = {"ANTHROPIC_IDENTITY_TOKEN": "first"}
    environ = Environment(given_variables)
    given_variables["ANTHROPIC_IDENTITY_TOKEN"] = "second"
    assert environ["ANTHROPIC_IDENTITY_TOKEN"] == "second"
    del given_variables["ANTHROPIC_IDENTITY_TOKEN"]
    assert "ANTHROPIC_IDENTITY_TOKEN" not in environ


def test_without_an_argument_it_is_the_processs_own_and_live() -> None:
    program = """
import os
from ant_wif._environment import Environment
environ = Environment()
assert environ["GIVEN"] == "x" and "BLANK" not in environ and environ.is_empty("BLANK")
os.environ["LATER"] = "y"
assert environ["LATER"] == "y"
del os.environ["GIVEN"]
assert "GIVEN" not in environ
"""
    environ = {**os.environ, "GIVEN": "x", "BLANK": ""}
    preloaded.run([sys.executable, "-c", program], env=environ, check=True, timeout=60)


def test_an_empty_mapping_is_not_the_process_environment() -> None:
    assert dict(Environment({})) == {}


HOME = "USERPROFILE" if sys.platform == "win32" else "HOME"


def test_home_is_the_one_of_the_mapping() -> None:
    assert Environment({HOME: "/home/ci"}).home == Path("/home/ci")


@pytest.mark.parametrize("given_variables", [{}, {HOME: ""}])
def test_home_is_otherwise_what_the_system_says(given_variables: dict[str, str]) -> None:
    assert Environment(given_variables).home == Path.home()


@pytest.mark.parametrize("stated", ["", "relative/home", "~", " "])
def test_a_home_that_is_not_an_absolute_path_counts_as_not_set(stated: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME, stated)
    found = Environment().home
    assert found is None or found.is_absolute()


@pytest.mark.parametrize(
    ("path", "expanded"),
    [
        ("~", "/home/ci"),
        ("~/token", "/home/ci/token"),
        ("~/a/~/b", "/home/ci/a/~/b"),
        ("~other/token", "~other/token"),
        ("/var/~/token", "/var/~/token"),
        ("token", "token"),
        ("$HOME/token", "$HOME/token"),
    ],
)
def test_only_a_leading_tilde_of_ones_own_is_expanded(path: str, expanded: str) -> None:
    assert Environment({HOME: "/home/ci"}).expand(path) == Path(expanded)
