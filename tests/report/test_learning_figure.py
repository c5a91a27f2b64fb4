"""The learning curves as a picture: one line a learner, names that do not overlap, words for those who cannot see."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from crsrisk.report.learning_figure import learning_curves


def rows(names: list[str]) -> list[dict[str, Any]]:
    return [{"learner": name, "n_training": n, "share": 0.5 + 0.01 * at + n / 1e5, "low": 0.4, "high": 0.6}
            for at, name in enumerate(names) for n in (500, 2000, 20000)]


def test_every_learner_has_a_line_and_a_name() -> None:
    names = ["model", "logistic", "splines", "boosting"]
    figure = learning_curves(rows(names), key="k")
    assert figure.count('class="model-line"') == 1
    assert all(f">{name}<" in figure for name in names)
    assert "0.52 at 2000" in figure


def test_names_do_not_overlap() -> None:
    names = [f"learner {at}" for at in range(8)]
    figure = learning_curves(rows(names), key="k")
    heights = sorted(float(y) for y in re.findall(r'y="([\d.]+)"[^>]*class="row[^"]*">learner', figure))
    assert len(heights) == 8
    assert min(b - a for a, b in pairwise(heights)) >= 14
