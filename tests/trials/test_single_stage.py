"""Exact single-stage designs: published ones, and proof by exact arithmetic."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest

from crsrisk.errors import InputError
from crsrisk.trials.single_stage import exact_single_stage

# A'Hern, Stat Med 2001;20:859, table I (recalled): successes that claim / patients, alpha 0.05.
# Each is proved below by exact arithmetic, too.
AHERN = [
    (0.05, 0.25, 0.2, 3, 16),
    (0.05, 0.20, 0.2, 4, 27),
    (0.10, 0.30, 0.2, 6, 25),
    (0.10, 0.30, 0.1, 7, 33),
    (0.20, 0.40, 0.2, 12, 35),
    (0.20, 0.40, 0.1, 15, 47),
]


def tail(n: int, r: int, p: Fraction) -> Fraction:
    """P(X > r)."""
    return sum(
        (comb(n, x) * p**x * (1 - p) ** (n - x) for x in range(r + 1, n + 1)), start=Fraction(0)
    )


@pytest.mark.parametrize(("p0", "p1", "beta", "successes", "n"), AHERN)
def test_designs_are_those_of_ahern(
    p0: float, p1: float, beta: float, successes: int, n: int
) -> None:
    design = exact_single_stage(p0, p1, beta=beta)
    assert (design.r + 1, design.n) == (successes, n)


@pytest.mark.parametrize(("p0", "p1", "beta"), [row[:3] for row in AHERN[:3]])
def test_no_smaller_design_keeps_both_errors(p0: float, p1: float, beta: float) -> None:
    design = exact_single_stage(p0, p1, beta=beta)
    low, high = Fraction(str(p0)), Fraction(str(p1))
    assert design.alpha == pytest.approx(float(tail(design.n, design.r, low)), abs=1e-12)
    assert design.power == pytest.approx(float(tail(design.n, design.r, high)), abs=1e-12)
    for n in range(1, design.n):
        r = next(r for r in range(n + 1) if tail(n, r, low) <= Fraction("0.05"))
        assert tail(n, r, high) < 1 - Fraction(str(beta))


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="above p0"):
        exact_single_stage(0.4, 0.2)
    with pytest.raises(InputError, match="no design within 20 patients"):
        exact_single_stage(0.4, 0.5, n_max=20)
    with pytest.raises(InputError, match="alpha"):
        exact_single_stage(0.2, 0.4, alpha=0.7)
