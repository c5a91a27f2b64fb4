"""Emulator: a published figure as a smooth function of the assumptions, fitted to simulated worlds.

For each figure a ridge regression with linear terms of every constant it can depend on and quadratic terms and products
of the most influential ones. Its error is the cross-validated one, and it is carried on into the likelihood.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold

from crsrisk.belief.constants import Constant
from crsrisk.belief.design import Simulated, Target
from crsrisk.simulate.evidence import ASSUMED_LOG_SD, MEDIAN_EFFICIENCY

Values = NDArray[np.float64]
N_CURVED = 24  # constants with quadratic terms and products
N_LINEAR = 120  # constants with a linear term
FOLDS = 5
_PENALTIES = tuple(10.0 ** np.arange(0.0, 4.1, 0.5))


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

    def predict(self, scores: Values) -> Values:
        """The figure on its link scale at each row of ``scores``."""
        return np.asarray(_terms(scores, self.linear, self.curved) @ self.coefficients + self.intercept)


def _terms(scores: Values, linear: NDArray[np.int64], curved: NDArray[np.int64]) -> Values:
    """Linear terms, then squares and products."""
    some = scores[:, curved]
    one, other = np.triu_indices(len(curved))
    return np.hstack([scores[:, linear], some[:, one] * some[:, other]])


def _noise(values: Values, sizes: Values, *, is_rate: bool) -> Values:
    """Sampling variance of simulated figures on their link scale."""
    if not is_rate:
        return np.asarray((MEDIAN_EFFICIENCY * ASSUMED_LOG_SD) ** 2 / sizes)
    p = 1.0 / (1.0 + np.exp(-values))
    return np.asarray(1.0 / (sizes * p * (1.0 - p) + 0.5))


def relevant(target: Target, constants: Sequence[Constant]) -> NDArray[np.int64]:
    """Columns a figure can depend on: shared constants and those of its own product."""
    own = f"product:{target.trial.product}."
    return np.array([k for k, one in enumerate(constants) if not one.key.startswith("product:") or one.key.startswith(own)],
                    dtype=np.int64)


def fit_emulator(simulated: Simulated, column: int, *, target: Target, constants: Sequence[Constant]) -> Emulator:
    """Fit one figure."""
    values, sizes = simulated.values[:, column], simulated.sizes[:, column]
    known = ~np.isnan(values) & (sizes >= 10)
    x, y = simulated.scores[known], values[known]
    noise = _noise(y, sizes[known], is_rate=target.is_rate)
    weight = 1.0 / (noise + 0.02)
    columns = relevant(target, constants)
    first = RidgeCV(alphas=_PENALTIES).fit(x[:, columns], y, sample_weight=weight)
    order = columns[np.argsort(-np.abs(first.coef_), kind="stable")]
    linear, curved = np.sort(order[:N_LINEAR]), np.sort(order[:N_CURVED])
    terms = _terms(x, linear, curved)
    guessed = np.empty(len(y))
    for train, test in KFold(FOLDS, shuffle=True, random_state=0).split(terms):
        part = RidgeCV(alphas=_PENALTIES).fit(terms[train], y[train], sample_weight=weight[train])
        guessed[test] = part.predict(terms[test])
    whole = RidgeCV(alphas=_PENALTIES).fit(terms, y, sample_weight=weight)
    share = weight / weight.sum()
    left = float((share * ((y - guessed) ** 2 - noise)).sum())
    spread = float((share * (y - (share * y).sum()) ** 2).sum() - (share * noise).sum())
    error = np.sqrt(max(left, 1e-4))
    return Emulator(linear, curved, np.asarray(whole.coef_), float(whole.intercept_), float(error),
                    1.0 - max(left, 0.0) / max(spread, 1e-9))


def fit_emulators(simulated: Simulated, *, targets: Sequence[Target], constants: Sequence[Constant]) -> list[Emulator]:
    """One emulator a target."""
    return [fit_emulator(simulated, k, target=target, constants=constants) for k, target in enumerate(targets)]


def emulate(emulators: Sequence[Emulator], scores: Values) -> tuple[Values, Values]:
    """Figures at each row of ``scores`` (point, target), and the emulation errors (one row)."""
    return np.column_stack([one.predict(scores) for one in emulators]), np.array([[one.error for one in emulators]])
