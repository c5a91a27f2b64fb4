"""Linear risk: a penalised logistic regression on what the hospital sees, cheap enough to fit in thousands of worlds.

It stands in for the risk models of `learn` where one fit must take a millisecond. Laboratory values and tumour burden enter
as logarithms; every predictor is standardised with one fixed scale, so that coefficients of different worlds compare; a
value that was not measured counts as average.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, log_expit
from scipy.stats import rankdata

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
LOGGED = ("sum_of_diameters_mm", "crp_mg_l", "ferritin_ug_l", "ldh_x_uln", "il6_pg_ml", "lymphocytes_g_l")
PLAIN = ("has_liver_metastases", "n_metastatic_sites", "age_years", "is_female", "ecog", "has_infection",
         "has_prior_checkpoint_inhibitor", "albumin_g_l", "platelets_g_l", "creatinine_umol_l", "weight_kg")
PREDICTORS = (*LOGGED, *PLAIN)
PENALTY = 1.0  # ridge: a log odds ratio per SD has the prior SD 1
FOLDS = 4
_STEPS, _ENOUGH = 50, 1e-8


@dataclass(frozen=True)
class Scale:
    """Mean and SD of every predictor in the patients whom the coefficients refer to."""

    mean: Values
    sd: Values


def predictors(observed: pd.DataFrame) -> Values:
    """Predictors in the order of ``PREDICTORS``, shape (n, 17), NaN where nothing was measured."""
    columns = [np.log(observed[name].to_numpy(dtype=np.float64)) for name in LOGGED]
    return np.column_stack([*columns, *(observed[name].to_numpy(dtype=np.float64) for name in PLAIN)])


def scale_of(values: Values) -> Scale:
    """The scale of these patients; a predictor that does not vary keeps the SD 1."""
    sd = np.nanstd(values, axis=0)
    return Scale(np.nanmean(values, axis=0), np.where(sd > 0.0, sd, 1.0))


def standardised(values: Values, *, scale: Scale) -> Values:
    """Predictors in SDs from the mean; gaps are average."""
    return np.nan_to_num((values - scale.mean) / scale.sd, nan=0.0)


def fit_logistic(x: Values, y: Flags, *, penalty: float = PENALTY) -> Values:
    """Intercept and log odds ratios per SD, shape (k + 1,), by Newton's method; the intercept is not penalised.

    Where all patients or none had the event there is nothing to tell: every coefficient is 0.

    >>> x = np.array([[-1.0], [-1.0], [1.0], [1.0]])
    >>> fit_logistic(x, np.array([False, True, False, True])).round(6).tolist()
    [0.0, 0.0]
    """
    terms = np.column_stack([np.ones(len(x)), x])
    found = np.zeros(terms.shape[1])
    if y.all() or not y.any():
        return found
    weight = np.full(terms.shape[1], penalty)
    weight[0] = 0.0

    def loss(at: Values) -> float:
        signed = np.where(y, 1.0, -1.0) * (terms @ at)
        return float(0.5 * (weight * at**2).sum() - log_expit(signed).sum())

    height = loss(found)
    for _ in range(_STEPS):
        p = expit(terms @ found)
        slope = weight * found - terms.T @ (y - p)
        curve = (terms.T * (p * (1.0 - p))) @ terms + np.diag(weight + 1e-9)
        step = np.linalg.solve(curve, slope)
        while loss(found - step) > height + 1e-12 and np.abs(step).max() > _ENOUGH:
            step = 0.5 * step
        found = found - step
        height = loss(found)
        if np.abs(step).max() < _ENOUGH:
            break
    return found


def stated(coefficients: Values, x: Values) -> Values:
    """Linear predictor (log odds) of each patient, shape (n,)."""
    return np.asarray(coefficients[0] + x @ coefficients[1:])


def auroc(scores: Values, y: Flags) -> float:
    """Chance that a patient with the event scores above one without (ties count half); 0.5 when either is missing.

    >>> auroc(np.array([1.0, 2.0, 3.0, 4.0]), np.array([False, True, False, True]))
    0.75
    """
    n_events = int(y.sum())
    n_others = len(y) - n_events
    if not n_events or not n_others:
        return 0.5
    above = rankdata(scores)[y].sum() - n_events * (n_events + 1) / 2.0
    return float(above / (n_events * n_others))


def crossfitted_auroc(x: Values, y: Flags, *, penalty: float = PENALTY) -> float:
    """AUROC of patients that the regression has not seen: each quarter scored by the fit to the other three.

    The mean over quarters that hold both kinds of patients; 0.5 when none does.
    """
    fold = np.arange(len(y)) % FOLDS
    found = []
    for k in range(FOLDS):
        out = fold == k
        if 0 < y[out].sum() < out.sum():
            found.append(auroc(stated(fit_logistic(x[~out], y[~out], penalty=penalty), x[out]), y[out]))
    return float(np.mean(found)) if found else 0.5


def top(scores: Values, *, share: float) -> Flags:
    """The ``share`` of patients with the highest scores; of equal ones, the earlier."""
    chosen = np.zeros(len(scores), dtype=np.bool_)
    chosen[np.argsort(-scores, kind="stable")[: round(share * len(scores))]] = True
    return chosen
