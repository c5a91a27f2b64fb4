"""Solve: the lockstep kernel against LSODA, against closed forms, against itself with smaller
steps.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import expm

from bench.reference import compiled_slope, lane, plain_rates, reference, segments
from crsrisk.simulation import run as run_module
from crsrisk.simulation.arm import Arm, Timetable, timetable
from crsrisk.simulation.layout import LANES, N_ROWS, N_STATES, ROW, STATES, TICK_H
from crsrisk.simulation.population import covariates, take
from crsrisk.simulation.run import run
from tests.simulation.people import PRODUCTS, Values, arm_of, episode, people, trace, world_of

BAR = 1e-3  # relative error that the issue allows in the peak of IL-6, CRP and temperature


def test_plain_and_compiled_right_hand_side_agree() -> None:
    """The wiring in plain Python, on the way of a severe patient; fast mathematics may reorder the
    last digits.
    """
    for name in ("tarlatamab", "cldn182_car_t"):
        plan, w = lane(arm_of(name), people(arm_of(name), 1), world=world_of(), row=0)
        part = segments(plan, w)[-1].workspace
        for y in reference(plan, w, rtol=1e-6).states[::700]:
            compiled = compiled_slope(y, 0.0, part)
            plain = np.array(plain_rates(y.tolist(), part.tolist(), 0))
            assert compiled == pytest.approx(plain, rel=1e-9, abs=1e-9 * (1 + np.abs(y).max()))


def _examined(arm: Arm) -> NDArray[np.intp]:
    """Of 128 patients: the one most sensitive to the step, and the one with the median peak of
    IL-6.
    """
    usual = episode(arm, 128, has_support=False).tracks["peak_il6"]
    fine = episode(arm, 128, has_support=False, substeps=8).tracks["peak_il6"]
    return np.array([np.abs(usual / fine - 1).argmax(), np.argsort(usual)[64]])


@pytest.mark.parametrize("product", PRODUCTS)
def test_peaks_against_lsoda(product: str) -> None:
    """Every shipped product, at the shipped step, against LSODA (rtol 1e-9) read every six
    minutes.
    """
    arm = arm_of(product)
    rows = _examined(arm)
    at_ticks = episode(arm, 128, has_support=False, has_traces=True)
    for row in rows:
        plan, w = lane(arm, people(arm, 128), world=world_of(), row=int(row))
        truth = reference(plan, w)
        for name in ("il6", "crp", "temperature"):
            assert trace(at_ticks, name)[:, row].max() == pytest.approx(truth.peak(name), rel=BAR)
        normal = truth.states[0, ROW["temperature"]]
        rise = trace(at_ticks, "temperature")[:, row].max() - normal
        assert rise == pytest.approx(truth.peak("temperature") - normal, rel=BAR, abs=1e-4)
        tracked = at_ticks.tracks["peak_crp"][row]  # tracked after each step, the trace before it
        assert tracked == pytest.approx(truth.peak("crp"), rel=BAR)


def _plasma_by_matrix_exponential(arm: Arm, patient: int) -> Values:
    """Amounts in depot, plasma and tissue at every tick, from the exponential of the rate
    matrix.
    """
    plan, w = lane(arm, people(arm, patient + 1), world=world_of(), row=patient)
    v = {name: w.reshape(N_ROWS, LANES)[row, 0] for name, row in ROW.items()}
    a, f = v["absorption"], v["bioavailability"]
    k, there, back = v["elimination"], v["to_peripheral"], v["to_central"]
    matrix = np.array(
        [
            [-a, 0, 0, 0],
            [a * f, -(k + there), back, v["dose_scale"]],
            [0, there, -back, 0],
            [0, 0, 0, 0],
        ]
    )  # the last state is the infusion, held
    ahead = expm(matrix * TICK_H)
    assert v["dose_scale"] == v["later_dose_scale"], "one matrix for all doses"
    y, path = np.zeros(4), []
    for tick in range(len(plan.infusion)):
        y[0] += plan.depot[tick] * v["dose_scale"]
        y[3] = plan.infusion[tick]
        path.append(y[:3].copy())
        y = ahead @ y
    return np.array(path)


@pytest.mark.parametrize("product", ["tarlatamab", "psma_sc_engager", "tebentafusp"])
def test_drug_follows_the_matrix_exponential(product: str) -> None:
    """Linear kinetics have a closed form; what remains is the step: 1e-6 where exchange is slow,
    0.4% where fast.
    """
    arm, patient = arm_of(product), 3
    exact = _plasma_by_matrix_exponential(arm, patient)
    at = episode(arm, patient + 1, has_support=False, has_traces=True)
    for k, name in enumerate(("depot", "central", "peripheral")):
        error = np.abs(trace(at, name)[:, patient] - exact[:, k]).max()
        assert error <= (4e-3 if product == "tebentafusp" else 2e-5) * max(exact[:, k].max(), 1.0)


def test_halving_the_step_changes_little() -> None:
    """Of 600 patients at most one may change his grade; without rescue, which is all or nothing, no
    peak by more than 1e-3.

    Were it one patient in 100, the test would fail with probability 0.98 (binomial).
    """
    changed = 0
    for name in ("tarlatamab", "tebentafusp", "til_il2"):
        arm = arm_of(name)
        whole, half = episode(arm, 200), episode(arm, 200, substeps=2)
        changed += int((whole.tracks["max_grade"] != half.tracks["max_grade"]).sum())
        whole, half = (
            episode(arm, 200, has_support=False),
            episode(arm, 200, has_support=False, substeps=2),
        )
        for peak in ("peak_il6", "peak_crp", "peak_ferritin"):
            assert np.abs(whole.tracks[peak] / half.tracks[peak] - 1).max() < BAR
    assert changed <= 1


def test_the_order_of_the_method() -> None:
    """Third order: each halving divides the error by 8, in smooth stretches (cells without
    premedication).
    """
    arm = arm_of("gpc3_car_t")
    exact = episode(arm, 32, has_support=False, has_traces=True, substeps=16)
    for name in ("central", "il6"):
        error = [
            np.abs(
                trace(episode(arm, 32, has_support=False, has_traces=True, substeps=n), name)
                - trace(exact, name)
            ).max(axis=0)
            for n in (1, 2, 4)
        ]
        for coarse, fine in pairwise(error):
            assert 6.0 < np.median(coarse / fine) < 12.0


def test_neighbours_do_not_matter() -> None:
    """Sixteen patients share each instruction: none may feel who sits beside him, or in which
    lane.
    """
    arm = arm_of("tebentafusp")
    order = np.random.default_rng(1).permutation(50)
    straight, alone = episode(arm, 50), run(arm, people(arm, 1, start=37), world=world_of())
    mixed = run(arm, take(people(arm, 50), order), world=world_of())
    for name, values in straight.tracks.items():
        assert np.array_equal(values[order], mixed.tracks[name]), name
        assert values[37] == alone.tracks[name][0], name


@pytest.fixture
def without_drug(monkeypatch: pytest.MonkeyPatch) -> Arm:
    """Tarlatamab's arm without steroid and with empty infusions."""
    arm = arm_of("tarlatamab", regimen="label_no_steroid")
    plan = timetable(arm, world=world_of())
    empty: Timetable = replace(plan, infusion=np.zeros_like(plan.infusion))
    monkeypatch.setattr(run_module, "timetable", lambda arm, *, world: empty)
    return arm


def test_nothing_happens_without_drug(without_drug: Arm) -> None:
    """The patient at rest stays at rest: baseline laboratory values are a steady state."""
    at = episode(without_drug, 128, has_support=False, has_traces=True)
    allowed = {"crp": 1.0, "il6": 1.0, "ferritin": 5.0, "temperature": 0.02, "leak": 0.01}
    for name, most in allowed.items():
        drift = np.abs(trace(at, name) - trace(at, name)[0]).max(axis=0)
        assert drift.max() < most, (
            f"{name}: median {np.median(drift):.3g}, largest {drift.max():.3g}"
        )


def test_begin_is_the_patients_baseline() -> None:
    """Before the first dose every traced laboratory value is the true baseline, every activation is
    0.
    """
    arm = arm_of("tarlatamab", regimen="label_no_steroid")
    patients = people(arm, 20)
    at = run(arm, patients, world=world_of(), has_traces=True)
    true = covariates(patients, arm.population)
    for state, covariate in {
        "crp": "crp_mg_l",
        "il6": "il6_pg_ml",
        "ferritin": "ferritin_ug_l",
    }.items():
        assert trace(at, state)[0] == pytest.approx(true[covariate], rel=1e-12)
    assert (trace(at, "alt")[0] > 0.0).all()
    for state in set(STATES) - {"alt", "crp", "il6", "ferritin", "temperature", "cells"}:
        assert (trace(at, state)[0] == 0.0).all(), state


def test_states_are_all_there() -> None:
    plan, w = lane(arm_of("tebentafusp"), people(arm_of("tebentafusp"), 1), world=world_of(), row=0)
    assert (
        reference(plan, w, rtol=1e-4).states.shape[1]
        == N_STATES
        == len(compiled_slope(w[:N_STATES] * 0, 0.0, w))
    )
