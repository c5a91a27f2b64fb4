"""Against the truth: the part of a validation that no real data set can have; it joins as an
:class:`~crsrisk.report.evaluation.ExtraSection`.

True calibration error of every patient, the loss in three parts, whether intervals hold the true
risk, which internal validation was right about performance in a large number of further patients of
the same world, and two controls: where nothing can be learnt nothing is, and a leak that was
planted is noticed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from crsrisk.data.cohort import Cohort
from crsrisk.evaluation.against_truth import (
    AgainstTruth,
    Coverage,
    SplitHalves,
    ValidationClaims,
    by_band,
    by_group,
    calibration_error,
    coverage,
    decompose_loss,
    only,
    venn_abers,
)
from crsrisk.evaluation.calibration import recalibrate
from crsrisk.evaluation.leaks import (
    Controls,
    Leak,
    NegativeControl,
    PlantedLeak,
    find_leaks,
    highest_auroc,
    shared_patients,
    with_permuted_outcomes,
    with_planted_leak,
)
from crsrisk.evaluation.metrics import (
    TAILS,
    auroc_within,
    brier,
    clip_risk,
    log_loss,
    standard_error,
)
from crsrisk.evaluation.optimism import Optimism, OptimismTable, optimism
from crsrisk.evaluation.resampling import measure_all, out_of_fold_risk
from crsrisk.model.explain import feature_contributions
from crsrisk.model.features import build_features
from crsrisk.model.predict import predict, raw_log_odds
from crsrisk.model.refits import interval
from crsrisk.model.refitting import make_refits
from crsrisk.model.risk_model import RiskModel
from crsrisk.report.evaluation_facts import ExtraSection
from crsrisk.report.evaluation_truth import truth_section
from crsrisk.results import Estimate, NotEstimable
from crsrisk.studies.validation import FurtherPart, StudyData
from crsrisk.wording import short_labels

Floats = NDArray[np.float64]
Begin = Callable[[str, int], Callable[[int], None]]

# a reading of the episode where a baseline value should stand
PLANTED, SOURCE = "albumin_g_l", "min_map_mmhg"
N_REFITS = 40
LIMITS = (
    (
        "The truth it was measured against is that of the simulator: where the mechanism is wrong,"
        " truth and model are wrong together."
    ),
)
_LOOKED_AT = 8000  # further patients in whom single features are looked at


def controls_of(study: StudyData) -> Controls:
    """Negative control, planted leak, and the model's own features and split looked at for
    leaks.
    """
    training, test, seed = study.sides.training, study.sides.test, study.config.seed
    limit = highest_auroc(
        study.observed_truth, product=study.known.observed["product"].to_numpy(dtype=str)
    )
    nothing = study.development.refit(
        training.observed, with_permuted_outcomes(training.outcomes, seed=seed), seed
    )
    dealt = with_permuted_outcomes(test.outcomes, seed=seed + 1)[study.outcome].to_numpy(
        dtype=np.bool_
    )
    further = study.pool.observed.head(_LOOKED_AT)
    planted = with_planted_leak(
        further, study.pool.outcomes.head(_LOOKED_AT), column=PLANTED, peak=SOURCE
    )
    noticed = {leak.feature for leak in _leaks(study, planted, limit)}
    return Controls(
        limit=limit,
        negative=NegativeControl(
            auroc_within_products=auroc_within(
                dealt, risk=predict(nothing, test.observed).risk, group=test.observed["product"]
            ),
            largest_mean_shap=_largest_mean_shap(nothing, test.observed),
            largest_mean_shap_of_the_model=_largest_mean_shap(study.model, test.observed),
        ),
        planted=PlantedLeak(PLANTED, is_noticed=PLANTED in noticed),
        leaks=(
            *_leaks(study, further, limit),
            *shared_patients(training.observed["patient_id"], test.observed["patient_id"]),
        ),
    )


def _largest_mean_shap(model: RiskModel, observed: pd.DataFrame) -> float:
    """Of the model's features, the largest mean absolute contribution, log-odds."""
    _, contributions = feature_contributions(model, observed)
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


def truth_part(*, workers: int, begin: Begin) -> FurtherPart:
    """The part for :func:`crsrisk.studies.validation.run_validation`:
    ``further=[truth_part(...)]``.
    """
    return lambda study: truth_sections(study, workers=workers, begin=begin)


def truth_sections(study: StudyData, *, workers: int, begin: Begin) -> ExtraSection:
    """Everything against the truth for the evaluated model: raw results and the section for
    people.
    """
    seed, known = study.config.seed, study.known
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
    results = AgainstTruth(
        n_patients=len(risk),
        n_replicates=seen.n_replicates,
        n_baseline_replicates=full.n_replicates,
        calibration_error={
            name: calibration_error(risk[some], truth=only(seen, some), seed=seed)
            for name, some in rows.items()
        },
        loss={
            name: decompose_loss(risk[some], observed=only(seen, some), baseline=only(full, some))
            for name, some in rows.items()
        },
        coverage=_coverages(study, risk, seen, outside=outside, workers=workers, begin=begin),
        validation=_claims(study, outside=outside),
        controls=controls_of(study),
    )
    labels = short_labels({name: arm.product.label for name, arm in study.arms.items()})
    section = truth_section(results, labels=labels)
    return ExtraSection("against_the_truth", results, [section], LIMITS)


def _coverages(
    study: StudyData,
    risk: Floats,
    seen: SplitHalves,
    *,
    outside: Floats,
    workers: int,
    begin: Begin,
) -> dict[str, dict[str, Coverage | NotEstimable]]:
    """Coverage of each interval method, over all patients, by band of risk and by product."""
    seed, observed = study.config.seed, study.known.observed
    groups = {"all": np.arange(len(risk)), **by_band(risk), **by_group(observed["product"])}
    ends = intervals(study, workers=workers, begin=begin, outside=outside)
    return {
        method: {
            name: coverage(low[rows], high[rows], truth=only(seen, rows), seed=seed)
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
        seed=study.config.seed,
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


def _claims(study: StudyData, *, outside: Floats) -> ValidationClaims:
    """What each internal validation claimed, and performance in all further patients of the same
    world.
    """
    training, model = study.sides.training, study.model
    y_true = training.outcomes[study.outcome].to_numpy(dtype=np.bool_)
    product = training.observed["product"].to_numpy(dtype=str)
    risk = predict(model, training.observed).risk
    corrected = optimism(
        y_true,
        risk=risk,
        refits=study.repeats,
        product=product,
        thresholds=[study.config.threshold],
    )
    claims = {
        "apparent": measure_all(y_true, risk=risk, group=product),
        "cross-validation": measure_all(y_true, risk=outside, group=product),
        "held-out patients": _measured(model, study.sides.test, outcome=study.outcome),
    }
    if isinstance(corrected, OptimismTable):
        claims["bootstrap-corrected"] = {
            measure.measure: measure.corrected.value
            for measure in corrected.rows
            if isinstance(measure, Optimism)
        }
    fresh = truth_of_performance(model, study.pool, outcome=study.outcome)
    return ValidationClaims(
        n_fresh=study.pool.n_patients,
        fresh=fresh,
        claims={
            method: {
                name: float(values[name]) for name in fresh if np.isfinite(values.get(name, np.nan))
            }
            for method, values in claims.items()
        },
    )


def _measured(model: RiskModel, cohort: Cohort, *, outcome: str) -> dict[str, float]:
    return measure_all(
        cohort.outcomes[outcome].to_numpy(dtype=np.bool_),
        risk=predict(model, cohort.observed).risk,
        group=cohort.observed["product"].to_numpy(dtype=str),
    )


def truth_of_performance(model: RiskModel, fresh: Cohort, *, outcome: str) -> dict[str, Estimate]:
    """Performance in many further patients of the world, each figure with its Monte Carlo error."""
    y_true = fresh.outcomes[outcome].to_numpy(dtype=np.bool_)
    risk = clip_risk(predict(model, fresh.observed).risk).risk
    again = recalibrate(y_true, risk=risk)
    figures = {
        "auroc_within_product": auroc_within(y_true, risk=risk, group=fresh.observed["product"]),
        "slope": again.slope,
        "in_the_large": again.in_the_large,
        "brier": brier(y_true, risk=risk),
        "log_loss": log_loss(y_true, risk=risk),
    }
    return {
        name: replace(figure, mc_error=standard_error(figure))
        for name, figure in figures.items()
        if isinstance(figure, Estimate)
    }
