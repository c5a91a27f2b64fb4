"""Update: a model meets new patients and is changed as little as they call for; it stays a
RiskModel.

Five updates, from the smallest: none; intercept (right on average); intercept and slope; offset
boosting (a few trees on top of the model); refit (the same recipe on the new patients alone).
``auto`` takes what the closed test leaves standing; where it asks for a revision, offset boosting
and refit are compared by their out-of-fold log loss, and the recalibrated model stays unless one is
better by a standard error. Calibration is two numbers and boosting joins the trees, so that the
updated model predicts, explains and is saved like any other.

The closed test asks how much updating these patients call for (Vergouwe et al., Stat Med
2017;36:4529). The most that could be changed (a revision) is tested against each smaller update in
turn, from none to intercept and slope. The first that the revision does not beat significantly is
kept; so the whole procedure errs towards more updating in at most a share ``alpha`` of cohorts that
need less. For a boosted model the revision of the paper (every coefficient anew) has no
counterpart; here it is one coefficient for each clinical theme of the model's own exact
contributions (dose, burden, inflammation, ...), beside the intercept.

Offset boosting leaves the fitted model as it is and grows a few shallow trees on top in new
patients. The old model, calibration written into its leaves, is where LightGBM goes on from; so the
updated model is one booster again, with exact Shapley values. How many trees are added,
cross-validation in the new patients decides; none may be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2
from sklearn.model_selection import StratifiedKFold

from crsrisk.data.disclosure import FEWEST
from crsrisk.data.files import frame_digest
from crsrisk.data.provenance import KEY, Origin, Patients, rows_digest
from crsrisk.data.risk_model import Calibrator
from crsrisk.errors import InputError
from crsrisk.logistic import fit_logistic, log_likelihood
from crsrisk.model.autologging import without_autologging
from crsrisk.model.booster import bare_text, calibrated_booster
from crsrisk.model.explain import feature_contributions
from crsrisk.model.features import ModelConfig
from crsrisk.model.fit import SIGNS, fit
from crsrisk.model.predict import feature_matrix, raw_log_odds
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.small_leaves import without_small_leaves

Floats = NDArray[np.float64]
Method = Literal["none", "intercept", "intercept and slope", "offset boosting", "refit"]
METHODS: tuple[Method, ...] = (
    "none",
    "intercept",
    "intercept and slope",
    "offset boosting",
    "refit",
)
Verdict = Literal["none", "intercept", "intercept and slope", "revision"]
ALPHA = 0.05
_FOLDS = 5
_SAME = 1e-9  # log-odds: themes that differ by less between these patients say nothing

MOST_TREES = 60
_BOOSTING: dict[str, Any] = {  # LightGBM's own parameters
    "objective": "binary",
    "boost_from_average": False,
    "learning_rate": 0.05,
    "num_leaves": 3,
    "lambda_l2": 10.0,
    "feature_fraction": 0.5,
    "extra_trees": True,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "feature_pre_filter": False,
    "verbosity": -1,
}


@dataclass(frozen=True)
class Step:
    """The revision against one smaller update: likelihood ratio, degrees of freedom, p-value."""

    against: Verdict
    likelihood_ratio: float
    degrees: int
    p_value: float


@dataclass(frozen=True)
class ClosedTest:
    """The steps that were taken, in order, and what they leave standing."""

    chosen: Verdict
    steps: tuple[Step, ...]
    alpha: float


@dataclass(frozen=True)
class Update:
    """The updated model, the method that made it, and why that one.

    ``closed`` is None where the method was given. ``cv_log_loss`` (nats): out-of-fold log loss of
    each method that was compared. ``n_trees`` were added by boosting.
    """

    model: RiskModel
    method: Method
    closed: ClosedTest | None
    cv_log_loss: dict[Method, float]
    n_patients: int
    n_events: int
    n_trees: int


def update(
    model: RiskModel,
    observed: pd.DataFrame,
    *,
    y: Floats,
    method: Method | Literal["auto"] = "auto",
    config: ModelConfig | None = None,
    seed: int = 0,
    origin: Origin = "table",
) -> Update:
    """Update a model with new patients and their outcomes.

    Parameters
    ----------
    model : RiskModel
        The model as it is; it is not changed.
    observed : DataFrame
        One row a patient, with the columns of the model's contract.
    y : array (patients,)
        Outcomes, 0 or 1, counted within the model's window.
    method : str
        One of :data:`METHODS`, or ``auto``: what the patients call for.
    config : ModelConfig, optional
        The recipe of a refit; without it no refit is considered.
    seed : int
        Of the folds and of the trees that are added.
    origin : str
        Where the new patients come from: ``table`` or ``simulated``.

    Returns
    -------
    Update
        The updated model under its next version, and why it was updated so.

    Raises
    ------
    InputError
        For fewer than five patients with or without the event, and for a refit without a recipe.

    References
    ----------
    Vergouwe et al., Stat Med 2017;36:4529.
    """
    y = np.asarray(y, dtype=np.float64)
    _check(observed, y)
    if method == "refit" and config is None:
        raise InputError(
            where="update",
            key="method",
            found="refit without the model's recipe",
            expected="a model whose configuration is at hand",
            cure="name the configuration (--config FILE), or choose another method",
        )
    if config is not None:
        check_recipe(model, config)
    closed: ClosedTest | None = None
    compared: dict[Method, float] = {}
    if method == "auto":
        closed, compared, chosen = choose(model, observed, y, config=config, seed=seed)
    else:
        chosen = method
    changed, n_trees = _apply(model, observed, y, method=chosen, config=config, seed=seed)
    patients = Patients(
        step="fit" if chosen == "refit" else "update",
        origin=origin,
        n_patients=len(y),
        n_events=int(y.sum()),
        sha256=rows_digest(observed[list(model.contract.column_names)]),
    )
    kept = () if chosen == "refit" else model.provenance.steps
    steps = kept if chosen == "none" else (*kept, patients)
    made = {
        **changed.manifest,
        KEY: [one.model_dump() for one in steps],
        "updated_from": model.label,
        "update": {
            "method": chosen,
            "n_patients": len(y),
            "n_events": int(y.sum()),
            "seed": seed,
            "observed_sha256": frame_digest(observed),
            "outcome_sha256": frame_digest(pd.DataFrame({"y": y})),
        },
    }
    made_model = replace(changed, version=next_version(model.version), manifest=made)
    return Update(made_model, chosen, closed, compared, len(y), int(y.sum()), n_trees)


def check_recipe(model: RiskModel, config: ModelConfig) -> None:
    """Refuse a configuration of another outcome, window or time of prediction than the model's."""
    contract = model.contract
    differences = {
        key: (theirs, ours)
        for key, theirs, ours in (
            ("outcome", config.outcome, contract.outcome),
            ("landmark_h", config.landmark_h, contract.landmark_h),
            ("window_d", dict(config.window_d), dict(contract.window_d)),
        )
        if theirs != ours
    }
    if differences:
        raise InputError(
            where=f"configuration {config.name}",
            key=", ".join(differences),
            found=", ".join(f"{theirs}" for theirs, _ in differences.values()),
            expected=", ".join(f"{ours}" for _, ours in differences.values())
            + f", as {model.label}",
            cure="take the configuration that the model was trained with, or train a new model",
        )


def choose(
    model: RiskModel, observed: pd.DataFrame, y: Floats, *, config: ModelConfig | None, seed: int
) -> tuple[ClosedTest, dict[Method, float], Method]:
    """The closed test, out-of-fold log loss (nats) of the rivals where it asks for a revision, and
    the method chosen.
    """
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
    return (
        closed,
        {name: float(loss.mean()) for name, loss in losses.items()},
        _smallest_good(losses),
    )


def _smallest_good(losses: Mapping[Method, Floats]) -> Method:
    """The smallest update (they come in this order) that no larger one beats by a standard error of
    the paired difference.

    In small cohorts the larger ones vary most, so the best of three would often be a lucky refit.
    """
    chosen, *larger = losses
    for name in larger:
        gain = losses[chosen] - losses[name]
        if gain.mean() > gain.std(ddof=1) / gain.size**0.5:
            chosen = name
    return chosen


def closed_test(log_odds: Floats, themes: Floats, y: Floats, *, alpha: float = ALPHA) -> ClosedTest:
    """Choose between none, intercept, intercept and slope, and a revision.

    ``log_odds`` (patients,) of the model as it is, ``themes`` (patients, themes) its contributions
    by clinical theme, ``y`` 0/1.

    >>> rng = np.random.default_rng(0)
    >>> themes = rng.normal(size=(4000, 3))
    >>> log_odds = themes.sum(axis=1)
    >>> y = (rng.random(4000) < 1 / (1 + np.exp(1 - log_odds))).astype(float)
    >>> closed_test(log_odds, themes, y).chosen
    'intercept'
    """
    ones = np.ones((len(y), 1))
    varied = themes[:, np.ptp(themes, axis=0) > _SAME]
    full = np.hstack([ones, varied])
    revised = _best_likelihood(full, y, offset=np.zeros(len(y)))
    smaller: tuple[tuple[Verdict, Floats, Floats], ...] = (
        ("none", ones[:, :0], log_odds),
        ("intercept", ones, log_odds),
        ("intercept and slope", np.hstack([ones, log_odds[:, None]]), np.zeros(len(y))),
    )
    steps: list[Step] = []
    for name, design, offset in smaller:
        kept = _best_likelihood(design, y, offset=offset)
        degrees = full.shape[1] - design.shape[1]
        ratio = max(0.0, 2.0 * (revised - kept))
        p_value = float(chi2.sf(ratio, degrees)) if degrees > 0 else 1.0
        steps.append(Step(name, ratio, degrees, p_value))
        if p_value > alpha:
            return ClosedTest(name, tuple(steps), alpha)
    return ClosedTest("revision", tuple(steps), alpha)


def _best_likelihood(design: Floats, y: Floats, *, offset: Floats) -> float:
    """Log likelihood at the maximum of logit P = offset + design x coefficients."""
    coefficients = fit_logistic(design, y, offset=offset).coefficients
    return log_likelihood(offset + design @ coefficients, y)


def themes_of(model: RiskModel, observed: pd.DataFrame) -> Floats:
    """The model's exact contributions added up by clinical theme, shape (patients, themes)."""
    _, contributions = feature_contributions(model, observed)
    theme_of = {variable.name: variable.theme for variable in model.contract.variables}
    themes = [theme_of[feature.variable] for feature in model.contract.features]
    return np.column_stack(
        [
            contributions[:, [place for place, name in enumerate(themes) if name == theme]].sum(
                axis=1
            )
            for theme in sorted(set(themes))
        ]
    )


def log_odds_of(model: RiskModel, observed: pd.DataFrame) -> Floats:
    """Calibrated log-odds, shape (patients,)."""
    return model.calibrator.log_odds(raw_log_odds(model, observed))


def out_of_fold(
    model: RiskModel,
    observed: pd.DataFrame,
    *,
    y: Floats,
    method: Method,
    config: ModelConfig | None,
    seed: int,
) -> Floats:
    """Log-odds of each new patient from the model updated without him (five folds, fewer for few
    events).
    """
    n_folds = int(min(_FOLDS, y.sum(), (1 - y).sum()))
    log_odds = np.empty(len(y))
    for fitted, held in StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(
        np.zeros((len(y), 1)), y
    ):
        made = updated_with(
            model, observed.iloc[fitted], y=y[fitted], method=method, config=config, seed=seed
        )
        log_odds[held] = log_odds_of(made, observed.iloc[held])
    return log_odds


def updated_with(
    model: RiskModel,
    observed: pd.DataFrame,
    *,
    y: Floats,
    method: Method,
    config: ModelConfig | None,
    seed: int,
) -> RiskModel:
    """The model after one method, without a new version: for comparing methods."""
    return _apply(
        model, observed, np.asarray(y, dtype=np.float64), method=method, config=config, seed=seed
    )[0]


def _apply(
    model: RiskModel,
    observed: pd.DataFrame,
    y: Floats,
    *,
    method: Method,
    config: ModelConfig | None,
    seed: int,
) -> tuple[RiskModel, int]:
    """The changed model and the number of trees that were added."""
    if method == "none":
        return model, 0
    if method == "refit" and config is not None:
        return fit(observed, outcomes_of(model, observed, y), config=config, seed=seed), 0
    log_odds = log_odds_of(model, observed)
    if method == "offset boosting":
        text, n_trees = boosted_on(
            model.booster_text,
            model.calibrator,
            matrix=feature_matrix(model, observed),
            y=y,
            log_odds=log_odds,
            directions=[SIGNS[feature.direction] for feature in model.contract.features],
            seed=seed,
        )
        neutral = Calibrator(
            intercept=0.0,
            slope=1.0,
            n_patients=len(y),
            method=f"intercept and {n_trees} trees on top",
        )
        return replace(model, booster_text=text, calibrator=neutral), n_trees
    return (
        replace(
            model,
            calibrator=recalibrated(model.calibrator, log_odds, y, has_slope=method != "intercept"),
        ),
        0,
    )


def recalibrated(old: Calibrator, log_odds: Floats, y: Floats, *, has_slope: bool) -> Calibrator:
    """The old calibration followed by the new one (Firth); a slope below 0 becomes 0: everybody
    gets the overall risk.
    """
    if not has_slope:
        shift = intercept_of(log_odds, y)
        return old.model_copy(
            update={
                "intercept": old.intercept + shift,
                "n_patients": len(y),
                "method": f"{old.method}; intercept updated",
            }
        )
    design = np.column_stack([np.ones(len(y)), log_odds])
    a, b = fit_logistic(design, y, has_firth=True).coefficients.tolist()
    if b <= 0.0:
        a, b = intercept_of(np.zeros(len(y)), y), 0.0
    return Calibrator(
        intercept=a + b * old.intercept,
        slope=b * old.slope,
        n_patients=len(y),
        method=f"{old.method}; intercept and slope updated",
    )


def intercept_of(log_odds: Floats, y: Floats) -> float:
    """The shift of log-odds that makes them right on average in these patients (Firth)."""
    ones = np.ones((len(y), 1))
    return float(fit_logistic(ones, y, offset=log_odds, has_firth=True).coefficients[0])


def boosted_on(
    text: str,
    calibrator: Calibrator,
    *,
    matrix: Floats,
    y: Floats,
    log_odds: Floats,
    directions: list[int],
    seed: int,
) -> tuple[str, int]:
    """The text of one booster, old trees with their calibration and then the new ones, and the
    number of new ones.

    ``matrix`` (patients, features) and ``y`` (0/1) are of the new patients, ``log_odds`` what the
    calibrated old model says of them. An intercept is fitted first (Firth), so that the trees need
    not learn the overall rate.
    """
    settings = {
        **_BOOSTING,
        "monotone_constraints": directions,
        "seed": seed,
        "min_data_in_leaf": max(FEWEST, len(y) // 10),
        "min_data_in_bin": FEWEST,
    }
    n_trees = _best_number(matrix, y, log_odds, settings=settings, seed=seed)
    shift = intercept_of(log_odds, y)
    moved = calibrator.model_copy(update={"intercept": calibrator.intercept + shift})
    old = calibrated_booster(text, moved)
    if not n_trees:
        return bare_text(old.model_to_string()), 0
    data = lgb.Dataset(matrix, y, feature_name=old.feature_name(), free_raw_data=False)
    with without_autologging():
        grown = lgb.train(settings, data, n_trees, init_model=old)
    told = without_small_leaves(grown, n_start=old.num_trees())
    return bare_text(told.model_to_string()), told.num_trees() - old.num_trees()


def _best_number(
    matrix: Floats, y: Floats, log_odds: Floats, *, settings: dict[str, Any], seed: int
) -> int:
    """Number of trees with the best out-of-fold log likelihood; 0 where no tree helps."""
    n_folds = int(min(_FOLDS, y.sum(), (1 - y).sum()))
    if n_folds < 2:
        return 0
    total = np.zeros(MOST_TREES + 1)
    for fitted, held in StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(matrix, y):
        shift = intercept_of(log_odds[fitted], y[fitted])
        data = lgb.Dataset(
            matrix[fitted], y[fitted], init_score=log_odds[fitted] + shift, free_raw_data=False
        )
        with without_autologging():
            booster = lgb.train(settings, data, MOST_TREES)
        start = log_odds[held] + shift
        total[0] += log_likelihood(start, y[held])
        for n in range(1, MOST_TREES + 1):
            added: Any = booster.predict(
                matrix[held], raw_score=True, num_iteration=n, num_threads=1
            )
            total[n] += log_likelihood(start + added, y[held])
    return int(np.argmax(total))


def next_version(version: str) -> str:
    """The version of an updated model: the released one, and how often it was updated.

    >>> [next_version(version) for version in ("0.2.0", "0.2.0+update1")]
    ['0.2.0+update1', '0.2.0+update2']
    """
    released, _, times = version.partition("+update")
    return f"{released}+update{int(times or 0) + 1}"


def _check(observed: pd.DataFrame, y: Floats) -> None:
    if len(y) != len(observed) or not bool(np.isin(y, (0.0, 1.0)).all()):
        raise InputError(
            where="update",
            key="outcome",
            found=f"{len(y)} outcomes for {len(observed)} patients",
            expected="0 or 1 for every patient",
            cure="leave out patients without an outcome",
        )
    events, others = int(y.sum()), int((1 - y).sum())
    if min(events, others) < FEWEST:
        raise InputError(
            where="update",
            key="outcome",
            found=f"{events} patients with and {others} without the event",
            expected=f"at least {FEWEST} of each",
            cure="collect more patients before updating",
        )


def outcomes_of(model: RiskModel, observed: pd.DataFrame, y: Floats) -> pd.DataFrame:
    """The outcomes table of the patients of an update, as :func:`crsrisk.model.fit.fit` reads
    it.
    """
    return pd.DataFrame(
        {
            "patient_id": observed["patient_id"].to_numpy(),
            model.contract.outcome: y > 0.5,
            "window_d": [
                model.contract.window_of(str(platform)) for platform in observed["platform"]
            ],
        }
    )
