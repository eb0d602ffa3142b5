"""How `ant wif setup` shows a plan, and what it leaves a person with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ant_cli.commands.wif.pipelines import pipeline
from ant_wif._secrets import sanitize

if TYPE_CHECKING:
    from ant_wif.admin.setup import PlannedResource, SetupPlan

_MARKS = {"keep": "=", "create": "+", "update": "~"}
_DONE = {"create": "created", "update": "updated", "keep": "kept"}


def plan_lines(plan: SetupPlan) -> Iterator[str]:
    """What is there stays (=), what is missing is created (+), what differs is updated (~)."""
    for item in plan.items:
        known = f" ({_shown(item.id)})" if item.id is not None and item.kind != "membership" else ""
        yield f"{_MARKS[item.action]} {item.kind.replace('_', ' '):<16} {_shown(item.name)}{known}"
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
    if plan.wanted.trust.assumption is not None:
        yield f"    ({_shown(plan.wanted.trust.assumption)})"


def done_line(item: PlannedResource) -> str:
    of = f" ({_shown(item.id or '')})" if item.kind != "membership" else ""
    return f"{_DONE[item.action]}: {item.kind.replace('_', ' ')} {_shown(item.name)}{of}"


def result_lines(plan: SetupPlan, *, dry_run: bool, planned: bool) -> Iterator[str]:
    """What to do next, with the IDs that are known."""
    yield ""
    if dry_run and planned:
        yield "Nothing was changed. Run the command without --dry-run to apply the plan."
        return
    if not planned:
        yield "Everything exists already. Nothing was changed."
        yield ""
    yield "Variables of the job:"
    for name, value in plan.variables.items():
        yield f"  {name}={_shown(value)}"
    if plan.organization_id is None:
        yield "  ANTHROPIC_ORGANIZATION_ID is shown in the Console, under the settings of the organization."
    for note in plan.wanted.trust.notes:
        yield ""
        yield note
    file = pipeline(plan)
    if file is not None:
        yield ""
        yield f"Save this file as {file.path}:"
        yield ""
        yield file.text.rstrip("\n")


def _shown(text: str) -> str:
    return sanitize(text, limit=1024)


def _value(value: object) -> str:
    return "none" if value is None else sanitize(json.dumps(value, ensure_ascii=False), limit=1024)
