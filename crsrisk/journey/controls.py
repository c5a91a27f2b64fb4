"""Controls of a judgement: where nothing can be learnt nothing is, and a leak that was planted is noticed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from crsrisk.features.table import build_features
from crsrisk.journey.judgement import Material
from crsrisk.learn.controls import with_permuted_outcomes, with_planted_leak
from crsrisk.learn.explain import feature_contributions
from crsrisk.learn.leaks import Leak, find_leaks, highest_auroc, shared_patients
from crsrisk.learn.metrics import auroc_within
from crsrisk.learn.predict import predict

_LOOKED_AT = 8000  # further patients in whom single features are looked at
PLANTED, SOURCE = "albumin_g_l", "min_map_mmhg"  # a reading of the episode where a baseline value should stand


def controls_of(material: Material) -> dict[str, Any]:
    """Negative control, planted leak, and the model's own features and split looked at for leaks.

    ``negative``: the development repeated with outcomes dealt out anew, judged in held-out patients whose outcomes were
    dealt out too: AUROC within products, and the largest mean |SHAP| of a feature (log-odds). ``limit``: AUROC within
    products that nothing known before the first dose can exceed (the oracle's).
    """
    training, test, seed = material.sides.training, material.sides.test, material.inquiry.seed
    limit = highest_auroc(material.observed_truth, product=material.known.observed["product"].to_numpy(dtype=str))
    nothing = material.development.refit(training.observed, with_permuted_outcomes(training.outcomes, seed=seed), seed)
    dealt = with_permuted_outcomes(test.outcomes, seed=seed + 1)[material.outcome].to_numpy(dtype=np.bool_)
    ranked = auroc_within(dealt, risk=predict(nothing, test.observed).risk, group=test.observed["product"])
    _, made_up = feature_contributions(nothing, test.observed)
    _, real = feature_contributions(material.model, test.observed)
    further = material.pool.observed.head(_LOOKED_AT)
    planted = with_planted_leak(further, material.pool.outcomes.head(_LOOKED_AT), column=PLANTED, peak=SOURCE)
    own = (*_leaks(material, further, limit),
           *shared_patients(training.observed["patient_id"], test.observed["patient_id"]))
    return {
        "limit": limit, "negative": {"auroc_within_product": ranked, "largest_mean_shap": _largest(made_up),
                                     "largest_mean_shap_of_the_model": _largest(real)},
        "planted": {"column": PLANTED, "is_noticed": PLANTED in {leak.feature for leak in _leaks(material, planted, limit)}},
        "leaks": [asdict(leak) for leak in own]}


def _largest(contributions: Any) -> float:
    return float(np.abs(contributions).mean(axis=0).max())


def _leaks(material: Material, observed: pd.DataFrame, limit: float) -> tuple[Leak, ...]:
    contract = material.model.contract
    return find_leaks(build_features(observed, names=contract.feature_names),
                      outcome=material.pool.outcomes[material.outcome].head(len(observed)).to_numpy(dtype=np.bool_),
                      product=observed["product"].to_numpy(dtype=str), landmark_h=contract.landmark_h, limit=limit)
