"""The tab of regimens as its script works, without a page: lookups, differences, the file."""

from __future__ import annotations

from itertools import product as product_of
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.data.regimen_design import RegimenDesign, load_regimen_design
from crsrisk.data.regimen_grid import GridArm, PlannedDoses, Settings, grid_path, load_regimen_grid
from crsrisk.data.regimen_interpolation import SLIDERS, acting_doses, rates_between
from crsrisk.studies.regimen_grid import FIGURES, forecast_design
from crsrisk.studies.regimen_held_out import CHANGE
from tests.explorer.node import ask, needs_node

PLAN = RegimenDesign(product="tarlatamab").model_dump(
    exclude={"product", "regimen", "patients", "seed"}
)
PARTS = ("median", "low", "high")
needs_grid = pytest.mark.skipif(not grid_path().is_file(), reason="no grid ships")
DOSES: dict[str, Any] = {"times_h": [0.0, 168.0, 336.0], "amounts": [1.0, 10.0, 10.0], "unit": "ug",
         "window_h": 504.0}  # fmt: skip
ERRORS = {name: {"typical_per_100": 0.1, "largest_per_100": 1.0} for name in (*FIGURES, CHANGE)}


def arm(settings: dict[str, object], rates: list[int]) -> dict[str, object]:
    figure = {"median": 0.2, "low": 0.1, "high": 0.3, "mc_error": 0.01}
    return {
        "design": settings,
        "figures": {"crs_any": figure, "crs_grade2plus": figure, "crs_grade3plus": figure},
        "rates_per_mille": rates,
    }


@needs_node
def test_lookup_difference_threshold_and_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rates = rng.integers(0, 1000, (2, 257))
    other = {**PLAN, "first_dose_multiple": 2.0, "prophylaxis": ["tocilizumab"],
             "liver_metastases_share": 0.0}  # fmt: skip
    value = {"treated_per_100": 40.0, "averted_per_100": 6.0, "low": 1.0, "high": 9.0,
             "mc_error": 0.5, "needless_per_100": 30.0}  # fmt: skip
    grid = {
        "model": "m", "members": 257, "patients": 80, "seed": 7,
        "products": [{
            "product": "tarlatamab",
            "doses": DOSES, "liver_metastases_share": 0.4, "interpolation": {"errors": ERRORS},
            "arms": [arm(PLAN, rates[0].tolist()), arm(other, rates[1].tolist())],
            "changes": [{"thresholds": [{"percent": 10.0, **value}]}],
        }],
    }  # fmt: skip
    pair = {"first": PLAN, "second": other, "percent": 10.0, "harm": 0.05}
    absent = {**pair, "second": {**PLAN, "step_up": "none"}}
    job = {"kind": "regimens", "grid": grid, "product": "tarlatamab", "pairs": [pair, absent]}
    ((found, missing),) = ask([job])
    change = (rates[1] - rates[0]) / 1000.0
    told = found["difference"]
    assert [told["low"], told["median"], told["high"]] == np.quantile(
        change, [0.025, 0.5, 0.975]
    ).tolist()
    assert told["has_fewer"] == float((change < 0).mean())
    assert found["threshold"]["net_benefit_per_100"] == 6.0 - 0.05 * 40.0
    assert missing["difference"] is None
    place = tmp_path / "regimen.yaml"
    place.write_text(found["yaml"], encoding="utf-8")
    assert load_regimen_design(place) == RegimenDesign(
        product="tarlatamab", patients=80, seed=7, **other
    )


@needs_node
def test_a_change_starts_at_the_number_of_the_patient() -> None:
    """Of 0.3 with the event 40% keep it, of 0.7 without 10% come to it: 0.19, not 0.3."""
    change = {
        "averted_per_100": 10.0, "low": 5.0, "high": 20.0,
        "bands": [
            {"below": 0.2, "n_with_event": 50, "n_without": 450, "kept": 0.5, "caused": 0.0},
            {"below": None, "n_with_event": 400, "n_without": 600, "kept": 0.4, "caused": 0.1},
        ],
    }  # fmt: skip
    ((low, high),) = ask([{"kind": "changes", "change": change, "risks": [0.1, 0.3]}])
    assert low["value"] == pytest.approx(-0.05)
    assert high["value"] == pytest.approx(0.3 * 0.4 + 0.7 * 0.1 - 0.3)
    assert [high["low"], high["high"]] == pytest.approx([-0.22, -0.055])  # as 20 and 5 are to 10
    error = np.sqrt(0.09 * 0.4 * 0.6 / 400 + 0.49 * 0.1 * 0.9 / 600)
    assert high["mc_error"] == pytest.approx(error)


@needs_node
@needs_grid
def test_the_file_of_every_setting_that_ships_is_its_design(tmp_path: Path) -> None:
    grid = load_regimen_grid()
    assert grid is not None
    product = next(one for one in grid.products if one.product == "tarlatamab")
    pairs = [
        {"first": PLAN, "second": each.design, "percent": 10.0, "harm": 0.0}
        for each in product.arms
    ]
    tree = grid.model_copy(update={"products": [product]}).model_dump()
    (answers,) = ask([{"kind": "regimens", "grid": tree, "product": "tarlatamab", "pairs": pairs}])
    place = tmp_path / "regimen.yaml"
    for each, answer in zip(product.arms, answers, strict=True):
        assert answer["arms"][1]["rates_per_mille"] == each.rates_per_mille
        shown = answer["shown"]
        assert (shown["figures"], shown["off_per_100"]) == (each.model_dump()["figures"], 0)
        place.write_text(answer["yaml"], encoding="utf-8")
        assert load_regimen_design(place) == RegimenDesign(
            product="tarlatamab", patients=grid.patients, seed=grid.seed, **each.design
        )


@needs_node
@needs_grid
def test_between_settings_the_page_says_what_python_says_within_the_stated_error() -> None:
    """Settings held out: interpolated alike in both engines, and off from what was simulated by no
    more than the grid says; one of them is off by just that.
    """
    grid = load_regimen_grid()
    assert grid is not None
    jobs = [
        {
            "kind": "between",
            "product": product.model_dump(),
            "grid": {},
            "designs": [each.design for each in product.interpolation.held_out],
        }
        for product in grid.products
    ]
    for product, answers in zip(grid.products, ask(jobs), strict=True):
        off: dict[str, list[float]] = {name: [] for name in FIGURES}
        for each, answer in zip(product.interpolation.held_out, answers, strict=True):
            found = rates_between(product, each.design)
            assert found is not None
            assert answer["members"] == pytest.approx(found.members.tolist(), abs=1e-12)
            for name in FIGURES:
                told, simulated = answer["figures"][name], each.figures[name].model_dump()
                parts = [told[part] for part in PARTS]
                assert parts == pytest.approx(found.figures[name], abs=1e-12)
                off[name].append(max(abs(told[part] - simulated[part]) for part in PARTS) * 100.0)
                shown = answer["shown"]["figures"][name]
                assert shown["low"] <= simulated["low"] + 1e-5
                assert shown["high"] >= simulated["high"] - 1e-5
        for name in FIGURES:
            stated = product.interpolation.errors[name]
            assert max(off[name]) == pytest.approx(stated.largest_per_100, abs=0.001)
            assert np.median(off[name]) == pytest.approx(stated.typical_per_100, abs=0.001)
            assert stated.largest_per_100 <= grid.most_error_per_100


@given(
    log_odds=st.lists(st.floats(-6.0, 6.0), min_size=8, max_size=8),
    dose=st.floats(0.5, 2.0),
    interval=st.floats(1.0, 2.0),
    share=st.floats(0.0, 1.0),
)
def test_between_means_between(
    log_odds: list[float], dose: float, interval: float, share: float
) -> None:
    """Between simulated settings nothing is less than the least of them, or more than the most; at
    one of them it is that one.
    """
    corners = list(product_of((0.5, 2.0), (1.0, 2.0), (0.0, 1.0)))
    rates = [round(1000.0 / (1.0 + np.exp(-one))) for one in log_odds]
    arms = [
        GridArm.model_validate(arm({**PLAN, **dict(zip(SLIDERS, corner, strict=True))}, [rate]))
        for corner, rate in zip(corners, rates, strict=True)
    ]
    settings = Settings(product="tarlatamab", doses=PlannedDoses(**DOSES), arms=arms)
    asked = {**PLAN, **dict(zip(SLIDERS, (dose, interval, share), strict=True))}
    found = rates_between(settings, asked)
    assert found is not None
    assert min(rates) - 1e-9 <= 1000.0 * found.members[0] <= max(rates) + 1e-9
    for one in arms:
        at = rates_between(settings, one.design)
        assert at is not None
        assert 1000.0 * at.members[0] == pytest.approx(one.rates_per_mille[0], abs=1e-9)
    assert rates_between(settings, {**asked, "first_dose_multiple": 2.1}) is None
    assert rates_between(settings, {**asked, "step_up": "none"}) is None


def test_a_longer_interval_acts_by_the_doses_that_can_still_act() -> None:
    doses = PlannedDoses(**DOSES)
    at = [acting_doses(doses, multiple) for multiple in (1.0, 1.4, 1.5, 2.0)]
    assert at == [3.0, 3.0, 2.0, 2.0]
    assert acting_doses(doses, 492.0 / 336.0) == pytest.approx(2.5)


@pytest.mark.slow
@needs_node
@needs_grid
@pytest.mark.parametrize(
    ("product", "changed"),
    [
        ("tarlatamab", {"first_dose_multiple": 1.4, "interval_multiple": 1.3}),
        ("tebentafusp", {"prophylaxis": ["tocilizumab"], "interval_multiple": 1.45}),
        ("cldn182_car_t", {"first_dose_multiple": 0.7, "liver_metastases_share": 0.65}),
        ("checkpoint_inhibitor", {"liver_metastases_share": 0.5}),
    ],
)
def test_the_file_of_a_setting_between_gives_the_forecast_within_the_stated_error(
    product: str, changed: dict[str, Any], tmp_path: Path
) -> None:
    """None of these was held out; the page says the error in whole patients, rounded up."""
    grid = load_regimen_grid()
    assert grid is not None
    one = next(each for each in grid.products if each.product == product)
    design = {**PLAN, **changed}
    job = {
        "kind": "between",
        "product": one.model_dump(),
        "grid": {"patients": grid.patients, "seed": grid.seed},
        "designs": [design],
    }
    ((page,),) = ask([job])
    place = tmp_path / "regimen.yaml"
    place.write_text(page["yaml"], encoding="utf-8")
    made = forecast_design(load_regimen_design(place), workers=2)[product]
    within = np.ceil(page["shown"]["off_per_100"]) / 100.0
    assert 0.0 < within <= 0.03
    for name in FIGURES:
        simulated = made.metric(name).predictive
        assert page["figures"][name]["median"] == pytest.approx(simulated.value, abs=within)
        assert page["figures"][name]["low"] == pytest.approx(simulated.low, abs=within)
        assert page["figures"][name]["high"] == pytest.approx(simulated.high, abs=within)
        assert page["shown"]["figures"][name]["low"] <= page["figures"][name]["low"]
