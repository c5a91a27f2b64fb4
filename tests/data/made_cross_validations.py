"""A small cross-validation whose every number is made up: no product here was ever forecast."""

from __future__ import annotations

from typing import Any

from crsrisk.data.cross_validation import (
    CrossValidatedRate,
    CrossValidation,
    CrossValidationSummary,
    Group,
    Interval,
    Metric,
    MetricScore,
    Scores,
)

# product -> platform, group, patients, rate of any grade, what the forecast's middle is
PRODUCTS: dict[str, tuple[str, Group, int, float, float]] = {
    "made_up_a": ("tce", "engagers", 40, 0.60, 0.55),
    "made_up_b": ("tce", "engagers", 25, 0.92, 0.40),
    "made_up_c": ("immtac", "engagers", 120, 0.88, 0.70),
    "made_up_d": ("car_t", "cells", 14, 0.36, 0.50),
    "made_up_e": ("car_t", "cells", 30, 0.70, 0.60),
    "made_up_f": ("til", "others", 66, 0.03, 0.05),
}
# metric -> its share of the rate of any grade
SHARES: dict[Metric, float] = {
    "crs_any_rate": 1.0,
    "crs_grade2plus_rate": 0.4,
    "crs_grade3plus_rate": 0.05,
}


def make_rate(
    product: str, /, metric: Metric = "crs_any_rate", **changes: Any
) -> CrossValidatedRate:
    """One made-up row; ``changes`` by the names of its fields."""
    platform, group, n, rate, middle = PRODUCTS[product]
    share = SHARES[metric]
    events, median = round(n * rate * share), middle * share
    published = events / n
    low, high = max(0.0, median - 0.35 * share), min(1.0, median + 0.35 * share)
    apart = (published - median) / (0.7 * share)
    rivals = {
        "class_mean": Scores(median=0.5 * share, crps=abs(published - 0.5 * share), log_density=-4),
        "class_distribution": Scores(median=0.5 * share, crps=0.16 * share, log_density=-3.1),
        "regression": Scores(median=0.55 * share, crps=0.13 * share, log_density=-2.9),
    }
    plain: dict[str, Any] = {
        "id": f"MADE-UP-{product[-1]}-{metric}",
        "trial": f"made-up trial of {product}",
        "product": product,
        "label": f"Made-up {product[-1].upper()} (no product)",
        "platform": platform,
        "group": group,
        "metric": metric,
        "published": published,
        "events": events,
        "n": n,
        "verified": product != "made_up_c",
        "weight": 1.0,
        "median": median,
        "low_50": max(0.0, median - 0.12 * share),
        "high_50": min(1.0, median + 0.12 * share),
        "low_95": low,
        "high_95": high,
        "crps": 0.1 * share + abs(apart) * 0.05,
        "log_density": -2.8,
        "pit": min(0.995, max(0.005, 0.5 + apart)),
        "low_reading": max(0.0, median - 0.1 * share),
        "high_reading": min(1.0, median + 0.1 * share),
        "rivals": {} if group == "others" else rivals,
        "note": "made up",
    }
    return CrossValidatedRate(**{**plain, **changes})


def make_score(**changes: Any) -> MetricScore:
    """Made-up scores of one rate."""
    plain: dict[str, Any] = {
        "n_products": 5,
        "n_rates": 5,
        "mae": Interval(value=0.17, low=0.11, high=0.24),
        "crps": Interval(value=0.12, low=0.08, high=0.17),
        "inside_95": Interval(value=0.96, low=0.9, high=1.0),
        "inside_50": Interval(value=0.52, low=0.3, high=0.7),
        "skill_against_class": Interval(value=0.15, low=0.02, high=0.28),
        "skill_against_class_mean": Interval(value=0.4, low=0.2, high=0.5),
        "skill_against_regression": Interval(value=0.04, low=-0.1, high=0.16),
        "log_density": -2.8,
        "log_density_class": -3.1,
        "log_density_regression": -2.9,
        "weights": {"mechanism": 0.6, "regression": 0.3, "class_distribution": 0.1},
    }
    return MetricScore(**{**plain, **changes})


def make_summary(**changes: Any) -> CrossValidationSummary:
    """Made-up scores; ``changes`` by the names of the fields."""
    plain: dict[str, Any] = {
        "metrics": {
            "crs_any_rate": make_score(),
            "crs_grade2plus_rate": make_score(
                skill_against_regression=Interval(value=-0.03, low=-0.2, high=0.1)
            ),
            "crs_grade3plus_rate": make_score(log_density=-1.2, log_density_class=-1.1),
        },
        "rank_correlation_any": Interval(value=0.41, low=0.05, high=0.7),
        "rank_correlation_any_engagers": 0.45,
        "rank_correlation_any_cells": 0.35,
        "mae_any_engagers": 0.16,
        "mae_any_cells": 0.24,
        "mae_class_mean_any_engagers": 0.2,
        "mae_class_mean_any_cells": 0.25,
        "inside_95_all": Interval(value=0.95, low=0.91, high=0.99),
        "pit_p": 0.32,
        "pit_p_mc_error": 0.005,
    }
    return CrossValidationSummary(**{**plain, **changes})


def make_cross_validation(**changes: Any) -> CrossValidation:
    """Six made-up products, one of them not scored, each with three rates."""
    plain: dict[str, Any] = {
        "version": "made up",
        "seed": 1,
        "n_members": 8,
        "ensemble": "made up",
        "rows": tuple(make_rate(product, metric) for product in PRODUCTS for metric in SHARES),
        "summary_of": make_summary(),
    }
    return CrossValidation(**{**plain, **changes})
