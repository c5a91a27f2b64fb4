"""Simulate patients of one or many products and lay them out as a hospital and a trial see them,
with the truth behind them in a table of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk import __version__
from crsrisk.data.assumptions import digest_of
from crsrisk.data.cohort import Arm, Cohort, joined
from crsrisk.data.population import CONTINUOUS
from crsrisk.data.product import Product
from crsrisk.data.world import World, load_world, with_own_places
from crsrisk.data.world_files import load_product
from crsrisk.errors import InputError
from crsrisk.executor import each_done, is_elsewhere
from crsrisk.simulation.arm import arms_by_tumour_type, make_arm
from crsrisk.simulation.observation import observe
from crsrisk.simulation.outcomes import course, outcomes
from crsrisk.simulation.parameters import loads
from crsrisk.simulation.population import TRAITS, Draws, Patients, covariates, draw, transform_draws
from crsrisk.simulation.run import run

CHUNK = 20_000  # patients in memory at one time


def manifest(arms: Sequence[Arm], *, world: World, seed: int, n_patients: int) -> dict[str, Any]:
    """What it takes to make the same cohort again."""
    return {
        "version": __version__,
        "seed": seed,
        "n_patients": n_patients,
        "scenario": world.scenario.name,
        "assumptions": world.assumptions.digest,
        "world": world.digest,
        "arms": [
            {
                "product": arm.product.name,
                "regimen": arm.regimen_name,
                "mitigations": list(arm.mitigations),
                "population": arm.population.name,
                "support_policy": arm.policy.name,
                "window_d": arm.window_d,
                "product_digest": digest_of(arm.product.model_dump()),
            }
            for arm in arms
        ],
        "notice": (
            "Synthetic patients from a mechanistic model; research use; no external validation."
        ),
    }


def truth_table(patients: Patients, *, arm: Arm, world: World) -> pd.DataFrame:
    """What nobody at the bedside knows: true baseline values, unmeasured biology, antigen loads.
    Never a feature.
    """
    true = covariates(patients, arm.population)
    tumour, normal = loads(arm, patients, true, world=world)
    return pd.DataFrame(
        {
            "patient_id": patients.patient_id,
            **{f"true_{name}": true[name] for name in CONTINUOUS},
            **{f"trait_{name}": patients.traits[:, k] for k, name in enumerate(TRAITS)},
            "load_tumour": tumour,
            "load_normal": normal,
        }
    )


def _of_arm(
    arm: Arm,
    draws: Draws,
    *,
    world: World,
    seed: int,
    rows: np.ndarray[Any, np.dtype[np.int64]],
    workers: int,
) -> tuple[pd.DataFrame, ...]:
    patients = transform_draws(draws, arm.population, assumptions=world.assumptions, rows=rows)
    episode = run(arm, patients, world=world, workers=workers)
    return (
        observe(patients, arm=arm, world=world, seed=seed),
        outcomes(episode, arm=arm, patients=patients),
        course(episode, patients=patients),
        truth_table(patients, arm=arm, world=world),
    )


def stream_cohort(
    arms: Sequence[Arm],
    *,
    world: World,
    n_patients: int,
    seed: int,
    workers: int = 1,
    chunk: int = CHUNK,
    start: int = 0,
    chosen: Callable[[Draws], NDArray[np.bool_]] | None = None,
) -> Iterator[Cohort]:
    """Simulate patients ``start`` to ``start + n_patients - 1`` and yield them in chunks of bounded
    size.

    Patient ``i`` receives arm ``i % len(arms)``. Chunk size and workers change nothing in the
    result. ``chosen`` says by a patient's draws, before anything is simulated, who is simulated at
    all: for rare patients, whom the caller weights.

    Raises :class:`InputError` when there are no arms or no patients.
    """
    if n_patients < 1 or not arms:
        raise InputError(
            where="cohort",
            key="n_patients",
            found=f"{n_patients} patients, {len(arms)} arms",
            expected="at least one of each",
            cure="ask for one patient and one product or more",
        )
    end = start + n_patients
    spans = ((first, min(first + chunk, end)) for first in range(start, end, chunk))
    make = partial(
        _of_span,
        arms=tuple(arms),
        world=world,
        seed=seed,
        whole=manifest(arms, world=world, seed=seed, n_patients=n_patients),
        chosen=chosen,
    )
    if is_elsewhere() and chosen is None:
        made = each_done(make, spans)
    else:
        made = (make(span, workers=workers) for span in spans)
    yield from (cohort for cohort in made if cohort is not None)


def _of_span(
    span: tuple[int, int],
    *,
    arms: Sequence[Arm],
    world: World,
    seed: int,
    whole: Mapping[str, Any],
    chosen: Callable[[Draws], NDArray[np.bool_]] | None,
    workers: int = 1,
) -> Cohort | None:
    """Patients from the first number of a span to before the second; None where nobody is
    chosen.
    """
    first, stop = span
    draws = draw(assumptions=world.assumptions, seed=seed, start=first, stop=stop)
    lot = draws.patient_id % len(arms)
    wanted = np.ones(len(lot), dtype=np.bool_) if chosen is None else chosen(draws)
    if not wanted.any():
        return None
    groups = [
        (part, mine[rows])
        for k, arm in enumerate(arms)
        if len(mine := np.flatnonzero((lot == k) & wanted))
        for part, rows in arms_by_tumour_type(
            arm, world=world, seed=seed, patient_id=draws.patient_id[mine]
        )
    ]
    tables = [
        _of_arm(arm, draws, world=world, seed=seed, rows=rows, workers=workers)
        for arm, rows in groups
    ]
    observed, followed, landmarks, truth = (
        pd.concat(parts, ignore_index=True).sort_values("patient_id", ignore_index=True)
        for parts in zip(*tables, strict=True)
    )
    return Cohort(
        observed=observed,
        outcomes=followed,
        course=landmarks,
        truth=truth,
        manifest=whole,
        arms=tuple(arms),
    )


def simulate_cohort(
    arms: Sequence[Arm],
    *,
    world: World,
    n_patients: int,
    seed: int,
    workers: int = 1,
    start: int = 0,
) -> Cohort:
    """All patients of these arms at once; for more than memory holds use :func:`stream_cohort`."""
    return joined(
        stream_cohort(
            arms, world=world, n_patients=n_patients, seed=seed, workers=workers, start=start
        )
    )


def simulate(
    products: str | Path | Product | Arm | Sequence[str | Path | Product | Arm],
    n: int,
    *,
    seed: int = 0,
    world: World | str | Path | None = None,
    regimen: str | None = None,
    mitigations: Sequence[str] = (),
    population: str | None = None,
    window_d: float | None = None,
    workers: int = 1,
) -> Cohort:
    """Simulate patients with solid tumours from the first dose to graded cytokine release syndrome.

    Patient number i is the same person in a cohort of a hundred or a million, on one thread or
    two, and gets product ``i % len(products)``. Two cohorts of one seed that differ in the regimen
    or a mitigation hold the same patients, treated otherwise.

    Parameters
    ----------
    products : one or several of: the name of a shipped product (see :func:`crsrisk.products`), the
        path of a product's YAML file, a :class:`Product`, or an :class:`Arm`.
    n : number of patients in all.
    seed : seed of everything that is drawn.
    world : the assumptions, from :func:`crsrisk.load_world`; or a scenario's name or file. Without
        one, the reference world.
    regimen : regimen of every product; without one, each product's default (its label).
    mitigations : names of what everybody gets against CRS beside the regimen:
        ``["tocilizumab"]``.
    population : whom to treat; without one, each product's tumour type.
    window_d : days after the first dose in which outcomes count; without one, the product's.
    workers : threads. They change nothing in the result.

    Returns
    -------
    Cohort
        With ``X`` (clinical columns before the first dose, as measured) and ``y`` (CRS of grade 2
        or more within the window, ASTCT 2019). Synthetic patients, no external validation.

    Raises
    ------
    InputError
        For an unknown name, no patient or no product.

    Examples
    --------
    >>> cohort = simulate(["tarlatamab", "tebentafusp"], n=20, seed=1)
    >>> cohort.X.shape[0], set(cohort.y) <= {0, 1}
    (20, True)
    """
    known = world if isinstance(world, World) else load_world(world or "reference")
    listed = [products] if isinstance(products, str | Path | Product | Arm) else list(products)
    options = {
        "regimen": regimen,
        "mitigations": tuple(mitigations) or None,
        "population": population,
        "window_d": window_d,
    }
    asked = [name for name, value in options.items() if value is not None]
    if asked and any(isinstance(product, Arm) for product in listed):
        raise InputError(
            where="simulate",
            key=", ".join(asked),
            found="an option beside an arm, which says it already",
            expected="options with names, files or products only",
            cure="say it in the arm, or give the product instead of the arm",
        )
    nouns = [
        product if isinstance(product, Product) else load_product(product)
        for product in listed
        if not isinstance(product, Arm)
    ]
    placed, known = with_own_places(nouns, world=known)
    made = iter(
        make_arm(
            product,
            world=known,
            regimen=regimen,
            mitigations=tuple(mitigations),
            population=population,
            window_d=window_d,
        )
        for product in placed
    )
    arms = [product if isinstance(product, Arm) else next(made) for product in listed]
    return simulate_cohort(arms, world=known, n_patients=n, seed=seed, workers=workers)
