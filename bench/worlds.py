"""How well the learner does in worlds that are made to be unkind to an additive start.

(k) In one, a marker acts only in one group; in the other, effects multiply and the weaker of two
counts. Both rise with every column as a whole. The learner of a configuration, with no setting by
hand, against LightGBM as a data scientist would type it, with directions and without, by what each
gains over the event rate as a share of what the true risk gains (expected log loss under the true
risk of new patients, so no chance of outcomes enters).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from crsrisk.model.estimator import CRSClassifier
from crsrisk.model.features import load_config

Floats = NDArray[np.float64]
WORLDS = {"a marker in one group": 20_000, "products of effects": 10_000}  # training patients
N_TEST, TEST_SEED = 50_000, 1_000_000
LIGHTGBM = {"objective": "binary", "num_leaves": 8, "learning_rate": 0.05, "verbosity": -1}
ROUNDS = 150
BAR = 0.97  # of the better of the two


@dataclass(frozen=True)
class Patients:
    """Columns, outcome and the true risk that made it."""

    table: Floats
    outcome: NDArray[np.int64]
    risk: Floats


@dataclass(frozen=True)
class Learnt:
    """Shares of what can be gained over the event rate, and what the learner became."""

    world: str
    seed: int
    learner: float
    with_directions: float
    without: float
    model_class: str

    @property
    def of_better(self) -> float:
        """The learner's share of what the better LightGBM gains."""
        return self.learner / max(self.with_directions, self.without)


def patients(world: str, *, seed: int, n: int | None = None) -> Patients:
    """Patients of one of :data:`WORLDS`; of a seed of their own, so many as it says or ``n``."""
    rng, n = np.random.default_rng(seed), n or WORLDS[world]
    if world == "a marker in one group":
        crp, liver = rng.normal(size=n), (rng.random(n) < 0.3).astype(np.float64)
        table, log_odds = np.column_stack([crp, liver]), -2 + liver * (1 + 1.5 * _soft(crp))
    else:
        table = rng.normal(size=(n, 5))
        one, two, three, four = (_soft(table[:, column]) for column in range(4))
        log_odds = -3 + 1.2 * one * two + 0.8 * np.minimum(three, four) + 0.4 * table[:, 4]
    risk = np.asarray(expit(log_odds))
    return Patients(table, (rng.random(n) < risk).astype(np.int64), risk)


def compare(world: str, *, seed: int, config: str = "baseline") -> Learnt:
    """One training cohort: the learner of a configuration and both LightGBM."""
    training, test = patients(world, seed=seed), patients(world, seed=TEST_SEED, n=N_TEST)
    up = [1] * training.table.shape[1]
    learner = CRSClassifier(
        **load_config(config).learner.model_dump(), monotonic_cst=up, random_state=seed
    ).fit(training.table, training.outcome)

    def share(risk: Floats) -> float:
        rate = np.full(N_TEST, training.outcome.mean())
        before, least = (_expected_log_loss(test.risk, told) for told in (rate, test.risk))
        return (before - _expected_log_loss(test.risk, risk)) / (before - least)

    def rival(settings: dict[str, Any]) -> float:
        options = {**LIGHTGBM, "num_threads": 1, "deterministic": True, **settings}
        data = lgb.Dataset(training.table, training.outcome)
        return share(np.asarray(lgb.train(options, data, ROUNDS).predict(test.table)))

    return Learnt(
        world=world,
        seed=seed,
        learner=share(learner.predict_proba(test.table)[:, 1]),
        with_directions=rival({"monotone_constraints": up}),
        without=rival({}),
        model_class=learner.model_class_.name,
    )


def measure(*, n_seeds: int = 10) -> dict[str, Any]:
    """Both worlds, ready for JSON."""
    found = [compare(world, seed=seed) for world in WORLDS for seed in range(n_seeds)]
    return {
        "bar": BAR,
        "learnt": [{**asdict(one), "of_better": one.of_better} for one in found],
    }


def table(found: dict[str, Any]) -> str:
    """Means over the seeds, and the least share of the better LightGBM."""
    lines = [
        f"{'constructed worlds, share of the gain':<38}{'learner':>10}{'directed':>10}"
        f"{'free':>10}{'least':>10}"
    ]
    for world in dict.fromkeys(one["world"] for one in found["learnt"]):
        rows = [one for one in found["learnt"] if one["world"] == world]
        means = [
            float(np.mean([one[name] for one in rows]))
            for name in ("learner", "with_directions", "without")
        ]
        least = min(one["of_better"] for one in rows)
        lines.append(
            f"(k) {world:<34}"
            + "".join(f"{mean:>10.3f}" for mean in means)
            + f"{least:>10.3f}  {found['bar']:g} of the better LightGBM:"
            f" {'met' if least >= found['bar'] else 'MISSED'}, {len(rows)} seeds"
        )
    return "\n".join(lines)


def _soft(values: Floats) -> Floats:
    return np.asarray(np.logaddexp(0.0, values))


def _expected_log_loss(risk: Floats, told: Floats) -> float:
    return float(-np.mean(risk * np.log(told) + (1 - risk) * np.log1p(-told)))
