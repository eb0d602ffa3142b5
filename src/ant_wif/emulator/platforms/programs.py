"""Buildkite and CircleCI: a job of each for acme/app, and the program that gets it tokens.

The program is an executable that has the emulator do the work.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NoReturn

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ant_wif._strict import read_object
from ant_wif.emulator._http.protocol import Refusal, bearer, json_response, read_body
from ant_wif.emulator._issuers import IdentityProvider, write_privately

# The first line after that of the shell is a command to the shell, and a string to Python: so the path
# of the interpreter may be long and have blanks.
_SCRIPT = """\
#!/bin/sh
'''exec' {interpreter} -I "$0" "$@"
' '''
import json, sys, urllib.error, urllib.request

request = urllib.request.Request(
    {url!r},
    json.dumps({{"arguments": sys.argv[1:]}}).encode("ascii"),
    {{"authorization": {authorization!r}, "content-type": "application/json"}},
)
opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
try:
    with opener.open(request, timeout=30) as answer:
        outcome = json.load(answer)
except (OSError, ValueError) as error:
    sys.exit(f"{name}: the emulator does not answer: {{error}}")
sys.stdout.write(outcome["stdout"])
sys.stderr.write(outcome["stderr"])
sys.exit(outcome["status"])
"""


class UsageError(Exception):
    """The arguments make no sense to the program."""


class Words(argparse.ArgumentParser):
    """A parser that raises `UsageError`, where argparse's own ends the process."""

    def __init__(self) -> None:
        super().__init__(add_help=False, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


@dataclass(frozen=True)
class Outcome:
    """What a program prints, and its exit status."""

    stdout: str = ""
    stderr: str = ""
    status: int = 0


class CommandProvider(IdentityProvider):
    """A platform whose jobs get their token from a program on the PATH."""

    program: ClassVar[str]

    @abstractmethod
    def run(self, arguments: list[str]) -> Outcome:
        """Do what the program does with these arguments."""

    def write_program(self, folder: str | os.PathLike[str]) -> str:
        """Write the executable into `folder`, and return its path. Raises OSError."""
        script = _SCRIPT.format(
            interpreter=shlex.quote(sys.executable),
            name=self.program,
            url=f"{self.base_url}/{self.name}/command",
            authorization=f"Bearer {self._secret}",
        )
        return write_privately(Path(folder) / self.program, script, mode=0o700)

    def search_path(self) -> str:
        """Return a PATH on which the program comes first, before the emulator's own PATH."""
        folder = self._folder.path / self.name / "bin"
        self.write_program(folder)
        return os.pathsep.join((str(folder), os.environ.get("PATH", os.defpath)))

    def own_routes(self) -> list[Route]:
        return [Route(f"/{self.name}/command", self._command, methods=["POST"])]

    async def _command(self, request: Request) -> Response:
        if not self.is_secret(bearer(request)):
            raise Refusal(401, "Only the program that the emulator wrote may ask")
        try:
            arguments = read_object(await read_body(request)).get("arguments")
        except ValueError:
            arguments = None
        if not isinstance(arguments, list) or not all(isinstance(word, str) for word in arguments):
            raise Refusal(400, "arguments: must be a list of strings")
        outcome = self.run(arguments)
        return json_response({"stdout": outcome.stdout, "stderr": outcome.stderr, "status": outcome.status})


_BUILDKITE_ORGANIZATION = "acme"
_BUILDKITE_PIPELINE = "app"
_BUILDKITE_COMMIT = "6f1e0d5c3b2a49788796a5b4c3d2e1f00f1e2d3c"
_BUILDKITE_JOB = "018485f6-1f53-4f18-9b53-72428db4d239"
_BUILDKITE_AGENT = "018485f6-eec2-4b61-a7be-0e35ef563df0"
_BUILDKITE_STEP = "test"
_BUILDKITE_BRANCH = f"organization:{_BUILDKITE_ORGANIZATION}:pipeline:{_BUILDKITE_PIPELINE}:ref:refs/heads/main"
_OPTIONAL_CLAIMS = {
    "organization_id": "0183c4e6-c88c-4c3a-8a5a-5f1c8f3a9d11",
    "pipeline_id": "0184990a-477b-4fa8-9968-496074483cee",
    "cluster_id": "0185a1b2-0f1e-4d3c-8b4a-5f6e7d8c9b0a",
}


class EmulatedBuildkite(CommandProvider):
    name = "buildkite"
    source = "buildkite"
    real_issuer = "https://agent.buildkite.com"
    program = "buildkite-agent"
    subject = f"{_BUILDKITE_BRANCH}:commit:{_BUILDKITE_COMMIT}:step:{_BUILDKITE_STEP}"
    accepted_subject = f"{_BUILDKITE_BRANCH}:commit:*"
    lifetime_seconds = 300

    def claims(self, now: int) -> dict[str, object]:
        # There is no `jti`: these tokens may be exchanged again.
        return {
            **super().claims(now),
            "nbf": now,
            "organization_slug": _BUILDKITE_ORGANIZATION,
            "pipeline_slug": _BUILDKITE_PIPELINE,
            "build_number": 42,
            "build_branch": "main",
            "build_commit": _BUILDKITE_COMMIT,
            "build_source": "webhook",
            "step_key": _BUILDKITE_STEP,
            "job_id": _BUILDKITE_JOB,
            "agent_id": _BUILDKITE_AGENT,
            "runner_environment": "self-hosted",
        }

    def environment(self) -> dict[str, str]:
        return {
            "CI": "true",
            "BUILDKITE": "true",
            "BUILDKITE_AGENT_ID": _BUILDKITE_AGENT,
            "BUILDKITE_BRANCH": "main",
            "BUILDKITE_BUILD_NUMBER": "42",
            "BUILDKITE_COMMIT": _BUILDKITE_COMMIT,
            "BUILDKITE_JOB_ID": _BUILDKITE_JOB,
            "BUILDKITE_ORGANIZATION_SLUG": _BUILDKITE_ORGANIZATION,
            "BUILDKITE_PIPELINE_SLUG": _BUILDKITE_PIPELINE,
            "BUILDKITE_SOURCE": "webhook",
            "BUILDKITE_STEP_KEY": _BUILDKITE_STEP,
            "PATH": self.search_path(),
        }

    def run(self, arguments: list[str]) -> Outcome:
        if arguments[:2] != ["oidc", "request-token"]:
            return Outcome(stderr="fatal: only `buildkite-agent oidc request-token` is emulated\n", status=1)
        words = Words()
        words.add_argument("--audience", default=f"https://buildkite.com/{_BUILDKITE_ORGANIZATION}")
        words.add_argument("--lifetime", type=_seconds, default=0)
        words.add_argument("--claim", action="append", default=[])
        words.add_argument("--job", choices=[_BUILDKITE_JOB])
        words.add_argument("--skip-redaction", action="store_true")
        try:
            asked = words.parse_args(arguments[2:])
            more = _optional_claims(asked.claim)
        except UsageError as error:
            return Outcome(stderr=f"fatal: {error}\n", status=1)
        token = self.mint(
            lifetime=asked.lifetime or None,
            claims={"aud": asked.audience or f"https://buildkite.com/{_BUILDKITE_ORGANIZATION}", **more},
        )
        return Outcome(stdout=f"{token}\n")


def _seconds(text: str) -> int:
    if not text.isdecimal():
        raise ValueError
    return int(text)


def _optional_claims(wanted: list[str]) -> dict[str, str]:
    names = [name for words in wanted for name in words.split(",")]
    unknown = [name for name in names if name not in _OPTIONAL_CLAIMS]
    if unknown:
        raise UsageError(f"there is no optional claim {unknown[0]!r}")
    return {name: _OPTIONAL_CLAIMS[name] for name in names}


_CIRCLECI_ORGANIZATION = "8f0e4c1a-77b1-4d3e-9a55-2f6f0c9d1e01"
_CIRCLECI_PROJECT = "1c5e7b90-3f2d-4a86-b0c4-5d8e6f7a9b02"
_CIRCLECI_USER = "b7a1d2c3-0e4f-4958-8697-a8b9cadbec03"
_CIRCLECI_JOB = "4d9c2e61-5b70-4f8a-9e13-6a7b8c9d0e04"
_CIRCLECI_PIPELINE = "5e0d3f72-6c81-4a9b-8f24-7b8c9d0e1f05"
_CIRCLECI_WORKFLOW = "6f1e4083-7d92-4bac-9035-8c9d0e1f2a06"
_CIRCLECI_ORIGIN = "github.com/acme/app"
_CIRCLECI_REF = "refs/heads/main"


class EmulatedCircleCI(CommandProvider):
    name = "circleci"
    source = "circleci"
    program = "circleci"
    subject = f"org/{_CIRCLECI_ORGANIZATION}/project/{_CIRCLECI_PROJECT}/user/{_CIRCLECI_USER}"
    # Any user's push may run the job.
    accepted_subject = f"org/{_CIRCLECI_ORGANIZATION}/project/{_CIRCLECI_PROJECT}/*"
    accepted_claims: ClassVar[Mapping[str, str]] = {"oidc.circleci.com/vcs-ref": _CIRCLECI_REF}
    lifetime_seconds = 3600

    def claims(self, now: int) -> dict[str, object]:
        # There is no `jti`: these tokens may be exchanged again.
        return {
            **super().claims(now),
            "oidc.circleci.com/org-id": _CIRCLECI_ORGANIZATION,
            "oidc.circleci.com/project-id": _CIRCLECI_PROJECT,
            "oidc.circleci.com/pipeline-id": _CIRCLECI_PIPELINE,
            "oidc.circleci.com/workflow-id": _CIRCLECI_WORKFLOW,
            "oidc.circleci.com/job-id": _CIRCLECI_JOB,
            "oidc.circleci.com/context-ids": [],
            "oidc.circleci.com/ssh-rerun": False,
            "oidc.circleci.com/vcs-origin": _CIRCLECI_ORIGIN,
            "oidc.circleci.com/vcs-ref": _CIRCLECI_REF,
        }

    def environment(self) -> dict[str, str]:
        version_2: dict[str, object] = {"sub": f"{self.subject}/vcs-origin/{_CIRCLECI_ORIGIN}/vcs-ref/{_CIRCLECI_REF}"}
        return {
            "CI": "true",
            "CIRCLECI": "true",
            "CIRCLE_BRANCH": "main",
            "CIRCLE_BUILD_NUM": "42",
            "CIRCLE_JOB": "test",
            "CIRCLE_ORGANIZATION_ID": _CIRCLECI_ORGANIZATION,
            "CIRCLE_PIPELINE_ID": _CIRCLECI_PIPELINE,
            "CIRCLE_PROJECT_ID": _CIRCLECI_PROJECT,
            "CIRCLE_PROJECT_REPONAME": "app",
            "CIRCLE_PROJECT_USERNAME": "acme",
            "CIRCLE_WORKFLOW_ID": _CIRCLECI_WORKFLOW,
            "CIRCLE_WORKFLOW_JOB_ID": _CIRCLECI_JOB,
            # Neither has an audience or an issuer that the seeded rule accepts, as in reality.
            "CIRCLE_OIDC_TOKEN": self._token({}, root_issuer=False),
            "CIRCLE_OIDC_TOKEN_V2": self._token(version_2, root_issuer=False),
            "PATH": self.search_path(),
        }

    def own_routes(self) -> list[Route]:
        return [*self.document_routes(f"{self.issuer_path}/org/{_CIRCLECI_ORGANIZATION}"), *super().own_routes()]

    def run(self, arguments: list[str]) -> Outcome:
        if arguments[:3] != ["run", "oidc", "get"]:
            return Outcome(stderr="Error: only `circleci run oidc get` is emulated\n", status=255)
        words = Words()
        words.add_argument("--claims", default="{}")
        words.add_argument("--root-issuer", action="store_true")
        try:
            asked = words.parse_args(arguments[3:])
            token = self._token(_custom_claims(asked.claims), root_issuer=asked.root_issuer)
        except UsageError as error:
            return Outcome(stderr=f"Error: {error}\n", status=255)
        return Outcome(stdout=f"{token}\n")

    def _token(self, claims: dict[str, object], *, root_issuer: bool) -> str:
        own = {} if root_issuer else {"iss": f"{self.issuer_url}/org/{_CIRCLECI_ORGANIZATION}"}
        return self.mint(claims={"aud": _CIRCLECI_ORGANIZATION, **own, **claims})


def _custom_claims(text: str) -> dict[str, object]:
    try:
        claims = json.loads(text)
    except ValueError:
        raise UsageError("claims is not valid JSON") from None
    if not isinstance(claims, dict) or not set(claims) <= {"aud"}:
        raise UsageError("claims must be a JSON object, and aud is the only claim that can be customized")
    audience = claims.get("aud", "-")
    names = audience if isinstance(audience, list) else [audience]
    if not names or not all(isinstance(name, str) and name for name in names):
        raise UsageError("aud must be a string or a list of strings")
    return claims
