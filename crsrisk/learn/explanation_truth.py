"""Is the explanation true? How far one set of attributions agrees with another, patient by patient.

Three comparisons, never one number: the explainer against exact Shapley values of the same model (a difference, which
should be rounding); the model's Shapley values against those of the oracle's risk, in the same game and against the same
background (what the model got wrong); and attributions against what happens when the mechanism is run again with a value
replaced (what no attribution can say). The last two are compared by :func:`agreement`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from crsrisk.learn.against_truth import Figure
from crsrisk.learn.metrics import bootstrap_counts, percentile_estimate

Floats = NDArray[np.float64]
Pair = tuple[Floats, Floats]  # attributions and what they are compared with, (patients, features) each
TOP = 3  # reasons that a page shows first
_NO_SIZE = 1e-12


@dataclass(frozen=True)
class Agreement:
    """How attributions agree with a reference, over one product or several.

    ``rank_correlation``: Spearman's, of one feature across the patients of one product, mean over features (and products),
    each weighted by the reference's mean absolute value. ``linear_correlation``: Pearson's, weighted alike; a yes/no value
    has two clusters of attributions, within which ranks are decided by differences that nobody would see, and there it
    says more. ``sign``: share of the reference's absolute value whose sign the
    attributions have. ``top``: of each patient's three largest reasons by the reference, the share among his three
    largest by the attributions. ``distance``: mean absolute difference, in the unit of both (log-odds).
    """

    n_patients: int
    rank_correlation: Figure
    linear_correlation: Figure
    sign: Figure
    top: Figure
    distance: Figure


@dataclass(frozen=True)
class FeatureAgreement:
    """One feature of one product: its size by the reference and by the attributions, and their correlations."""

    feature: str
    size: float
    size_attributed: float
    rank_correlation: float
    linear_correlation: float


def agreement(pairs: Sequence[Pair], *, seed: int, n_resamples: int = 200) -> Agreement:
    """Agreement over the products, one pair of tables each; intervals by bootstrap over the patients of each product.

    Features may differ between products. A feature that the reference gives no size has no weight; one to which the
    attributions give none, where the reference does, has rank correlation 0.

    >>> truth = np.random.default_rng(0).normal(size=(50, 4))
    >>> agreement([(2 * truth, truth)], seed=1, n_resamples=20).rank_correlation.estimate.value
    1.0
    """
    whole = _ratios([_sums(values, reference) for values, reference in pairs])
    drawn = [np.concatenate(list(bootstrap_counts(n=len(values), n_resamples=n_resamples, seed=seed + k)))
             for k, (values, _) in enumerate(pairs)]
    again = []
    for resample in range(n_resamples):
        rows = [np.repeat(np.arange(len(counts[resample])), counts[resample].astype(np.int64)) for counts in drawn]
        again.append(_ratios([_sums(values[some], reference[some])
                              for (values, reference), some in zip(pairs, rows, strict=True)]))
    table = np.array(again)
    figures = [Figure(percentile_estimate(whole[k], table[:, k]), float(table[:, k].std(ddof=1))) for k in range(5)]
    return Agreement(sum(len(values) for values, _ in pairs), *figures)


def by_feature(values: Floats, reference: Floats, *, features: Sequence[str]) -> list[FeatureAgreement]:
    """Feature by feature, the largest by the reference first."""
    sizes, made = np.abs(reference).mean(axis=0), np.abs(values).mean(axis=0)
    ranks, lines = rank_correlations(values, reference), linear_correlations(values, reference)
    return [FeatureAgreement(features[k], float(sizes[k]), float(made[k]), float(ranks[k]), float(lines[k]))
            for k in np.argsort(-sizes)]


def rank_correlations(values: Floats, reference: Floats) -> Floats:
    """Spearman's correlation of each column; 0 where one of the two does not vary."""
    return linear_correlations(rankdata(_flattened(values), axis=0), rankdata(_flattened(reference), axis=0))


def linear_correlations(values: Floats, reference: Floats) -> Floats:
    """Pearson's correlation of each column; 0 where one of the two does not vary."""
    one, other = (_flattened(table - table.mean(axis=0)) for table in (values, reference))
    spread = np.sqrt((one**2).sum(axis=0) * (other**2).sum(axis=0))
    return np.where(spread > 0, (one * other).sum(axis=0) / np.where(spread > 0, spread, 1.0), 0.0)


def reliability(halves: float) -> float:
    """Correlation that a mean of two halves has with the truth, from the correlation of the halves (Spearman-Brown, root).

    No attribution can be expected to reach more than this against such a reference.

    >>> round(reliability(0.8), 3)
    0.943
    """
    whole = 2.0 * max(0.0, halves) / (1.0 + max(0.0, halves))
    return float(whole**0.5)


def _flattened(table: Floats) -> Floats:
    """Differences of rounding are none: they would be ranked like others."""
    return np.asarray(np.round(table, 12))


def _sums(values: Floats, reference: Floats) -> Floats:
    """Numerators and denominators of the five figures: sums over one product's patients and features."""
    n = len(values)
    size = np.abs(reference)
    weight = size.mean(axis=0)
    same = np.where(np.sign(values) == np.sign(reference), size, 0.0).sum()
    top = min(TOP, values.shape[1])
    first = np.argsort(-np.abs(values), axis=1, kind="stable")[:, :top]
    wanted = np.argsort(-size, axis=1, kind="stable")[:, :top]
    hits = float(sum(len(set(a) & set(b)) for a, b in zip(first.tolist(), wanted.tolist(), strict=True)))
    ranks, lines = (n * float(weight @ made(values, reference)) for made in (rank_correlations, linear_correlations))
    return np.array([ranks, n * weight.sum(), lines, n * weight.sum(), same, size.sum(), hits, float(n * top),
                     np.abs(values - reference).sum(), float(values.size)])


def _ratios(sums: Sequence[Floats]) -> Floats:
    total = np.sum(sums, axis=0)
    return np.asarray(total[0::2] / np.maximum(total[1::2], _NO_SIZE))
