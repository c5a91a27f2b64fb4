"""Every row of the published evidence has one fate, and every name in the roster leads somewhere."""

from __future__ import annotations

import ast
import csv
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from crsrisk.domain.roster import Roster
from crsrisk.errors import InputError
from crsrisk.folders import synthetic_folder
from crsrisk.read.baseline_check import load_baseline_checks
from crsrisk.read.published import load_trials
from crsrisk.read.roster import load_roster
from crsrisk.read.world import load_assumptions, load_scenario
from tests.shared_data import shared_path

ROOT = Path(__file__).parents[2]
SHIPPED = synthetic_folder() / "evidence" / "roster"
TRIALS, CHECKS, ASSUMPTIONS = cache(load_trials), cache(load_baseline_checks), cache(load_assumptions)


@pytest.fixture(scope="module")
def roster() -> Roster:
    return load_roster()


@pytest.fixture
def read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a roster is checked against is read once for all spoiled ones."""
    for name, load in (("load_trials", TRIALS), ("load_baseline_checks", CHECKS), ("load_assumptions", ASSUMPTIONS)):
        monkeypatch.setattr(f"crsrisk.read.roster.{name}", load)


def ids_in(text: str) -> set[str]:
    """Ids in a text; ``F023-F025`` means all three."""
    found = set(re.findall(r"\b[EF]\d{3}\b", text))
    for letter, first, last in re.findall(r"\b([EF])(\d{3})-[EF](\d{3})\b", text):
        found |= {f"{letter}{number:03d}" for number in range(int(first), int(last) + 1)}
    return found


def test_every_row_of_either_table_stands_once(roster: Roster) -> None:
    assert len(roster.published_rates) == 194
    assert len(roster.risk_factors) == 98
    assert len({row.id for row in roster.rows}) == 194 + 98


@pytest.mark.parametrize("table", ["published_rates", "risk_factors"])
def test_the_roster_is_the_table(roster: Roster, table: str) -> None:
    """Same ids, and what the table recalls is unverified here."""
    with shared_path("evidence", f"{table}.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    mine = {row.id: row for row in getattr(roster, table)}
    assert mine.keys() == rows.keys()
    assert {name for name, row in mine.items() if row.unverified} == {
        name for name, row in rows.items() if row["source_kind"] == "RECALL"}


def test_blood_cancers_are_never_targets(roster: Roster) -> None:
    with shared_path("evidence", "published_rates.csv").open(encoding="utf-8", newline="") as file:
        blood = {row["id"] for row in csv.DictReader(file)
                 if re.search("myeloma|lymphoma|LBCL|B-NHL|ALL$|AML|B-cell|haemato", row["tumour_type"])}
    assert len(blood) > 40
    assert blood.isdisjoint(row.id for row in roster.of("target"))


def test_targets_are_the_figures_of_the_sources(roster: Roster) -> None:
    figures = {figure.id: trial.name for trial in load_trials() for figure in trial.rows}
    assert {row.id: row.used_in for row in roster.of("target")} == figures


def test_priors_and_scenarios_cite_their_rows(roster: Roster) -> None:
    assumptions = load_assumptions()
    for row in roster.of("prior"):
        assert row.id in ids_in(assumptions[str(row.used_in)].source), row.id
    for row in roster.of("scenario"):
        assert row.id in ids_in(" ".join(load_scenario(str(row.used_in)).evidence)), row.id


def test_rows_that_patients_are_compared_with_stand_in_their_check(roster: Roster) -> None:
    checks = {check.id: check for check in load_baseline_checks()}
    for row in roster.of("baseline"):
        check = checks[str(row.used_in)]
        assert row.id in check.evidence
        assert row.unverified == (check.source_kind == "RECALL"), row.id


def test_phenomena_name_tests_that_exist(roster: Roster) -> None:
    """A file that is there holds the test; most are there."""
    there = 0
    for name, phenomenon in roster.phenomena.items():
        file, _, test = phenomenon.test.partition("::")
        if (ROOT / file).exists():
            there += 1
            tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
            assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, name
    assert there >= 5


def test_no_phenomenon_rests_on_recalled_rows(roster: Roster) -> None:
    for name in roster.phenomena:
        assert any(row.used_in == name and not row.unverified for row in roster.of("qualitative")), name


def spoiled(folder: Path, *, file: str, at: str | None, **change: Any) -> Path:
    """A copy of the roster with one row changed. At None the change is a new row; a value of None takes the key away."""
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


@pytest.mark.parametrize(("file", "at", "change", "key", "found"), [
    ("published_rates.yaml", None, {"id": "E001", "use": "not_usable", "reason": "pooled", "about": "again"}, "E001.id",
     "second time"),
    ("published_rates.yaml", "E030", {"used_in": "tarlatamab_label_2024"}, "E030.used_in", "tarlatamab_label_2024"),
    ("published_rates.yaml", "E030", {"unverified": True}, "E030.unverified", "true"),
    ("published_rates.yaml", "E048", {"unverified": False}, "E048.unverified", "false"),
    ("published_rates.yaml", "E030", {"use": "not_usable", "used_in": None, "reason": "pooled", "about": "left out"}, "E030",
     "another use"),
    ("published_rates.yaml", "E202", {"use": "target", "reason": None, "used_in": "janx007"}, "E202.used_in", "janx007"),
    ("published_rates.yaml", "E020", {"used_in": "nothing"}, "E020.used_in", "nothing"),
    ("published_rates.yaml", "E020", {"reason": "gap"}, "rows.", "used_in for a row that is used"),
    ("published_rates.yaml", "E020", {"unverified": True}, "refractory_checkpoint_remits", "no verified row"),
    ("published_rates.yaml", "E202", {"about": " "}, "rows.", "in words"),
    ("published_rates.yaml", "E202", {"reason": "because"}, "rows.", "because"),
    ("risk_factors.yaml", "F003", {"used_in": "burden_huge"}, "F003.used_in", "burden_huge"),
    ("risk_factors.yaml", "F004", {"used_in": "cascade.nothing"}, "F004.used_in", "cascade.nothing"),
    ("risk_factors.yaml", "F080", {"used_in": "no_check"}, "F080.used_in", "no_check"),
    ("risk_factors.yaml", "F031", {"counted_as": "E202"}, "F031.counted_as", "E202"),
])
def test_a_spoiled_roster_is_refused(
    tmp_path: Path, read_once: None, file: str, at: str | None, change: dict[str, Any], key: str, found: str
) -> None:
    with pytest.raises(InputError) as caught:
        load_roster(spoiled(tmp_path, file=file, at=at, **change))
    assert caught.value.key.startswith(key)
    assert found in str(caught.value)


def test_a_check_of_unknown_evidence_is_refused() -> None:
    stray = load_baseline_checks()[0].model_copy(update={"evidence": ["F999"]})
    with pytest.raises(InputError, match="F999"):
        load_roster(checks=[*load_baseline_checks(), stray])


def test_a_phenomenon_names_a_test(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED, tmp_path, dirs_exist_ok=True)
    text = (tmp_path / "phenomena.yaml").read_text(encoding="utf-8")
    (tmp_path / "phenomena.yaml").write_text(text.replace("::test_hlh_is_flagged", ""), encoding="utf-8")
    with pytest.raises(InputError, match="test_name"):
        load_roster(tmp_path)
