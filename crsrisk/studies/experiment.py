"""An experiment: what it asks and how much it may compute, read from its experiment.yaml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import Field

from crsrisk import streams
from crsrisk.data.assumptions import Strict
from crsrisk.data.cohort import Cohort
from crsrisk.data.ensemble import Ensemble
from crsrisk.data.product import Product
from crsrisk.data.world import World, load_world
from crsrisk.data.world_files import all_products, load_product
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.errors import InputError
from crsrisk.simulation.arm import Arm, make_arm
from crsrisk.simulation.cohort import simulate_cohort
from crsrisk.uncertainty.constants import with_product_values, with_world_values


class Experiment(Strict):
    """One experiment of the main job's kind. Numbers of patients are of synthetic patients.

    Parameters
    ----------
    name, question : the name of its folder, and what it asks.
    scenario, products, mitigations : what is simulated; no product means all that ship. Each
        product is also simulated with each mitigation.
    seed, n_patients, test_share : the cohort, and the share of it that is held out.
    truth_patients : held-out patients who are simulated again, ``truth_repetitions`` times given
        what was observed and ``baseline_repetitions`` times given everything true at baseline.
    evidence_patients, evidence_patients_rare : of each published trial; the second for checkpoint
        inhibitors, under which CRS is rare.
    designer_patients : of each arm with and without a mitigation.
    bootstrap : resamples behind each interval.
    tuning_trials : settings that Optuna tries for the tuned LightGBM of the benchmark, each in the
        model's folds; 0: none stands in it.
    """

    name: str
    question: str
    scenario: str
    products: list[str]
    seed: int = Field(ge=0)
    n_patients: int = Field(ge=400)
    test_share: float = Field(gt=0.05, lt=0.9)
    truth_patients: int = Field(ge=30)
    truth_repetitions: int = Field(ge=20, multiple_of=2)
    baseline_repetitions: int = Field(ge=2, multiple_of=2)
    evidence_patients: int = Field(ge=100)
    evidence_patients_rare: int = Field(ge=100)
    designer_patients: int = Field(ge=100)
    mitigations: list[str]
    bootstrap: int = Field(ge=50)
    tuning_trials: int = Field(default=5, ge=0)


def experiment_file(folder: str | Path) -> Path:
    """``experiment.yaml`` of a folder (or the file itself)."""
    path = Path(folder)
    there = sorted(path.glob("*.yaml")) if path.is_dir() else [path] if path.is_file() else []
    designs = [file for file in there if _is_design(file)]
    path = path / "experiment.yaml" if path.is_dir() else path
    if designs and (not path.is_file() or path in designs):
        raise InputError(
            where=str(folder),
            found=f"trial designs ({', '.join(design.name for design in designs)})",
            expected="a folder with experiment.yaml",
            cure=f"trial designs are run by another command: crsrisk trial {designs[0]}",
        )
    if not path.is_file():
        raise InputError(
            where=str(folder),
            found="no experiment.yaml",
            expected="a folder with experiment.yaml",
            cure="give the folder, as experiments/001_baseline",
        )
    return path


def _is_design(path: Path) -> bool:
    """Whether a file is a trial design, by the block that only these have."""
    text = path.read_text(encoding="utf-8", errors="replace")
    return any(line.startswith("designs:") for line in text.splitlines())


def kind_of(folder: str | Path) -> str:
    """What an experiment.yaml says under ``kind``; ``baseline``, the main job, where it says
    nothing.
    """
    return str(read_yaml(experiment_file(folder)).get("kind", "baseline"))


def load_experiment(folder: str | Path) -> Experiment:
    """Read ``experiment.yaml`` of a folder (or the file itself); the first thing wrong raises
    :class:`InputError`.
    """
    path = experiment_file(folder)
    return build(Experiment, read_yaml(path), where=str(path))


# Settings that experiments train and test in: a scenario, one member of the ensemble, or many
# mixed.


MEMBER = "member:"  # `member:17` is the world of the ensemble's 17th member, counted from 0


@dataclass(frozen=True)
class Part:
    """One set of assumptions and the arms of the products under it."""

    world: World
    arms: Mapping[str, Arm]


@dataclass(frozen=True)
class Place:
    """A named place: one part, or several of equal size that are mixed."""

    name: str
    parts: tuple[Part, ...]

    @property
    def only(self) -> Part:
        """The single part of a place that is not mixed."""
        (part,) = self.parts
        return part


def products_of(names: Sequence[str]) -> list[Product]:
    """The named products, all that ship when none is named."""
    return [load_product(name) for name in names] if names else list(all_products().values())


def place_of(name: str, *, products: Sequence[Product], ensemble: Ensemble | None = None) -> Place:
    """A scenario by its name, or a member of the ensemble by ``member:17``.

    >>> place_of("burden_null", products=[load_product("tarlatamab")]).only.world.scenario.name
    'burden_null'
    """
    if not name.startswith(MEMBER):
        return Place(name, (_part(load_world(name), products),))
    number = name.removeprefix(MEMBER)
    if ensemble is None or not number.isdigit() or int(number) >= len(ensemble):
        raise InputError(
            where="experiment",
            key=name,
            found="no such member",
            expected=f"{MEMBER} and a number below {0 if ensemble is None else len(ensemble)}",
            cure="name a member of the ensemble that ships",
        )
    return Place(name, (_member(ensemble, int(number), load_world(), products),))


def mixed_place(
    name: str, *, ensemble: Ensemble, n_members: int, products: Sequence[Product], seed: int
) -> Place:
    """Members drawn by their weights, each with the same number of patients: a world that does not
    know which it is.
    """
    chance = streams.uniforms(
        seed=seed, decision="members of a mixed world", start=0, stop=n_members, width=1
    )[:, 0]
    chosen = np.minimum(np.searchsorted(np.cumsum(ensemble.weights), chance), len(ensemble) - 1)
    base = load_world()
    return Place(name, tuple(_member(ensemble, int(k), base, products) for k in chosen))


def patients_from(place: Place, *, n: int, seed: int, workers: int = 1) -> Cohort:
    """About ``n`` patients of a place, the same number from every part, each with a number of his
    own.
    """
    each = -(-n // len(place.parts))
    cohorts = [
        simulate_cohort(
            list(part.arms.values()),
            world=part.world,
            n_patients=each,
            seed=seed,
            workers=workers,
            start=k * each,
        )
        for k, part in enumerate(place.parts)
    ]
    if len(cohorts) == 1:
        return cohorts[0]
    tables = {
        name: pd.concat([getattr(cohort, name) for cohort in cohorts], ignore_index=True)
        for name in ("observed", "outcomes", "course", "truth")
    }
    return Cohort(**tables, manifest=cohorts[0].manifest)


def _part(world: World, products: Sequence[Product]) -> Part:
    return Part(world, {product.name: make_arm(product, world=world) for product in products})


def _member(ensemble: Ensemble, number: int, base: World, products: Sequence[Product]) -> Part:
    values = ensemble.member(number)
    return _part(
        with_world_values(base, values),
        [with_product_values(product, values) for product in products],
    )
