"""A small main job that the stories share, and a world that is read from its files only once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from crsrisk.data import world
from crsrisk.data.world import World
from crsrisk.folders import names
from crsrisk.model import refitting
from tests.stories.terminal import Answer, crsrisk, digests

# As small as an experiment may be. Two products: the models need one with a second dose and events
# after it.
N_PATIENTS = 900
EXPERIMENT = f"""\
name: small
question: "Does the whole journey run?"
scenario: reference
products: [tarlatamab, tebentafusp]
seed: 8
n_patients: {N_PATIENTS}
test_share: 0.3
truth_patients: 30
truth_repetitions: 20
baseline_repetitions: 2
evidence_patients: 100
evidence_patients_rare: 100
designer_patients: 100
mitigations: [tocilizumab]
bootstrap: 50
"""
N_REFITS = 3  # of the interval beside an example patient; 20 in earnest

_load: Callable[[str | Path], World] = world.load_world
_shipped: Callable[[str], World] = cache(world.load_world)


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wide terminal without colours; a shipped world, which nothing can change, is read once."""
    for name in ("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr(
        world,
        "load_world",
        lambda name="reference": _shipped(name) if name in names("scenarios") else _load(name),
    )


@dataclass(frozen=True)
class Job:
    """An experiment that was run twice in the same folder."""

    home: Path
    first: Answer
    second: Answer
    first_digests: dict[str, str]
    second_digests: dict[str, str]

    @property
    def results(self) -> Path:
        """Folder of what the experiment made."""
        return self.home / "results"

    @property
    def model(self) -> Path:
        """Folder of the model before the first dose."""
        return self.results / "models" / "baseline"

    @property
    def mlflow(self) -> Path:
        """Folder of MLflow's records, beside the experiments."""
        return self.home.parent / "mlflow"


@pytest.fixture(scope="session")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """The small main job, run twice: on two threads, then on one."""
    home = tmp_path_factory.mktemp("experiments") / "small"
    home.mkdir()
    (home / "experiment.yaml").write_text(EXPERIMENT, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refitting, "N_REFITS", N_REFITS)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        first = crsrisk("run", home, "--workers", 2)
        found = digests(home / "results")
        (home / "results" / "figures" / "onset-nobody.svg").write_text(
            "of an earlier run with other products"
        )
        (home / "results" / "cohort.truth.parquet").write_text("of an earlier cohort")
        second = crsrisk("run", home, "--workers", 1, "--overwrite")
    assert first.code == 0, first.err
    return Job(home, first, second, found, digests(home / "results"))
