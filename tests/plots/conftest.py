"""An evaluation of made-up patients, and data for every chart."""

from __future__ import annotations

import numpy as np
import pytest

from crsrisk.evaluation.evaluate import Evaluation, evaluate


@pytest.fixture(scope="session")
def evaluation() -> Evaluation:
    """Two groups; in the second nobody had the event."""
    rng = np.random.default_rng(1)
    risk = rng.beta(2, 3, 900)
    groups = np.where(np.arange(900) < 800, "many", "none")
    y_true = (rng.random(900) < risk) & (groups == "many")
    return evaluate(y_true, risk, groups=groups, n_resamples=30, seed=1)
