"""Charts of forecasts: the axes carry intervals, medians, rivals, and what was published."""

from __future__ import annotations

from matplotlib.axes import Axes

from crsrisk.plots.chart_data import Axis, ForecastMark, Forecasts
from crsrisk.plots.forecast_charts import INSIDE, OUTSIDE, plot_forecasts
from crsrisk.plots.style import PAPER
from crsrisk.plots.svg import to_svg

SHARE = Axis("Patients of 100", 0.0, 1.0, 100.0)
ROWS = [
    ForecastMark("A", 0.4, (0.3, 0.5), (0.1, 0.7), published=0.8, rivals=(0.5, None)),
    ForecastMark("B", 0.2, (0.1, 0.3), (0.0, 0.5), published=0.25, is_verified=False),
    ForecastMark("C", 0.6, (0.5, 0.7), (0.4, 0.9)),
]
DATA = Forecasts(SHARE, ROWS, "Three rows.", rivals=("class", "regression"))


def spans(ax: Axes) -> list[tuple[float, ...]]:
    return [tuple(line.get_xdata()) for line in ax.lines]


def test_intervals_medians_and_rivals_stand_where_they_were_given() -> None:
    drawn = spans(plot_forecasts(DATA))
    for row in ROWS:
        assert row.interval_50 in drawn
        assert row.interval_95 in drawn
        assert (row.median, row.median) in drawn
    assert (0.5,) in drawn, "the rival that has a forecast"
    assert len([span for span in drawn if len(span) == 1]) == 3, "one rival, two published"


def test_published_inside_outside_and_recalled() -> None:
    ax = plot_forecasts(DATA, title="A title")
    marks = {line.get_xdata()[0]: line for line in ax.lines if len(line.get_xdata()) == 1}
    assert marks[0.8].get_marker() == OUTSIDE["marker"]
    assert marks[0.25].get_marker() == INSIDE["marker"]
    assert marks[0.25].get_markerfacecolor() == PAPER
    assert marks[0.8].get_markerfacecolor() != PAPER
    assert [text.get_text() for text in ax.texts] == ["80", "25"]


def test_the_legend_names_what_is_there() -> None:
    def named(data: Forecasts) -> list[str]:
        ax = plot_forecasts(data)
        legends = [part for part in ax.get_children() if type(part).__name__ == "Legend"]
        return sorted({text.get_text() for part in legends for text in part.get_texts()})

    assert named(DATA) == [
        "class",
        "outside",
        "published, inside",
        "recalled",
        "regression",
    ]
    assert named(Forecasts(SHARE, ROWS[2:], "One row.")) == []


def test_it_becomes_a_chart_of_a_page() -> None:
    svg = to_svg(lambda: plot_forecasts(DATA), key="k", title="T", description=DATA.description)
    assert "var(--red)" in svg
    assert svg == to_svg(
        lambda: plot_forecasts(DATA), key="k", title="T", description=DATA.description
    )
