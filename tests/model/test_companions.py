"""The files beside a model: saved and loaded whole, and carried over to an updated model as far
as they are still true of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from crsrisk.data.files import gzipped, sha256_of
from crsrisk.errors import InputError
from crsrisk.model.booster_text import LARGEST_TEXT
from crsrisk.model.carry_over import carry_over
from crsrisk.model.companions import (
    BEDSIDE,
    FEWEST,
    REFITS,
    Companions,
    load_companions,
    reference_groups,
    save_companions,
)
from crsrisk.model.features import ModelConfig, build_features
from crsrisk.model.fit import fit
from crsrisk.model.predict import predict
from crsrisk.model.refits import covers, refit_interval, why_no_refits
from crsrisk.model.refitting import drawn_rows, make_refits
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import add_files, load_model, save_model
from crsrisk.model.update import METHODS, Method, Update, log_odds_of, update
from tests.toys import Toy


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


def test_nothing_is_kept_of_fewer_than_ten_patients(model: RiskModel, toy: Toy) -> None:
    """No product, word, yes or no, or quantile of them."""
    few = toy.observed.assign(patient_id=np.arange(len(toy.observed)))
    few.loc[few.index[:9], ["product", "platform"]] = ["rare_engager", "tce"]
    few.loc[few.index[9:21], ["product", "platform"]] = ["few_cells", "car_t"]
    few.loc[few.index[9:21], "has_infection"] = [True] * 9 + [False] * 3
    few.loc[few.index[9:12], "crp_mg_l"] = np.nan
    found = reference_groups(model, few)
    assert set(found) == {"few_cells", "toy_engager", "toy_immtac", "toy_ici"}
    cells = found["few_cells"]
    assert cells.n_patients == 12
    assert cells.seen["has_infection"] == []
    assert cells.typical["crp_mg_l"] is None
    assert (cells.low, cells.high) == ({}, {})


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
    file = place / REFITS
    content = file.read_bytes()
    file.write_bytes(content[:-200] if end == "cut" else content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(InputError, match="another hash"):
        load_companions(place, model=model)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{}", "no valid JSON .*no gzip"),
        (gzipped("{")[:-4], "no valid JSON .*cut short"),
        (gzipped("{"), "no valid JSON"),
        (gzipped("0" * (LARGEST_TEXT + 1)), "more than"),
        (gzipped("{}"), "no refit"),
    ],
)
def test_refits_that_are_none_are_refused_although_their_hash_fits(
    place: Path, model: RiskModel, content: bytes, says: str
) -> None:
    (place / REFITS).write_bytes(content)
    tree = json.loads((place / BEDSIDE).read_text(encoding="utf-8"))
    tree["refits_sha256"] = sha256_of(place / REFITS)
    (place / BEDSIDE).write_text(json.dumps(tree), encoding="utf-8")
    with pytest.raises(InputError, match=rf"{re.escape(REFITS)}, .*{says}"):
        load_companions(place, model=model)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"grade3plus": "../elsewhere"}, "grade3plus"),
        ({"grade3plus": "baseline"}, "crs_grade2plus"),
        ({"grade3plus": "nothing_there"}, "nothing_there: found no such file"),
        ({"model": "other-1"}, "model"),
        ({"more": 1}, "unknown key"),
    ],
)
def test_a_changed_bedside_file_is_refused(
    place: Path, model: RiskModel, change: dict[str, Any], says: str
) -> None:
    tree = {**json.loads((place / BEDSIDE).read_text(encoding="utf-8")), **change}
    add_files(place, {BEDSIDE: json.dumps(tree).encode()})
    with pytest.raises(InputError, match=says):
        load_companions(place, model=model)


N_REFITS = 5


@pytest.fixture(scope="module")
def beside(toy: Toy, model: RiskModel, config: ModelConfig) -> Companions:
    refits = make_refits(model, toy.observed, toy.outcomes, config=config, seed=1, n=N_REFITS)
    return Companions(reference_groups(model, toy.observed), refits)


@pytest.fixture(scope="module")
def hospital(toy_maker: Callable[..., Toy], model: RiskModel) -> tuple[pd.DataFrame, np.ndarray]:
    """Patients of another world: the model's log-odds halved and shifted are the truth there."""
    toy = toy_maker(1200, seed=21)
    risk = expit(0.8 + 0.5 * log_odds_of(model, toy.observed))
    return toy.observed, (np.random.default_rng(3).random(1200) < risk).astype(float)


def carried(
    model: RiskModel,
    beside: Companions,
    hospital: tuple,
    config: ModelConfig,
    *,
    method: Method,
    n: int,
) -> tuple[Update, Companions]:
    observed, y = hospital[0].head(n), hospital[1][:n]
    done = update(model, observed, y=y, method=method, config=config, seed=2)
    return done, carry_over(beside, done, observed=observed, y=y, config=config, seed=2)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_kept_belongs_to_the_updated_model(
    method: Method,
    model: RiskModel,
    beside: Companions,
    hospital: tuple,
    config: ModelConfig,
    tmp_path: Path,
) -> None:
    """It passes the checks of loading, the interval holds the estimate, and the same seed gives the
    same again.
    """
    done, kept = carried(model, beside, hospital, config, method=method, n=200)
    folder = save_model(done.model, tmp_path / "new")
    save_companions(folder, model=done.model, reference=kept.reference, refits=kept.refits)
    again = load_companions(folder, model=load_model(folder))
    assert set(again.reference) == set(kept.reference)
    if method == "offset boosting":
        assert again.refits is None
        assert "added trees" in why_no_refits(done.model)
        return
    assert again.refits is not None
    low, high = refit_interval(done.model, again.refits, hospital[0].tail(50))
    risk = predict(done.model, hospital[0].tail(50)).risk
    assert ((low <= risk) & (risk <= high)).all()
    assert (low < high).all()
    _, twice = carried(model, beside, hospital, config, method=method, n=200)
    assert twice.refits is not None
    np.testing.assert_array_equal(
        low, refit_interval(done.model, twice.refits, hospital[0].tail(50))[0]
    )


def test_none_changes_no_interval(
    model: RiskModel, beside: Companions, hospital: tuple, config: ModelConfig
) -> None:
    done, kept = carried(model, beside, hospital, config, method="none", n=200)
    rows = hospital[0].tail(30)
    assert kept.refits is not None
    assert beside.refits is not None
    old = refit_interval(model, beside.refits, rows)
    for end, before in zip(refit_interval(done.model, kept.refits, rows), old, strict=True):
        np.testing.assert_array_equal(end, before)


def test_few_patients_of_the_update_widen_the_interval(
    model: RiskModel, beside: Companions, hospital: tuple, config: ModelConfig
) -> None:
    """On the log-odds scale, at the mean patient: with 60 new patients wider than with 1,200, and
    wider than before.
    """
    rows = hospital[0].tail(100)
    width = {}
    for n in (60, 1200):
        done, kept = carried(model, beside, hospital, config, method="intercept", n=n)
        assert kept.refits is not None
        spread = kept.refits.log_odds(_table(done.model, rows))
        width[n] = spread.std(axis=0, ddof=1).mean()
    assert width[60] > width[1200]


def test_medians_of_a_handful_stand_nowhere(
    model: RiskModel, beside: Companions, hospital: tuple, config: ModelConfig
) -> None:
    observed, y = hospital[0].head(200).copy(), hospital[1][:200]
    observed["product"] = np.where(np.arange(200) < FEWEST - 1, "rare", "usual")
    done = update(model, observed, y=y, method="refit", config=config, seed=2)
    assert set(
        carry_over(beside, done, observed=observed, y=y, config=config, seed=2).reference
    ) == {"usual"}


def test_without_refits_before_there_are_none_after(
    model: RiskModel, beside: Companions, hospital: tuple, config: ModelConfig
) -> None:
    _, kept = carried(
        model, replace(beside, refits=None), hospital, config, method="intercept", n=100
    )
    assert kept.refits is None
    assert kept.reference == beside.reference


def test_a_sample_holds_both_outcomes() -> None:
    y_true = np.zeros(30, dtype=bool)
    y_true[0] = True  # a third of the samples lacks him
    for number in range(40):
        rows = drawn_rows(y_true, decision=f"refit {number}", seed=1)
        assert 0 < y_true[rows].sum() < 30


def test_every_method_says_what_its_interval_covers(model: RiskModel) -> None:
    said = {
        method: covers(20, model=replace(model, manifest={"update": {"method": method}}))
        for method in METHODS
        if method != "offset boosting"
    }
    assert all("20 resampled cohorts" in text and "hospitals" in text for text in said.values())
    assert "resampled patients of the update" in said["intercept"]
    assert "own patients" in said["refit"]
    assert "synthetic" not in "".join(said.values())
    simulated = replace(model, manifest={"training": "9 simulated patients"})
    assert "step from synthetic data to real patients" in covers(20, model=simulated)


def _table(model: RiskModel, rows: pd.DataFrame) -> np.ndarray:
    return build_features(rows, names=model.contract.feature_names).to_numpy(dtype=np.float64)
