"""Sensitivity: which constants move what users act on, over the whole of their priors.

Two steps (SALib). Morris screening (Morris 1991; Campolongo 2007) moves one factor at a time from
many starting points and ranks them by the mean absolute effect. Sobol indices (Saltelli 2010,
Jansen's total) share out the variance: `first` is what a factor does alone, `total` what it does
alone and together with others. Points lie in the unit cube, where a coordinate is the cumulative
probability of a prior; priors of different constants are independent. Calibration makes them
dependent, so the answers are about the world as it was believed before the published figures were
seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from SALib.analyze import morris as morris_analysis
from SALib.analyze import sobol as sobol_analysis
from SALib.sample import morris as morris_sample
from SALib.sample import sobol as sobol_sample

from crsrisk.errors import InputError

Values = NDArray[np.float64]
# points of the unit cube (point, column) -> outputs (point, output)
Evaluate = Callable[[Values], Values]
LEVELS = 4
EDGE = 0.025  # screening walks between these tails of the priors
_NEVER_AT_END = 1e-6  # a prior has no value at cumulative probability 0 or 1
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Indices:
    """Sobol indices: one table a grouping (output, factor, first, total, each with a 95% interval),
    and ``draws``, the outputs at independent draws of everything (draw, output).
    """

    tables: tuple[pd.DataFrame, ...]
    draws: Values


def _problem(names: Sequence[str]) -> dict[str, Any]:
    return {"num_vars": len(names), "names": list(names), "bounds": [[0.0, 1.0]] * len(names)}


def screen(
    evaluate: Evaluate,
    *,
    names: Sequence[str],
    outputs: Sequence[str],
    trajectories: int,
    seed: int,
    resamples: int = 200,
) -> pd.DataFrame:
    """Morris screening: a row for each output and factor, most influential first within an output.

    ``mu_star`` is the mean absolute change of the output per full width of the prior (2.5th to
    97.5th percentile), with its bootstrap 95% interval; ``mu`` the same with its sign; ``sigma``
    its SD over starting points (interactions and curvature); ``share`` is ``mu_star`` squared over
    the sum of these squares.
    """
    if trajectories < 2:
        raise InputError(
            where="sensitivity",
            key="trajectories",
            found=trajectories,
            expected="2 or more",
            cure="state more of them, or leave the line out",
        )
    problem = _problem(names)
    points = morris_sample.sample(problem, trajectories, num_levels=LEVELS, seed=seed)
    readings = evaluate(EDGE + (1.0 - 2.0 * EDGE) * points)
    tables = []
    for k, output in enumerate(outputs):
        effects = morris_analysis.analyze(
            problem,
            points,
            readings[:, k],
            num_resamples=resamples,
            num_levels=LEVELS,
            conf_level=_CONFIDENCE,
            seed=seed + 1,
        )
        mu_star, reach = (
            np.asarray(effects[name], dtype=np.float64) for name in ("mu_star", "mu_star_conf")
        )
        whole = np.square(mu_star).sum()
        table = pd.DataFrame(
            {
                "output": output,
                "factor": list(names),
                "mu_star": mu_star,
                "mu_star_low": np.maximum(mu_star - reach, 0.0),
                "mu_star_high": mu_star + reach,
                "mu": np.asarray(effects["mu"]),
                "sigma": np.asarray(effects["sigma"]),
                "share": np.square(mu_star) / whole if whole > 0.0 else 0.0,
            }
        )
        tables.append(table.sort_values("mu_star", ascending=False, kind="stable"))
    return pd.concat(tables, ignore_index=True)


def most_influential(
    screening: pd.DataFrame, *, n: int, leaving_out: Sequence[str] = ()
) -> list[str]:
    """The ``n`` factors with the greatest share in any one output, so that each output's own
    leaders are among them.
    """
    rows = screening[~screening["factor"].isin(list(leaving_out))]
    best = (
        rows.groupby("factor", sort=False)["share"]
        .max()
        .sort_values(ascending=False, kind="stable")
    )
    return [str(name) for name in best.index[:n]]


def sobol_indices(
    evaluate: Evaluate,
    *,
    groupings: Sequence[Sequence[str]],
    outputs: Sequence[str],
    n: int,
    seed: int,
    resamples: int = 500,
) -> Indices:
    """Sobol indices of groups of columns; a grouping names the group of every column, and points
    are shared by groupings.

    ``n`` base points, a power of 2 (Sobol's sequence, scrambled); ``n`` times (groups of all
    groupings + 2) worlds, those that two groupings have in common only once. An output that never
    moves has no indices (NaN).
    """
    if n < 4 or n & (n - 1):
        raise InputError(
            where="sensitivity",
            key="points",
            found=n,
            expected="a power of 2, 4 or more",
            cure="state the power of 2 next to it, as 64 or 128 are",
        )
    problems = [
        {**_problem([f"column {k}" for k in range(len(groups))]), "groups": list(groups)}
        for groups in groupings
    ]
    designs = [
        sobol_sample.sample(problem, n, calc_second_order=False, seed=seed) for problem in problems
    ]
    points, back = np.unique(np.vstack(designs), axis=0, return_inverse=True)
    readings = evaluate(np.clip(points, _NEVER_AT_END, 1.0 - _NEVER_AT_END))[back.ravel()]
    tables, start = [], 0
    for problem, design in zip(problems, designs, strict=True):
        here = readings[start : start + len(design)]
        start += len(design)
        parts = [
            _indices(problem, here[:, k], output, seed, resamples)
            for k, output in enumerate(outputs)
        ]
        tables.append(pd.concat(parts, ignore_index=True))
    block = len(designs[0]) // n
    first = readings[: len(designs[0])].reshape(n, block, -1)
    return Indices(tuple(tables), np.concatenate([first[:, 0], first[:, -1]]))


def _indices(
    problem: Mapping[str, Any], values: Values, output: str, seed: int, resamples: int
) -> pd.DataFrame:
    names = list(dict.fromkeys(problem["groups"]))
    columns: dict[str, Values] = {}
    if np.ptp(values) == 0.0:
        columns = {
            f"{kind}{end}": np.full(len(names), np.nan)
            for kind in ("first", "total")
            for end in ("", "_low", "_high")
        }
    else:
        indices = sobol_analysis.analyze(
            dict(problem),
            values,
            calc_second_order=False,
            num_resamples=resamples,
            conf_level=_CONFIDENCE,
            seed=seed + 1,
        )
        for kind, name in (("first", "S1"), ("total", "ST")):
            value, reach = np.asarray(indices[name]), np.asarray(indices[f"{name}_conf"])
            columns |= {kind: value, f"{kind}_low": value - reach, f"{kind}_high": value + reach}
    return pd.DataFrame({"output": output, "factor": names, **columns})


def variance_by_strength(
    indices: pd.DataFrame, *, counts: Mapping[str, Mapping[str, int]], chance: str
) -> pd.DataFrame:
    """The share of each output's variance that rests on constants of each strength (assumed,
    expert, ...).

    ``indices``: the table of a grouping by strength, in which ``chance`` is the group of the
    patients; ``counts``: for each output, how many constants of a strength it can feel. ``alone``
    is the closed Sobol index of all constants of that strength over what the constants explain
    together (without chance: the denominator is 1 minus the total index of chance); ``with_others``
    the total index, of the whole variance, interactions with other constants and with chance
    included. Both with 95% bootstrap intervals (that of the denominator is left out). Chance has
    rows of its own, whose ``alone`` is of the whole variance; where it explains everything, the
    constants' ``alone`` is NaN.
    """
    rows = []
    for output, table in indices.groupby("output", sort=False):
        explained = 1.0 - float(table.loc[table["factor"] == chance, "total"].iloc[0])
        explained = explained if explained > 0.0 else float("nan")
        for row in table.to_dict("records"):
            name = str(row["factor"])
            over = 1.0 if name == chance else explained
            rows.append(
                {
                    "output": output,
                    "strength": name,
                    "n_constants": counts[str(output)].get(name, 0),
                    "alone": row["first"] / over,
                    "alone_low": row["first_low"] / over,
                    "alone_high": row["first_high"] / over,
                    "with_others": row["total"],
                    "with_others_low": row["total_low"],
                    "with_others_high": row["total_high"],
                }
            )
    return pd.DataFrame(rows)
