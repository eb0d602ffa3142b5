"""The package as a whole: what it exports, what importing it costs."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import subprocess
import sys
from typing import Any

import pytest

import ant_wif
from ant_wif import errors


def test_every_exported_name_can_be_had() -> None:
    for name in ant_wif.__all__:
        assert getattr(ant_wif, name) is not None
    assert set(errors.__all__) <= set(ant_wif.__all__)


@pytest.mark.parametrize(
    "package",
    ["ant_wif", "ant_wif._api", "ant_wif._config", "ant_wif._profiles", "ant_wif._tokens", "ant_wif.identity"],
)
def test_a_package_loads_its_names_on_first_use_and_knows_no_others(package: str) -> None:
    loaded = importlib.import_module(package)
    for name in loaded.__all__:
        found = getattr(loaded, name)
        assert vars(loaded)[name] is found, "it is looked up once"
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nonsense'"):
        getattr(loaded, "nonsense")  # noqa: B009


def test_the_report_function_survives_importing_the_modules_around_it() -> None:
    script = "import ant_wif.diagnostics.describe, ant_wif.diagnostics.report, ant_wif; assert callable(ant_wif.report)"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_importing_the_package_alone_imports_neither_httpx_nor_pydantic() -> None:
    # freezegun, for one, asks each module for all that it lists.
    asking = "import sys, ant_wif; [getattr(ant_wif, name) for name in dir(ant_wif)]"
    script = f"{asking}; print(*(name.partition('.')[0] for name in sys.modules))"
    outcome = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not set(outcome.stdout.split()) & {"httpx", "pydantic", "pydantic_settings", "anyio", "click", "yaml"}


@pytest.mark.parametrize("name", [name for name in errors.__all__ if issubclass(getattr(errors, name), Exception)])
def test_every_error_has_a_hint_and_survives_pickling_and_copying(name: str) -> None:
    error = getattr(errors, name)("what happened", hint="what to do")
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is type(error)
        assert (str(twin), twin.hint) == ("what happened", "what to do")
    assert isinstance(error, ant_wif.AntWifError)


def test_the_error_tree_is_drawn_whole_at_the_top_of_its_module() -> None:
    drawing = errors.__doc__ or ""
    assert all(name in drawing for name in errors.__all__ if issubclass(getattr(errors, name), Exception))


def test_what_an_error_carries_of_a_tier_is_small_and_holds_no_secret() -> None:
    with pytest.raises(ant_wif.NoCredentialsError) as caught:
        ant_wif.resolve(environ={"HOME": "/nonexistent", "ANTHROPIC_FEDERATION_RULE_ID": "fdrl_01EXAMPLE"})
    first, federation = caught.value.candidates[0], caught.value.candidates[5]
    assert first == ant_wif.Candidate(1, "api_key", "--api-key", missing=("--api-key",))
    assert (federation.tier, federation.source, federation.error) == (4, "federation", None)
    assert "ANTHROPIC_ORGANIZATION_ID" in federation.missing


def test_resolve_and_report_take_the_same_named_arguments() -> None:
    resolve, report = (inspect.signature(function).parameters for function in (ant_wif.resolve, ant_wif.report))
    assert [*report] == [name for name in resolve if name != "http_client"]
    with pytest.raises(TypeError, match="api_keyy"):
        ant_wif.report(api_keyy="x")  # type: ignore[call-arg]


def test_the_token_that_credentials_hand_out_is_of_an_exported_type() -> None:
    token = ant_wif.resolve(api_key="sk-ant-api03-EXAMPLE", environ={"HOME": "/nonexistent"}).access_token()
    assert isinstance(token, ant_wif.AccessToken)
    assert token.expires_at is None


@pytest.mark.parametrize("value", [3, True, b"x", ["x"]])
def test_a_profile_that_is_not_a_text_is_refused_as_a_name(value: Any) -> None:
    with pytest.raises(errors.ProfileError, match="is not a valid profile name"):
        ant_wif.resolve(profile=value, environ={})
    assert "is not a valid profile name" in str(ant_wif.report(profile=value, environ={}).as_json())
