"""The program as a file: what another solver reads is what was solved, cuts and all."""

from __future__ import annotations

from pathlib import Path

import highspy
import pytest
import small_fleet

from fleetopt.optimization.solver import ProgramSolver
from fleetopt.optimization.text import FORMS


@pytest.mark.parametrize("suffix", sorted(FORMS))
def test_read_back_it_has_the_same_optimum(suffix: str, tmp_path: Path) -> None:
    """Before and after a cut."""
    solver = ProgramSolver(small_fleet.model())
    for refused, least in ((0, 5.0), (3, 6.0)):
        solver.refuse(small_fleet.CANDIDATES[0], refused)
        assert solver.solve().objective == pytest.approx(least)
        file = tmp_path / f"fleet{suffix}"
        file.write_text(FORMS[suffix](solver.model))
        highs = highspy.Highs()
        highs.setOptionValue("output_flag", False)
        assert highs.readModel(str(file)) == highspy.HighsStatus.kOk
        highs.run()
        assert highs.getInfo().objective_function_value == pytest.approx(least)
