"""Update: a model meets new patients and is changed as little as they call for; it stays a RiskModel.

Five updates, from the smallest: none; intercept (right on average); intercept and slope; offset boosting (a few trees on top
of the model); refit (the same recipe on the new patients alone). ``auto`` takes what the closed test leaves standing;
where it asks for a revision, offset boosting and refit are compared by their out-of-fold log loss, and the recalibrated
model stays unless one is better by a standard error. Calibration is two numbers and boosting joins the trees, so that
the updated model predicts, explains and is saved like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from crsrisk.domain.risk_model import Calibrator, RiskModel
from crsrisk.errors import InputError
from crsrisk.features.table import FeatureConfig
from crsrisk.learn.closed_test import ClosedTest, closed_test
from crsrisk.learn.explain import feature_contributions
from crsrisk.learn.fit import SIGNS, fit
from crsrisk.learn.offset_boosting import boosted_on, intercept_of
from crsrisk.learn.offset_logistic import fit_offset_logistic
from crsrisk.learn.predict import feature_matrix, raw_log_odds
from crsrisk.read.files import frame_digest

Floats = NDArray[np.float64]
Method = Literal["none", "intercept", "intercept and slope", "offset boosting", "refit"]
METHODS: tuple[Method, ...] = ("none", "intercept", "intercept and slope", "offset boosting", "refit")
FEWEST_EVENTS = 5  # and as many patients without: below, not even an intercept is worth its interval
_FOLDS = 5


@dataclass(frozen=True)
class Update:
    """The updated model, the method that made it, and why that one.

    ``closed`` is None where the method was given. ``cv_log_loss`` (nats): out-of-fold log loss of each method that was
    compared. ``n_trees`` were added by boosting.
    """

    model: RiskModel
    method: Method
    closed: ClosedTest | None
    cv_log_loss: dict[Method, float]
    n_patients: int
    n_events: int
    n_trees: int


def log_odds_of(model: RiskModel, observed: pd.DataFrame) -> Floats:
    """Calibrated log-odds, shape (patients,)."""
    return model.calibrator.log_odds(raw_log_odds(model, observed))


def update(
    model: RiskModel, observed: pd.DataFrame, *, y: Floats, method: Method | Literal["auto"] = "auto",
    config: FeatureConfig | None = None, seed: int = 0,
) -> Update:
    """Update a model with new patients and their outcomes (0/1, shape (patients,), counted within the model's window).

    ``config`` is the recipe of a refit; without it no refit is considered. Raises :class:`InputError` for fewer than five
    patients with or without the event, and for a refit without a recipe.
    """
    y = np.asarray(y, dtype=np.float64)
    _check(observed, y)
    if method == "refit" and config is None:
        raise InputError(where="update", key="method", found="refit without the model's recipe",
                         expected="a model whose configuration is at hand", cure="choose another method")
    closed: ClosedTest | None = None
    compared: dict[Method, float] = {}
    if method == "auto":
        closed, compared, chosen = choose(model, observed, y, config=config, seed=seed)
    else:
        chosen = method
    changed, n_trees = _apply(model, observed, y, method=chosen, config=config, seed=seed)
    made = {
        **changed.manifest,
        "updated_from": model.label, "update": {
            "method": chosen, "n_patients": len(y), "n_events": int(y.sum()), "seed": seed,
            "observed_sha256": frame_digest(observed), "outcome_sha256": frame_digest(pd.DataFrame({"y": y}))}}
    made_model = replace(changed, version=next_version(model.version), manifest=made)
    return Update(made_model, chosen, closed, compared, len(y), int(y.sum()), n_trees)


def next_version(version: str) -> str:
    """The version of an updated model: the released one, and how often it was updated.

    >>> [next_version(version) for version in ("0.2.0", "0.2.0+update1")]
    ['0.2.0+update1', '0.2.0+update2']
    """
    released, _, times = version.partition("+update")
    return f"{released}+update{int(times or 0) + 1}"


def themes_of(model: RiskModel, observed: pd.DataFrame) -> Floats:
    """The model's exact contributions added up by clinical theme, shape (patients, themes)."""
    _, contributions = feature_contributions(model, observed)
    theme_of = {variable.name: variable.theme for variable in model.contract.variables}
    themes = [theme_of[feature.variable] for feature in model.contract.features]
    return np.column_stack([contributions[:, [place for place, one in enumerate(themes) if one == theme]].sum(axis=1)
                            for theme in sorted(set(themes))])


def updated_with(
    model: RiskModel, observed: pd.DataFrame, *, y: Floats, method: Method, config: FeatureConfig | None, seed: int
) -> RiskModel:
    """The model after one method, without a new version: for comparing methods."""
    return _apply(model, observed, np.asarray(y, dtype=np.float64), method=method, config=config, seed=seed)[0]


def out_of_fold(
    model: RiskModel, observed: pd.DataFrame, *, y: Floats, method: Method, config: FeatureConfig | None, seed: int
) -> Floats:
    """Log-odds of each new patient from the model updated without him (five folds, fewer for few events)."""
    n_folds = int(min(_FOLDS, y.sum(), (1 - y).sum()))
    found = np.empty(len(y))
    for fitted, held in StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(np.zeros((len(y), 1)), y):
        made = updated_with(model, observed.iloc[fitted], y=y[fitted], method=method, config=config, seed=seed)
        found[held] = log_odds_of(made, observed.iloc[held])
    return found


def _check(observed: pd.DataFrame, y: Floats) -> None:
    if len(y) != len(observed) or not bool(np.isin(y, (0.0, 1.0)).all()):
        raise InputError(where="update", key="outcome", found=f"{len(y)} outcomes for {len(observed)} patients",
                         expected="0 or 1 for every patient", cure="leave out patients without an outcome")
    events, others = int(y.sum()), int((1 - y).sum())
    if min(events, others) < FEWEST_EVENTS:
        raise InputError(where="update", key="outcome", found=f"{events} patients with and {others} without the event",
                         expected=f"at least {FEWEST_EVENTS} of each", cure="collect more patients before updating")


def choose(
    model: RiskModel, observed: pd.DataFrame, y: Floats, *, config: FeatureConfig | None, seed: int
) -> tuple[ClosedTest, dict[Method, float], Method]:
    """The closed test, out-of-fold log loss (nats) of the rivals where it asks for a revision, and the method chosen."""
    closed = closed_test(log_odds_of(model, observed), themes_of(model, observed), y)
    if closed.chosen != "revision":
        return closed, {}, closed.chosen
    rivals: list[Method] = ["intercept and slope", "offset boosting"]
    if config is not None:
        rivals.append("refit")
    losses: dict[Method, Floats] = {}
    for name in rivals:
        log_odds = out_of_fold(model, observed, y=y, method=name, config=config, seed=seed)
        losses[name] = np.logaddexp(0.0, log_odds) - y * log_odds
    return closed, {name: float(loss.mean()) for name, loss in losses.items()}, _smallest_good(losses)


def _smallest_good(losses: Mapping[Method, Floats]) -> Method:
    """The smallest update (they come in this order) that no larger one beats by a standard error of the paired difference.

    In small cohorts the larger ones vary most, so the best of three would often be a lucky refit.
    """
    chosen, *larger = losses
    for name in larger:
        gain = losses[chosen] - losses[name]
        if gain.mean() > gain.std(ddof=1) / gain.size**0.5:
            chosen = name
    return chosen


def _apply(
    model: RiskModel, observed: pd.DataFrame, y: Floats, *, method: Method, config: FeatureConfig | None, seed: int
) -> tuple[RiskModel, int]:
    """The changed model and the number of trees that were added."""
    if method == "none":
        return model, 0
    if method == "refit" and config is not None:
        return fit(observed, outcomes_of(model, observed, y), config=config, seed=seed), 0
    log_odds = log_odds_of(model, observed)
    if method == "offset boosting":
        text, n_trees = boosted_on(
            model.booster_text, model.calibrator, matrix=feature_matrix(model, observed), y=y, log_odds=log_odds,
            directions=[SIGNS[feature.direction] for feature in model.contract.features], seed=seed)
        neutral = Calibrator(intercept=0.0, slope=1.0, n_patients=len(y), method=f"intercept and {n_trees} trees on top")
        return replace(model, booster_text=text, calibrator=neutral), n_trees
    return replace(model, calibrator=recalibrated(model.calibrator, log_odds, y, has_slope=method != "intercept")), 0


def recalibrated(old: Calibrator, log_odds: Floats, y: Floats, *, has_slope: bool) -> Calibrator:
    """The old calibration followed by the new one (Firth); a slope below 0 becomes 0: everybody gets the overall risk."""
    if not has_slope:
        shift = intercept_of(log_odds, y)
        return old.model_copy(update={"intercept": old.intercept + shift, "n_patients": len(y),
                                      "method": f"{old.method}; intercept updated"})
    design = np.column_stack([np.ones(len(y)), log_odds])
    a, b = fit_offset_logistic(design, y, offset=np.zeros(len(y)), has_firth=True).coefficients.tolist()
    if b <= 0.0:
        a, b = intercept_of(np.zeros(len(y)), y), 0.0
    return Calibrator(intercept=a + b * old.intercept, slope=b * old.slope, n_patients=len(y),
                      method=f"{old.method}; intercept and slope updated")


def outcomes_of(model: RiskModel, observed: pd.DataFrame, y: Floats) -> pd.DataFrame:
    """The outcomes table of the patients of an update, as :func:`crsrisk.learn.fit.fit` reads it."""
    return pd.DataFrame({
        "patient_id": observed["patient_id"].to_numpy(), model.contract.outcome: y > 0.5,
        "window_d": [model.contract.window_of(str(platform)) for platform in observed["platform"]]})
