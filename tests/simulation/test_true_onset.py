"""True onset counts the same futures as the true risk."""

from __future__ import annotations

import numpy as np
import pytest

from crsrisk.errors import InputError
from crsrisk.simulation.cohort import simulate_cohort
from crsrisk.simulation.true_onset import true_onset
from crsrisk.simulation.true_risk import true_risk
from tests.simulation.people import arm_of, world_of


def test_by_the_end_of_the_window_it_is_the_true_risk() -> None:
    """The same draws, so the same counts; and by hours before, fewer."""
    world = world_of()
    arms = [arm_of("tarlatamab"), arm_of("tebentafusp")]
    cohort = simulate_cohort(arms, world=world, n_patients=8, seed=3)
    onset = true_onset(cohort, [12.0, 168.0, 504.0], world=world, n_replicates=10)
    risk = true_risk(cohort, world=world, n_replicates=10)
    assert np.array_equal(onset.n_onsets[:, -1], risk.n_grade2plus)
    assert np.array_equal(onset.risk()[:, -1], risk.risk())
    assert (np.diff(onset.risk(), axis=1) >= 0).all()
    assert onset.to_frame().columns.tolist() == [
        "true_risk_12h",
        "true_risk_168h",
        "true_risk_504h",
        "patient_id",
    ]


def test_an_odd_number_of_replicates_is_refused() -> None:
    cohort = simulate_cohort([arm_of("tarlatamab")], world=world_of(), n_patients=2, seed=3)
    with pytest.raises(InputError):
        true_onset(cohort, [12.0], world=world_of(), n_replicates=3)
