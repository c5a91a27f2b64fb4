"""Interventional SHAP: exact Shapley values of a forest against a stated background of patients.

Here an unknown feature takes its value from a patient of the background, whatever the known ones are: the estimand of
"what would the model say had this been another patient's value". It differs from path-dependent values
(:mod:`crsrisk.learn.tree_shap`), and the two are never compared with each other.

For one patient and one background patient, a leaf is reached by a mixture of the two only when each feature of its
path lets one of them pass. Of the features that only the patient passes (a of them) each receives v (a-1)! b! / (a+b)!,
of the b that only the other passes each loses v a! (b-1)! / (a+b)!, and that is averaged over the background.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from math import factorial

import numpy as np

from crsrisk.learn.forest import Floats, Forest, as_rows, raw_log_odds_by
from crsrisk.learn.tree_kernels import Nodes, add_background_shares

_STEP = np.dtype([("node", "i4"), ("feature", "i4"), ("slot", "i4"), ("is_left", "?"), ("is_first", "?")], align=True)
_LEAF = np.dtype([("value", "f8"), ("first", "i4"), ("stop", "i4"), ("n_slots", "i4")], align=True)
_MOST_SLOTS = 62  # different features on one path: bits of a whole number


def interventional_shapley(forest: Forest, matrix: Floats, *, background: Floats, workers: int = 1) -> Floats:
    """Exact interventional Shapley values against ``background``, shape (rows, features + 1), the last the base.

    ``matrix`` and ``background`` have the trees' features as columns, NaN = missing. The base is the mean log-odds of
    the background. A row's values do not depend on other rows or on ``workers``. Raises ``ValueError`` for an empty
    background, and for trees with more than 62 different features on one path.
    """
    rows, others = as_rows(forest, matrix), as_rows(forest, background)
    if not len(others):
        raise ValueError("a background of at least one patient is needed")
    leaves, paths = _paths_of(forest)
    most = int(leaves["n_slots"].max()) if len(leaves) else 0
    if most > _MOST_SLOTS:
        raise ValueError(f"a path with {most} different features; at most {_MOST_SLOTS} can be explained this way")
    weight = _weights(most + 1)
    shares = np.zeros((len(rows), forest.n_features + 1))
    each = -(-len(rows) // max(1, workers))

    def work(start: int) -> None:
        add_background_shares(forest.nodes, forest.words, leaves, paths, weight, others, rows[start:start + each],
                              shares[start:start + each])

    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        list(pool.map(work, range(0, len(rows), max(each, 1))))
    shares[:, -1] = raw_log_odds_by(forest, others).mean()
    return shares


def _weights(size: int) -> Floats:
    """``weight[a, b]`` = a! b! / (a + b + 1)!, worked out in whole numbers."""
    return np.array([[factorial(a) * factorial(b) / factorial(a + b + 1) for b in range(size)] for a in range(size)])


@lru_cache(maxsize=64)
def _paths_of(forest: Forest) -> tuple[Nodes, Nodes]:
    """Every leaf with its path; a path's different features are numbered (slots). Trees without a split have none."""
    leaves: list[tuple[float, int, int, int]] = []
    steps: list[tuple[int, int, int, bool, bool]] = []
    features, left, right = (forest.nodes[name].tolist() for name in ("feature", "left", "right"))
    for root in forest.roots.tolist():
        waiting: list[tuple[int, tuple[tuple[int, int, int, bool, bool], ...]]] = [(root, ())] if root >= 0 else []
        while waiting:
            at, path = waiting.pop()
            if at < 0:
                leaves.append((float(forest.leaf_value[~at]), len(steps), len(steps) + len(path),
                               len({step[1] for step in path})))
                steps += path
                continue
            feature = features[at]
            slots = {step[1]: step[2] for step in path}
            slot, is_first = slots.get(feature, len(slots)), feature not in slots
            waiting += [(child, (*path, (at, feature, slot, is_left, is_first)))
                        for child, is_left in ((left[at], True), (right[at], False))]
    return np.array(leaves, dtype=_LEAF), np.array(steps, dtype=_STEP)
