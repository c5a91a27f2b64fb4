"""A few members that differ in one constant: an ensemble for tests of what is made of one."""

from __future__ import annotations

import numpy as np

from crsrisk.data.ensemble import Ensemble


def few_members(n: int = 4, *, low: float = 1.0, high: float = 2.2) -> Ensemble:
    """``n`` members whose T-cell gain rises from ``low`` to ``high``, all of the same weight."""
    return Ensemble(
        ("assumption:engagement.t_gain",),
        np.linspace(low, high, n)[:, None],
        np.full(n, 1.0 / n),
        "x",
    )
