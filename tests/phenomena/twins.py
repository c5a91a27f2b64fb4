"""Arms that differ in one thing and the same patients in both: what every phenomenon is told from.

How sure a test is. The same patients with the same random numbers are in both arms, so a difference
is told by the z of the paired difference (mean over its standard error). A direction is asked for
at a z of 3 and was measured at 6.1 or more unless the test says otherwise, so that another seed
would miss it with a probability below 1e-3 (a draw 3.1 standard errors below). A range is wider
than the measured value by 3.1 standard errors or more on either side unless the test says
otherwise. What a docstring calls measured was read when its test was last changed: a calibration
since then moves it, and the assertion is what holds. Seeds are fixed. Arms are compared, not
figures: published figures are the calibration's, and the
ranges here are as wide as their sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crsrisk.biology.engagement import bridges
from crsrisk.data.product import Product
from crsrisk.data.world import World
from crsrisk.simulation.arm import Arm, timetable
from crsrisk.simulation.layout import PARAMETERS
from crsrisk.simulation.outcomes import outcomes
from crsrisk.simulation.parameters import bridging, loads, patient_parameters
from crsrisk.simulation.population import Patients, covariates, sample, take
from crsrisk.simulation.run import run
from tests.biology.plain_python import plain
from tests.simulation.people import arm_of, people, product_of, trace, world_of

N = 2000  # patients an arm
Z = 3.0
FIRST_DOSE_D = 6.0  # days: the second dose of an engager comes on day 8
CELLS = ("cldn182_car_t", "gpc3_car_t", "afami_cel", "lete_cel")
ENGAGERS = ("tarlatamab", "tebentafusp", "acapatamab")  # into a vein
_ICI_TREATED, _ICI_RUN = 50_000, 6_000


def outcomes_in(
    arm: Arm, *, n: int = N, world: World | None = None, patients: Patients | None = None
) -> pd.DataFrame:
    """Outcomes of the first ``n`` patients of an arm, or of the given ones."""
    there = world or world_of()
    group = people(arm, n, world=there) if patients is None else patients
    return outcomes(run(arm, group, world=there), arm=arm, patients=group)


@cache
def outcomes_of(product: str, **choices: Any) -> pd.DataFrame:
    """Outcomes of 2000 patients of a shipped arm of the reference world; ``choices`` are those of
    `make_arm`.
    """
    return outcomes_in(arm_of(product, **choices))


def z_of(one: ArrayLike, other: ArrayLike) -> float:
    """How many standard errors the other arm is above the one, patient by patient."""
    difference = np.asarray(other, dtype=float) - np.asarray(one, dtype=float)
    return float(difference.mean() / (difference.std() / np.sqrt(len(difference)) + 1e-12))


def with_regimen(product: str, name: str, **changes: Any) -> Product:
    """A product with one regimen changed."""
    whole = product_of(product)
    return whole.model_copy(
        update={
            "regimens": {**whole.regimens, name: whole.regimens[name].model_copy(update=changes)}
        }
    )


def in_doses(
    product: str | Product, amounts: Sequence[float], *, times_h: Sequence[float], **changes: Any
) -> Product:
    """A product whose usual regimen has these doses, each given over an hour; ``changes`` are other
    fields of the regimen. Without premedication unless they say so.
    """
    whole = product_of(product) if isinstance(product, str) else product
    usual = whole.regimens[whole.default_regimen]
    doses = [
        usual.doses[0].model_copy(update={"amount": amount, "time_h": time_h, "infusion_h": 1.0})
        for amount, time_h in zip(amounts, times_h, strict=True)
    ]
    regimen = usual.model_copy(update={"doses": doses, "premedication": [], **changes})
    return whole.model_copy(update={"regimens": {**whole.regimens, whole.default_regimen: regimen}})


def tissue_nm(arm: Arm, n: int) -> NDArray[np.float64]:
    """Drug in the tissue (nM) of the first ``n`` patients, shape (tick, patient), untreated
    course.
    """
    group = people(arm, n)
    plan = timetable(arm, world=world_of())
    table = patient_parameters(arm, group, world=world_of(), plan=plan)
    of = run(arm, group, world=world_of(), has_support=False, has_traces=True)
    return np.asarray(trace(of, "peripheral") * table[PARAMETERS.index("concentration")])


def bridged(arm: Arm, nanomolar: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far bridges in the tumour go towards a full signal, at concentrations in the tissue."""
    of, active = bridging(arm, world=world_of()), arm.product.binding.active_fraction_tumour.value
    found = plain(bridges)(
        active * nanomolar,
        np.ones_like(nanomolar),
        of["tumour_affinity"],
        of["normal_affinity"],
        of["cd3_affinity"],
        of["limit_tumour"],
        of["limit_normal"],
        of["cross_tumour"],
        of["cross_normal"],
        of["deep_access"],
        of["deep_share"],
        1.0,
        1.0,
    )
    return np.asarray(found[0])


def odds(share: float) -> float:
    """Odds of a share."""
    return share / (1.0 - share)


def given_at(
    world: World, agent: str, *, hours: float, repeats: int = 1, every_h: float = 0.0
) -> World:
    """A world in which an agent that an arm adds comes ``hours`` after the first dose, once or
    again and again.
    """
    changed = world.mitigations[agent].model_copy(
        update={"prophylaxis_hours_before": -hours, "repeats": repeats, "repeat_every_h": every_h}
    )
    return replace(world, mitigations={**world.mitigations, agent: changed})


def in_tumour(arm: Arm, *, stroma_barrier: float, suppression: float) -> Arm:
    """The arm in another tumour: 0 lets every T cell in and dampens none."""
    old = arm.population
    new = {"stroma_barrier": stroma_barrier, "suppression": suppression}
    parts = {
        name: getattr(old, name).model_copy(update={"value": value}) for name, value in new.items()
    }
    return replace(arm, population=old.model_copy(update=parts))


def likeliest(
    arm: Arm, *, treated: int, n: int, world: World
) -> tuple[Patients, NDArray[np.float64]]:
    """The ``n`` of ``treated`` patients with the highest antigen load, and their loads.

    CRS under checkpoint inhibition strikes about one in a hundred, those whose clones meet most
    antigen. Simulating these alone gives all cases of many more patients.
    """
    everybody = sample(arm.population, assumptions=world.assumptions, seed=1, start=0, stop=treated)
    load = loads(arm, everybody, covariates(everybody, arm.population), world=world)[0]
    rows = np.sort(np.argpartition(-load, n)[:n])
    return take(everybody, rows), load[rows]


@cache
def checkpoint_cases() -> tuple[pd.DataFrame, int, float]:
    """CRS among 50,000 treated with a checkpoint inhibitor; how many were treated; share of cases
    at middling loads.

    6000 of them are simulated, those with the highest load. The share is that of cases in the lower
    half of these: as good as none there means as good as none among those left out.
    """
    arm = arm_of("checkpoint_inhibitor")
    group, load = likeliest(arm, treated=_ICI_TREATED, n=_ICI_RUN, world=world_of())
    course = outcomes_in(arm, patients=group)
    is_case = course["crs_any"].to_numpy()
    return course[is_case], _ICI_TREATED, float((load[is_case] < np.median(load)).mean())
