"""Grading systems: the published scales branch by branch, that more signs never lower a grade, and
free texts.
"""

from __future__ import annotations

from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from crsrisk.biology.grading import astct_grade as astct_of_the_ward
from crsrisk.data.grading_systems import (
    GRADERS,
    Agreement,
    GradingSystem,
    Signs,
    agree,
    episode_grades,
    system_of,
    transaminase_grade,
    weighted_kappa,
)
from crsrisk.data.yaml_files import read_yaml
from crsrisk.errors import InputError
from crsrisk.results import Estimate, NotEstimable
from tests.biology.plain_python import plain

ROOT = Path(__file__).resolve().parents[2]
KNOWN = read_yaml(ROOT / "tests" / "known" / "grading_systems.yaml")
ROWS = [(GradingSystem(name), row) for name, table in KNOWN.items() for row in table["rows"]]
RISING: dict[str, tuple[Any, ...]] = {  # a value of every sign, and one that is worse
    **{field.name: (False, True) for field in fields(Signs)},
    "n_vasopressors": (0, 1, 2, 3),
    "vasopressor_h": (0.0, 23.0, 24.0, 50.0),
    "oxygen_device": (0, 1, 2, 3, 4),
    "alt_x_uln": (0.5, 2.0, 4.0, 10.0, 30.0),
    "creatinine_x_uln": (0.5, 1.2, 2.0, 4.0, 8.0),
    "organ_toxicity_grade": (0, 1, 2, 3, 4),
}
some_signs = st.fixed_dictionaries(
    {name: st.sampled_from(values) for name, values in RISING.items()}
)
systems = st.sampled_from(GradingSystem)


def grade(system: GradingSystem, **signs: Any) -> int:
    return int(GRADERS[system](Signs(**({"has_crs": False} | signs))))


# --- truth tables ---


@pytest.mark.parametrize(
    ("system", "row"), ROWS, ids=[f"{system}: {row['says']}" for system, row in ROWS]
)
def test_published_scale(system: GradingSystem, row: dict[str, Any]) -> None:
    assert grade(system, **row["signs"]) == row["grade"]


@pytest.mark.parametrize("system", GradingSystem)
def test_a_table_holds_every_grade_and_every_sign_that_its_system_reads(
    system: GradingSystem,
) -> None:
    table = KNOWN[system.value]
    assert {row["grade"] for row in table["rows"]} == set(range(6))
    assert len(table["source"]) > 60
    named = {sign for row in table["rows"] for sign in row["signs"]}
    graded = {
        name: {grade(system, **{"has_crs": True, name: value}) for value in values}
        for name, values in RISING.items()
    }
    read = {name for name, found in graded.items() if len(found) > 1}
    assert read <= named


def test_a_table_of_arrays_is_graded_at_once() -> None:
    for system in GradingSystem:
        rows = [row for one, row in ROWS if one is system]
        columns = {
            name: np.array(
                [row["signs"].get(name, values[0] if name != "alt_x_uln" else 0.0) for row in rows]
            )
            for name, values in RISING.items()
        }
        found = GRADERS[system](Signs(**columns))
        assert found.dtype == np.int64
        assert found.tolist() == [row["grade"] for row in rows]


def test_a_laboratory_value_that_was_not_measured_counts_nothing() -> None:
    assert transaminase_grade([np.nan]).tolist() == [0]
    for system in GradingSystem:
        assert grade(system, has_crs=True, alt_x_uln=np.nan, creatinine_x_uln=np.nan) == 1


def test_astct_is_that_of_the_simulated_ward() -> None:
    ward = plain(astct_of_the_ward)
    for signs in product((0.0, 1.0), repeat=7):
        is_open, hypotension, low_flow, pressor, high_flow, second, positive = signs
        device = max(low_flow, 2 * high_flow, 3 * positive)
        here = grade(
            GradingSystem.ASTCT,
            has_crs=is_open,
            has_hypotension=hypotension,
            n_vasopressors=max(pressor, 2 * second),
            oxygen_device=device,
        )
        assert here == ward(*signs)


# --- properties ---


@given(system=systems, signs=some_signs, worse=some_signs)
def test_more_signs_never_lower_a_grade(
    system: GradingSystem, signs: dict[str, Any], worse: dict[str, Any]
) -> None:
    both = {name: max(signs[name], worse[name]) for name in signs}
    assert grade(system, **both) >= grade(system, **signs)


@given(system=systems, signs=some_signs)
def test_no_grade_without_crs_or_death_and_at_least_1_with_it(
    system: GradingSystem, signs: dict[str, Any]
) -> None:
    assert grade(system, **(signs | {"has_crs": False, "has_died": False})) == 0
    assert grade(system, **(signs | {"has_died": True})) == 5
    assert 1 <= grade(system, **(signs | {"has_crs": True, "has_died": False})) <= 4


# --- episodes ---

HOURS = 60
BOLUSES_H = 6.0


def runs(on: np.ndarray[Any, np.dtype[np.bool_]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Hours on so far at every hour, as the ward counts them."""
    hours, so_far = np.zeros(len(on)), 0.0
    for hour, is_on in enumerate(on):
        so_far = so_far + 1.0 if is_on else 0.0
        hours[hour] = so_far
    return hours


@given(seed=st.integers(0, 2**32 - 1), rarity=st.floats(0.5, 6.0), stickiness=st.floats(0.0, 0.97))
def test_the_worst_of_an_episode_is_the_grade_of_its_extremes(
    seed: int, rarity: float, stickiness: float
) -> None:
    """Random hourly courses: support comes and goes in runs; ALT moves freely; fever opens and
    quiet closes.
    """
    random = np.random.default_rng(seed)

    def course() -> np.ndarray[Any, np.dtype[np.bool_]]:
        target, now = random.random() ** rarity, False
        hours = np.zeros(HOURS, dtype=bool)
        for hour in range(HOURS):
            now = now if random.random() < stickiness else bool(random.random() < target)
            hours[hour] = now
        return hours

    is_open = course()
    fluids, pressor, second, low, high, positive = (course() & is_open for _ in range(6))
    alt = np.exp(random.normal(0.5, 1.2, HOURS))
    fluids_h, pressor_h = runs(fluids), runs(pressor)
    device = np.maximum(low, np.maximum(2 * high, 3 * positive))
    hourly = Signs(
        has_crs=is_open,
        has_hypotension=fluids,
        has_low_systolic=fluids,
        has_multiple_boluses=fluids_h >= BOLUSES_H,
        n_vasopressors=np.maximum(pressor, 2 * second),
        has_high_dose_vasopressor=second,
        vasopressor_h=pressor_h,
        oxygen_device=device,
        has_fio2_40=high | positive,
        alt_x_uln=alt,
    )
    extremes = episode_grades(
        n_episodes=[int(is_open.any())],
        had_fluids=[fluids.any()],
        longest_fluids_h=[fluids_h.max()],
        multiple_boluses_h=BOLUSES_H,
        had_vasopressor=[pressor.any()],
        longest_vasopressor_h=[pressor_h.max()],
        had_second_vasopressor=[second.any()],
        had_oxygen=[low.any()],
        had_high_flow=[high.any()],
        had_positive_pressure=[positive.any()],
        peak_alt_x_uln=[np.max(alt * is_open)],
    )
    ward = plain(astct_of_the_ward)
    assert extremes[GradingSystem.ASTCT][0] == max(
        ward(*map(float, hour))
        for hour in zip(is_open, fluids, low, pressor, high, second, positive, strict=True)
    )
    for system, worst in extremes.items():
        assert worst.tolist() == [GRADERS[system](hourly).max()], system


def test_algorithmic_fluids_differ_between_systems() -> None:
    """Why tebentafusp has many grade 2 under ASTCT: fluids alone are grade 2 there, but 1 at MSKCC
    and 3 at Penn.
    """
    nothing: dict[str, Any] = {
        "had_vasopressor": [0],
        "longest_vasopressor_h": [0],
        "had_second_vasopressor": [0],
        "had_oxygen": [0],
        "had_high_flow": [0],
        "had_positive_pressure": [0],
        "peak_alt_x_uln": [1.0],
    }
    found = episode_grades(
        n_episodes=[1], had_fluids=[1], longest_fluids_h=[6.0], multiple_boluses_h=6.0, **nothing
    )
    assert {system.value: int(one[0]) for system, one in found.items()} == {
        "astct": 2,
        "lee_2014": 2,
        "ctcae_4": 2,
        "ctcae_5": 2,
        "penn": 3,
        "mskcc": 1,
        "cartox": 2,
    }


# --- free texts ---


@pytest.mark.parametrize(
    ("text", "system"),
    [
        ("ASTCT", "astct"),
        ("ASTCT (algorithmic)", "astct"),
        ("ASBMT 2019", "astct"),
        ("Lee 2019", "astct"),
        ("Lee et al., 2019", "astct"),
        ("Lee", "lee_2014"),
        ("Lee 2014 (counts transaminitis)", "lee_2014"),
        ("modified Lee criteria", "lee_2014"),
        ("CTCAE", "ctcae_4"),
        ("CTCAE 4.03 (CRS scale per paper)", "ctcae_4"),
        ("NCI-CTCAE v4.0", "ctcae_4"),
        ("CTCAE v5.0", "ctcae_5"),
        ("CTCAE (version 5)", "ctcae_5"),
        ("CTCAEv5", "ctcae_5"),
        ("CTCAE, later CTCAE 5.0", "ctcae_5"),
        ("Penn/ASTCT", "penn"),
        ("ASTCT/CTCAE", "astct"),
        ("UPenn", "penn"),
        ("CTCAE or ASTCT", "ctcae_4"),
        ("MSKCC", "mskcc"),
        ("CARTOX", "cartox"),
        ("mixed", "astct"),
        ("study definition (fever, culture negative)", "astct"),
        ("ICD-10 codes", "astct"),
        ("ASTCT (applied to a study definition)", "astct"),
        ("mixed (Lee, CTCAE)", "lee_2014"),
    ],
)
def test_system_named_in_a_text(text: str, system: str) -> None:
    assert system_of(text) is GradingSystem(system)


@pytest.mark.parametrize("text", ["", "WHO", "fleece", "CTCAE 3.0", "grade"])
def test_a_text_that_names_no_system(text: str) -> None:
    with pytest.raises(InputError, match=r"a\.yaml, grading.*ASTCT.*CARTOX.*name the system"):
        system_of(text, where="a.yaml")


@pytest.mark.parametrize("folder", ["products", "evidence"])
def test_every_shipped_text_names_a_system(folder: str) -> None:
    paths = sorted((ROOT / "synthetic" / folder).rglob("*.yaml"))
    trees = {path: yaml.safe_load(path.read_text(encoding="utf-8")) for path in paths}
    found = {
        path: system_of(tree["grading"], where=path.name)
        for path, tree in trees.items()
        if "grading" in tree
    }
    assert len(found) >= 10


# Agreement: kappa against scikit-learn, cases with a known answer, and what has no kappa.


def agreement(first: Any, second: Any, **given: Any) -> Agreement:
    """The agreement of two systems whose grades these are."""
    astct, penn = GradingSystem.ASTCT, GradingSystem.PENN
    return agree(astct, penn, {astct: first, penn: second}, **given)


pairs = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=40)


@given(pairs=pairs)
def test_kappa_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    one, two = np.array(pairs).T
    found = agreement(one, two, n_resamples=2)
    assert found.exact == pytest.approx(np.mean(one == two))
    assert found.table.sum() == len(pairs)
    if isinstance(found.kappa, NotEstimable):
        assert len({*one, *two}) == 1
    else:
        want = cohen_kappa_score(one, two, weights="linear", labels=range(6))
        assert found.kappa.value == pytest.approx(want, abs=1e-12)


def test_known_tables() -> None:
    assert float(weighted_kappa([[10, 0], [0, 10]])) == 1.0
    assert float(weighted_kappa([[5, 5], [5, 5]])) == 0.0
    assert float(weighted_kappa([[0, 10], [10, 0]])) == -1.0
    assert np.isnan(weighted_kappa([[7, 0], [0, 0]]))


def test_a_table_counts_the_first_system_in_rows() -> None:
    found = agreement([1, 1, 2], [1, 3, 3])
    assert found.table[1, 3] == 1
    assert found.table[2, 3] == 1
    assert found.table[3, 1] == 0


def test_interval() -> None:
    one = np.repeat([0, 1, 2, 3], 25)
    two = np.where(np.arange(100) % 5 == 0, np.minimum(one + 1, 5), one)
    found = agreement(one, two)
    assert isinstance(found.kappa, Estimate)
    assert found.kappa.low < found.kappa.value < found.kappa.high
    # the spread of kappa over fresh samples of patients, as another way to the same width
    random = np.random.default_rng(7)
    draws = [random.integers(0, 100, 100) for _ in range(400)]
    width = np.diff(
        np.quantile(
            [cohen_kappa_score(one[d], two[d], weights="linear") for d in draws], [0.025, 0.975]
        )
    )[0]
    assert found.kappa.high - found.kappa.low == pytest.approx(width, rel=0.2)
    assert agreement(one, two).kappa == found.kappa, "the same resamples every time"


def test_few_patients_have_no_interval_and_one_grade_has_no_kappa() -> None:
    few = agreement([0, 1, 2], [0, 1, 1])
    assert isinstance(few.kappa, Estimate)
    assert not few.kappa.has_interval
    same = agreement([1] * 20, [1] * 20)
    assert same.exact == 1.0
    assert isinstance(same.kappa, NotEstimable)


@pytest.mark.parametrize(("one", "two"), [([], []), ([1, 2], [1]), ([[1]], [[1]])])
def test_lists_that_do_not_match(one: list[int], two: list[int]) -> None:
    with pytest.raises(ValueError, match="same patients"):
        agreement(one, two)
