"""Everything that is said about a model's risks in held-out patients, as one plain dictionary.

:func:`evaluate` computes; the report and the tracker only read. All numbers are Python floats and
ints, so that `json.dumps` writes the dictionary as it is. Its keys:

- `what`, `outcome_name`, `seed`, `n_resamples`, `methods` (figure -> how it and its interval are
  computed);
- `pooled` and `by_product[name]`, each with

  - `n`, `n_events`, `event_rate`, `n_risks_clipped`;
  - `auroc`, `brier`, `scaled_brier`, `log_loss`, `discrimination_slope`, pooled also
    `auroc_within_product`: estimates;
    pooled also `loess_curve`, the calibration curve by the other smoother;
  - `calibration`: the estimates `in_the_large`, `slope`, `intercept_joint`, `observed_to_expected`,
    and
    `curve`: the fields of :class:`~crsrisk.evaluation.calibration.CalibrationCurve`;
  - `net_benefit`: the fields of :class:`~crsrisk.evaluation.decision_curve.NetBenefitCurve`;
  - `risk_distribution`: for `event` and `no_event` the fields of
    :class:`~crsrisk.evaluation.metrics.RiskDistribution`;

- `ladder`: the fields of :class:`~crsrisk.evaluation.benchmark.Benchmark`, or None.

An estimate is `{"value", "low", "high"}`; whatever cannot be estimated is `{"not_estimable":
reason}`. A product in which nobody or everybody had the event keeps its keys; there, what needs
both is not estimable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from crsrisk.errors import InputError
from crsrisk.evaluation.benchmark import Benchmark
from crsrisk.evaluation.calibration import fit_calibration_curve, fit_loess_curve, recalibrate
from crsrisk.evaluation.decision_curve import net_benefit_curve
from crsrisk.evaluation.metrics import (
    RISK_FLOOR,
    BoolArray,
    FloatArray,
    auroc,
    auroc_within,
    brier,
    check_outcome_and_risk,
    clip_risk,
    discrimination_slope,
    event_rate,
    log_loss,
    observed_to_expected,
    risk_distribution,
    scaled_brier,
)
from crsrisk.results import NotEstimable, to_plain

THRESHOLDS = tuple(round(0.02 * step, 2) for step in range(1, 31))
"""Default decision thresholds, 2 to 60% (assumed: wide enough to argue about prophylaxis)."""

METHODS = {
    "interval": (
        "95% throughout, over patients of this simulator: none covers the step to real patients"
    ),
    "event_rate": "Wilson",
    "auroc": "DeLong's variance by midranks, normal on the AUROC scale, cut at 0 and 1",
    "auroc_within_product": (
        "products' AUROCs weighted by pairs (events x others), DeLong's variances"
    ),
    "brier, log_loss": "mean over patients with the normal interval of a mean",
    "scaled_brier": "1 - Brier / (rate x (1 - rate)); normal, delta method",
    "calibration.in_the_large": "intercept of logit(P) = a + logit(risk), slope fixed at 1; Wald",
    "calibration.slope, calibration.intercept_joint": (
        "b and a of logit(P) = a + b logit(risk), fitted together; Wald"
    ),
    "calibration.observed_to_expected": "normal on the log scale, expected number taken as fixed",
    "calibration.curve": (
        "logistic regression on a restricted cubic spline of logit(risk), four knots at its 5, 35,"
        " 65 and 95% quantiles; pointwise percentile bootstrap; ICI, E50, E90, Emax: percentile"
        " bootstrap, from 0 where exact risks could give as much (ici_if_perfect)"
    ),
    "loess_curve": "the same by loess (span 2/3, tricube, no robustness steps), as lowess of R",
    "net_benefit": (
        "TP/n - FP/n x t/(1 - t), treated when risk >= t; pointwise percentile bootstrap"
    ),
    "risk_distribution": "means: normal; quantiles: distribution-free by order statistics",
    "clipping": (
        f"for logits and log loss, risks closer than {RISK_FLOOR:g} to 0 or 1 are moved and counted"
    ),
}


def evaluate(
    outcome: ArrayLike,
    *,
    risk: ArrayLike,
    product: ArrayLike,
    outcome_name: str,
    seed: int,
    ladders: Benchmark | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
    n_resamples: int = 300,
) -> dict[str, Any]:
    """Evaluate held-out patients, all together and product by product.

    Parameters ---------- outcome, risk, product : per patient, whether the event happened, its
    predicted risk (0-1), the product. outcome_name : the event in words, its window among them
    ("first CRS of grade >= 2 within 21 days"). seed, n_resamples : of every bootstrap in here.
    ladders : from :func:`crsrisk.evaluation.benchmark.benchmark`, when patients were re-simulated.
    thresholds : of the decision curve.

    Returns the dictionary that the head of this module describes.

    >>> rng = np.random.default_rng(1)
    >>> risk = rng.uniform(0.1, 0.5, 400)
    >>> result = evaluate(rng.random(400) < risk, risk=risk, product=["a", "b"] * 200, seed=1,
    ...                   outcome_name="first CRS of grade >= 2 within 21 days", n_resamples=50)
    >>> sorted(result["by_product"])
    ['a', 'b']
    """
    y_true, predicted = check_outcome_and_risk(outcome, risk)
    names = np.asarray(product)
    if names.shape != y_true.shape:
        raise InputError(
            where="evaluation",
            key="product",
            found=f"shape {names.shape}",
            expected=f"one product for each of {y_true.size} patients",
            cure="pass the product column of the same patients",
        )

    def one_group(rows: BoolArray) -> dict[str, Any]:
        return _evaluate_group(
            y_true[rows],
            predicted[rows],
            thresholds=thresholds,
            seed=seed,
            n_resamples=n_resamples,
        )

    pooled = one_group(np.ones_like(y_true))
    pooled["loess_curve"] = to_plain(
        fit_loess_curve(y_true, risk=clip_risk(predicted).risk, seed=seed, n_resamples=n_resamples)
    )
    pooled["auroc_within_product"] = to_plain(auroc_within(y_true, risk=predicted, group=names))
    return {
        "what": "held-out patients of a synthetic cohort; no external validation",
        "outcome_name": outcome_name,
        "seed": seed,
        "n_resamples": n_resamples,
        "methods": dict(METHODS),
        "pooled": pooled,
        "by_product": {str(name): one_group(names == name) for name in np.unique(names)},
        "ladder": None if ladders is None else to_plain(ladders),
    }


def _evaluate_group(
    y_true: BoolArray,
    predicted: FloatArray,
    *,
    thresholds: Sequence[float],
    seed: int,
    n_resamples: int,
) -> dict[str, Any]:
    """Every figure for one group of patients; those that need both classes give way where one
    lacks.
    """
    n, n_events = y_true.size, int(y_true.sum())
    clipped = clip_risk(predicted)
    counted = {
        "n": n,
        "n_events": n_events,
        "event_rate": event_rate(y_true),
        "n_risks_clipped": clipped.n_clipped,
    }
    if n_events in (0, n):
        return _plain_group({**counted, **_one_class(n_events)})
    recalibration = recalibrate(y_true, risk=clipped.risk)
    return _plain_group(
        {
            **counted,
            "auroc": auroc(y_true, risk=predicted),
            "brier": brier(y_true, risk=predicted),
            "scaled_brier": scaled_brier(y_true, risk=predicted),
            "log_loss": log_loss(y_true, risk=clipped.risk),
            "discrimination_slope": discrimination_slope(y_true, risk=predicted),
            "calibration": {
                "in_the_large": recalibration.in_the_large,
                "slope": recalibration.slope,
                "intercept_joint": recalibration.intercept_joint,
                "observed_to_expected": observed_to_expected(y_true, risk=clipped.risk),
                "curve": fit_calibration_curve(
                    y_true, risk=clipped.risk, seed=seed, n_resamples=n_resamples
                ),
            },
            "net_benefit": net_benefit_curve(
                y_true, risk=predicted, thresholds=thresholds, seed=seed, n_resamples=n_resamples
            ),
            "risk_distribution": risk_distribution(y_true, risk=predicted),
        }
    )


def _plain_group(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {name: to_plain(figure) for name, figure in figures.items()}


def _one_class(n_events: int) -> dict[str, Any]:
    """The same keys for a group in which nobody or everybody had the event."""
    reason = NotEstimable(
        "no patient had the event" if n_events == 0 else "every patient had the event"
    )
    keys = ("in_the_large", "slope", "intercept_joint", "observed_to_expected", "curve")
    return {
        "auroc": reason,
        "brier": reason,
        "scaled_brier": reason,
        "log_loss": reason,
        "discrimination_slope": reason,
        "calibration": dict.fromkeys(keys, reason),
        "net_benefit": reason,
        "risk_distribution": reason,
    }
