"""Interventions: one value changes and nothing else, a marker has exactly no effect, a cause has
its sign.
"""

from __future__ import annotations

import numpy as np
import pytest

from crsrisk.errors import InputError
from crsrisk.simulation.population import TRAITS
from crsrisk.simulation.true_risk import (
    FEATURES,
    Intervened,
    intervene,
    risk_of_arm,
    with_reference_values,
)
from tests.simulation.people import arm_of, people, world_of

ARM = arm_of("tarlatamab")


def run(
    features: tuple[str, ...], *, n: int = 12, n_replicates: int = 100, scenario: str = "reference"
) -> Intervened:
    world = world_of(scenario)
    return intervene(
        ARM,
        people(ARM, n, world=world, seed=3),
        reference=people(ARM, 40, world=world, seed=3, start=500),
        features=features,
        world=world,
        seed=3,
        n_replicates=n_replicates,
    )


@pytest.mark.parametrize("feature", FEATURES)
def test_one_value_changes_and_nothing_else(feature: str) -> None:
    patients, reference = people(ARM, 20, seed=1), people(ARM, 20, seed=1, start=100)
    changed = with_reference_values(patients, reference, feature=feature)
    columns = np.any(changed.latent != patients.latent, axis=0)
    traits = np.any(changed.traits != patients.traits, axis=0)
    discrete = {
        name
        for name in patients.discrete
        if np.any(changed.discrete[name] != patients.discrete[name])
    }
    expected = (
        {"n_metastatic_sites", "extra_sites"} if feature == "n_metastatic_sites" else {feature}
    )
    assert int(columns.sum()) + int(traits.sum()) + len(discrete) == len(expected)
    assert discrete <= expected
    assert not traits.any() or traits[TRAITS.index("cell_dose")]
    for same in ("site", "site_effects", "occasions", "habits", "keys"):
        assert np.array_equal(getattr(changed, same), getattr(patients, same))


def test_the_natural_run_is_the_oracles_and_a_marker_does_nothing() -> None:
    """The number of metastatic sites travels with burden and enters no equation: replacing it
    changes not one patient.
    """
    found = run(("n_metastatic_sites",))
    assert np.array_equal(found.changed[:, 0], found.natural)
    asked = risk_of_arm(
        ARM, people(ARM, 12, seed=3), world=world_of(), seed=3, given="observed", n_replicates=100
    )
    assert np.array_equal(asked.n_grade2plus, found.natural)


def test_a_cause_has_its_sign() -> None:
    """Where burden is strong: patients above the reference's burden gain risk by it, those below
    lose (seed fixed).
    """
    world = world_of("burden_strong")
    patients = people(ARM, 12, world=world, seed=3)
    effect = run(("sum_of_diameters_mm",), scenario="burden_strong", n_replicates=200).effects()[
        :, 0
    ]
    burden = patients.latent[:, 2]
    assert np.corrcoef(effect, burden)[0, 1] > 0.5


def test_halves_make_the_whole_and_an_odd_number_is_refused() -> None:
    found = run(("crp_mg_l",), n=4, n_replicates=20)
    assert found.effects(split_half=0).shape == (4, 1)
    assert found.n_replicates == 20
    with pytest.raises(InputError, match="even"):
        run(("crp_mg_l",), n_replicates=21)
    with pytest.raises(InputError, match="baseline value"):
        run(("site",), n=2, n_replicates=2)
