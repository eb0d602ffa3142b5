"""`ant completion`: a script that completes commands in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ant_cli._click.groups import AntCommand

__all__ = ["completion"]


@click.command(cls=AntCommand)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a completion script for SHELL.

    bash: eval "$(ant completion bash)" in ~/.bashrc; zsh: the same in ~/.zshrc;
    fish: ant completion fish > ~/.config/fish/completions/ant.fish
    """
    name = context.find_root().info_name or "ant"
    completer = get_completion_class(shell)
    if completer is None:
        raise click.UsageError(f"click knows no completion for {shell}")
    variable = f"_{name.replace('-', '_').upper()}_COMPLETE"
    click.echo(completer(context.find_root().command, {}, name, variable).source())
