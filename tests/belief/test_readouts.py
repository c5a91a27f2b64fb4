"""What users act on: read the same whatever the number of workers, and moved by what must move it."""

from __future__ import annotations

import numpy as np
import pytest

from crsrisk.belief.factors import factors_apart, uncertain_constants
from crsrisk.belief.readouts import FEATURES, Inquiry, make_inquiry, read_world, read_worlds, selection_by_chance
from crsrisk.errors import InputError
from crsrisk.simulate.trial import simulate_outcomes
from tests.simulate.people import product_of, world_of

PAIR = [product_of("tarlatamab"), product_of("afami_cel")]


@pytest.fixture(scope="module")
def inquiry() -> Inquiry:
    return make_inquiry(world_of(), PAIR, judged="tarlatamab", n_panel=100, n_reference=400, seed=1)


def test_rates_are_those_of_the_simulator(inquiry: Inquiry) -> None:
    found = read_world(inquiry, values={}, n=48, n_judged=64, seed=7)
    assert found.shape == (len(inquiry.readouts),)
    for k, (product, n) in enumerate(zip(PAIR, (64, 48), strict=True)):
        table = simulate_outcomes(product, world=world_of(), n=n, seed=7)
        assert found[k] == table["crs_grade2plus"].mean()
    assert inquiry.selected.sum() == 20


def test_the_selection_is_fixed_and_chance_alone_moves_it(inquiry: Inquiry) -> None:
    twin = make_inquiry(world_of(), PAIR, judged="tarlatamab", n_panel=100, n_reference=400, seed=1)
    assert (twin.selected == inquiry.selected).all()
    mean, error = selection_by_chance(inquiry, n_judged=256, repeats=3, seed=50)
    assert 0.2 < mean < 1.0
    assert error > 0.0


def test_workers_change_nothing(inquiry: Inquiry) -> None:
    factors = factors_apart(uncertain_constants(world_of(), PAIR))
    places = np.random.default_rng(0).uniform(0.2, 0.8, (4, len(factors) + 1))
    places[1, :-1] = places[0, :-1]  # the same world with other patients
    one, two = (read_worlds(inquiry, places, factors=factors, n=16, n_judged=48, seed=3, workers=workers)
                for workers in (1, 2))
    assert one.tobytes() == two.tobytes()
    assert not np.array_equal(one[0], one[1])


def test_a_world_without_crs_tells_nothing(inquiry: Inquiry) -> None:
    found = read_world(inquiry, values={"assumption:engagement.t_gain": 1e-9}, n=16, n_judged=48, seed=3)
    assert found.tolist() == [0.0, 0.0, 0.5, *([0.0] * len(FEATURES)), 0.2]


def test_the_judged_product_is_one_of_the_products() -> None:
    with pytest.raises(InputError, match="tebentafusp"):
        make_inquiry(world_of(), PAIR, judged="tebentafusp", n_panel=10, n_reference=10, seed=1)
