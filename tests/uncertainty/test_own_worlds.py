"""Own worlds: a patient's outcome is that of a whole simulation under his constants, to the last
bit, whoever is simulated beside him.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from crsrisk.data.evidence_files import load_trials
from crsrisk.data.product import Product
from crsrisk.data.published_figures import Trial
from crsrisk.data.world_files import load_product
from crsrisk.simulation.published_trials import simulate_outcomes
from crsrisk.uncertainty import own_worlds
from crsrisk.uncertainty.constants import (
    quantity_of,
    random_effect_keys,
    with_product_values,
    with_world_values,
)
from crsrisk.uncertainty.evidence_model import Latents, latents_of
from crsrisk.uncertainty.own_worlds import OF_THE_TIMETABLE, simulate_own_worlds
from tests.simulation.people import world_of

Values = NDArray[np.float64]
SEED = 11
TRIALS = {trial.name: trial for trial in load_trials()}
# an engager, cells with patients of several tumour types, a checkpoint inhibitor
ALONE = ("tarlatamab_label_2025", "imc001_interim", "ici_karolinska")


def _products(trial: Trial) -> dict[str, Product]:
    return {name: load_product(name) for name in trial.products}


def _latents(trial: Trial) -> Latents:
    return latents_of([trial], products=_products(trial), world=world_of())


def _present(trial: Trial) -> dict[str, float]:
    """What the files say now of every latent of a trial."""
    latents, products = _latents(trial), _products(trial)
    present = {}
    for key in latents.keys:
        if key in latents.constants:
            present[key] = quantity_of(key, world=world_of(), products=products).value
            continue
        name, effect = key.removeprefix("product:").split(".random_effects.")
        effects = products[name].random_effects
        present[key] = 0.0 if effects is None else getattr(effects, effect).value
    return present


def _scattered(trial: Trial, n: int) -> dict[str, Values]:
    """Values of all latents, scattered over their priors, one a patient."""
    latents = _latents(trial)
    return latents.values(0.5 * np.random.default_rng(5).standard_normal((n, len(latents.keys))))


def _in(
    trial: Trial, product: str, values: Mapping[str, float], n: int, **choices: object
) -> pd.DataFrame:
    """The usual simulation of one product of a trial with all patients in one world."""
    made = simulate_outcomes(
        with_product_values(load_product(product), values),
        world=with_world_values(world_of(), values),
        n=n,
        seed=SEED,
        regimen=trial.regimen,
        population=trial.population,
        policy=trial.support_policy,
        window_d=trial.window_d,
        **choices,  # type: ignore[arg-type]
    )
    return made.sort_values("patient_id", ignore_index=True)


def _own(trial: Trial, values: Mapping[str, Values], n: int, **choices: object) -> pd.DataFrame:
    return simulate_own_worlds(
        trial,
        products=_products(trial),
        values=values,
        n=n,
        world=world_of(),
        seed=SEED,
        **choices,  # type: ignore[arg-type]
    )


def _assert_same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(one, other, check_exact=True)


@pytest.mark.parametrize("name", ALONE)
def test_with_the_values_of_the_files_it_is_the_usual_simulation(name: str) -> None:
    trial, n = TRIALS[name], 96
    usual = _in(trial, trial.product, {}, n)
    _assert_same(_own(trial, {}, n), usual)
    present = {key: np.full(n, value) for key, value in _present(trial).items()}
    _assert_same(_own(trial, present, n), usual)


@pytest.mark.parametrize("name", ALONE)
def test_a_patient_is_what_he_is_in_his_world_alone(name: str) -> None:
    """Patients of two worlds, one after the other: each as in a simulation of his world."""
    trial, n = TRIALS[name], 64
    two = {key: value[:2] for key, value in _scattered(trial, 2).items()}
    member = np.arange(n) % 2
    mixed = _own(trial, {key: value[member] for key, value in two.items()}, n)
    for k in range(2):
        alone = _in(trial, trial.product, {key: float(v[k]) for key, v in two.items()}, n)
        mine = member == k
        _assert_same(mixed[mine].reset_index(drop=True), alone[mine].reset_index(drop=True))
    assert set(mixed["patient_id"]) == set(range(n))


@pytest.mark.parametrize("name", [*ALONE, "engager_pool"])
def test_neither_threads_nor_the_size_of_pieces_matter(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial, n = TRIALS[name], 100
    values, done = _scattered(trial, n), []
    whole = _own(trial, values, n)
    monkeypatch.setattr(own_worlds, "CHUNK", 19)
    _assert_same(_own(trial, values, n, workers=2, advance=done.append), whole)
    assert sum(done) == n


def test_a_pool_has_equal_shares_of_its_products() -> None:
    """Six engagers and 100 patients: four of them have 17 and two 16, the first first, each as in a
    simulation of the product alone.
    """
    trial, n = TRIALS["engager_pool"], 100
    present = _present(trial)
    made = _own(trial, {key: np.full(n, value) for key, value in present.items()}, n)
    lots = np.array_split(np.arange(n), len(trial.products))
    assert [len(lot) for lot in lots] == [17, 17, 17, 17, 16, 16]
    for product, lot in zip(trial.products, lots, strict=True):
        alone = _in(trial, product, {}, n)
        _assert_same(made.iloc[lot].reset_index(drop=True), alone.iloc[lot].reset_index(drop=True))


def test_prophylaxis_reaches_everybody() -> None:
    trial, n = TRIALS["tarlatamab_label_2025"], 96
    present = {key: np.full(n, value) for key, value in _present(trial).items()}
    spared = _own(trial, present, n, mitigations=("tocilizumab",))
    _assert_same(spared, _in(trial, trial.product, {}, n, mitigations=("tocilizumab",)))
    assert spared["crs_grade2plus"].sum() < _own(trial, present, n)["crs_grade2plus"].sum()


def test_what_a_product_cannot_feel_is_passed_over() -> None:
    """Other products, other policies, and what the timetable is made of before there are
    patients.
    """
    trial, n = TRIALS["tarlatamab_label_2025"], 48
    rng = np.random.default_rng(1)
    strange = {
        "product:acapatamab.binding.tumour_affinity_nm": rng.uniform(0.1, 9.0, n),
        "policy:checkpoint_clinic.rescue_delay_h": rng.uniform(1.0, 9.0, n),
        **{key: rng.uniform(0.2, 0.9, n) for key in OF_THE_TIMETABLE},
    }
    _assert_same(_own(trial, strange, n), _own(trial, {}, n))


def test_random_effects_are_felt_one_by_one() -> None:
    """The same 400 patients with half and with four times the dose at half an effect."""
    trial, n = TRIALS["tarlatamab_label_2025"], 400
    potency, efficacy, severity = random_effect_keys(trial.product)
    usual = _present(trial)
    for key in (potency, efficacy, severity):
        few, many = (
            _own(trial, {key: np.full(n, usual[key] + step)}, n)["crs_grade2plus"].mean()
            for step in (-1.5, 1.5)
        )
        assert few < many
