"""Population: how patients of one tumour type look before the first dose; and the care that a site
gives.
"""

from __future__ import annotations

from typing import Literal

import pandas as pd
from pydantic import Field, model_validator

from crsrisk.data.assumptions import Quantity, Strict, quantities_frame, unit_of_name
from crsrisk.results import Result

# continuous baseline covariates, in the order of the latent normal vector
CONTINUOUS: tuple[str, ...] = (
    "age_years",
    "weight_kg",
    "sum_of_diameters_mm",
    "crp_mg_l",
    "ferritin_ug_l",
    "ldh_x_uln",
    "il6_pg_ml",
    "albumin_g_l",
    "platelets_g_l",
    "creatinine_umol_l",
    "lymphocytes_g_l",
)
# discrete covariates, drawn first; the continuous ones shift with them
SHIFTERS: tuple[str, ...] = (
    "is_female",
    "ecog",
    "has_liver_metastases",
    "extra_sites",
    "has_infection",
)


class Marginal(Strict):
    """Distribution of one continuous covariate: median and SD (of the logarithm for `lognormal`),
    truncated to `limits`.
    """

    shape: Literal["lognormal", "normal"]
    median: float
    sd: float
    limits: list[float]
    unit: str
    source: str
    strength: str

    @model_validator(mode="after")
    def _sound(self) -> Marginal:
        low, high = self.limits
        if not low < self.median < high or self.sd <= 0:
            raise ValueError("limits [low, high] around the median and a positive sd")
        if self.shape == "lognormal" and low <= 0:
            raise ValueError("a lower limit above 0 for a lognormal")
        return self


class Shares(Strict):
    """Shares of the discrete covariates. `ecog` and `n_metastatic_sites` list probabilities from
    the lowest value up.
    """

    is_female: Quantity
    has_liver_metastases: Quantity
    has_prior_checkpoint_inhibitor: Quantity
    has_infection: Quantity
    has_lung_involvement: Quantity  # tumour in lung or pleura
    ecog: list[float]  # 0, 1, 2
    n_metastatic_sites: list[float]  # 1, 2, 3, 4, 5 sites
    source: str
    strength: str

    @model_validator(mode="after")
    def _sums(self) -> Shares:
        for name in ("ecog", "n_metastatic_sites"):
            shares = getattr(self, name)
            if abs(sum(shares) - 1) > 1e-9 or min(shares) < 0:
                raise ValueError(f"{name}: probabilities that sum to 1")
        return self


class Population(Result, Strict):
    """Patients of one tumour type before the first dose: shares, distributions, tissue.

    ``marginals`` hold a distribution for each continuous covariate (age, burden, laboratory
    values), ``shares`` those of the discrete ones; ``stroma_barrier`` and ``suppression`` (0-1) are
    of the tumour, ``frailty_ratio`` and ``antigen_density_ratio`` (by target, as the product's file
    writes it) of its patients and cells.
    """

    name: str
    label: str
    about: str
    shares: Shares
    marginals: dict[str, Marginal]
    stroma_barrier: Quantity  # 0 open .. 1 closed: dense stroma and interstitial pressure
    suppression: Quantity  # 0 none .. 1 complete: IL-10, TGF-beta, regulatory cells
    # endothelial susceptibility relative to other patients of the same ECOG, age and laboratory
    # values: earlier treatment, wasting, comorbidity of this tumour
    frailty_ratio: Quantity
    # antigen copies per tumour cell in this tumour, relative to what the product's file says
    antigen_density_ratio: dict[str, Quantity]
    citations: list[str]
    # where tumour types share this file: as a table may call them, and whose sex all patients are;
    # no part of what is simulated, so of no digest of it
    tumour_types: dict[str, Literal["female", "male", "both"]] = Field(
        default_factory=dict, exclude=True
    )

    def summary(self) -> str:
        """Name and label."""
        return f"{self.name}, {self.label}"

    def to_frame(self) -> pd.DataFrame:
        """One row a continuous covariate: distribution, median, SD, limits and unit."""
        rows = {
            name: marginal.model_dump(include={"shape", "median", "sd", "unit", "source"})
            for name, marginal in self.marginals.items()
        }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("covariate").reset_index()

    @model_validator(mode="after")
    def _complete(self) -> Population:
        if set(self.marginals) != set(CONTINUOUS):
            raise ValueError(f"marginals of exactly {', '.join(CONTINUOUS)}")
        for name, marginal in self.marginals.items():
            unit = "10^9/L" if name in ("platelets_g_l", "lymphocytes_g_l") else unit_of_name(name)
            if marginal.unit != unit:
                raise ValueError(f"{name} in {unit}, found {marginal.unit}")
        return self


class Policy(Result, Strict):
    """How a trial or ward recognises and treats CRS: thresholds of support, shares rescued."""

    name: str
    label: str
    about: str
    fluids_below_map_mmhg: Quantity  # fluids when observed MAP falls below this
    fluids_map_fall_mmhg: Quantity  # or falls by this from baseline
    pressor_below_map_mmhg: Quantity
    low_flow_below_spo2_pct: Quantity
    high_flow_below_spo2_pct: Quantity
    positive_pressure_below_spo2_pct: Quantity
    observation_interval_h: Quantity  # between routine vital signs while well
    antipyretic_share: Quantity  # share of febrile patients given an antipyretic
    tocilizumab_share_grade2: Quantity  # share given tocilizumab for grade 2 that lasts
    tocilizumab_share_grade3: Quantity
    tocilizumab_share_grade1: Quantity  # for grade 1 that lasts (ward.grade1_patience_h)
    steroid_share_grade2: Quantity
    steroid_share_grade1: Quantity
    rescue_delay_h: Quantity  # from grade 2 to the drug

    def summary(self) -> str:
        """Name and label."""
        return f"{self.name}, {self.label}"

    def to_frame(self) -> pd.DataFrame:
        """One row a number: name, value, unit, range, strength and source."""
        return quantities_frame(self)
