"""Typical: the one patient in the middle of a population, for whom every draw lands in its middle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from crsrisk.domain.assumptions import Assumptions
from crsrisk.domain.population import Population
from crsrisk.simulate.population import Patients, draw, settle


def typical_patient(population: Population, *, assumptions: Assumptions) -> Patients:
    """One patient: whatever most have, median laboratory values given that, no unmeasured deviation, an average site.

    >>> from crsrisk.simulate.world import load_world
    >>> world = load_world()
    >>> float(typical_patient(world.populations["small_cell_lung"], assumptions=world.assumptions).traits.max())
    0.0
    """
    one = draw(assumptions=assumptions, seed=0, start=0, stop=1)
    middle = replace(
        one, site=one.site * 0, site_effects=one.site_effects * 0.0, discrete=np.full_like(one.discrete, 0.5),
        covariates=one.covariates * 0.0, traits=one.traits * 0.0, occasions=one.occasions * 0.0,
        habits=np.full_like(one.habits, 0.5),
    )
    return settle(middle, population, assumptions=assumptions, rows=np.array([0]))
