"""Products left out: every scored rate forecast by a fit that never saw a figure of its product."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from crsrisk import __version__
from crsrisk.data.cross_validation import (
    CrossValidation,
)
from crsrisk.data.ensemble import Ensemble
from crsrisk.data.evidence_use import ScoredFigure
from crsrisk.data.published_figures import PublishedFigure
from crsrisk.executor import each_done, is_elsewhere
from crsrisk.studies.calibration_task import CalibrationTask
from crsrisk.uncertainty.cross_validation import ForecastRate, cross_validated, summarise
from crsrisk.uncertainty.evidence_model import (
    FittedEmulator,
    Latents,
    scales,
    trial_spread,
)
from crsrisk.uncertainty.forecast import shrink
from crsrisk.uncertainty.hierarchy import Model, Posterior, fit
from crsrisk.uncertainty.members import member_figures, member_outcomes
from crsrisk.uncertainty.observations import Target

Values = NDArray[np.float64]
Begin = Callable[[str, int], Callable[[int], None]]
READING = 1.0  # prior SDs of a low or a high reading of every number in a product's file


def leave_products_out(
    task: CalibrationTask,
    model: Model,
    emulators: Mapping[str, FittedEmulator],
    *,
    posterior: Posterior,
    ensemble: Ensemble,
    begin: Begin,
) -> CrossValidation:
    """Every scored rate forecast by a fit that never saw a figure of its product."""
    config = task.config
    products = sorted({scored.product for scored, _, _ in task.scored})
    advance = begin("Products left out", len(products))
    pieces = [(name, config.seed + 100 * number) for number, name in enumerate(products)]
    left_out = partial(_left_out, model=model, emulators=emulators, near=posterior)
    # threads work inside a product, processes and clusters on several products
    made = (
        each_done(partial(left_out, replace(task, workers=1)), pieces)
        if is_elsewhere()
        else (left_out(task, piece) for piece in pieces)
    )
    forecasts: list[ForecastRate] = []
    for of_product in made:
        forecasts += of_product
        advance(1)
    trial_sd = task.world.assumptions["evidence.between_trial_rate_sd"]
    rows, weights = cross_validated(
        forecasts,
        trial_sd=trial_sd.value if trial_sd.prior is None else trial_sd.prior,
        seed=config.seed,
    )
    return CrossValidation(
        version=__version__,
        seed=config.seed,
        n_members=config.left_out_members,
        ensemble=ensemble.digest,
        rows=tuple(rows),
        summary_of=summarise(rows, weights, seed=config.seed),
    )


def _left_out(
    task: CalibrationTask,
    piece: tuple[str, int],
    *,
    model: Model,
    emulators: Mapping[str, FittedEmulator],
    near: Posterior,
) -> list[ForecastRate]:
    """What a fit without a product's figures, and its file, say of its scored rates; ``piece``: the
    product and a seed.
    """
    name, seed = piece
    config, latents, product = task.config, task.latents, task.products[name]
    n, rng = config.left_out_members, np.random.default_rng(seed)
    posterior = fit(model.without(name), n=config.spreads, seed=config.seed, near=near)
    draws = posterior.draw(n, rng)
    scores, sds, names = draws.scores.copy(), draws.sds, model.spreads.names
    own = latents.of_product(name)
    fresh = rng.standard_normal((n, len(own)))
    for k, drawn in zip(own, fresh.T, strict=True):
        spread = latents.spread_of[k]
        scores[:, k] = drawn * (sds[:, spread] if spread >= 0 else 1.0)
    values = latents.values(scores)
    made = []
    by_trial: dict[str, list[tuple[ScoredFigure, PublishedFigure]]] = defaultdict(list)
    trials = {trial.name: trial for _, _, trial in task.scored}
    for scored, figure, trial in task.scored:
        if scored.product == name:
            by_trial[trial.name].append((scored, figure))
    for at, rows in by_trial.items():
        trial = trials[at]
        outcomes = member_outcomes(
            trial,
            products=task.products,
            values=values,
            n_members=n,
            each=config.member_patients_rare if task.is_rare(trial) else config.member_patients,
            world=task.world,
            seed=seed,
            workers=task.workers,
        )
        figures = [figure for _, figure in rows]
        simulated = member_figures(outcomes, figures, trial=trial, n_members=n)
        for (scored, figure), members in zip(rows, simulated, strict=True):
            is_known = members.is_known
            known = int(is_known.sum())
            center = shrink(
                members.values[is_known], members.noise[is_known], np.full(known, 1.0 / known)
            )
            between = sds[is_known, names.index(trial_spread(Target(figure, trial)))]
            between = between / sqrt(trial.n_trials)
            repeated = center[:, None] + between[:, None] * rng.standard_normal((known, 20))
            low, high = _readings(latents, emulators[figure.id], scores, own)
            made.append(
                ForecastRate(scored, product, trial.regimen, expit(repeated.ravel()), low, high)
            )
    return made


def _readings(
    latents: Latents, fitted: FittedEmulator, scores: Values, own: Sequence[int]
) -> tuple[float, float]:
    """Median rates with every uncertain number of the product's file read one SD towards less, and
    towards more.
    """
    scale = scales(latents)[fitted.at]
    slopes = np.zeros(len(latents.keys))
    slopes[fitted.at] = fitted.emulator.slope(np.median(scores[:, fitted.at], axis=0) / scale)
    numbers = [k for k in own if latents.spread_of[k] < 0]
    medians = []
    for side in (-1.0, 1.0):
        read = scores.copy()
        read[:, numbers] = side * READING * np.sign(slopes[numbers])
        rate = expit(fitted.emulator.value(read[:, fitted.at] / scale))
        medians.append(float(np.median(rate)))
    return medians[0], medians[1]
