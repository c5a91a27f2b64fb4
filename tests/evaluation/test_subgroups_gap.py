"""Gaps: the parts add up, and each made-up cause is found where it was put."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit

from crsrisk.errors import InputError
from crsrisk.evaluation.benchmark import Truth
from crsrisk.evaluation.metrics import NotEstimable
from crsrisk.evaluation.subgroups import GapDecomposition, decompose_gap

RNG = np.random.default_rng(1)
N = 4000
INSIDE = RNG.random(N) < 0.4


def gap(
    y_true: np.ndarray, risk: np.ndarray, n_missing: np.ndarray | None = None, **further: object
) -> GapDecomposition:
    missing = np.zeros(N, dtype=int) if n_missing is None else n_missing
    found = decompose_gap(
        y_true,
        risk=risk,
        is_in_group=INSIDE,
        group="women",
        n_missing=missing,
        seed=1,
        n_resamples=60,
        **further,
    )  # type: ignore[arg-type]
    assert isinstance(found, GapDecomposition)
    assert sum(one.value for one in found.parts.values()) == pytest.approx(
        found.total.value, abs=1e-12
    )
    return found


def counts(risk: np.ndarray, m: int = 400) -> np.ndarray:
    return RNG.binomial(m, risk)


def truth(name: str, risk: np.ndarray) -> Truth:
    return Truth(name, counts(risk), np.full(N, 400))


def test_base_rate_alone() -> None:
    """Everybody's risk is the rate of his group: the gap is the gap of entropies and nothing
    else.
    """
    rate = np.where(INSIDE, 0.5, 0.1)
    y_true = RNG.random(N) < rate
    found = gap(y_true, np.where(INSIDE, y_true[INSIDE].mean(), y_true[~INSIDE].mean()))
    assert found.parts["base rate"].value == pytest.approx(found.total.value, abs=1e-9)
    assert found.parts["base rate"].low > 0.2


def test_missingness_is_found_where_it_was_put() -> None:
    """Missing patients get a worse risk; the group has more of them; weighed alike there is no gap
    (3 in 1,000 nats).
    """
    x = RNG.normal(size=N)
    is_missing = RNG.random(N) < np.where(INSIDE, 0.8, 0.2)
    true = expit(-0.5 + 1.5 * x)
    y_true = RNG.random(N) < true
    risk = np.where(is_missing, 0.4, true)
    found = gap(y_true, risk, is_missing.astype(int))
    assert found.parts["missingness"].low > 0.03
    assert found.parts["model and case mix"].low < 0 < found.parts["model and case mix"].high


def test_a_model_that_errs_in_the_group() -> None:
    true = RNG.beta(2, 5, N)
    y_true = RNG.random(N) < true
    risk = np.where(INSIDE, expit(logit(true) + 1.2), true)
    found = gap(y_true, risk, observed_truth=truth("seen", true), full_truth=truth("all", true))
    assert found.knows_the_truth
    assert found.parts["model"].low > 0.05
    for other in ("measurement", "case mix", "base rate"):
        assert abs(found.parts[other].value) < 0.02, other


def test_sample_share_is_what_equal_shares_cure() -> None:
    true = RNG.beta(2, 5, N)
    y_true = RNG.random(N) < true
    risk = np.where(INSIDE, expit(logit(true) + 1.2), true)
    found = gap(
        y_true,
        risk,
        observed_truth=truth("seen", true),
        full_truth=truth("all", true),
        equal_shares_risk=true,
    )
    assert found.parts["sample share"].low > 0.05
    assert abs(found.parts["model"].value) < 0.01


def test_measurement_costs_the_group() -> None:
    """Inside the group half of what decides is not measured: the oracle that saw less loses more
    there.
    """
    known, hidden = RNG.normal(size=N), RNG.normal(size=N)
    full = expit(-1 + known + 1.5 * hidden * INSIDE)
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    mean = (weights * expit(-1 + known[:, None] + 1.5 * nodes)).sum(axis=1) / weights.sum()
    seen = np.where(INSIDE, mean, full)
    found = gap(
        RNG.random(N) < full,
        seen,
        observed_truth=truth("seen", seen),
        full_truth=truth("all", full),
    )
    assert found.parts["measurement"].low > 0.05
    assert abs(found.parts["model"].value) < 0.01


def test_refusals() -> None:
    y_true = RNG.random(N) < 0.3
    few = decompose_gap(
        y_true,
        risk=np.full(N, 0.3),
        is_in_group=np.arange(N) < 10,
        group="a",
        n_missing=np.zeros(N),
        seed=1,
    )
    assert isinstance(few, NotEstimable)
    with pytest.raises(InputError, match="both or none"):
        gap(y_true, np.full(N, 0.3), observed_truth=truth("seen", np.full(N, 0.3)))
