"""ICANS by ASTCT: the truth table of each sign, and the worst of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crsrisk.data.neurotoxicity import icans_grade


@pytest.mark.parametrize(
    ("name", "value", "grade"),
    [  # Lee, Biol Blood Marrow Transplant 2019;25:625, table of ICANS in adults
        *(("ice_score", score, grade) for score, grade in ((10, 0), (9, 1), (7, 1))),
        *(("ice_score", score, grade) for score, grade in ((6, 2), (3, 2), (2, 3), (0, 3))),
        ("consciousness", "awake", 0),
        ("consciousness", "spontaneous", 1),
        ("consciousness", "voice", 2),
        ("consciousness", "tactile", 3),
        ("consciousness", "unarousable", 4),
        ("seizure", "none", 0),
        ("seizure", "brief", 3),
        ("seizure", "prolonged", 4),
        ("motor_weakness", 0.0, 0),
        ("motor_weakness", 1.0, 4),
        ("cerebral_edema", "focal", 3),
        ("cerebral_edema", "diffuse", 4),
    ],
)
def test_every_sign(name: str, value: object, grade: int) -> None:
    assert icans_grade(pd.DataFrame({name: [value]})).tolist() == [grade]


def test_the_worst_sign_counts_and_what_nobody_assessed_is_no_grade() -> None:
    signs = pd.DataFrame({"ice_score": [8.0, np.nan, np.nan], "seizure": ["brief", "none", ""]})
    found = icans_grade(signs)
    assert found[:2].tolist() == [3.0, 0.0]
    assert np.isnan(found[2])
