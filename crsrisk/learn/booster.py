"""Booster: LightGBM's text format, checked before LightGBM reads it.

LightGBM trusts a model file: half a file aborts the process, a changed index crashes it, a changed child can
make it run for ever, a lost end goes unnoticed (measured with 4.7). So every text is read in plain Python
first: each tree must be a tree, every index in bounds, every size as declared.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeAlias

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before the import: spinning threads cost seconds

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from crsrisk.domain.risk_model import Calibrator
from crsrisk.errors import InputError

Floats: TypeAlias = NDArray[np.float64]

LARGEST_TEXT = 64_000_000  # characters
BINARY, REGRESSION = "binary sigmoid:1", "regression"  # LightGBM's names of objectives
_END = "end of trees\n"
_LAST = "\npandas_categorical:null\n"
_TREE_KEYS = {
    "num_leaves", "num_cat", "split_feature", "split_gain", "threshold", "decision_type", "left_child",
    "right_child", "leaf_value", "leaf_weight", "leaf_count", "internal_value", "internal_weight",
    "internal_count", "is_linear", "shrinkage",
}
_HEADER_KEYS = {
    "version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "objective",
    "feature_names", "feature_infos", "tree_sizes", "monotone_constraints",
}
_INTEGER = re.compile(r"-?\d{1,9}")
_DECISIONS = {"0", "2", "4", "6", "8", "10"}  # numerical; bit 2: missing goes left, bits 4, 8: its kind


@lru_cache(maxsize=8)
def booster_of(text: str) -> lgb.Booster:
    """The LightGBM booster of a checked text; kept, so that one patient does not cost a parsing of trees."""
    check_text(text)
    try:
        return lgb.Booster(model_str=text)
    except lgb.basic.LightGBMError as problem:
        raise _bad("text", "what LightGBM cannot read", "a LightGBM text") from problem


def raw_log_odds_of(booster: lgb.Booster, matrix: Floats, *, n_trees: int | None = None) -> Floats:
    """Log-odds of all trees or the first ``n_trees``, shape (rows,), on one thread."""
    if not len(matrix):
        return np.empty(0)
    scores: Any = booster.predict(matrix, raw_score=True, num_iteration=n_trees, num_threads=1)
    return np.asarray(scores, dtype=np.float64)


def contributions_of(booster: lgb.Booster, matrix: Floats) -> Floats:
    """LightGBM's exact Shapley values and, as last column, the base, shape (rows, features + 1)."""
    shares: Any = booster.predict(matrix, pred_contrib=True, num_threads=1)
    return np.asarray(shares, dtype=np.float64)


def check_text(
    text: str, *, feature_names: Sequence[str] | None = None, objective: str = BINARY
) -> int:
    """Check a bare booster text before LightGBM reads it; returns the number of trees.

    Raises :class:`InputError` for anything that is not a whole, numerical LightGBM model for one yes/no outcome,
    as :func:`bare_text` writes it, and for feature names other than ``feature_names``.
    """
    if len(text) > LARGEST_TEXT or not text.isascii():
        raise _bad("size", f"{len(text)} characters", f"at most {LARGEST_TEXT} ASCII characters")
    head, mark, rest = text.partition("\n\n")
    if not mark or not head.startswith("tree\n"):
        raise _bad("header", "another beginning", "a LightGBM text that begins with `tree`")
    header = _pairs(head.removeprefix("tree\n"), place="header", known=_HEADER_KEYS)
    n_features, sizes = _check_header(header, feature_names, objective)
    body, mark, tail = rest.partition(_END)
    if not mark or tail != _LAST:
        raise _bad("end", "another end", "`end of trees` and `pandas_categorical:null`, nothing else")
    if len(body) != sum(sizes):
        raise _bad("tree_sizes", f"{len(body)} characters of trees", f"{sum(sizes)}, as declared")
    start = 0
    for number, size in enumerate(sizes):
        _check_tree(body[start:start + size], number=number, n_features=n_features)
        start += size
    return len(sizes)


def _bad(key: str, found: object, expected: str) -> InputError:
    return InputError(where="booster.txt", key=key, found=found, expected=expected,
                      cure="take the model folder as it was saved; a changed or broken file is never loaded")


def _pairs(block: str, *, place: str, known: set[str]) -> dict[str, str]:
    """`key=value` lines as a mapping; an unknown or repeated key is refused."""
    pairs: dict[str, str] = {}
    for line in block.splitlines():
        key, _, value = line.partition("=")
        if key not in known or key in pairs or "=" in value:
            raise _bad(place, f"the line {line[:40]!r}", "each known key once")
        pairs[key] = value
    return pairs


def _integers(pairs: dict[str, str], key: str, *, place: str, length: int) -> list[int]:
    words = pairs.get(key, "").split(" ") if pairs.get(key) else []
    if len(words) != length or not all(_INTEGER.fullmatch(word) for word in words):
        raise _bad(f"{place}, {key}", f"{len(words)} values", f"{length} whole numbers")
    return [int(word) for word in words]


def _check_numbers(pairs: dict[str, str], key: str, *, place: str, length: int) -> None:
    words = pairs.get(key, "").split(" ") if pairs.get(key) else []
    if key == "threshold":  # LightGBM writes inf where a split parts missing from known values
        words = ["0" if word == "inf" else word for word in words]
    try:
        is_sound = len(words) == length and all(math.isfinite(float(word)) for word in words)
    except ValueError:
        is_sound = False
    if not is_sound:
        raise _bad(f"{place}, {key}", f"{len(words)} values", f"{length} finite numbers")


def _check_header(
    header: dict[str, str], feature_names: Sequence[str] | None, objective: str
) -> tuple[int, list[int]]:
    """Number of features and declared sizes of the trees."""
    expected = {"version": "v4", "num_class": "1", "num_tree_per_iteration": "1", "label_index": "0",
                "objective": objective}
    for key, value in expected.items():
        if header.get(key) != value:
            raise _bad(key, repr(header.get(key, "nothing"))[:40], value)
    n_features = _integers(header, "max_feature_idx", place="header", length=1)[0] + 1
    names = header.get("feature_names", "").split(" ")
    if len(names) != n_features or header.get("feature_infos", "").split(" ") != ["none"] * n_features:
        raise _bad("feature_names", f"{len(names)} names", f"{n_features} names, and infos that say none")
    if "monotone_constraints" in header:
        _integers(header, "monotone_constraints", place="header", length=n_features)
    if feature_names is not None and tuple(names) != tuple(feature_names):
        raise _bad("feature_names", "other features", "the features of the contract, in its order")
    n_trees = len(header.get("tree_sizes", "").split())
    sizes = _integers(header, "tree_sizes", place="header", length=n_trees)
    if not sizes or min(sizes) <= 0:
        raise _bad("tree_sizes", "no tree", "at least one tree")
    return n_features, sizes


def _check_tree(block: str, *, number: int, n_features: int) -> None:
    """One tree: as many values as leaves, features in bounds, every node reached from the root once."""
    place = f"tree {number}"
    first, _, rest = block.partition("\n")
    if first != f"Tree={number}" or not block.endswith("\n\n"):
        raise _bad(place, f"{first[:40]!r}", f"a block `Tree={number}` of the declared size")
    pairs = _pairs(rest.strip("\n"), place=place, known=_TREE_KEYS)
    if pairs.get("num_cat") != "0" or pairs.get("is_linear") != "0":
        raise _bad(place, "categorical or linear splits", "numerical splits and constant leaves")
    n_leaves = _integers(pairs, "num_leaves", place=place, length=1)[0]
    if not 1 <= n_leaves <= 1_000:
        raise _bad(f"{place}, num_leaves", n_leaves, "1 to 1000")
    n_nodes = n_leaves - 1
    _check_numbers(pairs, "shrinkage", place=place, length=1)
    _check_numbers(pairs, "leaf_value", place=place, length=n_leaves)
    for key in ("threshold", "split_gain", "internal_value", "internal_weight"):
        _check_numbers(pairs, key, place=place, length=n_nodes)
    if n_nodes:
        _check_splits(pairs, place=place, n_nodes=n_nodes, n_features=n_features)


def _check_splits(pairs: dict[str, str], *, place: str, n_nodes: int, n_features: int) -> None:
    _check_numbers(pairs, "leaf_weight", place=place, length=n_nodes + 1)
    counts = _integers(pairs, "leaf_count", place=place, length=n_nodes + 1)
    counts += _integers(pairs, "internal_count", place=place, length=n_nodes)
    if min(counts) < 0:
        raise _bad(f"{place}, counts", min(counts), "counts of patients")
    features = _integers(pairs, "split_feature", place=place, length=n_nodes)
    if not all(0 <= feature < n_features for feature in features):
        raise _bad(f"{place}, split_feature", "an index out of bounds", f"0 to {n_features - 1}")
    decisions = pairs.get("decision_type", "").split(" ")
    if len(decisions) != n_nodes or not set(decisions) <= _DECISIONS:
        raise _bad(f"{place}, decision_type", "another kind of split", "numerical splits")
    left = _integers(pairs, "left_child", place=place, length=n_nodes)
    right = _integers(pairs, "right_child", place=place, length=n_nodes)
    # internal nodes are 0..n_nodes-1, leaf k is written -k-1; together all but the root, each exactly once
    children = sorted(left + right)
    if children != [*range(-n_nodes - 1, 0), *range(1, n_nodes)]:
        raise _bad(f"{place}, children", "a node missing, twice or out of bounds", "a tree")
    reached, waiting = 0, [0]
    while waiting:
        node = waiting.pop()
        reached += 1
        waiting += [child for child in (left[node], right[node]) if child >= 0]
    if reached != n_nodes:
        raise _bad(f"{place}, children", "a cycle", "every node reached from the root")


def bare_text(text: str) -> str:
    """LightGBM's own text of a booster, with nothing but what a prediction needs.

    What goes: each column's lowest and highest training value (values of single patients), importances, and the
    training parameters (which LightGBM parses without care: a broken line there crashes it).
    """
    head, _, rest = text.partition("\n\n")
    infos = re.search(r"^feature_infos=(.*)$", head, flags=re.MULTILINE)
    if infos is not None:
        nothing = " ".join("none" for _ in infos.group(1).split(" "))
        head = head.replace(infos.group(), f"feature_infos={nothing}")
    return f"{head}\n\n{rest.partition(_END)[0]}{_END}{_LAST}"


def joined_text(texts: Sequence[str]) -> str:
    """One bare text of several bare regression boosters: its prediction is the sum of theirs."""
    blocks = []
    for text in texts:
        check_text(text, objective=REGRESSION)
        _, _, rest = text.partition("\n\n")
        blocks += re.split(r"^Tree=\d+\n", rest.partition(_END)[0], flags=re.MULTILINE)[1:]
    trees = [f"Tree={number}\n{block}" for number, block in enumerate(blocks)]
    head = texts[0].partition("\n\n")[0]
    sizes = " ".join(str(len(tree)) for tree in trees)
    head = re.sub(r"^tree_sizes=.*$", f"tree_sizes={sizes}", head, flags=re.MULTILINE)
    return f"{head}\n\n{''.join(trees)}{_END}{_LAST}"


def calibrated_booster(text: str, calibrator: Calibrator) -> lgb.Booster:
    """A new booster whose prediction is the calibrated risk: slope and intercept written into the leaves."""
    check_text(text)
    booster = lgb.Booster(model_str=text)
    for tree, leaves in enumerate(map(int, re.findall(r"^num_leaves=(\d+)$", text, flags=re.MULTILINE))):
        extra = calibrator.intercept if tree == 0 else 0.0
        for leaf in range(leaves):
            value = booster.get_leaf_output(tree, leaf)
            booster.set_leaf_output(tree, leaf, calibrator.slope * value + extra)
    return booster
