"""AUROC, Brier score, log loss, O/E and distributions: R's answers, brute force, properties,
coverage.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn import metrics as sk

from crsrisk.errors import InputError
from crsrisk.evaluation import metrics
from crsrisk.evaluation.metrics import (
    auroc,
    auroc_within,
    bootstrap_counts,
    brier,
    clip_risk,
    discrimination_slope,
    log_loss,
    observed_to_expected,
    risk_distribution,
    scaled_brier,
    share_of,
)
from crsrisk.results import Estimate, NotEstimable
from tests.shared_data import shared_path

KNOWN = yaml.safe_load((Path(__file__).parents[1] / "known" / "statistics.yaml").read_text())


@st.composite
def patients(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes of both classes, at least two each, and risks on a grid of 1/64 with many ties."""
    n = draw(st.integers(4, 40))
    outcome = np.array(
        [True, True, False, False, *draw(st.lists(st.booleans(), min_size=n, max_size=n))]
    )
    grid = draw(st.lists(st.integers(1, 63), min_size=n + 4, max_size=n + 4))
    return outcome, np.array(grid) / 64


few = settings(max_examples=40)


def estimate(figure: Estimate | NotEstimable) -> Estimate:
    assert isinstance(figure, Estimate)
    return figure


def test_r_answers() -> None:
    """pROC 1.18.0 (DeLong), rms 6.5.0 val.prob (Brier) and O/E on 500 outcomes and risks."""
    table = pd.read_csv(shared_path("data", "calibration", "outcomes_and_risks.csv"))
    expected = json.loads(shared_path("data", "calibration", "expected.json").read_text())[
        "well_calibrated"
    ]
    area = estimate(auroc(table["y"], risk=table["p"]))
    assert [area.low, area.value, area.high] == pytest.approx(
        expected["auc_delong_ci95"], abs=1e-10
    )
    assert brier(table["y"], risk=table["p"]).value == pytest.approx(
        expected["valprob"]["Brier"], abs=1e-10
    )
    assert observed_to_expected(table["y"], risk=table["p"]).value == pytest.approx(
        expected["OE"], abs=1e-10
    )
    rate = table["y"].mean()
    scaled = 1 - expected["valprob"]["Brier"] / (rate * (1 - rate))
    assert scaled_brier(table["y"], risk=table["p"]).value == pytest.approx(scaled, abs=1e-10)


@pytest.mark.parametrize("row", KNOWN["event_rate"]["rows"])
def test_event_rate_by_hand(row: dict[str, float]) -> None:
    outcome = np.arange(row["n"]) < row["n_events"]
    rate = share_of(outcome)
    assert (rate.low, rate.high) == pytest.approx((row["low"], row["high"]), abs=1e-6)


@few
@given(patients())
def test_auroc_agrees_with_sklearn(cohort: tuple[np.ndarray, np.ndarray]) -> None:
    outcome, risk = cohort
    area = estimate(auroc(outcome, risk=risk)).value
    assert area == pytest.approx(sk.roc_auc_score(outcome, risk), abs=1e-12)


@few
@given(patients())
def test_auroc_knows_only_the_order(cohort: tuple[np.ndarray, np.ndarray]) -> None:
    outcome, risk = cohort
    area, of_squares = auroc(outcome, risk=risk), auroc(outcome, risk=risk**2)
    assert area == of_squares
    flipped, reversed_ = auroc(~outcome, risk=risk), auroc(outcome, risk=1 - risk)
    assert estimate(flipped).value == pytest.approx(1 - estimate(area).value, abs=1e-12)
    assert estimate(reversed_).value == pytest.approx(1 - estimate(area).value, abs=1e-12)


@few
@given(patients())
def test_delong_by_brute_force(cohort: tuple[np.ndarray, np.ndarray]) -> None:
    """The definition: each pair compared, variances of the two sets of row means (DeLong et al.
    1988).
    """
    outcome, risk = cohort
    pairs = (1 + np.sign(risk[outcome][:, None] - risk[~outcome][None, :])) / 2
    of_events, of_others = pairs.mean(axis=1), pairs.mean(axis=0)
    variance = of_events.var(ddof=1) / of_events.size + of_others.var(ddof=1) / of_others.size
    area = estimate(auroc(outcome, risk=risk))
    half = 1.959963984540054 * variance**0.5
    assert area.value == pytest.approx(pairs.mean(), abs=1e-12)
    assert area.low == pytest.approx(max(0, pairs.mean() - half), abs=1e-9)
    assert area.high == pytest.approx(min(1, pairs.mean() + half), abs=1e-9)


def test_delong_covers() -> None:
    """Truth by closed form (two normals): of 400 intervals, 367 to 391 must cover.

    With true coverage 0.95 a wrong alarm comes in fewer than 1 of 200 such tests; the seed is
    fixed.
    """
    rng = np.random.default_rng(20)
    truth = 0.760250  # Phi(1/sqrt 2)
    covered = 0
    for _ in range(400):
        outcome = np.arange(300) < 90
        score = rng.normal(outcome.astype(float), 1)
        area = estimate(auroc(outcome, risk=1 / (1 + np.exp(-score))))
        covered += area.low <= truth <= area.high
    assert 367 <= covered <= 391


def test_within_products_ignores_differences_between_them() -> None:
    product = np.repeat(["low", "high"], 100)
    outcome = np.tile([True, False, False, False, False], 40)
    outcome[100:] = ~outcome[100:]
    risk = np.repeat([0.2, 0.8], 100)
    assert estimate(auroc(outcome, risk=risk)).value > 0.75
    assert estimate(auroc_within(outcome, risk=risk, group=product)).value == 0.5


@few
@given(patients())
def test_within_one_product_is_the_plain_auroc(cohort: tuple[np.ndarray, np.ndarray]) -> None:
    outcome, risk = cohort
    assert auroc_within(outcome, risk=risk, group=np.full(risk.size, "a")) == auroc(
        outcome, risk=risk
    )


@few
@given(patients())
def test_losses_agree_with_sklearn(cohort: tuple[np.ndarray, np.ndarray]) -> None:
    outcome, risk = cohort
    assert brier(outcome, risk=risk).value == pytest.approx(
        sk.brier_score_loss(outcome, risk), abs=1e-12
    )
    assert log_loss(outcome, risk=risk).value == pytest.approx(
        sk.log_loss(outcome, risk), abs=1e-12
    )


def test_interval_of_a_mean_loss() -> None:
    """Losses 0.04, 0.16, 0.01, 0.09: mean 0.075, sd 0.0655744, so 0.075 +- 1.96 x 0.0327872."""
    figure = brier([0, 1, 0, 1], risk=[0.2, 0.6, 0.1, 0.7])
    assert (figure.value, figure.low, figure.high) == pytest.approx(
        (0.075, 0.010738, 0.139262), abs=1e-6
    )


def test_observed_to_expected_interval_by_hand() -> None:
    """20 events among 100, 25 expected: ln 0.8 +- 1.96 x sqrt(0.8 / 20)."""
    ratio = observed_to_expected(np.arange(100) < 20, risk=np.full(100, 0.25))
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx(
        (0.8, 0.540567, 1.183942), abs=1e-6
    )


def test_clipping_is_counted_and_never_silent() -> None:
    clipped = clip_risk([0.0, 1e-9, 0.4, 1.0])
    assert clipped.n_clipped == 3
    assert clipped.risk.tolist() == [1e-6, 1e-6, 0.4, 1 - 1e-6]
    with pytest.raises(InputError, match="clip_risk"):
        log_loss([True, False], risk=[1.0, 0.2])


@pytest.mark.parametrize(
    ("outcome", "risk", "message"),
    [
        ([True, True], [0.2, 0.3], "2 events among 2"),
        ([False, False], [0.2, 0.3], "0 events among 2"),
        ([True, False], [0.2, float("nan")], "row 1"),
        ([True, False], [20.0, 0.3], "divide percentages"),
        ([True, False], ["a", "b"], "numbers from 0 to 1"),
        ([True, False], [0.2], "same length"),
        ([True, 2], [0.2, 0.3], "True"),
        ([True, None], [0.2, 0.3], "outcome"),
        ([True], [0.2], "at least two"),
    ],
)
def test_bad_input_is_refused(outcome: list[object], risk: list[object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        auroc(outcome, risk=risk)


def test_one_event_has_no_delong_interval() -> None:
    assert isinstance(auroc([True, False, False], risk=[0.3, 0.2, 0.1]), NotEstimable)
    assert isinstance(
        discrimination_slope([True, False, False], risk=[0.3, 0.2, 0.1]), NotEstimable
    )
    within = auroc_within([True, False] * 2, risk=[0.1] * 4, group=["a", "a", "b", "b"])
    assert isinstance(within, NotEstimable)


@few
@given(patients())
def test_distribution_counts_everybody(cohort: tuple[np.ndarray, np.ndarray]) -> None:
    outcome, risk = cohort
    classes = risk_distribution(outcome, risk=risk)
    assert sum(classes.event.counts) == classes.event.n == outcome.sum()
    assert sum(classes.no_event.counts) == classes.no_event.n == (~outcome).sum()
    for shape in (classes.event, classes.no_event):
        assert all(q.low <= q.value <= q.high for q in shape.quantiles.values())
    slope = estimate(discrimination_slope(outcome, risk=risk)).value
    assert slope == pytest.approx(classes.event.mean.value - classes.no_event.mean.value, abs=1e-12)


@pytest.mark.parametrize("n", [20, 80, 81, 500])
def test_quantile_interval_covers(n: int) -> None:
    """Ranks l and u read off evenly spaced risks: P(l <= Binomial(n, share) < u) is at least 95%,
    exactly.

    Each side misses at most 2.5%, and one rank narrower would miss more.
    """
    risk = np.append(np.arange(1, n + 1) / (n + 1), 0.5)
    quantiles = risk_distribution(np.arange(n + 1) < n, risk=risk).event.quantiles
    assert list(quantiles) == [0.05, 0.25, 0.5, 0.75, 0.95]
    for share, figure in quantiles.items():
        lower, upper = round(figure.low * (n + 1)), round(figure.high * (n + 1))
        assert binom.cdf(lower - 1, n, share) <= 0.025 < binom.cdf(lower, n, share)
        assert binom.sf(upper - 1, n, share) <= 0.025 < binom.sf(upper - 2, n, share)


def test_quantile_of_a_tiny_class_is_open_ended() -> None:
    tail = risk_distribution([True] * 3 + [False], risk=[0.5] * 4).event.quantiles[0.05]
    assert (tail.low, tail.value) == (0.0, 0.5)


def test_bootstrap_rows_do_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.concatenate(list(bootstrap_counts(n=50, n_resamples=40, seed=3)))
    monkeypatch.setattr(metrics, "BLOCK_CELLS", 150)
    in_blocks = list(bootstrap_counts(n=50, n_resamples=40, seed=3))
    assert len(in_blocks) == 14
    assert (np.concatenate(in_blocks) == whole).all()
    assert (whole.sum(axis=1) == 50).all()
    assert (whole != np.concatenate(list(bootstrap_counts(n=50, n_resamples=40, seed=4)))).any()


def test_bootstrap_counts_are_multinomial() -> None:
    """Mean 1 and variance 1 - 1/n a patient; 200,000 cells, so 0.98 is more than eight errors
    away.
    """
    counts = np.concatenate(list(bootstrap_counts(n=200, n_resamples=1000, seed=1)))
    assert counts.var() == pytest.approx(1 - 1 / 200, abs=0.015)


def test_scaled_brier_of_the_rate_is_0_and_of_the_outcome_1() -> None:
    outcome = np.arange(50) < 15
    assert scaled_brier(outcome, risk=np.full(50, 0.3)).value == pytest.approx(0.0, abs=1e-12)
    assert scaled_brier(outcome, risk=outcome.astype(float)).value == 1.0


def test_scaled_brier_covers() -> None:
    """Exact risks from Beta(2, 5): 1 - E[q(1 - q)] / (m(1 - m)) = 1/8; of 400 intervals 367 to 391
    must cover.

    A wrong alarm comes in fewer than 1 of 200 such tests; the seed is fixed.
    """
    rng, covered = np.random.default_rng(31), 0
    for _ in range(400):
        risk = rng.beta(2, 5, 500)
        found = scaled_brier(rng.random(500) < risk, risk=risk)
        covered += found.low <= 1 / 8 <= found.high
    assert 367 <= covered <= 391
