"""Cross-validation over products: forecasts of each product that never saw its figures, scored
beside rivals that know no mechanism, and mixed with them where that forecasts better.

The forecast that ships is a mixture of the mechanism, the regression on the product file and the
distribution over the class. Its weights are chosen for each rate, by the CRPS of any grade and by
the log density of the rarer grades, whose few events a score of shares hardly tells; and in the
cross-validation anew for every product by the scores of the other products alone (nested), so that
the choice is judged as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TypeAlias, cast
from zlib import crc32

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logsumexp

from crsrisk.data.cross_validation import (
    CrossValidatedRate,
    CrossValidationSummary,
    Group,
    Interval,
    Metric,
    MetricScore,
    Scores,
)
from crsrisk.data.evidence_use import ScoredFigure
from crsrisk.data.product import Product
from crsrisk.results import Estimate, NotEstimable
from crsrisk.uncertainty.forecast import weighted_quantile
from crsrisk.uncertainty.forecast_scores import (
    bootstrap_over_products,
    crps,
    log_predictive_density,
    randomised_pit,
    skill,
    uniformity_p,
    weighted_rank_correlation,
)
from crsrisk.uncertainty.rivals import (
    ClassDistribution,
    ClassMean,
    CountOfProduct,
    RegressionOnProductFile,
    RegressionPriors,
    product_features,
)
from crsrisk.uncertainty.rivals import Group as RivalGroup

Values: TypeAlias = NDArray[np.float64]
N_DRAWS = 2000  # of every forecast
PARTS: tuple[str, ...] = ("mechanism", "regression", "class_distribution")  # of the mixture
_TENTHS = [(a, b, 10 - a - b) for a in range(11) for b in range(11 - a)]
MIXTURES = np.array(_TENTHS) / 10.0  # weights of the parts that are tried
CLASS_ALONE = _TENTHS.index((0, 0, 10))  # the simplest: it knows nothing of a product
JUDGED: tuple[Group, ...] = ("engagers", "cells")
BY_CRPS: Metric = "crs_any_rate"  # mixed by the CRPS, the others by the log density
METRICS: tuple[Metric, ...] = ("crs_any_rate", "crs_grade2plus_rate", "crs_grade3plus_rate")


@dataclass(frozen=True)
class ForecastRate:
    """A rate to be scored, and what the mechanism says of it without its product's figures.

    ``rates``: draws of the trial's own rate; ``regimen`` of the trial, None = that of the product.
    """

    figure: ScoredFigure
    product: Product
    regimen: str | None
    rates: Values
    low_reading: float
    high_reading: float


@dataclass(frozen=True)
class _Judged:
    """One rate with draws of the mechanism and of the rivals, and what the draws would print."""

    rate: ForecastRate
    weight: float  # of the figure in its product's vote
    by_name: Mapping[str, Values]  # draws of the trial's own rate
    printed: Mapping[str, Values]
    log_density: Mapping[str, float]
    mixed_crps: Values  # of every mixture that is tried
    mixed_log_density: Values


def cross_validated(
    forecasts: Sequence[ForecastRate], *, trial_sd: float, seed: int
) -> tuple[list[CrossValidatedRate], dict[Metric, dict[str, float]]]:
    """Every rate scored, and the weights of the mixture that ships for each metric.

    A product's own row takes the mixture that does best for the others. Their rivals and mechanism
    were fitted with it among their figures, so that its counts reach its weights by that way alone.

    ``trial_sd``: SD between trials of one product that the regression takes as known. Every rate
    has random numbers of its own, so that no count of one product moves a draw of another.
    """
    rows: list[CrossValidatedRate] = []
    weights: dict[Metric, dict[str, float]] = {}
    for metric in METRICS:
        of_metric = [each for each in forecasts if each.figure.metric == metric]
        judged = _judge_all(
            [each for each in of_metric if each.figure.group in JUDGED], trial_sd, seed
        )
        shipped = MIXTURES[_best_mixture(judged, metric)]
        weights[metric] = dict(zip(PARTS, shipped.tolist(), strict=True))
        rows += [_row(each, _best_mixture(_others(judged, each), metric), seed) for each in judged]
        reported = [each for each in of_metric if each.figure.group not in JUDGED]
        rows += [_row(_alone(each, seed), 0, seed) for each in reported]
    return rows, weights


def _others(judged: Sequence[_Judged], left_out: _Judged) -> list[_Judged]:
    name = left_out.rate.figure.product
    return [each for each in judged if each.rate.figure.product != name]


def _best_mixture(judged: Sequence[_Judged], metric: Metric) -> int:
    """Position of the mixture with the best score over products, each one vote; that of the class
    distribution alone where no mixture beats it by more than a standard error over products.
    """
    losses = np.array(
        [each.mixed_crps if metric == BY_CRPS else -each.mixed_log_density for each in judged]
    )
    products = np.array([each.rate.figure.product for each in judged])
    votes = np.array([each.weight for each in judged])
    by_product = np.array(
        [
            np.average(losses[products == name], axis=0, weights=votes[products == name])
            for name in np.unique(products)
        ]
    )
    best = int(np.argmin(by_product.mean(axis=0)))
    gain = by_product[:, CLASS_ALONE] - by_product[:, best]
    error = float(np.std(gain, ddof=1)) / sqrt(len(gain)) if len(gain) > 1 else 0.0
    return best if gain.mean() > error else CLASS_ALONE


def _judge_all(forecasts: Sequence[ForecastRate], trial_sd: float, seed: int) -> list[_Judged]:
    """All rivals fitted without each product in turn."""
    n_figures = Counter(each.figure.product for each in forecasts)
    counts = [
        CountOfProduct(
            each.figure.product,
            cast(RivalGroup, each.figure.group),
            each.figure.events,
            each.figure.n,
            1.0 / n_figures[each.figure.product],
        )
        for each in forecasts
    ]
    features = pd.DataFrame(
        {each.figure.product: product_features(each.product) for each in forecasts}
    ).T
    judged = []
    for name in n_figures:
        training = [count for count in counts if count.product != name]
        others = list(dict.fromkeys(count.product for count in training))
        distribution, mean = ClassDistribution.fit(training), ClassMean.fit(training)
        regression = RegressionOnProductFile.fit(
            training, features.loc[others], priors=RegressionPriors(trial_sd=trial_sd)
        )
        judged += [
            _judge(each, 1.0 / n_figures[name], distribution, mean, regression, seed)
            for each in forecasts
            if each.figure.product == name
        ]
    return judged


def _judge(
    rate: ForecastRate,
    weight: float,
    distribution: ClassDistribution,
    mean: ClassMean,
    regression: RegressionOnProductFile,
    seed: int,
) -> _Judged:
    figure, group = rate.figure, cast(RivalGroup, rate.figure.group)
    rngs = {name: _rng(figure, seed, of=name) for name in PARTS}
    features = product_features(rate.product, rate.regimen)
    by_name = {
        "mechanism": rngs["mechanism"].choice(rate.rates, N_DRAWS),
        "class_distribution": distribution.draws(group, N_DRAWS, rngs["class_distribution"]),
        "regression": regression.draws(features, N_DRAWS, rngs["regression"]),
        "class_mean": mean.draws(group, N_DRAWS),
    }
    printed = {name: rngs[name].binomial(figure.n, by_name[name]) / figure.n for name in PARTS} | {
        "class_mean": by_name["class_mean"]
    }
    log_density = {
        "mechanism": log_predictive_density(rate.rates, figure.events, figure.n),
        "class_distribution": distribution.log_density(figure.events, figure.n, group),
        "regression": regression.log_density(figure.events, figure.n, features),
        "class_mean": mean.log_density(figure.events, figure.n, group),
    }
    together = np.concatenate([printed[name] for name in PARTS])
    mixed = np.array([crps(together, figure.value, _draw_weights(row)) for row in MIXTURES])
    with np.errstate(divide="ignore"):
        log_shares = np.log(MIXTURES)
    densities = np.array([log_density[name] for name in PARTS])
    return _Judged(
        rate,
        weight,
        by_name,
        printed,
        log_density,
        mixed,
        np.asarray(logsumexp(log_shares + densities, axis=1)),
    )


def _rng(figure: ScoredFigure, seed: int, *, of: str = "draws") -> np.random.Generator:
    """Random numbers of one rate alone."""
    return np.random.default_rng([seed, crc32("|".join((*figure.ids, figure.metric, of)).encode())])


def _alone(rate: ForecastRate, seed: int) -> _Judged:
    """A rate of a class that has too few products for rivals: reported, not judged."""
    figure, rng = rate.figure, _rng(rate.figure, seed)
    draws = rng.choice(rate.rates, N_DRAWS)
    printed = rng.binomial(figure.n, draws) / figure.n
    density = log_predictive_density(rate.rates, figure.events, figure.n)
    score = np.full(len(MIXTURES), crps(printed, figure.value))
    return _Judged(
        rate,
        1.0,
        dict.fromkeys(PARTS, draws),
        dict.fromkeys(PARTS, printed),
        {"mechanism": density},
        score,
        np.full(len(MIXTURES), density),
    )


def _draw_weights(mixture: Values) -> Values:
    """Weights of the draws of all parts, one part after the other."""
    return np.repeat(mixture, N_DRAWS) / N_DRAWS


def _row(judged: _Judged, at: int, seed: int) -> CrossValidatedRate:
    """A rate as the mixture at a position forecasts it."""
    rate, figure = judged.rate, judged.rate.figure
    rng = _rng(figure, seed, of="place of the count")
    both = {
        kind: np.concatenate([draws[name] for name in PARTS])
        for kind, draws in (("rates", judged.by_name), ("printed", judged.printed))
    }
    weights = _draw_weights(MIXTURES[at])
    low_95, low_50, high_50, high_95 = (
        weighted_quantile(both["printed"], weights, q) for q in (0.025, 0.25, 0.75, 0.975)
    )
    rivals = {
        name: Scores(
            median=float(np.median(judged.by_name[name])),
            crps=crps(judged.printed[name], figure.value),
            log_density=_finite(judged.log_density[name]),
        )
        for name in judged.log_density
    }
    return CrossValidatedRate(
        id="+".join(figure.ids),
        trial=figure.trial,
        product=figure.product,
        label=rate.product.label,
        platform=rate.product.platform,
        group=figure.group,
        metric=cast(Metric, figure.metric),
        published=figure.value,
        events=figure.events,
        n=figure.n,
        verified=figure.verified,
        weight=judged.weight,
        median=weighted_quantile(both["rates"], weights, 0.5),
        low_50=low_50,
        high_50=high_50,
        low_95=low_95,
        high_95=high_95,
        crps=float(judged.mixed_crps[at]),
        log_density=_finite(float(judged.mixed_log_density[at])),
        pit=randomised_pit(both["rates"], figure.events, figure.n, rng, weights),
        low_reading=rate.low_reading,
        high_reading=rate.high_reading,
        rivals=rivals,
        note=figure.note,
    )


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def summarise(
    rows: Sequence[CrossValidatedRate], weights: Mapping[Metric, Mapping[str, float]], *, seed: int
) -> CrossValidationSummary:
    """Scores over products, each one vote, with bootstrap intervals over products."""
    judged = [row for row in rows if row.group in JUDGED]
    of_any = [row for row in judged if row.metric == "crs_any_rate"]
    by_group = {group: [row for row in of_any if row.group == group] for group in JUDGED}
    p = uniformity_p(
        np.array([row.pit for row in judged]), [row.product for row in judged], seed=seed
    )
    return CrossValidationSummary(
        metrics={
            metric: _metric_score(
                [row for row in judged if row.metric == metric], weights[metric], seed=seed
            )
            for metric in METRICS
        },
        rank_correlation_any=_interval(of_any, _rank_within_classes, seed=seed),
        rank_correlation_any_engagers=_number(_rank(by_group["engagers"])),
        rank_correlation_any_cells=_number(_rank(by_group["cells"])),
        mae_any_engagers=_mean(by_group["engagers"], _error),
        mae_any_cells=_mean(by_group["cells"], _error),
        mae_class_mean_any_engagers=_mean(by_group["engagers"], _class_mean_error),
        mae_class_mean_any_cells=_mean(by_group["cells"], _class_mean_error),
        inside_95_all=_interval(
            judged, lambda some: _mean(some, lambda row: float(row.is_inside_95)), seed=seed
        ),
        pit_p=p.value,
        pit_p_mc_error=p.mc_error or 0.0,
    )


def _error(row: CrossValidatedRate) -> float:
    return abs(row.median - row.published)


def _class_mean_error(row: CrossValidatedRate) -> float:
    return abs(row.rivals["class_mean"].median - row.published)


def _mean(
    rows: Sequence[CrossValidatedRate], value: Callable[[CrossValidatedRate], float]
) -> float:
    """Mean over products, each one vote."""
    return float(np.average([value(row) for row in rows], weights=[row.weight for row in rows]))


def _rank(rows: Sequence[CrossValidatedRate]) -> float | NotEstimable:
    return weighted_rank_correlation(
        np.array([row.published for row in rows]),
        np.array([row.median for row in rows]),
        np.array([row.weight for row in rows]),
    )


def _rank_within_classes(rows: Sequence[CrossValidatedRate]) -> float | NotEstimable:
    """Rank correlations within classes, averaged with the products of each as weights."""
    found, sizes = [], []
    for group in JUDGED:
        of_group = [row for row in rows if row.group == group]
        value = _rank(of_group) if len(of_group) > 1 else NotEstimable("one rate")
        if not isinstance(value, NotEstimable):
            found.append(value)
            sizes.append(sum(row.weight for row in of_group))
    if not found:
        return NotEstimable("no class with two products or more that differ")
    return float(np.average(found, weights=sizes))


def _number(value: float | NotEstimable) -> float | None:
    return None if isinstance(value, NotEstimable) or not np.isfinite(value) else float(value)


def _interval(
    rows: Sequence[CrossValidatedRate],
    statistic: Callable[[Sequence[CrossValidatedRate]], float | NotEstimable],
    *,
    seed: int,
) -> Interval:
    by_product: dict[str, list[CrossValidatedRate]] = {}
    for row in rows:
        by_product.setdefault(row.product, []).append(row)
    made: Estimate | NotEstimable = bootstrap_over_products(
        by_product, lambda drawn: statistic([row for part in drawn for row in part]), seed=seed
    )
    if isinstance(made, NotEstimable):  # too many draws of products give none: no interval
        return Interval(value=_number(statistic(rows)), low=None, high=None)
    return Interval(value=_number(made.value), low=_number(made.low), high=_number(made.high))


def _skill(rival: str) -> Callable[[Sequence[CrossValidatedRate]], float | NotEstimable]:
    def statistic(rows: Sequence[CrossValidatedRate]) -> float | NotEstimable:
        return skill(
            _mean(rows, lambda row: row.crps), _mean(rows, lambda row: row.rivals[rival].crps)
        )

    return statistic


def _mean_log_density(
    rows: Sequence[CrossValidatedRate], of: Callable[[CrossValidatedRate], float | None]
) -> float | None:
    values = [of(row) for row in rows]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    return float(np.average(known, weights=[row.weight for row in rows]))


def _metric_score(
    rows: Sequence[CrossValidatedRate], weights: Mapping[str, float], *, seed: int
) -> MetricScore:
    def interval(
        statistic: Callable[[Sequence[CrossValidatedRate]], float | NotEstimable],
    ) -> Interval:
        return _interval(rows, statistic, seed=seed)

    return MetricScore(
        n_products=len({row.product for row in rows}),
        n_rates=len(rows),
        mae=interval(lambda some: _mean(some, _error)),
        crps=interval(lambda some: _mean(some, lambda row: row.crps)),
        inside_95=interval(lambda some: _mean(some, lambda row: float(row.is_inside_95))),
        inside_50=interval(lambda some: _mean(some, lambda row: float(row.is_inside_50))),
        skill_against_class=interval(_skill("class_distribution")),
        skill_against_class_mean=interval(_skill("class_mean")),
        skill_against_regression=interval(_skill("regression")),
        log_density=_mean_log_density(rows, lambda row: row.log_density),
        log_density_class=_mean_log_density(
            rows, lambda row: row.rivals["class_distribution"].log_density
        ),
        log_density_regression=_mean_log_density(
            rows, lambda row: row.rivals["regression"].log_density
        ),
        weights=dict(weights),
    )
