"""How `ant wif setup` shows a plan, and what it leaves a person with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ant_wif._secrets import harmless_json, sanitize

if TYPE_CHECKING:
    from ant_wif.admin.setup import PlannedResource, SetupPlan

__all__ = ["done_line", "plan_lines", "result_lines", "workflow"]

_MARKS = {"keep": "=", "create": "+", "update": "~"}
_KINDS = {
    "issuer": "issuer",
    "service_account": "service account",
    "membership": "membership",
    "rule": "rule",
}
_DONE = {"create": "created", "update": "updated", "keep": "kept"}


def plan_lines(plan: SetupPlan) -> Iterator[str]:
    """What is there stays (=), what is missing is created (+), what differs is updated (~)."""
    for item in plan.items:
        known = f" ({_shown(item.id)})" if item.id is not None and item.kind != "membership" else ""
        yield f"{_MARKS[item.action]} {_KINDS[item.kind]:<16} {_shown(item.name)}{known}"
        if item.action == "update":
            for change in item.changes:
                yield f"    {change.field}: {_value(change.before)} -> {_value(change.after)}"
                if change.field == "jwks":
                    yield (
                        "    (tokens of the former keys are denied from then on: after a rotation this is right, and "
                        "for a second cluster it is wrong)"
                    )
        elif item.action == "create" or item.kind in {"issuer", "rule"}:
            for name, value in item.details.items():
                if isinstance(value, dict):
                    yield from (f"    {name}.{each}: {_value(wanted)}" for each, wanted in value.items())
                else:
                    yield f"    {name}: {_value(value)}"


def done_line(item: PlannedResource) -> str:
    of = f" ({_shown(item.id or '')})" if item.kind != "membership" else ""
    return f"{_DONE[item.action]}: {_KINDS[item.kind]} {_shown(item.name)}{of}"


def result_lines(plan: SetupPlan, *, dry_run: bool, planned: bool) -> Iterator[str]:
    """What to do next, with the ids that are known."""
    yield ""
    if dry_run and planned:
        yield "Nothing was changed: without --dry-run, this is what would be done."
        return
    if not planned:
        yield "Everything is there already: nothing was changed."
        yield ""
    yield "Variables of the job:"
    for name, value in plan.variables.items():
        yield f"  {name}={_shown(value)}"
    if plan.organization_id is None:
        yield "  ANTHROPIC_ORGANIZATION_ID is shown in the Console, under the settings of the organization."
    for note in plan.wanted.trust.notes:
        yield ""
        yield note
    snippet = workflow(plan)
    if snippet is not None:
        yield ""
        yield "A workflow that works as it stands:"
        yield ""
        yield snippet.rstrip("\n")


def workflow(plan: SetupPlan) -> str | None:
    """Return a workflow for GitHub Actions, `None` for other platforms and before there is a rule."""
    trust = plan.wanted.trust
    if trust.platform != "github" or plan.rule.id is None:
        return None
    ref, environment = trust.claims.get("ref", ""), trust.claims.get("environment")
    kind, _, name = ref.removeprefix("refs/").partition("/")
    if "event_name" in trust.claims:
        trigger = "on: pull_request\n"
    elif not ref:
        trigger = "on: workflow_dispatch\n"
    else:
        # A name stands here as a pattern: https://docs.github.com/en/actions/reference/workflows-and-actions
        pattern = re.sub(r"\+|\A!", r"\\\g<0>", name)
        trigger = f"on:\n  push:\n    {'tags' if kind == 'tags' else 'branches'}: [{_quoted(pattern)}]\n"
    lines = [
        "permissions:",
        "  contents: read",
        "  id-token: write # lets the job ask GitHub for its identity token",
        "env:",
        *(f"  {variable}: {_quoted(value)}" for variable, value in plan.variables.items()),
        "jobs:",
        "  claude:",
        "    runs-on: ubuntu-latest",
        *([f"    environment: {_quoted(environment)}"] if environment is not None else []),
        "    steps:",
        "      - run: pipx install ant-wif",
        "      - run: ant auth verify",
    ]
    return trigger + "\n".join(lines) + "\n"


def _shown(text: str) -> str:
    return sanitize(text, limit=1024)


def _quoted(text: str) -> str:
    """Return a text as YAML has it; what nobody can read has been refused before."""
    return harmless_json(json.dumps(text, ensure_ascii=False))


def _value(value: object) -> str:
    return "none" if value is None else sanitize(json.dumps(value, ensure_ascii=False), limit=1024)
