"""The pipeline file that `ant wif setup` ends with: for the job that the rule accepts, with its ids."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ant_wif._constants import DEFAULT_AUDIENCE, __version__
from ant_wif._secrets import harmless_json

if TYPE_CHECKING:
    from ant_wif.admin.setup import SetupPlan, WorkloadIdentity

_INSTALL = f"python3 -m pip install ant-wif=={__version__}"
_IN_VENV = f"python3 -m venv .venv && .venv/bin/python -m pip install ant-wif=={__version__}"
# Which hashes there are for all that it needs, only the package index knows.
_HOW_TO_PIN = f"""\
# ant-wif is pinned by its version. To pin all that it needs by hash, keep a file in the repository,
#   echo 'ant-wif=={__version__}' | uv pip compile --generate-hashes --output-file requirements.txt -
# and install with: python3 -m pip install --require-hashes --requirement requirements.txt"""


@dataclass(frozen=True)
class PipelineFile:
    """A complete file, and where in the repository it belongs."""

    path: str
    text: str


def pipeline(plan: SetupPlan) -> PipelineFile | None:
    """Return the file for a platform that has one; `None` for others and before there is a rule."""
    trust = plan.wanted.trust
    found = _FILES.get(trust.platform)
    # A program of a Terraform configuration runs when it is applied.
    if found is None or plan.rule.id is None or trust.job.get("phase") == "plan":
        return None
    path, lines = found
    text = "\n".join(lines(trust, plan.variables))
    first = "#!/bin/sh\n" if text.startswith("#!") else ""
    return PipelineFile(path, f"{first}{_HOW_TO_PIN}\n{text.removeprefix(first)}\n")


def _github(trust: WorkloadIdentity, variables: Mapping[str, str]) -> Iterator[str]:
    ref, environment = trust.claims.get("ref", ""), trust.claims.get("environment")
    kind, _, name = ref.removeprefix("refs/").partition("/")
    if "event_name" in trust.claims:
        yield "on: pull_request"
    elif not ref:
        yield "on: workflow_dispatch"
    else:
        # A name stands here as a pattern: https://docs.github.com/en/actions/reference/workflows-and-actions
        pattern = re.sub(r"\+|\A!", r"\\\g<0>", name)
        yield from ("on:", "  push:", f"    {'tags' if kind == 'tags' else 'branches'}: [{_quoted(pattern)}]")
    yield "permissions:"
    yield "  contents: read"
    yield "  id-token: write # lets the job ask GitHub for its identity token"
    yield from _block("env:", variables)
    yield "jobs:"
    yield "  claude:"
    yield "    runs-on: ubuntu-latest"
    yield from [f"    environment: {_quoted(environment)}"] if environment is not None else []
    yield "    steps:"
    yield f"      - run: pipx install ant-wif=={__version__}"
    yield "      - run: ant auth verify"


def _gitlab(trust: WorkloadIdentity, variables: Mapping[str, str]) -> Iterator[str]:
    kind, name = _ref(trust)
    yield "claude:"
    yield "  image: python:3.13"
    yield "  rules:"
    yield f"    - if: '$CI_COMMIT_{kind.upper()} == \"{name}\"'"
    yield from [f"  environment: {_quoted(trust.job['environment'])}"] if "environment" in trust.job else []
    yield "  id_tokens:"
    yield "    ANTHROPIC_ID_TOKEN:"
    yield f"      aud: {DEFAULT_AUDIENCE}"
    yield from _block("  variables:", variables)
    yield "  script:"
    yield f"    - {_INSTALL}"
    yield "    - ant auth verify"


def _circleci(trust: WorkloadIdentity, variables: Mapping[str, str]) -> Iterator[str]:
    kind, name = _ref(trust)
    yield "version: 2.1"
    yield "jobs:"
    yield "  claude:"
    yield "    docker:"
    yield "      - image: cimg/python:3.13"
    yield from _block("    environment:", variables)
    yield "    steps:"
    yield f"      - run: {_INSTALL}"
    yield "      - run: ant auth verify"
    yield "workflows:"
    yield "  claude:"
    yield "    jobs:"
    yield "      - claude:"
    yield "          filters:"
    yield f"            {'tags' if kind == 'tag' else 'branches'}:"
    yield f"              only: {_quoted(name)}"
    if kind == "tag":
        yield "            branches:"
        yield "              ignore: /.*/"


def _buildkite(trust: WorkloadIdentity, variables: Mapping[str, str]) -> Iterator[str]:
    kind, name = _ref(trust)
    yield from _block("env:", variables)
    yield "steps:"
    yield "  - label: claude"
    yield "    key: claude"
    yield f"    if: 'build.{kind} == \"{name}\"'"
    yield "    commands:"
    yield f"      - {_IN_VENV}"
    yield "      - PATH=$$PWD/.venv/bin:$$PATH ant auth verify"


def _azure_pipelines(trust: WorkloadIdentity, variables: Mapping[str, str]) -> Iterator[str]:
    yield "trigger:"
    yield "  branches:"
    yield f"    include: [{_quoted(trust.job['branch'])}]"
    yield "pr: none"
    yield "pool:"
    yield "  vmImage: ubuntu-24.04"
    yield from _block("variables:", variables)
    yield "steps:"
    yield f"  - script: {_INSTALL}"
    yield "    displayName: install"
    yield "  # This task gives the script the id of the service connection."
    yield "  - task: AzureCLI@2"
    yield "    displayName: claude"
    yield "    inputs:"
    yield f"      azureSubscription: {_quoted(trust.job['connection'])}"
    yield "      scriptType: bash"
    yield "      scriptLocation: inlineScript"
    yield "      inlineScript: PATH=$HOME/.local/bin:$PATH ant auth verify"
    yield "    env:"
    yield "      SYSTEM_ACCESSTOKEN: $(System.AccessToken)"


def _bitbucket(trust: WorkloadIdentity, variables: Mapping[str, str]) -> Iterator[str]:
    yield "image: python:3.13"
    yield "pipelines:"
    yield "  branches:"
    yield f"    {_quoted(trust.job['branch'])}:"
    yield "      - step:"
    yield "          name: claude"
    yield from [f"          deployment: {_quoted(trust.job['environment'])}"] if "environment" in trust.job else []
    yield "          oidc:"
    yield "            audiences:"
    yield f"              - {DEFAULT_AUDIENCE}"
    yield "          script:"
    yield from (f"            - export {name}={shlex.quote(value)}" for name, value in variables.items())
    yield f"            - {_INSTALL}"
    yield "            - ant auth verify"


def _terraform(_: WorkloadIdentity, variables: Mapping[str, str]) -> Iterator[str]:
    yield 'resource "terraform_data" "claude" {'
    yield "  triggers_replace = [timestamp()]"
    yield ""
    yield '  provisioner "local-exec" {'
    yield f"    command = {_quoted(f'{_IN_VENV} && .venv/bin/ant auth verify')}"
    yield "    environment = {"
    yield from (f"      {name} = {_quoted(value)}" for name, value in variables.items())
    yield "    }"
    yield "  }"
    yield "}"


def _spacelift(trust: WorkloadIdentity, variables: Mapping[str, str]) -> Iterator[str]:
    yield "version: 1"
    yield "stacks:"
    yield f"  {_quoted(trust.job['stack'])}:"
    yield from _block("    environment:", variables)
    yield "    # The runner image needs Python 3.10 or newer."
    yield "    before_apply:"
    yield f"      - {_IN_VENV}"
    yield "      - .venv/bin/ant auth verify"


def _oidc(trust: WorkloadIdentity, variables: Mapping[str, str]) -> Iterator[str]:
    yield "#!/bin/sh"
    yield f"# Set ANTHROPIC_IDENTITY_TOKEN_FILE or ANTHROPIC_IDENTITY_TOKEN to a token of {trust.issuer_url}"
    yield "set -eu"
    yield from (f"export {name}={shlex.quote(value)}" for name, value in variables.items())
    yield _IN_VENV
    yield ".venv/bin/ant auth verify"


_Lines = Callable[["WorkloadIdentity", Mapping[str, str]], Iterator[str]]
_FILES: dict[str, tuple[str, _Lines]] = {
    "github": (".github/workflows/claude.yml", _github),
    "gitlab": (".gitlab-ci.yml", _gitlab),
    "circleci": (".circleci/config.yml", _circleci),
    "buildkite": (".buildkite/pipeline.yml", _buildkite),
    "azure-pipelines": ("azure-pipelines.yml", _azure_pipelines),
    "bitbucket": ("bitbucket-pipelines.yml", _bitbucket),
    "terraform-cloud": ("claude.tf", _terraform),
    "spacelift": (".spacelift/config.yml", _spacelift),
    "oidc": ("claude.sh", _oidc),
}


def _ref(trust: WorkloadIdentity) -> tuple[str, str]:
    """Return `branch` or `tag`, and its name."""
    kind = "tag" if "tag" in trust.job else "branch"
    return kind, trust.job[kind]


def _block(title: str, values: Mapping[str, str]) -> Iterator[str]:
    """Yield a mapping of YAML, two columns further in than its title."""
    yield title
    margin = " " * (len(title) - len(title.lstrip()) + 2)
    yield from (f"{margin}{name}: {_quoted(value)}" for name, value in values.items())


def _quoted(text: str) -> str:
    """Return a text as YAML and HCL have it; unprintable texts were refused before."""
    return harmless_json(json.dumps(text, ensure_ascii=False))
