"""Booster text: LightGBM's text format, read and checked in plain Python before LightGBM sees a
byte.

LightGBM trusts a model file: half a file aborts the process, a changed index crashes it, a changed
child can make it run for ever, a lost end goes unnoticed (measured with 4.7). So every text is read
here first: each tree must be a tree, every index in bounds (categories included), every size as
declared, counts that add up. What was read serves for scoring and explaining too
(:mod:`crsrisk.model.forest`), so neither needs LightGBM.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crsrisk.errors import InputError

LARGEST_TEXT = 64_000_000  # characters
# log-odds, or hours: beyond any that can be learnt, and ten thousand trees of it can be added up
LARGEST_LEAF = 1e6
BINARY, REGRESSION = "binary sigmoid:1", "regression"  # LightGBM's names of objectives
CATEGORICAL, DEFAULT_LEFT = 1, 2  # bits of a split's decision type
MISSING_NONE, MISSING_ZERO, MISSING_NAN = 0, 4, 8  # what a split takes for missing
_END = "end of trees\n"
_LAST = "\npandas_categorical:null\n"
_LARGEST_TREE = 10_000  # leaves
_BITS = 32  # categories in one word of a categorical split's set
_SPLIT_KEYS = {
    "split_feature",
    "split_gain",
    "threshold",
    "decision_type",
    "left_child",
    "right_child",
    "leaf_weight",
    "leaf_count",
    "internal_value",
    "internal_weight",
    "internal_count",
}
_TREE_KEYS = _SPLIT_KEYS | {
    "num_leaves",
    "num_cat",
    "leaf_value",
    "is_linear",
    "shrinkage",
    "cat_boundaries",
    "cat_threshold",
}
_HEADER_KEYS = {
    "version",
    "num_class",
    "num_tree_per_iteration",
    "label_index",
    "max_feature_idx",
    "objective",
    "feature_names",
    "feature_infos",
    "tree_sizes",
    "monotone_constraints",
}
_INTEGERS = re.compile(r"-?\d{1,10}(?: -?\d{1,10})*")
_NUMBER = r"-?\d{1,400}(?:\.\d{1,400})?(?:[eE][-+]?\d{1,3})?"
_NUMBERS = re.compile(rf"{_NUMBER}(?: {_NUMBER})*")


@dataclass(frozen=True, eq=False)
class TreeText:
    """One tree as its text says: inner nodes 0, 1, ... (0 is the root), leaf k written -k-1 as a
    child.

    ``threshold`` of a categorical split is the number of its set of categories: the bits of the
    words ``cat_words[cat_bounds[i]:cat_bounds[i + 1]]``. Counts are of training patients.
    """

    leaf_value: NDArray[np.float64]
    leaf_count: NDArray[np.int64]
    split_feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    decision_type: NDArray[np.int64]
    left_child: NDArray[np.int64]
    right_child: NDArray[np.int64]
    internal_count: NDArray[np.int64]
    cat_bounds: NDArray[np.int64]
    cat_words: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class BoosterText:
    """What a whole checked text holds: the names of its features and its trees."""

    feature_names: tuple[str, ...]
    trees: tuple[TreeText, ...]


def check_text(
    text: str, *, feature_names: Sequence[str] | None = None, objective: str = BINARY
) -> int:
    """Check a bare booster text as :func:`read_text` does; returns the number of trees."""
    return len(read_text(text, feature_names=feature_names, objective=objective).trees)


def read_text(
    text: str, *, feature_names: Sequence[str] | None = None, objective: str = BINARY
) -> BoosterText:
    """Read a bare booster text, checked to the last number.

    Raises :class:`InputError` for anything that is not a whole LightGBM model for one yes/no
    outcome, as :func:`bare_text` writes it, and for feature names other than ``feature_names``.
    """
    if len(text) > LARGEST_TEXT or not text.isascii():
        raise _bad("size", f"{len(text)} characters", f"at most {LARGEST_TEXT} ASCII characters")
    head, mark, rest = text.partition("\n\n")
    if not mark or not head.startswith("tree\n"):
        raise _bad("header", "another beginning", "a LightGBM text that begins with `tree`")
    header = _pairs(head.removeprefix("tree\n"), place="header", known=_HEADER_KEYS)
    names, sizes = _read_header(header, feature_names, objective)
    body, mark, tail = rest.partition(_END)
    if not mark or tail != _LAST:
        raise _bad(
            "end", "another end", "`end of trees` and `pandas_categorical:null`, nothing else"
        )
    if len(body) != sum(sizes):
        raise _bad("tree_sizes", f"{len(body)} characters of trees", f"{sum(sizes)}, as declared")
    trees, start = [], 0
    for number, size in enumerate(sizes):
        trees.append(_read_tree(body[start : start + size], number=number, n_features=len(names)))
        start += size
    return BoosterText(names, tuple(trees))


def bare_text(text: str) -> str:
    """LightGBM's own text of a booster, with nothing but what a prediction needs.

    What goes: each column's lowest and highest training value (values of single patients),
    importances, and the training parameters (which LightGBM parses without care: a broken line
    there crashes it).
    """
    head, _, rest = text.partition("\n\n")
    infos = re.search(r"^feature_infos=(.*)$", head, flags=re.MULTILINE)
    if infos is not None:
        nothing = " ".join("none" for _ in infos.group(1).split(" "))
        head = head.replace(infos.group(), f"feature_infos={nothing}")
    return f"{head}\n\n{rest.partition(_END)[0]}{_END}{_LAST}"


def joined_text(texts: Sequence[str]) -> str:
    """One bare text of several bare regression boosters: its prediction is the sum of theirs."""
    for text in texts:
        check_text(text, objective=REGRESSION)
    return with_trees_of(texts, like=texts[0])


def with_trees_of(texts: Sequence[str], *, like: str) -> str:
    """One bare text with the trees of several, in order, and the head of ``like``."""
    blocks = []
    for text in texts:
        _, _, rest = text.partition("\n\n")
        blocks += re.split(r"^Tree=\d+\n", rest.partition(_END)[0], flags=re.MULTILINE)[1:]
    trees = [f"Tree={number}\n{block}" for number, block in enumerate(blocks)]
    head = like.partition("\n\n")[0]
    sizes = " ".join(str(len(tree)) for tree in trees)
    head = re.sub(r"^tree_sizes=.*$", f"tree_sizes={sizes}", head, flags=re.MULTILINE)
    return f"{head}\n\n{''.join(trees)}{_END}{_LAST}"


def _bad(key: str, found: object, expected: str) -> InputError:
    return InputError(
        where="booster.txt.gz",
        key=key,
        found=found,
        expected=expected,
        cure="take the model folder as it was saved; a changed or broken file is never loaded",
    )


def _pairs(block: str, *, place: str, known: set[str]) -> dict[str, str]:
    """`key=value` lines as a mapping; an unknown or repeated key is refused."""
    pairs: dict[str, str] = {}
    for line in block.split("\n"):
        key, _, value = line.partition("=")
        if key not in known or key in pairs or "=" in value:
            raise _bad(place, f"the line {line[:40]!r}", "each known key once")
        pairs[key] = value
    return pairs


def _integers(pairs: Mapping[str, str], key: str, *, place: str, length: int) -> NDArray[np.int64]:
    """The whole numbers of one line, exactly ``length``."""
    line = pairs.get(key, "")
    words = line.split(" ") if line else []
    if len(words) != length or (words and not _INTEGERS.fullmatch(line)):
        raise _bad(f"{place}, {key}", f"{len(words)} values", f"{length} whole numbers")
    return np.array(words, dtype=np.int64)


def _numbers(pairs: Mapping[str, str], key: str, *, place: str, length: int) -> NDArray[np.float64]:
    """The finite numbers of one line, exactly ``length``."""
    line = pairs.get(key, "")
    words = line.split(" ") if line else []
    beyond = np.array([word == "inf" and key == "threshold" for word in words], dtype=bool)
    if beyond.any():  # LightGBM writes inf where a split parts missing from known values
        line = " ".join("0" if word == "inf" else word for word in words)
    if len(words) == length and (not words or _NUMBERS.fullmatch(line)):
        numbers = np.array(words, dtype=np.float64)
        if np.isfinite(numbers[~beyond]).all():
            return numbers
    raise _bad(f"{place}, {key}", f"{len(words)} values", f"{length} finite numbers")


def _read_header(
    header: Mapping[str, str], feature_names: Sequence[str] | None, objective: str
) -> tuple[tuple[str, ...], list[int]]:
    """Names of the features and declared sizes of the trees."""
    expected = {
        "version": "v4",
        "num_class": "1",
        "num_tree_per_iteration": "1",
        "label_index": "0",
        "objective": objective,
    }
    for key, value in expected.items():
        if header.get(key) != value:
            raise _bad(key, repr(header.get(key, "nothing"))[:40], value)
    n_features = int(_integers(header, "max_feature_idx", place="header", length=1)[0]) + 1
    names = header.get("feature_names", "").split(" ")
    if (
        len(names) != n_features
        or header.get("feature_infos", "").split(" ") != ["none"] * n_features
    ):
        raise _bad(
            "feature_names", f"{len(names)} names", f"{n_features} names, and infos that say none"
        )
    if "monotone_constraints" in header:
        _integers(header, "monotone_constraints", place="header", length=n_features)
    if feature_names is not None and tuple(names) != tuple(feature_names):
        raise _bad("feature_names", "other features", "the features of the contract, in its order")
    n_trees = len(header.get("tree_sizes", "").split())
    sizes = _integers(header, "tree_sizes", place="header", length=n_trees).tolist()
    if not sizes or min(sizes) <= 0:
        raise _bad("tree_sizes", "no tree", "at least one tree")
    return tuple(names), sizes


def _read_tree(block: str, *, number: int, n_features: int) -> TreeText:
    """One tree: as many values as leaves, features in bounds, every node reached from the root
    once.
    """
    place = f"tree {number}"
    first, _, rest = block.partition("\n")
    if first != f"Tree={number}" or not block.endswith("\n\n"):
        raise _bad(place, f"{first[:40]!r}", f"a block `Tree={number}` of the declared size")
    pairs = _pairs(rest.strip("\n"), place=place, known=_TREE_KEYS)
    if pairs.get("is_linear") != "0":
        raise _bad(f"{place}, is_linear", "linear leaves", "constant leaves")
    n_leaves = int(_integers(pairs, "num_leaves", place=place, length=1)[0])
    if not 1 <= n_leaves <= _LARGEST_TREE:
        raise _bad(f"{place}, num_leaves", n_leaves, f"1 to {_LARGEST_TREE}")
    n_nodes = n_leaves - 1
    _numbers(pairs, "shrinkage", place=place, length=1)
    if not n_nodes:  # LightGBM writes some of these lines empty, some not at all
        pairs = {key: value for key, value in pairs.items() if key not in _SPLIT_KEYS}
    for key in ("split_gain", "internal_value", "internal_weight"):
        _numbers(pairs, key, place=place, length=n_nodes)
    _numbers(pairs, "leaf_weight", place=place, length=n_leaves if n_nodes else 0)
    bounds, words = _read_categories(pairs, place=place)
    tree = TreeText(
        leaf_value=_numbers(pairs, "leaf_value", place=place, length=n_leaves),
        leaf_count=(
            _integers(pairs, "leaf_count", place=place, length=n_leaves)
            if n_nodes
            else np.ones(1, np.int64)
        ),
        split_feature=_integers(pairs, "split_feature", place=place, length=n_nodes),
        threshold=_numbers(pairs, "threshold", place=place, length=n_nodes),
        decision_type=_integers(pairs, "decision_type", place=place, length=n_nodes),
        left_child=_integers(pairs, "left_child", place=place, length=n_nodes),
        right_child=_integers(pairs, "right_child", place=place, length=n_nodes),
        internal_count=_integers(pairs, "internal_count", place=place, length=n_nodes),
        cat_bounds=bounds,
        cat_words=words,
    )
    if (largest := float(np.abs(tree.leaf_value).max())) > LARGEST_LEAF:
        raise _bad(f"{place}, leaf_value", f"{largest:g}", f"-{LARGEST_LEAF:g} to {LARGEST_LEAF:g}")
    if n_nodes:
        _check_splits(tree, place=place, n_features=n_features)
        _check_shape(tree, place=place)
    return tree


def _read_categories(
    pairs: Mapping[str, str], *, place: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Bounds and words of the sets of categories of one tree."""
    n_sets = int(_integers(pairs, "num_cat", place=place, length=1)[0])
    if n_sets == 0 and not {"cat_boundaries", "cat_threshold"} & set(pairs):
        return np.zeros(1, np.int64), np.zeros(0, np.int64)
    if not 0 < n_sets < _LARGEST_TREE:
        raise _bad(f"{place}, num_cat", n_sets, "the number of sets of categories that follow")
    bounds = _integers(pairs, "cat_boundaries", place=place, length=n_sets + 1)
    if bounds[0] != 0 or (np.diff(bounds) <= 0).any() or bounds[-1] > LARGEST_TEXT:
        raise _bad(f"{place}, cat_boundaries", "bounds out of order", "rising bounds from 0")
    words = _integers(pairs, "cat_threshold", place=place, length=int(bounds[-1]))
    if (words < 0).any() or (words >= 2**_BITS).any():
        raise _bad(f"{place}, cat_threshold", "a number out of bounds", f"words of {_BITS} bits")
    return bounds, words


def _check_splits(tree: TreeText, *, place: str, n_features: int) -> None:
    features = tree.split_feature
    if (features < 0).any() or (features >= n_features).any():
        raise _bad(f"{place}, split_feature", "an index out of bounds", f"0 to {n_features - 1}")
    kind = tree.decision_type
    is_set = (kind & CATEGORICAL) > 0
    if (
        (kind < 0).any()
        or (kind > MISSING_NAN + CATEGORICAL + DEFAULT_LEFT).any()
        or (kind[is_set] & DEFAULT_LEFT).any()
    ):
        raise _bad(
            f"{place}, decision_type",
            "an unknown kind of split",
            "a numerical or a categorical split",
        )
    sets = tree.threshold[is_set]
    if (
        (sets != np.floor(sets)).any()
        or (sets < 0).any()
        or (sets >= len(tree.cat_bounds) - 1).any()
    ):
        raise _bad(
            f"{place}, threshold",
            "a set of categories out of bounds",
            f"0 to {len(tree.cat_bounds) - 2}",
        )


def _check_shape(tree: TreeText, *, place: str) -> None:
    """Every node but the root is the child of one node, all are reached, and counts add up."""
    n_nodes = len(tree.left_child)
    left, right = tree.left_child.tolist(), tree.right_child.tolist()
    if sorted(left + right) != [*range(-n_nodes - 1, 0), *range(1, n_nodes)]:
        raise _bad(f"{place}, children", "a node missing, twice or out of bounds", "a tree")
    reached, waiting = 0, [0]
    while waiting:
        node = waiting.pop()
        reached += 1
        waiting += [child for child in (left[node], right[node]) if child >= 0]
    if reached != n_nodes:
        raise _bad(f"{place}, children", "a cycle", "every node reached from the root")

    def count_of(child: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.where(
            child >= 0,
            tree.internal_count[np.maximum(child, 0)],
            tree.leaf_count[np.maximum(~child, 0)],
        )

    if (
        tree.leaf_count.min() < 1
        or (count_of(tree.left_child) + count_of(tree.right_child) != tree.internal_count).any()
    ):
        raise _bad(
            f"{place}, counts",
            "counts that do not add up",
            "each node's patients are those of its children",
        )
