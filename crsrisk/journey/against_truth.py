"""Against the truth: the part of a judgement that no real data set can have; it joins as a :class:`Further`.

True calibration error of every patient, the loss in three parts, whether intervals hold the true risk, and which internal
validation was right about performance in a large number of further patients of the same world.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from crsrisk.domain.cohort import Cohort
from crsrisk.domain.risk_model import RiskModel
from crsrisk.features.table import build_features
from crsrisk.journey.controls import controls_of
from crsrisk.journey.judgement import FurtherPart, Material
from crsrisk.learn.against_truth import (
    CalibrationError,
    Coverage,
    Figure,
    GapSplit,
    Halves,
    by_band,
    by_group,
    calibration_error,
    coverage,
    gap_split,
    only,
)
from crsrisk.learn.calibration_curve import recalibrate
from crsrisk.learn.cross_fit import out_of_fold_risk
from crsrisk.learn.evaluate import as_plain
from crsrisk.learn.measures import measure_all
from crsrisk.learn.metrics import (
    TAILS,
    Z_95,
    Estimate,
    NotEstimable,
    auroc_within,
    brier,
    clip_risk,
    log_loss,
)
from crsrisk.learn.optimism import Optimism, OptimismTable, optimism
from crsrisk.learn.predict import predict, raw_log_odds
from crsrisk.learn.refits import interval, make_refits
from crsrisk.learn.venn_abers import venn_abers
from crsrisk.report.judged_truth import truth_section
from crsrisk.report.judgement import Further
from crsrisk.report.words import short_labels

Floats = NDArray[np.float64]
Begin = Callable[[str, int], Callable[[int], None]]
N_REFITS = 40
LIMITS = ("The truth it was measured against is that of the simulator: where the mechanism is wrong, truth and model are "
          "wrong together.",)


def truth_part(*, workers: int, begin: Begin) -> FurtherPart:
    """The part for :func:`crsrisk.journey.judgement.run_judgement`: ``further=[truth_part(...)]``."""
    return lambda material: truth_sections(material, workers=workers, begin=begin)


def truth_sections(material: Material, *, workers: int, begin: Begin) -> Further:
    """Everything against the truth for the model under judgement: raw results and the section for people."""
    seed, known = material.inquiry.seed, material.known
    seen, full = Halves.of(material.observed_truth, seed=seed), Halves.of(material.full_truth, seed=seed + 1)
    risk = predict(material.model, known.observed).risk
    rows = {"all": np.arange(len(risk)), **by_group(known.observed["product"])}
    outside = out_of_fold_risk(material.sides.training.observed, material.sides.training.outcomes, outcome=material.outcome,
                               refit=material.development.refit, seed=seed)
    results: dict[str, Any] = {
        "n_patients": len(risk), "repetitions": 2 * seen.half, "baseline_repetitions": 2 * full.half,
        "calibration_error": {name: _plain(calibration_error(risk[some], truth=only(seen, some), seed=seed))
                              for name, some in rows.items()},
        "gap": {name: [_plain(one) for one in gap_split(risk[some], observed=only(seen, some), baseline=only(full, some))]
                for name, some in rows.items()},
        "coverage": _coverages(material, risk, seen, outside=outside, workers=workers, begin=begin),
        "optimism": _optimism(material, outside=outside), "controls": as_plain(controls_of(material))}
    labels = short_labels({name: arm.product.label for name, arm in material.arms.items()})
    return Further("against_the_truth", results, [truth_section(results, labels=labels)], LIMITS)


def _plain(found: CalibrationError | GapSplit | Coverage | NotEstimable) -> dict[str, Any]:
    """Figures flat: value, low, high, mc_error."""
    if isinstance(found, NotEstimable):
        return found.as_dict()
    if isinstance(found, GapSplit):
        return {"loss": found.loss, "total": found.total.as_dict(),
                **{part.name: part.figure.as_dict() for part in (found.irreducible, found.unobserved, found.estimation)}}
    return {name: value.as_dict() if isinstance(value, Figure) else value for name, value in vars(found).items()}


def _coverages(
    material: Material, risk: Floats, seen: Halves, *, outside: Floats, workers: int, begin: Begin
) -> dict[str, dict[str, Any]]:
    """Coverage of each interval method, over all patients, by band of risk and by product."""
    seed, observed = material.inquiry.seed, material.known.observed
    groups = {"all": np.arange(len(risk)), **by_band(risk), **by_group(observed["product"])}
    ends = intervals(material, workers=workers, begin=begin, outside=outside)
    return {method: {name: _plain(coverage(low[rows], high[rows], truth=only(seen, rows), seed=seed))
                     for name, rows in groups.items()} for method, (low, high) in ends.items()}


def intervals(
    material: Material, *, outside: Floats, workers: int, begin: Begin
) -> dict[str, tuple[Floats, Floats]]:
    """Intervals of the re-simulated patients' risks by each method: (low, high), shape (patients,) each."""
    model, training, observed = material.model, material.sides.training, material.known.observed
    refits = make_refits(model, training.observed, training.outcomes, config=material.development.config,
                         seed=material.inquiry.seed, n=N_REFITS, workers=workers,
                         advance=begin("Refitting for intervals", N_REFITS))
    table = build_features(observed, names=model.contract.feature_names).to_numpy(dtype=np.float64)
    log_odds, spread = model.calibrator.log_odds(raw_log_odds(model, observed)), refits.log_odds(table)
    low, high = np.quantile(expit(spread), TAILS, axis=0)
    happened = training.outcomes[material.outcome].to_numpy(dtype=np.float64)
    return {
        "refits, Student's t around the model": interval(log_odds, spread),
        "instability: 2.5 to 97.5% of the refits": (low, high),
        "Venn-Abers on out-of-fold risks": venn_abers(expit(log_odds), calibration_scores=outside, outcome=happened)}


def _optimism(material: Material, *, outside: Floats) -> dict[str, Any]:
    """What each internal validation claimed, and performance in all further patients of the same world."""
    training, model = material.sides.training, material.model
    own = training.outcomes[material.outcome].to_numpy(dtype=np.bool_)
    product = training.observed["product"].to_numpy(dtype=str)
    corrected = optimism(own, risk=predict(model, training.observed).risk, refits=material.repeats, product=product,
                         thresholds=[material.inquiry.threshold])
    claims = {
        "apparent": measure_all(own, risk=predict(model, training.observed).risk, group=product),
        "cross-validation": measure_all(own, risk=outside, group=product),
        "held-out patients": _measured(model, material.sides.test, outcome=material.outcome)}
    if isinstance(corrected, OptimismTable):
        claims["bootstrap-corrected"] = {one.measure: one.corrected.value for one in corrected.rows
                                         if isinstance(one, Optimism)}
    fresh = truth_of_performance(model, material.pool, outcome=material.outcome)
    return {"n_fresh": material.pool.n_patients, "fresh": {name: figure.as_dict() for name, figure in fresh.items()},
            "claims": {method: {name: float(values[name]) for name in fresh if np.isfinite(values.get(name, np.nan))}
                       for method, values in claims.items()}}


def _measured(model: RiskModel, cohort: Cohort, *, outcome: str) -> Mapping[str, float]:
    return measure_all(cohort.outcomes[outcome].to_numpy(dtype=np.bool_), risk=predict(model, cohort.observed).risk,
                       group=cohort.observed["product"].to_numpy(dtype=str))


def truth_of_performance(model: RiskModel, fresh: Cohort, *, outcome: str) -> dict[str, Figure]:
    """Performance in many further patients of the world, each figure with its Monte Carlo error."""
    happened = fresh.outcomes[outcome].to_numpy(dtype=np.bool_)
    risk = clip_risk(predict(model, fresh.observed).risk).risk
    again = recalibrate(happened, risk=risk)
    found = {
        "auroc_within_product": auroc_within(happened, risk=risk, group=fresh.observed["product"]), "slope": again.slope,
        "in_the_large": again.in_the_large, "brier": brier(happened, risk=risk), "log_loss": log_loss(happened, risk=risk)}
    return {name: Figure(one, (one.high - one.low) / (2 * Z_95)) for name, one in found.items() if isinstance(one, Estimate)}
