"""The benchmark against compiled peers: the same equations, and a table of misses."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from bench.peers import (
    BAR_RATIO,
    ComparedArm,
    Patient,
    Peer,
    by_diffrax,
    by_numbalsoda,
    people,
    table,
)
from bench.reference import compiled_slope
from crsrisk.data.world_files import load_product
from crsrisk.simulation.arm import make_arm
from crsrisk.simulation.equations import evaluate_all, right_hand_side
from crsrisk.simulation.layout import LANES, N_ROWS, ROWS, STATES
from crsrisk.simulation.population import sample
from tests.simulation.people import world_of


def _people(n: int, n_judged: int) -> list[Patient]:
    world = world_of()
    arm = make_arm(load_product("tarlatamab"), world=world, regimen="label_no_steroid")
    drawn = sample(arm.population, assumptions=world.assumptions, seed=1, start=0, stop=n)
    return people(arm, drawn, world=world, n=n, n_judged=n_judged)


def test_traced_formulas_for_arrays_are_the_compiled_right_hand_side() -> None:
    (one,) = _people(1, 0)
    rng = np.random.default_rng(3)
    for part in one.parts[:3]:
        y = one.begin * rng.uniform(0.5, 2.0, len(STATES)) + rng.uniform(0, 1, len(STATES))
        row = part.workspace.reshape(N_ROWS, LANES)[:, 0]
        values = {**dict(zip(ROWS, row, strict=True)), **dict(zip(STATES, y, strict=True))}
        rates = evaluate_all(right_hand_side()[0], values, where=np.where)
        np.testing.assert_allclose(
            [float(rates[state]) for state in STATES],
            compiled_slope(y, 0.0, part.workspace),
            rtol=1e-9,
            atol=1e-12,
        )


@pytest.mark.slow
def test_peers_solve_the_same_patients() -> None:
    pytest.importorskip("diffrax", reason="diffrax is a development tool")
    settings = [("Tsit5", 1e-4), ("Tsit5", 1e-5)]  # each is compiled: the benchmark tries them all
    found = by_diffrax(_people(2, 2), n_judged=2, accepted=1e-3, settings=settings)
    assert found.error <= 1e-3
    assert found.per_s > 0


@pytest.mark.slow
def test_numbalsoda_solves_the_same_patients() -> None:
    pytest.importorskip("numbalsoda", reason="numbalsoda needs a Fortran compiler to install")
    found = by_numbalsoda(_people(2, 2), accepted=1e-3)
    assert found.error <= 1e-3
    assert found.per_s > 0


def test_the_table_names_what_is_missing_and_a_bar_that_is() -> None:
    def arm(ratio: float) -> dict[str, object]:
        peers = (Peer("numbalsoda", "LSODA, rtol 1e-05", 1e4 / ratio, 5e-4),)
        one = ComparedArm("tarlatamab", "label", 1e4, 4e-4, peers, ("diffrax",))
        return {**asdict(one), "ratio": one.ratio}

    good = table({"arms": [arm(2 * BAR_RATIO)]})
    assert "MISSED" not in good
    assert "diffrax: not installed" in good
    assert "MISSED" in table({"arms": [arm(2 * BAR_RATIO), arm(BAR_RATIO / 2)]})
