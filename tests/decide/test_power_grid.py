"""Power curves: cells meet the exact power, pools of patients move to the base rate, and workers change nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crsrisk.decide.candidates import cohort_pool
from crsrisk.decide.exact_tests import exact_rejection_prob
from crsrisk.decide.power_grid import Cell, curves_by, power_grid
from crsrisk.domain.trial import FromCohort, Masking, PowerCurves, Stated
from tests.decide.designs import EXACT_SCREENING

CURVES = PowerCurves(risk_ratio=[0.4, 0.7, 1.0], base_rate=[0.25, 0.4], threshold=[0.0, 0.3], n_total=200, n_sim=2000)
STATED = Stated(risk="Beta(2,6)", risk_ratio=0.5)


def grid(workers: int) -> list[Cell]:
    return power_grid(CURVES, stated=STATED, pool=None, screening=EXACT_SCREENING, masking=Masking(), seed=1, alpha=0.025,
                      workers=workers)


@pytest.fixture(scope="module")
def cells() -> list[Cell]:
    return grid(1)


def test_cells_meet_the_exact_power_and_workers_change_nothing(cells: list[Cell]) -> None:
    assert grid(2) == cells
    assert len(cells) == 12
    for cell in cells:
        if cell.threshold == 0:
            exact = exact_rejection_prob(n1=100, n2=100, p1=cell.risk_ratio * cell.base_rate, p2=cell.base_rate,
                                         tests=["z"])
            power = exact.by_test["z"].power  # 6 cells, each 4 errors: a right engine misses in 0.04% of seeds
            assert abs(cell.power.value - power) <= 4 * np.sqrt(power * (1 - power) / CURVES.n_sim)


def test_patients_of_a_table_move_to_the_base_rate() -> None:
    rng = np.random.default_rng(1)
    risk = rng.beta(2, 6, size=1000)
    table = pd.DataFrame({"risk": risk, "crs": (rng.random(1000) < risk).astype(int)})
    source = FromCohort(file="mine.csv", risk_column="risk", event_column="crs", risk_ratio=0.5)
    pool = cohort_pool(table, source, screening=EXACT_SCREENING, masking=Masking())
    cells = power_grid(CURVES, stated=None, pool=pool, screening=EXACT_SCREENING, masking=Masking(), seed=1, alpha=0.025)
    for cell in cells:
        if cell.threshold == 0:
            power = exact_rejection_prob(n1=100, n2=100, p1=cell.risk_ratio * cell.base_rate, p2=cell.base_rate,
                                         tests=["z"]).by_test["z"].power
            assert abs(cell.power.value - power) <= 4 * np.sqrt(power * (1 - power) / CURVES.n_sim)
    rising = [row.eligible_share for row in cells if row.threshold == 0.3 and row.risk_ratio == 0.4]
    assert rising[1] > rising[0]


def test_a_threshold_that_nobody_reaches_leaves_its_cell_out() -> None:
    table = pd.DataFrame({"risk": [0.1, 0.2, 0.1, 0.2], "crs": [0, 1, 1, 0]})
    source = FromCohort(file="mine.csv", risk_column="risk", event_column="crs", risk_ratio=0.5)
    pool = cohort_pool(table, source, screening=EXACT_SCREENING, masking=Masking())
    cells = power_grid(CURVES, stated=None, pool=pool, screening=EXACT_SCREENING, masking=Masking(), seed=1, alpha=0.025)
    assert {cell.threshold for cell in cells} == {0.0}


def test_curves_are_by_base_rate_and_threshold(cells: list[Cell]) -> None:
    curves = curves_by(cells)
    assert set(curves) == {(rate, threshold) for rate in (0.25, 0.4) for threshold in (0.0, 0.3)}
    for curve in curves.values():
        powers = [cell.power.value for cell in curve]
        assert powers[0] > powers[1] > powers[2]


def test_a_grid_without_candidates_is_refused() -> None:
    with pytest.raises(ValueError, match="stated candidates or a pool"):
        power_grid(CURVES, stated=None, pool=None, screening=EXACT_SCREENING, masking=Masking(), seed=1, alpha=0.025)
