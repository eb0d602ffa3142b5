"""GitHub's runner, as far as the examples need one: steps, composite actions, files, workflow commands and masking.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_SHELLS = {None: ["bash", "-e", "-c"], "bash": ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c"]}
_EXPRESSION = re.compile(r"\$\{\{\s*([\w.-]+)\.([\w-]+)\s*\}\}")
_COMMAND = re.compile(r"\s*::([\w-]+)(?: [^:]*)?::(.*)")
_FILES = ("GITHUB_ENV", "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")


class Runner:
    """Runs the steps of one job, on a `machine` (variables) whose repository has `variables` and `actions`.

    `log` is what people read afterwards, `masks` what was masked in it from when it was said, `annotations` and
    `summary` what the page of the run shows, `exported` what steps wrote into GITHUB_ENV. Each of `actions` has the
    folder that it is in. `prepare` may change a script before it runs.
    """

    def __init__(
        self,
        folder: Path,
        machine: Mapping[str, str],
        *,
        variables: Mapping[str, str],
        actions: Mapping[str, Any],
        prepare: Callable[[str], str],
    ) -> None:
        self.log: list[str] = []
        self.masks: list[str] = []
        self.annotations: list[str] = []
        self.summary = ""
        self.exported: dict[str, str] = {}
        self._folder = folder
        self._machine = dict(machine)
        self._vars = dict(variables)
        self._actions = actions
        self._prepare = prepare

    def run(self, workflow: Any, name: str) -> int:
        """Run the job's steps until one fails; return that one's exit status, or 0."""
        job = workflow["jobs"][name]
        contexts: dict[str, Mapping[str, str]] = {"vars": self._vars}
        declared = _resolved({**workflow.get("env", {}), **job.get("env", {})}, contexts)
        for step in job["steps"]:
            assert "if" not in step
            status = self._run(step, declared, contexts)
            if status:
                return status
        return 0

    def _run(self, step: Any, declared: Mapping[str, str], contexts: dict[str, Mapping[str, str]]) -> int:
        used = step.get("uses")
        if used is None:
            return self._shell(step, declared, contexts)
        if used not in self._actions:
            assert re.fullmatch(r"actions/(checkout|setup-python)@[0-9a-f]{40}", used)
            return 0
        action, folder = self._actions[used]
        assert action["runs"]["using"] == "composite"
        given = _resolved(step.get("with", {}), contexts)
        required = {name for name, one in action["inputs"].items() if one.get("required")}
        assert required <= set(given) <= set(action["inputs"])
        defaults = {name: one["default"] for name, one in action["inputs"].items() if "default" in one}
        inner_contexts: dict[str, Mapping[str, str]] = {"inputs": {**defaults, **given}}
        for inner in action["runs"]["steps"]:
            assert "shell" in inner, "a composite action has no shell unless it names one"
            status = self._shell(inner, {**declared, "GITHUB_ACTION_PATH": str(folder)}, inner_contexts)
            if status:
                return status
        told = {name: one["value"] for name, one in action.get("outputs", {}).items()}
        contexts[f"steps.{step.get('id')}.outputs"] = _resolved(told, inner_contexts)
        return 0

    def _shell(self, step: Any, declared: Mapping[str, str], contexts: dict[str, Mapping[str, str]]) -> int:
        assert "${{" not in step["run"], "what is put into a script may change it"
        shown = {**declared, **self.exported, **_resolved(step.get("env", {}), contexts)}
        files = {name: self._folder / name.lower() for name in _FILES}
        for path in files.values():
            path.write_text("")
        # The runner shows the environment of every step, with what earlier ones exported.
        for line in (f"Run {step['run']}", "env:", *(f"  {name}: {value}" for name, value in shown.items())):
            self._print(line)
        outcome = subprocess.run(
            [*_SHELLS[step.get("shell")], self._prepare(step["run"])],
            env={**self._machine, **shown, **{name: str(path) for name, path in files.items()}},
            cwd=self._machine["GITHUB_WORKSPACE"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        for line in outcome.stdout.splitlines():
            self._hear(line)
        self.exported |= dict(line.split("=", 1) for line in files["GITHUB_ENV"].read_text().splitlines())
        self.summary += files["GITHUB_STEP_SUMMARY"].read_text()
        outputs = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines())
        contexts[f"steps.{step.get('id')}.outputs"] = outputs
        if outcome.returncode:
            self._print(f"Process completed with exit code {outcome.returncode}.")
        return outcome.returncode

    def _hear(self, line: str) -> None:
        command = _COMMAND.fullmatch(line)
        if command is None:
            self._print(line)
        elif command[1] == "add-mask":
            self.masks.append(_unescaped(command[2]))
        elif command[1] in {"error", "warning", "notice"}:
            self.annotations.append(self._masked(_unescaped(command[2])))

    def _print(self, text: str) -> None:
        self.log.extend(self._masked(text).splitlines())

    def _masked(self, text: str) -> str:
        for secret in sorted(self.masks, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text


def _resolved(values: Mapping[str, str], contexts: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {name: _EXPRESSION.sub(lambda match: contexts[match[1]][match[2]], value) for name, value in values.items()}


def _unescaped(data: str) -> str:
    return data.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")
