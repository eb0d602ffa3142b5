"""Arguments, profile and environment in one model, every value with its origin."""

from __future__ import annotations

from pathlib import Path

import pytest

from ant_wif._config.documents import Profile
from ant_wif._config.settings import DEFAULT_BASE_URL, Origin, Settings
from ant_wif._environment import Environment
from ant_wif.errors import ConfigurationError, ProfileError
from ant_wif.identity import Env, File, GitHubActions
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
        "workspace_id": ("from-argument", Origin("flag", "--workspace-id")),
        "organization_id": (ORGANIZATION, Origin("profile", "profile:work")),
        "service_account_id": ("from-env", Origin("env", "ANTHROPIC_SERVICE_ACCOUNT_ID")),
        "base_url": (DEFAULT_BASE_URL, Origin("default", "default")),
        "federation_rule_id": (RULE, Origin("profile", "profile:work")),
    }


def test_what_the_profile_leaves_empty_the_environment_fills() -> None:
    profile = _profile(federation_profile(workspace_id="", base_url=None))
    environ = Environment({"ANTHROPIC_WORKSPACE_ID": WORKSPACE, "ANTHROPIC_BASE_URL": "https://env.example"})
    settings = Settings.load({}, environ, profile)
    assert settings.workspace_id == WORKSPACE
    assert settings.base_url == "https://env.example"


@pytest.mark.parametrize("name", sorted(set(Settings.model_fields) - {"identity", "origins"}))
def test_every_field_has_its_variable_and_empty_means_unset(name: str) -> None:
    variable = Settings.variable(name)
    assert variable is not None
    filled = Settings.load({}, Environment({variable: "disk"}))
    assert filled.origin(name) == Origin("env", variable)
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


@pytest.mark.parametrize(
    ("document", "source"),
    [
        ({"source": "file", "path": "/run/token"}, File("/run/token")),
        ({"source": "env", "variable": "MY_TOKEN"}, Env("MY_TOKEN")),
        ({"source": "env"}, Env()),
        ({"source": "github_actions", "audience": "https://a.example"}, GitHubActions("https://a.example")),
        ({"source": "github_actions", "future": 1}, GitHubActions()),
    ],
)
def test_a_profile_may_name_any_source_with_its_own_fields(document: dict[str, object], source: object) -> None:
    authentication = {"type": "oidc_federation", "identity_token": document}
    profile = _profile({"authentication": authentication})
    assert Settings.load({}, Environment({}), profile).identity == source


@pytest.mark.parametrize(
    "document", [{"source": "pigeon"}, {"source": "file"}, {"source": "file", "path": ""}, {"source": 1}]
)
def test_an_identity_token_object_that_makes_no_sense_names_the_profile(document: dict[str, object]) -> None:
    profile = _profile({"authentication": {"type": "oidc_federation", "identity_token": document}})
    with pytest.raises(ProfileError, match=r"work\.json cannot be used: authentication\.identity_token") as caught:
        Settings.load({}, Environment({}), profile)
    assert caught.value.hint


def test_an_empty_argument_is_refused_rather_than_ignored() -> None:
    with pytest.raises(ConfigurationError, match="--api-key is empty"):
        Settings.load({"api_key": ""}, Environment({}))


def test_secrets_do_not_show_in_the_model() -> None:
    environ = Environment({"ANTHROPIC_API_KEY": "sk-ant-api03-secret", "ANTHROPIC_IDENTITY_TOKEN": "eyJsecret"})
    settings = Settings.load({"auth_token": "sk-ant-oat01-secret"}, environ, _profile(login_profile()))
    assert "secret" not in repr(settings)
    assert "secret" not in settings.model_dump_json()
