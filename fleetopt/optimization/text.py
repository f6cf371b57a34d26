"""The program as text, for other solvers and for reading."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pyomo.core as pyo


def as_lp(model: pyo.ConcreteModel) -> str:
    """The program in LP format, with the names of its parts."""
    from pyomo.repn.plugins.lp_writer import LPWriter

    text = io.StringIO()
    LPWriter().write(model, text, symbolic_solver_labels=True)
    return text.getvalue()


def as_mps(model: pyo.ConcreteModel) -> str:
    """The program in free MPS format, with the names of its parts."""
    import pyomo.environ  # noqa: F401  registers the writer

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fleet.mps"
        model.write(str(path), format="mps", io_options={"symbolic_solver_labels": True})
        return path.read_text()


FORMS: Mapping[str, Callable[[pyo.ConcreteModel], str]] = {".lp": as_lp, ".mps": as_mps}
"""The writer of each suffix of a file."""
