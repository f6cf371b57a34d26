"""Options with several values behind one name, separated by blanks or commas."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

import click

from fleetopt.cli.fleet_options import FleetOption
from fleetopt.cli.options import Decorator
from fleetopt.errors import Fault

_NUMBER = re.compile(r"-\.?\d")


class SpacedOption(FleetOption):
    """An option that takes every word up to the next option: `--lam-range 25 50 100`.

    Its values may also be separated by commas. Only a SpacedCommand knows what to do with it.
    """

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, many=True, **attributes)


class SpacedCommand(click.Command):
    """A command without arguments whose options with `many` values take several words each."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Join the words of an option with `many` values by commas, and read the options."""
        spaced = {name for o in self.params if getattr(o, "many", False) for name in o.opts}
        return super().parse_args(ctx, joined(args, spaced))


class NumbersOption(click.Option):
    """An option of several numbers; its text is read by `numbers`."""

    many = True


def joined(words: Sequence[str], spaced: Collection[str]) -> list[str]:
    """Words with those behind each spaced option made one, with commas between them."""
    result: list[str] = []
    taking = begun = False
    for word in words:
        if _is_option(word):
            taking, begun = word in spaced, False
            result.append(word)
        elif taking and begun:
            result[-1] = f"{result[-1].rstrip(',')},{word.strip(',')}"
        else:
            begun = True
            result.append(word.strip(",") if taking else word)
    return result


def numbers(text: str | None, option: str) -> tuple[list[float] | None, list[Fault]]:
    """The numbers of an option, None if it was not given, and what is wrong with them."""
    if text is None:
        return None, []
    values, faults = [], []
    for part in (part.strip() for part in text.split(",") if part.strip()):
        try:
            values.append(float(part.removesuffix("%")))
        except ValueError:
            faults.append(Fault(option, f"expected numbers, got {part!r}"))
    return values, faults


def spaced_option(*declarations: str, key: str, help: str, **attributes: Any) -> Decorator[Any]:
    """A decorator that adds a SpacedOption."""
    return click.option(*declarations, cls=SpacedOption, key=key, help=help, **attributes)


def _is_option(word: str) -> bool:
    return word.startswith("-") and not _NUMBER.match(word)
