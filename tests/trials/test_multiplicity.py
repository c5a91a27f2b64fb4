"""Procedures of multiple testing: published critical values, and no more false claims than the
level.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri

from crsrisk.data.trial_plan import Multiplicity
from crsrisk.errors import InputError
from crsrisk.trials.multiplicity import dunnett_critical_value, standing

# Dunnett, J Am Stat Assoc 1955;50:1096, table 1 (one-sided), infinite degrees of freedom
DUNNETT_5 = {1: 1.64, 2: 1.92, 3: 2.06, 4: 2.16, 5: 2.23}
DUNNETT_1 = {1: 2.33, 2: 2.56, 3: 2.68, 4: 2.77, 5: 2.84}


@pytest.mark.parametrize(("alpha", "table"), [(0.05, DUNNETT_5), (0.01, DUNNETT_1)])
def test_critical_values_are_those_of_dunnett(alpha: float, table: dict[int, float]) -> None:
    for k, value in table.items():
        assert round(dunnett_critical_value(k, alpha_one_sided=alpha), 2) == value


def test_comparisons_that_share_nothing_are_sidaks() -> None:
    """Few treated for each control: the control's mean is known, and the z are independent."""
    assert dunnett_critical_value(3, alpha_one_sided=0.05, ratio=1e-9) == pytest.approx(
        ndtri(0.95 ** (1 / 3)), abs=1e-4
    )


def test_no_comparison_is_refused() -> None:
    with pytest.raises(InputError, match="n_comparisons"):
        dunnett_critical_value(0)


@pytest.mark.parametrize(
    ("procedure", "z", "stands"),
    [
        # z 1.96 is one-sided 0.025, 2.241 half of it, 2.212 Dunnett's of two
        ("hierarchical", [2.0, 1.9, 3.0], [True, False, False]),
        ("hierarchical", [2.0, 2.0, 2.0], [True, True, True]),
        ("holm", [2.0, 2.1, 9.0], [False, False, False]),
        ("holm", [2.0, 2.3, 1.9], [True, True, False]),
        ("holm", [1.9, 2.3, 9.0], [False, True, False]),
        ("holm", [2.3, 2.3, 1.97], [True, True, True]),
        ("dunnett", [2.0, 2.22, 2.0], [True, True, True]),
        ("dunnett", [2.0, 2.20, 2.0], [False, False, False]),
    ],
)
def test_which_claims_stand(procedure: Multiplicity, z: list[float], stands: list[bool]) -> None:
    """Two drugs against the control, then one against the other behind their gate."""
    found = standing(
        np.array(z), procedure=procedure, alpha=0.025, against_control=[True, True, False]
    )
    assert found.tolist() == stands


@pytest.mark.parametrize("procedure", ["hierarchical", "holm", "dunnett"])
@pytest.mark.parametrize("drift", [(0.0, 0.0), (0.0, 9.0), (9.0, 0.0), (9.0, 9.0)])
def test_false_claims_keep_the_level(procedure: Multiplicity, drift: tuple[float, float]) -> None:
    """Whichever drugs work. 400,000 seeded draws: a rate at 0.025 is above 0.0260 in 1 of 20,000
    seeds (4 standard errors).
    """
    chance = np.random.default_rng(20261130).normal(size=(400_000, 3)) * np.sqrt(0.5)
    first, second = (chance[:, 2] - chance[:, k] + drift[k] for k in (0, 1))
    z = np.stack([first, second, first - second], axis=1)  # drug against drug: the same spread
    stands = standing(z, procedure=procedure, alpha=0.025, against_control=[True, True, False])
    is_false = np.array([drift[0] == 0.0, drift[1] == 0.0, drift[0] <= drift[1]])
    assert stands[:, is_false].any(axis=1).mean() <= 0.0260
