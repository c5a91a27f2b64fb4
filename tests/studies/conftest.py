"""A small cohort of two products and a quick model of it, made once."""

from __future__ import annotations

import pytest

from crsrisk.data.cohort import Cohort
from crsrisk.model.features import ModelConfig, load_config
from crsrisk.model.fit import fit
from crsrisk.model.risk_model import RiskModel
from crsrisk.simulation.arm import Arm
from crsrisk.simulation.cohort import simulate_cohort
from crsrisk.studies.development import Split
from tests.simulation.people import arm_of, world_of

SEED = 4
PRODUCTS = ("tarlatamab", "psma_masked_engager")


@pytest.fixture(scope="session")
def arms() -> dict[str, Arm]:
    """Two engagers with a second dose after a week, by name."""
    return {name: arm_of(name) for name in PRODUCTS}


@pytest.fixture(scope="session")
def cohort(arms: dict[str, Arm]) -> Cohort:
    """300 patients of each."""
    return simulate_cohort(list(arms.values()), world=world_of(), n_patients=600, seed=SEED)


@pytest.fixture(scope="session")
def sides(cohort: Cohort) -> Split:
    """Training and held-out patients."""
    return Split(*cohort.split(test_size=0.3, seed=SEED))


@pytest.fixture(scope="session")
def config() -> ModelConfig:
    """The shipped configuration with few trees."""
    shipped = load_config("baseline")
    return shipped.model_copy(
        update={"learner": shipped.learner.model_copy(update={"max_trees": 40, "n_folds": 2})}
    )


@pytest.fixture(scope="session")
def model(sides: Split, config: ModelConfig) -> RiskModel:
    """A model that is good enough to be asked."""
    return fit(sides.training.observed, sides.training.outcomes, config=config, seed=SEED)
