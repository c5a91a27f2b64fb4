"""Updating: each method does what it says, in every learner's terms a RiskModel still, and the same
seed the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import binom, chi2

from crsrisk.errors import InputError
from crsrisk.logistic import fit_logistic, log_likelihood
from crsrisk.model.explain import explain
from crsrisk.model.features import ModelConfig
from crsrisk.model.predict import predict
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import load_model, save_model
from crsrisk.model.update import (
    ALPHA,
    METHODS,
    Method,
    closed_test,
    intercept_of,
    log_odds_of,
    out_of_fold,
    update,
    updated_with,
)


@pytest.fixture(scope="module")
def elsewhere(toy_maker: Callable[..., object], model: RiskModel) -> tuple[object, np.ndarray]:
    """Patients of another world: the model's log-odds halved and shifted are the truth there."""
    toy = toy_maker(3000, seed=21)
    risk = expit(0.8 + 0.5 * log_odds_of(model, toy.observed))
    return toy.observed, (np.random.default_rng(3).random(3000) < risk).astype(float)


@pytest.mark.parametrize("method", METHODS)
def test_stays_a_model_that_predicts_explains_and_is_saved(
    method: Method, model: RiskModel, elsewhere: tuple, config: ModelConfig, tmp_path: Path
) -> None:
    observed, y = elsewhere
    done = update(model, observed.head(150), y=y[:150], method=method, config=config, seed=2)
    assert done.model.version == f"{model.version}+update1"
    again = load_model(save_model(done.model, tmp_path / "updated"))
    risk = predict(again, observed.tail(40)).risk
    assert risk.tolist() == predict(done.model, observed.tail(40)).risk.tolist()
    explanation = explain(again, observed.tail(40))
    assert explanation.base_log_odds + explanation.contributions.sum(axis=1) == pytest.approx(
        logit(risk), abs=1e-8
    )
    assert (
        update(model, observed.head(150), y=y[:150], method=method, config=config, seed=2).model
        == done.model
    )


def test_none_changes_no_risk(model: RiskModel, elsewhere: tuple) -> None:
    observed, y = elsewhere
    done = update(model, observed, y=y, method="none")
    assert predict(done.model, observed).risk.tolist() == predict(model, observed).risk.tolist()


def test_intercept_makes_the_mean_right(model: RiskModel, elsewhere: tuple) -> None:
    """Firth's intercept: the sum of risks is the number of events up to half an event."""
    observed, y = elsewhere
    risk = predict(
        updated_with(model, observed, y=y, method="intercept", config=None, seed=0), observed
    ).risk
    assert abs(risk.sum() - y.sum()) < 0.5
    assert np.array_equal(
        np.argsort(risk, kind="stable"), np.argsort(predict(model, observed).risk, kind="stable")
    )


def test_intercept_and_slope_are_found_again(model: RiskModel, elsewhere: tuple) -> None:
    """The truth is 0.8 + 0.5 x the old log-odds; 3000 patients give the slope to about 0.04 (four
    errors allowed).
    """
    observed, y = elsewhere
    made = updated_with(model, observed, y=y, method="intercept and slope", config=None, seed=0)
    old = log_odds_of(model, observed)
    slope, intercept = np.polyfit(old, log_odds_of(made, observed), 1)
    assert slope == pytest.approx(0.5, abs=0.16)
    assert intercept == pytest.approx(0.8, abs=0.2)


def test_boosting_learns_what_the_model_does_not_know(model: RiskModel, elsewhere: tuple) -> None:
    """Men and women differ by 4 log-odds in the new world, which the model knows nothing of: trees
    beat an intercept.
    """
    observed, _ = elsewhere
    truth = expit(log_odds_of(model, observed) + 4.0 * (observed["is_female"].to_numpy() - 0.5))
    y = (np.random.default_rng(4).random(len(truth)) < truth).astype(float)
    done = update(model, observed.head(1000), y=y[:1000], method="offset boosting")
    assert done.n_trees > 0
    held, known = observed.tail(2000), y[1000:]
    plain = updated_with(
        model, observed.head(1000), y=y[:1000], method="intercept", config=None, seed=0
    )
    gain = log_likelihood(log_odds_of(done.model, held), known) - log_likelihood(
        log_odds_of(plain, held), known
    )
    assert gain > 0


def test_a_slope_that_points_the_wrong_way_becomes_the_overall_risk(
    model: RiskModel, elsewhere: tuple
) -> None:
    observed, _ = elsewhere
    y = (np.random.default_rng(5).random(3000) < expit(-1.0 - log_odds_of(model, observed))).astype(
        float
    )
    risk = predict(
        updated_with(model, observed, y=y, method="intercept and slope", config=None, seed=0),
        observed,
    ).risk
    assert np.ptp(risk) == 0
    assert risk[0] == pytest.approx(y.mean(), abs=1e-3)


def test_auto_keeps_a_right_model_and_recalibrates_a_wrong_one(
    model: RiskModel, elsewhere: tuple, config: ModelConfig
) -> None:
    observed, y = elsewhere
    right = (np.random.default_rng(6).random(3000) < expit(log_odds_of(model, observed))).astype(
        float
    )
    assert update(model, observed, y=right, config=config).method == "none"
    changed = update(model, observed, y=y, config=config)
    assert changed.method == "intercept and slope"
    assert changed.closed is not None
    assert [step.against for step in changed.closed.steps] == [
        "none",
        "intercept",
        "intercept and slope",
    ]
    assert changed.model.manifest["update"]["method"] == "intercept and slope"
    assert changed.model.manifest["updated_from"] == model.label


def test_out_of_fold_risks_come_from_the_others(model: RiskModel, elsewhere: tuple) -> None:
    """Five shifts, each the intercept of the patients outside its fold."""
    observed, y = elsewhere[0].head(100), elsewhere[1][:100]
    old = log_odds_of(model, observed)
    shift = out_of_fold(model, observed, y=y, method="intercept", config=None, seed=1) - old
    groups = {round(float(one), 9) for one in shift}
    assert len(groups) == 5
    for one in groups:
        held = np.isclose(shift, one, atol=1e-8)
        assert intercept_of(old[~held], y[~held]) == pytest.approx(one, abs=1e-8)


@pytest.mark.parametrize(
    ("y", "method", "says"),
    [
        (np.r_[np.ones(4), np.zeros(96)], "auto", "at least 10 of each"),
        (np.full(100, 0.5), "none", "0 or 1"),
        (np.r_[np.ones(50), np.zeros(50)], "refit", "recipe"),
    ],
)
def test_refuses(
    y: np.ndarray, method: Method, says: str, model: RiskModel, elsewhere: tuple
) -> None:
    with pytest.raises(InputError, match=says):
        update(model, elsewhere[0].head(100), y=y, method=method)


# The closed test errs as often as it says, and finds what is there.


def cohort(
    n: int, seed: int, *, intercept: float = 0.0, slopes: tuple[float, ...] = (1.0, 1.0, 1.0)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A model whose three themes have an SD of 0.7; the truth has other slopes."""
    rng = np.random.default_rng(seed)
    themes = 0.7 * rng.normal(size=(n, 3))
    y = (rng.random(n) < expit(intercept + themes @ np.array(slopes))).astype(float)
    return themes.sum(axis=1), themes, y


@pytest.mark.parametrize(
    ("intercept", "slopes", "chosen"),
    [
        (0.0, (1.0, 1.0, 1.0), "none"),
        (1.0, (1.0, 1.0, 1.0), "intercept"),
        (0.5, (0.3, 0.3, 0.3), "intercept and slope"),
        (0.0, (2.0, 0.0, 1.0), "revision"),
    ],
)
def test_finds_what_is_there_in_many_patients(
    intercept: float, slopes: tuple[float, ...], chosen: str
) -> None:
    """Seeds fixed; at 5000 patients only the first and second could differ, each in 5% of seeds."""
    assert closed_test(*cohort(5000, 11, intercept=intercept, slopes=slopes)).chosen == chosen


def test_a_right_model_is_changed_in_at_most_five_percent_of_cohorts() -> None:
    """300 cohorts of 400 patients: more than 28 changes would have a chance of 0.1% at a true rate
    of 5%.
    """
    changed = sum(closed_test(*cohort(400, 100 + seed)).chosen != "none" for seed in range(300))
    assert changed <= binom.ppf(0.999, 300, ALPHA)
    assert changed > 0, "a test that never changes anything tests nothing"


def test_first_step_is_the_likelihood_ratio_by_hand() -> None:
    log_odds, themes, y = cohort(300, 5, intercept=0.4)
    step = closed_test(log_odds, themes, y).steps[0]
    design = np.column_stack([np.ones(300), themes])
    full = log_likelihood(design @ fit_logistic(design, y).coefficients, y)
    ratio = 2 * (full - log_likelihood(log_odds, y))
    assert (step.against, step.degrees) == ("none", 4)
    assert step.likelihood_ratio == pytest.approx(ratio, rel=1e-9)
    assert step.p_value == pytest.approx(chi2.sf(ratio, 4), rel=1e-6)


def test_themes_without_spread_cost_no_degree() -> None:
    log_odds, themes, y = cohort(300, 6)
    constant = np.column_stack([themes, np.full(300, 0.3)])
    assert closed_test(log_odds, constant, y) == closed_test(log_odds, themes, y)
