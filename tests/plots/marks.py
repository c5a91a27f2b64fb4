"""Predictors of a made-up benchmark."""

from __future__ import annotations

from crsrisk.plots.chart_data import BenchmarkMark, Kind
from crsrisk.results import Estimate, NotEstimable


def make_mark(
    label: str, kind: Kind, gain: float, auroc: float | NotEstimable, *, is_pooled: bool = True
) -> BenchmarkMark:
    """A predictor with an interval around its gain and its AUROC."""
    ranked = (
        auroc
        if isinstance(auroc, NotEstimable)
        else Estimate(auroc, low=auroc - 0.02, high=auroc + 0.02)
    )
    upper = 0.75 if kind == "oracle" else None
    return BenchmarkMark(
        label,
        kind,
        Estimate(gain, gain - 0.002, gain + 0.002),
        auroc=ranked if is_pooled else None,
        auroc_upper=upper,
        auroc_mixed=ranked,
        auroc_mixed_upper=upper,
    )


def make_marks(*, is_pooled: bool = True) -> list[BenchmarkMark]:
    """From an oracle to a null that is far below."""
    return [
        make_mark("oracle", "oracle", 0.05, 0.71, is_pooled=is_pooled),
        make_mark("model", "model", 0.03, 0.66, is_pooled=is_pooled),
        make_mark("EASIX", "comparator", 0.01, 0.6, is_pooled=is_pooled),
        make_mark("null", "null", -0.2, NotEstimable("none"), is_pooled=is_pooled),
    ]
