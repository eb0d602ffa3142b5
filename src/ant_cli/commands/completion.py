"""`ant completion`: a script that completes commands in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ant_cli._click.groups import AntCommand


@click.command(
    cls=AntCommand,
    examples=(
        'eval "$(ant completion bash)"',
        'eval "$(ant completion zsh)"',
        "ant completion fish > ~/.config/fish/completions/ant.fish",
    ),
)
@click.argument("shell", metavar="SHELL", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a shell completion script.

    SHELL is bash, zsh or fish. Put the line for bash in ~/.bashrc and the line for zsh in ~/.zshrc.
    """
    name = context.find_root().info_name or "ant"
    completer = get_completion_class(shell)
    if completer is None:
        raise click.UsageError(f"click knows no completion for {shell}")
    variable = f"_{name.replace('-', '_').upper()}_COMPLETE"
    click.echo(completer(context.find_root().command, {}, name, variable).source())
