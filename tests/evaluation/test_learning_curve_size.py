"""The needed size: read off a curve, with Monte Carlo error, never from a lucky small size."""

from __future__ import annotations

import numpy as np
import pytest

from crsrisk.errors import InputError
from crsrisk.evaluation.learning_curve_size import (
    TARGETS,
    Development,
    Target,
    differences_from_mean,
    needed_size,
)
from crsrisk.results import Estimate, NotEstimable


def curve(slopes: dict[int, list[float]]) -> list[Development]:
    return [
        Development(n, seed, {"slope": slope})
        for n, values in slopes.items()
        for seed, slope in enumerate(values)
    ]


def test_smallest_size_from_which_on_all_meet_it() -> None:
    found = needed_size(
        curve({500: [0.95, 0.96], 1000: [0.8, 0.81], 2000: [0.95, 0.94], 4000: [0.97, 0.98]})
    )
    assert found.smallest == {"slope": 2000, "all": 2000}
    assert [point.is_met["slope"] for point in found.points] == [True, False, True, True]
    assert [target.figure for target in found.targets] == ["slope"], (
        "a target without figures is left out"
    )


def test_monte_carlo_error_counts() -> None:
    """Means of 0.92: certain with errors of 0.005, not with 0.05."""
    assert needed_size(curve({1000: [0.915, 0.925]})).smallest["slope"] == 1000
    assert needed_size(curve({1000: [0.87, 0.97]})).smallest["slope"] is None


def test_one_development_or_a_failed_one_meets_nothing() -> None:
    assert needed_size(curve({1000: [1.0]})).smallest["slope"] is None
    found = needed_size(curve({1000: [1.0, float("nan")], 2000: [1.0, 1.0]}))
    assert found.smallest["slope"] == 2000
    assert found.points[0].mean["slope"] == NotEstimable("1 of 2 developments gave no figure")


def test_all_targets_together() -> None:
    made = [
        Development(n, seed, {"slope": 0.95, "mape": 40 / n + 0.001 * seed})
        for n in (500, 1000, 2000)
        for seed in (1, 2)
    ]
    assert needed_size(made).smallest == {"slope": 500, "mape": 1000, "all": 1000}
    assert not Target("mape", "", 0.05, is_floor=False).is_met(Estimate(0.049, mc_error=0.01))


def test_differences_have_the_factor_of_a_standard_deviation() -> None:
    """Normal risks: the expected distance from the true mean is sqrt(2 / pi) SD, whatever the
    number of developments.
    """
    rng = np.random.default_rng(1)
    for m in (2, 5):
        found = differences_from_mean(rng.normal(0.5, 0.01, (m, 20_000))).mean()
        assert found == pytest.approx(0.01 * (2 / np.pi) ** 0.5, rel=0.02)


def test_refusals() -> None:
    with pytest.raises(InputError, match="figures of the targets"):
        needed_size([Development(100, 1, {"other": 1.0})], targets=TARGETS)
    with pytest.raises(InputError, match="two developments"):
        differences_from_mean([[0.1, 0.2]])
