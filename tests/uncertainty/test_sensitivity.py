"""Sensitivity indices against functions whose indices are known on paper, and determinism."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from crsrisk.errors import InputError
from crsrisk.uncertainty.sensitivity import (
    most_influential,
    screen,
    sobol_indices,
    variance_by_strength,
)

Values = NDArray[np.float64]
NAMES = ("one", "two", "three")


def ishigami(places: Values) -> Values:
    """Ishigami and Homma 1990 on [-pi, pi]^3 with a = 7 and b = 0.1."""
    x = np.pi * (2.0 * places - 1.0)
    return np.column_stack(
        [np.sin(x[:, 0]) + 7.0 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])]
    )


def ishigami_indices() -> tuple[list[float], list[float]]:
    """First and total indices in closed form (Saltelli, Global Sensitivity Analysis: The Primer,
    2008, chapter 4).
    """
    a, b = 7.0, 0.1
    one = 0.5 * (1.0 + b * np.pi**4 / 5.0) ** 2
    two, together = a**2 / 8.0, b**2 * np.pi**8 * (1.0 / 18.0 - 1.0 / 50.0)
    whole = one + two + together
    return [one / whole, two / whole, 0.0], [
        (one + together) / whole,
        two / whole,
        together / whole,
    ]


def additive(places: Values) -> Values:
    """Sum of uniforms with weights 3, 2, 1, 0: first and total indices are 9/14, 4/14, 1/14, 0."""
    return np.column_stack([places @ np.array([3.0, 2.0, 1.0, 0.0]), np.full(len(places), 2.5)])


def test_ishigami_by_sobol() -> None:
    """4096 points: the errors of a randomised sequence are below 0.02 here; the paper values are
    0.314, 0.442, 0.
    """
    table = sobol_indices(
        ishigami, groupings=[NAMES], outputs=["f"], n=4096, seed=1, resamples=100
    ).tables[0]
    first, total = ishigami_indices()
    assert first == pytest.approx([0.3139, 0.4424, 0.0], abs=1e-4)
    np.testing.assert_allclose(table["first"], first, atol=0.02)
    np.testing.assert_allclose(table["total"], total, atol=0.02)
    assert table["factor"].tolist() == list(NAMES)


def test_additive_indices_of_columns_and_groups() -> None:
    """The closed index of a group of an additive function is the sum of its members'."""
    groupings = [("a", "b", "c", "d"), ("x", "y", "x", "y")]
    found = sobol_indices(
        additive, groupings=groupings, outputs=["sum", "constant"], n=1024, seed=3, resamples=100
    )
    one, two = (table[table["output"] == "sum"] for table in found.tables)
    for kind in ("first", "total"):
        np.testing.assert_allclose(one[kind], np.array([9.0, 4.0, 1.0, 0.0]) / 14.0, atol=0.01)
        np.testing.assert_allclose(two[kind], np.array([10.0, 4.0]) / 14.0, atol=0.01)
    assert (one["first_low"] <= one["first_high"]).all()
    still = found.tables[0][found.tables[0]["output"] == "constant"]
    assert still[["first", "total", "first_low", "total_high"]].isna().all(axis=None)
    assert found.draws.shape == (2048, 2)
    assert found.draws[:, 0].mean() == pytest.approx(3.0, abs=0.02)


def test_worlds_that_groupings_share_are_simulated_once() -> None:
    seen: list[int] = []

    def evaluate(places: Values) -> Values:
        seen.append(len(places))
        return additive(places)

    sobol_indices(
        evaluate,
        groupings=[("a", "a", "b", "chance"), ("x", "y", "y", "chance")],
        outputs=["f", "g"],
        n=16,
        seed=1,
        resamples=10,
    )
    assert seen == [16 * (2 + 3 + 3 - 1)], "A, B and the column of chance are common"


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """95% intervals of 3 indices in 60 runs of 128 points; bootstrap intervals ignore the evenness
    of the sequence, so they are wide rather than narrow. Fewer than 157 of 180 would be below 0.87:
    error rate under 1e-4 at a true 0.95.
    """
    truth, inside = np.array([9.0, 4.0, 1.0, 0.0]) / 14.0, 0
    for seed in range(1, 61):
        table = (
            sobol_indices(
                additive,
                groupings=[("a", "b", "c", "d")],
                outputs=["f", "g"],
                n=128,
                seed=seed,
                resamples=60,
            )
            .tables[0]
            .iloc[:3]
        )
        inside += int(
            ((table["total_low"] <= truth[:3]) & (truth[:3] <= table["total_high"])).sum()
        )
    assert inside >= 157


def test_screening_of_a_linear_function_is_exact() -> None:
    """Elementary effects of a linear function are its slopes (here over the middle 95% of each
    coordinate).
    """
    table = screen(
        additive, names=["a", "b", "c", "d"], outputs=["sum", "constant"], trajectories=6, seed=5
    )
    one = table[table["output"] == "sum"].set_index("factor")
    np.testing.assert_allclose(
        one.loc[["a", "b", "c", "d"], "mu_star"], 0.95 * np.array([3.0, 2.0, 1.0, 0.0]), atol=1e-12
    )
    np.testing.assert_allclose(one["sigma"], 0.0, atol=1e-12)
    np.testing.assert_allclose(
        one.loc[["a", "b", "c"], "share"], np.array([9.0, 4.0, 1.0]) / 14.0, rtol=1e-9
    )
    assert one.index[0] == "a"
    assert (table.loc[table["output"] == "constant", "share"] == 0.0).all()


def test_screening_sees_what_only_interacts() -> None:
    table = screen(ishigami, names=NAMES, outputs=["f"], trajectories=40, seed=2).set_index(
        "factor"
    )
    assert table.loc["three", "mu_star"] > 1.0
    assert table.loc["three", "sigma"] > table.loc["three", "mu_star"]


def test_each_output_keeps_its_leader() -> None:
    table = pd.DataFrame(
        {
            "output": ["p", "p", "p", "q", "q", "q"],
            "factor": ["a", "b", "c", "a", "b", "c"],
            "share": [0.9, 0.06, 0.04, 0.1, 0.2, 0.7],
        }
    )
    assert most_influential(table, n=2) == ["a", "c"]
    assert most_influential(table, n=2, leaving_out=["a"]) == ["c", "b"]


def test_same_seed_same_answer() -> None:
    def both(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        shared = sobol_indices(
            ishigami, groupings=[NAMES], outputs=["f"], n=32, seed=seed, resamples=50
        ).tables[0]
        return shared, screen(ishigami, names=NAMES, outputs=["f"], trajectories=4, seed=seed)

    for one, other in zip(both(0), both(0), strict=True):
        pd.testing.assert_frame_equal(one, other)
    assert not both(0)[0].equals(both(1)[0])


def test_variance_by_strength_of_an_additive_function() -> None:
    """Weights 3 (assumed), 2 (assumed), 1 (measured), chance with weight 2: variances 9, 4, 1, 4
    over 18.
    """

    def evaluate(places: Values) -> Values:
        return np.column_stack([places @ np.array([3.0, 2.0, 1.0, 2.0])])

    table = sobol_indices(
        evaluate,
        groupings=[("assumed", "assumed", "measured", "chance")],
        outputs=["f"],
        n=1024,
        seed=4,
        resamples=50,
    ).tables[0]
    found = variance_by_strength(
        table, counts={"f": {"assumed": 2, "measured": 1}}, chance="chance"
    ).set_index("strength")
    np.testing.assert_allclose(found["alone"], [13.0 / 14.0, 1.0 / 14.0, 4.0 / 18.0], atol=0.02)
    np.testing.assert_allclose(
        found["with_others"], [13.0 / 18.0, 1.0 / 18.0, 4.0 / 18.0], atol=0.02
    )
    assert found["n_constants"].tolist() == [2, 1, 0]


def test_bad_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="power of 2"):
        sobol_indices(ishigami, groupings=[NAMES], outputs=["f"], n=100, seed=1)
    with pytest.raises(InputError, match="trajectories"):
        screen(ishigami, names=NAMES, outputs=["f"], trajectories=1, seed=1)
