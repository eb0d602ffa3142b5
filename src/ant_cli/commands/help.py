"""`ant help`: the help of a command, as `--help` prints it."""

from __future__ import annotations

import click

from ant_cli._click.groups import AntCommand


@click.command(
    "help",
    cls=AntCommand,
    examples=(
        "ant help",
        "ant help auth login",
    ),
)
@click.argument("words", metavar="[COMMAND]...", nargs=-1)
@click.pass_context
def help_(context: click.Context, words: tuple[str, ...]) -> None:
    """Show the help of a command.

    Without a COMMAND, the help of the program.
    """
    shown = context.find_root()
    for word in words:
        if not isinstance(shown.command, click.Group):
            raise click.UsageError(f"{shown.command_path!r} has no commands below it", context)
        name, command, _ = shown.command.resolve_command(shown, [word])
        if command is not None:
            shown = click.Context(command, info_name=name, parent=shown, **command.context_settings)
    click.echo(shown.get_help(), color=context.color)
