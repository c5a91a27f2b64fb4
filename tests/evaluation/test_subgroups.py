"""Subgroups: who is in them, figures as for all patients, differences that are there or not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from crsrisk.data.disclosure import OTHERS
from crsrisk.evaluation.metrics import auroc, auroc_within, observed_to_expected
from crsrisk.evaluation.parts import parts_of
from crsrisk.evaluation.subgroups import Subgroup, subgroups
from crsrisk.results import Estimate, NotEstimable
from tests.toys import Toy

PRODUCT = np.array(["a", "b"] * 1000)


def value(figure: Estimate | NotEstimable) -> Estimate:
    assert isinstance(figure, Estimate)
    return figure


def test_parts_of_a_cohort(toy: Toy) -> None:
    measured = ("crp_mg_l", "ferritin_ug_l", "il6_pg_ml", "ldh_x_uln", "albumin_g_l")
    parts = parts_of(toy.observed, measured=measured)
    assert set(parts) == {
        "sex",
        "age",
        "liver_metastases",
        "missing",
        "site",
    }, "one tumour type is no subgroup"
    for name, labelled in parts.items():
        covered = sum(rows.astype(int) for rows in labelled.values())
        assert (covered == 1).all(), name
    n_missing = toy.observed[list(measured)].isna().sum(axis=1)
    assert parts["missing"]["no value missing"].sum() == (n_missing == 0).sum()
    assert parts["age"]["75 years or more"].sum() == (toy.observed["age_years"] >= 75).sum()


def test_sites_and_named_columns_are_parts_where_there_are_several() -> None:
    """Words of fewer than ten patients are one part, and none where they are fewer together."""
    table = pd.DataFrame({"site": [*(["north"] * 20), *(["south"] * 12), *(["west"] * 8)]})
    words = {
        "ward": np.array([*(["A"] * 15), *(["B"] * 25)]),
        "year": np.array(["2024"] * 40),
        "room": np.array([*(["1"] * 28), *(["2"] * 5), *(["3"] * 7)]),
    }
    parts = parts_of(table, measured=(), by=words)
    sizes = {
        name: {label: int(rows.sum()) for label, rows in one.items()} for name, one in parts.items()
    }
    assert sizes == {
        "site": {"north": 20, "south": 12},
        "ward": {"A": 15, "B": 25},
        "room": {"1": 28, OTHERS: 12},
    }


def test_unknown_sex_is_in_no_part() -> None:
    table = pd.DataFrame({"has_liver_metastases": [True, False, None] * 10})
    (parts,) = parts_of(table, measured=()).values()
    assert sum(int(rows.sum()) for rows in parts.values()) == 20


def judged(
    n: int, *, shift: float, seed: int
) -> tuple[list[Subgroup], np.ndarray, np.ndarray, np.ndarray]:
    """Exact risks, but among patients with ``is_in`` the event comes at log-odds higher by
    ``shift``.
    """
    rng = np.random.default_rng(seed)
    risk, is_in = rng.beta(2, 5, n), rng.random(n) < 0.3
    y_true = rng.random(n) < expit(logit(risk) + shift * is_in)
    parts = {"liver_metastases": {"with liver metastases": is_in, "without": ~is_in}}
    found = subgroups(
        y_true,
        risk=risk,
        product=PRODUCT[: risk.size],
        parts=parts,
        threshold=0.3,
        seed=1,
        n_resamples=60,
    )
    return found, y_true, risk, is_in


def test_figures_are_those_of_the_patients_alone() -> None:
    (inside, outside), y_true, risk, is_in = judged(1500, shift=0.8, seed=1)
    assert inside.auroc == auroc(y_true[is_in], risk=risk[is_in])
    product = PRODUCT[:1500][is_in]
    assert inside.auroc_within_product == auroc_within(
        y_true[is_in], risk=risk[is_in], group=product
    )
    assert inside.observed_to_expected == observed_to_expected(y_true[is_in], risk=risk[is_in])
    assert inside.n + outside.n == 1500
    difference = value(inside.minus_rest["observed_to_expected"])
    assert difference.value == pytest.approx(
        value(inside.observed_to_expected).value - value(outside.observed_to_expected).value
    )
    sensitivity = value(inside.at_threshold.sensitivity)
    assert sensitivity.value == pytest.approx((risk[is_in & y_true] >= 0.3).mean())


def test_a_gap_is_seen_and_no_gap_is_not_invented() -> None:
    """3 of 4 differences' intervals hold 0 where nothing differs; at 0.95 fewer in under 1 of 50
    (seed fixed).
    """
    (inside, _), *_ = judged(1500, shift=1.0, seed=2)
    assert value(inside.minus_rest["in_the_large"]).low > 0.5
    found = [
        value(judged(800, shift=0.0, seed=seed)[0][0].minus_rest["in_the_large"])
        for seed in range(4)
    ]
    assert sum(one.low <= 0 <= one.high for one in found) >= 3


def test_small_parts_are_flagged_and_empty_ones_refused() -> None:
    rng = np.random.default_rng(5)
    risk = rng.beta(2, 5, 400)
    y_true = rng.random(400) < risk
    few = np.zeros(400, dtype=bool)
    few[np.flatnonzero(~y_true)[:20]] = True
    (found,) = subgroups(
        y_true,
        risk=risk,
        product=PRODUCT[: risk.size],
        parts={"sex": {"women": few}},
        threshold=0.3,
        seed=1,
        n_resamples=50,
    )
    assert found.is_small
    assert isinstance(found.auroc, NotEstimable)
    assert isinstance(found.at_threshold.sensitivity, NotEstimable)
    assert value(found.at_threshold.specificity).high <= 1
    assert isinstance(found.minus_rest["auroc"], NotEstimable)
