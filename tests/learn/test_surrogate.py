"""The surrogate finds a smooth risk with pairs and gaps, and knows when it has too few events."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from crsrisk.errors import InputError
from crsrisk.learn.coalitions import shapley_by_orders
from crsrisk.learn.surrogate import fit_surrogate


def people(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A skewed value with gaps, a bent effect, a flag, a pair; the true log-odds given what was observed."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 3))
    flag = (rng.random(n) < 0.4).astype(float)
    gap = rng.random(n) < 0.2
    log_odds = -0.8 + 0.5 * z[:, 0] + 0.4 * np.tanh(z[:, 1]) + 0.6 * flag + 0.3 * z[:, 1] * z[:, 2]
    first = np.where(gap, np.nan, np.exp(2 + z[:, 0]))
    return np.column_stack([first, z[:, 1], z[:, 2], flag]), np.where(gap, log_odds - 0.5 * z[:, 0], log_odds)


def test_finds_the_log_odds() -> None:
    """60,000 patients, 30 coefficients: a root mean squared error of about 0.05, and a little for what a gap leaves open."""
    rows, log_odds = people(60_000, 1)
    fitted = fit_surrogate(list("abcd"), rows, np.random.default_rng(2).random(60_000) < expit(log_odds))
    fresh, exact = people(5_000, 3)
    error = fitted.log_odds(fresh) - exact
    assert np.sqrt(np.mean(error**2)) < 0.12
    assert np.corrcoef(fitted.log_odds(fresh), exact)[0, 1] > 0.98


def test_its_shapley_values_need_no_more_than_two_orders() -> None:
    rows, log_odds = people(20_000, 4)
    fitted = fit_surrogate(list("abcd"), rows, np.random.default_rng(5).random(20_000) < expit(log_odds))
    found = shapley_by_orders(fitted.log_odds, rows[:20], background=rows[100:120], n_orders=2, seed=1)
    assert found.error.max() < 1e-9


def test_refuses_too_few_events() -> None:
    rows, _ = people(2_000, 6)
    with pytest.raises(InputError, match="events among"):
        fit_surrogate(list("abcd"), rows, np.arange(2_000) < 100)
