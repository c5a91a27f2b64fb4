"""What stands beside a model: medians and ranges that say nothing of a single patient, and files
that are what they were.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crsrisk.data.risk_model import RiskModel
from crsrisk.errors import InputError
from crsrisk.model.companions import load_companions, reference_groups, save_companions
from crsrisk.model.features import ModelConfig
from crsrisk.model.fit import fit
from crsrisk.model.predict import predict
from crsrisk.model.refits import make_refits
from crsrisk.model.store import save_model

Toy = Any


@pytest.fixture(scope="module")
def severe(toy: Toy, config: ModelConfig) -> RiskModel:
    other = config.model_copy(update={"name": "grade3plus", "outcome": "crs_grade3plus"})
    return fit(toy.observed, toy.outcomes, config=other, seed=7)


@pytest.fixture
def place(
    tmp_path: Path, model: RiskModel, severe: RiskModel, toy: Toy, config: ModelConfig
) -> Path:
    """Two model folders side by side with everything."""
    for name, one in (("baseline", model), ("grade3plus", severe)):
        save_model(one, tmp_path / name)
        own = config.model_copy(update={"name": one.contract.name, "outcome": one.contract.outcome})
        refits = make_refits(one, toy.observed, toy.outcomes, config=own, seed=1, n=2)
        save_companions(
            tmp_path / name,
            model=one,
            reference=reference_groups(one, toy.observed),
            refits=refits,
            grade3plus="grade3plus" if name == "baseline" else None,
        )
    return tmp_path / "baseline"


def test_reference_is_the_median_patient_of_each_product(model: RiskModel, toy: Toy) -> None:
    found = reference_groups(model, toy.observed)
    assert set(found) == {"toy_engager", "toy_immtac", "toy_ici"}
    rows = toy.observed[toy.observed["product"] == "toy_immtac"]
    one = found["toy_immtac"]
    assert one.n_patients == len(rows)
    assert one.typical["crp_mg_l"] == pytest.approx(rows["crp_mg_l"].median(), rel=0.01)
    assert one.typical["has_liver_metastases"] is bool(rows["has_liver_metastases"].mean() >= 0.5)
    assert (one.typical["product"], one.seen["platform"]) == ("toy_immtac", ["immtac"])
    assert one.low["crp_mg_l"] < one.typical["crp_mg_l"] < one.high["crp_mg_l"]
    assert one.seen["is_stepped_up"] == [False, True]


def test_round_trip(place: Path, model: RiskModel, severe: RiskModel, fresh_toy: Toy) -> None:
    found = load_companions(place, model=model)
    assert found.refits is not None
    assert found.grade3plus is not None
    assert found.grade3plus_refits is not None
    assert (len(found.refits), found.grade3plus_refits.model) == (2, severe.label)
    rows = fresh_toy.observed.head(20)
    assert predict(found.grade3plus, rows).risk.tolist() == predict(severe, rows).risk.tolist()


def test_a_model_alone_has_nothing_beside_it(tmp_path: Path, model: RiskModel) -> None:
    found = load_companions(save_model(model, tmp_path / "alone"), model=model)
    assert (found.refits, found.grade3plus, dict(found.reference)) == (None, None, {})


@pytest.mark.parametrize("end", ["cut", "changed"])
def test_changed_refits_are_refused(place: Path, model: RiskModel, end: str) -> None:
    file = place / "refits.json"
    text = file.read_text(encoding="utf-8")
    file.write_text(text[:-200] if end == "cut" else text.replace("1", "2", 1), encoding="utf-8")
    with pytest.raises(InputError, match="another hash"):
        load_companions(place, model=model)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"grade3plus": "../elsewhere"}, "grade3plus"),
        ({"grade3plus": "baseline"}, "crs_grade2plus"),
        ({"grade3plus": "nothing_there"}, "file of a model"),
        ({"model": "other-1"}, "model"),
        ({"more": 1}, "unknown key"),
    ],
)
def test_a_changed_bedside_file_is_refused(
    place: Path, model: RiskModel, change: dict[str, Any], says: str
) -> None:
    file = place / "bedside.json"
    file.write_text(
        json.dumps({**json.loads(file.read_text(encoding="utf-8")), **change}), encoding="utf-8"
    )
    with pytest.raises(InputError, match=says):
        load_companions(place, model=model)
