"""Support of scenarios against probabilities that can be counted out on paper."""

from __future__ import annotations

from itertools import product as combinations
from math import comb

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from crsrisk.data.literature import Finding, Report, Series, load_findings
from crsrisk.results import Z_95
from crsrisk.uncertainty.scenario_weights import (
    CAVEAT,
    Pool,
    is_reported,
    pool_of,
    score_test,
    support,
)
from tests.simulation.people import product_of, world_of


def finding(name: str, reported: Report) -> Finding:
    return Finding(
        id=name,
        factor="has_liver_metastases",
        above=0.5,
        event="any_grade",
        reported=reported,
        says="a toy",
        nearest="nothing",
        citation="a toy",
        source_kind="FOUND",
        confidence="low",
    )


def series_of(*findings: Finding, n: int, is_small: bool = False, name: str = "toy") -> Series:
    return Series(
        name=name,
        label="Toy",
        product="tarlatamab",
        n_patients=n,
        size_reason="a toy",
        is_small_positive=is_small,
        findings=list(findings),
    )


def pool_from(cells: dict[tuple[int, int], int]) -> Pool:
    """A pool with so many patients of each (factor, event)."""
    rows = np.array([cell for cell, count in cells.items() for _ in range(count)])
    return Pool(rows[:, :1].astype(float), rows[:, 1:] > 0)


def exact_chance(cells: dict[tuple[int, int], int], *, n: int, reported: Report) -> float:
    """Chance that a series of n reports it: every table of four counts, weighted by the multinomial
    distribution.
    """
    whole, total = sum(cells.values()), 0.0
    shares = [cells[cell] / whole for cell in ((0, 0), (0, 1), (1, 0), (1, 1))]
    for a, b, c in combinations(range(n + 1), repeat=3):
        d = n - a - b - c
        if d < 0:
            continue
        spread = (a + b) * (c + d) * (a + c) * (b + d)
        z = (a * d - b * c) * np.sqrt(n / spread) if spread else 0.0
        if {"up": z > Z_95, "down": z < -Z_95, "null": abs(z) <= Z_95}[reported]:
            ways = comb(n, a) * comb(n - a, b) * comb(n - a - b, c)
            total += ways * shares[0] ** a * shares[1] ** b * shares[2] ** c * shares[3] ** d
    return total


NONE = {(0, 0): 3000, (0, 1): 3000, (1, 0): 2000, (1, 1): 2000}  # no relation
STRONG = {(0, 0): 4200, (0, 1): 1800, (1, 0): 800, (1, 1): 3200}


def test_score_test_is_pearsons_chi_squared() -> None:
    rng = np.random.default_rng(1)
    factor, event = rng.random((80, 1)) < 0.4, rng.random((80, 1)) < 0.3
    counts = [
        [int(((factor == f) & (event == e)).sum()) for e in (False, True)] for f in (False, True)
    ]
    z = float(score_test(factor.astype(float), event)[0])
    assert z**2 == pytest.approx(chi2_contingency(counts, correction=False).statistic, rel=1e-12)


def test_score_test_leaves_out_what_was_not_measured() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((50, 2)), rng.random((50, 2)) < 0.5
    gaps = x.copy()
    gaps[:10, 0] = np.nan
    assert score_test(gaps, y)[0] == pytest.approx(score_test(x[10:], y[10:])[0], rel=1e-12)
    assert score_test(gaps, y)[1] == score_test(x, y)[1]
    assert score_test(np.ones((5, 1)), y[:5, :1])[0] == 0.0


def test_reports_are_read_from_z() -> None:
    z = np.array([[2.0, 2.0, 2.0], [-2.0, -2.0, -2.0], [1.0, 1.0, 1.0]])
    said = is_reported(z, findings=[finding("a", "up"), finding("b", "down"), finding("c", "null")])
    assert said.tolist() == [[True, False, False], [False, True, False], [False, False, True]]


def test_bayes_factors_of_a_toy_with_a_known_answer() -> None:
    """Series of 20 patients, counted out over all tables. 5 Monte Carlo errors of 30 repetitions
    are allowed: an error rate of 3e-5 a comparison (Student's t, 29 degrees).
    """
    one, two = (
        series_of(finding("a", "up"), n=20, is_small=True),
        series_of(finding("b", "null"), n=14, name="other"),
    )
    pools = {
        name: {"toy": pool_from(cells), "other": pool_from(cells)}
        for name, cells in (("none", NONE), ("strong", STRONG))
    }
    found = support(
        pools, series=[one, two], reference="none", n_series=4000, n_bootstrap=30, seed=5
    )
    chance = {
        name: (exact_chance(cells, n=20, reported="up"), exact_chance(cells, n=14, reported="null"))
        for name, cells in (("none", NONE), ("strong", STRONG))
    }
    exact = {
        "all": np.prod(chance["strong"]) / np.prod(chance["none"]),
        "without_small_positive": chance["strong"][1] / chance["none"][1],
    }
    assert exact["all"] > 5.0 > 1.0 > exact["without_small_positive"]
    rows = found.weights.set_index(["findings", "scenario"])
    for chosen, factor in exact.items():
        row = rows.loc[(chosen, "strong")]
        assert abs(np.log(row["bayes_factor"]) - np.log(factor)) < 5.0 * row["mc_error_log"]
        assert row["mc_error_log"] < 0.2, "sharp enough to see a wrong factor"
        assert row["weight"] == pytest.approx(
            row["bayes_factor"] / (1.0 + row["bayes_factor"]), rel=1e-9
        )
        assert rows.loc[(chosen, "none"), "bayes_factor"] == 1.0
    by_finding = found.findings.set_index(["scenario", "finding"])["probability"]
    assert by_finding[("strong", "a")] == pytest.approx(chance["strong"][0], abs=0.04)
    assert by_finding[("none", "b")] == pytest.approx(chance["none"][1], abs=0.04)


def test_findings_of_one_series_are_asked_together() -> None:
    """The same question twice: the series reports both as often as one of them, not as the
    square.
    """
    cells = {
        name: {"toy": Pool(np.repeat(pool.factors, 2, axis=1), np.repeat(pool.events, 2, axis=1))}
        for name, pool in (("none", pool_from(NONE)), ("strong", pool_from(STRONG)))
    }
    twice = series_of(finding("a", "up"), finding("b", "up"), n=20)
    found = support(
        cells, series=[twice], reference="none", n_series=2000, n_bootstrap=6, seed=5
    ).findings
    row = found[(found["scenario"] == "strong") & (found["finding"] == "a")].iloc[0]
    assert row["probability_of_series"] == pytest.approx(row["probability"], abs=0.001)


def test_same_seed_same_support() -> None:
    pools = {"none": {"toy": pool_from(NONE)}, "strong": {"toy": pool_from(STRONG)}}
    one, other = (
        support(
            pools,
            series=[series_of(finding("a", "up"), n=15)],
            reference="none",
            n_series=100,
            n_bootstrap=5,
            seed=2,
        )
        for _ in range(2)
    )
    assert one.weights.equals(other.weights)
    assert "probability that a scenario is true" in CAVEAT


def test_pools_of_the_shipped_findings() -> None:
    """Burden shows in the patients of burden_strong and not in those of burden_null: z over 1500
    patients, where a z above 4 by chance alone has a probability of 3e-5.
    """
    series = [one for one in load_findings() if one.product == "tarlatamab"]
    z = {}
    for scenario in ("burden_null", "burden_strong"):
        pools = pool_of(
            series,
            product=product_of("tarlatamab"),
            regimen=None,
            world=world_of(scenario),
            n=1500,
            seed=3,
        )
        assert {name: pool.factors.shape for name, pool in pools.items()} == {
            one.name: (1500, len(one.findings)) for one in series
        }
        z[scenario] = score_test(
            pools["tarlatamab_three_centres"].factors, pools["tarlatamab_three_centres"].events
        )
    assert z["burden_strong"][0] > 4.0
    assert abs(z["burden_null"][0]) < 4.0
