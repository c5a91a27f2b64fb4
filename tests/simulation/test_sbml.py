"""SBML: valid files, formulas that equal the solver's functions, and the same course in another
simulator.
"""

from __future__ import annotations

import xml.etree.ElementTree as Xml
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.reference import lane, plain_rates
from crsrisk.simulation import solve
from crsrisk.simulation.arm import timetable
from crsrisk.simulation.equations import equations, evaluate, right_hand_side
from crsrisk.simulation.layout import (
    AT,
    INPUTS,
    LANES,
    N_ROWS,
    PARAMETERS,
    ROW,
    ROWS,
    STATES,
    TICK_H,
    TRACE,
    WARD_H,
)
from crsrisk.simulation.population import covariates
from crsrisk.simulation.run import run
from crsrisk.simulation.sbml import WORDS, origins
from crsrisk.simulation.similar_patients import typical_patient
from crsrisk.simulation.ward import agents_act
from crsrisk.studies.export import mechanism_sbml
from tests.simulation.people import PRODUCTS, Values, arm_of, people, varied, world_of

BAR = 1e-3  # the bar for libRoadRunner
NAMESPACE = "{http://www.sbml.org/sbml/level3/version2/core}"


# premedication; cells with interleukin-2; under the skin
QUICK = ("tarlatamab", "til_il2", "psma_sc_engager")
QUICK_FIRST = [
    one if one in QUICK else pytest.param(one, marks=pytest.mark.slow) for one in PRODUCTS
]


@cache
def _text(product: str) -> str:
    return mechanism_sbml(arm_of(product), world=world_of())


# --- the formulas are the solver's ---


@cache
def _constants(product: str) -> Values:
    """Rows of two patients before anything is given, shape (patient, row)."""
    arm = arm_of(product)
    return np.array(
        [
            lane(arm, people(arm, 2), world=world_of(), row=row)[1].reshape(N_ROWS, LANES)[:, 0]
            for row in (0, 1)
        ]
    )


@settings(max_examples=50)
@given(
    seed=st.integers(0, 2**32 - 1),
    product=st.sampled_from(["tarlatamab", "psma_masked_engager", "til_il2"]),
)
def test_traced_formulas_equal_the_right_hand_side(seed: int, product: str) -> None:
    """At random states and blocks, with the constants of a random patient: the same to 1e-12."""
    random = np.random.default_rng(seed)
    rows = _constants(product)[random.integers(2)].copy()
    for row in INPUTS:
        rows[ROW[row]] = random.uniform(0.0, 1.0)
    y = np.exp(random.normal(0.0, 3.0, len(STATES)))
    rows[: len(STATES)] = y
    values = dict(zip(ROWS, rows.tolist(), strict=True))
    traced = np.array([evaluate(rate, values) for rate in right_hand_side()[0].values()])
    solver = np.array(plain_rates(y.tolist(), np.repeat(rows, LANES).tolist(), 0))
    np.testing.assert_allclose(traced, solver, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("product", "mitigations"),
    [
        ("tarlatamab", ()),
        ("til_il2", ()),
        ("psma_sc_engager", ("tocilizumab",)),
        ("gpc3_car_t", ("ruxolitinib",)),
    ],
)
def test_traced_changes_equal_the_solvers_timetable(
    product: str, mitigations: tuple[str, ...]
) -> None:
    """Gifts and agents, half hour by half hour for the whole window: every held input as the solver
    holds it.
    """
    arm = arm_of(product, mitigations=mitigations)
    plan, w = lane(arm, people(arm, 2), world=world_of(), row=1)
    found = equations(plan)
    values = {name: float(w[ROW[name] * LANES]) for name in PARAMETERS}
    held = {row: evaluate(formula, values) for row, formula in found.begin.items()}
    due = {change.label: change.time_h for change in found.changes}
    checked = [
        row for row in (*INPUTS, "depot", *(f"at_site_{k}" for k in range(5))) if row in held
    ]
    for tick in range(len(plan.infusion)):
        w[AT.depot] = 0.0  # nothing is absorbed here: only what arrives
        solve.give(
            w,
            plan.infusion[tick],
            plan.depot[tick],
            plan.interleukin_2[tick],
            plan.dose_number[tick],
            plan.slots[tick],
            0.0,
        )
        if (tick - plan.lead) * TICK_H % WARD_H == 0:
            agents_act(w, plan.pairs, np.empty(LANES))
        held["depot"] = held["depot"] if tick == 0 else 0.0
        for change in sorted(found.changes, key=lambda one: one.rank):
            if due[change.label] == tick * TICK_H:
                now = {**values, **held, "time": tick * TICK_H}
                now |= {part: evaluate(formula, now) for part, formula in found.of_time.items()}
                held |= {row: evaluate(formula, now) for row, formula in change.becomes.items()}
                due[change.label] += change.every_h
        for row in checked:
            assert held[row] == pytest.approx(w[ROW[row] * LANES], rel=1e-9, abs=1e-15), (row, tick)


def test_only_what_the_open_loop_needs_is_written() -> None:
    """No constant of the ward; agents and interleukin-2 only where the arm gives them."""
    plain = equations(timetable(arm_of("tarlatamab", regimen="label_no_steroid"), world=world_of()))
    assert not {"fever_at", "wants_toci_1", "look_well", "il2_turnover"} & set(plain.parameters)
    assert not any(change.every_h for change in plain.changes)
    assert not any(name.startswith(("keep_", "emax_")) for name in plain.parameters)
    with_steroid = equations(timetable(arm_of("tarlatamab"), world=world_of()))
    assert [change.every_h for change in with_steroid.changes if change.every_h] == [WARD_H]
    til = equations(timetable(arm_of("til_il2"), world=world_of()))
    assert [change.every_h for change in til.changes if change.every_h] == [TICK_H]


# --- the file ---


@pytest.mark.parametrize("product", QUICK_FIRST)
def test_valid_sbml(product: str) -> None:
    """No error of libsbml's full consistency check; warnings only for units, which stand in the
    notes instead.
    """
    libsbml = pytest.importorskip("libsbml", reason="python-libsbml is a development tool")
    document = libsbml.readSBMLFromString(_text(product))
    assert (document.getLevel(), document.getVersion()) == (3, 2)
    document.checkConsistency()
    problems = [document.getError(k) for k in range(document.getNumErrors())]
    assert [
        one.getMessage() for one in problems if one.getSeverity() >= libsbml.LIBSBML_SEV_ERROR
    ] == []
    assert {
        one.getMessage() for one in problems if "unit" not in one.getShortMessage().lower()
    } == set()
    model = document.getModel()
    rules = {
        rule.getVariable(): rule.isRate()
        for rule in (model.getRule(k) for k in range(model.getNumRules()))
    }
    assert {name for name, is_rate in rules.items() if is_rate} == set(STATES)


def test_the_notes_say_what_it_is() -> None:
    text = " ".join(Xml.fromstring(_text("tarlatamab")).itertext())
    for part in (
        "research use",
        "no external validation",
        "Open loop",
        "grading",
        world_of().assumptions.digest,
        "dexamethasone",
        "typical patient",
        "scenario reference",
    ):
        assert part in text
    assert set(WORDS) >= set(STATES), "every state in words"


def test_constants_carry_value_unit_and_origin() -> None:
    """IL-6 clearance is an assumption in 1/h, with its meaning; the affinity is the product's; the
    gain is of many.
    """
    parameters = {
        one.get("id"): one
        for one in Xml.fromstring(_text("tarlatamab")).iter(f"{NAMESPACE}parameter")
    }
    assumption = world_of().assumptions["cascade.il6_clearance_per_h"]
    words = " ".join(parameters["il6_clearance"].itertext())
    assert float(parameters["il6_clearance"].attrib["value"]) == assumption.value
    for part in (
        "Unit: 1/h",
        "cascade.il6_clearance_per_h",
        assumption.strength,
        assumption.meaning,
    ):
        assert part in words
    assert "product.binding.tumour_affinity_nm" in " ".join(
        parameters["tumour_affinity"].itertext()
    )
    assert "Unit: nM" in " ".join(parameters["tumour_affinity"].itertext())
    assert "value" not in parameters["il6"].attrib, "begins where its initial assignment says"


def test_origins_follow_the_code() -> None:
    arm = arm_of("tarlatamab")
    patient = typical_patient(arm.population, assumptions=world_of().assumptions)
    found = {
        row: {one.name for one in some}
        for row, some in origins(arm, patient, world=world_of()).items()
    }
    assert found["il2_turnover"] == {"exposure.il2_half_life_h"}
    assert "product.binding.antigen_restriction" in found["load_normal"]
    assert "product.binding.antigen_restriction" not in found["load_tumour"]
    assert "product.kinetics.clearance_l_h" in found["elimination"]
    assert found["soluble"] == set()


def test_the_typical_patient_is_in_the_middle() -> None:
    """Among 2,000 patients: what most have, and laboratory values within 15% of the median of those
    who have it too.
    """
    arm = arm_of("tarlatamab")
    one = covariates(
        typical_patient(arm.population, assumptions=world_of().assumptions), arm.population
    )
    all_ = covariates(people(arm, 2000), arm.population)
    for name in ("is_female", "has_liver_metastases", "has_infection"):
        assert one[name][0] == round(all_[name].mean())
    assert one["ecog"][0] == np.median(all_["ecog"])
    sample_conditional = (all_["has_liver_metastases"] == one["has_liver_metastases"][0]) & (
        all_["ecog"] == one["ecog"][0]
    )
    for name in ("crp_mg_l", "ferritin_ug_l", "ldh_x_uln", "il6_pg_ml", "weight_kg"):
        assert one[name][0] == pytest.approx(np.median(all_[name][sample_conditional]), rel=0.15), (
            name
        )


# --- another simulator agrees ---


def _in_libroadrunner(text: str, n_ticks: int) -> Values:
    """States at every half hour, shape (tick, state), by libRoadRunner's CVODE."""
    roadrunner = pytest.importorskip("roadrunner", reason="libroadrunner is a development tool")
    roadrunner.Logger.setLevel(roadrunner.Logger.LOG_FATAL)
    model = roadrunner.RoadRunner(text)
    model.integrator.relative_tolerance, model.integrator.absolute_tolerance = 1e-6, 1e-9
    model.selections = list(STATES)
    return np.array(model.simulate(0.0, (n_ticks - 1) * TICK_H, n_ticks))


@pytest.mark.parametrize("product", QUICK_FIRST)
def test_libroadrunner_agrees(product: str) -> None:
    """Open loop, default regimen, typical patient, all half hours until the end of the window.

    At the shipped step: peaks of IL-6, CRP and temperature within 1e-3. With the kernel's step
    divided by 8, so that what is compared is the model and not the step: every state within 1e-3 of
    its peak at every half hour.
    """
    arm = arm_of(product)
    patient = typical_patient(arm.population, assumptions=world_of().assumptions)
    shipped, fine = (
        run(arm, patient, world=world_of(), has_support=False, has_traces=True, substeps=n).traces[
            :, [TRACE.index(state) for state in STATES], 0
        ]
        for n in (1, 8)
    )
    theirs = _in_libroadrunner(_text(product), len(fine))
    for name in ("il6", "crp", "temperature"):
        k = STATES.index(name)
        assert shipped[:, k].max() == pytest.approx(theirs[:, k].max(), rel=BAR), name
    peak = np.maximum(np.abs(fine).max(axis=0), 1e-12)
    worst = (np.abs(theirs - fine) / peak).max(axis=0)
    assert dict(zip(STATES, worst.tolist(), strict=True)) == pytest.approx(
        dict.fromkeys(STATES, 0.0), abs=BAR
    )


def test_a_simulated_patient_and_a_product_of_ones_own() -> None:
    """Patient 7 of seed 1 under a product that holds T cells ten times as tight: libRoadRunner
    follows the kernel.
    """
    product = varied("tebentafusp", "binding", cd3_affinity_nm=3.8)
    arm = arm_of(product)
    text = mechanism_sbml(arm, world=world_of(), patient=7, seed=1)
    patient = people(arm, 1, start=7)
    ours = run(arm, patient, world=world_of(), has_support=False, has_traces=True).traces[:, :, 0]
    theirs = _in_libroadrunner(text, len(ours))
    for name in ("il6", "crp", "temperature"):
        assert ours[:, TRACE.index(name)].max() == pytest.approx(
            theirs[:, STATES.index(name)].max(), rel=BAR
        )
    assert text != mechanism_sbml(arm, world=world_of(), patient=8, seed=1)
