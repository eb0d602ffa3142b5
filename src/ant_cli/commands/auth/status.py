"""`ant auth status`: which credential is active, and why, from the report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from ant_cli import _github as github
from ant_cli._click.groups import AntCommand
from ant_cli._session import Session, pass_session
from ant_wif._environment import moment

if TYPE_CHECKING:
    from ant_wif.diagnostics.report import BindingStatus, CandidateStatus, Report, SourceStatus

LABEL, DETAIL, HEADING = 46, 16, 17
_VIA = {
    "flag": "via --profile / ANTHROPIC_PROFILE",
    "env": "via --profile / ANTHROPIC_PROFILE",
    "active_config": "via active_config",
    "default": "via default",
}
_NAMED_BY = {
    "flag": "from --profile",
    "env": "from ANTHROPIC_PROFILE",
    "active_config": "from active_config file",
    "default": "default name",
}


@click.command(
    cls=AntCommand,
    examples=(
        "ant auth status",
        "ant auth status --format json",
        "ant auth status --github-summary",
    ),
)
@click.option("--github-summary", is_flag=True, help="Also append it to the summary of the GitHub Actions job.")
@pass_session
def status(session: Session, *, github_summary: bool) -> None:
    """Show which credential is active and why.

    Makes no network request and always exits with 0.
    """
    from ant_cli._output import print_item
    from ant_cli._terminal import width
    from ant_wif.diagnostics.describe import describe

    resolution = session.resolution()
    found = describe(resolution)
    home = str(resolution.inputs.environ.home or "")
    if github_summary:
        text = "\n".join(lines(found, home=home, now=time.time()))
        with session.scope(on_failure=1):
            github.summarize(session.environ, "Claude API credential", text)
    if session.for_programs:
        print_item(session, found.as_json())
        return
    for line in lines(found, home=home, now=time.time(), color=session.color, columns=width()):
        click.echo(line, color=session.color)


def lines(report: Report, *, home: str, now: float, color: bool = False, columns: int | None = None) -> Iterator[str]:
    """Lay a report out in lines; `now` is unix seconds, `home` is shown as `~`.

    `columns` is the width of the terminal: the columns of a line that is too long stand below each other.
    """
    from ant_cli._terminal import fitted
    from ant_wif._secrets import harmless

    sections: tuple[Callable[[Report], Iterator[str]], ...]
    sections = (_head, partial(_credentials, now=now), _base_url, _organization, _workspace, _inputs, _warnings)
    for number, section in enumerate(sections):
        body = list(section(report))
        if number and body:
            yield ""
        shown = [harmless(_with_tilde(line, home)) for line in body]
        for line in shown if section is _warnings else fitted(shown, columns):  # warnings have commands to copy
            style = _style(line) if color else {}
            yield click.style(line, **style) if style else line


def _style(line: str) -> dict[str, Any]:
    """Return the style of a line by its meaning."""
    if line and not line.startswith(" ") and ":" not in line:
        return {"bold": True}
    if line.startswith("warning:"):
        return {"fg": "yellow"}
    if "  unusable: " in line:
        return {"fg": "red"}
    return {"fg": "green"} if line.startswith("  (active)") else {}


def _with_tilde(line: str, home: str) -> str:
    return line.replace(home + "/", "~/") if len(home) > 1 else line


def _head(report: Report) -> Iterator[str]:
    profile = report.profile
    name = f"{profile.name} ({_NAMED_BY[profile.via]})" if profile.name else f"none: {profile.error}"
    yield _heading("Active profile", name)
    yield _heading("Config dir", report.config_dir.path)
    if profile.name:
        missing = "" if profile.exists else " (no such file)"
        yield _heading("Profile config", profile.config_path + missing)
        yield _heading("Credentials", profile.credentials_path)


def _heading(label: str, value: str) -> str:
    return f"{label + ':':<{HEADING - 2}}  {value}"


def _credentials(report: Report, now: float) -> Iterator[str]:
    yield "Credentials"
    if report.login:
        who = f" as {report.login.email}" if report.login.email else ""
        yield f"  Logged in to {report.login.organization_name or 'an organization'}{who}"
    for candidate in report.candidates:
        if candidate.set:
            yield _row(_label(report, candidate), _value(report, candidate), active=candidate.active)
            yield from _details(candidate, now)
    if report.credential is None:
        partial = any(candidate.set and candidate.missing for candidate in report.candidates)
        lacking = "what is missing above" if partial else "ANTHROPIC_FEDERATION_RULE_ID and ANTHROPIC_ORGANIZATION_ID"
        yield f"  none: in CI set {lacking}; else: ant auth login"


def _label(report: Report, candidate: CandidateStatus) -> str:
    if candidate.source == "federation":
        return "Federation (jwt-bearer)"
    if candidate.source == "profile":
        kind = f" ({candidate.profile_type})" if candidate.profile_type else ""
        via = _VIA[report.profile.via]
        if not report.profile.name and (report.profile.via, report.config_dir.via) == ("default", "env"):
            via = "via ANTHROPIC_CONFIG_DIR"  # which is not a directory, or is refused
        return f"Profile{kind} [{via}]"
    return candidate.origin


def _value(report: Report, candidate: CandidateStatus) -> str:
    if candidate.missing:
        return f"partial: missing {', '.join(candidate.missing)}"
    if candidate.problem:
        return f"{candidate.problem}: {candidate.fix}"
    if candidate.error:
        return f"unusable: {candidate.error}"
    if candidate.masked:
        return candidate.masked
    source = next((each.origin for each in report.federation_inputs if each.name == "identity token"), "")
    return f"ready: exchanges at first use{f', {source}' if source else ''}"


def _details(candidate: CandidateStatus, now: float) -> Iterator[str]:
    if candidate.expires_at is not None:
        yield _detail("expires", moment(candidate.expires_at, now))
    if candidate.error and candidate.fix and not candidate.problem:
        yield _detail("hint", candidate.fix)
    if candidate.scope:
        yield _detail("scope", candidate.scope)


def expiry(expires_at: int | None) -> str:
    """Return when a credential expires, as a verb phrase."""
    return "does not expire" if expires_at is None else f"expires at {moment(expires_at, time.time())}"


def _detail(name: str, value: str) -> str:
    return f"{'':15}{name + ':':<{DETAIL - 2}}  {value}"


def _row(label: str, value: str, *, active: bool) -> str:
    return f"{'  (active) * ' if active else '           * '}{label:<{LABEL - 1}}  {value}"


def _base_url(report: Report) -> Iterator[str]:
    yield "Base URL"
    yield from _sources(report.base_url_sources, "base_url")


def _organization(report: Report) -> Iterator[str]:
    yield "Organization"
    yield from _bound(report.organization, report.organization_sources, "organization_id")


def _workspace(report: Report) -> Iterator[str]:
    yield "Workspace"
    yield from _bound(report.workspace, report.workspace_sources, "workspace_id")


def _bound(found: BindingStatus, sources: list[SourceStatus], key: str) -> Iterator[str]:
    name = f" ({found.name})" if found.name else ""
    named = next((source.origin for source in sources if not source.active), "")
    other = "the profile" if named.startswith("profile:") else named
    yield from _sources(sources, key, name + (f"  drift: {other} names another" if found.drift else ""))
    if found.note:
        yield f"  {found.note}"


def _sources(sources: list[SourceStatus], key: str, suffix: str = "") -> Iterator[str]:
    for source in sources:
        label = source.origin
        if label.startswith("profile:"):
            label = f"Profile {key}"
        elif label == "token":
            label = "Workspace" if key == "workspace_id" else "Organization"
        yield _row(label, source.value + (suffix if source.active else ""), active=source.active)


def _inputs(report: Report) -> Iterator[str]:
    if report.federation_inputs:
        yield "Federation inputs"
    for each in report.federation_inputs:
        yield f"  {each.name:<17}  {each.origin:<37}  {each.value}"


def _warnings(report: Report) -> Iterator[str]:
    for warning in report.warnings:
        yield f"warning: {warning.message}"
        for fix in warning.fix.splitlines():
            yield f"         {fix}"
