"""The example of the routers' page runs and shows what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[2] / "docs" / "routers.md"


def test_example_says_what_the_page_says() -> None:
    """Length routing serves all, prompts alone cost some, chance costs half of the long ones."""
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert code is not None
    names: dict[str, Any] = {}
    exec(compile(code[1], str(PAGE), "exec"), names)
    results = names["results"]
    oracle = results["length", "oracle"]
    prompt = results["length", "prompt"]
    random = results["random", "oracle"]
    assert oracle.attainment().low > 0.99
    assert oracle.share("misrouted").estimate == 0.0
    assert random.attainment().high < prompt.attainment().low < 0.99
    served = random.latency_s("ttft", 99.0), oracle.latency_s("ttft", 99.0)
    assert served[0].high < served[1].low
