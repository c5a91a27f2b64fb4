"""A forecast on the terminal: every figure, what was published, and what it rests on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crsrisk.studies.forecast import ASKED, Forecast, forecast
from crsrisk.studies.forecast_tables import (
    class_table,
    figures_table,
    neighbour_table,
    own_table,
    print_forecast,
)
from crsrisk.terminal import TextTable
from tests.simulation.people import product_of, world_of
from tests.uncertainty.few_members import few_members


@pytest.fixture(scope="module")
def made() -> Forecast:
    mine = product_of("acapatamab").model_copy(update={"name": "mine"})
    return forecast(
        [product_of("tarlatamab"), mine],
        trial_size=40,
        n_patients=48,
        ensemble=few_members(),
        world=world_of(),
    )


def shown(made: Forecast, capsys: pytest.CaptureFixture[str]) -> str:
    print_forecast(made)
    return capsys.readouterr().out


def width(told: TextTable) -> int:
    columns = zip(told.columns, *told.rows, strict=True)
    return sum(max(map(len, column)) for column in columns) + 3 * len(told.columns) + 1


def test_every_figure_has_its_intervals(made: Forecast) -> None:
    told = figures_table(made["tarlatamab"])
    assert [cells[0] for cells in told.rows] == [
        "any grade",
        "grade 1",
        "grade 2",
        "grade >= 2",
        "grade >= 3",
        "median onset",
        "median duration",
    ]
    for cells, name in zip(told.rows, ASKED, strict=True):
        figure = made["tarlatamab"].metric(name)
        assert all(" to " in cell for cell in cells[2:])
        unit = {"onset_median_h": " h", "duration_median_d": " d"}.get(name, "%")
        assert cells[1].endswith(unit)
        number = float(cells[1].removesuffix(unit))
        factor = 100.0 if unit == "%" else 1.0
        assert number == pytest.approx(factor * figure.predictive.value, rel=0.01, abs=0.05)


def test_tables_fit_a_terminal_of_100_columns(made: Forecast) -> None:
    for row in made.products:
        assert width(figures_table(row)) <= 100
        assert width(class_table("engagers", row.beside.of_class)) <= 100
    assert width(own_table(made["tarlatamab"].beside.own)) <= 100


def test_own_figures_with_what_was_forecast_without_them(made: Forecast) -> None:
    own = made["tarlatamab"].beside.own
    assert own_table(own).columns == ("CRS", "source", "published")
    first = replace(own[0], left_out=(0.4, 0.1, 0.8))
    told = own_table([first, *own[1:]])
    assert told.columns[-1] == "forecast without it (95%)"
    assert told.rows[0][-1] == "40.0% (10.0% to 80.0%)"
    assert told.rows[1][-1] == "–"


def test_recalled_figures_and_other_events_are_marked(made: Forecast) -> None:
    beside = made["mine"].beside.of_class
    told = class_table("engagers", beside)
    marked = {cells[0] for cells in told.rows if any("†" in cell for cell in cells)}
    assert marked == {one.product for one in beside if not one.verified}
    noted = {cells[0] for cells in told.rows if any("‡" in cell for cell in cells)}
    assert noted == {one.product for one in beside if one.note}


def test_neighbours_say_on_what_they_are_near(made: Forecast) -> None:
    told = neighbour_table(made["mine"].beside.neighbours)
    assert told.rows[0][:2] == ("acapatamab", "0.0")
    assert told.rows[0][3] == "–"


def test_what_is_printed(made: Forecast, capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(made, capsys)
    told = " ".join(out.split())
    assert out.count("Published of the product itself") == 1, "of the new one nothing was"
    assert out.count("Published of the class: engagers") == 1, "once for both"
    assert out.count("Nearest products") == 2
    assert "a trial of 40 patients" in told
    assert "chance in 40 patients" in told
    assert "No figure of the product itself was fitted." in told
    assert "crsrisk evidence cross-validation" in told
    assert "no external validation" in told


def test_without_a_trial_size_no_chance_is_claimed(capsys: pytest.CaptureFixture[str]) -> None:
    plain = forecast(
        product_of("checkpoint_inhibitor"),
        n_patients=16,
        n_patients_rare=160,
        ensemble=few_members(),
        world=world_of(),
    )
    told = " ".join(shown(plain, capsys).split())
    assert "chance in" not in told
    assert "Nearest products" not in told
    assert "Published of the class" not in told
