"""Emulator: a published figure as a smooth function of the assumptions, fitted to simulated worlds.

For each figure a lasso regression with linear terms of the constants it depends on and quadratic terms and products of the
most influential ones: most constants say nothing to most figures, and the lasso leaves them out. A later wave, simulated
where the evidence leaves worlds standing, corrects the emulator before it by a regression of what that one gets wrong there.
Its error is the cross-validated one, and it is carried on into the likelihood.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LassoCV
from sklearn.model_selection import KFold

from crsrisk.belief.constants import Constant
from crsrisk.belief.design import Simulated, Target, sampling_variance
from crsrisk.errors import InputError

Values = NDArray[np.float64]
N_CURVED = (24, 12)  # constants with quadratic terms and products: in the first wave, in a correction
FOLDS = 5
FEWEST = 20  # worlds that an emulator may rest on
PENALTIES = 30  # penalties of the lasso among which cross-validation chooses


@dataclass(frozen=True)
class Emulator:
    """One figure: columns with linear terms, columns with curvature, coefficients, and how good it is.

    ``error`` is the SD of its cross-validated error beyond sampling noise; ``explained`` the share of the variance
    (beyond sampling noise) that it explains in cross-validation.
    """

    linear: NDArray[np.int64]
    curved: NDArray[np.int64]
    coefficients: Values
    intercept: float
    error: float
    explained: float
    before: Emulator | None = None  # what this one corrects

    def predict(self, scores: Values) -> Values:
        """The figure on its link scale at each row of ``scores``."""
        here = _terms(scores, self.linear, self.curved) @ self.coefficients + self.intercept
        return np.asarray(here if self.before is None else here + self.before.predict(scores))


    def slope(self, scores: Values) -> Values:
        """How the figure changes with each score, at each row of ``scores``, shape (point, constant)."""
        slopes = np.zeros_like(scores) if self.before is None else self.before.slope(scores)
        slopes[:, self.linear] += self.coefficients[: len(self.linear)]
        one, other = np.triu_indices(len(self.curved))
        symmetric = np.zeros((len(self.curved), len(self.curved)))
        symmetric[one, other] = self.coefficients[len(self.linear):]
        slopes[:, self.curved] += scores[:, self.curved] @ (symmetric + symmetric.T)
        return slopes


def _terms(scores: Values, linear: NDArray[np.int64], curved: NDArray[np.int64]) -> Values:
    """Linear terms, then squares and products."""
    some = scores[:, curved]
    one, other = np.triu_indices(len(curved))
    return np.hstack([scores[:, linear], some[:, one] * some[:, other]])


def relevant(target: Target, constants: Sequence[Constant]) -> NDArray[np.int64]:
    """Columns a figure can depend on: shared constants and those of its own products."""
    own = tuple(f"product:{name}." for name in target.trial.products)
    return np.array([k for k, one in enumerate(constants) if not one.key.startswith("product:") or one.key.startswith(own)],
                    dtype=np.int64)


def _fit(x: Values, y: Values, weight: Values, columns: NDArray[np.int64], n_curved: int) -> Emulator:
    """A lasso on the linear terms finds who takes part, a second one on theirs and the products of the strongest fits."""
    first = _lasso(x[:, columns], y, weight)
    order = columns[np.argsort(-np.abs(first.coef_), kind="stable")]
    curved = np.sort(order[:n_curved])
    linear = np.sort(order[: max(int((first.coef_ != 0.0).sum()), n_curved)])
    second = _lasso(_terms(x, linear, curved), y, weight)
    return Emulator(linear, curved, np.asarray(second.coef_), float(second.intercept_), error=np.nan, explained=np.nan)


def _lasso(terms: Values, y: Values, weight: Values) -> LassoCV:
    with warnings.catch_warnings():  # the smallest penalties need not converge to be found worse than others
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LassoCV(alphas=PENALTIES, cv=FOLDS, max_iter=3000).fit(terms, y, sample_weight=weight)


def fit_emulator(
    simulated: Simulated, column: int, *, target: Target, constants: Sequence[Constant], before: Emulator | None = None
) -> Emulator:
    """Fit one figure to one wave; with ``before``, fit what that emulator gets wrong."""
    values, sizes = simulated.values[:, column], simulated.sizes[:, column]
    known = ~np.isnan(values) & (sizes >= 5)
    if known.sum() < FEWEST:
        raise InputError(where="calibration", key=target.figure.id, found=f"{known.sum()} worlds that can say it",
                         expected=f"at least {FEWEST}", cure="simulate more worlds in every wave, or more patients a world")
    x, level = simulated.scores[known], 0 if before is None else 1
    noise = sampling_variance(values[known], sizes[known], is_rate=target.is_rate)
    y = values[known] if before is None else values[known] - before.predict(x)
    weight = 1.0 / (noise + 0.02)
    columns = relevant(target, constants)
    guessed = np.empty(len(y))
    for train, test in KFold(FOLDS, shuffle=True, random_state=0).split(x):
        guessed[test] = _fit(x[train], y[train], weight[train], columns, N_CURVED[level]).predict(x[test])
    whole = _fit(x, y, weight, columns, N_CURVED[level])
    share = weight / weight.sum()
    left = float((share * ((y - guessed) ** 2 - noise)).sum())
    whole_y = values[known]
    spread = float((share * (whole_y - (share * whole_y).sum()) ** 2).sum() - (share * noise).sum())
    error = np.sqrt(max(left, 1e-4))
    return replace(whole, error=float(error), explained=1.0 - max(left, 0.0) / max(spread, 1e-9), before=before)


def fit_emulators(
    simulated: Simulated, *, targets: Sequence[Target], constants: Sequence[Constant], before: Sequence[Emulator] = ()
) -> list[Emulator]:
    """One emulator a target, each a correction of the one ``before`` where there is one."""
    return [fit_emulator(simulated, k, target=target, constants=constants, before=before[k] if before else None)
            for k, target in enumerate(targets)]


def slopes_of(emulators: Sequence[Emulator], scores: Values) -> Values:
    """Slopes of every figure at each row of ``scores``, shape (point, target, constant)."""
    return np.stack([one.slope(scores) for one in emulators], axis=1)


def emulate(emulators: Sequence[Emulator], scores: Values) -> tuple[Values, Values]:
    """Figures at each row of ``scores`` (point, target), and the emulation errors (one row)."""
    return np.column_stack([one.predict(scores) for one in emulators]), np.array([[one.error for one in emulators]])
