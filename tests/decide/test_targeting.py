"""Who is treated: thresholds, doses, and what an oracle may believe."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from crsrisk.decide.targeting import at_or_above, believed_gain, best_threshold, reliability, top_share
from crsrisk.errors import InputError

scores = arrays(np.float64, st.integers(2, 40), elements=st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.5, 0.9]))


@given(scores, st.floats(0.0, 1.0))
def test_exactly_the_doses_are_given_and_to_the_highest_first(score: np.ndarray, share: float) -> None:
    given_ = top_share(score, share)
    assert np.isclose(given_.sum(), share * len(score))
    assert ((given_ >= 0.0) & (given_ <= 1.0)).all()
    for low in range(len(score)):
        higher = score > score[low]
        assert given_[low] == 0.0 or (given_[higher] == 1.0).all()


@given(scores, st.integers(0, 2**32 - 1))
def test_no_threshold_gains_more_than_the_best(score: np.ndarray, seed: int) -> None:
    gain = np.random.default_rng(seed).normal(size=len(score))
    best = (at_or_above(score, best_threshold(score, gain)) * gain).sum()
    assert all(best >= (at_or_above(score, one) * gain).sum() - 1e-12 for one in (*score, np.inf))


def test_an_oracle_believes_what_repeats() -> None:
    rng = np.random.default_rng(1)
    truth, noise = rng.normal(size=4000), rng.normal(size=(2, 4000))
    assert reliability(truth, truth) == pytest.approx(1.0)
    assert reliability(truth + noise[0], truth + noise[1]) == pytest.approx(0.5, abs=0.05)  # 4 standard errors of 0.012
    assert reliability(noise[0], noise[1]) < 0.05
    assert np.allclose(believed_gain(truth, trust=0.0), truth.mean())


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_more_doses_than_patients_are_refused(share: float) -> None:
    with pytest.raises(InputError, match="0 to 1"):
        top_share(np.array([0.1, 0.2]), share)
