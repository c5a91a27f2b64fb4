"""What charts show, in a sentence: for those who cannot see them, and for search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crsrisk.plots.chart_data import (
    BenchmarkMark,
    Boundaries,
    EvaluatedGroup,
    ForestRow,
    ImportanceBar,
    LearningPoint,
    OnsetCurve,
    PowerPanel,
    ReasonBar,
)
from crsrisk.plots.charts import signed
from crsrisk.results import Estimate, NotEstimable
from crsrisk.wording import MISSING, number, of_100

MOST_NAMED = 5  # variables in a sentence


def describe_calibration(group: EvaluatedGroup) -> str:
    """Both ends of the calibration curve, or why there is none."""
    curve = group.calibration.curve
    if isinstance(curve, NotEstimable):
        return f"Not estimable: {curve.reason}."
    (low, seen_low), (high, seen_high) = (
        [number(100 * float(part[at]), digits=0) for part in (curve.risk, curve.observed)]
        for at in (0, -1)
    )
    return (
        f"Of 100 patients with a predicted risk of {low} of 100, {seen_low} had the event; of"
        f" 100 with {high} of 100, {seen_high} had it. A perfect model lies on the diagonal."
    )


def describe_decision_curve(group: EvaluatedGroup) -> str:
    """From which threshold on the model does clearly better than treating everybody."""
    curve = group.net_benefit
    if isinstance(curve, NotEstimable):
        return f"Not estimable: {curve.reason}."
    gain = curve.model_minus_treat_all.low
    better = [at for at, low in zip(curve.threshold, gain, strict=True) if low > 0]
    return (
        "The lowest threshold at which the model is clearly better than treating everybody is"
        f" {of_100(float(better[0]))} of 100."
        if better
        else "At no threshold is the model clearly better than treating everybody."
    )


def describe_risk_distribution(groups: Mapping[str, EvaluatedGroup]) -> str:
    """Medians of the predicted risk with and without the event, group by group."""
    medians = []
    for label, group in groups.items():
        risks = group.risk_distribution
        if isinstance(risks, NotEstimable):
            continue
        with_event, without = (
            of_100(part.quantiles[0.5].value) for part in (risks.event, risks.no_event)
        )
        medians.append(f"{label}: {with_event} with, {without} without")
    return f"Median predicted risk of 100 patients. {'; '.join(medians)}."


def describe_benchmark(marks: Sequence[BenchmarkMark]) -> str:
    """Gains of all predictors."""
    told = "; ".join(f"{mark.label} {_value(mark.gain, digits=3)}" for mark in marks)
    return f"Gain in log loss over knowing the product alone, nats: {told}."


def _value(estimate: Estimate | NotEstimable | None, *, digits: int) -> str:
    if estimate is None:
        return MISSING
    if isinstance(estimate, NotEstimable):
        return "not estimable"
    return number(estimate.value, digits=digits)


def describe_learning_curves(points: Sequence[LearningPoint]) -> str:
    """Shares of the oracle's gain by learner and number of training patients."""
    names = dict.fromkeys(point.learner for point in points)
    told = "; ".join(
        f"{name}: "
        + ", ".join(
            f"{point.share.value:.2f} at {point.n_training}"
            for point in sorted(points, key=lambda point: point.n_training)
            if point.learner == name
        )
        for name in names
    )
    return f"Share of the oracle's gain over knowing the product. {told}."


def describe_onset(curve: OnsetCurve) -> str:
    """How many of 100 patients had CRS by the end of the window."""
    every, severe = (
        number(values[-1], digits=0) for values in (curve.any_per100, curve.grade2plus_per100)
    )
    return (
        f"{every} of 100 patients had CRS, {severe} of grade 2 or more, within"
        f" {curve.window_d:g} days after the first dose."
    )


def describe_forest(rows: Sequence[ForestRow]) -> str:
    """How many simulated figures agree with the published ones."""
    n_agree = sum(row.cell.verdict == "agrees" for row in rows)
    return f"{n_agree} of {len(rows)} simulated figures agree with the published ones."


def describe_importance(bars: Sequence[ImportanceBar]) -> str:
    """The variables that move the risk most."""
    told = "; ".join(f"{bar.label} {bar.mean_points:.1f}" for bar in bars[:MOST_NAMED])
    return f"Mean change of the risk, of 100 patients, largest first: {told}."


def describe_reasons(bars: Sequence[ReasonBar]) -> str:
    """All reasons with their points."""
    told = "; ".join(f"{bar.label} {signed(bar.points)}" for bar in bars)
    return f"Change of the risk, of 100 patients: {told}."


def describe_boundaries(boundaries: Boundaries) -> str:
    """What stops the trial at each look."""
    return "; ".join(
        f"{look.n} patients: "
        + " and ".join(
            f"{word} {bound:.4g}"
            for word, bound in (("benefit from", look.upper), ("futility below", look.lower))
            if bound is not None
        )
        for look in boundaries.looks
    )


def describe_power(panel: PowerPanel) -> str:
    """Power at each risk ratio."""
    return "; ".join(
        f"{curve.label}: "
        + ", ".join(
            f"{power:.2f} at {ratio:g}"
            for power, ratio in zip(curve.power, curve.risk_ratio, strict=True)
        )
        for curve in panel.curves
    )
