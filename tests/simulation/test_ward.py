"""Ward: one bedside, visit by visit, with signs set by hand: opening, support, grade, closing,
rescue.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.reference import lane
from crsrisk.data.mitigation import NODES
from crsrisk.simulation.arm import Timetable
from crsrisk.simulation.layout import LANES, N_ROWS, ROW, WARD_H
from crsrisk.simulation.ward import NEVER, agents_act, draw_noise, look, observe_signs, rescue
from tests.simulation.people import Values, arm_of, people, world_of

WELL_C, FEVER_C = 36.8, 38.6


@dataclass
class Bedside:
    """A workspace with the same patient in every lane; values are set by hand and read from lane
    0.
    """

    plan: Timetable
    w: Values
    time_h: float = 0.0

    def __getitem__(self, name: str) -> float:
        return float(self.w[ROW[name] * LANES])

    def __setitem__(self, name: str, value: float) -> None:
        self.w[ROW[name] * LANES : (ROW[name] + 1) * LANES] = value

    def tick(self, temperature: float = WELL_C, *, leak: float = 0.0, water: float = 0.0) -> float:
        """One visit with these signs; the grade."""
        self["temperature"], self["leak"], self["lung_water"] = temperature, leak, water
        if observe_signs(self.w) > 0.0:
            look(self.w, self.time_h)
            rescue(self.w, self.time_h)
        self.time_h += WARD_H
        return self["grade"]

    def hours(self, hours: float, temperature: float = WELL_C, *, leak: float = 0.0) -> None:
        for _ in range(ceil(hours / WARD_H)):
            self.tick(temperature, leak=leak)


@pytest.fixture
def bed() -> Bedside:
    """An adult with MAP 90 mmHg and SpO2 96.5%, looked at on every visit, no rescue wished for."""
    arm = arm_of("tarlatamab")
    plan, w = lane(arm, people(arm, 1), world=world_of(), row=0)
    bed = Bedside(plan, w)
    for name in (
        "wants_antipyretic",
        "wants_toci_1",
        "wants_toci_2",
        "wants_toci_3",
        "wants_steroid_1",
        "wants_steroid_2",
    ):
        bed[name] = 0.0
    bed["look_well"] = bed["look_ill"] = WARD_H
    bed["normal_map"], bed["fluids_fall"], bed["normal_spo2"] = 90.0, 25.0, 96.5
    return bed


def _leak_for(bed: Bedside, fall: float) -> float:
    """Leak at which the unsupported pressure has fallen by so many mmHg."""
    share = fall / bed["map_fall"]
    return float(bed["map_half"] * (share / (1.0 - share)) ** (1 / 3))


def _water_for(bed: Bedside, spo2: float) -> float:
    share = (bed["normal_spo2"] - spo2) / bed["spo2_fall"]
    return float(bed["spo2_half"] * (share / (1.0 - share)) ** 0.25)


def test_fever_of_38_opens_crs(bed: Bedside) -> None:
    """ASTCT (Lee 2019): a temperature of 38.0 degC or more."""
    assert bed.tick(37.99) == 0.0
    assert bed.tick(38.0) == 1.0
    assert (bed["n_episodes"], bed["first_1"], bed["max_grade"]) == (1.0, WARD_H, 1.0)
    assert bed["first_2"] == NEVER


def test_looks_come_more_often_once_crs_is_open(bed: Bedside) -> None:
    """Every 4 h while well; the look that finds the fever is followed by one every 2 h."""
    bed["look_well"], bed["look_ill"] = 4.0, 2.0
    looks = []
    for visit in range(round(12 / WARD_H)):
        wait = bed["to_next_look"]
        bed.tick(WELL_C if visit == 0 else FEVER_C)
        if wait <= 0.0:
            looks.append(visit * WARD_H)
    assert looks == [0.0, 4.0, 6.0, 8.0, 10.0]


def test_a_fever_nobody_measures_is_not_seen(bed: Bedside) -> None:
    bed["look_well"] = 4.0
    bed.tick(WELL_C)
    seen = [bed.tick(FEVER_C) for _ in range(round(4 / WARD_H))]
    assert seen == [0.0] * (len(seen) - 1) + [1.0], "looked at 0 and at 4 h"


def test_hypotension_and_hypoxia_without_fever_are_not_crs(bed: Bedside) -> None:
    assert bed.tick(37.5, leak=0.9, water=0.9) == 0.0
    assert bed["fluid_hold"] == bed["low_flow_hold"] == 0.0
    assert bed["lowest_map"] < 60.0, "yet the lowest pressure is recorded"


@pytest.mark.parametrize(("fall", "grade"), [(24.0, 1.0), (26.0, 2.0)])
def test_a_fall_of_25_mmhg_brings_fluids_and_grade_2(
    bed: Bedside, fall: float, grade: float
) -> None:
    assert bed.tick(FEVER_C, leak=_leak_for(bed, fall)) == grade
    assert bed["had_fluids"] == float(grade == 2.0)


@pytest.mark.parametrize(
    ("spo2", "grade"),
    [(92.5, 1.0), (91.5, 2.0), (86.5, 2.0), (85.5, 3.0), (80.5, 3.0), (79.5, 4.0)],
)
def test_oxygen_steps(bed: Bedside, spo2: float, grade: float) -> None:
    """Low flow below 92%, high flow below 86%, positive pressure below 80% (standard policy)."""
    assert bed.tick(FEVER_C, water=_water_for(bed, spo2)) == grade
    assert bed["had_oxygen"] == float(grade >= 2.0)


@pytest.mark.parametrize(("spo2", "grade"), [(92.5, 0.0), (91.5, 2.0), (85.5, 3.0), (79.5, 4.0)])
def test_injury_of_an_organ_is_graded_by_the_oxygen_that_it_asks_for(
    bed: Bedside, spo2: float, grade: float
) -> None:
    """The worst so far, with fever or without, and no part of CRS."""
    for temperature in (WELL_C, FEVER_C):
        bed["organ_injury"] = _water_for(bed, spo2)
        assert bed.tick(temperature) == float(temperature == FEVER_C)
        assert bed["organ_grade"] == grade
    bed["organ_injury"] = 0.0
    bed.tick(WELL_C)
    assert bed["organ_grade"] == grade, "the worst stays"
    assert bed["low_flow_hold"] == bed["had_oxygen"] == 0.0
    assert bed["lowest_spo2"] == pytest.approx(96.5), "the lungs' own is what is recorded"


def test_injury_of_an_organ_counts_in_fever_where_the_scenario_counts_it(bed: Bedside) -> None:
    bed["organ_injury"], bed["organ_counted"] = _water_for(bed, 85.5), 1.0
    assert bed.tick(37.9) == 0.0, "hypoxia without fever is not CRS"
    assert bed["seen_spo2"] == pytest.approx(96.5)
    assert bed.tick(FEVER_C) == 3.0
    assert bed["seen_spo2"] == pytest.approx(85.5)
    bed.hours(bed["oxygen_hold_time"])
    assert bed["grade"] == 1.0, "without fever it is not seen again, and the oxygen runs out"


def test_only_a_scenario_counts_injury_of_an_organ() -> None:
    name = "vitals.organ_toxicity_counted"
    assert world_of().assumptions.value(name) == 0.0
    assert world_of("organ_toxicity_counted").assumptions.value(name) == 1.0


def test_a_vasopressor_comes_only_after_fluids_have_failed(bed: Bedside) -> None:
    leak = _leak_for(bed, 45.0)
    grades = [bed.tick(FEVER_C, leak=leak) for _ in range(12)]
    assert grades[0] == 2.0, "fluids first"
    assert 3.0 in grades
    started = grades.index(3.0)
    full = 1.0 - (1.0 - bed["fluid_onset"]) ** started
    assert full > bed["fluids_needed"], "share of full resuscitation when the pressor starts"
    assert grades == sorted(grades)
    assert (bed["first_2"], bed["first_3"]) == (0.0, started * WARD_H)


def test_a_second_vasopressor_is_grade_4(bed: Bedside) -> None:
    bed["map_fall"] = 80.0
    grades = [bed.tick(FEVER_C, leak=0.98) for _ in range(24)]
    assert grades[-1] == 4.0
    assert grades.index(4.0) > grades.index(3.0) > grades.index(2.0)
    assert bed["first_4"] == grades.index(4.0) * WARD_H


def test_support_lasts_for_its_shortest_course(bed: Bedside) -> None:
    bed.tick(FEVER_C, leak=_leak_for(bed, 30.0))
    grades = [bed.tick(WELL_C) for _ in range(24)]
    assert grades.count(2.0) == round(bed["fluid_hold_time"] / WARD_H) - 1
    assert grades == sorted(grades, reverse=True)


def test_crs_closes_only_when_every_sign_has_been_gone_long_enough(bed: Bedside) -> None:
    quiet = bed["quiet_needed"]
    bed.hours(6, FEVER_C)
    bed.hours(quiet - WARD_H)
    assert bed["is_open"] == 1.0
    bed.tick(WELL_C)
    assert bed["is_open"] == 0.0
    assert bed.tick(WELL_C) == 0.0
    assert bed["first_duration"] == bed["first_resolved"] == 6.0 - WARD_H, (
        "from the first to the last febrile look"
    )


def test_a_sign_starts_the_wait_anew(bed: Bedside) -> None:
    """Fever that returns, or support that still runs, belongs to the same episode."""
    quiet = bed["quiet_needed"]
    bed.hours(1, FEVER_C)
    bed.hours(quiet - 1)
    bed.tick(FEVER_C)
    bed.hours(quiet - 1)
    assert (bed["is_open"], bed["n_episodes"]) == (1.0, 1.0)
    leak = _leak_for(bed, 30.0)
    bed.tick(WELL_C, leak=leak)  # hypotension without fever, in an open episode
    assert bed["grade"] == 2.0
    bed.hours(quiet - 1)
    assert bed["is_open"] == 1.0
    bed.hours(bed["fluid_hold_time"] + 1)
    assert bed["is_open"] == 0.0


def test_fever_after_resolution_is_a_new_episode(bed: Bedside) -> None:
    bed.tick(FEVER_C)
    bed.hours(bed["quiet_needed"] + 1)
    first = bed["first_duration"], bed["first_resolved"]
    bed.hours(2, FEVER_C)
    bed.hours(bed["quiet_needed"] + 1)
    assert bed["n_episodes"] == 2.0
    assert (bed["first_duration"], bed["first_resolved"]) == first == (0.0, 0.0), (
        "those of the first episode"
    )


def _doses(bed: Bedside, hours: float, *, leak: float, water: float = 0.0) -> list[float]:
    """Hours at which tocilizumab was given under these signs."""
    times, before = [], bed["n_tocilizumab"]
    for _ in range(ceil(hours / WARD_H)):
        bed.tick(FEVER_C, leak=leak, water=water)
        if bed["n_tocilizumab"] > before:
            times.append(bed.time_h - WARD_H)
            before = bed["n_tocilizumab"]
    return times


def test_tocilizumab_stops_at_four_doses_an_episode(bed: Bedside) -> None:
    """At least 8 h apart, so at most 3 in 24 h; a new episode may have its own."""
    bed["wants_toci_3"] = 1.0
    water = _water_for(bed, 84.0)
    times = _doses(bed, 72, leak=0.0, water=water)
    assert len(times) == 4
    assert times[0] == 0.0, "grade 3 is treated at once"
    assert np.diff(times).tolist() == [bed["toci_interval"]] * 3 == [8.0] * 3
    bed.hours(bed["quiet_needed"] + bed["oxygen_hold_time"] + 1)
    assert bed["is_open"] == 0.0
    assert len(_doses(bed, 72, leak=0.0, water=water)) == 4
    assert bed["n_tocilizumab"] == 8.0


def test_grade_2_is_treated_after_the_delay(bed: Bedside) -> None:
    bed["wants_toci_2"] = bed["wants_steroid_2"] = 1.0
    leak = _leak_for(bed, 30.0)
    times = _doses(bed, 12, leak=leak)
    assert times[0] == pytest.approx(bed["rescue_delay"], abs=WARD_H)
    assert bed["n_steroid"] >= 1.0
    assert bed["amount_0"] > 0.0
    assert bed["amount_1"] > 0.0


def test_grade_1_is_treated_only_after_a_day_of_fever(bed: Bedside) -> None:
    bed["wants_toci_1"] = 1.0
    times = _doses(bed, 30, leak=0.0)
    assert times[0] == pytest.approx(bed["grade1_patience"], abs=WARD_H)


def test_nobody_is_treated_who_is_well_or_whom_the_policy_spares(bed: Bedside) -> None:
    assert _doses(bed, 60, leak=_leak_for(bed, 30.0)) == []
    for name in (
        "wants_antipyretic",
        "wants_toci_1",
        "wants_toci_2",
        "wants_toci_3",
        "wants_steroid_2",
    ):
        bed[name] = 1.0
    bed["is_open"] = bed["grade"] = bed["time_grade1"] = bed["time_grade2"] = 0.0
    before = [bed[f"amount_{slot}"] for slot in range(3)]
    for name in ("fluid_hold", "pressor_hold", "second_hold", "low_flow_hold"):
        bed[name] = 0.0
    bed.hours(48, WELL_C)
    assert [bed[f"amount_{slot}"] for slot in range(3)] == before


def test_two_agents_on_one_node_leave_the_product_of_what_each_leaves() -> None:
    """Anakinra and canakinumab on the IL-1 signal: 1 - (1 - a)(1 - b), and 0 everywhere else."""
    arm = arm_of("tarlatamab", mitigations=("anakinra", "canakinumab"))
    plan, w = lane(arm, people(arm, 1), world=world_of(), row=0)
    bed = Bedside(plan, w)
    node = NODES.index("il1_signal")
    left = 1.0
    for slot, agent in enumerate(plan.agents):
        if agent is not None and "il1_signal" in agent.acts_on:
            bed[f"amount_{slot}"] = bed[f"at_site_{slot}"] = 1.0
            bed[f"keep_{slot}"] = 1.0
            left *= 1.0 - bed[f"emax_{slot}_{node}"] / (1.0 + bed[f"half_{slot}"])
    agents_act(w, plan.pairs, np.empty(LANES))
    assert bed["block_il1_signal"] == pytest.approx(1.0 - left)
    assert {name for name in NODES if bed[f"block_{name}"] > 0.0} == {"il1_signal"}


def test_an_agent_wanes_with_its_half_life() -> None:
    arm = arm_of("tarlatamab")
    plan, w = lane(arm, people(arm, 1), world=world_of(), row=0)
    bed = Bedside(plan, w)
    bed["amount_1"] = 1.0
    half_life = world_of().mitigations["dexamethasone"].elimination_half_life_h.value
    for _ in range(12):
        agents_act(w, plan.pairs, np.empty(LANES))
    assert bed["amount_1"] == pytest.approx(0.5 ** (12 * WARD_H / half_life))


def test_measurement_error_has_its_moments_and_memory() -> None:
    """Mean 0, SD 1, lag correlation `memory`, three independent signs; |z| < 5, effective n from
    the memory.
    """
    arm = arm_of("tarlatamab")
    _, w = lane(arm, people(arm, 1), world=world_of(), row=0)
    keys = people(arm, LANES).keys
    names, n = ("noise_temperature", "noise_map", "noise_spo2"), 4000
    rows = [ROW[name] for name in names]
    path = np.empty((n, 3, LANES))
    for tick in range(n):
        draw_noise(w, keys, tick)
        path[tick] = w.reshape(N_ROWS, LANES)[rows]
    keep = world_of().assumptions.value("ward.memory")
    path = path[20:]
    size = path[:, 0].size
    effective = size * (1 - keep) / (1 + keep)
    for k in range(3):
        x = path[:, k]
        assert abs(x.mean()) < 5 / np.sqrt(effective)
        assert abs(x.var() - 1) < 5 * np.sqrt(2 / effective)
        assert abs((x[1:] * x[:-1]).mean() - keep) < 5 * np.sqrt(2 / effective)
        for other in range(k):
            assert abs((x * path[:, other]).mean()) < 5 / np.sqrt(effective)
    lanes = np.corrcoef(path[:, 0].T) - np.eye(LANES)
    assert np.abs(lanes).max() < 5 / np.sqrt(effective / LANES)


def test_measurement_error_depends_on_key_and_tick_alone() -> None:
    arm = arm_of("tarlatamab")
    keys = people(arm, LANES).keys

    def first(keys: NDArray[np.uint64], tick: int) -> Values:
        _, w = lane(arm, people(arm, 1), world=world_of(), row=0)
        draw_noise(w, keys, tick)
        found: Values = w.reshape(N_ROWS, LANES)[ROW["noise_map"]].copy()
        return found

    assert np.array_equal(first(keys, 7), first(keys, 7))
    assert np.array_equal(first(keys[::-1].copy(), 7), first(keys, 7)[::-1])
    assert len(np.unique(np.concatenate([first(keys, tick) for tick in range(20)]))) == 20 * LANES
