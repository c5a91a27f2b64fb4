"""An experiment: what it asks and how much it may compute, read from its experiment.yaml."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from crsrisk.data.assumptions import Strict
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.errors import InputError


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


def experiment_file(folder: str | Path) -> Path:
    """``experiment.yaml`` of a folder (or the file itself)."""
    path = Path(folder)
    path = path / "experiment.yaml" if path.is_dir() else path
    if not path.is_file():
        raise InputError(
            where=str(folder),
            found="no experiment.yaml",
            expected="a folder with experiment.yaml",
            cure="give the folder, as experiments/001_baseline",
        )
    return path


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
