"""Options that take several words, as in `--gpus h100 a100`; commas do as well."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import click

from fleetopt.errors import Fault


class SpacedCommand(click.Command):
    """A command whose options with `many` values take them with spaces between."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line."""
        many = {name for option in self.params if getattr(option, "many", False)
                for name in option.opts}  # fmt: skip
        return super().parse_args(ctx, joined(args, many))


class NumbersOption(click.Option):
    """An option of several numbers; its text is read by `numbers`."""

    many = True


def joined(words: Sequence[str], many: Collection[str]) -> list[str]:
    """Words with those behind an option of many values joined by commas, up to the next option."""
    result: list[str] = []
    takes, begun = False, False
    for word in words:
        if word.startswith("--"):
            name, sign, _ = word.partition("=")
            takes, begun = name in many, bool(sign)
            result.append(word)
        elif takes and begun:
            result[-1] = f"{result[-1].rstrip(',')},{word}"
        else:
            begun = True
            result.append(word)
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
