"""The command reference, from click's own description of every command."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from fleetopt.cli import main


def all_commands() -> str:
    """Every command with its usage, its text and all its options."""
    group = main.cli
    context = click.Context(group, info_name="fleetopt")
    sections = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        sections += _sections(command, click.Context(command, info_name=name, parent=context))
    return "\n\n".join(sections)


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    """The section of a command; those of its commands if it is a group."""
    if not isinstance(command, click.Group):
        yield _section(command, context)
        return
    for name, inner in command.commands.items():
        yield _section(inner, click.Context(inner, info_name=name, parent=context))


def _section(command: click.Command, context: click.Context) -> str:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    text = inspect.cleandoc(command.help or "")
    rows = [f"| {option} | {meaning} |" for option, meaning in _options(command, context)]
    table = "\n".join(["| option | meaning |", "| --- | --- |", *rows])
    return f"## {context.command_path}\n\n```\n{usage}\n```\n\n{text}\n\n{table}"


def _options(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None:
            yield _cell(f"`{record[0]}`"), _cell(record[1])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def exit_codes() -> str:
    """The exit codes in the words of the command line's own module."""
    text = inspect.cleandoc(main.__doc__ or "").split("\n\n", 1)[1]
    pairs = [part.strip().split(" ", 1) for part in text.replace("\n", " ").rstrip(".").split(",")]
    rows = [f"| {code} | {meaning} |" for code, meaning in pairs]
    return "\n".join(["| code | meaning |", "| --- | --- |", *rows])
