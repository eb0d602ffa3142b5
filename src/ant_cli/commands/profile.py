"""`ant profile`: see, make and change profiles."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from ant_cli._click import completing
from ant_cli._click.groups import AntGroup
from ant_cli._output import print_table, say
from ant_cli._request_input import confirm
from ant_cli._session import Session, pass_session
from ant_cli._terminal import is_terminal
from ant_wif._environment import iso

if TYPE_CHECKING:
    from ant_wif._config import ConfigDir


@click.group(
    cls=AntGroup,
    on_failure=1,
    examples=(
        "ant profile list",
        "ant profile activate staging",
    ),
)
def profile() -> None:
    """Manage profiles."""


@profile.command(
    "list",
    examples=(
        "ant profile list",
        "ant profile list --format json",
    ),
)
@pass_session
def list_(session: Session) -> None:
    """List profiles.

    The active profile is marked with *.
    """
    from ant_wif.errors import ProfileError

    directory, stated = _located(session), session.options.get("profile")
    names, active = directory.names(), None
    try:
        active = directory.active(stated).name
    except ProfileError as error:
        if stated:
            raise
        say(f"warning: {error.summary}; {error.hint}", err=True)
    if session.for_programs:
        from ant_cli._output import print_items

        print_items(session, [{"name": name, "active": name == active} for name in names])
        return
    if names and is_terminal(sys.stdout):
        titles = ("  PROFILE", "TYPE", "ORGANIZATION", "WORKSPACE", "EXPIRES")
        print_table(session, titles, [_row(directory, name, active=name == active) for name in names])
        return
    for name in names:
        say(_marked(name, active=name == active))
    if not names:
        say(f"no profiles in {directory.path / 'configs'}", err=True)


@profile.command(
    examples=(
        "ant profile get",
        "ant profile get workspace_id",
        "ant profile get base_url --profile staging",
    )
)
@click.argument("key", required=False, shell_complete=completing.keys)
@pass_session
def get(session: Session, key: str | None) -> None:
    """Print a profile's configuration or one key.

    KEY is authentication, workspace_id, base_url, organization_id, scope, client_id or console_url. A key that is not
    set prints an empty line.
    """
    from ant_cli._output import print_item
    from ant_wif._profiles import get_value
    from ant_wif._secrets import masked, redact

    directory, active = _directory(session)
    found = directory.read(active)
    if key in {None, "authentication"}:
        print_item(session, masked(found.document if key is None else found.document[key]))
    elif session.format in {"auto", "raw"}:
        say(redact(get_value(found, key) or ""))
    else:
        print_item(session, masked(get_value(found, key)))


@profile.command(
    "set",
    examples=(
        "ant profile set workspace_id default",
        "ant profile set base_url https://api.anthropic.com --profile staging",
    ),
)
@click.argument("key", shell_complete=completing.keys)
@click.argument("value")
@pass_session
def set_(session: Session, key: str, value: str) -> None:
    """Set a key of a profile.

    KEY is workspace_id, base_url or organization_id, and for a login also scope, client_id or console_url.
    """
    from ant_wif._profiles import set_value

    directory, active = _directory(session)
    for note in set_value(directory, active, key, value):
        say(note, err=True)


@profile.command(
    examples=(
        "ant profile unset workspace_id",
        "ant profile unset base_url --profile staging",
    )
)
@click.argument("key", shell_complete=completing.keys)
@pass_session
def unset(session: Session, key: str) -> None:
    """Remove a key from a profile.

    KEY is workspace_id, base_url or organization_id, and for a login also scope, client_id or console_url.
    """
    from ant_wif._profiles import unset_value

    directory, active = _directory(session)
    for note in unset_value(directory, active, key):
        say(note, err=True)


@profile.command(examples=("ant profile activate staging",))
@click.argument("name", shell_complete=completing.profiles)
@pass_session
def activate(session: Session, name: str) -> None:
    """Make a profile the active one."""
    _located(session).activate(name)
    say(f"the active profile is {name!r}", err=True)
    overriding = session.environ.get("ANTHROPIC_PROFILE")
    if overriding and overriding != name:
        say(f"note: ANTHROPIC_PROFILE={overriding} is set and still wins", err=True)


@profile.command(
    examples=(
        "ant profile create ci --federation",
        "ant profile create github --identity-source github_actions",
    )
)
@click.argument("name")
@click.option("--federation", is_flag=True, help="Create a federation profile. This is the default.")
@click.option(
    "--identity-option", "identity_options", multiple=True, metavar="FIELD=VALUE",
    help="Setting of the identity source. Repeatable. A list is JSON.",
)  # fmt: skip
@pass_session
def create(session: Session, name: str, *, federation: bool, identity_options: tuple[str, ...]) -> None:
    """Create a federation profile.

    Its values come from the options and the environment.
    """
    del federation
    from ant_wif._profiles import create_federation

    resolution = session.resolution()
    path, notes = create_federation(
        resolution.inputs.directory, name, resolution.inputs.settings, _fields(identity_options)
    )
    say(f"wrote {path}", err=True)
    for note in notes:
        say(note, err=True)


@profile.command(examples=("ant profile delete staging --yes",))
@click.argument("name", shell_complete=completing.profiles)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@pass_session
def delete(session: Session, name: str, *, yes: bool) -> None:
    """Delete a profile and its stored credentials."""
    directory = _located(session)
    if name not in directory.names():
        # Raises the error that names the profile and its path; a broken profile may be deleted.
        directory.read(name)
    confirm(session, f"Remove the profile {name!r} and its stored credentials?", yes=yes)
    for path in directory.delete(name):
        say(f"removed {path}", err=True)


def _fields(options: tuple[str, ...]) -> dict[str, object]:
    """Read `field=value` words; what begins like a JSON list or object is one."""
    fields: dict[str, object] = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{option!r} is not FIELD=VALUE", param_hint="--identity-option")
        try:
            fields[name] = json.loads(value) if value.startswith(("[", "{")) else value
        except ValueError:
            raise click.BadParameter(f"the value of {name} is not valid JSON", param_hint="--identity-option") from None
    return fields


def _row(directory: ConfigDir, name: str, *, active: bool) -> list[str]:
    """Return the row of a profile in the table. A file that cannot be used is not an error here."""
    from ant_wif.errors import AntWifError

    kind, organization, workspace, expires = "-", "-", "-", "-"
    try:
        found = directory.read(name)
        kind, organization, workspace = (
            found.type,
            *(each or "-" for each in (found.known.organization_id, found.known.workspace_id)),
        )
        stored = directory.read_credentials(directory.secrets_path(name))
        if stored is not None and stored.expires_at is not None:
            expires = iso(stored.expires_at)
    except AntWifError:
        expires = "cannot be read"
    return [_marked(name, active=active), kind, organization, workspace, expires]


def _marked(name: str, *, active: bool) -> str:
    return f"{'*' if active else ' '} {name}"


def _located(session: Session) -> ConfigDir:
    from ant_wif._config import ConfigDir
    from ant_wif._environment import Environment

    return ConfigDir.locate(Environment(session.environ))


def _directory(session: Session) -> tuple[ConfigDir, str]:
    directory = _located(session)
    return directory, directory.active(session.options.get("profile")).name
