"""The explorer's page is made of the models it is given, or refused with the reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crsrisk.errors import InputError
from crsrisk.model.forest import forest_of
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import save_model
from crsrisk.report import explorer
from crsrisk.report.explorer import PackedPair
from crsrisk.studies.explorer import forest_arrays, model_pair, write_explorer


def test_a_model_without_anything_beside_it_has_a_place_too(model: RiskModel) -> None:
    pair = model_pair(model)
    assert pair.grade3plus is None
    page = pair.grade2plus
    assert (page.refits, page.worlds, page.covers, page.reference) == (None, None, {}, {})
    assert page.contract == model.contract
    assert page.labels["crp_mg_l"].unit == "mg/L"


def test_trees_are_those_of_the_forest(model: RiskModel) -> None:
    arrays, forest = forest_arrays(model), forest_of(model.booster_text)
    thresholds = [np.inf if value is None else value for value in arrays.threshold]
    assert thresholds == forest.nodes["threshold"].tolist()
    assert arrays.leaf == forest.leaf_value.tolist()


def test_the_same_model_gives_the_same_bytes(model: RiskModel) -> None:
    one, other = (PackedPair.of(model_pair(model), key="model-0") for _ in range(2))
    assert one == other
    assert one.entry.label == model.label


def test_published_indices_are_refused(model: RiskModel) -> None:
    first, *others = model.contract.features
    features = (first.model_copy(update={"name": "easix"}), *others)
    with pytest.raises(InputError, match="easix"):
        forest_arrays(
            replace(model, contract=model.contract.model_copy(update={"features": features}))
        )


def test_two_models_of_one_hour_are_refused(model: RiskModel, tmp_path: Path) -> None:
    save_model(model, tmp_path / "one")
    page = tmp_path / "page.html"
    with pytest.raises(InputError, match="two models of the same hour"):
        write_explorer(page, models=[tmp_path / "one", tmp_path / "one"])
    assert not page.exists()


def test_json_in_a_script_element_cannot_end_it() -> None:
    assert "<" not in explorer.in_script('{"label": "</script><script>"}')
