"""Charts of trial designs: bounds at their looks, power over what is assumed."""

from __future__ import annotations

from crsrisk.plots.chart_data import Boundaries, BoundaryLook, PowerCurve, PowerPanel
from crsrisk.plots.descriptions import describe_boundaries, describe_power
from crsrisk.plots.trial_charts import MOST_Z, plot_boundaries, plot_power


def look(n: int, upper: float | None, lower: float | None) -> BoundaryLook:
    return BoundaryLook(n, upper, lower, 0.4, 0.1, 0.01, 0.5)


def test_bounds_stand_at_their_looks_with_their_numbers() -> None:
    design = Boundaries("Two looks", False, [look(80, 2.797, None), look(160, 2.0, 0.5)])
    ax = plot_boundaries(design)
    upper, lower = ax.lines
    assert (list(upper.get_xdata()), list(upper.get_ydata())) == ([80, 160], [2.797, 2.0])
    assert (list(lower.get_xdata()), list(lower.get_ydata())) == ([160], [0.5])
    told = [text.get_text() for text in ax.texts]
    assert {"2.80", "2.00", "0.50", "40.0 / 10.0", "1.0 / 50.0"} <= set(told)
    assert ax.get_title(loc="left") == "Two looks"
    assert describe_boundaries(design) == (
        "80 patients: benefit from 2.797; 160 patients: benefit from 2 and futility below 0.5"
    )


def test_a_bound_off_the_scale_keeps_its_number() -> None:
    ax = plot_boundaries(Boundaries("x", False, [look(10, 9.25, None), look(20, 2.0, None)]))
    assert "9.25" in [text.get_text() for text in ax.texts]
    assert max(ax.lines[0].get_ydata()) == MOST_Z


def test_counts_have_no_decimals() -> None:
    ax = plot_boundaries(Boundaries("x", True, [look(20, None, 14), look(43, 31, 30)]))
    assert {"14", "31", "30"} <= {text.get_text() for text in ax.texts}
    assert ax.get_ylabel() == "Patients without the event"
    assert ax.get_ylim() == (0, 43)


def test_power_has_a_line_a_threshold_and_the_power_asked_for() -> None:
    curves = [PowerCurve("everybody", [0.4, 0.6], [0.7, 0.6]), PowerCurve("0.3", [0.4], [0.9])]
    ax = plot_power(PowerPanel(0.25, 0.8, curves))
    wanted, *lines = ax.lines
    assert set(wanted.get_ydata()) == {0.8}
    assert [list(line.get_ydata()) for line in lines] == [[0.7, 0.6], [0.9]]
    assert describe_power(PowerPanel(0.25, 0.8, curves)).startswith(
        "everybody: 0.70 at 0.4, 0.60 at 0.6; 0.3: "
    )
