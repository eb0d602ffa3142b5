"""Identity sources as profiles name them: what is accepted, what is refused, and how a profile comes to be."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import ant_wif
from ant_cli.main import main
from ant_wif import ConfigurationError, ProfileError
from ant_wif._config.config_dir import ConfigDir
from ant_wif._environment import Environment
from ant_wif.emulator import Emulator
from ant_wif.identity import (
    Aws,
    Azure,
    Bitbucket,
    Buildkite,
    CircleCI,
    Command,
    Env,
    File,
    GitHubActions,
    GitLab,
    GoogleCloud,
    IdentitySource,
    Kubernetes,
    OAuth,
    Semaphore,
    Spacelift,
    Spiffe,
    TerraformCloud,
    Vercel,
    read_source,
)
from support.jobs import federation_of, platform_of
from support.samples import ORGANIZATION, RULE, federation_profile

CLIENT = {"token_url": "https://login.example/token", "client_id": "ci"}
BY_SECRET = {**CLIENT, "client_secret_variable": "SECRET"}
BY_KEY = {**CLIENT, "private_key_path": "~/key.pem", "key_id": "key-1"}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"source": "file", "path": "~/token"}, File("~/token")),
        ({"source": "env"}, Env()),
        ({"source": "env", "variable": "TOKEN"}, Env("TOKEN")),
        ({"source": "github_actions", "audience": "a"}, GitHubActions("a")),
        ({"source": "gitlab", "variable": "TOKEN"}, GitLab("TOKEN")),
        ({"source": "circleci", "audience": "a"}, CircleCI("a")),
        ({"source": "bitbucket"}, Bitbucket("BITBUCKET_STEP_OIDC_TOKEN")),
        ({"source": "terraform_cloud"}, TerraformCloud()),
        ({"source": "spacelift", "variable": "TOKEN"}, Spacelift("TOKEN")),
        ({"source": "semaphore"}, Semaphore()),
        ({"source": "vercel"}, Vercel("VERCEL_OIDC_TOKEN")),
        ({"source": "buildkite", "audience": "a"}, Buildkite("a")),
        ({"source": "kubernetes"}, Kubernetes("/var/run/secrets/anthropic.com/token")),
        ({"source": "kubernetes", "path": "/token"}, Kubernetes("/token")),
        ({"source": "azure", "audience": "api://x", "client_id": "c"}, Azure("api://x", "c")),
        ({"source": "aws"}, Aws()),
        (
            {"source": "aws", "region": "eu-west-1", "signing_algorithm": "ES384", "duration_seconds": 60},
            Aws(region="eu-west-1", signing_algorithm="ES384", duration_seconds=60),
        ),
        ({"source": "aws", "duration_seconds": "3600", "profile_name": "ci"}, Aws(None, None, "RS256", 3600, "ci")),
        ({"source": "google_cloud", "service_account_email": "a@b"}, GoogleCloud(None, "a@b")),
        ({"source": "spiffe", "socket": "unix:///s", "path": None}, Spiffe(None, "unix:///s")),
        ({"source": "oauth", **BY_SECRET}, OAuth(CLIENT["token_url"], "ci", client_secret_variable="SECRET")),
        ({"source": "oauth", **BY_KEY}, OAuth(CLIENT["token_url"], "ci", private_key_path="~/key.pem", key_id="key-1")),
        ({"source": "command", "command": ["x", "y"], "timeout_seconds": 5}, Command(("x", "y"), 5.0)),
    ],
)
def test_the_object_of_a_profile_is_the_source(document: dict[str, object], expected: IdentitySource) -> None:
    found = read_source(document)
    assert found == expected
    assert type(found) is type(expected)
    assert found.source == document["source"]


@pytest.mark.parametrize(
    ("document", "field", "says"),
    [
        ({"source": "file"}, ".path", "is missing"),
        ({"source": "file", "path": ""}, ".path", "is missing"),
        ({"source": "env", "variable": 1}, ".variable", "string"),
        ({"source": "github_actions", "audience": ["a"]}, ".audience", "string"),
        ({"source": "gitlab", "variable": None}, ".variable", "string"),
        ({"source": "circleci", "audience": 1}, ".audience", "string"),
        ({"source": "bitbucket", "variable": 1}, ".variable", "string"),
        ({"source": "terraform_cloud", "tag": []}, ".tag", "string"),
        ({"source": "buildkite", "audience": {}}, ".audience", "string"),
        ({"source": "kubernetes", "path": []}, ".path", "string"),
        ({"source": "azure", "client_id": 1}, ".client_id", "string"),
        ({"source": "aws", "signing_algorithm": "HS256"}, ".signing_algorithm", "'RS256' or 'ES384'"),
        ({"source": "aws", "duration_seconds": 59}, ".duration_seconds", "greater than or equal to 60"),
        ({"source": "aws", "duration_seconds": 3601}, ".duration_seconds", "less than or equal to 3600"),
        ({"source": "aws", "duration_seconds": "long"}, ".duration_seconds", "is not a whole number"),
        ({"source": "google_cloud", "service_account_email": True}, ".service_account_email", "string"),
        ({"source": "spiffe", "socket": 1}, ".socket", "string"),
        ({"source": "oauth", "client_id": "ci", "client_secret_variable": "S"}, ".token_url", "is missing"),
        ({"source": "oauth", **CLIENT}, "", "one of client_secret_variable and private_key_path"),
        ({"source": "oauth", **BY_SECRET, **BY_KEY}, "", "one of client_secret_variable and private_key_path"),
        ({"source": "oauth", **CLIENT, "private_key_path": "k"}, "", "private_key_path needs key_id"),
        ({"source": "command"}, ".command", "is missing"),
        ({"source": "command", "command": []}, ".command", "at least 1 item"),
        ({"source": "command", "command": "print-token"}, ".command", "is not a list"),
        ({"source": "command", "command": ["x", ""]}, ".command.1", "is empty"),
        ({"source": "command", "command": ["x"], "timeout_seconds": 0}, ".timeout_seconds", "greater than 0"),
        ({"source": "command", "command": ["x"], "timeout_seconds": "soon"}, ".timeout_seconds", "number"),
        ({"source": "jenkins"}, ".source", "expected one of file, env, github_actions"),
        ({"path": "/token"}, ".source", "expected one of file, env, github_actions"),
        ({"source": ["file"]}, ".source", "expected one of file, env, github_actions"),
        ({"source": "literal", "token": "x"}, ".source", "expected one of file, env, github_actions"),
    ],
)
def test_an_object_that_cannot_be_used_is_refused_by_the_name_of_its_field(
    tmp_path: Path, document: dict[str, object], field: str, says: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_source(document)
    assert f"identity_token{field} " in str(refused.value)
    assert says in str(refused.value)
    assert str(document["source"] if isinstance(document.get("source"), str) else "source") in (
        f"{refused.value} {refused.value.hint}"
    )
    profile = federation_profile()
    profile["authentication"] = {"type": "oidc_federation", "federation_rule_id": RULE, "identity_token": document}
    environ = {"HOME": str(tmp_path)}
    ConfigDir.locate(Environment(environ)).write("ci", profile)
    with pytest.raises(ProfileError, match=r"configs/ci\.json cannot be used: authentication\.identity_token"):
        ant_wif.resolve(profile="ci", environ=environ)


@pytest.mark.parametrize("field", ["client_secret", "audiance"])
def test_a_field_that_the_source_has_not_is_left_aside_and_logged(caplog: pytest.LogCaptureFixture, field: str) -> None:
    caplog.set_level(logging.DEBUG)
    assert read_source({"source": "oauth", **BY_SECRET, field: "s3cret-of-the-client"}) == read_source(
        {"source": "oauth", **BY_SECRET}
    )
    assert caplog.messages == [f"identity_token: fields that the source oauth does not know: {field}"]


def test_a_secret_in_the_place_of_a_field_is_not_quoted() -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_source({"source": "env", "variable": ["sk-ant-oat01-" + "s3cret" * 4]})
    assert "s3cret" not in f"{refused.value!r} {refused.value.hint}"


# --- writing one --------------------------------------------------------------------------------------------------

Ant = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ant(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Ant:
    def run(*words: str, **environ: str) -> tuple[int, str, str]:
        status = main(words, {"HOME": str(tmp_path), "ANTHROPIC_ORGANIZATION_ID": ORGANIZATION, **environ})
        return (status, *capsys.readouterr())

    return run


def create(*words: str) -> tuple[str, ...]:
    return ("profile", "create", "ci", "--federation", "--federation-rule", RULE, *words)


def options(**fields: str) -> tuple[str, ...]:
    return tuple(word for name, value in fields.items() for word in ("--identity-option", f"{name}={value}"))


def written(home: Path) -> object:
    document = json.loads((home / ".config/anthropic/configs/ci.json").read_text())
    return document["authentication"]["identity_token"]


@pytest.mark.parametrize(
    ("source", "fields", "expected"),
    [
        ("aws", {"region": "eu-west-1"}, {"region": "eu-west-1"}),
        ("aws", {}, {}),
        ("kubernetes", {"path": "/token=1"}, {"path": "/token=1"}),
        ("spiffe", {"socket": "unix:///run/agent.sock"}, {"socket": "unix:///run/agent.sock"}),
        ("command", {"command": '["print-token", "--for", "ci job"]'}, {"command": ["print-token", "--for", "ci job"]}),
        ("oauth", BY_SECRET, BY_SECRET),
        ("gitlab", {"variable": "TOKEN"}, {"variable": "TOKEN"}),
        (
            "url",
            {"url": "https://x.example", "headers": '{"X-Vault-Token": {"variable": "TOKEN"}}'},
            {"url": "https://x.example", "headers": {"X-Vault-Token": {"variable": "TOKEN"}}},
        ),
    ],
)
def test_a_profile_is_written_with_the_fields_of_its_source(
    ant: Ant, tmp_path: Path, source: str, fields: dict[str, str], expected: dict[str, object]
) -> None:
    status, out, err = ant(*create("--identity-source", source, *options(**fields)))
    assert (status, out) == (0, "")
    assert f"the official SDKs refuse a profile whose identity source is {source}: they know only `file`" in err
    assert "run them under `ant exec`" in err
    assert written(tmp_path) == {"source": source, **expected}
    environ = {"HOME": str(tmp_path), "SECRET": "s", "TOKEN": "t"}
    assert ant_wif.resolve(profile="ci", environ=environ).identity_source == source
    assert (tmp_path / ".config/anthropic/configs/ci.json").stat().st_mode & 0o777 == 0o644


def test_a_profile_of_a_file_is_one_for_all_sdks(ant: Ant, tmp_path: Path) -> None:
    status, _, err = ant(*create("--identity-source", "file", *options(path="/token")))
    assert status == 0
    assert "official SDKs" not in err
    assert written(tmp_path) == {"source": "file", "path": "/token"}


def test_a_number_that_was_given_as_an_option_counts_as_one(ant: Ant, tmp_path: Path) -> None:
    status, _, _ = ant(*create("--identity-source", "aws", *options(duration_seconds="600")))
    assert status == 0
    assert read_source(written(tmp_path)) == Aws(duration_seconds=600)  # type: ignore[arg-type]  # an object


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("--identity-source", "aws", *options(zone="x")), 1, "the identity source aws has no field zone"),
        (("--identity-source", "aws", *options(title="x")), 1, "the identity source aws has no field title"),
        (("--identity-source", "aws", *options(detect="x")), 1, "the identity source aws has no field detect"),
        (("--identity-source", "aws", *options(duration_seconds="1")), 1, "greater than or equal to 60"),
        (("--identity-source", "jenkins"), 1, "expected one of file, env"),
        (("--identity-source", "command", *options(command="[print-token")), 2, "is not valid JSON"),
        (("--identity-source", "url", *options(url="https://x.example", headers="{X: 1}")), 2, "is not valid JSON"),
        (
            ("--identity-source", "url", *options(url="https://x.example", headers='{"X-Token": "x"}')),
            1,
            "not the value",
        ),
        (("--identity-source", "command", *options(command="print-token")), 1, "identity_token.command"),
        (("--identity-source", "oauth", *options(**{**BY_SECRET, **BY_KEY})), 1, "give one of client_secret_variable"),
        (("--identity-source", "aws", "--identity-option", "region"), 2, "'region' is not FIELD=VALUE"),
        (("--identity-source", "aws", "--identity-option", "=x"), 2, "is not FIELD=VALUE"),
        (options(region="x"), 1, "hint: give --identity-source"),
        (("--identity-source", "none", *options(region="x")), 1, "region belong to an identity source, and none"),
    ],
)
def test_an_option_that_makes_no_source_is_refused_and_nothing_is_written(
    ant: Ant, tmp_path: Path, words: tuple[str, ...], status: int, says: str
) -> None:
    failed, _, err = ant(*create(*words))
    assert failed == status
    assert says in err
    assert "hint: " in err
    assert not (tmp_path / ".config").exists()


def test_what_a_profile_says_beats_what_the_machine_offers(ant: Ant, tmp_path: Path) -> None:
    ant(*create("--identity-source", "buildkite"))
    environ = {"HOME": str(tmp_path), "GITHUB_ACTIONS": "true", "ANT_IDENTITY_SOURCE": "circleci"}
    assert ant_wif.resolve(profile="ci", environ=environ).identity_source == "buildkite"
    assert ant_wif.resolve(profile="ci", environ=environ, identity_source="aws").identity_source == "aws"


def test_a_written_profile_exchanges_and_asks_for_its_own_audience(ant: Ant, tmp_path: Path) -> None:
    with Emulator() as emulator:
        job = emulator.env("github")
        ids, runner = federation_of(job), platform_of(job)
        rule = ids.pop("ANTHROPIC_FEDERATION_RULE_ID")
        words = ("profile", "create", "ci", "--federation-rule", rule, "--identity-source", "github_actions")
        status, _, err = ant(*words, *options(audience="https://acme.example"), **ids)
        assert status == 0, err
        emulator.update_rule("github", audience="https://acme.example")
        status, out, err = ant("--profile", "ci", "models", "list", PATH=os.environ["PATH"], **runner)
        assert (status, err) == (0, "")
        assert "claude-" in out
        assert emulator.exchanges == 1
