"""The example of the routers' page runs, prints what the page shows, and bears the page out."""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[2] / "docs" / "routers.md"
BLOCK = re.compile(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```\n", flags=re.M | re.S)


def test_recorded_prefix_routers_bear_the_page_out() -> None:
    """A small imbalance is best, and a large one finds more but is late for some."""
    said = (PAGE.parent / "measured" / "routers_prefix.txt").read_text()
    assert said.startswith("All keep the SLO. Best is PrefixAware (imbalance=2): 100.00 %")
    found = said.split("found in prefix caches:")[1]
    length, small, large = (float(share) for share in re.findall(r"([\d.]+)\s%", found))
    assert length < small < large
    late = re.search(r"PrefixAware attains ([\d.]+)", said)
    assert late is not None
    assert 0.05 < float(late[1]) < 0.15


def test_example_says_what_the_page_says() -> None:
    """Length routing serves all, prompts alone cost some; chance looks best among the served."""
    [(code, shown)] = BLOCK.findall(PAGE.read_text())
    names: dict[str, Any] = {}
    printed = StringIO()
    with redirect_stdout(printed):
        exec(code, names)
    assert printed.getvalue() == shown
    results = names["results"]
    oracle = results["length", "oracle"]
    prompt = results["length", "prompt"]
    random = results["random", "oracle"]
    assert oracle.attainment().low > 0.99
    assert oracle.share("misrouted").estimate == 0.0
    assert random.attainment().high < prompt.attainment().low < 0.99
    served = random.latency_s("ttft", 99.0), oracle.latency_s("ttft", 99.0)
    assert served[0].high < served[1].low
