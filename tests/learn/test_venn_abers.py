"""Venn-Abers against the definition by brute force, and its one promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from crsrisk.errors import InputError
from crsrisk.learn.venn_abers import venn_abers


@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=25, deadline=None)
def test_agrees_with_the_definition(seed: int, has_ties: bool) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=40).round(1 if has_ties else 12)
    y = (rng.random(40) < 0.4).astype(float)
    asked = np.r_[x[:3], rng.normal(size=3), -9.0, 9.0]
    low, high = venn_abers(asked, calibration_scores=x, outcome=y)
    for score, p0, p1 in zip(asked, low, high, strict=True):
        slow = [IsotonicRegression().fit(np.r_[x, score], np.r_[y, label]).predict([score])[0] for label in (0, 1)]
        assert (p0, p1) == pytest.approx(slow, abs=1e-10)
        assert p0 <= p1


def test_interval_holds_the_event_rate_of_its_score() -> None:
    """Two scores, true rates 0.2 and 0.7; 4000 patients a score give each rate to 0.008 (five errors allowed)."""
    rng = np.random.default_rng(5)
    x = np.repeat([0.0, 1.0], 4000)
    low, high = venn_abers([0.0, 1.0], calibration_scores=x, outcome=rng.random(8000) < np.where(x > 0, 0.7, 0.2))
    assert low == pytest.approx([0.2, 0.7], abs=0.04)
    assert high - low == pytest.approx([1 / 4001, 1 / 4001], abs=1e-9)


def test_refuses_outcomes_that_are_none() -> None:
    with pytest.raises(InputError, match="calibration"):
        venn_abers([0.5], calibration_scores=[0.1, 0.2], outcome=[0, 2])
