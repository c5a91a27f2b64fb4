"""Cells of risk: with everybody once they say what the patients say, and their resamples spread as
resamples of patients do.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit

from crsrisk.evaluation import calibration, cells, decision_curve
from crsrisk.evaluation.calibration import (
    _loess_heights,
    fit_calibration_curve,
    fit_loess_curve,
    loess_of_cells,
)
from crsrisk.evaluation.cells import Cells, drawn_counts
from crsrisk.evaluation.decision_curve import net_benefit_curve
from crsrisk.evaluation.metrics import BoolArray, FloatArray
from crsrisk.evaluation.resampling import measure_all
from crsrisk.results import Estimate

NAMES = (
    "auroc",
    "auroc_within_product",
    "in_the_large",
    "slope",
    "observed_to_expected",
    "scaled_brier",
    "log_loss",
)


def patients(n: int) -> tuple[BoolArray, FloatArray, np.ndarray]:
    rng = np.random.default_rng(5)
    log_odds = rng.normal(-1.0, 1.2, n)
    product = np.array(["a", "b", "c"])[rng.integers(0, 3, n)]
    return rng.random(n) < expit(0.8 * log_odds - 0.2), expit(log_odds), product


def test_everybody_once_is_the_patients() -> None:
    """To less than a hundredth of what chance does to the figure."""
    y_true, risk, product = patients(30_000)
    made = Cells.of(y_true, risk, product)
    found = made._measures(made.sizes.ravel()[None].astype(np.float64))
    wanted = measure_all(y_true, risk=risk, group=product, has_curve=False)
    resampled = made.measures(n_resamples=25, seed=1)
    for name in NAMES:
        error = 0.01 * float(resampled[name].std())
        assert found[name][0] == pytest.approx(wanted[name], abs=error), name


def test_measures_spread_as_among_resamples_of_patients() -> None:
    y_true, risk, product = patients(1500)
    n = 150
    found = Cells.of(y_true, risk, product).measures(n_resamples=n, seed=1)
    rng = np.random.default_rng(2)
    again = []
    for _ in range(n):
        rows = rng.integers(0, risk.size, risk.size)
        again.append(
            measure_all(y_true[rows], risk=risk[rows], group=product[rows], has_curve=False)
        )
    for name in NAMES:
        of_patients = np.array([one[name] for one in again])
        # four standard errors of the quotient of two SDs, and of the difference of two means
        sd = of_patients.std()
        assert found[name].std() == pytest.approx(sd, rel=4 * n**-0.5), name
        assert abs(found[name].mean() - of_patients.mean()) < 4 * sd * (2 / n) ** 0.5, name


def test_loess_of_cells_is_lowess() -> None:
    rng = np.random.default_rng(3)
    risk = np.sort(np.concatenate([rng.beta(1, 12, 150), np.repeat(0.31, 4)]))
    outcome = (rng.random(risk.size) < risk).astype(np.float64)
    counts = rng.poisson(1.0, (3, risk.size)).astype(np.float64)
    anchors = np.unique(np.quantile(risk, np.linspace(0, 1, 23)))
    wanted = [_loess_heights(risk, outcome, one, anchors=anchors, span=2 / 3) for one in counts]
    share = np.broadcast_to(outcome, counts.shape)
    found = loess_of_cells(risk, share, counts, anchors=anchors, span=2 / 3)
    np.testing.assert_allclose(found, wanted, atol=1e-10)


def test_curves_and_net_benefit_of_cells_agree_with_those_of_patients(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The figures are the same to the last digit; their intervals differ as two bootstraps do."""
    y_true, risk, _ = patients(2500)
    risk = expit(logit(risk) + 0.5)

    def made() -> list[Estimate]:
        spline = fit_calibration_curve(y_true, risk=risk, seed=1, n_resamples=100)
        loess = fit_loess_curve(y_true, risk=risk, seed=1, n_resamples=100)
        benefit = net_benefit_curve(
            y_true, risk=risk, thresholds=[0.1, 0.3], seed=1, n_resamples=100
        )
        figures = [
            getattr(curve, name) for curve in (spline, loess) for name in ("ici", "e50", "e90")
        ]
        middle = [
            Estimate(curve.observed[25], curve.low[25], curve.high[25]) for curve in (spline, loess)
        ]
        return [*figures, *middle, benefit.model.at(1), benefit.model_minus_treat_all.at(0)]

    of_patients = made()
    for module in (calibration, decision_curve):
        monkeypatch.setattr(module, "MANY", 0)
    for one, other in zip(made(), of_patients, strict=True):
        assert one.value == other.value
        width = other.high - other.low
        # four standard errors of the difference of two such quantiles of 100 draws
        assert abs(one.low - other.low) < 0.4 * width
        assert abs(one.high - other.high) < 0.4 * width


def test_same_seed_same_counts() -> None:
    sizes = np.array([3, 0, 7, 90])
    one, other = (
        np.concatenate(list(drawn_counts(sizes, n_resamples=60, seed=seed))) for seed in (1, 1)
    )
    assert np.array_equal(one, other)
    assert (one.sum(axis=1) == 100).all()
    assert not one[:, 1].any()
    first = next(drawn_counts(sizes, n_resamples=cells._BLOCK, seed=1))
    assert np.array_equal(first, one[: cells._BLOCK])
