"""`ant auth logout`: remove stored credentials."""

from __future__ import annotations

from pathlib import Path

import click

from ant_cli._click.groups import AntCommand
from ant_cli._output import say
from ant_cli._session import Session, pass_session


@click.command(
    cls=AntCommand,
    on_failure=1,
    examples=(
        "ant auth logout",
        "ant auth logout --profile staging",
    ),
)
@click.option("--all", "everything", is_flag=True, help="Remove all profiles with their configuration, without asking.")
@pass_session
def logout(session: Session, *, everything: bool) -> None:
    """Remove a profile's stored credentials.

    The configuration of the profile is kept.
    """
    from ant_wif._files import is_there
    from ant_wif._profiles import log_out, log_out_everywhere

    resolution = session.resolution()
    directory = resolution.inputs.directory
    left: list[Path] = []
    if everything:
        gone, left = log_out_everywhere(resolution)
        said = f"{len(gone)} file{'' if len(gone) == 1 else 's'} removed"
    else:
        active = directory.active(session.options.get("profile"))
        if active.explicit and not is_there(directory.secrets_path(active.name)):
            directory.read(active.name)
        gone = log_out(resolution, active.name)
        said = f"the profile {active.name!r} " + (
            "was kept" if gone else "has no stored credentials, nothing to remove"
        )
    for path in gone:
        say(f"removed {path}", err=True)
    for path in left:
        say(f"left {path} alone: a profile names it as credentials_path, and it is outside {directory.path}", err=True)
    say(said, err=True)
