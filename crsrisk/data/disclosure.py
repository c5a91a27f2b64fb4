"""Disclosure: what may be told of patients in anything that is shared (a model's folder, a release,
an evaluation, a run in MLflow).

One bound for all of it: a figure rests on :data:`FEWEST` patients or more. Words of fewer are
pooled or left out, quantiles move inwards until so many lie beyond them, and ranges that have to
reach farther go on from there as an exponential tail of those ten, and are rounded outwards.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

FEWEST = 10  # patients behind anything that is told of them
OTHERS = f"others (fewer than {FEWEST} patients each)"

Floats = NDArray[np.float64]


def is_told(n: int) -> bool:
    """Whether a figure of so many patients may be told.

    >>> is_told(9), is_told(10)
    (False, True)
    """
    return n >= FEWEST


def frequent_words(words: Iterable[object]) -> tuple[str, ...]:
    """The words that ten patients or more have, in alphabetical order; an empty one is none.

    >>> frequent_words(["b"] * 10 + ["a"] * 12 + ["rare"] + [""] * 40)
    ('a', 'b')
    """
    known = np.array([str(word) for word in words if word], dtype=object)
    if not known.size:
        return ()
    different, counts = np.unique(known.astype(str), return_counts=True)
    return tuple(str(word) for word, n in zip(different, counts, strict=True) if is_told(int(n)))


def pooled_words(words: Iterable[object]) -> NDArray[np.str_]:
    """The words with those of fewer than ten patients as one, :data:`OTHERS`; of those again there
    may be fewer than ten.

    >>> sorted(set(pooled_words(["a"] * 10 + ["b"] * 9 + ["c"]).tolist()))
    ['a', 'others (fewer than 10 patients each)']
    """
    texts = np.array([str(word) for word in words], dtype=np.str_)
    return np.where(np.isin(texts, frequent_words(texts.tolist())), texts, OTHERS)


def parting(counts: Iterable[int]) -> list[int]:
    """Which of the bounds between neighbouring bins to keep, so that ten patients or more are in
    each; ``counts``: patients in the bins.

    >>> parting([4, 7, 12, 3, 30, 2])
    [1, 2]
    """
    of_bins = list(counts)
    kept: list[int] = []
    inside = 0
    for place, count in enumerate(of_bins):
        inside += count
        if is_told(inside) and place < len(of_bins) - 1:
            kept.append(place)
            inside = 0
    return kept if is_told(inside) else kept[:-1]


def inner_share(share: float, *, n: int) -> float | None:
    """The share of a quantile of ``n`` patients, moved inwards until ten of them lie beyond it on
    either side; None where no quantile has them.

    >>> inner_share(0.1, n=200), inner_share(0.1, n=50), inner_share(0.1, n=12)
    (0.1, 0.2, None)
    """
    if n < 2 * FEWEST:
        return None
    return min(max(share, FEWEST / n), 1.0 - FEWEST / n)


def usual_range(
    values: Floats, *, share: float, possible: tuple[float, float] | None = None
) -> tuple[float, float] | None:
    """The range that all but a ``share`` of patients at either end lie in, rounded outwards; None
    for fewer than 20 known values.

    Where fewer than ten patients would lie beyond an end it is reckoned from those ten: their mean
    way beyond the quantile that parts them from the others, and an exponential tail. It stays
    within what is ``possible``.

    >>> usual_range(np.arange(100_001.0), share=0.001)
    (100.0, 99900.0)
    >>> low, high = usual_range(np.arange(100.0), share=0.001)
    >>> low < 0 and high > 99
    True
    """
    known = np.sort(values[~np.isnan(values)])
    inner = inner_share(share, n=known.size)
    if inner is None:
        return None
    low, high = (float(end) for end in np.quantile(known, (inner, 1.0 - inner)))
    if inner > share:
        steps = float(np.log(inner / share))
        low -= steps * (low - float(known[:FEWEST].mean()))
        high += steps * (float(known[-FEWEST:].mean()) - high)
    low, high = rounded_outwards(low, high)
    if possible is not None:
        low, high = max(low, possible[0]), min(high, possible[1])
    return low, high


def rounded_outwards(low: float, high: float, *, digits: int = 3) -> tuple[float, float]:
    """A range in a few significant digits that holds the whole of it.

    >>> rounded_outwards(36.2481, 1164.2)
    (36.2, 1170.0)
    """
    return _rounded(low, np.floor, digits), _rounded(high, np.ceil, digits)


def _rounded(value: float, towards: np.ufunc, digits: int) -> float:
    nearest = float(f"{value:.{digits}g}")
    if value == 0.0 or nearest == value:
        return nearest
    power = int(np.floor(np.log10(abs(value)))) - digits + 1
    return float(f"{float(towards(value / 10.0**power)) * 10.0**power:.{digits}g}")
