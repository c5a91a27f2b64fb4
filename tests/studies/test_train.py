"""Training: from simulated patients or a table to a saved, tracked model; nothing replaced, nothing
of a patient logged.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crsrisk import folders
from crsrisk.data.cohort import Cohort
from crsrisk.data.files import write_text
from crsrisk.errors import InputError, OutputError
from crsrisk.evaluation.benchmark import note_of
from crsrisk.evaluation.leaks import leaks_by_name
from crsrisk.folders import find, names
from crsrisk.model.companions import (
    Companions,
    load_companions,
    reference_groups,
    save_companions,
)
from crsrisk.model.features import ModelConfig, Range, Tuning
from crsrisk.model.fit import fit
from crsrisk.model.landmark import course_columns, landmark_table
from crsrisk.model.predict import predict
from crsrisk.model.refits import Refits
from crsrisk.model.refitting import flatten
from crsrisk.model.release import MOST_BYTES
from crsrisk.model.risk_model import RiskModel, class_params
from crsrisk.model.store import MANIFEST, load_model, save_model
from crsrisk.report.evaluation import _model as model_about
from crsrisk.report.model_card import as_markdown, model_facts
from crsrisk.simulation.arm import Arm
from crsrisk.studies.development import Split
from crsrisk.studies.predict import score_table
from crsrisk.studies.train import (
    Trained,
    config_from,
    release_model,
    simulated_training,
    train,
)
from crsrisk.studies.training_table import table_training
from tests.simulation.people import world_of
from tests.studies.conftest import SEED


def silent(title: str, total: int) -> Any:
    return lambda n: None


@pytest.fixture(scope="module")
def quick() -> ModelConfig:
    shipped = config_from("baseline")
    learner = shipped.learner.model_copy(
        update={"max_trees": 20, "n_folds": 2, "learning_rate": 0.1}
    )
    tuning = Tuning(trials=2, search={"num_leaves": Range(low=3, high=8, is_whole=True)})
    return shipped.model_copy(update={"learner": learner, "tuning": tuning})


@pytest.fixture(scope="module")
def trained(
    arms: dict[str, Arm], quick: ModelConfig, tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    folder = tmp_path_factory.mktemp("train")
    training = simulated_training(
        list(arms.values()), config=quick, world=world_of(), n_patients=400, seed=SEED, workers=2
    )
    return train(
        training,
        config=quick,
        seed=SEED,
        out=folder / "model",
        is_tuned=True,
        track=folder / "runs",
        begin=silent,
        n_refits=2,
    )


def test_the_saved_model_is_the_trained_one(trained: Trained, cohort: Cohort) -> None:
    again = load_model(trained.folder)
    np.testing.assert_array_equal(
        predict(again, cohort.observed).risk, predict(trained.model, cohort.observed).risk
    )
    assert again.manifest["tuning"]["n_trials"] == 2
    assert "400 simulated patients" in again.manifest["training"]


def test_what_is_said_of_it(trained: Trained) -> None:
    text = trained.summary()
    for part in (
        "within 21 days",
        "400 patients",
        "Tuned in 2 trials",
        "mlflow ui",
        "no external validation",
    ):
        assert part in text


def test_a_neighbour_that_cannot_speak_beside_the_model_is_refused_before_fitting(
    trained: Trained, quick: ModelConfig, tmp_path: Path
) -> None:
    severe = quick.model_copy(update={"name": "grade3plus", "outcome": "crs_grade3plus"})
    save_model(
        fit(trained.training.observed, trained.training.outcomes, config=severe, seed=SEED),
        tmp_path / "severe",
    )
    save_model(trained.model, tmp_path / "mild")
    later = quick.model_copy(update={"landmark_h": 24})
    shorter = quick.model_copy(update={"window_d": {"default": 10.0}})
    for config, name, word in (
        (quick, "nobody", "no folder nobody"),
        (quick, "elsewhere/grade3plus", "the name of a folder beside"),
        (quick, "mild", "outcome crs_grade2plus"),
        (later, "severe", "hours after the first dose 0"),
        (shorter, "severe", "days of window"),
    ):
        with pytest.raises(InputError, match=word) as refused:
            train(
                trained.training,
                config=config,
                seed=1,
                out=tmp_path / "new",
                is_tuned=False,
                track=None,
                begin=silent,
                n_refits=0,
                grade3plus=name,
            )
        assert refused.value.key == "--grade3plus"
        assert not (tmp_path / "new").exists()
    train(
        trained.training,
        config=quick,
        seed=1,
        out=tmp_path / "new",
        is_tuned=False,
        track=None,
        begin=silent,
        n_refits=0,
        grade3plus="severe",
    )
    beside = load_companions(tmp_path / "new", model=load_model(tmp_path / "new"))
    assert beside.grade3plus is not None
    assert beside.grade3plus.contract.outcome == "crs_grade3plus"


def with_class(trained: Trained, **changes: Any) -> Trained:
    """The same run, had cross-validation found something else."""
    made = trained.model.model_class.model_copy(update=changes).model_dump(mode="json")
    manifest = {**trained.model.manifest, "model_class": made}
    return replace(trained, model=replace(trained.model, manifest=manifest))


PLACES: dict[str, Callable[[Trained], str]] = {
    "what train prints": lambda trained: trained.summary(),
    "what train writes as JSON": lambda trained: str(trained.to_dict()["model_class"]),
    "repr of the model": lambda trained: repr(trained.model),
    "card": lambda trained: as_markdown(model_facts(trained.model, Companions())),
    "page of an evaluation": lambda trained: model_about(trained.model).about,
    "benchmark in a report": lambda trained: note_of(trained.model),
    "MLflow": lambda trained: str(class_params(trained.model)),
}


@pytest.mark.parametrize("name", PLACES)
def test_every_place_says_the_class_its_trees_and_the_cap(trained: Trained, name: str) -> None:
    found = with_class(
        trained,
        start="mean",
        n_trees=211,
        n_kept=213,
        n_tried=217,
        max_trees=219,
        gain=0.0123,
        gain_se=0.0045,
        is_cap_reached=True,
    )
    told = PLACES[name](found)
    for fact in ("mean", "211", "213", "217", "0.012", "0.0045", "219"):
        assert fact in told, fact
    below = PLACES[name](with_class(trained, is_cap_reached=False))
    above = PLACES[name](with_class(trained, is_cap_reached=True))
    assert above != below
    assert "cap" in above.lower()


def test_mlflow_holds_the_class_of_the_model(trained: Trained) -> None:
    with sqlite3.connect(trained.folder.parent / "runs" / "mlflow.db") as store:
        logged = dict(store.execute("select key, value from params where key like 'model_class%'"))
    assert logged == class_params(trained.model)
    assert logged["model_class.is_cap_reached"] == str(trained.model.model_class.is_cap_reached)


def test_the_run_is_tracked_without_a_patient(trained: Trained) -> None:
    runs = trained.folder.parent / "runs"
    with sqlite3.connect(runs / "mlflow.db") as store:
        names = {row[0] for row in store.execute("select name from runs")}
        metrics = {row[0] for row in store.execute("select key from metrics")}
    assert {"trial 0", "trial 1", trained.model.label} <= names
    assert {"cv_log_loss", "n_events"} <= metrics
    text = [path.read_text(encoding="utf-8") for path in runs.rglob("*.json")]
    assert text
    assert not any("patient_id" in one for one in text)


def trained_again(trained: Trained, config: ModelConfig, **choices: Any) -> Trained:
    given: dict[str, Any] = {"seed": 1, "is_tuned": False, "track": None, "n_refits": 0}
    return train(
        trained.training, config=config, begin=silent, **{**given, "out": trained.folder, **choices}
    )


def test_a_model_is_replaced_only_when_asked_and_as_a_whole(
    trained: Trained, quick: ModelConfig, tmp_path: Path
) -> None:
    with pytest.raises(OutputError, match="already"):
        trained_again(trained, quick)
    copy = tmp_path / "model"
    shutil.copytree(trained.folder, copy)
    assert (copy / "refits.json.gz").is_file()
    trained_again(trained, quick, out=copy, overwrite=True)
    assert load_model(copy).manifest["tuning"] is None
    assert not (copy / "refits.json.gz").exists(), "the refits of the old model"


def test_only_a_model_of_ones_own_is_replaced(
    trained: Trained, quick: ModelConfig, tmp_path: Path
) -> None:
    other = tmp_path / "notes"
    other.mkdir()
    (other / "mine.txt").write_text("not a model", encoding="utf-8")
    with pytest.raises(OutputError, match="no model"):
        trained_again(trained, quick, out=other, overwrite=True)
    assert (other / "mine.txt").is_file()


def from_table(place: Path, config: ModelConfig, **changed: Any) -> Any:
    given: dict[str, Any] = {
        "outcomes": None,
        "outcome": None,
        "at_least": None,
        **changed,
    }
    return table_training(place, config=config, **given)


def test_a_table_with_outcomes_gives_the_model_of_its_cohort(
    cohort: Cohort, quick: ModelConfig, tmp_path: Path
) -> None:
    table, beside = tmp_path / "patients.csv", tmp_path / "outcomes.csv"
    write_text(table, cohort.observed.to_csv(index=False))
    write_text(
        beside, cohort.outcomes[["patient_id", "crs_any", "crs_grade2plus"]].to_csv(index=False)
    )
    training = from_table(table, quick, outcomes=beside)
    made = [
        train(
            one,
            config=quick,
            seed=1,
            out=tmp_path / name,
            is_tuned=False,
            track=None,
            begin=silent,
            n_refits=0,
        )
        for name, one in (
            ("a", training),
            ("b", type(training)(cohort.observed, cohort.outcomes, "", {}, "simulated")),
        )
    ]
    risks = [predict(one.model, cohort.observed).risk for one in made]
    np.testing.assert_allclose(risks[0], risks[1], atol=1e-6)


def test_stages_are_taken_where_the_file_tells_them_of_everybody(
    cohort: Cohort, quick: ModelConfig, tmp_path: Path
) -> None:
    write_text(tmp_path / "patients.csv", cohort.observed.to_csv(index=False))
    told = cohort.outcomes[["patient_id", "crs_any", "crs_grade2plus"]].astype({"crs_any": object})
    gap = told.copy()
    gap.loc[gap.index[5], "crs_any"] = None
    for name, table, has in (
        ("all", told, True),
        ("gap", gap, False),
        ("none", told.drop(columns="crs_any"), False),
    ):
        write_text(tmp_path / f"{name}.csv", table.to_csv(index=False))
        training = from_table(tmp_path / "patients.csv", quick, outcomes=tmp_path / f"{name}.csv")
        assert ("crs_any" in training.outcomes.columns) == has, name


def test_rows_that_tell_nothing_are_left_out_and_counted(
    cohort: Cohort, quick: ModelConfig, tmp_path: Path
) -> None:
    table = cohort.observed.merge(cohort.outcomes[["patient_id", "crs_grade2plus"]]).astype(
        {"crs_grade2plus": object}
    )
    table.loc[[3, 4], "crs_grade2plus"] = None
    table.loc[7, "crp_mg_l"] = -5.0
    write_text(tmp_path / "t.csv", table.to_csv(index=False))
    training = from_table(tmp_path / "t.csv", quick)
    assert training.left_out == {"rows that cannot be read": 1, "rows without an outcome": 2}
    assert len(training.observed) == len(table) - 3


def test_another_number_of_outcomes_is_refused(
    cohort: Cohort, quick: ModelConfig, tmp_path: Path
) -> None:
    write_text(tmp_path / "t.csv", cohort.observed.to_csv(index=False))
    write_text(tmp_path / "o.csv", cohort.outcomes.head(5).to_csv(index=False))
    with pytest.raises(InputError, match="5 rows"):
        from_table(tmp_path / "t.csv", quick, outcomes=tmp_path / "o.csv")


def test_a_landmark_configuration_learns_from_those_at_risk(arms: dict[str, Arm]) -> None:
    config = config_from("before_dose_2")
    training = simulated_training(
        list(arms.values()), config=config, world=world_of(), n_patients=200, seed=1, workers=1
    )
    assert training.left_out == {"no longer at risk at 168 h": 200 - len(training.observed)}
    assert len(training.observed) == len(training.outcomes) < 200


def test_rare_courses_are_learnt_from_by_weight(arms: dict[str, Arm], tmp_path: Path) -> None:
    """Two hundred of those without one stand for all, in the model and in reference patients."""
    shipped = config_from("landmark_24h")
    assert shipped.simulated_cohort is not None
    cohort = shipped.simulated_cohort.model_copy(update={"patients": 900, "others": 200})
    quick = shipped.replace(max_trees=5, boosting_max_trees=5, n_folds=2)
    config = quick.model_copy(update={"simulated_cohort": cohort})
    training = simulated_training(
        list(arms.values()), config=config, world=world_of(), seed=SEED, workers=1
    )
    weight = training.sample_weight
    assert weight is not None
    n_others = int((weight > 1).sum())
    assert n_others == 200
    n_at_risk = 900 - training.left_out["no longer at risk at 24 h"]
    assert weight.sum() == pytest.approx(n_at_risk)
    assert len(training.observed) == len(training.outcomes) == len(weight) < n_at_risk
    assert f"200 drawn of the {n_at_risk - len(weight) + 200} others, by weight" in training.who
    assert training.observed["map_mmhg__min__h24"].isna().any()
    trained = train(
        training,
        config=config,
        seed=SEED,
        out=tmp_path / "model",
        is_tuned=False,
        track=None,
        begin=silent,
        n_refits=2,
    )
    assert "sample_weight_sha256" in trained.model.manifest
    assert "by weight" in trained.model.manifest["training"]
    group = load_companions(tmp_path / "model", model=trained.model).reference["tarlatamab"]
    assert group.n_patients == int((training.observed["product"] == "tarlatamab").sum())
    plain = reference_groups(trained.model, training.observed)["tarlatamab"]
    highest = "temperature_c__max__h24"
    assert group.high[highest] < plain.high[highest], "without weights fever would be usual"


def test_a_landmark_configuration_learns_from_a_table(cohort: Cohort, tmp_path: Path) -> None:
    config = config_from("landmark_12h")
    course = cohort.course[list(course_columns(hour=12))]
    write_text(tmp_path / "t.csv", pd.concat([cohort.observed, course], axis=1).to_csv(index=False))
    write_text(tmp_path / "o.csv", cohort.outcomes.to_csv(index=False))
    training = from_table(tmp_path / "t.csv", config, outcomes=tmp_path / "o.csv")
    known = landmark_table(cohort.observed, cohort.course, hour=12)
    assert training.observed["patient_id"].tolist() == known["patient_id"].tolist()
    assert training.left_out["rows that had grade 2 or more by 12 h"] == len(cohort.observed) - len(
        known
    )
    write_text(tmp_path / "b.csv", cohort.observed.to_csv(index=False))
    with pytest.raises(InputError, match="the course until 12 h"):
        from_table(tmp_path / "b.csv", config, outcomes=tmp_path / "o.csv")


def test_a_configuration_may_be_a_file(repository: Path) -> None:
    assert config_from(str(repository / "models" / "configs" / "baseline.yaml")) == config_from(
        "baseline"
    )
    with pytest.raises(InputError):
        config_from("no_such_configuration")


def test_outcomes_are_counted_within_the_window(
    cohort: Cohort, quick: ModelConfig, tmp_path: Path
) -> None:
    table = cohort.observed.merge(cohort.outcomes[["patient_id", "crs_grade2plus"]])
    write_text(tmp_path / "t.csv", table.to_csv(index=False))
    windows = from_table(tmp_path / "t.csv", quick).outcomes
    assert set(windows["window_d"]) == {21.0}
    assert isinstance(windows, pd.DataFrame)


@pytest.fixture(
    scope="module",
    params=["baseline", "landmark_06h", "landmark_12h", "landmark_24h", "landmark_36h"],
)
def quick_model(
    request: pytest.FixtureRequest, arms: dict[str, Arm]
) -> tuple[RiskModel, pd.DataFrame]:
    """A quickly fitted model of each landmark and the patients it learnt from."""
    shipped = config_from(request.param)
    learner = shipped.learner.model_copy(
        update={"max_trees": 10, "n_folds": 2, "learning_rate": 0.1}
    )
    config = shipped.model_copy(update={"learner": learner})
    training = simulated_training(
        list(arms.values()), config=config, world=world_of(), n_patients=500, seed=2, workers=2
    )
    return fit(
        training.observed, training.outcomes, config=config, seed=1
    ), training.observed.reset_index(drop=True)


def test_any_single_predictor_may_be_absent(quick_model: tuple[RiskModel, pd.DataFrame]) -> None:
    model, table = quick_model
    some = table.head(40)
    for column in model.contract.columns:
        gap = some.assign(
            **{column.name: pd.Series([None] * len(some), dtype=object, index=some.index)}
        )
        risk = predict(model, gap).risk
        assert ((risk > 0) & (risk < 1)).all(), column.name


def test_a_patient_alone_has_the_risk_of_the_batch(
    quick_model: tuple[RiskModel, pd.DataFrame],
) -> None:
    model, table = quick_model
    whole = predict(model, table.head(25)).risk
    alone = [predict(model, table.iloc[[row]]).risk[0] for row in range(25)]
    np.testing.assert_array_equal(alone, whole)


def test_a_landmark_model_knows_nothing_later(quick_model: tuple[RiskModel, pd.DataFrame]) -> None:
    model, _ = quick_model
    assert leaks_by_name(model.contract.feature_names, landmark_h=model.contract.landmark_h) == ()


def test_what_a_page_needs_stands_beside_the_model(trained: Trained) -> None:
    """Reference patients of every product and the refits; without refits the page says what is
    missing.
    """
    beside = load_companions(trained.folder, model=trained.model)
    assert set(beside.reference) == set(trained.model.contract.products)
    assert beside.refits is not None
    assert len(beside.refits) == 2


# What `crsrisk release` does, on a model made for it: where it stands, its card, and being found by
# name.


@pytest.fixture(scope="module")
def source(model: RiskModel, sides: Split, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model with what explaining needs; the same trees stand in for the model of grade 3 or
    more.
    """
    home = tmp_path_factory.mktemp("models")
    contract = model.contract.model_copy(update={"name": "grade3plus", "outcome": "crs_grade3plus"})
    for name, one, neighbour in (
        ("mine", model, "severe"),
        ("severe", replace(model, contract=contract), None),
    ):
        save_model(one, home / name)
        refit = flatten(one, features=one.contract.feature_names)
        refits = Refits(one.label, one.contract.feature_names, (refit, refit))
        save_companions(
            home / name,
            model=one,
            reference=reference_groups(one, sides.training.observed),
            refits=refits,
            grade3plus=neighbour,
        )
    return home / "mine"


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models/ folder of our own, where the releases of the package would be."""
    monkeypatch.setattr(folders, "models_folder", lambda: tmp_path / "models")
    monkeypatch.setattr("crsrisk.studies.train.models_folder", lambda: tmp_path / "models")
    return tmp_path / "models"


def test_released_models_are_found_by_name(
    source: Path, house: Path, cohort: Cohort, tmp_path: Path
) -> None:
    assert names("released") == ()
    made = release_model(source, name=None, version=None, out=None)
    assert names("released") == ("baseline-0.1.0", "grade3plus-0.1.0")
    assert (
        find("released", "baseline-0.1.0")
        == made.releases[-1].folder
        == house / "released" / "baseline-0.1.0"
    )
    cohort.observed.head(20).to_csv(tmp_path / "patients.csv", index=False)
    scores = [
        score_table(
            place,
            tmp_path / "patients.csv",
            strict=False,
        ).rows
        for place in (find("released", "baseline-0.1.0"), source)
    ]
    assert scores[0].equals(scores[1])
    with pytest.raises(InputError, match=r"did you mean baseline-0\.1\.0"):
        find("released", "baseline-0.1.1")


def test_a_folder_that_is_there_comes_before_a_name(
    source: Path, house: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release_model(source, name=None, version=None, out=None)
    monkeypatch.chdir(source.parent)
    assert find("released", "mine") == Path("mine")
    with pytest.raises(InputError):
        find("released", "")


def test_the_card_says_what_it_is_and_is_not_for(source: Path, tmp_path: Path) -> None:
    folder = release_model(source, name="study", version="1.0.0", out=tmp_path).releases[-1].folder
    card, page = json.loads((folder / "card.json").read_text()), (folder / "card.md").read_text()
    contract = load_model(folder).contract
    assert (card["model"], card["n_patients"], card["products"]) == (
        "study-1.0.0",
        contract.n_patients,
        list(contract.products),
    )
    assert {one["name"] for one in card["variables"]} == {one.name for one in contract.variables}
    for words in (
        load_model(folder).notice,
        "Not for decisions about patients",
        contract.outcome_in_words,
        "ici 60 days",
        load_model(folder).provenance.in_words,
    ):
        assert words in page
    assert all(f"| {one.label} |" in page for one in contract.variables)


def test_data_and_text(source: Path, tmp_path: Path) -> None:
    made = release_model(source, name=None, version=None, out=tmp_path)
    tree = json.loads(json.dumps(made.to_dict(), allow_nan=False))
    assert [one["name"] for one in tree["releases"]] == ["grade3plus-0.1.0", "baseline-0.1.0"]
    for one in tree["releases"]:
        assert one["is_new"]
        assert 0 < one["n_bytes"] < MOST_BYTES
        assert set(one["files"]) == {place.name for place in Path(one["folder"]).iterdir()} - {
            MANIFEST
        }
    again = release_model(source, name=None, version=None, out=tmp_path)
    told = f"{made.summary()}\n{again.summary()}"
    assert told.count("Released before, the same to the byte") == 2
    assert f"crsrisk predict {tmp_path / 'baseline-0.1.0'} TABLE" in told  # no name leads there
    assert load_model(source).notice in told


def test_at_home_the_name_is_enough(source: Path, house: Path) -> None:
    released = release_model(source, name=None, version=None, out=None)
    assert "Use it by name: crsrisk predict baseline-0.1.0 TABLE" in released.summary()


def test_the_same_model_gives_the_same_bytes(source: Path, tmp_path: Path) -> None:
    first, second = (
        release_model(source, name=None, version=None, out=tmp_path / name) for name in ("a", "b")
    )
    for one, other in zip(first.releases, second.releases, strict=True):
        for place in one.folder.iterdir():
            assert place.read_bytes() == (other.folder / place.name).read_bytes()


def test_where_nothing_can_be_written(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OutputError, match="Not a directory"):
        release_model(source, name=None, version=None, out=tmp_path / "file")


def test_a_released_model_can_be_released_again(source: Path, tmp_path: Path) -> None:
    """From its folder alone, under another version."""
    first = release_model(source, name=None, version=None, out=tmp_path / "a").releases[-1].folder
    again = release_model(first, name=None, version="0.2.0", out=tmp_path / "b").releases[-1].folder
    assert load_model(again).booster_text == load_model(first).booster_text
    assert load_model(again).label == "baseline-0.2.0"
    assert json.loads((again / "card.json").read_text())["model"] == "baseline-0.2.0"
    assert "baseline-0.1.0" not in (again / "card.md").read_text()
