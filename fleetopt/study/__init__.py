"""The straight way from a problem to a verified plan."""

from fleetopt.study.opened import build_program as build_program
from fleetopt.study.opened import solve_program as solve_program
from fleetopt.study.rows import TableRow as TableRow
from fleetopt.study.rows import tabulate as tabulate
from fleetopt.study.solving import solve as solve
from fleetopt.study.solving import verify as verify
