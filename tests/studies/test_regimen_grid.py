"""The grid of regimens: every setting is the forecast of its design, and what is averted counts up
from the same futures.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crsrisk.data.ensemble import load_ensemble
from crsrisk.data.regimen_design import RegimenDesign
from crsrisk.data.regimen_grid import RegimenGrid, grid_path, load_regimen_grid
from crsrisk.data.world import load_world
from crsrisk.data.world_files import load_product
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.folders import names
from crsrisk.model.risk_model import risk_digest
from crsrisk.model.store import load_model
from crsrisk.studies.regimen_grid import (
    FIGURES,
    RegimenGridConfig,
    designs_of,
    forecast_design,
    run_regimen_grid,
)

EXPERIMENT = Path(__file__).parents[2] / "experiments" / "016_regimen_grid" / "experiment.yaml"
SMALL = """\
kind: regimen_grid
name: small
question: "Does it count?"
model: baseline-0.1.0
products: [tarlatamab]
seed: 3
patients: 16
each: 30
first_dose_multiples: [1.0, 2.0]
interval_multiples: [1.0]
liver_metastases_shares: [null]
prophylaxis: [[], [tocilizumab]]
held_out: 2
most_error_per_100: 3.0
thresholds_percent: [0.0, 15.0, 100.0]
bands: 2
"""


def silent(title: str, total: int) -> Callable[[int], None]:
    return lambda n: None


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> RegimenGrid:
    folder = tmp_path_factory.mktemp("grid")
    (folder / "experiment.yaml").write_text(SMALL, encoding="utf-8")
    few = load_ensemble().head(12)
    return run_regimen_grid(folder, begin=silent, ensemble=few, workers=2).grid


def test_a_setting_is_the_forecast_of_its_design(small: RegimenGrid) -> None:
    """Step-up, first dose, premedication and prophylaxis: 2 x 2 x 2 x 2."""
    (product,) = small.products
    assert len(product.arms) == 16
    arm = product.arms[-1]
    design = RegimenDesign(product="tarlatamab", patients=16, seed=3, **arm.design)
    assert design.first_dose_multiple == 2.0
    told = forecast_design(design, ensemble=load_ensemble().head(12))["tarlatamab"]
    for name in FIGURES:
        interval = told.metric(name).predictive
        assert arm.figures[name].median == round(interval.value, 4)
        assert arm.figures[name].low == round(interval.low or math.nan, 4)
    assert len(arm.rates_per_mille) == 12


def test_bands_and_thresholds_count_up_to_the_whole(small: RegimenGrid) -> None:
    (product,) = small.products
    labels = [change.label for change in product.changes]
    assert "Tocilizumab before the first dose" in labels
    for change in product.changes:
        everybody, _, nobody = change.thresholds
        assert everybody.treated_per_100 == 100.0
        assert everybody.averted_per_100 == change.averted_per_100
        assert (nobody.treated_per_100, nobody.averted_per_100) == (0.0, 0.0)
        assert change.averted_per_100 == pytest.approx(
            change.usual_per_100 - change.changed_per_100, abs=0.002
        )
        n = sum(band.n_with_event + band.n_without for band in change.bands)
        with_it = sum(
            band.n_with_event * (band.kept or 0.0) + band.n_without * (band.caused or 0.0)
            for band in change.bands
        )
        assert 100.0 * with_it / n == pytest.approx(change.changed_per_100, abs=0.01)
        assert change.low <= change.averted_per_100 + 3 * change.mc_error


def test_designs_ask_only_what_a_product_has() -> None:
    config = build(RegimenGridConfig, read_yaml(EXPERIMENT), where="experiment.yaml")
    cells = list(designs_of(load_product("gpc3_car_t"), config))
    assert {(one.step_up, one.interval_multiple, one.premedication) for one in cells} == {
        ("as_planned", 1.0, "as_planned")
    }
    checkpoint = list(designs_of(load_product("checkpoint_inhibitor"), config))
    assert {(one.first_dose_multiple, tuple(one.prophylaxis)) for one in checkpoint} == {(1.0, ())}
    engager = list(designs_of(load_product("tarlatamab"), config))
    assert not any("dexamethasone" in one.prophylaxis for one in engager)  # its regimen gives it
    assert len({one.model_dump_json() for one in engager}) == len(engager) == 216


@pytest.mark.skipif(not grid_path().is_file(), reason="no grid ships")
def test_the_grid_that_ships_is_of_the_model_that_ships() -> None:
    """A release made again keeps its name; who is treated at a threshold follows its risks."""
    grid = load_regimen_grid()
    assert grid is not None
    assert grid.model_sha256 == risk_digest(load_model(grid.model))


@pytest.mark.slow
@pytest.mark.skipif(not grid_path().is_file(), reason="no grid ships")
def test_the_grid_that_ships_is_of_this_world_and_reproduced_by_the_command() -> None:
    grid = load_regimen_grid()
    assert grid is not None
    assert grid.is_of(load_world(), load_ensemble())
    assert [one.product for one in grid.products] == list(names("products"))
    rng = np.random.default_rng(5)
    for product in grid.products:  # the digests are not of product files
        arm = product.arms[rng.integers(len(product.arms))]
        design = RegimenDesign(
            product=product.product, patients=grid.patients, seed=grid.seed, **arm.design
        )
        told = forecast_design(design, workers=2)[product.product]
        assert {name: figure.median for name, figure in arm.figures.items()} == {
            name: round(told.metric(name).predictive.value, 4) for name in FIGURES
        }, product.product
