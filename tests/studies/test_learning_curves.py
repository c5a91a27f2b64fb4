"""Learning curves, small: what is written, that it repeats itself, and that a bar can fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crsrisk.errors import InputError
from crsrisk.evaluation.benchmark import Truth
from crsrisk.model.features import load_config
from crsrisk.model.plain_boosting import PLAIN
from crsrisk.results import Estimate, to_plain
from crsrisk.studies import learning_curves
from crsrisk.studies.learning_curves import (
    MODEL,
    WITHOUT_START,
    Bar,
    CurvePoint,
    LearningResult,
    Size,
    learners,
    run_learning_curves,
)

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
sizes:
  - {patients: 300, cohorts: 2, bar: 0.99}
  - {patients: 900, cohorts: 2, bar: -9.0, or_lead: 0.05}
boosting_bags: 2
tuning_trials: 2
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
        WITHOUT_START,
        *(
            learner.name
            for learner in learners(config=load_config("baseline"), seed=0, n_bags=1, n_trials=1)[
                1:
            ]
        ),
    ]
    assert set(PLAIN) < set(names)
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
    for bar in answer.bars:
        share = {
            point.learner: point.share.value
            for point in answer.curves
            if point.n_training == bar.n_training and point.learner.startswith("LightGBM")
        }
        assert len(share) == 3
        assert bar.best_lightgbm == max(share, key=lambda name: share[name])
        assert bar.lead.value == pytest.approx(bar.share.value - share[bar.best_lightgbm])
        assert bar.n_cohorts == 2
        assert bar.lead.mc_error is not None


def bar(share: float, lead: float, **asked: float) -> Bar:
    """Of a model with this share, so far ahead of a tuned LightGBM, and further of another."""
    points = [
        CurvePoint(
            n_training=2000,
            learner=name,
            share=Estimate(value, value - 0.02, value + 0.02, 0.004),
            test_error=0.01,
            n_cohorts=20,
            model_minus_this=None if name == MODEL else Estimate(share - value, -1, 1, 0.005),
            model_minus_this_test_error=None if name == MODEL else 0.008,
        )
        for name, value in (
            (MODEL, share),
            ("LightGBM", share - lead - 0.1),
            ("LightGBM, tuned", share - lead),
            ("HistGradientBoosting", share + 0.1),
        )
    ]
    return learning_curves._bar(points, Size(patients=2000, cohorts=20, bar=0.75, **asked))


def test_a_bar_is_met_by_the_share_or_by_the_lead() -> None:
    assert bar(0.75, -0.1).met_by == "share"
    assert bar(0.5, 0.25, or_lead=0.25).met_by == "lead"
    assert not bar(0.5, 0.125, or_lead=0.25).is_met
    assert not bar(0.5, 0.5).is_met
    told = bar(0.5, 0.25, or_lead=0.25).summary()
    assert "mean of 20 cohorts: 0.500 (Monte Carlo error 0.0040, of the test patients" in told
    assert "(LightGBM, tuned) by 0.250 (Monte Carlo error 0.0050, of the test patients" in told
    assert "at least 0.75 or 0.25 ahead of the best LightGBM asked: met by the lead" in told
    assert "asked: NOT met" in bar(0.5, 0.5).summary()


def test_an_interrupted_run_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken off in its last cohort, it learns that one alone, and ends with nothing kept."""
    learnt: list[int] = []

    def losses(training: Any, test: Any, *_: Any, seed: int, **__: Any) -> dict[str, Any]:
        learnt.append(seed)
        if len(learnt) == 4:
            raise KeyboardInterrupt
        n = len(test.observed)
        return {
            name: np.full(n, 0.5 + 0.01 * at + 0.001 * seed) + np.arange(n) / 1e4
            for at, name in enumerate([MODEL, "product only", "LightGBM"])
        }

    monkeypatch.setattr(learning_curves, "_losses", losses)

    def patients(*_: Any, **__: Any) -> Any:
        events = np.arange(40) % 20
        table = pd.DataFrame({"product": ["tarlatamab", "gpc3_car_t"] * 20})
        return learning_curves._TestPatients(table, Truth("seen", events, np.full(40, 20)))

    monkeypatch.setattr(learning_curves, "_test_patients", patients)
    monkeypatch.setattr(learning_curves, "simulate_cohort", lambda *_, **__: None)
    folder, kept = place(tmp_path), tmp_path / "results" / "cohorts"
    with pytest.raises(KeyboardInterrupt):
        run_learning_curves(folder, workers=1, begin=silent)
    assert len(list(kept.iterdir())) == 3
    answer = run_learning_curves(folder, workers=1, begin=silent)
    assert len(learnt) == 5
    assert not kept.exists()
    assert [point.n_cohorts for point in answer.curves] == [2] * 4

    learnt[:] = []
    with pytest.raises(KeyboardInterrupt):
        run_learning_curves(folder, workers=1, begin=silent, overwrite=True)
    place(folder, SMALL.replace("tuning_trials: 2", "tuning_trials: 3"))
    run_learning_curves(folder, workers=1, begin=silent, overwrite=True)
    assert len(learnt) == 4 + 4, "what rests on other settings is made anew"


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
