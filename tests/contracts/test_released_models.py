"""The released models that ship: whole, small, explained at the bedside, and scoring patients of
today's simulator.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crsrisk.data.world_files import all_products
from crsrisk.errors import InputError
from crsrisk.folders import find, names
from crsrisk.model.companions import load_companions
from crsrisk.model.landmark import landmark_table
from crsrisk.model.predict import predict
from crsrisk.model.release import MOST_BYTES as MOST_BYTES_OF_ONE
from crsrisk.model.store import load_model
from crsrisk.simulation.cohort import simulate_cohort
from crsrisk.studies.predict import ScoredTable, score_table
from tests.simulation.people import arm_of, world_of

RELEASED = sorted(names("released"))
# together, in the repository: every remaking stays in the history of a clone
MOST_BYTES = 12_000_000


def test_a_baseline_and_a_24_h_model_ship() -> None:
    assert {name.rpartition("-")[0] for name in RELEASED} >= {"baseline", "landmark_24h"}


def test_all_together_are_small() -> None:
    sizes = {
        name: sum(path.stat().st_size for path in find("released", name).iterdir())
        for name in RELEASED
    }
    assert sum(sizes.values()) <= MOST_BYTES, sizes
    assert max(sizes.values()) <= MOST_BYTES_OF_ONE, sizes


@pytest.mark.parametrize("name", RELEASED)
def test_a_released_model_is_whole_and_of_today(name: str) -> None:
    """Every hash and every tree is checked in loading; what intervals need is there; it knows the
    products that ship.
    """
    folder = find("released", name)
    model = load_model(folder)
    assert model.label == name
    beside = load_companions(folder, model=model)
    assert beside.refits is not None
    assert len(beside.refits) >= 20
    assert set(beside.reference) == set(model.contract.products) == set(all_products())


@pytest.mark.parametrize("name", RELEASED)
def test_a_released_model_scores_fresh_patients(name: str) -> None:
    """Mean risk of 600 fresh patients agrees with their event rate: z of the difference below 4
    (one seed in 15,000).
    """
    model = load_model(find("released", name))
    cohort = simulate_cohort(
        [arm_of("tarlatamab"), arm_of("cldn182_car_t")], world=world_of(), n_patients=600, seed=987
    )
    known = cohort.observed
    if model.contract.landmark_h:
        known = landmark_table(cohort.observed, cohort.course, hour=model.contract.landmark_h)
    risk = predict(model, known).risk
    event = cohort.outcomes.loc[known.index, model.contract.outcome].to_numpy(dtype=float)
    assert abs(float((event - risk).sum())) < 4.0 * float(np.sqrt((risk * (1.0 - risk)).sum()))


def test_the_landmark_model_scores_a_table_from_a_file(tmp_path: Path) -> None:
    """As in Python; somebody who had grade 2 by then is refused, since nothing is left to
    predict.
    """
    name = next(name for name in RELEASED if name.startswith("landmark_24h"))
    cohort = simulate_cohort([arm_of("tarlatamab")], world=world_of(), n_patients=30, seed=5)
    known = landmark_table(cohort.observed, cohort.course, hour=24)
    known.to_csv(tmp_path / "known.csv", index=False)

    def score(path: Path) -> ScoredTable:
        return score_table(
            find("released", name),
            path,
            strict=False,
        )

    scored = score(tmp_path / "known.csv")
    expected = predict(load_model(find("released", name)), known).risk
    assert scored.rows["risk"].to_numpy() == pytest.approx(expected, abs=1e-9)
    known.iloc[:1].assign(grade__max__h24=2.0).to_csv(tmp_path / "gone.csv", index=False)
    problem = score(tmp_path / "gone.csv").refusal()
    assert isinstance(problem, InputError)
    assert "still at risk" in str(problem)
