"""Platforms that hand a job its identity token in a variable: which one is read, and what a job without it is told."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import pytest

import ant_wif
from ant_cli.main import main
from ant_wif import IdentitySourceError, IdentityTokenError
from ant_wif._environment import Environment
from ant_wif._http.transport import run
from ant_wif.identity import Context, IdentitySource, IdentityToken, detect, detect_all, read_source, source_by_name
from support.misbehaving_server import forged_jwt
from support.samples import ORGANIZATION, RULE

AUDIENCE = "https://api.anthropic.com"
# The variable of each platform, a sign that it is there without the token, and words of the setting that is missing.
PLATFORMS = [
    ("gitlab", "ANTHROPIC_ID_TOKEN", "GITLAB_CI", f"id_tokens: {{ANTHROPIC_ID_TOKEN: {{aud: {AUDIENCE}}}}}"),
    ("bitbucket", "BITBUCKET_STEP_OIDC_TOKEN", "BITBUCKET_BUILD_NUMBER", f"oidc: {{audiences: [{AUDIENCE}]}}"),
    ("terraform_cloud", "TFC_WORKLOAD_IDENTITY_TOKEN", "TFC_RUN_ID", "variable TFC_WORKLOAD_IDENTITY_AUDIENCE with"),
    ("spacelift", "SPACELIFT_OIDC_TOKEN", "TF_VAR_spacelift_run_id", "every run of a paid account"),
    ("semaphore", "SEMAPHORE_OIDC_TOKEN", "SEMAPHORE", "a plan with OpenID Connect"),
    ("vercel", "VERCEL_OIDC_TOKEN", "VERCEL", "OIDC federation in the project's settings"),
]
OWN_AUDIENCE = {"spacelift", "semaphore", "vercel"}
EACH = pytest.mark.parametrize(("name", "variable", "sign", "setting"), PLATFORMS, ids=[name for name, *_ in PLATFORMS])


def context(root: Path, **variables: str) -> Context:
    return Context(Environment({"HOME": str(root), **variables}), root=root)


def fetched(source: IdentitySource, where: Context) -> IdentityToken:
    return run(source.fetch(where))


@EACH
def test_the_token_of_the_platform_s_variable_is_used(
    tmp_path: Path, name: str, variable: str, sign: str, setting: str
) -> None:
    token = forged_jwt({"aud": AUDIENCE})
    where = context(tmp_path, **{sign: "1", variable: token})
    source = detect(where)
    assert source is not None
    assert (source.source, source.asks_for(where)) == (name, variable)
    assert not source.renewable
    assert fetched(source, where).assertion.get_secret_value() == token
    assert setting not in str(source.unmet(where))


@EACH
@pytest.mark.parametrize("empty", [False, True], ids=["absent", "empty"])
def test_a_job_without_its_token_is_told_the_setting_and_no_other_platform_is_used(
    tmp_path: Path, name: str, variable: str, sign: str, setting: str, empty: bool
) -> None:
    others = {each: forged_jwt() for other, each, *_ in PLATFORMS if other != name and other != "gitlab"}
    variables = {sign: "1", "AWS_LAMBDA_FUNCTION_NAME": "ci", **({variable: ""} if empty else {})}
    where = context(tmp_path, **variables)
    source = detect(where)
    assert source is not None
    assert source.source == name
    with pytest.raises(IdentitySourceError, match=f"no ID token: the variable {variable} is not set") as refused:
        fetched(source, where)
    assert setting in str(refused.value.hint)
    with pytest.raises(IdentitySourceError, match=f"the variable {variable} is not set"):
        fetched(source_by_name(name, where), context(tmp_path, **variables, **others))


@EACH
def test_a_token_that_is_refused_is_blamed_on_its_variable(
    tmp_path: Path, name: str, variable: str, sign: str, setting: str
) -> None:
    variable += "_ANTHROPIC" * (name == "terraform_cloud")
    elsewhere = forged_jwt({"aud": "https://elsewhere.example"})
    for token in (f"${variable}", forged_jwt({"exp": 1}), *([] if name in OWN_AUDIENCE else [elsewhere])):
        where = context(tmp_path, **{sign: "1", variable: token})
        source = source_by_name(name, where)
        with pytest.raises(IdentityTokenError, match=rf"from the variable {variable}\b") as refused:
            fetched(source, where)
        assert str(source.unusable(where)) == str(refused.value)
    assert name in OWN_AUDIENCE or f"have the platform issue it for {AUDIENCE}" in refused.value.hint


@EACH
def test_status_names_the_setting_that_is_missing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, variable: str, sign: str, setting: str
) -> None:
    ids = {"ANTHROPIC_FEDERATION_RULE_ID": RULE, "ANTHROPIC_ORGANIZATION_ID": ORGANIZATION}
    environ = {"HOME": str(tmp_path), sign: "1", "AWS_LAMBDA_FUNCTION_NAME": "ci", **ids}
    assert main(("auth", "status"), environ) == 0
    status = capsys.readouterr().out
    assert f"the variable {variable} is not set" in status
    assert main(("models", "list"), environ) == 3
    assert setting in capsys.readouterr().err
    assert main(("identity", "detect", "--format", "json"), environ) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["selected"] == name
    assert {each["name"] for each in shown["sources"] if each["detected"]} == {name, "aws"}


@EACH
def test_an_audience_that_the_job_declared_is_compared_and_one_that_the_platform_chose_is_not(
    tmp_path: Path, name: str, variable: str, sign: str, setting: str
) -> None:
    del setting
    where = context(tmp_path, **{sign: "1", variable: forged_jwt({"aud": "https://acme.example"})})
    source = source_by_name(name, where)
    if name in OWN_AUDIENCE:
        assert fetched(source, where)
    else:
        with pytest.raises(IdentityTokenError, match="for another audience: found https://acme"):
            fetched(source, where)
    for wanted, accepted in (("https://acme.example", True), ("https://other.example", False)):
        asked = Context(where.environ, audience=wanted, root=tmp_path)
        if accepted:
            assert fetched(source, asked)
        else:
            with pytest.raises(IdentityTokenError, match=f"found https://acme.example, expected {wanted}"):
                fetched(source, asked)


@EACH
@pytest.mark.parametrize(
    ("token", "says"),
    [
        (forged_jwt({"exp": 1}), "expired"),
        ("<html>not found</html>", "found an HTML or XML page"),
        ("not a token", "in 1 dot-separated part"),
    ],
    ids=["expired", "html", "text"],
)
def test_a_variable_with_something_else_is_one_sentence(
    tmp_path: Path, name: str, variable: str, sign: str, setting: str, token: str, says: str
) -> None:
    del setting
    where = context(tmp_path, **{sign: "1", variable: token})
    with pytest.raises(IdentityTokenError, match=says) as refused:
        fetched(source_by_name(name, where), where)
    assert token not in f"{refused.value} {refused.value.hint}"
    assert str(refused.value).isprintable()


@EACH
def test_the_variable_alone_is_a_sign_unless_it_is_named_after_no_platform(
    tmp_path: Path, name: str, variable: str, sign: str, setting: str
) -> None:
    del sign, setting
    found = detect(context(tmp_path, **{variable: forged_jwt()}))
    assert (found and found.source) == (None if name == "gitlab" else name)


# --- HCP Terraform: tokens with tags ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "tokens", "read"),
    [
        ({}, ["", "_ANTHROPIC", "_AWS"], "_ANTHROPIC"),
        ({}, ["", "_AWS"], ""),
        ({"tag": "CLAUDE"}, ["", "_ANTHROPIC", "_CLAUDE"], "_CLAUDE"),
    ],
)
def test_the_token_with_our_tag_comes_first_and_a_profile_names_another(
    tmp_path: Path, document: dict[str, object], tokens: list[str], read: str
) -> None:
    variable = f"TFC_WORKLOAD_IDENTITY_TOKEN{read}"
    right, wrong = forged_jwt(), forged_jwt({"aud": "aws.workload.identity"})
    values = {f"TFC_WORKLOAD_IDENTITY_TOKEN{tag}": right if tag == read else wrong for tag in tokens}
    where = context(tmp_path, TFC_RUN_ID="run-1", **values)
    source = read_source({"source": "terraform_cloud", **document})
    assert source.asks_for(where) == variable
    assert fetched(source, where).assertion.get_secret_value() == right


def test_a_run_with_tokens_of_other_tags_only_is_told_their_names(tmp_path: Path) -> None:
    where = context(tmp_path, TFC_RUN_ID="run-1", TFC_WORKLOAD_IDENTITY_TOKEN_AWS=forged_jwt())
    with pytest.raises(IdentitySourceError, match="TFC_WORKLOAD_IDENTITY_TOKEN is not set") as refused:
        fetched(source_by_name("terraform_cloud", where), where)
    assert "name the tag of TFC_WORKLOAD_IDENTITY_TOKEN_AWS in a profile" in str(refused.value.hint)
    tagged = read_source({"source": "terraform_cloud", "tag": "CLAUDE"})
    with pytest.raises(IdentitySourceError, match="TFC_WORKLOAD_IDENTITY_TOKEN_CLAUDE is not set") as refused:
        fetched(tagged, where)
    assert "TFC_WORKLOAD_IDENTITY_AUDIENCE_CLAUDE" in str(refused.value.hint)


# --- the classes that the rows make ----------------------------------------------------------------------------------


@EACH
def test_the_source_of_a_row_is_a_class_like_any_other(
    tmp_path: Path, name: str, variable: str, sign: str, setting: str
) -> None:
    del sign, setting
    source = source_by_name(name, context(tmp_path))
    assert type(source).__module__ == "ant_wif.identity.variables"
    assert type(source) is getattr(ant_wif.identity, type(source).__name__)
    assert repr(source).startswith(f"{type(source).__name__}(variable={variable!r}, source={name!r}")
    assert pickle.loads(pickle.dumps(source)) == source == copy.copy(source)
    assert "https://" in str(type(source).__doc__)


def test_each_row_says_on_a_bare_machine_what_it_looked_for(tmp_path: Path) -> None:
    reasons = {each.name: each.reason for each in detect_all(context(tmp_path))}
    for name, _, sign, _ in PLATFORMS:
        assert sign in reasons[name]
