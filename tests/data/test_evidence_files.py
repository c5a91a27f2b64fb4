"""The shipped evidence: copied exactly, fit for the products; bad folders refused."""

from __future__ import annotations

import ast
import csv
import re
import shutil
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import ValidationError

from crsrisk.data.baseline_checks import load_baseline_checks
from crsrisk.data.evidence_files import (
    REASONS,
    USES,
    EvidenceRegister,
    EvidenceStatus,
    Reason,
    Use,
    load_evidence_register,
    load_own_trials,
    load_trials,
)
from crsrisk.data.evidence_use import likelihood_figures
from crsrisk.data.product import Product
from crsrisk.data.published_figures import Trial, wilson_interval
from crsrisk.data.world_files import load_assumptions, load_scenario
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.errors import InputError
from crsrisk.folders import find, synthetic_folder
from tests.shared_data import shared_path

ROOT = Path(__file__).parents[2]
SYNTHETIC = ROOT / "synthetic"
# tables of published evidence, each with a later one of the same columns
RATES = ("published_rates.csv", "published_rates_2.csv")
FACTORS = ("risk_factors.csv", "effect_sizes_2.csv")


def table_of(names: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Rows of some shared tables by id; skips without them."""
    rows: dict[str, dict[str, str]] = {}
    for name in names:
        with shared_path("evidence", name).open(encoding="utf-8", newline="") as file:
            rows |= {row["id"]: row for row in csv.DictReader(file)}
    return rows


@pytest.fixture(scope="module")
def trials() -> list[Trial]:
    return load_trials()


def _figures(trials: list[Trial]) -> int:
    return sum(len(trial.rows) for trial in trials)


def test_the_readme_names_every_source_and_counts_right(trials: list[Trial]) -> None:
    text = (SYNTHETIC / "evidence" / "README.md").read_text(encoding="utf-8")
    fitted = Counter(trial.name for _, trial in likelihood_figures(trials))
    for trial in trials:
        recalled = sum(not row.verified for row in trial.rows)
        table_row = (
            f"| {trial.name} | {trial.product} | {len(trial.rows)} | {recalled} |"
            f" {fitted[trial.name] or ''} |"
        )
        assert table_row in text, table_row
    assert f"{_figures(trials)} figures of {len(trials)} sources" in text
    assert f"In the likelihood: {fitted.total()} figures of {len(fitted)} sources" in text


def test_one_use_can_be_loaded_alone(trials: list[Trial]) -> None:
    for use in ("likelihood", "shown"):
        alone = load_trials(use=use)
        assert {trial.use for trial in alone} == {use}
        assert [trial.name for trial in alone] == [
            trial.name for trial in trials if trial.use == use
        ]


def test_every_figure_is_copied_exactly(trials: list[Trial]) -> None:
    table = table_of(RATES)
    for row in (row for trial in trials for row in trial.rows):
        source = table[row.id]
        for name, value in (
            ("value", row.value),
            ("n", row.n_patients),
            ("events", row.events),
            ("low", row.low),
            ("high", row.high),
        ):
            assert value == (float(source[name]) if source[name] else None), (row.id, name)
        assert (row.metric, row.source_kind, row.confidence) == tuple(
            source[name] for name in ("metric", "source_kind", "confidence")
        ), row.id
        assert (row.interval_kind == "wilson_95") == source["interval_kind"].startswith("95%"), (
            row.id
        )


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


@pytest.mark.parametrize(
    ("field", "folder"), [("support_policy", "policies"), ("population", "populations")]
)
def test_settings_of_trials_are_shipped(trials: list[Trial], field: str, folder: str) -> None:
    shipped = {path.stem for path in (SYNTHETIC / folder).glob("*.yaml")}
    if not shipped:
        pytest.skip(f"synthetic/{folder}/ is empty")
    assert {getattr(trial, field) for trial in trials} - {None} <= shipped


def _tree(name: str = "one", **change: Any) -> dict[str, Any]:
    row = {
        "id": f"X_{name}",
        "metric": "crs_any_rate",
        "of": "patients",
        "value": 0.5,
        "citation": "a paper",
        "source_kind": "FOUND",
        "confidence": "high",
        "note": "",
    }
    return {
        "name": name,
        "label": "A trial",
        "product": "tarlatamab",
        "grading": "ASTCT",
        "window_d": 28,
        "window_reason": "one cycle",
        "overlaps": [],
        "rows": [row],
        **change,
    }


def _write(folder: Path, *trees: dict[str, Any]) -> Path:
    for tree in trees:
        (folder / f"{tree['name']}.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    return folder


def test_a_folder_of_ones_own_is_read(tmp_path: Path) -> None:
    found = load_trials(str(_write(tmp_path, _tree("two"), _tree("one", overlaps=["two"]))))
    assert [trial.name for trial in found] == ["one", "two"]
    assert found[0].rows[0].n_patients is None


@pytest.mark.parametrize(
    ("trees", "key", "found"),
    [
        ([_tree(colour="red")], "colour", "an unknown key"),
        ([_tree(overlaps=["two"])], "overlaps", "two"),
        ([_tree(overlaps=["one"])], "overlaps", "one"),
        ([_tree(), _tree("two", rows=_tree()["rows"])], "X_one", "a second time"),
        ([_tree(window_d="28")], "window_d", "'28'"),
        ([_tree(rows=[])], "Trial", "one row or more"),
    ],
)
def test_a_bad_folder_is_refused(
    tmp_path: Path, trees: list[dict[str, Any]], key: str, found: str
) -> None:
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
    text = text.replace("name: tarlatamab", f"name: {name}", 1).replace(
        "window_d: 21.0", f"window_d: {window}", 1
    )
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")


def test_a_trial_of_ones_own_brings_its_product_along(tmp_path: Path) -> None:
    _product(tmp_path / "products")
    path = _own(tmp_path, product="products/my_engager.yaml", dose_times_h=[0, 168, 336])
    (trial,), (product,) = load_own_trials([str(path)])
    assert trial.product == product.name == "my_engager"
    assert load_own_trials([_own(tmp_path)])[0][0].product == "tarlatamab"


@pytest.mark.parametrize(
    ("change", "key", "expected"),
    [
        ({"use": "likelihood"}, "use", "shown"),
        ({"grading": "ASCTC"}, "grading", "ASTCT"),
        ({"product": "nowhere.yaml"}, "nowhere.yaml", "path"),
        ({"regimen": "lable"}, "regimen", "label_no_steroid"),
        ({"dose_times_h": [0, 96]}, "dose_times_h", r"\[0.0, 168.0, 336.0\]"),
        ({"overlaps": ["nobody"]}, "overlaps", "other sources"),
        ({"rows": [{**_tree()["rows"][0], "id": "E030"}]}, "E030", "each id once"),
    ],
)
def test_a_bad_trial_of_ones_own_is_refused(
    tmp_path: Path, change: dict[str, Any], key: str, expected: str
) -> None:
    with pytest.raises(InputError, match=expected) as caught:
        load_own_trials([_own(tmp_path, **change)])
    assert key in caught.value.key


def test_names_that_are_taken_are_refused(tmp_path: Path) -> None:
    _product(tmp_path / "one")
    _product(tmp_path / "two", window="14.0")
    _write(
        tmp_path,
        _tree("first", product="one/my_engager.yaml"),
        _tree("second", product="two/my_engager.yaml"),
        _tree("janx007"),
    )
    with pytest.raises(InputError, match="another product called my_engager"):
        load_own_trials([tmp_path / "first.yaml", tmp_path / "second.yaml"])
    with pytest.raises(InputError, match="janx007 a second time"):
        load_own_trials([tmp_path / "janx007.yaml"])


# A row of the roster has exactly one use.


def test_every_use_and_reason_has_its_meaning() -> None:
    assert set(USES) == set(get_args(Use))
    assert set(REASONS) == set(get_args(Reason))


@pytest.mark.parametrize(
    "row",
    [
        {"id": "E1", "use": "target", "used_in": "a_source"},
        {"id": "E1", "use": "not_usable", "reason": "pooled", "about": "a pool"},
        {
            "id": "E1",
            "use": "not_usable",
            "reason": "overlap",
            "counted_as": "E2",
            "about": "the same patients",
        },
    ],
)
def test_a_sound_row(row: dict[str, Any]) -> None:
    assert EvidenceStatus.model_validate(row).unverified is False


@pytest.mark.parametrize(
    "row",
    [
        {"id": "E1", "use": "target"},
        {"id": "E1", "use": "target", "used_in": "a_source", "reason": "pooled"},
        {"id": "E1", "use": "not_usable", "about": "no reason"},
        {"id": "E1", "use": "not_usable", "reason": "pooled"},
        {
            "id": "E1",
            "use": "not_usable",
            "reason": "pooled",
            "used_in": "a_source",
            "about": "a pool",
        },
        {"id": "E1", "use": "not_usable", "reason": "overlap", "about": "which row counts?"},
        {
            "id": "E1",
            "use": "not_usable",
            "reason": "pooled",
            "counted_as": "E2",
            "about": "a pool",
        },
        {"id": "E1", "use": "qualitative", "used_in": "a_phenomenon"},
        {"id": "E1", "use": "somehow", "used_in": "a_source", "about": "a use that is none"},
    ],
)
def test_a_row_without_exactly_one_use_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        EvidenceStatus.model_validate(row)


# Every row of the published evidence has one use, and every name in the roster leads somewhere.


SHIPPED = synthetic_folder() / "evidence" / "roster"
TRIALS, CHECKS, ASSUMPTIONS = (
    cache(load_trials),
    cache(load_baseline_checks),
    cache(load_assumptions),
)


@pytest.fixture(scope="module")
def roster() -> EvidenceRegister:
    return load_evidence_register()


@pytest.fixture
def read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a roster is checked against is read once for all spoiled ones."""
    for name, load in (
        ("load_trials", TRIALS),
        ("load_baseline_checks", CHECKS),
        ("load_assumptions", ASSUMPTIONS),
    ):
        monkeypatch.setattr(f"crsrisk.data.evidence_files.{name}", load)


def ids_in(text: str) -> set[str]:
    """Ids in a text; ``F023-F025`` means all three."""
    found = set(re.findall(r"\b[EFGN]\d{3}\b", text))
    for letter, first, last in re.findall(r"\b([EFGN])(\d{3})-[EFGN](\d{3})\b", text):
        found |= {f"{letter}{number:03d}" for number in range(int(first), int(last) + 1)}
    return found


def test_every_row_of_either_table_stands_once(roster: EvidenceRegister) -> None:
    assert len(roster.published_rates) == 194 + 49
    assert len(roster.risk_factors) == 98 + 23
    assert len({row.id for row in roster.rows}) == 194 + 49 + 98 + 23


@pytest.mark.parametrize(
    ("table", "names"), [("published_rates", RATES), ("risk_factors", FACTORS)]
)
def test_the_roster_is_the_table(
    roster: EvidenceRegister, table: str, names: tuple[str, ...]
) -> None:
    """Same ids, and what the table recalls is unverified here."""
    rows = table_of(names)
    mine = {row.id: row for row in getattr(roster, table)}
    assert mine.keys() == rows.keys()
    assert {name for name, row in mine.items() if row.unverified} == {
        name for name, row in rows.items() if row["source_kind"] == "RECALL"
    }


def test_blood_cancers_are_never_targets(roster: EvidenceRegister) -> None:
    blood = {
        name
        for name, row in table_of(RATES).items()
        if re.search("myeloma|lymphoma|LBCL|B-NHL|ALL$|AML|B-cell|haemato", row["tumour_type"])
    }
    assert len(blood) > 40
    assert blood.isdisjoint(row.id for row in roster.of("target"))


def test_targets_are_the_figures_of_the_sources(roster: EvidenceRegister) -> None:
    figures = {figure.id: trial.name for trial in load_trials() for figure in trial.rows}
    assert {row.id: row.used_in for row in roster.of("target")} == figures


def test_priors_and_scenarios_cite_their_rows(roster: EvidenceRegister) -> None:
    assumptions = load_assumptions()
    for row in roster.of("prior"):
        assert row.id in ids_in(assumptions[str(row.used_in)].source), row.id
    for row in roster.of("scenario"):
        assert row.id in ids_in(" ".join(load_scenario(str(row.used_in)).evidence)), row.id


def test_rows_that_patients_are_compared_with_stand_in_their_check(
    roster: EvidenceRegister,
) -> None:
    checks = {check.id: check for check in load_baseline_checks()}
    for row in roster.of("baseline"):
        check = checks[str(row.used_in)]
        assert row.id in check.evidence
        assert row.unverified == (check.source_kind == "RECALL"), row.id


def test_phenomena_name_tests_that_exist(roster: EvidenceRegister) -> None:
    """A file that is there holds the test; most are there."""
    there = 0
    for name, phenomenon in roster.phenomena.items():
        file, _, test = phenomenon.test.partition("::")
        if (ROOT / file).exists():
            there += 1
            tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
            assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, (
                name
            )
    assert there >= 5


def test_no_phenomenon_rests_on_recalled_rows(roster: EvidenceRegister) -> None:
    for name, phenomenon in roster.phenomena.items():
        assert phenomenon.source or any(
            row.used_in == name and not row.unverified for row in roster.of("qualitative")
        ), name


def spoiled(folder: Path, *, file: str, at: str | None, **change: Any) -> Path:
    """A copy of the roster with one row changed. At None the change is a new row; a value of None
    takes the key away.
    """
    shutil.copytree(SHIPPED, folder, dirs_exist_ok=True)
    tree = yaml.safe_load((folder / file).read_text(encoding="utf-8"))
    if at is None:
        tree["rows"].append(change)
    else:
        row = next(row for row in tree["rows"] if row["id"] == at)
        row.update(change)
        for key in [key for key, value in change.items() if value is None]:
            del row[key]
    (folder / file).write_text(yaml.safe_dump(tree), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("file", "at", "change", "key", "found"),
    [
        (
            "published_rates.yaml",
            None,
            {"id": "E001", "use": "not_usable", "reason": "pooled", "about": "again"},
            "E001.id",
            "second time",
        ),
        (
            "published_rates.yaml",
            "E030",
            {"used_in": "tarlatamab_label_2024"},
            "E030.used_in",
            "tarlatamab_label_2024",
        ),
        ("published_rates.yaml", "E030", {"unverified": True}, "E030.unverified", "true"),
        ("published_rates.yaml", "E048", {"unverified": False}, "E048.unverified", "false"),
        (
            "published_rates.yaml",
            "E030",
            {"use": "not_usable", "used_in": None, "reason": "pooled", "about": "left out"},
            "E030",
            "another use",
        ),
        (
            "published_rates.yaml",
            "E202",
            {"use": "target", "reason": None, "used_in": "janx007"},
            "E202.used_in",
            "janx007",
        ),
        ("published_rates.yaml", "E020", {"used_in": "nothing"}, "E020.used_in", "nothing"),
        (
            "published_rates.yaml",
            "E020",
            {"reason": "gap"},
            "rows.",
            "used_in for a row that is used",
        ),
        (
            "published_rates.yaml",
            "E020",
            {"unverified": True},
            "refractory_checkpoint_remits",
            "no verified row",
        ),
        ("published_rates.yaml", "E202", {"about": " "}, "rows.", "in words"),
        ("published_rates.yaml", "E202", {"reason": "because"}, "rows.", "because"),
        ("risk_factors.yaml", "F003", {"used_in": "burden_huge"}, "F003.used_in", "burden_huge"),
        (
            "risk_factors.yaml",
            "F004",
            {"used_in": "cascade.nothing"},
            "F004.used_in",
            "cascade.nothing",
        ),
        ("risk_factors.yaml", "F080", {"used_in": "no_check"}, "F080.used_in", "no_check"),
        ("risk_factors.yaml", "F031", {"counted_as": "E202"}, "F031.counted_as", "E202"),
    ],
)
def test_a_spoiled_roster_is_refused(
    tmp_path: Path,
    read_once: None,
    file: str,
    at: str | None,
    change: dict[str, Any],
    key: str,
    found: str,
) -> None:
    with pytest.raises(InputError) as caught:
        load_evidence_register(spoiled(tmp_path, file=file, at=at, **change))
    assert caught.value.key.startswith(key)
    assert found in str(caught.value)


def test_a_check_of_unknown_evidence_is_refused() -> None:
    stray = load_baseline_checks()[0].model_copy(update={"evidence": ["F999"]})
    with pytest.raises(InputError, match="F999"):
        load_evidence_register(checks=[*load_baseline_checks(), stray])


def test_a_phenomenon_names_a_test(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED, tmp_path, dirs_exist_ok=True)
    text = (tmp_path / "phenomena.yaml").read_text(encoding="utf-8")
    (tmp_path / "phenomena.yaml").write_text(
        text.replace("::test_hlh_is_flagged", ""), encoding="utf-8"
    )
    with pytest.raises(InputError, match="test_name"):
        load_evidence_register(tmp_path)
