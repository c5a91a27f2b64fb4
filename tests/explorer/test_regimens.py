"""The tab of regimens as its script works, without a page: lookups, differences, the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crsrisk.data.regimen_design import RegimenDesign, load_regimen_design
from crsrisk.data.regimen_grid import grid_path, load_regimen_grid
from tests.explorer.node import ask, needs_node

PLAN = RegimenDesign(product="tarlatamab").model_dump(
    exclude={"product", "regimen", "patients", "seed"}
)


def arm(settings: dict[str, object], rates: list[int]) -> dict[str, object]:
    figure = {"median": 0.2, "low": 0.1, "high": 0.3, "mc_error": 0.01}
    return {
        "design": settings,
        "doses_in_window": 3,
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
@pytest.mark.skipif(not grid_path().is_file(), reason="no grid ships")
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
        place.write_text(answer["yaml"], encoding="utf-8")
        assert load_regimen_design(place) == RegimenDesign(
            product="tarlatamab", patients=grid.patients, seed=grid.seed, **each.design
        )
