"""Simulated patients who look like one patient in the table, and what happens to them; and the
typical patient of a population.

Of a real patient only the table is known. True values are drawn given the measured ones (exactly:
both are normal on the latent scale), missing values are drawn the same way, unmeasured biology,
site and habits are drawn anew. The same seed draws the same people, so that two arms or two worlds
differ by nothing but what was changed. The typical patient stands in the middle of a population:
every draw lands in its middle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from crsrisk import streams
from crsrisk.data.assumptions import Assumptions
from crsrisk.data.population import CONTINUOUS, Marginal, Population
from crsrisk.data.world import World
from crsrisk.simulation.arm import Arm, usual_first_dose
from crsrisk.simulation.observation import noise_sd
from crsrisk.simulation.outcomes import grade_within
from crsrisk.simulation.population import (
    HABITS,
    N_OCCASIONS,
    N_SITE_EFFECTS,
    TRAITS,
    Patients,
    correlation,
    draw,
    latent_mean,
    sample,
    transform_draws,
)
from crsrisk.simulation.run import run
from crsrisk.simulation.true_risk import posterior

Values = NDArray[np.float64]

MOST_LATENT = 4.0  # a value beyond what the population holds is taken at this many SD
DISCRETE: tuple[str, ...] = (
    "is_female",
    "has_liver_metastases",
    "has_prior_checkpoint_inhibitor",
    "ecog",
    "n_metastatic_sites",
    "has_infection",
)


@dataclass(frozen=True)
class ConditionalOutcomes:
    """What happened to the people: worst grade within the window, onset after the first dose (NaN =
    no CRS); shape (n,).
    """

    grade: NDArray[np.int64]
    onset_h: Values

    def share(self, at_least: int) -> float:
        """Share with that grade or more."""
        return float((self.grade >= at_least).mean())


def latent_score(value: float, marginal: Marginal) -> float:
    """Latent normal score of a value, the inverse of
    :func:`crsrisk.simulation.population.covariate`.

    Beyond the population's limits it is held at ``MOST_LATENT`` SD; the caller warns of that.

    >>> from crsrisk.data.world_files import load_population
    >>> crp = load_population("small_cell_lung").marginals["crp_mg_l"]
    >>> abs(latent_score(crp.median, crp)) < 0.3
    True
    """

    def score(at: float) -> float:
        if marginal.shape == "lognormal":
            return float(np.log(max(at, 1e-12) / marginal.median) / marginal.sd)
        return (at - marginal.median) / marginal.sd

    low, high = (float(ndtr(score(limit))) for limit in marginal.limits)
    inside = (float(ndtr(score(value))) - low) / (high - low)
    edge = float(ndtr(-MOST_LATENT))
    return float(ndtri(np.clip(inside, edge, 1.0 - edge)))


def is_beyond(value: float, marginal: Marginal) -> bool:
    """Whether a value lies outside what the simulated population can have."""
    return not marginal.limits[0] <= value <= marginal.limits[1]


def sample_conditional(
    known: Mapping[str, float], *, arm: Arm, world: World, seed: int, n: int
) -> Patients:
    """``n`` simulated patients given what is known of one.

    Parameters
    ----------
    known : mapping
        By column of the observed table, in its units; what is absent is not known.
    arm, world :
        What they get, and the world that they live in.
    seed, n : int
        The same seed draws the same people.

    A condition that is not known (a flag, ECOG, the number of sites) is drawn from its share in the
    population, not from the laboratory values. ``dose_intensity`` is used where the dose given
    differs between patients (cells).
    """
    span = {"seed": seed, "start": 0, "stop": n}
    fresh = sample(arm.population, assumptions=world.assumptions, seed=seed, start=0, stop=n)
    discrete = {
        name: np.full(n, float(known[name])) if name in known else fresh.discrete[name]
        for name in DISCRETE
    }
    discrete["extra_sites"] = np.maximum(discrete["n_metastatic_sites"] - 1.0, 0.0)
    # no column of the table: nobody knows it of this patient
    discrete["has_lung_involvement"] = fresh.discrete["has_lung_involvement"]
    marginals = arm.population.marginals
    seen = np.array(
        [
            latent_score(known[name], marginals[name]) if name in known else np.nan
            for name in CONTINUOUS
        ]
    )
    mean = latent_mean(discrete, assumptions=world.assumptions)
    # the gain and the spread do not depend on the mean: one posterior serves all combinations of
    # conditions
    noise, covariance = (
        noise_sd(arm.population, assumptions=world.assumptions),
        correlation(world.assumptions),
    )
    shift, root = _given(seen, mean, covariance=covariance, noise=noise)
    traits = streams.normals(decision="alike traits", width=len(TRAITS), **span)
    if "dose_intensity" in known and arm.regimen.amount_log_sd > 0.0:
        usual = arm.regimen.doses[0].amount / usual_first_dose(arm.product)
        traits[:, TRAITS.index("cell_dose")] = (
            np.log(known["dose_intensity"] / usual) / arm.regimen.amount_log_sd
        )
    normal = streams.normals(decision="alike covariates", width=len(CONTINUOUS), **span)
    return Patients(
        np.arange(n, dtype=np.int64),
        np.zeros(n, dtype=np.int64),
        streams.normals(decision="alike site", width=N_SITE_EFFECTS, **span),
        discrete,
        shift + normal @ root.T,
        traits,
        streams.normals(decision="alike occasions", width=N_OCCASIONS, **span),
        streams.uniforms(decision="alike habits", width=len(HABITS), **span),
        streams.keys(decision="alike measurement", **span),
    )


def _given(
    seen: Values, mean: Values, *, covariance: Values, noise: Values
) -> tuple[Values, Values]:
    """Posterior means (n, 11) for prior means (n, 11), and the root of the covariance that they
    share.
    """
    different, place = np.unique(mean, axis=0, return_inverse=True)
    posteriors = [posterior(seen, row, covariance=covariance, noise=noise) for row in different]
    return np.array([centre for centre, _ in posteriors])[place.ravel()], posteriors[0][1]


def conditional_outcomes(
    patients: Patients, *, arm: Arm, world: World, workers: int = 1
) -> ConditionalOutcomes:
    """Simulate them from the first dose to the end of the window."""
    episode = run(arm, patients, world=world, workers=workers)
    window_h = 24.0 * arm.window_d
    first = episode.tracks["first_1"]
    return ConditionalOutcomes(
        grade_within(episode, window_h=window_h), np.where(first < window_h, first, np.nan)
    )


def typical_patient(population: Population, *, assumptions: Assumptions) -> Patients:
    """One patient: whatever most have, median laboratory values given that, no unmeasured
    deviation, an average site.

    >>> from crsrisk.data.world import load_world
    >>> world = load_world()
    >>> lung = world.populations["small_cell_lung"]
    >>> bool((typical_patient(lung, assumptions=world.assumptions).traits == 0.0).all())
    True
    """
    draws = draw(assumptions=assumptions, seed=0, start=0, stop=1)
    middle = replace(
        draws,
        site=draws.site * 0,
        site_effects=draws.site_effects * 0.0,
        discrete=np.full_like(draws.discrete, 0.5),
        covariates=draws.covariates * 0.0,
        traits=draws.traits * 0.0,
        occasions=draws.occasions * 0.0,
        habits=np.full_like(draws.habits, 0.5),
    )
    return transform_draws(middle, population, assumptions=assumptions, rows=np.array([0]))
