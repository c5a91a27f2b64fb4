"""Repeats: the same bytes with any number of threads, failures counted, tuning where it is said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crsrisk.errors import InputError
from crsrisk.evaluation.calibration import CalibrationCurve, fit_calibration_curve, recalibrate
from crsrisk.evaluation.decision_curve import NetBenefitCurve, net_benefit_curve
from crsrisk.evaluation.metrics import (
    auroc,
    auroc_within,
    brier,
    log_loss,
    observed_to_expected,
    scaled_brier,
)
from crsrisk.evaluation.resampling import (
    MEASURES,
    Repeats,
    label_of,
    measure_all,
    out_of_fold_risk,
    refit_in_resamples,
)
from crsrisk.model.features import ModelConfig
from crsrisk.model.fit import fit
from crsrisk.model.predict import predict
from crsrisk.model.risk_model import RiskModel
from crsrisk.results import Estimate
from tests.toys import Toy


def test_refits_do_not_depend_on_threads_and_keep_the_copies(toy: Toy, config: ModelConfig) -> None:
    seen: list[np.ndarray] = []

    def refit(observed: pd.DataFrame, outcomes: pd.DataFrame, seed: int) -> RiskModel:
        seen.append(observed["patient_id"].to_numpy())
        assert (outcomes["patient_id"].to_numpy() == seen[-1]).all()
        return fit(observed, outcomes, config=config, seed=seed)

    some, events = toy.observed.head(300), toy.outcomes.head(300)
    first, second = (
        refit_in_resamples(
            some, events, refit=refit, tune_and_refit=None, n_resamples=3, seed=4, workers=workers
        )
        for workers in (1, 2)
    )
    assert np.array_equal(first.risk, second.risk)
    assert np.array_equal(first.rows, second.rows)
    assert (first.n, first.n_failed, first.is_tuned.any()) == (3, 0, False)
    drawn = {tuple(ids) for ids in seen}
    assert all(len(set(ids)) < 300 for ids in drawn), "copies of a patient keep his number"
    assert {tuple(some["patient_id"].to_numpy()[rows]) for rows in first.rows} == drawn


def test_the_copies_of_a_patient_are_kept_out_of_the_folds_that_judge_him(
    toy: Toy, config: ModelConfig
) -> None:
    """Who stands there five times is foretold by his copies: cross-validation that parts them looks
    better than it is.
    """
    rows = np.repeat(np.arange(120), 5)
    observed, outcomes = (
        table.iloc[rows].reset_index(drop=True) for table in (toy.observed, toy.outcomes)
    )
    strangers = np.arange(len(rows))
    kept, parted = (
        fit(
            observed.assign(patient_id=ids), outcomes.assign(patient_id=ids), config=config, seed=1
        ).manifest["cv_log_loss"]
        for ids in (observed["patient_id"].to_numpy(), strangers)
    )
    assert kept > parted + 0.02


def refits_of(
    toy: Toy, model: RiskModel, *, fails: frozenset[int] = frozenset(), n_tuned: int = 2
) -> tuple[Repeats, list[str]]:
    """Repeats that are the finished model, some of which fail; and which callable was used."""
    used: list[str] = []

    def maker(name: str):  # type: ignore[no-untyped-def]
        def refit(observed: pd.DataFrame, outcomes: pd.DataFrame, seed: int) -> RiskModel:
            used.append(name)
            if seed - 8 in fails:
                raise InputError(
                    where="outcomes table",
                    key="crs_grade2plus",
                    found="one class",
                    expected="two",
                    cure="more",
                )
            return model

        return refit

    found = refit_in_resamples(
        toy.observed,
        toy.outcomes,
        refit=maker("saved"),
        tune_and_refit=maker("tuned"),
        n_resamples=6,
        n_tuned=n_tuned,
        seed=7,
    )
    return found, used


def test_tuning_in_the_first_resamples_only(toy: Toy, model: RiskModel) -> None:
    found, used = refits_of(toy, model)
    assert used == ["tuned"] * 2 + ["saved"] * 4
    assert found.is_tuned.tolist() == [True] * 2 + [False] * 4


def test_failures_are_counted_with_their_reason_and_stop_nothing(
    toy: Toy, model: RiskModel
) -> None:
    found, _ = refits_of(toy, model, fails=frozenset({0, 3}))
    assert (found.n, found.n_failed, found.n_asked) == (4, 2, 6)
    assert found.is_tuned.tolist() == [True, False, False, False]
    ((reason, count),) = found.failures.items()
    assert count == 2
    assert "one class" in reason


def test_a_bug_is_not_a_failed_resample(toy: Toy) -> None:
    def refit(observed: pd.DataFrame, outcomes: pd.DataFrame, seed: int) -> RiskModel:
        raise KeyError("bug")

    with pytest.raises(KeyError):
        refit_in_resamples(
            toy.observed, toy.outcomes, refit=refit, tune_and_refit=None, n_resamples=2, seed=1
        )


def test_no_resamples(toy: Toy, model: RiskModel) -> None:
    with pytest.raises(InputError, match="at least 1 resample"):
        refit_in_resamples(
            toy.observed,
            toy.outcomes,
            refit=lambda a, b, seed: model,
            tune_and_refit=None,
            n_resamples=0,
            seed=1,
        )


# The quick measures agree with the functions that carry intervals.


def test_same_figures_as_with_intervals() -> None:
    rng = np.random.default_rng(2)
    risk = rng.beta(2, 5, 700)
    y_true, group = rng.random(700) < risk**1.1, rng.choice(["a", "b"], 700)
    found = measure_all(y_true, risk=risk, group=group, thresholds=[0.2])
    line, curve = (
        recalibrate(y_true, risk=risk),
        fit_calibration_curve(y_true, risk=risk, seed=1, n_resamples=20),
    )
    benefit = net_benefit_curve(y_true, risk=risk, thresholds=[0.2], seed=1, n_resamples=20)
    assert isinstance(curve, CalibrationCurve)
    assert isinstance(benefit, NetBenefitCurve)
    expected = {
        "auroc": auroc(y_true, risk=risk),
        "auroc_within_product": auroc_within(y_true, risk=risk, group=group),
        "in_the_large": line.in_the_large,
        "slope": line.slope,
        "intercept_joint": line.intercept_joint,
        "observed_to_expected": observed_to_expected(y_true, risk=risk),
        "ici": curve.ici,
        "brier": brier(y_true, risk=risk),
        "scaled_brier": scaled_brier(y_true, risk=risk),
        "log_loss": log_loss(y_true, risk=risk),
    }
    assert set(expected) == set(MEASURES)
    for name, figure in expected.items():
        assert isinstance(figure, Estimate)
        assert found[name] == pytest.approx(figure.value, abs=1e-7), name
    assert found["net_benefit_0.2"] == pytest.approx(benefit.model.value[0], abs=1e-12)


def test_one_class_gives_nothing_and_no_error() -> None:
    found = measure_all(np.zeros(40, dtype=bool), risk=np.full(40, 0.2), thresholds=[0.3])
    assert len(found) == len(MEASURES) + 1
    assert all(np.isnan(value) for value in found.values())


def test_labels() -> None:
    assert label_of("slope") == "Calibration slope"
    assert label_of("net_benefit_0.05") == "Net benefit at 5 of 100"


# Out-of-fold risks: each from a development that did not see the patient, the same again.


def test_nobody_is_in_the_development_of_his_own_risk(toy: object, config: ModelConfig) -> None:
    seen: list[set[int]] = []

    def refit(observed: pd.DataFrame, outcomes: pd.DataFrame, seed: int) -> RiskModel:
        seen.append(set(observed["patient_id"]))
        return fit(observed, outcomes, config=config, seed=seed)

    observed, outcomes = toy.observed.head(500), toy.outcomes.head(500)
    risk = out_of_fold_risk(
        observed, outcomes, outcome="crs_grade2plus", refit=refit, seed=1, n_folds=3
    )
    everybody = set(observed["patient_id"])
    left_out = [everybody - one for one in seen]
    assert sorted(patient for one in left_out for patient in one) == sorted(everybody)
    held = observed["patient_id"].isin(left_out[0]).to_numpy()
    alone = fit(observed[~held], outcomes[~held], config=config, seed=1)
    assert risk[held] == pytest.approx(predict(alone, observed[held]).risk)
    assert np.isfinite(risk).all()
