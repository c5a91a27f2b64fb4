"""Share of the oracle's gain: worked by hand, and its two errors against simulation."""

from __future__ import annotations

import numpy as np
import pytest

from crsrisk.learn.gain import difference_of_shares, expected_log_loss, share_of_gain
from crsrisk.learn.ladder import Truth, ladder


def truth_of(risk: np.ndarray, *, n: int, seed: int) -> Truth:
    return Truth("what was observed", np.random.default_rng(seed).binomial(n, risk), np.full(risk.size, n))


def test_expected_log_loss_by_hand() -> None:
    truth = Truth("x", np.array([1, 3]), np.array([4, 4]))
    expected = [-0.25 * np.log(0.2) - 0.75 * np.log(0.8), -0.75 * np.log(0.2) - 0.25 * np.log(0.8)]
    np.testing.assert_allclose(expected_log_loss([0.2, 0.2], truth), expected)


def test_the_share_is_the_ladder_s() -> None:
    rng = np.random.default_rng(1)
    risk = rng.beta(2, 5, 200)
    truth, model, base = truth_of(risk, n=400, seed=2), np.clip(risk + 0.03, 0, 0.99), np.full(200, risk.mean())
    steps = ladder(["a"] * 200, truth=truth, risks={"product": base, "model": model}, model="model", product_only="product",
                   null_risk=0.3, seed=1)
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
    """Over fresh test patients and cohorts, the share varies as the two errors say (300 repetitions: within 15%)."""
    rng = np.random.default_rng(5)

    def once() -> tuple[float, float, float]:
        risk = rng.beta(2, 5, 400)
        truth = truth_of(risk, n=1000, seed=int(rng.integers(2**31)))
        base = expected_log_loss(np.full(400, 2 / 7), truth)
        losses = [expected_log_loss(np.clip(risk + rng.normal(0, 0.06), 0.01, 0.99), truth) for _ in range(6)]
        found = share_of_gain(losses, [base] * 6, truth)
        return found.value, float(found.mc_error or 0), found.test_error

    value, mc_error, test_error = np.array([once() for _ in range(300)]).T
    foretold = np.sqrt(np.mean(mc_error**2 + test_error**2))
    assert value.std() == pytest.approx(foretold, rel=0.25)
