"""Refits: the model fitted again to bootstrap samples of its training patients
(:mod:`crsrisk.model.refitting`), small enough to be saved beside it.

Their spread, the *refit range*, is the part of a risk's uncertainty that comes from the sample of
patients alone. Of
each refit only what a prediction needs is kept: splits, leaf values, calibration and stand-ins for
missing values, as plain numbers.

In a file (:func:`refits_tree`) every different split stands once for all refits, since bootstrap
samples of the same patients split at the same values again and again. The trees of a refit are one
list of whole numbers, each node before its left subtree and that before the right one: the place of
its split among ``splits``, or -1 for a leaf, whose value is the next of ``leaf``. Where a tree and
the list of children end follows from the order, so nothing says it twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, stdtrit

from crsrisk.errors import InputError
from crsrisk.model.booster_text import (
    CATEGORICAL,
    DEFAULT_LEFT,
    LARGEST_LEAF,
    MISSING_NAN,
)
from crsrisk.model.features import build_features
from crsrisk.model.forest import NODE, Forest, raw_log_odds_by
from crsrisk.model.predict import filled, raw_log_odds
from crsrisk.model.risk_model import RiskModel

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]

FORMAT = "crsrisk refits 2"
_LEAF = -1  # among the places of splits


@dataclass(frozen=True, eq=False)
class Refit:
    """One refit as flat arrays. Inner node k of the forest: ``feature`` (place in the model's
    contract), ``threshold``, ``decision``, ``left``, ``right``; a child below 0 is leaf -child - 1.
    ``roots`` are the trees' first nodes (below 0: a tree of one leaf). ``fill``: stand-ins for
    missing values by feature, NaN where the trees know missing.
    """

    feature: Integers
    threshold: Floats
    decision: Integers
    left: Integers
    right: Integers
    leaf: Floats
    roots: Integers
    fill: Floats
    intercept: float
    slope: float

    @cached_property
    def forest(self) -> Forest:
        """The same trees as the compiled code reads them; counts of patients are not kept."""
        nodes = np.zeros(len(self.feature), dtype=NODE)
        parts = {
            "threshold": self.threshold,
            "feature": self.feature,
            "kind": self.decision,
            "left": self.left,
            "right": self.right,
        }
        for name, part in parts.items():
            nodes[name] = part
        return Forest(
            feature_names=tuple(map(str, range(len(self.fill)))),
            nodes=nodes,
            words=np.zeros(0, dtype=np.int64),
            roots=self.roots,
            leaf_value=self.leaf,
            node_count=np.zeros(len(nodes)),
            leaf_count=np.zeros(len(self.leaf)),
        )

    def log_odds(self, table: Floats) -> Floats:
        """Calibrated log-odds of rows of features, NaN = missing; shape (rows,)."""
        return np.asarray(
            self.intercept + self.slope * raw_log_odds_by(self.forest, filled(table, self.fill))
        )


@dataclass(frozen=True, eq=False)
class Refits:
    """All refits of one model, ``model`` its label; refit k of two models saw the same patients."""

    model: str
    features: tuple[str, ...]
    refits: tuple[Refit, ...]

    def __len__(self) -> int:
        return len(self.refits)

    def log_odds(self, table: Floats) -> Floats:
        """Shape (refits, rows); ``table`` (rows, features) as
        :func:`crsrisk.model.features.build_features` makes it.
        """
        return np.array([refit.log_odds(table) for refit in self.refits])


def interval(log_odds: Floats, spread: Floats) -> tuple[Floats, Floats]:
    """Refit range: 95% interval of risks, the estimate's log-odds plus and minus Student's t times
    the SD of the refits.

    ``log_odds`` (rows,) of the model, ``spread`` (refits, rows). Centred on the model: a bootstrap
    sample holds fewer different patients, so refits lean a little to the mean, and their own
    quantiles would miss the estimate.

    >>> low, high = interval(np.array([0.0]), np.array([[-0.1], [0.0], [0.1]]))
    >>> [round(float(end[0]), 3) for end in (low, high)]
    [0.394, 0.606]
    """
    return refit_range(log_odds, np.std(spread, axis=0, ddof=1), n=len(spread))


def refit_range(log_odds: Floats, refit_sd: Floats, *, n: int) -> tuple[Floats, Floats]:
    """:func:`interval` from the SD of ``n`` refits, shape (rows,)."""
    reach = float(stdtrit(n - 1, 0.975)) * refit_sd
    return expit(log_odds - reach), expit(log_odds + reach)


def refit_interval(
    model: RiskModel, refits: Refits, observed: pd.DataFrame
) -> tuple[Floats, Floats]:
    """95% interval of every row's risk from the stored refits, shape (rows,) each; see
    :func:`interval`.
    """
    table = build_features(observed, names=model.contract.feature_names).to_numpy(dtype=np.float64)
    return interval(
        model.calibrator.log_odds(raw_log_odds(model, observed)), refits.log_odds(table)
    )


_RESAMPLED = {  # by method of an update
    "none": "",
    "intercept": ", each recalibrated in resampled patients of the update",
    "intercept and slope": ", each recalibrated in resampled patients of the update",
    "refit": " of the update’s own patients",
}


def covers(n: int, *, model: RiskModel) -> str:
    """What the refit range covers, from ``n`` refits of this model, as every page says it."""
    synthetic = (
        ", nor the step from synthetic data to real patients"
        if any(one.origin == "simulated" for one in model.provenance.steps)
        else ""
    )
    return (
        f"from refitting the model to {n} resampled cohorts{_RESAMPLED[update_of(model)]}; it does"
        " not include what assumptions leave open, differences between hospitals or"
        f" drugs{synthetic}"
    )


def update_of(model: RiskModel) -> str:
    """The method by which a model was updated, `none` for one that was not."""
    return str(model.manifest.get("update", {}).get("method", "none"))


def why_no_refits(model: RiskModel) -> str:
    """Why a model stands without refits."""
    if update_of(model) == "offset boosting":
        return (
            "The update added trees to this model that the refits of the model before it do not"
            " have, so they were not carried over."
        )
    return "No refits are stored with this model."


def refits_tree(refits: Refits) -> dict[str, Any]:
    """The refits as plain values for JSON; an infinite threshold and a missing stand-in are
    null.
    """

    def plain(values: Floats) -> list[float | None]:
        return [float(value) if np.isfinite(value) else None for value in values]

    all_splits = [
        np.column_stack([refit.feature, refit.threshold, refit.decision]) for refit in refits.refits
    ]
    splits, numbers = np.unique(np.concatenate(all_splits), axis=0, return_inverse=True)
    ends = np.cumsum([len(part) for part in all_splits])
    trees = []
    for refit, number in zip(refits.refits, np.split(numbers.ravel(), ends[:-1]), strict=True):
        walked = _depth_first(refit)
        is_leaf = walked < 0
        nodes = np.full(len(walked), _LEAF)
        nodes[~is_leaf] = number[walked[~is_leaf]]
        trees.append(
            {
                "nodes": nodes.tolist(),
                "leaf": plain(refit.leaf[~walked[is_leaf]]),
                "fill": plain(refit.fill),
                "intercept": refit.intercept,
                "slope": refit.slope,
            }
        )
    return {
        "format": FORMAT,
        "model": refits.model,
        "features": list(refits.features),
        "splits": {
            "feature": splits[:, 0].astype(np.int64).tolist(),
            "threshold": plain(splits[:, 1]),
            "decision": splits[:, 2].astype(np.int64).tolist(),
        },
        "refits": trees,
    }


def _depth_first(refit: Refit) -> Integers:
    """Every node and leaf of a refit, tree by tree, each before its left subtree and that before
    the right one; numbered as children are, leaves below 0.
    """
    left, right = refit.left.tolist(), refit.right.tolist()
    walked, waiting = [], refit.roots[::-1].tolist()
    while waiting:
        place = waiting.pop()
        walked.append(place)
        if place >= 0:
            waiting += (right[place], left[place])
    return np.array(walked, dtype=np.int64)


def read_refits(tree: Any, *, where: str, model: RiskModel) -> Refits:
    """Refits from JSON, checked to belong to this model and to be trees; anything else raises
    :class:`InputError`.
    """
    try:
        names = tuple(tree["features"])
        if (
            tree["format"] != FORMAT
            or tree["model"] != model.label
            or names != model.contract.feature_names
        ):
            raise _bad(where, "model", "refits of another model or format")
        splits = _read_splits(tree["splits"], len(names))
        refits = Refits(
            tree["model"],
            names,
            tuple(_read_refit(part, splits, len(names)) for part in tree["refits"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as problem:
        raise _bad(where, "refits", f"what is no refit ({type(problem).__name__})") from problem
    if len(refits) < 2:
        raise _bad(where, "refits", f"{len(refits)} refits")
    return refits


@dataclass(frozen=True, eq=False)
class _Splits:
    """The different splits of all refits, as :class:`Refit` has them."""

    feature: Integers
    threshold: Floats
    decision: Integers


def _floats(values: Sequence[float | None], *, empty: float) -> Floats:
    return np.array(
        [empty if value is None else float(value) for value in values], dtype=np.float64
    )


def _read_splits(tree: Mapping[str, Any], n_features: int) -> _Splits:
    splits = _Splits(
        feature=np.array(tree["feature"], dtype=np.int64),
        threshold=_floats(tree["threshold"], empty=np.inf),
        decision=np.array(tree["decision"], dtype=np.int64),
    )
    is_sound = (
        splits.feature.shape == splits.threshold.shape == splits.decision.shape
        and bool(((splits.feature >= 0) & (splits.feature < n_features)).all())
        and not bool((splits.decision & CATEGORICAL).any())
        and bool(((splits.decision >= 0) & (splits.decision <= MISSING_NAN + DEFAULT_LEFT)).all())
    )
    if not is_sound:
        raise ValueError("splits of other lengths, or of a feature or kind that there is not")
    return splits


def _read_refit(tree: Mapping[str, Any], splits: _Splits, n_features: int) -> Refit:
    nodes = np.array(tree["nodes"], dtype=np.int64)
    if not bool(((nodes >= _LEAF) & (nodes < len(splits.feature))).all()):
        raise ValueError("a split that there is not")
    left, right, roots = _linked(nodes != _LEAF)
    numbers = nodes[nodes != _LEAF]
    refit = Refit(
        feature=splits.feature[numbers],
        threshold=splits.threshold[numbers],
        decision=splits.decision[numbers],
        left=left,
        right=right,
        leaf=_floats(tree["leaf"], empty=np.nan),
        roots=roots,
        fill=_floats(tree["fill"], empty=np.nan),
        intercept=float(tree["intercept"]),
        slope=float(tree["slope"]),
    )
    is_sound = (
        len(refit.leaf) == np.count_nonzero(nodes == _LEAF)
        and len(refit.fill) == n_features
        and bool((np.abs([refit.intercept, refit.slope, *refit.leaf]) <= LARGEST_LEAF).all())
    )
    if not is_sound:
        raise ValueError("other leaves or stand-ins than needed, or numbers beyond all bounds")
    return refit


def _linked(is_split: NDArray[np.bool_]) -> tuple[Integers, Integers, Integers]:
    """Left and right children and roots of trees of which only the depth-first order is known.

    Every node gets one parent and comes after it, whatever the order says; one that leaves a tree
    without its end is refused (``ValueError``).
    """
    children = np.zeros(2 * np.count_nonzero(is_split), dtype=np.int64)
    roots: list[int] = []
    open_places: list[int] = []
    node = leaf = 0
    for splits in is_split.tolist():
        place = node if splits else ~leaf
        if open_places:
            children[open_places.pop()] = place
        else:
            roots.append(place)
        if splits:
            open_places += (2 * node + 1, 2 * node)
            node += 1
        else:
            leaf += 1
    if open_places:
        raise ValueError("a tree without its end")
    return children[0::2], children[1::2], np.array(roots, dtype=np.int64)


def _bad(where: str, key: str, found: str) -> InputError:
    return InputError(
        where=where,
        key=key,
        found=found,
        expected="the refits that were saved with the model",
        cure="take the model folder as it was saved, or make it again",
    )
