"""Arguments, profile and environment in one model, every value with its origin."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import ant_wif
from ant_wif._config.documents import Profile
from ant_wif._config.settings import DEFAULT_BASE_URL, Origin, Settings, flag
from ant_wif._environment import Environment
from ant_wif.errors import AntWifError, ConfigurationError, ProfileError
from ant_wif.identity import File
from support import preloaded
from support.samples import ORGANIZATION, RULE, WORKSPACE, federation_profile, login_profile


def _profile(document: dict[str, object]) -> Profile:
    found = Profile.parse("work", Path("/config/configs/work.json"), document)
    if isinstance(found, ProfileError):
        raise found
    return found


def test_an_argument_beats_the_profile_and_the_profile_the_environment() -> None:
    environ = Environment(
        {
            "ANTHROPIC_ORGANIZATION_ID": "from-env",
            "ANTHROPIC_WORKSPACE_ID": "from-env",
            "ANTHROPIC_SERVICE_ACCOUNT_ID": "from-env",
        }
    )
    profile = _profile(federation_profile(organization_id=ORGANIZATION, workspace_id=WORKSPACE))
    settings = Settings.load({"workspace_id": "from-argument", "base_url": None}, environ, profile)
    found = {
        name: (getattr(settings, name), settings.origin(name))
        for name in ("workspace_id", "organization_id", "service_account_id", "base_url", "federation_rule_id")
    }
    assert found == {
        "workspace_id": ("from-argument", Origin("flag", "--workspace-id", "--workspace-id")),
        "organization_id": (
            ORGANIZATION,
            Origin("profile", "profile:work", f"organization_id of the profile 'work' ({profile.path})"),
        ),
        "service_account_id": ("from-env", Origin("env", *["ANTHROPIC_SERVICE_ACCOUNT_ID"] * 2)),
        "base_url": (DEFAULT_BASE_URL, Origin("default", "default")),
        "federation_rule_id": (
            RULE,
            Origin(
                "profile", "profile:work", f"authentication.federation_rule_id of the profile 'work' ({profile.path})"
            ),
        ),
    }


def test_wherever_a_url_is_from_it_ends_in_no_slash_and_other_text_stays_as_it_was() -> None:
    profile = _profile(federation_profile(base_url=f"{DEFAULT_BASE_URL}/"))
    given = {"ANTHROPIC_CONSOLE_URL": "http://a.example/b//", "ANT_INSECURE_HOSTS": "a.example"}
    settings = Settings.load({}, Environment(given), profile)
    assert (settings.base_url, settings.console_url) == (DEFAULT_BASE_URL, "http://a.example/b")
    settings.check("console_url")
    assert Settings.load({"base_url": "https://"}, Environment({})).base_url == "https://"


@pytest.mark.parametrize("name", sorted(set(Settings.model_fields) - {"identity", "origins"}))
def test_every_field_has_its_variable_and_empty_means_unset(name: str) -> None:
    variable = Settings.variable(name)
    assert variable is not None
    filled = Settings.load({}, Environment({variable: "disk"}))
    assert filled.origin(name) == Origin("env", variable, variable)
    empty = Settings.load({}, Environment({variable: ""}))
    assert empty.origin(name) == Origin("default", "default")
    assert getattr(empty, name) == getattr(Settings.load({}, Environment({})), name)


def test_the_process_environment_is_not_consulted_when_another_is_passed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://process.example")
    monkeypatch.setenv("base_url", "https://process.example")
    assert Settings.load({}, Environment({})).base_url == DEFAULT_BASE_URL


def test_the_environment_does_not_fill_the_client_id_of_a_login_profile() -> None:
    """Without one, something else rotates the credentials file; a variable must not change that."""
    profile = _profile({"authentication": {"type": "user_oauth"}})
    settings = Settings.load({}, Environment({"ANTHROPIC_OAUTH_CLIENT_ID": "client"}), profile)
    assert settings.oauth_client_id == "client"
    assert getattr(profile.known.authentication, "client_id", None) is None


def test_an_empty_argument_is_refused_rather_than_ignored() -> None:
    with pytest.raises(ConfigurationError, match="--api-key is empty"):
        Settings.load({"api_key": ""}, Environment({}))


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ({"api_key": 5}, "api_key is not a string"),
        ({"workspace_id": ["x"]}, "workspace_id is not a string"),
        ({"profile": 5}, "profile is not a valid profile name"),
        ({"profile": b"ci"}, "profile is not a valid profile name"),
        ({"config_dir": 3}, "config_dir is not a path"),
        ({"config_dir": b"x"}, "config_dir is not a path"),
        ({"identity_token_file": 3}, "identity_token_file is not a path"),
    ],
)
def test_an_argument_of_another_type_is_refused_by_its_name(
    argument: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises((ConfigurationError, ProfileError)) as refused:
        ant_wif.resolve(**argument, environ={"HOME": str(tmp_path)})
    assert str(refused.value).startswith(says)


@pytest.mark.parametrize("name", ["federation_rule_id", "organization_id", "service_account_id", "base_url"])
def test_federating_with_an_argument_of_another_type_is_refused_likewise(name: str) -> None:
    given: dict[str, Any] = {"federation_rule_id": RULE, "organization_id": ORGANIZATION, name: 5}
    with pytest.raises(ConfigurationError, match=f"^{name} is not a string"):
        ant_wif.federate(File("/token"), **given)


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"api_key": ""}, "--api-key"),
        ({"auth_token": "a b"}, "--auth-token"),
        ({"base_url": "http://evil.example", "api_key": "x"}, "--base-url"),
        ({"profile": "x/y"}, "--profile"),
        ({"federation_rule_id": "x", "organization_id": ORGANIZATION, "identity_token": "x"}, "--federation-rule"),
        ({"identity_source": "x", "federation_rule_id": RULE, "organization_id": ORGANIZATION}, "--identity-source"),
        ({"identity_token": "x", "federation_rule_id": RULE, "organization_id": ORGANIZATION}, "--identity-token"),
        (
            {"identity_token_file": "/nonexistent", "federation_rule_id": RULE, "organization_id": ORGANIZATION},
            "--identity-token-file",
        ),
    ],
)
def test_an_error_calls_an_argument_what_its_caller_does(given: dict[str, Any], option: str, tmp_path: Path) -> None:
    with pytest.raises(AntWifError) as refused:
        ant_wif.resolve(**given, environ={"HOME": str(tmp_path)}).token()
    assert next(iter(given)) in str(refused.value.hint)
    assert option not in f"{refused.value} {refused.value.hint}"
    done = preloaded.run(
        [preloaded.ANT, *(f"{flag(name)}={text}" for name, text in given.items()), "models", "list"],
        env={"HOME": str(tmp_path), "PATH": os.defpath}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert option in done.stderr


def test_secrets_do_not_show_in_the_model() -> None:
    environ = Environment({"ANTHROPIC_API_KEY": "sk-ant-api03-secret", "ANTHROPIC_IDENTITY_TOKEN": "eyJsecret"})
    settings = Settings.load({"auth_token": "sk-ant-oat01-secret"}, environ, _profile(login_profile()))
    assert "secret" not in repr(settings)
    assert "secret" not in settings.model_dump_json()
