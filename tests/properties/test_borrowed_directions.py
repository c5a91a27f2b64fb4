"""Directions that trials outside the simulator's reach support: they are checked, their rates are
not.

Twins are the same patient in two arms. The z of the paired difference must be 3 or more: a false
alarm in about one seed of a thousand where the effect were absent; the seed is fixed.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from tests.simulation.people import arm_of, episode, trace, varied

_Z = 3.0


def test_itacitinib_lowers_grade_2_after_car_t() -> None:
    """17% against 57% in a randomised trial of CD19 CAR-T (E024-E026, F044; lymphoma, so the
    direction only).
    """
    alone, helped = (
        episode(arm_of("cldn182_car_t", mitigations=given), 400).tracks["max_grade"] >= 2
        for given in ((), ("itacitinib",))
    )
    change = alone.astype(float) - helped
    assert change.mean() / (change.std() / np.sqrt(len(change))) > _Z


def test_an_active_fc_raises_cytokines() -> None:
    """Silent Fc, less inflammatory toxicity (F056: 29 studies of engagers in solid tumours): in
    everyone, open loop.
    """
    il6 = [
        trace(
            episode(
                arm_of(
                    varied("tarlatamab", "binding", fc_activity=activity),
                    regimen="label_no_steroid",
                    window_d=6.0,
                ),
                48,
                has_support=False,
                has_traces=True,
            ),
            "il6",
        ).max(axis=0)
        for activity in (0.0, 0.5, 1.0)
    ]
    for less, more in pairwise(il6):
        assert (more >= less * (1.0 - 1e-9)).all()
    assert (il6[2] > il6[0]).all()
