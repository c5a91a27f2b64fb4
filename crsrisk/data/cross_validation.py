"""Cross-validation: how each product was forecast by everything but its own figures.

One row a published rate of a systemic product with a printed size. The forecast knows the product's
file, the mechanism and the figures of all other products; three rivals that know no mechanism
forecast the same rate from the same other products. What was computed once stands beside the
ensemble it belongs to (``cross_validation.json``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

import pandas as pd
from pydantic import Field

from crsrisk.data.assumptions import Strict
from crsrisk.data.ensemble import ensemble_folder
from crsrisk.data.files import write_text
from crsrisk.data.yaml_files import build, read_json_object
from crsrisk.results import Result

Metric: TypeAlias = Literal["crs_any_rate", "crs_grade2plus_rate", "crs_grade3plus_rate"]
Group: TypeAlias = Literal["engagers", "cells", "others"]
FILE = "cross_validation.json"
CURE = "make it: crsrisk run experiments/002_calibration"


class Scores(Strict):
    """How well one forecast met one published rate: lower is better, but for the density.

    ``crps`` is the continuous ranked probability score of the share that the trial would print (a
    point forecast's is its absolute error); ``log_density`` the logarithm of the probability that
    it gave to the count that was seen, absent where it gave none.
    """

    median: float
    crps: float
    log_density: float | None


class CrossValidatedRate(Strict):
    """One published rate, and what was forecast of it without any figure of its product.

    Rates are shares (0-1). Intervals hold what is not known of assumptions and product, how trials
    of one product differ, and chance at the trial's size. ``pit`` is the randomised probability
    integral transform of the count, ``weight`` the figure's part in its product's single vote.
    ``rivals`` by name: ``class_mean``, ``class_distribution``, ``regression``; and the
    ``mechanism`` alone, where the forecast is a mixture. ``low_reading`` and ``high_reading`` are
    the medians with every uncertain number of the product's file at the end of its range that gives
    less, or more.
    """

    id: str
    trial: str
    product: str
    label: str
    platform: str
    group: Group
    metric: Metric
    published: float
    events: int = Field(ge=0)
    n: int = Field(gt=0)
    verified: bool
    weight: float
    median: float
    low_50: float
    high_50: float
    low_95: float
    high_95: float
    crps: float
    log_density: float | None
    pit: float
    low_reading: float
    high_reading: float
    rivals: dict[str, Scores]
    note: str = ""

    @property
    def is_inside_95(self) -> bool:
        """Whether the published rate lies in the 95% interval."""
        return self.low_95 <= self.published <= self.high_95

    @property
    def is_inside_50(self) -> bool:
        """Whether the published rate lies in the 50% interval."""
        return self.low_50 <= self.published <= self.high_50

    @property
    def surprise(self) -> float:
        """How far out in the forecast the published count lies: 0 in the middle, 1 at an end."""
        return abs(2.0 * self.pit - 1.0)


class Interval(Strict):
    """A figure with the 95% bootstrap interval over products; absent where it cannot be had."""

    value: float | None
    low: float | None
    high: float | None


class MetricScore(Strict):
    """Scores of one rate over all products, each product one weight.

    Skill is 1 - score / score of the rival: above 0 the forecast is better. It is of the CRPS; the
    mean log densities stand beside one another.
    """

    n_products: int
    n_rates: int
    mae: Interval
    crps: Interval
    inside_95: Interval
    inside_50: Interval
    skill_against_class: Interval
    skill_against_class_mean: Interval
    skill_against_regression: Interval
    log_density: float | None
    log_density_class: float | None
    log_density_regression: float | None
    # weight of the mechanism in the forecast that ships, the rest is the regression
    weight_of_mechanism: float


class CrossValidationSummary(Strict):
    """What the cross-validation says in all: by metric, and of any grade within classes."""

    metrics: dict[str, MetricScore]
    rank_correlation_any: Interval
    rank_correlation_any_engagers: float | None
    rank_correlation_any_cells: float | None
    mae_any_engagers: float
    mae_any_cells: float
    mae_class_mean_any_engagers: float
    mae_class_mean_any_cells: float
    inside_95_all: Interval
    pit_p: float
    pit_p_mc_error: float


class CrossValidation(Result, Strict):
    """Every scored rate forecast without its product, and the scores.

    Read by :func:`load_cross_validation`; made by ``crsrisk run experiments/002_calibration``.
    """

    version: str
    seed: int
    n_members: int
    ensemble: str  # digest of the ensemble that it belongs to
    rows: tuple[CrossValidatedRate, ...]
    summary_of: CrossValidationSummary

    def of(self, metric: Metric) -> tuple[CrossValidatedRate, ...]:
        """The rows of one rate."""
        return tuple(row for row in self.rows if row.metric == metric)

    def summary(self) -> str:
        """How many rates of how many products, and the coverage."""
        products = len({row.product for row in self.rows})
        inside = self.summary_of.inside_95_all.value
        share = "" if inside is None else f", {100 * inside:.0f}% inside 95% intervals"
        return f"{len(self.rows)} published rates of {products} products{share}"

    def to_frame(self) -> pd.DataFrame:
        """One row a published rate: the forecast, its scores and those of each rival."""
        return pd.DataFrame([_flat(row) for row in self.rows])


def _flat(row: CrossValidatedRate) -> dict[str, object]:
    names = {"class_mean": "class_mean", "class_distribution": "class", "regression": "regression"}
    plain = row.model_dump(exclude={"rivals"})
    return plain | {
        f"crps_{short}": row.rivals[name].crps
        for name, short in names.items()
        if name in row.rivals
    }


def save_cross_validation(made: CrossValidation, folder: Path) -> None:
    """Write ``cross_validation.json`` to the folder of an ensemble."""
    write_text(folder / FILE, made.model_dump_json(indent=1) + "\n")


def load_cross_validation(folder: Path | None = None) -> CrossValidation | None:
    """The cross-validation beside an ensemble (without a folder: the one that ships); None when it
    was not computed.

    Raises :class:`InputError` for a file that is no cross-validation.
    """
    path = (folder or ensemble_folder()) / FILE
    tree = read_json_object(path, cure=CURE)
    return None if tree is None else build(CrossValidation, tree, where=path.name)


def json_of(made: CrossValidation) -> Mapping[str, object]:
    """What ``crsrisk evidence cross-validation --json`` prints: ``rows`` and ``summary``."""
    score = made.summary_of
    by_metric = {
        name: {
            "mae": of.mae.value,
            "inside_95": of.inside_95.value,
            "inside_50": of.inside_50.value,
            "skill_against_class": of.skill_against_class.value,
            "skill_against_regression": of.skill_against_regression.value,
            **of.model_dump(exclude={"mae", "inside_95", "inside_50"}),
        }
        for name, of in score.metrics.items()
    }
    whole = score.model_dump(exclude={"metrics"})
    return {
        "rows": made.to_frame().to_dict(orient="records"),
        "summary": {
            **by_metric,
            **whole,
            "rank_correlation_any": score.rank_correlation_any.value,
            "intervals": {
                name: of.model_dump(include={"mae", "inside_95", "inside_50"})
                for name, of in score.metrics.items()
            },
        },
    }
