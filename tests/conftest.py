"""What tests of several folders need."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A slow machine is no counterexample. Where CI is set, hypothesis takes the same examples in every
# run, so that a red check is due to the change; elsewhere it looks for new ones. An example that
# fails is printed so that it can be run again.
settings.register_profile(
    "unhurried",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("unhurried")


@pytest.fixture
def cbc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put CBC on the path, as somebody who owns it has it."""
    pulp = pytest.importorskip("pulp")
    program = Path(pulp.PULP_CBC_CMD.pulp_cbc_path)
    if not os.access(program, os.X_OK):
        pytest.skip("pulp has no CBC for this machine")
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
