"""Cohort: the same bytes for the same patients, in any cut; tables and manifest as promised."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import islice

import numpy as np
import pandas as pd
import pytest

from crsrisk import __version__
from crsrisk.data.cohort import Cohort
from crsrisk.data.world_files import load_product
from crsrisk.errors import InputError
from crsrisk.fields import FIELDS, columns_of
from crsrisk.folders import find
from crsrisk.simulation.arm import Arm, arms_by_tumour_type
from crsrisk.simulation.cohort import manifest, simulate, simulate_cohort, stream_cohort
from crsrisk.simulation.published_trials import simulate_outcomes
from crsrisk.simulation.true_risk import true_risk
from tests.simulation.people import PRODUCTS, arm_of, product_of, world_of

SEED = 3
TABLES = ("observed", "outcomes", "course", "truth")


@pytest.fixture(scope="module")
def arms() -> list[Arm]:
    return [arm_of(name) for name in ("tarlatamab", "tebentafusp", "cldn182_car_t")]


@pytest.fixture(scope="module")
def cohort(arms: list[Arm]) -> Cohort:
    return simulate_cohort(arms, world=world_of(), n_patients=300, seed=SEED)


def assert_same(one: Cohort, other: Cohort) -> None:
    """Equal to the last bit, gaps included, in every table."""
    for name in TABLES:
        a, b = getattr(one, name), getattr(other, name)
        assert list(a.columns) == list(b.columns)
        differs = [column for column in a if not a[column].equals(b[column])]
        assert not differs, f"{name}: {differs}"


def rows(cohort: Cohort, first: int, stop: int) -> Cohort:
    tables = {
        name: getattr(cohort, name).iloc[first:stop].reset_index(drop=True) for name in TABLES
    }
    return Cohort(**tables, manifest=cohort.manifest)


def glued(parts: Iterable[Cohort]) -> Cohort:
    listed = list(parts)
    joined = {
        name: pd.concat([getattr(part, name) for part in listed], ignore_index=True)
        for name in TABLES
    }
    return Cohort(**joined, manifest=listed[0].manifest)


@pytest.mark.parametrize(("chunk", "workers"), [(1, 1), (7, 2), (100, 1), (299, 2), (20_000, 2)])
def test_chunks_and_workers_change_nothing(
    arms: list[Arm], cohort: Cohort, chunk: int, workers: int
) -> None:
    n = {1: 12, 7: 50}.get(chunk, 300)
    parts = stream_cohort(
        arms, world=world_of(), n_patients=n, seed=SEED, chunk=chunk, workers=workers
    )
    assert_same(glued(parts), rows(cohort, 0, n))


@pytest.mark.parametrize("start", [1, 100, 271])
def test_a_cohort_may_start_anywhere(arms: list[Arm], cohort: Cohort, start: int) -> None:
    later = simulate_cohort(arms, world=world_of(), n_patients=29, seed=SEED, start=start)
    assert_same(later, rows(cohort, start, start + 29))


def test_the_small_cohort_is_the_beginning_of_the_large_one(
    arms: list[Arm], cohort: Cohort
) -> None:
    small = simulate_cohort(arms, world=world_of(), n_patients=100, seed=SEED)
    assert_same(small, rows(cohort, 0, 100))


def test_a_patient_of_one_arm_is_himself_among_many(arms: list[Arm], cohort: Cohort) -> None:
    """Patient i receives arm i modulo the number of arms, and is the same patient when that arm is
    alone.
    """
    alone = simulate_cohort([arms[1]], world=world_of(), n_patients=300, seed=SEED)
    mine = np.arange(1, 300, 3)
    assert (cohort.observed["product"].iloc[mine] == "tebentafusp").all()
    for name in TABLES:
        a, b = getattr(alone, name).iloc[mine], getattr(cohort, name).iloc[mine]
        assert a.equals(b), name


def test_the_same_person_under_every_product(arms: list[Arm]) -> None:
    """Site, unmeasured biology and the latent laboratory values belong to the person, not to the
    product.
    """
    made = [simulate_cohort([arm], world=world_of(), n_patients=50, seed=SEED) for arm in arms]
    traits = [name for name in made[0].truth if name.startswith("trait_")]  # type: ignore[union-attr]
    assert len(traits) > 5
    for other in made[1:]:
        assert other.truth is not None
        assert made[0].truth is not None
        assert other.truth[traits].equals(made[0].truth[traits])
        assert other.observed["site"].equals(made[0].observed["site"])
        assert not other.observed["crp_mg_l"].equals(made[0].observed["crp_mg_l"])


def test_another_seed_is_another_cohort(arms: list[Arm], cohort: Cohort) -> None:
    other = simulate_cohort(arms, world=world_of(), n_patients=50, seed=SEED + 1)
    assert not other.observed["crp_mg_l"].equals(cohort.observed["crp_mg_l"].iloc[:50])
    assert not other.outcomes["peak_il6_pg_ml"].equals(cohort.outcomes["peak_il6_pg_ml"].iloc[:50])


def test_tables_have_the_columns_of_the_dictionary(cohort: Cohort) -> None:
    for name in ("observed", "outcomes", "course"):
        assert tuple(getattr(cohort, name).columns) == tuple(columns_of(name))
    assert cohort.observed["patient_id"].tolist() == list(range(300))
    for name in TABLES:
        assert getattr(cohort, name)["patient_id"].equals(cohort.observed["patient_id"])


def test_the_truth_shares_no_column_with_what_is_observed(cohort: Cohort) -> None:
    assert cohort.truth is not None
    known = set(cohort.observed) | set(cohort.outcomes) | set(cohort.course)
    assert set(cohort.truth) & known == {"patient_id"}


def test_the_manifest_says_how_to_make_it_again(arms: list[Arm], cohort: Cohort) -> None:
    said = cohort.manifest
    assert said == manifest(arms, world=world_of(), seed=SEED, n_patients=300)
    assert (said["seed"], said["n_patients"], said["version"]) == (SEED, 300, __version__)
    assert said["assumptions"] == world_of().assumptions.digest
    assert [arm["product"] for arm in said["arms"]] == [arm.product.name for arm in arms]
    assert [arm["window_d"] for arm in said["arms"]] == [arm.window_d for arm in arms]
    assert "no external validation" in said["notice"]
    assert json.loads(json.dumps(said)) == said, "plain enough for a file"
    other = manifest(arms, world=world_of("burden_strong"), seed=SEED, n_patients=300)
    assert other["assumptions"] != said["assumptions"]
    assert other["scenario"] == "burden_strong"


def test_a_million_patients_come_chunk_by_chunk(arms: list[Arm]) -> None:
    """The first chunks are there before the rest has been computed, and none is larger than asked
    for.
    """
    stream = stream_cohort(arms, world=world_of(), n_patients=1_000_000, seed=SEED, chunk=64)
    first = list(islice(stream, 3))
    assert [part.n_patients for part in first] == [64] * 3
    assert [part.observed["patient_id"].iloc[0] for part in first] == [0, 64, 128]
    assert first[0].manifest["n_patients"] == 1_000_000
    assert (
        len(list(stream_cohort(arms, world=world_of(), n_patients=130, seed=SEED, chunk=64))) == 3
    )


MIXED = {"colorectal": 0.3, "non_small_cell_lung": 0.25}


@pytest.fixture(scope="module")
def mixed() -> Arm:
    """Cells for three tumour types."""
    product = product_of("cldn182_car_t").model_copy(update={"further_populations": MIXED})
    return arm_of(product)


def test_mixed_tumour_types_have_their_shares(mixed: Arm) -> None:
    """Of 4000 patients every share within 4.5 binomial standard errors: one seed in 50,000 would
    miss one of three.
    """
    n = 4000
    lots = arms_by_tumour_type(mixed, world=world_of(), seed=SEED, patient_id=np.arange(n))
    found = {part.population.name: len(rows) / n for part, rows in lots}
    shares = mixed.product.shares_of_populations
    assert sum(shares.values()) == pytest.approx(1.0)
    assert set(found) == {"gastric_pancreatic", *MIXED}
    for name, share in shares.items():
        assert abs(found[name] - share) < 4.5 * np.sqrt(share * (1.0 - share) / n), name
    assert sorted(np.concatenate([rows for _, rows in lots])) == list(range(n))


@pytest.mark.parametrize(("chunk", "start"), [(1, 0), (7, 0), (50, 0), (13, 21)])
def test_a_patient_keeps_his_tumour_type_whatever_the_chunk(
    mixed: Arm, chunk: int, start: int
) -> None:
    both = [mixed, arm_of("tarlatamab")]
    whole = simulate_cohort(both, world=world_of(), n_patients=80, seed=SEED)
    n = 12 if chunk == 1 else 59
    parts = stream_cohort(both, world=world_of(), n_patients=n, seed=SEED, chunk=chunk, start=start)
    assert_same(glued(parts), rows(whole, start, start + n))
    assert whole.observed["tumour_type"].nunique() == 4


def test_who_is_asked_for_one_tumour_type_has_that_alone(mixed: Arm) -> None:
    only = arm_of(mixed.product, population="colorectal")
    alone = simulate_cohort([only], world=world_of(), n_patients=40, seed=SEED)
    assert set(alone.observed["tumour_type"]) == {"colorectal"}
    # and is the same person there as among the others
    whole = simulate_cohort([mixed], world=world_of(), n_patients=40, seed=SEED)
    his = (whole.observed["tumour_type"] == "colorectal").to_numpy()
    assert 0 < his.sum() < 40
    for name in TABLES:
        one, other = getattr(alone, name)[his], getattr(whole, name)[his]
        assert all(one[column].equals(other[column]) for column in one), name


def test_trials_of_mixed_tumour_types_have_the_patients_in_their_order(mixed: Arm) -> None:
    table = simulate_outcomes(mixed.product, world=world_of(), n=40, seed=SEED)
    whole = simulate_cohort([mixed], world=world_of(), n_patients=40, seed=SEED)
    assert table.equals(whole.outcomes)


def test_true_risk_is_that_of_the_patients_own_tumour_type(mixed: Arm) -> None:
    whole = simulate_cohort([mixed], world=world_of(), n_patients=30, seed=SEED)
    of = true_risk(whole, world=world_of(), n_replicates=4)
    for name in (mixed.population.name, *MIXED):
        arm = arm_of(product_of("cldn182_car_t"), population=name)
        his = (whole.observed["tumour_type"] == name).to_numpy()
        alone = true_risk(
            simulate_cohort([arm], world=world_of(), n_patients=30, seed=SEED),
            world=world_of(),
            n_replicates=4,
        )
        assert np.array_equal(of.n_grade2plus[his], alone.n_grade2plus[his]), name


def test_fewer_patients_than_arms(arms: list[Arm], cohort: Cohort) -> None:
    assert_same(
        simulate_cohort(arms, world=world_of(), n_patients=2, seed=SEED), rows(cohort, 0, 2)
    )


@pytest.mark.parametrize(("n", "take"), [(0, 3), (-5, 3), (10, 0)])
def test_nobody_or_nothing_is_refused(arms: list[Arm], n: int, take: int) -> None:
    with pytest.raises(InputError) as problem:
        simulate_cohort(arms[:take], world=world_of(), n_patients=n, seed=SEED)
    assert problem.value.key == "n_patients"


@pytest.mark.parametrize("product", PRODUCTS)
def test_every_product_makes_a_cohort(product: str) -> None:
    made = simulate_cohort([arm_of(product)], world=world_of(), n_patients=20, seed=1)
    assert made.n_patients == 20
    assert made.outcomes["max_grade"].between(0, 4).all()
    never_missing = [name for name in columns_of("observed") if not FIELDS[name].may_be_missing]
    assert len(never_missing) > 15
    assert made.observed[never_missing].notna().all(axis=None)


def test_simulate_takes_names_files_products_and_arms(cohort: Cohort) -> None:
    products = [
        "tarlatamab",
        find("products", "tebentafusp"),
        load_product("cldn182_car_t"),
    ]
    assert_same(simulate(products, n=300, seed=SEED, world=world_of()), cohort)
    named = simulate(arm_of("tarlatamab"), n=5, seed=SEED)
    assert_same(named, simulate("tarlatamab", n=5, seed=SEED, world="reference"))


def test_simulate_says_regimen_mitigations_and_window() -> None:
    made = simulate(
        "tarlatamab", n=6, seed=1, regimen="fixed_10mg", mitigations=["tocilizumab"], window_d=14.0
    )
    (arm,) = made.arms
    assert (arm.regimen_name, arm.mitigations, arm.window_d) == (
        "fixed_10mg",
        ("tocilizumab",),
        14.0,
    )
    assert made.X["has_tocilizumab_prophylaxis"].all()
    with pytest.raises(InputError, match="an option beside an arm"):
        simulate(made.arms, n=6, regimen="fixed_10mg")
    with pytest.raises(InputError, match="did you mean tarlatamab"):
        simulate("tarlatamb", n=6)


def test_true_risk_of_a_part_is_that_of_the_whole(cohort: Cohort) -> None:
    whole = true_risk(cohort.head(12), world=world_of(), n_replicates=4)
    part = true_risk(cohort.subset([7, 3, 10]), n_replicates=4)
    assert part.patient_id.tolist() == [3, 7, 10]
    assert part.n_grade2plus.tolist() == whole.n_grade2plus[[3, 7, 10]].tolist()
    assert part.cohort is not None
    assert "12 patients x 4 simulations" in repr(whole)
    assert set(whole.to_dict()) == {"given", "n_replicates", "patients"}


def test_true_risk_of_other_patients_or_another_world_is_refused(cohort: Cohort) -> None:
    with pytest.raises(InputError, match="pass the world that was passed to simulate"):
        true_risk(cohort.head(3), world=world_of("burden_null"), n_replicates=2)
    real = Cohort(cohort.observed, cohort.outcomes, cohort.course)
    with pytest.raises(InputError, match="real patients have no true risk"):
        true_risk(real, n_replicates=2)
    with pytest.raises(InputError, match="n_replicates"):
        true_risk(cohort.head(3), n_replicates=3)
