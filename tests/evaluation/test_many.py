"""Blocks of patients give the figures of all of them at once."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from crsrisk.evaluation import many
from crsrisk.evaluation.evaluate import Evaluation, evaluate
from crsrisk.results import Estimate, NotEstimable


def patients(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcomes, risks that are a little off, some of them equal, and groups."""
    rng = np.random.default_rng(3)
    risk = np.round(rng.beta(2, 5, n), 4)
    return (
        rng.random(n) < expit(logit(np.clip(risk, 0.01, 0.99)) * 0.8 + 0.2),
        risk,
        rng.integers(3, size=n),
    )


def figures(made: Evaluation) -> dict[tuple[str, str], Estimate | NotEstimable]:
    found: dict[tuple[str, str], Estimate | NotEstimable] = {}
    for name, group in {"all": made.pooled, **made.by_group}.items():
        assert not isinstance(group.risk_distribution, NotEstimable)
        assert not isinstance(group.net_benefit, NotEstimable)
        estimates = group.figures() | {
            f"quantile {share}": quantile
            for share, quantile in group.risk_distribution.event.quantiles.items()
        }
        estimates |= {
            f"benefit {at}": group.net_benefit.model.at(at)
            for at in range(group.net_benefit.threshold.size)
        }
        found |= {(name, figure): one for figure, one in estimates.items()}
    found["all", "auroc within"] = made.auroc_within_groups
    found |= {
        ("loess", figure): getattr(made.loess_curve, figure) for figure in ("ici", "e50", "emax")
    }
    return found


def test_blocks_give_the_figures_of_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    y_true, risk, group = patients(9000)
    at_once = figures(evaluate(y_true, risk, groups=group, n_resamples=50))
    monkeypatch.setattr(many, "BLOCK", 700)
    in_blocks = figures(evaluate(y_true, risk, groups=group, n_resamples=50))
    assert in_blocks.keys() == at_once.keys()
    for name, one in at_once.items():
        other = in_blocks[name]
        is_drawn = any(word in name[1] for word in ("benefit", "ici", "e50", "e90", "emax"))
        for end in ("value",) if is_drawn else ("value", "low", "high"):
            assert getattr(other, end) == pytest.approx(getattr(one, end), rel=1e-7, abs=1e-9), name


@pytest.mark.slow
def test_what_is_held_beside_the_risks_is_a_few_numbers_a_patient() -> None:
    """Between 200,000 and 800,000 patients the peak grows by a few numbers of eight bytes each."""
    peaks = []
    for n in (200_000, 800_000):
        y_true, risk, _ = patients(n)
        group = pd.Categorical.from_codes(np.arange(n) % 3, pd.Index(["a", "b", "c"]))
        tracemalloc.start()
        evaluate(y_true, risk, groups=group, n_resamples=50)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert (peaks[1] - peaks[0]) / 600_000 < 64
