"""A toy cohort, clearly made up: log-normal laboratory values and a logistic label, no mechanism
behind it.

It has the columns of a real cohort, so that the learning code can be tested without the simulator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from crsrisk.data.onset import DoseSchedule
from crsrisk.fields import LANDMARK_HOURS
from crsrisk.model.features import ModelConfig, load_config
from crsrisk.model.fit import fit
from crsrisk.model.risk_model import RiskModel

# product: platform, intercept, antigen restriction
PRODUCTS = {
    "toy_engager": ("tce", -1.2, 0.9),
    "toy_immtac": ("immtac", 0.8, 0.5),
    "toy_ici": ("ici", -2.5, 1.0),
}


@dataclass(frozen=True)
class Toy:
    """A toy cohort with the risk that made its labels."""

    observed: pd.DataFrame
    outcomes: pd.DataFrame
    course: pd.DataFrame
    true_risk: np.ndarray


def make_toy(n: int, *, seed: int) -> Toy:
    """``n`` toy patients; burden, CRP, liver metastases, step-up dosing and steroids matter."""
    rng = np.random.default_rng(seed)
    product = rng.choice(list(PRODUCTS), n)
    z = {name: rng.normal(size=n) for name in ("burden", "crp", "ferritin", "ldh", "il6", "other")}
    flags = {
        name: rng.random(n) < share
        for name, share in (
            ("is_female", 0.45),
            ("has_liver_metastases", 0.4),
            ("has_prior_checkpoint_inhibitor", 0.5),
            ("has_infection", 0.05),
            ("is_stepped_up", 0.5),
            ("has_steroid_premedication", 0.5),
            ("has_tocilizumab_prophylaxis", 0.1),
            ("has_lymphodepletion", 0.2),
        )
    }
    log_odds = (
        np.array([PRODUCTS[name][1] for name in product])
        + 0.5 * z["burden"]
        + 0.4 * z["crp"]
        + 0.5 * flags["has_liver_metastases"]
        - 0.8 * flags["is_stepped_up"]
        - 0.8 * flags["has_steroid_premedication"]
    )
    risk = expit(log_odds)
    event = rng.random(n) < risk
    platform = np.array([PRODUCTS[name][0] for name in product])
    observed = pd.DataFrame(
        {
            "patient_id": np.arange(n, dtype=np.int64),
            "product": product,
            "platform": platform,
            "regimen": "usual",
            "tumour_type": "toy",
            "site": rng.choice(["north", "south"], n),
            "age_years": np.clip(rng.normal(62, 11, n), 18, 95),
            "is_female": flags["is_female"],
            "weight_kg": np.clip(rng.normal(74, 14, n), 40, 150),
            "ecog": rng.choice([0, 1, 2], n),
            "sum_of_diameters_mm": np.exp(4.4 + 0.6 * z["burden"]),
            "n_metastatic_sites": 1 + rng.poisson(1.0, n),
            "has_liver_metastases": flags["has_liver_metastases"],
            "has_prior_checkpoint_inhibitor": flags["has_prior_checkpoint_inhibitor"],
            "has_infection": flags["has_infection"],
            "crp_mg_l": np.exp(2.0 + 1.2 * z["crp"]),
            "ferritin_ug_l": np.exp(5.5 + 0.9 * z["ferritin"]),
            "ldh_x_uln": np.exp(0.1 + 0.4 * z["ldh"]),
            "il6_pg_ml": np.exp(1.6 + 0.8 * z["il6"]),
            "albumin_g_l": 39 + 3 * z["other"],
            "platelets_g_l": np.exp(5.5 + 0.3 * rng.normal(size=n)),
            "creatinine_umol_l": np.exp(4.35 + 0.25 * rng.normal(size=n)),
            "lymphocytes_g_l": np.exp(0.1 + 0.4 * rng.normal(size=n)),
            "antigen_restriction": [PRODUCTS[name][2] for name in product],
            "dose_intensity": np.exp(rng.normal(0, 0.2, n)),
            **{
                name: flags[name]
                for name in (
                    "is_stepped_up",
                    "has_steroid_premedication",
                    "has_tocilizumab_prophylaxis",
                    "has_lymphodepletion",
                )
            },
        }
    )
    for name, share in (
        ("crp_mg_l", 0.1),
        ("ferritin_ug_l", 0.3),
        ("il6_pg_ml", 0.4),
        ("ldh_x_uln", 0.1),
        ("albumin_g_l", 0.1),
        ("platelets_g_l", 0.1),
        ("creatinine_umol_l", 0.1),
    ):
        observed.loc[rng.random(n) < share, name] = np.nan
    outcomes = pd.DataFrame(
        {
            "patient_id": observed["patient_id"],
            "crs_grade2plus": event,
            "crs_grade3plus": event & (rng.random(n) < 0.3),
            "window_d": np.where(platform == "ici", 60.0, 21.0),
        }
    )
    return Toy(observed, outcomes, _course(observed, event, rng), risk)


def _course(observed: pd.DataFrame, event: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Readings at every landmark; half of the events have happened by 48 h."""
    n = len(observed)
    early = event & (rng.random(n) < 0.5)
    columns: dict[str, object] = {"patient_id": observed["patient_id"]}
    for hour in LANDMARK_HOURS:
        for name in ("crp_mg_l", "il6_pg_ml", "ferritin_ug_l"):
            columns[f"{name}__h{hour}"] = np.clip(np.exp(rng.normal(3, 1, n)), 1, 600)
        columns[f"temperature_c__max__h{hour}"] = 37 + rng.random(n) * 2
        columns[f"map_mmhg__min__h{hour}"] = 80 - rng.random(n) * 20
        columns[f"spo2_pct__min__h{hour}"] = 97 - rng.random(n) * 5
        columns[f"grade__max__h{hour}"] = np.where(early & (hour >= 48), 2, rng.choice([0, 1], n))
    return pd.DataFrame(columns)


SCHEDULES = {
    "toy_engager": DoseSchedule(regimen="usual", dose_h=(0.0, 168.0), window_h=504.0),
    "toy_immtac": DoseSchedule(regimen="usual", dose_h=(0.0,), window_h=504.0),
    "toy_ici": DoseSchedule(regimen="usual", dose_h=(0.0,), window_h=1440.0),
}


def toy_onsets(toy: Toy, *, seed: int) -> np.ndarray:
    """Hours of the toy's events: 20% an hour, after the second dose for every fifth engager."""
    rng = np.random.default_rng(seed)
    wait = np.minimum(rng.geometric(0.2, len(toy.observed)), 150).astype(float)
    is_second = (toy.observed["product"] == "toy_engager") & (rng.random(len(wait)) < 0.2)
    onset_h = wait + 168.0 * is_second.to_numpy()
    return np.where(toy.outcomes["crs_grade2plus"], onset_h, np.nan)


@pytest.fixture(scope="session")
def toy_maker() -> Callable[..., Toy]:
    return make_toy


@pytest.fixture(scope="session")
def toy() -> Toy:
    return make_toy(1500, seed=1)


@pytest.fixture(scope="session")
def fresh_toy() -> Toy:
    """Other patients of the same toy world."""
    return make_toy(4000, seed=2)


@pytest.fixture(scope="session")
def config(repository: Path) -> ModelConfig:
    """The shipped baseline, with fewer trees, to be quick."""
    shipped = load_config(repository / "models" / "configs" / "baseline.yaml")
    return shipped.model_copy(
        update={
            "learner": shipped.learner.model_copy(
                update={"max_trees": 80, "learning_rate": 0.1, "n_folds": 2}
            )
        }
    )


@pytest.fixture(scope="session")
def model(toy: Toy, config: ModelConfig) -> RiskModel:
    return fit(toy.observed, toy.outcomes, config=config, seed=7)
