"""Fit a model again to bootstrap samples of its training patients, and keep of each refit what a
prediction needs (:mod:`crsrisk.model.refits`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk import streams
from crsrisk.executor import side_by_side
from crsrisk.model.booster_text import CATEGORICAL, read_text
from crsrisk.model.features import ModelConfig
from crsrisk.model.fit import fit
from crsrisk.model.refits import Refit, Refits
from crsrisk.model.risk_model import RiskModel

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]

N_REFITS = 20
_TRIES = 1000  # with five of each outcome one sample in a hundred lacks one
# significant digits of a leaf or a calibration: far below the spread that the refits are kept for
_DIGITS = 8


def make_refits(
    model: RiskModel,
    training: pd.DataFrame,
    outcomes: pd.DataFrame,
    *,
    config: ModelConfig,
    seed: int,
    sample_weight: Floats | None = None,
    n: int | None = None,
    workers: int = 1,
    advance: Callable[[int], None] | None = None,
    folder: Path | None = None,
) -> Refits:
    """Fit the model anew to ``n`` bootstrap samples (``N_REFITS`` when left out) of its training
    patients.

    The start and the number of trees that cross-validation chose for the model, and its
    calibration, stay: what is redone is the fit itself, so the choice of settings adds nothing to
    the spread. Two models refitted with one seed share their samples. A patient who is drawn
    several times is one row of as many times his ``sample_weight``, so that the ten rows of every
    leaf are ten patients. ``folder`` as of :func:`~crsrisk.model.fit.fit`.
    """
    fixed = config.model_copy(update={"learner": config.learner.as_found(model.model_class)})

    def refit(again: int) -> Refit:
        drawn = drawn_rows(
            outcomes[config.outcome].to_numpy(dtype=np.bool_), decision=f"refit {again}", seed=seed
        )
        chosen, times = np.unique(drawn, return_counts=True)
        weight = times.astype(np.float64)
        if sample_weight is not None:
            weight *= sample_weight[chosen]
        made = fit(
            training.iloc[chosen],
            outcomes.iloc[chosen],
            config=fixed,
            seed=seed,
            sample_weight=weight,
            is_described=False,
            folder=folder,
        )
        if advance is not None:
            advance(1)
        return flatten(
            replace(made, calibrator=model.calibrator), features=model.contract.feature_names
        )

    with side_by_side(workers) as pool:
        return Refits(
            model.label, model.contract.feature_names, tuple(pool.map(refit, range(n or N_REFITS)))
        )


def drawn_rows(y_true: NDArray[np.bool_], *, decision: str, seed: int) -> Integers:
    """Rows of a bootstrap sample that holds both outcomes: drawn again while one is not among
    them.
    """
    size, name = len(y_true), decision
    for again in range(_TRIES):
        drawn = streams.uniforms(seed=seed, decision=name, start=0, stop=size, width=1)[:, 0]
        rows = (drawn * size).astype(np.int64)
        if 0 < y_true[rows].sum() < size:
            return rows
        name = f"{decision}, again {again}"
    raise ArithmeticError(f"no sample of {size} patients with and without the event was found")


def flatten(model: RiskModel, *, features: Sequence[str]) -> Refit:
    """A model's trees as flat arrays over the given features (those of the model, perhaps among
    others).
    """
    place = np.array(
        [features.index(name) for name in model.contract.feature_names], dtype=np.int64
    )
    trees = read_text(model.booster_text).trees
    if any((tree.decision_type & CATEGORICAL).any() for tree in trees):
        raise ValueError(
            "refits keep numerical splits only; words enter the models as yes/no features"
        )
    nodes = np.cumsum([0, *(len(tree.left_child) for tree in trees)])
    leaves = np.cumsum([0, *(len(tree.leaf_value) for tree in trees)])

    def moved(child: Integers, k: int) -> Integers:
        return np.asarray(np.where(child >= 0, child + nodes[k], child - leaves[k]))

    fill = np.full(len(features), np.nan)
    fill[place] = [
        np.nan if feature.fill is None else feature.fill for feature in model.contract.features
    ]
    return Refit(
        feature=place[np.concatenate([tree.split_feature for tree in trees])],
        threshold=np.concatenate([tree.threshold for tree in trees]),
        decision=np.concatenate([tree.decision_type for tree in trees]).astype(np.int64),
        left=np.concatenate([moved(tree.left_child, k) for k, tree in enumerate(trees)]),
        right=np.concatenate([moved(tree.right_child, k) for k, tree in enumerate(trees)]),
        leaf=np.array(
            [float(f"{value:.{_DIGITS}g}") for tree in trees for value in tree.leaf_value]
        ),
        roots=np.where(np.diff(nodes) > 0, nodes[:-1], ~leaves[:-1]),
        fill=fill,
        intercept=model.calibrator.intercept,
        slope=model.calibrator.slope,
    )
