"""pydantic's complaints in the words of a user's file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleetopt.errors import near

_EXPECTED = {
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "finite_number": "expected a finite number",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_from_float": "expected a whole number",
    "int_parsing_size": "expected a whole number of a usable size",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "string_type": "expected a text",
    "string_too_short": "expected a text of at least {min_length} characters",
    "string_pattern_mismatch": "expected letters, digits, '_', '.' or '-' only",
    "tuple_type": "expected a list",
    "list_type": "expected a list",
    "dict_type": "expected a table of keys",
    "model_type": "expected a table of keys",
    "dataclass_type": "expected a table of keys",
    "too_short": "expected at least {min_length} entries",
    "too_long": "expected at most {max_length} entries",
}


def expected(item: Mapping[str, Any]) -> str:
    """What was expected instead of one complaint's input, and what was given."""
    context = item.get("ctx", {})
    if item["type"] == "literal_error":
        text = f"expected {context['expected']}"
    elif item["type"] in _EXPECTED:
        text = _EXPECTED[item["type"]].format(**{k: _number(v) for k, v in context.items()})
    else:
        text = item["msg"][0].lower() + item["msg"][1:]
    return f"{text}, got {_shown(item.get('input'))}"


def suggestion(item: Mapping[str, Any]) -> str:
    """The nearest of the words that a complaint allows, if it names any."""
    given = item.get("input")
    if item["type"] != "literal_error" or not isinstance(given, str):
        return ""
    words = [word.strip("' ") for word in item["ctx"]["expected"].replace(" or ", ",").split(",")]
    hint = near(given, words)
    return hint if hint.startswith("did") else ""


def _number(value: Any) -> Any:
    return f"{value:g}" if isinstance(value, float) else value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
