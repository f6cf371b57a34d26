"""Where the bundled catalogues and models are."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def data_folder() -> Path:
    """Where the bundled catalogues are, in a wheel or in a checkout."""
    return _bundled("_data", "data")


def models_folder() -> Path:
    """Where the bundled models are, in a wheel or in a checkout."""
    return _bundled("_models", "models")


def _bundled(in_wheel: str, in_checkout: str) -> Path:
    wheel = _PACKAGE / in_wheel
    return wheel if wheel.is_dir() else _PACKAGE.parent / in_checkout
