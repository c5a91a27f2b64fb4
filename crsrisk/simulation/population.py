"""Population: who the patients are before the first dose, measured and unmeasured.

Discrete covariates come first. Given them, the continuous ones are jointly normal on a latent scale
and then take the shape of their marginal distribution. That conditional normality is what lets
`truth.py` draw true values given what was observed, exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from crsrisk import streams
from crsrisk.data.assumptions import Assumptions
from crsrisk.data.population import CONTINUOUS, SHIFTERS, Marginal, Population
from crsrisk.errors import InputError

Values = NDArray[np.float64]

# what differs between patients and nobody measures, in the order of the draws
TRAITS: tuple[str, ...] = (
    "load",
    "myeloid",
    "endothelium",
    "il6",
    "t_cell",
    "adaptation",
    "clearance",
    "expansion",
    "temperature",
    "map",
    "spo2",
    "cell_dose",
    "liver",
    "hepatocyte",
    "fever",
    "organ",
)
# uniform draws: would this patient be given it?
HABITS: tuple[str, ...] = ("antipyretic", "tocilizumab", "steroid")
N_OCCASIONS = 4  # doses with a random effect of their own
# blood pressure for fluids, readiness to rescue, interval of vital signs, missing values
N_SITE_EFFECTS = 4
_BURDEN = ("sum_of_diameters_mm", "extra_sites", "has_liver_metastases")


@dataclass(frozen=True)
class Patients:
    """Baseline of a group of patients; every mapping holds arrays of the same length.

    ``discrete`` and ``latent`` (standard normal scale, in the order of CONTINUOUS) define the true
    covariates; ``traits`` are standard normal, ``occasions`` standard normal by dose, ``habits``
    uniform, ``site`` an index.
    """

    patient_id: NDArray[np.int64]
    site: NDArray[np.int64]
    site_effects: Values  # (n, 4): blood pressure, rescue, interval, missing
    discrete: Mapping[str, Values]
    latent: Values
    traits: Values
    occasions: Values
    habits: Values
    keys: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.patient_id)


def correlation(assumptions: Assumptions) -> Values:
    """Correlation of the continuous covariates given the discrete ones, shape (11, 11); refuses an
    impossible one.
    """
    index = {name: k for k, name in enumerate(CONTINUOUS)}
    matrix = np.eye(len(CONTINUOUS))
    scale = assumptions.value("population.burden_lab_correlation_scale")
    for key, value in assumptions.group("population").items():
        if key.startswith("corr_"):
            first, second = key.removeprefix("corr_").split("__")
            linked = scale if "sum_of_diameters_mm" in (first, second) else 1.0
            matrix[index[first], index[second]] = matrix[index[second], index[first]] = (
                value * linked
            )
    if np.linalg.eigvalsh(matrix)[0] < 1e-6:
        raise InputError(
            where="synthetic/assumptions/population.yaml",
            key="corr_*",
            found="correlations that contradict each other",
            expected="a positive definite correlation matrix",
            cure="move the last change towards 0",
        )
    return matrix


def shifts(assumptions: Assumptions) -> Values:
    """Shift of each latent covariate per unit of each discrete one, shape (len(SHIFTERS), 11)."""
    table = np.zeros((len(SHIFTERS), len(CONTINUOUS)))
    scale = assumptions.value("population.burden_lab_correlation_scale")
    for key, value in assumptions.group("population").items():
        if key.startswith("shift_"):
            cause, effect = key.removeprefix("shift_").split("__")
            linked = scale if cause in _BURDEN and effect not in _BURDEN else 1.0
            table[SHIFTERS.index(cause), CONTINUOUS.index(effect)] = value * linked
    return table


def latent_mean(discrete: Mapping[str, Values], *, assumptions: Assumptions) -> Values:
    """Mean of the latent covariates given the discrete ones, shape (n, 11)."""
    return _times(np.column_stack([discrete[name] for name in SHIFTERS]), shifts(assumptions))


def _times(rows: Values, matrix: Values) -> Values:
    """Matrix product summed column by column: unlike BLAS, its rounding does not depend on the
    number of rows.
    """
    total = np.zeros((len(rows), matrix.shape[1]))
    for k in range(matrix.shape[0]):
        total += rows[:, k : k + 1] * matrix[k]
    return total


def covariate(latent: Values, marginal: Marginal) -> Values:
    """Value of a covariate from its latent normal score; the tails are squeezed into the stated
    limits.
    """
    low, high = marginal.limits
    if marginal.shape == "lognormal":
        ends = (
            np.log(low / marginal.median) / marginal.sd,
            np.log(high / marginal.median) / marginal.sd,
        )
    else:
        ends = ((low - marginal.median) / marginal.sd, (high - marginal.median) / marginal.sd)
    # beyond 8 the distribution function is 1
    scores = np.where(np.isnan(latent), np.nan, np.clip(latent, -8.0, 8.0))
    inside = ndtri(ndtr(ends[0]) + (ndtr(ends[1]) - ndtr(ends[0])) * ndtr(scores))
    step = marginal.sd * inside
    return np.asarray(
        marginal.median * np.exp(step) if marginal.shape == "lognormal" else marginal.median + step
    )


def covariates(patients: Patients, population: Population) -> dict[str, Values]:
    """True baseline covariates by name: the continuous ones in their units, and the discrete
    ones.
    """
    true = {
        name: covariate(patients.latent[:, k], population.marginals[name])
        for k, name in enumerate(CONTINUOUS)
    }
    return {**true, **patients.discrete}


def _discrete(uniform: Values, population: Population) -> dict[str, Values]:
    shares = population.shares
    ecog = np.searchsorted(np.cumsum(shares.ecog)[:-1], uniform[:, 3], side="right")
    liver = uniform[:, 1] < shares.has_liver_metastases.value
    sites = 1 + np.searchsorted(
        np.cumsum(shares.n_metastatic_sites)[:-1], uniform[:, 4], side="right"
    )
    return {
        "is_female": (uniform[:, 0] < shares.is_female.value).astype(float),
        "has_liver_metastases": liver.astype(float),
        "has_prior_checkpoint_inhibitor": (
            (uniform[:, 2] < shares.has_prior_checkpoint_inhibitor.value).astype(float)
        ),
        "ecog": ecog.astype(float),
        "n_metastatic_sites": sites.astype(float),
        "extra_sites": sites.astype(float) - 1.0,
        "has_infection": (uniform[:, 5] < shares.has_infection.value).astype(float),
        "has_lung_involvement": (uniform[:, 6] < shares.has_lung_involvement.value).astype(float),
    }


@dataclass(frozen=True)
class Draws:
    """The random numbers of a contiguous range of patients, before any product or tumour type is
    chosen.
    """

    patient_id: NDArray[np.int64]
    site: NDArray[np.int64]
    site_effects: Values
    discrete: Values
    covariates: Values
    traits: Values
    occasions: Values
    habits: Values
    keys: NDArray[np.uint64]


def draw(*, assumptions: Assumptions, seed: int, start: int, stop: int) -> Draws:
    """Random numbers of patients ``start`` to ``stop - 1``; the same patient has the same under
    every product.
    """
    span = {"seed": seed, "start": start, "stop": stop}
    n_sites = round(assumptions.value("population.n_sites"))
    site = (streams.uniforms(decision="site", width=1, **span)[:, 0] * n_sites).astype(np.int64)
    site_effects = streams.normals(
        seed=seed, decision="site effects", start=0, stop=n_sites, width=N_SITE_EFFECTS
    )
    return Draws(
        np.arange(start, stop, dtype=np.int64),
        site,
        site_effects[site],
        streams.uniforms(decision="discrete", width=7, **span),
        streams.normals(decision="covariates", width=len(CONTINUOUS), **span),
        streams.normals(decision="traits", width=len(TRAITS), **span),
        streams.normals(decision="occasions", width=N_OCCASIONS, **span),
        streams.uniforms(decision="habits", width=len(HABITS), **span),
        streams.keys(decision="measurement", **span),
    )


def transform_draws(
    draws: Draws, population: Population, *, assumptions: Assumptions, rows: NDArray[np.int64]
) -> Patients:
    """Patients of one population from some rows of the draws."""
    discrete = _discrete(draws.discrete[rows], population)
    root = np.asarray(np.linalg.cholesky(correlation(assumptions)).T, dtype=np.float64)
    latent = _times(draws.covariates[rows], root)
    return Patients(
        draws.patient_id[rows],
        draws.site[rows],
        draws.site_effects[rows],
        discrete,
        latent + latent_mean(discrete, assumptions=assumptions),
        draws.traits[rows],
        draws.occasions[rows],
        draws.habits[rows],
        draws.keys[rows],
    )


def sample(
    population: Population, *, assumptions: Assumptions, seed: int, start: int, stop: int
) -> Patients:
    """Patients ``start`` to ``stop - 1`` of one population in the world with this seed."""
    draws = draw(assumptions=assumptions, seed=seed, start=start, stop=stop)
    return transform_draws(draws, population, assumptions=assumptions, rows=np.arange(stop - start))


def take(patients: Patients, rows: NDArray[np.int64]) -> Patients:
    """The patients of some rows, in that order (rows may repeat)."""
    return Patients(
        patients.patient_id[rows],
        patients.site[rows],
        patients.site_effects[rows],
        {name: values[rows] for name, values in patients.discrete.items()},
        patients.latent[rows],
        patients.traits[rows],
        patients.occasions[rows],
        patients.habits[rows],
        patients.keys[rows],
    )
