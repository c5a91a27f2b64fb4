"""Observation: what a hospital's table shows of the truth: assay and day-to-day noise, and gaps.

Noise is added on each covariate's latent normal scale (in the middle of the distribution that is a
multiplicative error of the stated size), so that the distribution of the truth given the
measurement stays normal.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from crsrisk import streams
from crsrisk.data.assumptions import Assumptions
from crsrisk.data.population import CONTINUOUS, Population
from crsrisk.data.world import World
from crsrisk.simulation.arm import Arm
from crsrisk.simulation.parameters import dose_intensity
from crsrisk.simulation.population import Patients, covariate

Values = NDArray[np.float64]


def noise_sd(population: Population, *, assumptions: Assumptions) -> Values:
    """SD of the measurement error of each continuous covariate on its latent scale (0 = exactly
    known).
    """
    known = assumptions.group("observation")
    size = np.zeros(len(CONTINUOUS))
    for k, name in enumerate(CONTINUOUS):
        marginal = population.marginals[name]
        relative = known.get(f"noise__{name}", 0.0)
        size[k] = (
            relative / marginal.sd
            if marginal.shape == "lognormal"
            else relative * marginal.median / marginal.sd
        )
    return size


def measured_latent(
    patients: Patients, *, population: Population, world: World, seed: int
) -> Values:
    """Latent scores as measured, shape (n, 11): noisy, NaN where no value was taken."""
    ids, assumptions = patients.patient_id, world.assumptions
    start, stop = int(ids.min()), int(ids.max()) + 1
    width = len(CONTINUOUS)
    normal = streams.normals(seed=seed, decision="assay", start=start, stop=stop, width=width)[
        ids - start
    ]
    uniform = streams.uniforms(seed=seed, decision="missing", start=start, stop=stop, width=width)[
        ids - start
    ]
    seen = patients.latent + normal * noise_sd(population, assumptions=assumptions)
    known = assumptions.group("observation")
    for k, name in enumerate(CONTINUOUS):
        share = known.get(f"missing__{name}", 0.0)
        if share > 0.0:
            chance = expit(
                logit(share)
                + known["site_missing_log_sd"] * patients.site_effects[:, 3]
                + known["infection_missing_shift"] * patients.discrete["has_infection"]
            )
            seen[uniform[:, k] < chance, k] = np.nan
    return seen


def observe(patients: Patients, *, arm: Arm, world: World, seed: int) -> pd.DataFrame:
    """The observed table of one arm (columns and units as in the data dictionary)."""
    latent = measured_latent(patients, population=arm.population, world=world, seed=seed)
    seen = {
        name: covariate(latent[:, k], arm.population.marginals[name])
        for k, name in enumerate(CONTINUOUS)
    }
    n, d, regimen = len(patients), patients.discrete, arm.regimen
    given = {p.mitigation for p in regimen.premedication} | set(arm.mitigations)
    steroids = {"dexamethasone", "methylprednisolone"}
    return pd.DataFrame(
        {
            "patient_id": patients.patient_id,
            "product": np.full(n, arm.product.name),
            "platform": np.full(n, arm.product.platform),
            "regimen": np.full(n, arm.regimen_name),
            "tumour_type": np.full(n, arm.population.name),
            "site": np.char.add("site_", np.char.zfill((patients.site + 1).astype(str), 3)),
            "age_years": np.floor(seen["age_years"] * 10.0) / 10.0,
            "is_female": d["is_female"] > 0,
            "weight_kg": seen["weight_kg"],
            "ecog": d["ecog"].astype(np.int64),
            "sum_of_diameters_mm": seen["sum_of_diameters_mm"],
            "n_metastatic_sites": d["n_metastatic_sites"].astype(np.int64),
            "has_liver_metastases": d["has_liver_metastases"] > 0,
            "has_prior_checkpoint_inhibitor": d["has_prior_checkpoint_inhibitor"] > 0,
            "has_infection": d["has_infection"] > 0,
            **{name: seen[name] for name in CONTINUOUS[3:]},
            "antigen_restriction": np.full(n, arm.product.binding.antigen_restriction.value),
            "dose_intensity": dose_intensity(patients, arm=arm),
            "is_stepped_up": np.full(n, regimen.is_stepped_up),
            "has_steroid_premedication": np.full(n, bool(given & steroids)),
            "has_tocilizumab_prophylaxis": np.full(n, "tocilizumab" in given),
            "has_lymphodepletion": np.full(n, regimen.has_lymphodepletion),
        }
    )
