"""Against the truth: the oracle's noise is really removed, the parts add up, and coverage is that
of the true risk.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import entr, expit
from scipy.stats import binom
from sklearn.isotonic import IsotonicRegression

from crsrisk.errors import InputError
from crsrisk.evaluation.against_truth import (
    CalibrationError,
    Coverage,
    SplitHalves,
    by_band,
    by_group,
    calibration_error,
    coverage,
    decompose_loss,
    noise_removed,
    only,
    venn_abers,
)
from crsrisk.evaluation.benchmark import Truth
from crsrisk.evaluation.metrics import NotEstimable

N = 4000


def people(half: int, *, seed: int = 1, n: int = N) -> tuple[np.ndarray, np.ndarray, SplitHalves]:
    """True risks, a model that errs on the log-odds scale with SD 0.3, and the oracle's counts."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(-0.5, 0.9, n)
    true, model = expit(log_odds), expit(log_odds + rng.normal(0, 0.3, n))
    return (
        true,
        model,
        SplitHalves("what was observed", rng.binomial(half, np.stack([true, true], axis=1)), half),
    )


def found(risk: np.ndarray, truth: SplitHalves) -> CalibrationError:
    error = calibration_error(risk, truth=truth, seed=3, n_resamples=100)
    assert isinstance(error, CalibrationError)
    return error


@pytest.mark.parametrize("half", [50, 100])
def test_true_calibration_error_is_found_without_the_oracles_noise(half: int) -> None:
    """The truth is known here. Four Monte Carlo errors allowed (1 in 16,000 by chance, figures of
    fixed seeds).
    """
    true, model, truth = people(half)
    error = found(model, truth)
    distance = np.abs(model - true)
    for figure, exact in (
        (error.mean_absolute, distance.mean()),
        (error.p90_absolute, np.quantile(distance, 0.9)),
        (error.bias, (model - true).mean()),
        (error.root_mean_squared, (distance**2).mean() ** 0.5),
    ):
        assert abs(figure.value - exact) < 4 * figure.mc_error
    assert error.mean_absolute_with_noise > distance.mean() + 4 * error.mean_absolute.mc_error, (
        "noise must matter here"
    )


def known_worlds(base: float, sd: float, *, seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """True risks and predictions whose log-odds are off by ``sd`` on average, in three shapes."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(base, 0.9, 2000)
    errors = {
        "normal": rng.normal(0, 1, 2000),
        "heavy tails": rng.laplace(0, 0.5**0.5, 2000),
        "slope": (log_odds - base) / 0.9,
    }
    return {name: (expit(log_odds), expit(log_odds + sd * e)) for name, e in errors.items()}


@pytest.mark.parametrize("base", [-2.5, -1.0])
@pytest.mark.parametrize(("sd", "mean", "high"), [(0.8, 0.05, 0.06), (0.4, 0.09, 0.08)])
def test_errors_are_nearly_unbiased_at_two_times_25_repetitions(
    base: float, sd: float, mean: float, high: float
) -> None:
    """Mean of six cohorts against what is known of each: the module states -1 to +2% (SD 0.8) and
    -5 to +6% (SD 0.4) for the mean, -3 to +4% for the 90th percentile; three standard errors of
    six cohorts are allowed on top (1 in 700 a check by chance, 24 checks; seeds are fixed). The
    squared error is unbiased: three of its own (0.3% a check).
    """
    apart: dict[str, list[tuple[float, ...]]] = {}
    for seed in range(6):
        rng = np.random.default_rng(100 + seed)
        for name, (true, model) in known_worlds(base, sd, seed=seed).items():
            counts = rng.binomial(25, np.stack([true, true], axis=1))
            error = calibration_error(
                model, truth=SplitHalves("what was observed", counts, 25), seed=1, n_resamples=2
            )
            assert isinstance(error, CalibrationError)
            distance = np.abs(model - true)
            apart.setdefault(name, []).append(
                (
                    error.mean_absolute.value / distance.mean() - 1,
                    error.p90_absolute.value / np.quantile(distance, 0.9) - 1,
                    error.root_mean_squared.value**2 / (distance**2).mean() - 1,
                    error.mean_absolute_with_noise / distance.mean() - 1,
                )
            )
    for name, rows in apart.items():
        found_mean, found_high, squared, naive = np.mean(rows, axis=0)
        assert abs(found_mean) < mean, name
        assert abs(found_high) < high, name
        assert abs(squared) < 3 * np.std(rows, axis=0, ddof=1)[2] / 6**0.5 + 0.01, name
        assert naive > mean, "noise must matter here"


def test_share_of_the_oracles_gain_at_two_times_25_repetitions() -> None:
    """The oracle's entropy is too small near risk 0, so the share of a perfect model reads low: by
    1% where 22% have the event, 4% at 10%, 15% at 4%; with 200 repetitions by at most 1.5%.
    Expectation over all counts; no chance in it.
    """
    k = {m: np.arange(m + 1) for m in (50, 200)}
    entropy = {m: Truth("x", k[m], np.full(m + 1, m)).entropy for m in k}

    def off(base: float, m: int) -> float:
        q = expit(np.random.default_rng(0).normal(base, 1.0, 5000))
        known, rate = (entr(q) + entr(1 - q)).mean(), q.mean()
        believed = (binom.pmf(k[m], m, q[:, None]) @ entropy[m]).mean()
        alone = entr(rate) + entr(1 - rate)
        return float((alone - known) / (alone - believed) - 1)

    for base, bound in ((-1.5, 0.015), (-2.5, 0.05), (-3.5, 0.16)):
        assert -bound < off(base, 50) < 0
        assert -0.016 < off(base, 200) < 0


def test_a_perfect_model_has_no_squared_error() -> None:
    true, _, truth = people(50)
    error = found(true, truth)
    assert error.root_mean_squared.value < 0.02
    assert abs(error.bias.value) < 4 * error.bias.mc_error


def test_squared_error_is_the_product_of_the_halves() -> None:
    """The extrapolation is replicate splitting, to rounding."""
    _, model, truth = people(20, n=200)
    error = found(model, truth)
    one, other = (truth.n_events / truth.n_per_half).T
    assert error.root_mean_squared.value == pytest.approx(
        float(np.mean((model - one) * (model - other))) ** 0.5
    )


def test_monte_carlo_error_is_the_spread_over_repeated_studies() -> None:
    """60 studies of 400 patients: the SD of their figures is known to a tenth; a third either way
    allowed.
    """
    figures = [found(*people(50, seed=100 + k, n=400)[1:]).mean_absolute for k in range(60)]
    spread = np.std([figure.value for figure in figures], ddof=1)
    assert np.mean([figure.mc_error for figure in figures]) == pytest.approx(spread, rel=0.33)


def test_parts_of_the_gap_are_those_of_known_risks() -> None:
    """Hidden biology adds 0.8 log-odds (SD) that the table does not show: both oracles are known
    exactly.
    """
    rng = np.random.default_rng(8)
    seen, hidden = rng.normal(-0.5, 0.8, 2000), rng.normal(0, 0.8, 2000)
    z = expit(seen + hidden)
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    x = expit(seen[:, None] + 0.8 * nodes) @ weights / weights.sum()
    model = expit(seen)  # forgets that unknown biology draws risks to the middle
    half = 200
    observed = SplitHalves("what was observed", rng.binomial(half, np.stack([x, x], axis=1)), half)
    baseline = SplitHalves(
        "everything true at baseline", rng.binomial(half, np.stack([z, z], axis=1)), half
    )
    log_loss, brier = decompose_loss(model, observed=observed, baseline=baseline)

    def entropy(q: np.ndarray) -> np.ndarray:
        return entr(q) + entr(1 - q)

    exact = {
        "log": (
            entropy(z).mean(),
            (entropy(x) - entropy(z)).mean(),
            (-x * np.log(model) - (1 - x) * np.log1p(-model) - entropy(x)).mean(),
        ),
        "brier": (
            (z * (1 - z)).mean(),
            (x * (1 - x) - z * (1 - z)).mean(),
            ((model - x) ** 2).mean(),
        ),
    }
    for split, wanted in ((log_loss, exact["log"]), (brier, exact["brier"])):
        parts = (split.irreducible, split.unobserved, split.estimation)
        for part, value in zip(parts, wanted, strict=True):
            assert abs(part.value - value) < 4 * part.mc_error
        assert sum(part.value for part in parts) == pytest.approx(split.total.value)


def test_coverage_is_that_of_the_true_risk_not_of_its_estimate() -> None:
    """Intervals of +- 1.96 x 0.3 log-odds around the model hold 95% of true risks; of 100
    repetitions' shares fewer.
    """
    true, model, truth = people(50)
    log_odds = np.log(model / (1 - model))
    low, high = expit(log_odds - 1.96 * 0.3), expit(log_odds + 1.96 * 0.3)
    held = coverage(low, high, truth=truth, seed=1, n_resamples=100)
    assert isinstance(held, Coverage)
    exact = np.mean((true >= low) & (true <= high))
    assert abs(held.share.value - exact) < 4 * held.share.mc_error
    naive = np.mean((truth.risk >= low) & (truth.risk <= high))
    assert abs(naive - exact) > 4 * held.share.mc_error, "noise must matter here"


def test_bands_and_groups_hold_everybody_once() -> None:
    risk = np.r_[0.0, 0.1, 0.2, 0.39, 0.6, 1.0]
    bands = by_band(risk)
    assert sorted(np.concatenate(list(bands.values())).tolist()) == list(range(6))
    assert bands["60-100%"].tolist() == [4, 5]
    assert {name: rows.tolist() for name, rows in by_group(["b", "a", "b"]).items()} == {
        "a": [1],
        "b": [0, 2],
    }


def test_few_patients_give_no_figure_and_bad_counts_are_refused() -> None:
    _, model, truth = people(10, n=40)
    assert isinstance(
        calibration_error(model[:20], truth=only(truth, np.arange(20)), seed=1), NotEstimable
    )
    assert isinstance(
        coverage(model[:20], model[:20], truth=only(truth, np.arange(20)), seed=1), NotEstimable
    )
    with pytest.raises(InputError, match="halves"):
        SplitHalves("x", np.array([[11, 0]]), 10)
    with pytest.raises(InputError, match="one for each"):
        calibration_error(model[:20], truth=truth, seed=1)


def test_same_seed_same_figure() -> None:
    _, _, truth = people(10, n=100)
    figures = [
        noise_removed(lambda q, rows: float(q[rows].mean()), truth, seed=4, n_resamples=20)
        for _ in range(2)
    ]
    assert figures[0] == figures[1]


def test_halves_of_a_whole_count_are_like_halves_that_were_counted() -> None:
    """Drawn halves add up, and their product has the mean that independent halves have (four
    standard errors).
    """
    rng = np.random.default_rng(9)
    whole = Truth("x", rng.binomial(40, 0.3, 20_000), np.full(20_000, 40))
    halves = SplitHalves.of(whole, seed=1)
    assert halves.n_events.sum(axis=1).tolist() == whole.n_events.tolist()
    one, other = (halves.n_events / halves.n_per_half).T
    product = one * other
    assert abs(product.mean() - 0.09) < 4 * product.std() / 20_000**0.5
    with pytest.raises(InputError, match="even"):
        SplitHalves.of(Truth("x", np.array([1]), np.array([3])), seed=1)


@pytest.mark.parametrize(("repetitions", "bound"), [(40, 0.008), (200, 0.002)])
def test_corrected_entropies_are_off_by_no_more_than_is_said(
    repetitions: int, bound: float
) -> None:
    """Expectation over all counts, for risks from 0.05% to 50%: what the documents say of the
    correction near 0.
    """
    k = np.arange(repetitions + 1)
    corrected = Truth("x", k, np.full(repetitions + 1, repetitions)).entropy
    risks = np.linspace(0.0005, 0.5, 200)
    off = [float(binom.pmf(k, repetitions, q) @ corrected - entr(q) - entr(1 - q)) for q in risks]
    assert bound / 2 < -min(off) < bound
    assert max(off) < 1e-4


# Venn-Abers against the definition by brute force, and its one promise.


@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=25, deadline=None)
def test_agrees_with_the_definition(seed: int, has_ties: bool) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=40).round(1 if has_ties else 12)
    y = (rng.random(40) < 0.4).astype(float)
    asked = np.r_[x[:3], rng.normal(size=3), -9.0, 9.0]
    low, high = venn_abers(asked, calibration_scores=x, outcome=y)
    for score, p0, p1 in zip(asked, low, high, strict=True):
        slow = [
            IsotonicRegression().fit(np.r_[x, score], np.r_[y, label]).predict([score])[0]
            for label in (0, 1)
        ]
        assert (p0, p1) == pytest.approx(slow, abs=1e-10)
        assert p0 <= p1


def test_interval_holds_the_event_rate_of_its_score() -> None:
    """Two scores, true rates 0.2 and 0.7; 4000 patients a score give each rate to 0.008 (five
    errors allowed).
    """
    rng = np.random.default_rng(5)
    x = np.repeat([0.0, 1.0], 4000)
    low, high = venn_abers(
        [0.0, 1.0], calibration_scores=x, outcome=rng.random(8000) < np.where(x > 0, 0.7, 0.2)
    )
    assert low == pytest.approx([0.2, 0.7], abs=0.04)
    assert high - low == pytest.approx([1 / 4001, 1 / 4001], abs=1e-9)


def test_refuses_outcomes_that_are_none() -> None:
    with pytest.raises(InputError, match="calibration"):
        venn_abers([0.5], calibration_scores=[0.1, 0.2], outcome=[0, 2])
