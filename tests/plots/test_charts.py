"""Charts that know nothing of what they are about: the axes carry the numbers that were given."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from crsrisk.plots.chart_data import (
    Axis,
    Band,
    Dot,
    Dots,
    ForestCell,
    ForestRow,
    ImportanceBar,
    Line,
    Lines,
    OnsetCurve,
    ReasonBar,
    ReasonTheme,
    Verdict,
    bar_end,
)
from crsrisk.plots.charts import (
    plot_dots,
    plot_forest,
    plot_importance,
    plot_lines,
    plot_onset,
    plot_reason_themes,
    plot_reasons,
    risk_limit,
    signed,
)
from crsrisk.plots.descriptions import describe_onset
from crsrisk.plots.style import BLUE, RED, scale_axis
from crsrisk.results import Estimate, NotEstimable

SHARE = Axis("Share, of 100", 0, 1, 100)


def texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def bars(ax: Axes) -> list[Rectangle]:
    return [patch for patch in ax.patches if isinstance(patch, Rectangle)]


def ticks(axis: Axis, *, n_ticks: int = 5) -> list[str]:
    """What is written along an axis, within its limits."""
    ax = Figure().add_subplot()
    scale_axis(ax, "x", axis, n_ticks=n_ticks)
    places = ax.xaxis.get_majorticklocs()
    labels = ax.xaxis.get_major_formatter().format_ticks(list(places))
    reach = 1e-9 * (axis.high - axis.low)
    return [
        label
        for place, label in zip(places, labels, strict=True)
        if axis.low - reach <= place <= axis.high + reach
    ]


@settings(max_examples=25, deadline=None)
@given(low=st.floats(-50, 50), span=st.floats(0.01, 1000), n=st.integers(2, 8))
def test_ticks_are_few_and_told_apart(low: float, span: float, n: int) -> None:
    made = ticks(Axis("", low, low + span), n_ticks=n)
    assert 1 <= len(made) <= n + 2
    assert len(set(made)) == len(made)


def test_ticks_carry_the_factor_and_no_needless_decimals() -> None:
    assert ticks(Axis("", 0, 0.47, 100)) == ["0", "10", "20", "30", "40"]
    assert ticks(Axis("", 0.03, 0.065), n_ticks=4) == ["0.03", "0.04", "0.05", "0.06"]
    assert ticks(Axis("", -0.5, 1.0), n_ticks=3) == ["−0.5", "0.0", "0.5", "1.0"]


def test_lines_carry_what_was_given_with_its_gaps() -> None:
    data = Lines(
        SHARE,
        Axis("y", 0.03, 0.065),
        [
            Line("refit", [0, 0.5, 1], [0.04, None, 0.05]),
            Line("model", [0, 1], [0.04, 0.06], "the model"),
        ],
        "Two lines.",
        Band([0, 1], [0.03, 0.04], [0.05, 0.06]),
    )
    ax = plot_lines(data, title="A title")
    refit, model = ax.lines
    assert isnan(refit.get_ydata()[1])
    assert model.get_xdata().tolist() == [0, 1]
    assert model.get_ydata().tolist() == [0.04, 0.06]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["the model"]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title(loc="left")) == (
        "Share, of 100",
        "y",
        "A title",
    )
    assert (*ax.get_xlim(), *ax.get_ylim()) == (0, 1, 0.03, 0.065)


def test_a_chart_is_drawn_on_the_axes_that_are_given() -> None:
    figure, (left, right) = plt.subplots(1, 2)
    data = Lines(SHARE, SHARE, [Line("model", [0, 1], [0, 1])], "One.")
    assert plot_lines(data, ax=right) is right
    assert not left.lines
    assert len(right.lines) == 1
    assert plot_lines(data).figure is not figure


def test_dots() -> None:
    rows = [
        Dot("Place A", Estimate(0.7, 0.6, 0.8)),
        Dot("Place B", NotEstimable("few")),
        Dot("Alone", Estimate(0.66)),
        Dot("Pooled", Estimate(0.7, 0.65, 0.75), is_strong=True, prediction=(0.5, 0.9)),
    ]
    ax = plot_dots(Dots(Axis("AUROC", 0.4, 1.0), rows, "Pooled 0.70", reference=0.5))
    assert texts(ax) == ["0.70 (0.60 to 0.80)", "not estimable", "0.66", "0.70 (0.65 to 0.75)"]
    marks = [line for line in ax.lines if line.get_marker() not in ("None", "", None)]
    assert [mark.get_xdata()[0] for mark in marks] == [0.7, 0.66, 0.7], (
        "an estimate that is not there has no dot"
    )
    assert [mark.get_marker() for mark in marks] == ["o", "o", "D"]
    assert [0.5, 0.9] in [list(line.get_xdata()) for line in ax.lines], "the prediction interval"
    assert [label.get_text() for label in ax.get_yticklabels()] == [row.label for row in rows]


@pytest.mark.parametrize(
    ("verdict", "marker"), [("agrees", "o"), ("differs", "D"), ("not judged", "s")]
)
def test_verdicts_differ_in_shape_and_colour(verdict: Verdict, marker: str) -> None:
    cell = ForestCell("rate", 0.5, 0.4, 0.6, 0.55, 0.01, verdict, is_verified=True)
    ax = plot_forest([ForestRow("CRS", cell, "50")])
    assert ax.lines[-1].get_marker() == marker
    assert ax.lines[-1].get_xdata()[0] == 0.55
    assert list(ax.lines[0].get_xdata()) == [0.4, 0.6]
    assert list(ax.lines[2].get_xdata()) == pytest.approx([0.5304, 0.5696], abs=1e-4)


def test_an_unverified_figure_is_broken_and_a_missing_one_has_no_mark() -> None:
    cell = ForestCell("time", 24.0, 12.0, 48.0, None, None, "not judged", is_verified=False)
    ax = plot_forest([ForestRow("Onset", cell, "24 h")])
    interval, published = ax.lines
    assert interval.is_dashed()
    assert list(published.get_xdata()) == [24.0, 24.0]
    assert ax.get_xscale() == "log"


def test_onset_is_a_step_and_its_two_numbers_do_not_touch() -> None:
    curve = OnsetCurve("Tarlatamab", 21.0, [0, 1, 21], [0, 40, 55], [0, 10, 54])
    ax = plot_onset(curve)
    assert [list(line.get_ydata(orig=True)) for line in ax.lines] == [[0, 40, 55], [0, 10, 54]]
    assert texts(ax) == ["55", "54"]
    heights = [text.xy[1] for text in ax.texts]  # type: ignore[attr-defined]
    assert heights[0] - heights[1] > 5
    assert "55 of 100 patients had CRS, 54 of grade 2 or more" in describe_onset(curve)


def test_reasons_keep_sign_size_and_order() -> None:
    ax = plot_reasons([ReasonBar("CRP", 6), ReasonBar("No metastases", -3), ReasonBar("Age", 0)])
    assert [bar.get_width() for bar in bars(ax)] == [6, -3, 0]
    assert texts(ax) == ["+6", "−3", "0"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["CRP", "No metastases", "Age"]
    low, high = ax.get_xlim()
    assert low < -3
    assert high > 6
    assert (signed(2), signed(-2), signed(0)) == ("+2", "−2", "0")


def test_themes_add_up_from_the_start_to_the_risk() -> None:
    themes = [
        ReasonTheme("host", 9, [ReasonBar("CRP: 80 mg/L", 9)]),
        ReasonTheme("prevention", -3, [ReasonBar("Step-up: yes", -3)]),
    ]
    ax = plot_reason_themes(themes, start=10, end=16)
    assert [bar.get_width() for bar in bars(ax)] == [9, 9, -3, -3]
    assert [bar.get_height() for bar in bars(ax)] == [11, 6, 11, 6]
    assert texts(ax)[-1] == "Start 10, all groups together +6: 16 of 100"
    assert {"Host", "Prevention", "CRP: 80 mg/L", "Step-up: yes"} <= set(texts(ax))


def test_themes_of_nothing_are_still_a_chart() -> None:
    ax = plot_reason_themes([ReasonTheme("host", 0, [])], start=10, end=10)
    assert "0" in texts(ax)
    assert plot_reason_themes([], start=10, end=10).texts


def test_bars_are_proportional_and_a_cut_one_is_marked() -> None:
    rows = [ImportanceBar("A", 4.0, "higher raises"), ImportanceBar("B", 2.0, "mixed")]
    ax = plot_importance(rows)
    assert [bar.get_width() for bar in bars(ax)] == [4.0, 2.0]
    n_lines = len(ax.lines)
    cut = plot_importance([ImportanceBar("A", 9.0, ""), *rows[1:]])
    assert bars(cut)[0].get_width() == bar_end([9.0, 2.0]) == 2.5
    assert len(cut.lines) == n_lines + 2
    assert texts(cut)[0] == "9.0"


def test_a_risk_axis_ends_where_others_do() -> None:
    assert [risk_limit(risk) for risk in (0.05, 0.1, 0.11, 0.5, 0.9)] == [0.1, 0.1, 0.25, 0.5, 1.0]


def test_colours_say_the_direction() -> None:
    raises, lowers = bars(plot_reasons([ReasonBar("A", 6), ReasonBar("B", -3)]))
    assert np.allclose(raises.get_facecolor(), plt.matplotlib.colors.to_rgba(RED))
    assert np.allclose(lowers.get_facecolor(), plt.matplotlib.colors.to_rgba(BLUE))
