"""The pooled regression: combinations of groups, and its solution against an independent one."""

from __future__ import annotations

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from crsrisk.model.logistic import PooledLogistic, combinations


def test_combinations_of_groups() -> None:
    belongs = np.array([[1.0, 0], [0, 0], [1, 1], [1, 0]])
    words, of_row = combinations(belongs)
    np.testing.assert_array_equal(words[of_row], belongs)
    assert len(words) == 3
    words, of_row = combinations(np.zeros((4, 0)))
    assert (words.shape, of_row.tolist()) == ((1, 0), [0, 0, 0, 0])


def test_newton_finds_what_ridge_regression_finds() -> None:
    """Under given penalties the weights are those of scikit-learn's ridge on columns scaled by
    them.
    """
    rng = np.random.default_rng(1)
    known, belongs = (
        rng.normal(size=(800, 2)),
        (rng.integers(0, 3, 800)[:, None] == np.arange(3)).astype(float),
    )
    labels = (rng.random(800) < expit(known[:, 0] + belongs[:, 1])).astype(float)
    nothing = np.zeros_like(known)
    problem = PooledLogistic.of(
        known,
        bend=nothing,
        is_missing=nothing > 0,
        stood=nothing,
        belongs=belongs,
        labels=labels,
        penalty=10.0,
    )
    penalties = np.where(problem.kinds < 0, 1e-8, 2.0 + 3.0 * problem.kinds)
    weights, variance = problem._newton(np.zeros(problem.kinds.size), penalties)
    assert (variance > 0).all()
    design = np.hstack(
        [known, *(belongs[:, [g]] * np.hstack([np.ones((800, 1)), known]) for g in range(3))]
    )
    used = np.flatnonzero(~np.isin(problem.kinds, [1, 2]))[1:]
    scale = np.sqrt(penalties[used])
    peer = LogisticRegression(C=1.0, tol=1e-10, max_iter=2000).fit(design / scale, labels)
    np.testing.assert_allclose(weights[used], peer.coef_[0] / scale, atol=1e-4)
    np.testing.assert_allclose(weights[0], peer.intercept_[0], atol=1e-4)
