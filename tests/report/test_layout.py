"""Tables as text: against a library for terminals, and at widths that are too small."""

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable

from fleetopt.report.console import columns, first_fitting, line, render, section
from fleetopt.report.layout import Group, Text, cell_width

WORDS = st.lists(st.text("abcä–", min_size=1, max_size=7), min_size=1, max_size=4).map(" ".join)
HEADINGS = st.lists(WORDS, min_size=1, max_size=4, unique=True)


def by_rich(headings: list[str], rows: list[list[str]], left: int, width: int) -> list[str]:
    """The same table laid out by rich; the last column may break lines."""
    table = RichTable(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for i, heading in enumerate(headings):
        wraps = i == len(headings) - 1
        table.add_column(heading, justify="left" if i < left else "right", no_wrap=not wraps)
    for row in rows:
        table.add_row(*row)
    console = Console(file=io.StringIO(), width=width, force_terminal=False, highlight=False)
    with console.capture() as shown:
        console.print(table)
    return [text.rstrip() for text in shown.get().splitlines()]


@given(headings=HEADINGS, left=st.integers(0, 3), spare=st.integers(0, 20), data=st.data())
def test_tables_look_as_those_of_a_library_do(
    headings: list[str], left: int, spare: int, data: st.DataObject
) -> None:
    """Where every column has its width and the last one room for its longest word."""
    row = st.tuples(*[WORDS] * len(headings)).map(list)
    rows = data.draw(st.lists(row, min_size=1, max_size=4))
    table = columns(*headings, left=left, wrapped=headings[-1])
    for cells in rows:
        table.add_row(*cells)
    last = [word for cells in (headings, *rows) for word in cells[-1].split()]
    others = [max(cell_width(c[i]) for c in (headings, *rows)) for i in range(len(headings) - 1)]
    width = sum(others) + 3 * len(others) + max(map(cell_width, last)) + spare
    assert render(table, width).splitlines() == by_rich(headings, rows, left, width)


def test_a_table_that_cannot_fit_is_whole() -> None:
    table = columns("name", "first\nfigure", "second")
    table.add_row("a long name", "1", "2")
    table.add_row("b", "10", "20")
    text = render(table, 10)
    assert text.splitlines() == [
        "               first",
        "name          figure   second",
        "─" * 29,
        "a long name        1        2",
        "b                 10       20",
    ]
    assert first_fitting(10, table, columns("x")).width == 1
    assert first_fitting(29, table, columns("x")) is table


def test_colour_is_only_added() -> None:
    """Titles, headings and marked rows are bold; without colour nothing but text is left."""
    table = columns("name", "n")
    table.add_row("plain", "1")
    table.add_row("marked", "2", style="bold")
    report = Group(line("first", 40, "bold"), section("A title", table), Text("[not markup]"))
    coloured = render(report, 40, colour=True)
    assert coloured.replace("\x1b[1m", "").replace("\x1b[0m", "") == render(report, 40)
    bold = [text for text in coloured.splitlines() if text.startswith("\x1b[1m")]
    assert [text[4:-4] for text in bold] == ["first", "A title", "name     n", "marked   2"]
    assert render(report, 40).endswith("\n[not markup]\n")


def test_titles_wrap_and_lines_stay() -> None:
    assert render(section("one two three"), 8) == "\none two\nthree\n"
    assert render(line("one two three", 8), 3) == "one two\n  three\n"


def test_signs_of_two_columns_keep_figures_aligned() -> None:
    table = columns("名前", "n")
    table.add_row("字", "1")
    assert render(table, 20).splitlines() == ["名前   n", "─" * 8, "字     1"]
