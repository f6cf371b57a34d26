"""Options with several values behind one name, separated by blanks or commas."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import click

from fleetopt.cli.fleet_options import FleetOption
from fleetopt.cli.options import Decorator

_NUMBER = re.compile(r"-\.?\d")


class SpacedOption(FleetOption):
    """An option that takes every word up to the next option: `--lam-range 25 50 100`.

    Its values may also be separated by commas. Only a SpacedCommand knows what to do with it.
    """

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, many=True, **attributes)


class SpacedCommand(click.Command):
    """A command without arguments whose spaced options take several words each."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Join the words of a spaced option by commas, and read the options."""
        spaced = {name for o in self.params if isinstance(o, SpacedOption) for name in o.opts}
        return super().parse_args(ctx, joined(args, spaced))


def joined(words: Sequence[str], spaced: set[str]) -> list[str]:
    """Words with those behind each spaced option made one, with commas between them."""
    result: list[str] = []
    taking = False
    for word in words:
        if word in spaced:
            result.append(word)
            taking = True
        elif not taking or _is_option(word):
            result.append(word)
            taking = False
        elif result[-1] in spaced:
            result.append(word.strip(","))
        else:
            result[-1] += f",{word.strip(',')}"
    return result


def spaced_option(*declarations: str, key: str, help: str, **attributes: Any) -> Decorator[Any]:
    """A decorator that adds a SpacedOption."""
    return click.option(*declarations, cls=SpacedOption, key=key, help=help, **attributes)


def _is_option(word: str) -> bool:
    return word.startswith("-") and not _NUMBER.match(word)
