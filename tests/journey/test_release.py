"""What `crsrisk release` does, on a model made for it: where it stands, its card, and being found by name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from crsrisk import folders
from crsrisk.domain.cohort import Cohort
from crsrisk.domain.risk_model import NOTICE, RiskModel
from crsrisk.errors import InputError, OutputError
from crsrisk.folders import find, names
from crsrisk.journey.learning import Split
from crsrisk.journey.release import print_released, release_model
from crsrisk.journey.score import score_table
from crsrisk.learn.companions import reference_groups, save_companions
from crsrisk.learn.refits import Refits, flatten
from crsrisk.learn.release import MOST_BYTES
from crsrisk.learn.store import MANIFEST, load_model, save_model


@pytest.fixture(scope="module")
def source(model: RiskModel, sides: Split, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model with what explaining needs; the same trees stand in for the model of grade 3 or more."""
    home = tmp_path_factory.mktemp("models")
    contract = model.contract.model_copy(update={"name": "grade3plus", "outcome": "crs_grade3plus"})
    for name, one, neighbour in (("mine", model, "severe"), ("severe", replace(model, contract=contract), None)):
        save_model(one, home / name)
        refit = flatten(one, features=one.contract.feature_names)
        refits = Refits(one.label, one.contract.feature_names, (refit, refit))
        save_companions(home / name, model=one, reference=reference_groups(one, sides.training.observed), refits=refits,
                        grade3plus=neighbour)
    return home / "mine"


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models/ folder of our own, where the releases of the package would be."""
    monkeypatch.setattr(folders, "models_folder", lambda: tmp_path / "models")
    monkeypatch.setattr("crsrisk.journey.release.models_folder", lambda: tmp_path / "models")
    return tmp_path / "models"


def test_released_models_are_found_by_name(source: Path, house: Path, cohort: Cohort, tmp_path: Path) -> None:
    assert names("released") == ()
    made = release_model(source, name=None, version=None, out=None)
    assert names("released") == ("baseline-0.1.0", "grade3plus-0.1.0")
    assert find("released", "baseline-0.1.0") == made.releases[-1].folder == house / "released" / "baseline-0.1.0"
    cohort.observed.head(20).to_csv(tmp_path / "patients.csv", index=False)
    scores = [score_table(place, tmp_path / "patients.csv", units={}, mapping={}, ldh_upper_limit_u_l=None, strict=False,
                          out=None).rows for place in (find("released", "baseline-0.1.0"), source)]
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
        "study-1.0.0", contract.n_patients, list(contract.products))
    assert {one["name"] for one in card["variables"]} == {one.name for one in contract.variables}
    for words in (NOTICE, "Not for decisions about patients", contract.outcome_in_words, "ici 60 days", "(synthetic)"):
        assert words in page
    assert all(f"| {one.label} |" in page for one in contract.variables)


def test_tree_and_terminal(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = release_model(source, name=None, version=None, out=tmp_path)
    tree = json.loads(json.dumps(made.as_tree(), allow_nan=False))
    assert [one["name"] for one in tree["releases"]] == ["grade3plus-0.1.0", "baseline-0.1.0"]
    for one in tree["releases"]:
        assert one["is_new"]
        assert 0 < one["n_bytes"] < MOST_BYTES
        assert set(one["files"]) == {place.name for place in Path(one["folder"]).iterdir()} - {MANIFEST}
    print_released(made)
    print_released(release_model(source, name=None, version=None, out=tmp_path))
    told = capsys.readouterr().out
    assert told.count("Released before, the same to the byte") == 2
    assert f"crsrisk predict {tmp_path / 'baseline-0.1.0'} TABLE" in told  # no name leads there
    assert NOTICE in told


def test_at_home_the_name_is_enough(source: Path, house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_released(release_model(source, name=None, version=None, out=None))
    assert "Use it by name: crsrisk predict baseline-0.1.0 TABLE" in capsys.readouterr().out


def test_the_same_model_gives_the_same_bytes(source: Path, tmp_path: Path) -> None:
    first, second = (release_model(source, name=None, version=None, out=tmp_path / name) for name in ("a", "b"))
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
