"""From null to oracle: Miller-Madow by exact sums, proper scoring, shares at both ends,
errors.
"""

from __future__ import annotations

import dataclasses

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import entr, expit, logit
from scipy.stats import binom

from crsrisk.data.cohort import Cohort
from crsrisk.errors import InputError
from crsrisk.evaluation.benchmark import (
    Benchmark,
    GroupBenchmark,
    Truth,
    benchmark,
    benchmark_of_risks,
    difference_of_shares,
    expected_log_loss,
    share_of_gain,
)
from crsrisk.model.comparators import ProductRate, RidgeLogistic
from crsrisk.model.features import load_config
from crsrisk.model.plain_boosting import QUICK, LightGBM, PlainName
from crsrisk.results import Estimate, NotEstimable
from crsrisk.simulation.cohort import simulate
from crsrisk.simulation.true_risk import TrueRisk, true_risk

N, M = 400, 200
PRODUCT = np.repeat(["a", "b"], N // 2)
RNG = np.random.default_rng(12)
BASE = np.where(PRODUCT == "a", 0.2, 0.5)
TRUE_RISK = expit(logit(BASE) + RNG.normal(0, 0.8, N))
TRUTH = Truth("what was observed", RNG.binomial(M, TRUE_RISK), np.full(N, M))
MODEL = expit(logit(BASE) + 0.6 * (logit(TRUE_RISK) - logit(BASE)))


def build(truth: Truth = TRUTH, *, model: np.ndarray = MODEL, n_resamples: int = 100) -> Benchmark:
    risks = {"product only": BASE, "score": np.sqrt(MODEL), "model": model}
    return benchmark_of_risks(
        PRODUCT,
        truth=truth,
        risks=risks,
        model="model",
        product_only="product only",
        null_risk=0.35,
        seed=1,
        n_resamples=n_resamples,
    )


def by_name(steps: GroupBenchmark | NotEstimable) -> dict[str, object]:
    assert isinstance(steps, GroupBenchmark)
    return {row.name: row for row in steps.rows}


def share(steps: Benchmark) -> float:
    assert isinstance(steps.pooled.share_of_oracle_gain, Estimate)
    return steps.pooled.share_of_oracle_gain.value


@pytest.mark.parametrize("q", [0.1, 0.3, 0.5, 0.8])
def test_miller_madow_by_exact_sum(q: float) -> None:
    """Expectation over all 501 possible counts: the correction removes the bias of 1/(2m) but for
    1/m^2.
    """
    m = 500
    k = np.arange(m + 1)
    weight = binom.pmf(k, m, q)
    entropy = entr(q) + entr(1 - q)
    plain = float(weight @ (entr(k / m) + entr(1 - k / m)))
    corrected = float(weight @ Truth("x", k, np.full(m + 1, m)).entropy)
    assert entropy - plain == pytest.approx(1 / (2 * m), rel=0.05)
    assert corrected == pytest.approx(entropy, abs=1e-5)


def test_variance_of_a_share_is_unbiased() -> None:
    """Expectation over all counts of 20 replicates is q(1 - q)/20, to rounding."""
    k = np.arange(21)
    found = Truth("x", k, np.full(21, 20)).risk_variance
    assert float(binom.pmf(k, 20, 0.3) @ found) == pytest.approx(0.3 * 0.7 / 20, abs=1e-14)


def test_miller_madow_adds_nothing_where_one_class_was_seen() -> None:
    assert Truth("x", np.array([0, 10, 5]), np.array([10, 10, 10])).entropy == pytest.approx(
        [0, 0, np.log(2) + 1 / 20]
    )


@settings(max_examples=15)
@given(shift=st.floats(-1, 1).filter(lambda value: abs(value) > 1e-3))
def test_loss_is_least_at_the_true_risk(shift: float) -> None:
    """Scored under shares of replicates, no shift of these shares loses less."""
    inner = Truth("x", TRUTH.n_events.clip(1, M - 1), TRUTH.n_replicates)
    exact = by_name(build(inner, model=inner.risk, n_resamples=2).pooled)["model"].log_loss.value
    moved = by_name(build(inner, model=expit(logit(inner.risk) + shift), n_resamples=2).pooled)[
        "model"
    ]
    assert moved.log_loss.value > exact


def test_expected_loss_is_the_mean_loss_of_the_replicates() -> None:
    """Every replicate scored by itself as a 0/1 outcome and averaged is the same number."""
    outcome = np.arange(M)[:, None] < TRUTH.n_events[None, :]
    by_hand = -np.where(outcome, np.log(MODEL), np.log(1 - MODEL)).mean()
    assert by_name(build().pooled)["model"].log_loss.value == pytest.approx(by_hand, abs=1e-12)


def test_rows_stand_in_order() -> None:
    steps = build()
    assert [(row.name, row.kind) for row in steps.pooled.rows] == [
        ("null", "null"),
        ("product only", "comparator"),
        ("score", "comparator"),
        ("model", "model"),
        ("oracle (what was observed)", "oracle"),
    ]
    found = by_name(steps.pooled)
    oracle = found["oracle (what was observed)"]
    losses = [row.log_loss.value for row in steps.pooled.rows if row.name != "score"]
    assert losses == sorted(losses, reverse=True)
    assert found["product only"].auroc.value > 0.6
    assert found["product only"].auroc_within_product.value == pytest.approx(0.5, abs=1e-12)
    assert found["product only"].gain_over_product_only == Estimate(0.0, 0.0, 0.0)
    assert found["model"].auroc_upper is None
    assert oracle.auroc.value < oracle.auroc_upper
    assert oracle.auroc_within_product.value < oracle.auroc_within_product_upper
    assert found["score"].auroc.value == found["model"].auroc.value  # the same order


def test_oracle_finds_the_true_entropy() -> None:
    """Against the risks that drew the replicates: within 4 Monte Carlo standard errors."""
    oracle = by_name(build().pooled)["oracle (what was observed)"]
    exact = float((entr(TRUE_RISK) + entr(1 - TRUE_RISK)).mean())
    assert oracle.log_loss.value == pytest.approx(exact, abs=4 * oracle.log_loss_mc_error)
    assert oracle.log_loss_mc_error < 0.005


def test_share_runs_from_0_to_1() -> None:
    assert share(build(model=BASE)) == 0
    exact = build(model=TRUE_RISK)
    assert exact.pooled.share_mc_error is not None
    assert share(exact) == pytest.approx(1, abs=4 * exact.pooled.share_mc_error)
    assert 0.5 < share(build()) < 1
    assert share(build(model=1 - BASE)) < 0


def test_share_interval_and_monte_carlo_error() -> None:
    """`share_mc_error` is the spread of the share over 100 re-simulations of the same patients.

    Such a spread is known to 7%; 25% off comes in fewer than 1 of 1000 tests.
    """
    rng = np.random.default_rng(3)
    again = [
        build(Truth("x", rng.binomial(M, TRUE_RISK), np.full(N, M)), n_resamples=2)
        for _ in range(100)
    ]
    spread = np.std([share(steps) for steps in again])
    assert np.mean([steps.pooled.share_mc_error for steps in again]) == pytest.approx(
        spread, rel=0.25
    )
    figure = build().pooled.share_of_oracle_gain
    assert isinstance(figure, Estimate)
    assert figure.low < figure.value < figure.high


def test_no_share_where_nothing_can_be_known() -> None:
    """The null control: within a product everybody has the same risk, so the oracle gains
    nothing.
    """
    rng = np.random.default_rng(5)
    steps = build(Truth("x", rng.binomial(M, BASE), np.full(N, M)))
    assert isinstance(steps.pooled.share_of_oracle_gain, NotEstimable)
    assert steps.pooled.share_mc_error is None


def test_products_stand_apart() -> None:
    product = np.where(np.arange(N) < 29, "rare", PRODUCT)
    steps = benchmark_of_risks(
        product,
        truth=TRUTH,
        risks={"p": BASE, "m": MODEL},
        model="m",
        product_only="p",
        null_risk=0.3,
        seed=1,
        n_resamples=50,
    )
    assert isinstance(steps.by_product["rare"], NotEstimable)
    of_b = by_name(steps.by_product["b"])["m"]
    rows = product == "b"
    q = TRUTH.risk[rows]
    assert of_b.log_loss.value == pytest.approx(
        (-q * np.log(MODEL[rows]) - (1 - q) * np.log(1 - MODEL[rows])).mean(), abs=1e-12
    )
    assert of_b.auroc_within_product is None
    assert isinstance(steps.by_product["b"], GroupBenchmark)
    assert steps.by_product["b"].n_patients == 200


def test_other_truths_stand_above() -> None:
    """Knowing hidden biology as well, the second oracle loses less than the first."""
    hidden = expit(logit(TRUE_RISK) + np.random.default_rng(1).normal(0, 1.5, N))
    deeper = Truth("everything true at baseline", np.rint(hidden * M).astype(int), np.full(N, M))
    steps = benchmark_of_risks(
        PRODUCT,
        truth=TRUTH,
        other_truths=[deeper],
        risks={"p": BASE, "m": MODEL},
        model="m",
        product_only="p",
        null_risk=0.3,
        seed=1,
        n_resamples=20,
    )
    names = [row.name for row in steps.pooled.rows]
    assert names[-2:] == ["oracle (what was observed)", "oracle (everything true at baseline)"]
    assert steps.truth == "what was observed"
    losses = [row.log_loss.value for row in steps.pooled.rows]
    assert losses[-1] < losses[-2]


def test_clipped_risks_are_counted_on_their_rung() -> None:
    found = by_name(build(model=np.where(np.arange(N) < 3, 0.0, MODEL)).pooled)
    assert (found["model"].n_risks_clipped, found["score"].n_risks_clipped) == (3, 0)


@pytest.mark.parametrize(
    ("events", "replicates"),
    [([3], [2]), ([-1], [5]), ([1], [1]), ([0.5], [2]), ([1, 1], [2]), ([[1]], [[2]])],
)
def test_impossible_counts_are_refused(events: list[float], replicates: list[int]) -> None:
    with pytest.raises(InputError, match="re-simulate"):
        Truth("x", np.array(events), np.array(replicates))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "gbm"}, "no 'gbm'"),
        ({"product_only": "other"}, "no 'other'"),
        ({"null_risk": 0.0}, "null_risk"),
        ({"risks": {"p": BASE, "m": MODEL[:-1]}}, "risks of m"),
        ({"risks": {"p": BASE, "m": MODEL * 100}}, "0 to 1"),
        ({"risks": {"p": BASE, "m": MODEL, "null": BASE}}, "null"),
        ({"product": PRODUCT[:-1]}, "399 patients"),
        ({"product": PRODUCT[:20]}, "at least 30"),
    ],
)
def test_bad_input_is_refused(change: dict[str, object], message: str) -> None:
    call = {
        "product": PRODUCT,
        "truth": TRUTH,
        "risks": {"p": BASE, "m": MODEL},
        "model": "m",
        "product_only": "p",
        "null_risk": 0.3,
        "seed": 1,
        **change,
    }
    with pytest.raises(InputError, match=message):
        benchmark_of_risks(call.pop("product"), **call)


# Share of the oracle's gain: worked by hand, and its two errors against simulation.


def truth_of(risk: np.ndarray, *, n: int, seed: int) -> Truth:
    return Truth(
        "what was observed", np.random.default_rng(seed).binomial(n, risk), np.full(risk.size, n)
    )


def test_expected_log_loss_by_hand() -> None:
    truth = Truth("x", np.array([1, 3]), np.array([4, 4]))
    expected = [-0.25 * np.log(0.2) - 0.75 * np.log(0.8), -0.75 * np.log(0.2) - 0.25 * np.log(0.8)]
    np.testing.assert_allclose(expected_log_loss([0.2, 0.2], truth), expected)


def test_the_share_is_the_ladder_s() -> None:
    rng = np.random.default_rng(1)
    risk = rng.beta(2, 5, 200)
    truth, model, base = (
        truth_of(risk, n=400, seed=2),
        np.clip(risk + 0.03, 0, 0.99),
        np.full(200, risk.mean()),
    )
    steps = benchmark_of_risks(
        ["a"] * 200,
        truth=truth,
        risks={"product": base, "model": model},
        model="model",
        product_only="product",
        null_risk=0.3,
        seed=1,
    )
    ours = share_of_gain([expected_log_loss(model, truth)], [expected_log_loss(base, truth)], truth)
    assert ours.value == pytest.approx(steps.pooled.share_of_oracle_gain.value)  # type: ignore[union-attr]
    assert ours.mc_error is None


def test_truth_itself_reaches_all_and_the_base_nothing() -> None:
    risk = np.random.default_rng(3).beta(2, 5, 3000)
    truth = truth_of(risk, n=2000, seed=4)
    base, own = expected_log_loss(np.full(3000, risk.mean()), truth), expected_log_loss(risk, truth)
    assert share_of_gain([own], [base], truth).value == pytest.approx(1.0, abs=0.01)
    assert share_of_gain([base], [base], truth).value == 0
    both = difference_of_shares([own] * 2, [base] * 2, [base] * 2, truth)
    assert both.value == pytest.approx(1.0, abs=0.01)
    assert both.mc_error == 0


def test_both_errors_are_those_of_repetition() -> None:
    """Over fresh test patients and cohorts, the share varies as the two errors say (300
    repetitions: within 15%).
    """
    rng = np.random.default_rng(5)

    def once() -> tuple[float, float, float]:
        risk = rng.beta(2, 5, 400)
        truth = truth_of(risk, n=1000, seed=int(rng.integers(2**31)))
        base = expected_log_loss(np.full(400, 2 / 7), truth)
        losses = [
            expected_log_loss(np.clip(risk + rng.normal(0, 0.06), 0.01, 0.99), truth)
            for _ in range(6)
        ]
        found = share_of_gain(losses, [base] * 6, truth)
        return found.value, float(found.mc_error or 0), found.test_error

    value, mc_error, test_error = np.array([once() for _ in range(300)]).T
    foretold = np.sqrt(np.mean(mc_error**2 + test_error**2))
    assert value.std() == pytest.approx(foretold, rel=0.25)


@pytest.fixture(scope="module")
def sides() -> tuple[Cohort, TrueRisk, TrueRisk]:
    train, test = simulate(["tarlatamab", "tebentafusp"], n=400, seed=1).split(seed=1)
    some = test.head(70)
    return (
        train,
        true_risk(some, n_replicates=20),
        true_risk(some, n_replicates=20, given="baseline"),
    )


def test_candidates_are_fitted_and_compared(sides: tuple[Cohort, TrueRisk, TrueRisk]) -> None:
    train, truth, everything = sides
    ridge = RidgeLogistic()
    compared = benchmark(
        [ridge], train=train, truth=[truth, everything], learners=(), n_resamples=20
    )
    assert [row.name for row in compared.pooled.rows] == [
        "null",
        "product only",
        "penalised logistic regression",
        "oracle (what was observed)",
        "oracle (everything true at baseline)",
    ]
    assert not hasattr(ridge, "pipeline_"), "a copy is fitted"
    risk = RidgeLogistic().fit(train.X, train.y).predict_proba(truth.cohort.X)[:, 1]
    row = compared.pooled.rows[2]
    assert row.log_loss.value == pytest.approx(
        expected_log_loss(risk, Truth.from_true_risk(truth)).mean()
    )
    frame = compared.to_frame()
    assert frame.loc["product only", "auroc_within_product"] == pytest.approx(0.5)
    assert compared.model == "penalised logistic regression"
    assert len(repr(compared)) < 2000
    assert isinstance(compared.to_frame("tarlatamab"), pd.DataFrame)
    assert len(compared.plot()) >= 2
    plt.close("all")
    with pytest.raises(InputError, match="an unknown product"):
        compared.to_frame("other")


def test_a_fitted_candidate_is_used_as_it_is(sides: tuple[Cohort, TrueRisk, TrueRisk]) -> None:
    train, truth, _ = sides
    rate = ProductRate().fit(train.X, 1 - train.y)
    compared = benchmark(
        [rate, ProductRate()], train=train, truth=truth, learners=(), n_resamples=5
    )
    names = [row.name for row in compared.pooled.rows]
    assert names[1:3] == ["product only", "product only 2"]
    assert compared.pooled.rows[1].log_loss.value != compared.pooled.rows[2].log_loss.value


def test_boosting_as_one_would_type_it_stands_beside(
    sides: tuple[Cohort, TrueRisk, TrueRisk],
) -> None:
    train, truth, _ = sides
    ridge = RidgeLogistic(config=load_config("baseline").without_features("crp_mg_l"))
    compared = benchmark([ProductRate(), ridge], train=train, truth=truth, seed=3, n_resamples=5)
    assert compared.notes["LightGBM"] == "Settings as the library comes, 100 trees."
    names = [row.name for row in compared.pooled.rows]
    assert names[1:-1] == ["product only", *QUICK, ridge.name]
    assert compared.model == ridge.name
    peer = LightGBM(config=ridge.config, seed=3).fit(train.X, train.y)
    risk = peer.predict_proba(truth.cohort.X)[:, 1]
    assert "crp_mg_l" not in peer.booster_.feature_name()
    assert compared.to_frame().loc["LightGBM", "log_loss"] == pytest.approx(
        expected_log_loss(risk, Truth.from_true_risk(truth)).mean()
    )


def test_tuned_learners_come_on_request(sides: tuple[Cohort, TrueRisk, TrueRisk]) -> None:
    train, truth, _ = sides
    config = load_config("baseline")
    assert config.tuning is not None
    few = config.model_copy(update={"tuning": config.tuning.model_copy(update={"trials": 2})})
    names: list[PlainName] = ["LightGBM, tuned", "LightGBM, tuned with directions"]
    compared = benchmark(
        [RidgeLogistic(config=few)], train=train, truth=truth, learners=names, n_resamples=5
    )
    assert set(names) < {row.name for row in compared.pooled.rows}
    assert set(compared.notes) == set(names)
    for told in compared.notes.values():
        assert told.startswith("The best of 2 settings tried by Optuna in 5 folds, ")
    with pytest.raises(InputError, match="'XGBoost'"):
        benchmark([], train=train, truth=truth, learners=["XGBoost"])  # type: ignore[list-item]


def test_test_patients_in_training_are_refused(
    sides: tuple[Cohort, TrueRisk, TrueRisk],
) -> None:
    train, truth, _ = sides
    assert truth.cohort is not None
    with pytest.raises(InputError, match="70 patients who are in train as well"):
        benchmark([ProductRate()], train=truth.cohort, truth=truth)
    with pytest.raises(InputError, match="does not know its patients"):
        benchmark([ProductRate()], train=train, truth=dataclasses.replace(truth, cohort=None))
