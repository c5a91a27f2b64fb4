"""Charts of an evaluation: what is drawn is what was computed, and what was not is said."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.axes import Axes

from crsrisk.evaluation.calibration import CalibrationCurve
from crsrisk.evaluation.decision_curve import NetBenefitCurve
from crsrisk.evaluation.evaluate import Evaluation
from crsrisk.evaluation.metrics import RiskDistributions
from crsrisk.plots.chart_data import LearningPoint
from crsrisk.plots.descriptions import (
    describe_benchmark,
    describe_calibration,
    describe_decision_curve,
    describe_learning_curves,
    describe_risk_distribution,
)
from crsrisk.plots.evaluation_charts import (
    plot_benchmark,
    plot_calibration,
    plot_decision_curve,
    plot_learning_curves,
    plot_risk_distribution,
)
from crsrisk.results import Estimate
from tests.plots.marks import make_marks


def texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_calibration_draws_curve_band_and_both_histograms(evaluation: Evaluation) -> None:
    ax = plot_calibration(evaluation.pooled)
    curve = evaluation.pooled.calibration.curve
    risks = evaluation.pooled.risk_distribution
    assert isinstance(curve, CalibrationCurve)
    assert isinstance(risks, RiskDistributions)
    assert np.array_equal(ax.lines[1].get_xdata(), curve.risk)
    assert np.array_equal(ax.lines[1].get_ydata(), curve.observed)
    assert len(ax.collections) == 1, "the band"
    up = [bar for bar in ax.patches if bar.get_height() > 0]
    down = [bar for bar in ax.patches if bar.get_height() < 0]
    assert len(up) == sum(count > 0 for count in risks.event.counts)
    assert len(down) == sum(count > 0 for count in risks.no_event.counts)
    tallest = max(bar.get_height() for bar in up)
    shares = [count / risks.event.n for count in risks.event.counts]
    others = max(count / risks.no_event.n for count in risks.no_event.counts)
    assert tallest / -min(bar.get_height() for bar in down) == pytest.approx(max(shares) / others)
    assert {"with the event", "without"} <= set(texts(ax))
    assert "A perfect model lies on the diagonal." in describe_calibration(evaluation.pooled)
    assert not texts(plot_calibration(evaluation.pooled, small=True))


def test_what_cannot_be_estimated_is_said_in_the_chart(evaluation: Evaluation) -> None:
    group = evaluation.by_group["none"]
    for plot, describe in (
        (plot_calibration, describe_calibration),
        (plot_decision_curve, describe_decision_curve),
    ):
        ax = plot(group, title="none", small=True)
        assert "Not estimable:\nno patient had the event" in texts(ax)[0]
        assert not ax.lines
        assert describe(group) == "Not estimable: no patient had the event."
    assert "not estimable: no patient had the event" in texts(plot_risk_distribution({"n": group}))


def test_the_decision_curve_draws_model_everybody_and_nobody(evaluation: Evaluation) -> None:
    ax = plot_decision_curve(evaluation.pooled)
    curve = evaluation.pooled.net_benefit
    assert isinstance(curve, NetBenefitCurve)
    nobody, everybody, model = ax.lines
    assert set(nobody.get_ydata()) == {0}
    assert np.array_equal(everybody.get_ydata(), curve.treat_all.value)
    assert np.array_equal(model.get_ydata(), curve.model.value)
    assert "treating everybody" in describe_decision_curve(evaluation.pooled)
    assert plot_decision_curve(evaluation.pooled, small=True).get_legend() is None


def test_risks_by_outcome_show_quantiles_of_each_group(evaluation: Evaluation) -> None:
    ax = plot_risk_distribution({"All": evaluation.pooled, "None": evaluation.by_group["none"]})
    risks = evaluation.pooled.risk_distribution
    assert isinstance(risks, RiskDistributions)
    event, no_event = ax.patches
    for bar, part in ((event, risks.event), (no_event, risks.no_event)):
        assert bar.get_x() == part.quantiles[0.25].value
        assert bar.get_x() + bar.get_width() == pytest.approx(part.quantiles[0.75].value)
    assert event.get_y() < no_event.get_y(), "with the event above"
    told = describe_risk_distribution({"All": evaluation.pooled})
    assert told.startswith("Median predicted risk of 100 patients. All: ")


def test_the_benchmark_marks_each_kind_by_shape_and_cuts_a_far_null() -> None:
    axes = plot_benchmark(make_marks())
    assert len(axes) == 3
    for ax in axes:
        shapes = {line.get_marker() for line in ax.lines}
        assert {"D", "o"} <= shapes
    gain, within, mixed = axes
    assert [line.get_marker() for line in gain.lines if line.get_marker() == "<"] == ["<"]
    assert texts(gain) == ["0.050", "0.030", "0.010", "−0.200"]
    assert texts(within) == texts(mixed) == ["0.71", "0.66", "0.60", "not estimable"]
    for ax in (within, mixed):
        assert [0.71, 0.75] in [list(line.get_xdata()) for line in ax.lines], "the oracle's range"
    assert [label.get_text() for label in gain.get_yticklabels()][1] == "model"
    assert len(plot_benchmark(make_marks(is_pooled=False))) == 2
    assert "null −0.200" in describe_benchmark(make_marks())


def points(names: list[str]) -> list[LearningPoint]:
    return [
        LearningPoint(name, n, Estimate(0.5 + 0.01 * at + n / 1e5, 0.4, 0.6))
        for at, name in enumerate(names)
        for n in (500, 2000, 20000)
    ]


def test_every_learner_has_a_line_and_a_name() -> None:
    names = ["model", "logistic", "splines", "product + EASIX"]
    ax = plot_learning_curves(points(names))
    assert set(names) | {"oracle"} == set(texts(ax))
    model = ax.lines[-1]
    assert list(model.get_xdata()) == [500, 2000, 20000]
    assert list(model.get_ydata()) == pytest.approx([0.505, 0.52, 0.7])
    assert "0.52 at 2000" in describe_learning_curves(points(names))


def test_names_do_not_overlap() -> None:
    ax = plot_learning_curves(points([f"learner {at}" for at in range(12)]))
    figure = ax.figure
    figure.canvas.draw()
    heights = sorted(text.get_window_extent().y0 for text in ax.texts)
    least = min(high - low for low, high in pairwise(heights)) * 72 / figure.dpi
    assert least >= 14
