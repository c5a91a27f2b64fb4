"""Booster: LightGBM itself, its scores and its own contributions; it is handed checked texts only.

Scoring and explaining a saved model need none of this: :mod:`crsrisk.model.forest` and
:mod:`crsrisk.model.explain` do both from the text, and are tested against it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, TypeAlias

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from crsrisk.data.risk_model import Calibrator
from crsrisk.errors import InputError
from crsrisk.model.booster_text import LARGEST_TEXT as LARGEST_TEXT
from crsrisk.model.booster_text import bare_text as bare_text
from crsrisk.model.booster_text import check_text as check_text
from crsrisk.model.booster_text import joined_text as joined_text
from crsrisk.model.booster_text import with_trees_of
from crsrisk.model.stored_table import Table, blocks_of

Floats: TypeAlias = NDArray[np.float64]


@lru_cache(maxsize=8)
def booster_of(text: str) -> lgb.Booster:
    """The LightGBM booster of a checked text; kept, so that one patient does not cost a parsing of
    trees.
    """
    check_text(text)
    try:
        return lgb.Booster(model_str=text)
    except lgb.basic.LightGBMError as problem:
        raise InputError(
            where="booster.txt.gz",
            found="what LightGBM cannot read",
            expected="a LightGBM text",
            cure="take the model folder as it was saved",
        ) from problem


def raw_log_odds_of(booster: lgb.Booster, table: Table, *, n_trees: int | None = None) -> Floats:
    """Log-odds of all trees or the first ``n_trees``, shape (rows,), on one thread."""
    scores: list[Any] = [
        booster.predict(block, raw_score=True, num_iteration=n_trees, num_threads=1)
        for block in blocks_of(table)
    ]
    return np.concatenate(scores, dtype=np.float64) if scores else np.empty(0)


def continued(start: lgb.Booster, more: lgb.Booster) -> lgb.Booster:
    """One booster of the trees of a start and those that were grown from its log-odds."""
    texts = [booster.model_to_string() for booster in (start, more)]
    return lgb.Booster(model_str=with_trees_of(texts, like=texts[1]))


def contributions_of(booster: lgb.Booster, matrix: Floats) -> Floats:
    """LightGBM's exact Shapley values and, as last column, the base, shape (rows, features + 1)."""
    shares: Any = booster.predict(matrix, pred_contrib=True, num_threads=1)
    return np.asarray(shares, dtype=np.float64)


def calibrated_booster(text: str, calibrator: Calibrator) -> lgb.Booster:
    """A new booster whose prediction is the calibrated risk: slope and intercept written into the
    leaves.
    """
    check_text(text)
    booster = lgb.Booster(model_str=text)
    for tree, leaves in enumerate(
        map(int, re.findall(r"^num_leaves=(\d+)$", text, flags=re.MULTILINE))
    ):
        extra = calibrator.intercept if tree == 0 else 0.0
        for leaf in range(leaves):
            value = booster.get_leaf_output(tree, leaf)
            booster.set_leaf_output(tree, leaf, calibrator.slope * value + extra)
    return booster
