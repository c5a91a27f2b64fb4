"""Learning curves, small: what is written, that it repeats itself, and that a bar can fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crsrisk.errors import InputError
from crsrisk.model.features import load_config
from crsrisk.results import to_plain
from crsrisk.studies.learning_curves import MODEL, LearningResult, learners, run_learning_curves

SMALL = """
kind: learning
name: small
question: Does it run?
scenario: reference
products: [tarlatamab, gpc3_car_t]
seed: 1
training_seed: 100
test_patients: 120
truth_repetitions: 60
sizes: [{patients: 300, cohorts: 2, bar: 0.99}, {patients: 900, cohorts: 2, bar: -9.0}]
boosting_bags: 2
"""


def silent(title: str, total: int) -> Any:
    return lambda n: None


def place(folder: Path, text: str = SMALL) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "experiment.yaml").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LearningResult]:
    folder = place(tmp_path_factory.mktemp("curves"))
    return folder, run_learning_curves(folder, workers=2, begin=silent)


@pytest.mark.slow
def test_every_learner_stands_at_every_size(found: tuple[Path, LearningResult]) -> None:
    _, answer = found
    names = [
        MODEL,
        *(
            learner.name
            for learner in learners(config=load_config("baseline"), seed=0, n_bags=1)[1:]
        ),
    ]
    assert [point.learner for point in answer.curves] == names * 2
    assert {point.n_training for point in answer.curves} == {300, 900}
    assert all(point.share.low <= point.share.value <= point.share.high for point in answer.curves)


@pytest.mark.slow
def test_files(found: tuple[Path, LearningResult]) -> None:
    folder, answer = found
    written = json.loads((folder / "results" / "learning.json").read_text(encoding="utf-8"))
    assert written == to_plain(answer)
    figure = (folder / "results" / "learning_curves.svg").read_text(encoding="utf-8")
    assert figure.startswith("<svg")
    assert "no external validation" in figure
    assert len(
        (folder / "results" / "table.csv").read_text(encoding="utf-8").splitlines()
    ) == 1 + len(answer.curves)


@pytest.mark.slow
def test_a_bar_can_fail_and_a_comparator_can_be_ahead(found: tuple[Path, LearningResult]) -> None:
    _, answer = found
    assert [bar.is_met for bar in answer.bars] == [False, True]
    text = answer.summary()
    assert "NOT met" in text
    assert "no external validation" in text


@pytest.mark.slow
def test_the_same_bytes_whatever_the_workers(
    found: tuple[Path, LearningResult], tmp_path: Path
) -> None:
    folder, _ = found
    again = place(tmp_path / "again")
    run_learning_curves(again, workers=1, begin=silent)
    for name in ("learning.json", "table.csv", "learning_curves.svg"):
        assert (again / "results" / name).read_bytes() == (folder / "results" / name).read_bytes()


def test_an_unknown_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="colour"):
        run_learning_curves(place(tmp_path, SMALL + "colour: blue\n"), workers=1, begin=silent)
