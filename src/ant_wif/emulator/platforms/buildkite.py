"""Buildkite: a job on the main branch of acme/app, and the `buildkite-agent` program that gets it tokens."""

from __future__ import annotations

from ant_wif.emulator.platforms._cli_shim import CommandProvider, Outcome, UsageError, Words

_ORGANIZATION = "acme"
_PIPELINE = "app"
_COMMIT = "6f1e0d5c3b2a49788796a5b4c3d2e1f00f1e2d3c"
_JOB = "018485f6-1f53-4f18-9b53-72428db4d239"
_AGENT = "018485f6-eec2-4b61-a7be-0e35ef563df0"
_STEP = "test"
_BRANCH = f"organization:{_ORGANIZATION}:pipeline:{_PIPELINE}:ref:refs/heads/main"
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
    subject = f"{_BRANCH}:commit:{_COMMIT}:step:{_STEP}"
    accepted_subject = f"{_BRANCH}:commit:*"
    lifetime_seconds = 300

    def claims(self, now: int) -> dict[str, object]:
        # There is no `jti`: these tokens may be exchanged again.
        return {
            "iss": self.issuer_url,
            "sub": self.subject,
            "iat": now,
            "nbf": now,
            "organization_slug": _ORGANIZATION,
            "pipeline_slug": _PIPELINE,
            "build_number": 42,
            "build_branch": "main",
            "build_commit": _COMMIT,
            "build_source": "webhook",
            "step_key": _STEP,
            "job_id": _JOB,
            "agent_id": _AGENT,
            "runner_environment": "self-hosted",
        }

    def environment(self) -> dict[str, str]:
        return {
            "CI": "true",
            "BUILDKITE": "true",
            "BUILDKITE_AGENT_ID": _AGENT,
            "BUILDKITE_BRANCH": "main",
            "BUILDKITE_BUILD_NUMBER": "42",
            "BUILDKITE_COMMIT": _COMMIT,
            "BUILDKITE_JOB_ID": _JOB,
            "BUILDKITE_ORGANIZATION_SLUG": _ORGANIZATION,
            "BUILDKITE_PIPELINE_SLUG": _PIPELINE,
            "BUILDKITE_SOURCE": "webhook",
            "BUILDKITE_STEP_KEY": _STEP,
            "PATH": self.search_path(),
        }

    def run(self, arguments: list[str]) -> Outcome:
        if arguments[:2] != ["oidc", "request-token"]:
            return Outcome(stderr="fatal: only `buildkite-agent oidc request-token` is emulated\n", status=1)
        words = Words()
        words.add_argument("--audience", default=f"https://buildkite.com/{_ORGANIZATION}")
        words.add_argument("--lifetime", type=_seconds, default=0)
        words.add_argument("--claim", action="append", default=[])
        words.add_argument("--job", choices=[_JOB])
        words.add_argument("--skip-redaction", action="store_true")
        try:
            asked = words.parse_args(arguments[2:])
            more = _optional_claims(asked.claim)
        except UsageError as error:
            return Outcome(stderr=f"fatal: {error}\n", status=1)
        token = self.mint(
            now=self._clock(),
            lifetime=asked.lifetime or None,
            claims={"aud": asked.audience or f"https://buildkite.com/{_ORGANIZATION}", **more},
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
