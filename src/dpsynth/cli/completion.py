"""``dpsynth completion``: the script that completes commands in a shell."""

from __future__ import annotations

import click

from dpsynth.cli.command import Answer, Output, command


@command(
    "completion",
    'eval "$(dpsynth completion bash)"',
    'eval "$(dpsynth completion zsh)"',
    "dpsynth completion fish > ~/.config/fish/completions/dpsynth.fish",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(_output: Output, shell: str) -> Answer:
    """Print the script that completes commands, options and files in your SHELL.

    Put the line of the example into the start-up file of the shell.
    """
    from click.shell_completion import ShellComplete, get_completion_class

    from dpsynth.cli.main import APPLICATION

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    # ShellComplete.source, not the subclass's: the one for bash would start a bash to ask for its version.
    script = ShellComplete.source(kind(APPLICATION, {}, "dpsynth", "_DPSYNTH_COMPLETE"))
    return Answer({"shell": shell, "script": script}, script, verbatim=True)


COMMAND = completion
