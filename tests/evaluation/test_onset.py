"""Calibration of onset where the answer is known: onsets drawn from the model's own curves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crsrisk.errors import InputError
from crsrisk.evaluation.against_truth import CalibrationError
from crsrisk.evaluation.onset import ALL, OnsetCalibration, calibrate_onset
from crsrisk.model.onset import CRSOnsetEstimator, OnsetModel
from crsrisk.model.risk_model import RiskModel
from crsrisk.results import Estimate, NotEstimable, to_plain
from crsrisk.simulation.true_onset import TrueOnset
from tests.toys import SCHEDULES, Toy, toy_onsets

N = 1500
HOURS = (5.0, 24.0, 168.0, 336.0)


@pytest.fixture(scope="module")
def onset(model: RiskModel, toy: Toy) -> OnsetModel:
    made = CRSOnsetEstimator(model, schedules=SCHEDULES, max_trees=0)
    made.fit(toy.observed.set_index("patient_id"), toy_onsets(toy, seed=1))
    return made.onset_model_


@pytest.fixture(scope="module")
def table(fresh_toy: Toy) -> pd.DataFrame:
    return fresh_toy.observed.set_index("patient_id").head(N)


@pytest.fixture(scope="module")
def drawn(onset: OnsetModel, table: pd.DataFrame) -> np.ndarray:
    """One onset a patient from the model's own curve, seen at the next whole hour."""
    rng = np.random.default_rng(5)
    hours = np.arange(1.0, 1441.0)
    curve = onset.predict_cumulative_incidence(table, hours)
    first = (curve < rng.random(len(table))[:, None]).sum(axis=1)
    return np.where(first < len(hours), first + 1.0, np.nan)


@pytest.fixture(scope="module")
def judged(onset: OnsetModel, table: pd.DataFrame, drawn: np.ndarray) -> OnsetCalibration:
    curve = onset.predict_cumulative_incidence(table.head(60), HOURS)
    halves = np.random.default_rng(6).binomial(200, curve[:, :, None], (60, len(HOURS), 2))
    truth = TrueOnset(table.index.to_numpy()[:60], HOURS, halves, 400)
    return calibrate_onset(onset, table, drawn, who="its own patients", hours=HOURS, truth=truth)


def test_a_models_own_patients_are_calibrated(judged: OnsetCalibration) -> None:
    """Within four standard errors in every group and hour: the chance that one of 16 rows lies
    outside is below 0.002; one fixed seed.
    """
    assert {row.group for row in judged.by_hour} == {ALL, *SCHEDULES}
    for row in judged.by_hour:
        error = np.sqrt(row.predicted * (1 - row.predicted) / row.n)
        assert abs(row.observed.value - row.predicted) < 4 * error, row
        assert row.n_onsets == round(row.observed.value * row.n)


def test_hours_after_doses_hold_what_they_promise(judged: OnsetCalibration) -> None:
    """Half and nine of ten, within four standard errors, after each dose with enough onsets."""
    shares = [
        (row, figure, wanted)
        for row in judged.after_doses
        for figure, wanted in ((row.by_median, 0.5), (row.by_hours_90, 0.9))
    ]
    told = [(row, figure, wanted) for row, figure, wanted in shares if isinstance(figure, Estimate)]
    assert len(told) >= 4
    for row, figure, wanted in told:
        error = np.sqrt(wanted * (1 - wanted) / row.n_onsets)
        assert abs(figure.value - wanted) < 4 * error, row


def test_the_truth_is_found_again(judged: OnsetCalibration) -> None:
    """The bias within four standard errors at every hour: false alarms below 3e-4 in all."""
    everybody = [row for row in judged.by_hour if row.group == ALL]
    for row in everybody:
        assert isinstance(row.error, CalibrationError)
        bias = row.error.bias
        assert abs(bias.value) <= 4 * (bias.high - bias.low) / 3.92
        assert row.error.mean_absolute.value < 0.02  # the model is the truth
    assert isinstance(judged.by_hour[-1].error, NotEstimable)  # 60 patients, 30 of a product needed


def test_onsets_that_come_too_late_are_noticed(
    onset: OnsetModel, table: pd.DataFrame, drawn: np.ndarray
) -> None:
    late = calibrate_onset(onset, table, drawn + 6.0, who="others", hours=(5.0,))
    (row,) = [row for row in late.by_hour if row.group == ALL]
    assert not row.is_inside
    found = [row.by_median for row in late.after_doses if isinstance(row.by_median, Estimate)]
    assert len(found) >= 2
    assert all(figure.high < 0.5 for figure in found)


def test_it_shows_draws_and_exports_itself(judged: OnsetCalibration) -> None:
    assert len(judged.to_frame()) == 4 * len(HOURS)
    assert {"by_median", "by_hours_90"} <= set(judged.doses_frame().columns)
    assert len(judged.plot()) == len(HOURS)
    assert to_plain(judged.to_dict())["n_true"] == [60, 400]
    assert "Known miss" in judged.summary()


def test_other_patients_and_hours_are_refused(onset: OnsetModel, table: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="one a patient"):
        calibrate_onset(onset, table, [1.0], who="x")
    truth = TrueOnset(np.arange(3), (24.0,), np.zeros((3, 1, 2), dtype=np.int64), 2)
    with pytest.raises(InputError, match="hours"):
        calibrate_onset(onset, table, np.full(len(table), np.nan), who="x", truth=truth)


def test_of_fewer_than_ten_patients_nothing_is_told(
    onset: OnsetModel, table: pd.DataFrame, drawn: np.ndarray
) -> None:
    """Nine patients of one product have no rows, and are not named where nothing can be told."""
    first, *_ = SCHEDULES
    is_first = (table["product"] == first).to_numpy()
    rows = np.sort(np.r_[np.flatnonzero(is_first)[:9], np.flatnonzero(~is_first)])
    few = table.iloc[rows].copy()
    few.iloc[-3:, few.columns.get_loc("product")] = "lone_engager"
    judged = calibrate_onset(onset, few, drawn[rows], who="few", hours=HOURS)
    assert first not in {row.group for row in (*judged.by_hour, *judged.after_doses)}
    assert min(row.n for row in (*judged.by_hour, *judged.after_doses)) >= 10
    assert judged.not_told == {"others (fewer than 10 patients each)": 3}
    for row in judged.by_hour:
        is_enough = min(row.n_onsets, row.n - row.n_onsets) >= 10
        assert isinstance(row.slope, Estimate) is is_enough
