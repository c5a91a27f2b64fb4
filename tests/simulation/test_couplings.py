"""Couplings: effects that multiply and effects that set in above a point are nothing in the
reference world, and in their scenarios what they say.

Statements about the numbers that the solver gets are exact. Those about log odds are of the same
2,000 simulated patients in every arm, at one seed. They ask for 3 standard errors where 6 or more
were measured: a false alarm, and a pass without the coupling, each need a draw three standard
errors away (about 1 in 1,000 seeds).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.data.population import CONTINUOUS
from crsrisk.data.world import World
from crsrisk.simulation.arm import Arm, timetable
from crsrisk.simulation.layout import PARAMETERS
from crsrisk.simulation.parameters import above_point, bulk_with_density, patient_parameters
from crsrisk.simulation.population import TRAITS, Patients, covariate, covariates
from crsrisk.simulation.run import run
from tests.simulation.people import (
    PRODUCTS,
    Values,
    arm_of,
    people,
    varied,
    with_covariate,
    with_flag,
    world_of,
)

STRENGTHS = ("mild", "moderate", "strong")
SYNERGY = tuple(f"synergy_{strength}" for strength in STRENGTHS)
THRESHOLD = tuple(f"threshold_{strength}" for strength in STRENGTHS)
_N, _Z = 2000, 3.0
MARKERS = ("sum_of_diameters_mm", "crp_mg_l", "ferritin_ug_l", "ldh_x_uln")


def table_of(arm: Arm, patients: Patients, world: World) -> dict[str, Values]:
    """Every number of the solver by name, shape (n,)."""
    table = patient_parameters(arm, patients, world=world, plan=timetable(arm, world=world))
    return dict(zip(PARAMETERS, table, strict=True))


def set_to(patients: Patients, arm: Arm, name: str, value: float) -> Patients:
    """The same patients, all with one true laboratory value or sum of diameters."""
    marginal, scores = arm.population.marginals[name], np.linspace(-6.0, 6.0, 200_001)
    latent = patients.latent.copy()
    latent[:, CONTINUOUS.index(name)] = np.interp(value, covariate(scores, marginal), scores)
    return replace(patients, latent=latent)


@pytest.mark.parametrize("product", PRODUCTS)
def test_in_the_reference_world_there_are_none(product: str) -> None:
    """The myeloid gain, the damage signal and the tumour load are to the last bit what they are
    without couplings, and where a threshold lies or what counts as dense changes nothing.
    """
    world = world_of()
    arm, g = arm_of(product), world.assumptions.group("cascade")
    patients = people(arm, 64)
    true, found = covariates(patients, arm.population), table_of(arm, patients, world)
    gain = np.exp(g["myeloid_gain_log_sd"] * patients.traits[:, TRAITS.index("myeloid")])
    gain = gain * (true["crp_mg_l"] / g["crp_reference_mg_l"]) ** g["crp_myeloid_exponent"]
    gain = (
        gain
        * g["liver_metastases_myeloid_ratio"] ** true["has_liver_metastases"]
        * g["infection_myeloid_ratio"] ** true["has_infection"]
    )
    if arm.regimen.has_g_csf:
        gain = gain * g["g_csf_myeloid_ratio"]
    assert np.array_equal(found["gain_m"], gain)
    above_normal = np.log(np.maximum(true["ldh_x_uln"], 1.0))
    damage = g["weight_damage"] * (1.0 + g["ldh_damp_slope"] * above_normal)
    assert np.array_equal(found["w_damage"], damage)
    assert (bulk_with_density(arm, true["sum_of_diameters_mm"], world=world) == 1.0).all()
    elsewhere = world.with_values(
        {
            "cascade.ferritin_threshold_ug_l": 250.0,
            "cascade.ldh_threshold_x_uln": 1.1,
            "cascade.threshold_steepness": 15.0,
            "engagement.dense_antigen_copies": 1500.0,
        }
    )
    other = table_of(arm, patients, elsewhere)
    assert all(np.array_equal(found[name], other[name]) for name in PARAMETERS)


@given(value=st.floats(0.1, 1e5), point=st.floats(1.0, 1e4), steepness=st.floats(4.0, 20.0))
def test_a_threshold_lies_at_its_point(value: float, point: float, steepness: float) -> None:
    at = np.array([value, value * 1.1, point])
    lower, higher, there = above_point(at, point, steepness=steepness)
    assert 0.0 <= lower <= higher <= 1.0
    assert there == pytest.approx(0.5)
    assert (lower < 0.5) == (value < point) or value == pytest.approx(point)


def test_how_steep_a_threshold_is() -> None:
    """As its assumption says: a tenth at three quarters of the point, nine tenths at four
    thirds.
    """
    found = above_point(np.array([0.75, 4.0 / 3.0]), 1.0, steepness=8.0)
    assert found == pytest.approx([0.1, 0.9], abs=0.01)


@pytest.mark.parametrize("scenario", SYNERGY)
def test_crp_counts_more_with_liver_metastases_and_never_less(scenario: str) -> None:
    """Known answer: tenfold the reference CRP multiplies the gain by 10 to the two powers."""
    world = world_of(scenario)
    arm = arm_of("tarlatamab", world=world)
    g = world.assumptions.group("cascade")
    group = people(arm, 16, world=world)

    def gain(times: float, liver: float) -> Values:
        patients = set_to(group, arm, "crp_mg_l", times * g["crp_reference_mg_l"])
        return table_of(arm, with_flag(patients, "has_liver_metastases", liver), world)["gain_m"]

    powers = g["crp_myeloid_exponent"] + g["crp_liver_exponent"]
    assert gain(10.0, 1.0) / gain(1.0, 1.0) == pytest.approx(10.0**powers, rel=1e-3)
    alone = 10.0 ** g["crp_myeloid_exponent"]
    assert gain(10.0, 0.0) / gain(1.0, 0.0) == pytest.approx(alone, rel=1e-3)
    # below the reference patient nothing multiplies: liver metastases never protect
    assert gain(0.1, 1.0) / gain(0.1, 0.0) == pytest.approx(gain(1.0, 1.0) / gain(1.0, 0.0))


@pytest.mark.parametrize("scenario", SYNERGY)
def test_bulk_counts_more_where_antigen_is_dense(scenario: str) -> None:
    """Known answer: half of the further power at the density that counts as dense."""
    world = world_of(scenario)
    g = world.assumptions.group("engagement")
    power, dense = g["burden_density_exponent"], g["dense_antigen_copies"]
    twice = np.array([0.5, 1.0, 2.0]) * g["reference_burden_mm"]

    def ratios(copies: float) -> list[float]:
        arm = arm_of(varied("psma_sc_engager", "binding", antigen_density_copies=copies))
        return bulk_with_density(arm, twice, world=world).tolist()

    assert ratios(dense) == pytest.approx([1.0, 1.0, 2.0 ** (power / 2.0)])
    assert ratios(1e9) == pytest.approx([1.0, 1.0, 2.0**power], rel=1e-4)
    assert ratios(1.0) == pytest.approx([1.0, 1.0, 1.0], rel=1e-3)


@pytest.mark.parametrize("scenario", THRESHOLD)
def test_ferritin_and_ldh_count_at_their_point_alone(scenario: str) -> None:
    world = world_of(scenario)
    arm = arm_of("tarlatamab", world=world)
    g, group = world.assumptions.group("cascade"), people(arm, 16, world=world)

    def values(name: str, at: float, of: str) -> Values:
        return table_of(arm, set_to(group, arm, name, at), world)[of]

    for name, of, point, ratio in (
        ("ferritin_ug_l", "gain_m", "ferritin_threshold_ug_l", "ferritin_threshold_ratio"),
        ("ldh_x_uln", "w_damage", "ldh_threshold_x_uln", "ldh_threshold_ratio"),
    ):
        below, at, above = (values(name, g[point] * times, of) for times in (0.4, 1.0, 2.5))
        assert above / below == pytest.approx(g[ratio], rel=0.01)
        assert at / below == pytest.approx(g[ratio] ** 0.5, rel=0.01)
        lower = values(name, g[point] * 0.3, of)
        assert below / lower == pytest.approx(1.0, rel=0.01)


@pytest.mark.parametrize("family", [SYNERGY, THRESHOLD], ids=["synergy", "threshold"])
def test_strengths_are_ordered(family: tuple[str, ...]) -> None:
    """Each is farther from the reference than the one before, in every number but those that are
    the same in all three.
    """
    reference = world_of().assumptions
    for weaker, stronger in pairwise(family):
        less, more = world_of(weaker).scenario.overrides, world_of(stronger).scenario.overrides
        assert set(less) == set(more)
        moved = {key for key in less if less[key].value != more[key].value}
        assert len(moved) == 3
        for key in moved:
            plain = reference.value(key)
            assert abs(more[key].value - plain) > abs(less[key].value - plain), key


@pytest.mark.parametrize("scenario", [*SYNERGY, *THRESHOLD])
@pytest.mark.parametrize("name", [*MARKERS, "has_liver_metastases"])
def test_no_marker_lowers_what_drives_crs(scenario: str, name: str) -> None:
    """Twins: patients as they are and with one marker 1 SD higher, in the open loop. Peak IL-6 and
    temperature fall in nobody, nor does the lowest pressure rise.
    """
    world = world_of(scenario)
    for product in ("tarlatamab", "psma_sc_engager"):
        arm = arm_of(product, window_d=6.0, world=world)
        patients = people(arm, 96, world=world)
        if name == "has_liver_metastases":
            one, other = with_flag(patients, name, 0.0), with_flag(patients, name, 1.0)
        else:
            one, other = patients, with_covariate(patients, name, 1.0)
        less, more = (
            run(arm, group, world=world, has_support=False).tracks for group in (one, other)
        )
        for track in ("peak_il6", "peak_temperature"):
            assert (more[track] >= less[track] * (1.0 - 1e-9)).all(), track
        assert (more["lowest_map"] <= less["lowest_map"] + 1e-9).all()


def is_severe(arm: Arm, patients: Patients, world: World) -> Values:
    """Whether each patient has grade 2 or more, 0 or 1."""
    return (run(arm, patients, world=world).tracks["max_grade"] >= 2).astype(float)


def interaction(four: list[list[Values]]) -> Values:
    """Difference of differences of log odds, as the mean of one number a patient (delta method):
    what a step does in the second row beyond what it does in the first.
    """
    (a, b), (c, d) = four

    def at(events: Values) -> Values:
        share = events.mean()
        return np.asarray(np.log(share / (1 - share)) + (events - share) / (share * (1 - share)))

    return np.asarray((at(d) - at(c)) - (at(b) - at(a)))


def z_of(differences: Values) -> float:
    """The mean in its standard errors."""
    return float(differences.mean() / (differences.std() / np.sqrt(len(differences))))


def liver_with_crp(scenario: str) -> Values:
    """What eightfold CRP does with liver metastases beyond what it does without."""
    world = world_of(scenario)
    arm = arm_of("tarlatamab", world=world)
    usual = world.assumptions.value("cascade.crp_reference_mg_l")
    group = people(arm, _N, world=world, seed=5)
    return interaction(
        [
            [
                is_severe(
                    arm,
                    with_flag(
                        set_to(group, arm, "crp_mg_l", times * usual), "has_liver_metastases", liver
                    ),
                    world,
                )
                for times in (1.0, 8.0)
            ]
            for liver in (0.0, 1.0)
        ]
    )


def test_liver_metastases_multiply_with_crp_on_the_log_odds() -> None:
    """None in the reference, and more from strength to strength."""
    found = [liver_with_crp(scenario) for scenario in ("reference", *SYNERGY)]
    assert abs(z_of(found[0])) < _Z
    for less, more in pairwise(found):
        assert z_of(more - less) > _Z


def test_bulk_multiplies_with_density_on_the_log_odds() -> None:
    """In the reference dense antigen leaves burden less to do, since T cells are engaged already;
    the strong world turns that round.
    """

    def found(scenario: str) -> Values:
        world, four = world_of(scenario), []
        for copies in (1e3, 1e5):
            product = varied("gpc3_car_t", "binding", antigen_density_copies=copies)
            arm = arm_of(product, world=world)
            group = people(arm, _N, world=world, seed=5)
            sizes = [set_to(group, arm, "sum_of_diameters_mm", mm) for mm in (90.0, 270.0)]
            four.append([is_severe(arm, patients, world) for patients in sizes])
        return interaction(four)

    assert z_of(found("synergy_strong") - found("reference")) > _Z


@pytest.mark.parametrize(
    ("name", "below", "across"),
    [
        ("ferritin_ug_l", (100.0, 200.0), (280.0, 560.0)),
        ("ldh_x_uln", (0.5, 1.0), (1.05, 2.1)),
    ],
)
def test_a_doubling_across_the_point_counts_and_one_below_does_not(
    name: str, below: tuple[float, float], across: tuple[float, float]
) -> None:
    """In the strong world. Mild LDH is too little to be seen in this many patients."""
    world = world_of("threshold_strong")
    arm = arm_of("tarlatamab", world=world)
    group = people(arm, _N, world=world, seed=5)
    four = [
        [is_severe(arm, set_to(group, arm, name, value), world) for value in pair]
        for pair in (below, across)
    ]
    assert z_of(interaction(four)) > _Z
    assert four[0][0].mean() == pytest.approx(four[0][1].mean(), abs=0.01)
