"""The shipped evidence: copied exactly, split before tuning, fit for the products; bad folders refused."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import yaml

from crsrisk.domain.product import Product
from crsrisk.domain.published import Trial, wilson_interval
from crsrisk.errors import InputError
from crsrisk.folders import find
from crsrisk.read.published import load_own_trials, load_trials
from crsrisk.read.strict_yaml import build, read_yaml

ROOT = Path(__file__).parents[2]
SYNTHETIC = ROOT / "synthetic"
PUBLISHED_RATES = ROOT.parent / "shared" / "evidence" / "published_rates.csv"
# decided before any comparison was run; a change here is a decision to be explained in docs/decisions.md
CALIBRATION = {
    "afami_cel_label", "cell_pool", "engager_pool", "ici_case_series", "ici_karolinska", "satri_cel_first_in_human",
    "tarlatamab_dellphi301", "tarlatamab_label_2024", "tarlatamab_label_2025", "tarlatamab_review",
    "tebentafusp_202"}


@pytest.fixture(scope="module")
def trials() -> list[Trial]:
    return load_trials()


def _figures(trials: list[Trial]) -> int:
    return sum(len(trial.rows) for trial in trials)


def test_there_is_enough_evidence_of_either_role(trials: list[Trial]) -> None:
    assert _figures(trials) >= 70
    assert {trial.name for trial in trials if trial.role == "calibration"} == CALIBRATION
    unseen = [trial for trial in trials if trial.is_independent]
    assert all(trial.role == "validation" for trial in unseen)
    assert _figures(unseen) >= 15
    assert len(unseen) >= 6


def test_the_readme_names_every_source_and_counts_right(trials: list[Trial]) -> None:
    text = (SYNTHETIC / "evidence" / "README.md").read_text(encoding="utf-8")
    for trial in trials:
        table_row = f"| {trial.name} | {trial.product} | {len(trial.rows)} |"
        assert table_row in text, table_row
    validation = [trial for trial in trials if trial.role == "validation"]
    unseen = [trial for trial in trials if trial.is_independent]
    assert f"{_figures(trials)} figures of {len(trials)} sources" in text
    assert f"Validation: {_figures(validation)} figures of {len(validation)} sources" in text
    assert f"{_figures(unseen)} figures of {len(unseen)} sources share no patient" in text


def test_one_role_can_be_loaded_alone() -> None:
    assert {trial.name for trial in load_trials(role="calibration")} == CALIBRATION
    assert CALIBRATION.isdisjoint(trial.name for trial in load_trials(role="validation"))


@pytest.mark.skipif(not PUBLISHED_RATES.exists(), reason="no table of published rates beside the checkout")
def test_every_figure_is_copied_exactly(trials: list[Trial]) -> None:
    with PUBLISHED_RATES.open(encoding="utf-8", newline="") as file:
        table = {row["id"]: row for row in csv.DictReader(file)}
    for row in (row for trial in trials for row in trial.rows):
        source = table[row.id]
        for name, value in (("value", row.value), ("n", row.n_patients), ("events", row.events),
                            ("low", row.low), ("high", row.high)):
            assert value == (float(source[name]) if source[name] else None), (row.id, name)
        assert (row.metric, row.source_kind, row.confidence) == tuple(
            source[name] for name in ("metric", "source_kind", "confidence")), row.id
        assert (row.interval_kind == "wilson_95") == source["interval_kind"].startswith("95%"), row.id


def test_entered_intervals_are_wilsons(trials: list[Trial]) -> None:
    rows = [row for trial in trials for row in trial.rows if row.interval_kind == "wilson_95"]
    assert len(rows) > 80
    for row in rows:
        assert row.events is not None, row.id
        assert row.n_patients is not None, row.id
        low, high = wilson_interval(row.events / row.n_patients, n=row.n_patients)
        assert row.low == pytest.approx(low, abs=2e-4), row.id
        assert row.high == pytest.approx(high, abs=2e-4), row.id


def test_trials_fit_the_shipped_products(trials: list[Trial]) -> None:
    for trial in trials:
        path = find("products", trial.product)
        product = build(Product, read_yaml(path), where=path.name)
        regimen = product.regimens[trial.regimen or product.default_regimen]
        if trial.dose_times_h:
            within = [dose.time_h for dose in regimen.doses if dose.time_h < trial.window_d * 24]
            assert trial.dose_times_h == within, trial.name


@pytest.mark.parametrize(("field", "folder"), [("support_policy", "policies"), ("population", "populations")])
def test_settings_of_trials_are_shipped(trials: list[Trial], field: str, folder: str) -> None:
    shipped = {path.stem for path in (SYNTHETIC / folder).glob("*.yaml")}
    if not shipped:
        pytest.skip(f"synthetic/{folder}/ is empty")
    assert {getattr(trial, field) for trial in trials} - {None} <= shipped


TUNED_TO: dict[str, Any] = {"role": "calibration", "is_independent": False}


def _tree(name: str = "one", **change: Any) -> dict[str, Any]:
    row = {"id": f"X_{name}", "metric": "crs_any_rate", "of": "patients", "value": 0.5, "citation": "a paper",
           "source_kind": "FOUND", "confidence": "high", "note": ""}
    return {"name": name, "label": "A trial", "product": "tarlatamab", "grading": "ASTCT", "window_d": 28,
            "window_reason": "one cycle", "role": "validation", "role_reason": "an example",
            "is_independent": True, "overlaps": [], "rows": [row], **change}


def _write(folder: Path, *trees: dict[str, Any]) -> Path:
    for tree in trees:
        (folder / f"{tree['name']}.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    return folder


def test_a_folder_of_ones_own_is_read(tmp_path: Path) -> None:
    found = load_trials(str(_write(tmp_path, _tree("two"), _tree("one", overlaps=["two"]))))
    assert [trial.name for trial in found] == ["one", "two"]
    assert found[0].rows[0].n_patients is None


@pytest.mark.parametrize(("trees", "key", "found"), [
    ([_tree(colour="red")], "colour", "an unknown key"),
    ([_tree(overlaps=["two"])], "overlaps", "two"),
    ([_tree(overlaps=["one"])], "overlaps", "one"),
    ([_tree(), _tree("two", rows=_tree()["rows"])], "X_one", "a second time"),
    ([_tree(overlaps=["two"]), _tree("two", **TUNED_TO)], "is_independent", "true"),
    ([_tree(), _tree("two", overlaps=["one"], **TUNED_TO)], "is_independent", "true"),
    ([_tree(window_d="28")], "window_d", "'28'"),
    ([_tree(rows=[])], "Trial", "one row or more"),
])
def test_a_bad_folder_is_refused(tmp_path: Path, trees: list[dict[str, Any]], key: str, found: str) -> None:
    with pytest.raises(InputError) as caught:
        load_trials(_write(tmp_path, *trees))
    assert caught.value.key == key
    assert found in str(caught.value)
    assert caught.value.where in ("one.yaml", "two.yaml")


def test_a_wrong_file_name_or_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file"):
        load_trials(tmp_path)
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(_tree()), encoding="utf-8")
    with pytest.raises(InputError, match=r"other\.yaml, name: found one"):
        load_trials(tmp_path)


def _own(folder: Path, **change: Any) -> Path:
    _write(folder, _tree("mine", **change))
    return folder / "mine.yaml"


def _product(folder: Path, name: str = "my_engager", *, window: str = "21.0") -> None:
    text = find("products", "tarlatamab").read_text(encoding="utf-8")
    folder.mkdir(exist_ok=True)
    text = text.replace("name: tarlatamab", f"name: {name}", 1).replace("window_d: 21.0", f"window_d: {window}", 1)
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")


def test_a_trial_of_ones_own_brings_its_product_along(tmp_path: Path) -> None:
    _product(tmp_path / "products")
    path = _own(tmp_path, product="products/my_engager.yaml", dose_times_h=[0, 168, 336])
    (trial,), (product,) = load_own_trials([str(path)])
    assert trial.product == product.name == "my_engager"
    assert load_own_trials([_own(tmp_path)])[0][0].product == "tarlatamab"


@pytest.mark.parametrize(("change", "key", "expected"), [
    (TUNED_TO, "role", "validation"),
    ({"grading": "ASCTC"}, "grading", "ASTCT"),
    ({"product": "nowhere.yaml"}, "nowhere.yaml", "path"),
    ({"regimen": "lable"}, "regimen", "label_no_steroid"),
    ({"dose_times_h": [0, 96]}, "dose_times_h", r"\[0.0, 168.0, 336.0\]"),
    ({"overlaps": ["tarlatamab_label_2025"]}, "is_independent", "false"),
    ({"overlaps": ["nobody"]}, "overlaps", "other sources"),
    ({"rows": [{**_tree()["rows"][0], "id": "E030"}]}, "E030", "each id once"),
])
def test_a_bad_trial_of_ones_own_is_refused(tmp_path: Path, change: dict[str, Any], key: str, expected: str) -> None:
    with pytest.raises(InputError, match=expected) as caught:
        load_own_trials([_own(tmp_path, **change)])
    assert key in caught.value.key


def test_names_that_are_taken_are_refused(tmp_path: Path) -> None:
    _product(tmp_path / "one")
    _product(tmp_path / "two", window="14.0")
    _write(tmp_path, _tree("first", product="one/my_engager.yaml"), _tree("second", product="two/my_engager.yaml"),
           _tree("janx007"))
    with pytest.raises(InputError, match="another product called my_engager"):
        load_own_trials([tmp_path / "first.yaml", tmp_path / "second.yaml"])
    with pytest.raises(InputError, match="janx007 a second time"):
        load_own_trials([tmp_path / "janx007.yaml"])
