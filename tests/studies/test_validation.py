"""The validation experiment, as small as it may be: everything is asked, written and tracked, the
same each time.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from crsrisk.data.cohort import Cohort
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.errors import InputError
from crsrisk.model.features import load_config
from crsrisk.report.evaluation_facts import ExtraSection
from crsrisk.report.sections import section
from crsrisk.results import Estimate, NotEstimable
from crsrisk.studies.development import develop
from crsrisk.studies.evaluate import FILES
from crsrisk.studies.experiment import kind_of
from crsrisk.studies.validation import (
    StudyConfig,
    StudyData,
    riley_of,
    run_validation,
    validation_lines,
)
from crsrisk.terminal import steps
from tests.toys import make_toy

SMALL = {
    "products": "[tarlatamab, tebentafusp, psma_masked_engager]",
    "n_patients": 600,
    "bootstrap": 50,
    "refits": 22,
    "tuned_refits": 20,
    "tuning_trials": 2,
    "sites_at_most": 2,
    "truth_patients": 60,
    "truth_repetitions": 20,
    "baseline_repetitions": 10,
    "curve_sizes": "[300, 400]",
    "curve_developments": 2,
    "curve_judged_in": 400,
}


def test_shipped_experiment_is_sound(repository: Path) -> None:
    place = repository / "experiments" / "005_validation"
    assert kind_of(place) == "validation"
    config = build(StudyConfig, read_yaml(place / "experiment.yaml"), where="005")
    assert config.tuned_refits >= 20
    assert {"product", "tumour_type", "site"} == set(config.left_out)
    assert load_config(config.config).tuning is not None


def test_development_repeats_its_tuning_or_says_that_there_was_none() -> None:
    toy, shipped = make_toy(400, seed=3), load_config("baseline")
    quick = shipped.model_copy(
        update={"learner": shipped.learner.model_copy(update={"max_trees": 20, "n_folds": 2})}
    )
    development, model = develop(toy.observed, toy.outcomes, config=quick, trials=3, seed=1)
    assert development.tuning is not None
    assert "3 settings tried" in development.in_words
    assert development.tuning(toy.observed, toy.outcomes, 1).booster_text == model.booster_text
    assert development.refit(toy.observed, toy.outcomes, 1).booster_text == model.booster_text
    plain, _ = develop(toy.observed, toy.outcomes, config=quick, trials=0, seed=1)
    assert plain.tuning is None
    assert plain.config == quick
    assert "nothing was tuned" in plain.in_words
    with pytest.raises(InputError, match="nothing to search"):
        develop(
            toy.observed,
            toy.outcomes,
            config=quick.model_copy(update={"tuning": None}),
            trials=3,
            seed=1,
        )


def test_riley_is_left_out_without_discrimination() -> None:
    toy = make_toy(400, seed=3)
    model = develop(toy.observed, toy.outcomes, config=load_config("baseline"), trials=0, seed=1)[1]
    made = riley_of(model.contract, Estimate(0.75))
    assert made is not None
    assert made.largest == max(row.n for row in made.rows[:4])
    assert riley_of(model.contract, Estimate(0.5)) is None
    assert riley_of(model.contract, NotEstimable("one outcome only")) is None


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    lines = (
        (repository / "experiments" / "005_validation" / "experiment.yaml")
        .read_text(encoding="utf-8")
        .splitlines()
    )
    place = tmp_path_factory.mktemp("judged") / "experiments" / "005_validation"
    place.mkdir(parents=True)
    quick = place / "quick.yaml"
    quick.write_text("extends: baseline\nname: quick\nlearner: {max_trees: 20, n_folds: 2}\n")
    small = SMALL | {"config": str(quick)}
    changed = [
        f"{name}: {small[name]}" if (name := line.partition(":")[0]) in small else line
        for line in lines
    ]
    (place / "experiment.yaml").write_text("\n".join(changed) + "\n", encoding="utf-8")
    return place


@pytest.mark.slow
def test_everything_is_asked_written_and_the_same_each_time(small: Path) -> None:
    seen: list[StudyData] = []

    def truth(study: StudyData) -> ExtraSection:
        seen.append(study)
        return ExtraSection(
            "against_the_truth",
            {"n": study.known.n_patients},
            [section("truth", title="Against the truth", lead="It was asked.")],
        )

    with steps(is_quiet=True) as begin:
        run = run_validation(small, workers=2, begin=begin, further=[truth])
        results = small / "results"
        first = {name: (results / name).read_bytes() for name in FILES}
        run_validation(small, workers=1, begin=begin, further=[truth])
    assert {name: (results / name).read_bytes() for name in FILES} == first
    content = json.loads(first["evaluation.json"])
    assert [section["key"] for section in content["sections"]] == [
        "performance",
        "comparison",
        "optimism",
        "internal-external",
        "instability",
        "subgroups",
        "sample-size",
        "truth",
        "forecasts",
    ]
    assert content["optimism"]["n_tuned"] == 20
    assert content["data"]["n_overlap"] == 0
    assert set(content["internal_external"]) == {"product", "tumour_type", "site"}
    assert content["sample_size"]["riley"]["largest"] > 100
    answers = {
        item["number"]: item["answer"] for item in content["probast_ai"]["evaluation"]["items"]
    }
    assert (answers["E4.1"], answers["E4.6"]) == ("yes", "yes")
    assert "MLflow" in validation_lines(run)[-1]
    study = seen[0]
    assert isinstance(study.pool, Cohort)
    everybody = [part.patient_ids for part in (study.sides.training, study.sides.test, study.pool)]
    assert len(np.unique(np.concatenate(everybody))) == sum(len(part) for part in everybody), (
        "nobody on two sides"
    )
    assert study.known.patient_ids.isin(study.sides.test.patient_ids).all()
