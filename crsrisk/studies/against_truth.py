"""Against the truth: the part of a judgement that no real data set can have; it joins as a
:class:`Further`.

True calibration error of every patient, the loss in three parts, whether intervals hold the true
risk, and which internal validation was right about performance in a large number of further
patients of the same world.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from crsrisk.data.cohort import Cohort
from crsrisk.evaluation.against_truth import (
    CalibrationError,
    Coverage,
    Figure,
    GapSplit,
    SplitHalves,
    by_band,
    by_group,
    calibration_error,
    coverage,
    gap_split,
    only,
    venn_abers,
)
from crsrisk.evaluation.calibration import recalibrate
from crsrisk.evaluation.leaks import (
    Leak,
    find_leaks,
    highest_auroc,
    shared_patients,
    with_permuted_outcomes,
    with_planted_leak,
)
from crsrisk.evaluation.metrics import TAILS, Z_95, auroc_within, brier, clip_risk, log_loss
from crsrisk.evaluation.optimism import Optimism, OptimismTable, optimism
from crsrisk.evaluation.resampling import measure_all, out_of_fold_risk
from crsrisk.model.explain import feature_contributions
from crsrisk.model.features import build_features
from crsrisk.model.predict import predict, raw_log_odds
from crsrisk.model.refits import interval, make_refits
from crsrisk.model.risk_model import RiskModel
from crsrisk.report.evaluation import ExtraSection, truth_section
from crsrisk.results import Estimate, NotEstimable, to_plain
from crsrisk.studies.judgement import FurtherPart, StudyData
from crsrisk.wording import short_labels

# Controls of a judgement: where nothing can be learnt nothing is, and a leak that was planted is
# noticed.


_LOOKED_AT = 8000  # further patients in whom single features are looked at
# a reading of the episode where a baseline value should stand
PLANTED, SOURCE = "albumin_g_l", "min_map_mmhg"


def controls_of(study: StudyData) -> dict[str, Any]:
    """Negative control, planted leak, and the model's own features and split looked at for leaks.

    ``negative``: the development repeated with outcomes dealt out anew, judged in held-out patients
    whose outcomes were dealt out too: AUROC within products, and the largest mean |SHAP| of a
    feature (log-odds). ``limit``: AUROC within products that nothing known before the first dose
    can exceed (the oracle's).
    """
    training, test, seed = study.sides.training, study.sides.test, study.inquiry.seed
    limit = highest_auroc(
        study.observed_truth, product=study.known.observed["product"].to_numpy(dtype=str)
    )
    nothing = study.development.refit(
        training.observed, with_permuted_outcomes(training.outcomes, seed=seed), seed
    )
    dealt = with_permuted_outcomes(test.outcomes, seed=seed + 1)[study.outcome].to_numpy(
        dtype=np.bool_
    )
    ranked = auroc_within(
        dealt, risk=predict(nothing, test.observed).risk, group=test.observed["product"]
    )
    _, made_up = feature_contributions(nothing, test.observed)
    _, real = feature_contributions(study.model, test.observed)
    further = study.pool.observed.head(_LOOKED_AT)
    planted = with_planted_leak(
        further, study.pool.outcomes.head(_LOOKED_AT), column=PLANTED, peak=SOURCE
    )
    own = (
        *_leaks(study, further, limit),
        *shared_patients(training.observed["patient_id"], test.observed["patient_id"]),
    )
    return {
        "limit": limit,
        "negative": {
            "auroc_within_product": ranked,
            "largest_mean_shap": _largest(made_up),
            "largest_mean_shap_of_the_model": _largest(real),
        },
        "planted": {
            "column": PLANTED,
            "is_noticed": PLANTED in {leak.feature for leak in _leaks(study, planted, limit)},
        },
        "leaks": [asdict(leak) for leak in own],
    }


def _largest(contributions: Any) -> float:
    return float(np.abs(contributions).mean(axis=0).max())


def _leaks(study: StudyData, observed: pd.DataFrame, limit: float) -> tuple[Leak, ...]:
    contract = study.model.contract
    return find_leaks(
        build_features(observed, names=contract.feature_names),
        outcome=study.pool.outcomes[study.outcome].head(len(observed)).to_numpy(dtype=np.bool_),
        product=observed["product"].to_numpy(dtype=str),
        landmark_h=contract.landmark_h,
        limit=limit,
    )


Floats = NDArray[np.float64]
Begin = Callable[[str, int], Callable[[int], None]]
N_REFITS = 40
LIMITS = (
    (
        "The truth it was measured against is that of the simulator: where the mechanism is wrong,"
        " truth and model are wrong together."
    ),
)


def truth_part(*, workers: int, begin: Begin) -> FurtherPart:
    """The part for :func:`crsrisk.studies.judgement.run_judgement`:
    ``further=[truth_part(...)]``.
    """
    return lambda study: truth_sections(study, workers=workers, begin=begin)


def truth_sections(study: StudyData, *, workers: int, begin: Begin) -> ExtraSection:
    """Everything against the truth for the model under judgement: raw results and the section for
    people.
    """
    seed, known = study.inquiry.seed, study.known
    seen, full = (
        SplitHalves.of(study.observed_truth, seed=seed),
        SplitHalves.of(study.full_truth, seed=seed + 1),
    )
    risk = predict(study.model, known.observed).risk
    rows = {"all": np.arange(len(risk)), **by_group(known.observed["product"])}
    outside = out_of_fold_risk(
        study.sides.training.observed,
        study.sides.training.outcomes,
        outcome=study.outcome,
        refit=study.development.refit,
        seed=seed,
    )
    results: dict[str, Any] = {
        "n_patients": len(risk),
        "repetitions": 2 * seen.half,
        "baseline_repetitions": 2 * full.half,
        "calibration_error": {
            name: _plain(calibration_error(risk[some], truth=only(seen, some), seed=seed))
            for name, some in rows.items()
        },
        "gap": {
            name: [
                _plain(one)
                for one in gap_split(
                    risk[some], observed=only(seen, some), baseline=only(full, some)
                )
            ]
            for name, some in rows.items()
        },
        "coverage": _coverages(study, risk, seen, outside=outside, workers=workers, begin=begin),
        "optimism": _optimism(study, outside=outside),
        "controls": to_plain(controls_of(study)),
    }
    labels = short_labels({name: arm.product.label for name, arm in study.arms.items()})
    return ExtraSection(
        "against_the_truth", results, [truth_section(results, labels=labels)], LIMITS
    )


def _plain(found: CalibrationError | GapSplit | Coverage | NotEstimable) -> dict[str, Any]:
    """Figures flat: value, low, high, mc_error."""
    if isinstance(found, NotEstimable):
        return found.to_dict()
    if isinstance(found, GapSplit):
        return {
            "loss": found.loss,
            "total": found.total.to_dict(),
            **{
                part.name: part.figure.to_dict()
                for part in (found.irreducible, found.unobserved, found.estimation)
            },
        }
    return {
        name: value.to_dict() if isinstance(value, Figure) else value
        for name, value in vars(found).items()
    }


def _coverages(
    study: StudyData,
    risk: Floats,
    seen: SplitHalves,
    *,
    outside: Floats,
    workers: int,
    begin: Begin,
) -> dict[str, dict[str, Any]]:
    """Coverage of each interval method, over all patients, by band of risk and by product."""
    seed, observed = study.inquiry.seed, study.known.observed
    groups = {"all": np.arange(len(risk)), **by_band(risk), **by_group(observed["product"])}
    ends = intervals(study, workers=workers, begin=begin, outside=outside)
    return {
        method: {
            name: _plain(coverage(low[rows], high[rows], truth=only(seen, rows), seed=seed))
            for name, rows in groups.items()
        }
        for method, (low, high) in ends.items()
    }


def intervals(
    study: StudyData, *, outside: Floats, workers: int, begin: Begin
) -> dict[str, tuple[Floats, Floats]]:
    """Intervals of the re-simulated patients' risks by each method: (low, high), shape (patients,)
    each.
    """
    model, training, observed = study.model, study.sides.training, study.known.observed
    refits = make_refits(
        model,
        training.observed,
        training.outcomes,
        config=study.development.config,
        seed=study.inquiry.seed,
        n=N_REFITS,
        workers=workers,
        advance=begin("Refitting for intervals", N_REFITS),
    )
    table = build_features(observed, names=model.contract.feature_names).to_numpy(dtype=np.float64)
    log_odds, spread = (
        model.calibrator.log_odds(raw_log_odds(model, observed)),
        refits.log_odds(table),
    )
    low, high = np.quantile(expit(spread), TAILS, axis=0)
    y_true = training.outcomes[study.outcome].to_numpy(dtype=np.float64)
    return {
        "refits, Student's t around the model": interval(log_odds, spread),
        "instability: 2.5 to 97.5% of the refits": (low, high),
        "Venn-Abers on out-of-fold risks": venn_abers(
            expit(log_odds), calibration_scores=outside, outcome=y_true
        ),
    }


def _optimism(study: StudyData, *, outside: Floats) -> dict[str, Any]:
    """What each internal validation claimed, and performance in all further patients of the same
    world.
    """
    training, model = study.sides.training, study.model
    own = training.outcomes[study.outcome].to_numpy(dtype=np.bool_)
    product = training.observed["product"].to_numpy(dtype=str)
    corrected = optimism(
        own,
        risk=predict(model, training.observed).risk,
        refits=study.repeats,
        product=product,
        thresholds=[study.inquiry.threshold],
    )
    claims = {
        "apparent": measure_all(own, risk=predict(model, training.observed).risk, group=product),
        "cross-validation": measure_all(own, risk=outside, group=product),
        "held-out patients": _measured(model, study.sides.test, outcome=study.outcome),
    }
    if isinstance(corrected, OptimismTable):
        claims["bootstrap-corrected"] = {
            one.measure: one.corrected.value for one in corrected.rows if isinstance(one, Optimism)
        }
    fresh = truth_of_performance(model, study.pool, outcome=study.outcome)
    return {
        "n_fresh": study.pool.n_patients,
        "fresh": {name: figure.to_dict() for name, figure in fresh.items()},
        "claims": {
            method: {
                name: float(values[name]) for name in fresh if np.isfinite(values.get(name, np.nan))
            }
            for method, values in claims.items()
        },
    }


def _measured(model: RiskModel, cohort: Cohort, *, outcome: str) -> Mapping[str, float]:
    return measure_all(
        cohort.outcomes[outcome].to_numpy(dtype=np.bool_),
        risk=predict(model, cohort.observed).risk,
        group=cohort.observed["product"].to_numpy(dtype=str),
    )


def truth_of_performance(model: RiskModel, fresh: Cohort, *, outcome: str) -> dict[str, Figure]:
    """Performance in many further patients of the world, each figure with its Monte Carlo error."""
    y_true = fresh.outcomes[outcome].to_numpy(dtype=np.bool_)
    risk = clip_risk(predict(model, fresh.observed).risk).risk
    again = recalibrate(y_true, risk=risk)
    found = {
        "auroc_within_product": auroc_within(y_true, risk=risk, group=fresh.observed["product"]),
        "slope": again.slope,
        "in_the_large": again.in_the_large,
        "brier": brier(y_true, risk=risk),
        "log_loss": log_loss(y_true, risk=risk),
    }
    return {
        name: Figure(one, (one.high - one.low) / (2 * Z_95))
        for name, one in found.items()
        if isinstance(one, Estimate)
    }
