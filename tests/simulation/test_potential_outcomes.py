"""Potential outcomes: common random numbers, what is given at fever, three worlds of response,
oracles.
"""

from __future__ import annotations

from dataclasses import fields
from functools import cache

import numpy as np
import pytest

from crsrisk.data.potential_outcomes import STANDARD, PotentialOutcomes, parse_strategy
from crsrisk.data.world import World, load_world
from crsrisk.data.world_files import load_product
from crsrisk.errors import InputError
from crsrisk.simulation.arm import Arm, make_arm
from crsrisk.simulation.outcomes import grade_within
from crsrisk.simulation.population import Patients, sample, take
from crsrisk.simulation.potential_outcomes import (
    mean_hazard_ratio,
    potential_outcomes,
    simulate_strategies,
    simulate_strategy,
    strategy_arm,
    true_risks,
)
from crsrisk.simulation.run import run
from crsrisk.simulation.true_risk import risk_of_arm

WAYS = (
    "tocilizumab",
    "dexamethasone",
    "anakinra",
    "tocilizumab+anakinra",
    "tocilizumab@fever",
    "dexamethasone@two_doses",
    "half_first_dose",
    "under_skin",
)


@cache
def world_of() -> World:
    return load_world()


@cache
def base() -> Arm:
    return make_arm(load_product("tarlatamab"), world=world_of(), regimen="label_no_steroid")


@cache
def people(n: int = 240) -> Patients:
    return sample(base().population, assumptions=world_of().assumptions, seed=5, start=0, stop=n)


@cache
def all_ways() -> PotentialOutcomes:
    return potential_outcomes(
        base(), [parse_strategy(way) for way in WAYS], patients=people(), world=world_of(), seed=5
    )


def test_before_the_dose_it_is_the_arm_that_is_simulated_anyway() -> None:
    arm = make_arm(
        load_product("tarlatamab"),
        world=world_of(),
        regimen="label_no_steroid",
        mitigations=("tocilizumab",),
    )
    expected = grade_within(run(arm, people(), world=world_of()), window_h=24.0 * arm.window_d)
    assert np.array_equal(all_ways().grade[all_ways().index("tocilizumab")], expected)


def test_the_first_strategy_is_what_is_done_anyway() -> None:
    expected = grade_within(
        run(base(), people(), world=world_of()), window_h=24.0 * base().window_d
    )
    assert all_ways().names[0] == "none"
    assert np.array_equal(all_ways().grade[0], expected)


def test_a_patient_is_the_same_in_any_company() -> None:
    rows = np.array([7, 3, 90])
    ways = [parse_strategy(way) for way in WAYS]
    alone = potential_outcomes(
        base(), ways, patients=take(people(), rows), world=world_of(), seed=5
    )
    assert np.array_equal(alone.grade, all_ways().grade[:, rows])
    assert np.array_equal(alone.infection, all_ways().infection[:, rows])


def test_at_fever_nothing_changes_before_the_fever_and_nothing_for_those_without() -> None:
    usual = simulate_strategy(base(), STANDARD, patients=people(), world=world_of())
    later = simulate_strategy(
        base(),
        parse_strategy("dexamethasone@fever"),
        patients=people(),
        world=world_of(),
        usual=usual,
    )
    assert np.array_equal(usual["first_1"], later["first_1"])
    calm = usual["first_1"] > 24.0 * base().window_d
    for name, values in usual.items():
        assert np.array_equal(values[calm], later[name][calm]), name
    # graded 2 before the drug came
    early = usual["first_2"] <= usual["first_1"] + base().policy.rescue_delay_h.value - 1.0
    assert np.array_equal(usual["first_2"][early], later["first_2"][early])
    assert (later["first_2"] > usual["first_2"]).any(), "the drug does something"


def test_worst_grades_at_fever_lie_between_early_and_never() -> None:
    """Monte Carlo: the same patients, so the order holds for the mean without an allowance."""
    two = {name: float(all_ways().event(name).mean()) for name in all_ways().names}
    assert two["tocilizumab"] <= two["tocilizumab@fever"] <= two["none"]


def test_agents_together_block_more_than_each_alone() -> None:
    two = {name: float(all_ways().event(name).mean()) for name in all_ways().names}
    assert two["tocilizumab+anakinra"] <= min(two["tocilizumab"], two["anakinra"])


def test_two_premedicated_doses_are_those_of_the_label() -> None:
    """`label` is `label_no_steroid` with dexamethasone before doses 1 and 2."""
    label = make_arm(load_product("tarlatamab"), world=world_of(), regimen="label")
    expected = grade_within(run(label, people(), world=world_of()), window_h=24.0 * label.window_d)
    assert np.array_equal(all_ways().grade[all_ways().index("dexamethasone@two_doses")], expected)


def test_common_cause_and_mediation_look_the_same_without_prophylaxis_and_differ_with_it() -> None:
    risk, k = all_ways().response_risk, all_ways().index("dexamethasone")
    assert np.array_equal(risk["common_cause"][0], risk["mediation"][0])
    assert np.array_equal(
        all_ways().response["common_cause"][0], all_ways().response["mediation"][0]
    )
    assert np.corrcoef(risk["mediation"][0], all_ways().log_activation[0])[0, 1] > 0.9, (
        "a correlation anybody would see"
    )
    assert np.array_equal(risk["common_cause"][k], risk["common_cause"][0]), (
        "blocking costs nothing"
    )
    usual = simulate_strategy(base(), STANDARD, patients=people(), world=world_of())
    # a rescue quietens T cells before a later dose
    unrescued = (usual["n_steroid"] == 0) & (usual["n_tocilizumab"] == 0)
    assert unrescued.any()
    assert (risk["mediation"][k] <= risk["mediation"][0] + 1e-12)[unrescued].all()
    assert risk["mediation"][k].mean() < risk["mediation"][0].mean()
    assert np.ptp(risk["no_link"]) == 0.0


def test_infection_rises_with_the_length_of_a_blockade() -> None:
    one, seven = ([(24.0 * day, 1.0) for day in range(days)] for days in (1, 7))
    ratios = [
        mean_hazard_ratio({"anakinra": gifts}, world=world_of()) for gifts in ([], one, seven)
    ]
    assert ratios[0] == 1.0
    assert ratios[0] < ratios[1] < ratios[2]
    assert mean_hazard_ratio({"fluids": [(0.0, 1.0)]}, world=world_of()) == 1.0


def test_prevented_rescue_saves_infections() -> None:
    """Same prophylaxis, same patient: whoever needed fewer rescue doses has no higher risk."""
    usual = simulate_strategy(base(), STANDARD, patients=people(), world=world_of())
    spared = usual["n_steroid"] == 0
    risk = all_ways().infection_risk[0]
    ecog = people().discrete["ecog"]
    assert risk[spared & (ecog == 1)].mean() < risk[~spared & (ecog == 1)].mean()


def test_need_of_support_hardly_depends_on_a_fever_seen() -> None:
    """Whoever is graded 2 without prophylaxis had a sign; hidden fever cannot hide the sign."""
    two = all_ways().event("none")
    assert all_ways().needs_support[0][two].mean() > 0.95
    k = all_ways().index("tocilizumab")
    assert (all_ways().needs_support[k] | ~all_ways().event("tocilizumab")).mean() > 0.97


def test_oracles_agree_with_the_oracle_that_stands() -> None:
    some = take(people(), np.arange(12))
    for given in ("baseline", "observed"):
        found = true_risks(
            base(),
            [parse_strategy("anakinra")],
            patients=some,
            world=world_of(),
            seed=5,
            given=given,
            n_replicates=20,
        )
        stands = risk_of_arm(base(), some, world=world_of(), seed=5, given=given, n_replicates=20)
        assert np.allclose(found.grade2plus[0], stands.risk())
        assert np.allclose(found.grade3plus[0], stands.risk("grade3plus"))
        assert np.allclose((found.first_half + found.second_half) / 2.0, found.grade2plus)
        assert found.averted("anakinra").shape == (12,)


@pytest.mark.parametrize(
    ("way", "what"), [("aspirin", "one of"), ("tocilizumab,tocilizumab", "one of")]
)
def test_unknown_agents_are_refused_with_the_known_ones(way: str, what: str) -> None:
    with pytest.raises(InputError, match=what):
        strategy_arm(base(), parse_strategy(way), world=world_of())


def test_cells_do_not_go_under_the_skin_and_no_strategy_comes_twice() -> None:
    cells = make_arm(load_product("afami_cel"), world=world_of())
    with pytest.raises(InputError, match="soluble product"):
        strategy_arm(cells, parse_strategy("under_skin"), world=world_of())
    with pytest.raises(InputError, match="each strategy once"):
        potential_outcomes(
            base(), [parse_strategy("anakinra")] * 2, patients=people(), world=world_of(), seed=5
        )
    with pytest.raises(InputError, match="even number"):
        true_risks(
            base(),
            [],
            patients=people(),
            world=world_of(),
            seed=5,
            given="baseline",
            n_replicates=3,
        )


def test_courses_are_the_same_whatever_the_consequences() -> None:
    """Played once, they serve worlds that differ in their consequences alone."""
    world = load_world()
    arm = make_arm(load_product("tarlatamab"), world=world, regimen="label_no_steroid")
    some = sample(arm.population, assumptions=world.assumptions, seed=1, start=0, stop=24)
    ways = [parse_strategy("tocilizumab@fever"), parse_strategy("dexamethasone")]
    other = world.with_values({"consequences.infection_usual_risk": 0.2})
    simulated = simulate_strategies(arm, ways, patients=some, world=world)
    anew = potential_outcomes(arm, ways, patients=some, world=other, seed=1)
    again = potential_outcomes(arm, ways, patients=some, world=other, seed=1, simulated=simulated)
    for part in fields(anew):
        one, two = getattr(anew, part.name), getattr(again, part.name)
        np.testing.assert_equal(one, two)
    usual = potential_outcomes(arm, ways, patients=some, world=world, seed=1)
    assert (again.infection_risk > usual.infection_risk).all()
