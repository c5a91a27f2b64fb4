"""The benchmarks of explanations and single patients: they compare the same things, and say when a
bar is missed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bench import one_patient, shapley
from bench.models import Fitted
from crsrisk.data.cohort import Cohort
from crsrisk.model.booster_text import bare_text
from crsrisk.model.risk_model import RiskModel

Toy = Any


def test_both_explain_the_same_forest() -> None:
    booster, table = shapley.forest_of_the_note(n_patients=3_000, n_trees=20)
    assert np.isnan(table).any()
    found = shapley.compare("small", bare_text(booster.model_to_string()), table[:400], n_shap=40)
    assert found.n_trees == 20
    assert max(found.from_lightgbm, found.from_shap, found.additivity) < shapley.AGREEMENT
    assert found.ratio > 0
    assert found.ratio_on_the_wall > 0


def test_one_risk_is_compared_with_the_same_risk(model: RiskModel, toy: Toy) -> None:
    cohort = Cohort(observed=toy.observed, outcomes=toy.outcomes, course=toy.course)
    ours, theirs, is_same = one_patient.single(Fitted(cohort, model), n=5)
    assert is_same
    assert min(ours, theirs) > 0


@pytest.mark.parametrize(
    ("ratio", "difference", "words"),
    [(25.0, 1e-14, []), (24.9, 1e-14, ["25 x: MISSED"]), (26.0, 1e-9, ["LightGBM: MISSED"])],
)
def test_the_table_of_shapley_values_says_what_is_missed(
    ratio: float, difference: float, words: list[str]
) -> None:
    forest = {
        "model": "(d)",
        "ours_us": 100.0,
        "shap_us": 800.0,
        "ratio": ratio,
        "ratio_on_the_wall": 7.0,
        "from_lightgbm": difference,
        "from_shap": 1e-14,
        "additivity": 1e-14,
    }
    told = shapley.table({"n_patients": 100_000, "n_patients_of_shap": 4_000, "forests": [forest]})
    assert told.count("MISSED") == len(words)
    assert all(word in told for word in words)
    assert "timed on 4,000 of them" in told


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ratio", 3.9),
        ("explained_ms", 20.1),
        ("help_s", 0.26),
        ("command_s", 2.1),
        ("is_same", False),
        ("", 0),
    ],
)
def test_the_table_of_one_patient_says_what_is_missed(key: str, value: float) -> None:
    one: dict[str, Any] = {
        "risk_us": 20.0,
        "booster_us": 180.0,
        "ratio": 9.0,
        "is_same": True,
        "predict_ms": 1.0,
        "explained_ms": 3.0,
        "explained_slowest_ms": 4.0,
        "load_ms": 300.0,
        "help_s": 0.2,
        "command_s": 1.9,
        "compiled_us": None,
        "why_not_compiled": "tl2cgen is not installed",
    }
    if key:
        one[key] = value
    assert one_patient.table({"one_patient": one, "n_features": 43}).count("MISSED") == (
        1 if key else 0
    )
