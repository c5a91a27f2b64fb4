"""Repeats: the same bytes with any number of threads, failures counted, tuning where it is said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crsrisk.domain.risk_model import RiskModel
from crsrisk.errors import InputError
from crsrisk.features.table import FeatureConfig
from crsrisk.learn.fit import fit
from crsrisk.learn.resampling import Repeats, refit_in_resamples
from tests.learn.conftest import Toy


def test_refits_do_not_depend_on_threads_and_keep_the_copies(toy: Toy, config: FeatureConfig) -> None:
    seen: list[np.ndarray] = []

    def refit(observed: pd.DataFrame, outcomes: pd.DataFrame, seed: int) -> RiskModel:
        seen.append(observed["patient_id"].to_numpy())
        assert (outcomes["patient_id"].to_numpy() == seen[-1]).all()
        return fit(observed, outcomes, config=config, seed=seed)

    some, events = toy.observed.head(300), toy.outcomes.head(300)
    first, second = (refit_in_resamples(some, events, refit=refit, tune_and_refit=None, n_resamples=3, seed=4,
                                        workers=workers)
                     for workers in (1, 2))
    assert np.array_equal(first.risk, second.risk)
    assert np.array_equal(first.rows, second.rows)
    assert (first.n, first.n_failed, first.is_tuned.any()) == (3, 0, False)
    drawn = {tuple(ids) for ids in seen}
    assert all(len(set(ids)) < 300 for ids in drawn), "copies of a patient keep his number"
    assert {tuple(some["patient_id"].to_numpy()[rows]) for rows in first.rows} == drawn


def test_the_copies_of_a_patient_are_kept_out_of_the_folds_that_judge_him(
    toy: Toy, config: FeatureConfig
) -> None:
    """Who stands there five times is foretold by his copies: cross-validation that parts them looks better than it is."""
    rows = np.repeat(np.arange(120), 5)
    observed, outcomes = (table.iloc[rows].reset_index(drop=True) for table in (toy.observed, toy.outcomes))
    strangers = np.arange(len(rows))
    kept, parted = (
        fit(observed.assign(patient_id=ids), outcomes.assign(patient_id=ids), config=config, seed=1).manifest["cv_log_loss"]
        for ids in (observed["patient_id"].to_numpy(), strangers))
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
                raise InputError(where="outcomes table", key="crs_grade2plus", found="one class",
                                 expected="two", cure="more")
            return model
        return refit

    found = refit_in_resamples(toy.observed, toy.outcomes, refit=maker("saved"), tune_and_refit=maker("tuned"),
                               n_resamples=6, n_tuned=n_tuned, seed=7)
    return found, used


def test_tuning_in_the_first_resamples_only(toy: Toy, model: RiskModel) -> None:
    found, used = refits_of(toy, model)
    assert used == ["tuned"] * 2 + ["saved"] * 4
    assert found.is_tuned.tolist() == [True] * 2 + [False] * 4


def test_failures_are_counted_with_their_reason_and_stop_nothing(toy: Toy, model: RiskModel) -> None:
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
        refit_in_resamples(toy.observed, toy.outcomes, refit=refit, tune_and_refit=None, n_resamples=2, seed=1)


def test_no_resamples(toy: Toy, model: RiskModel) -> None:
    with pytest.raises(InputError, match="at least 1 resample"):
        refit_in_resamples(toy.observed, toy.outcomes, refit=lambda a, b, seed: model, tune_and_refit=None,
                           n_resamples=0, seed=1)
