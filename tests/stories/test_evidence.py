"""Simulated beside published: every row stays, with its interval and its error, and the summary
only counts.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from crsrisk.data.evidence_files import load_trials
from tests.stories.terminal import crsrisk, done, own_copy

SMALL = ("--patients", 100, "--patients-rare", 100)
KEYS = (
    "id",
    "product",
    "metric",
    "published",
    "n",
    "low",
    "high",
    "simulated",
    "mc_error",
    "agrees",
)


@pytest.fixture(scope="module")
def tree() -> Any:
    return done("evidence", "compare", "--json", *SMALL).tree


def test_every_figure_has_its_row(tree: Any) -> None:
    assert set(tree) == {"rows", "summary"}
    figures = [figure.id for trial in load_trials() for figure in trial.rows]
    assert [row["id"] for row in tree["rows"]] == figures
    assert len(figures) >= 60
    assert len(set(figures)) == len(figures)
    for row in tree["rows"]:
        assert set(KEYS) <= set(row), row["id"]


def test_published_figures_are_those_of_the_files(tree: Any) -> None:
    figures = {figure.id: (trial, figure) for trial in load_trials() for figure in trial.figures}
    for row in tree["rows"]:
        trial, figure = figures[row["id"]]
        assert (row["product"], row["metric"], row["published"]) == (
            trial.product,
            figure.metric,
            figure.value,
        )
        assert row["window_d"] == trial.window_d
        assert row["use"] == "shown" or trial.use == "likelihood"
        assert row["low"] is None or row["low"] <= row["published"] <= row["high"]


def test_simulated_figures_carry_their_error(tree: Any) -> None:
    rates = [row for row in tree["rows"] if row["unit"] == "1" and row["simulated"] is not None]
    assert len(rates) > 40
    for row in rates:
        assert 0 <= row["simulated"] <= 1
        whole = row["n_simulated"] * row["simulated"]
        assert whole == pytest.approx(round(whole), abs=1e-6), "a share of simulated patients"
        assert row["mc_error"] is None or row["mc_error"] >= 0
    inner = [row for row in rates if 0.1 < row["simulated"] < 0.9 and row["n_simulated"] == 100]
    assert len(inner) > 10
    for row in inner:
        p = row["simulated"]
        assert row["mc_error"] == pytest.approx(math.sqrt(p * (1 - p) / 100), rel=0.05), row["id"]


def test_rows_that_disagree_stay_and_are_counted(tree: Any) -> None:
    rows, summary = tree["rows"], tree["summary"]
    verdicts = {row["verdict"] for row in rows}
    assert len(verdicts - {"agrees", "not judged"}) >= 1, (
        "at a hundred patients something always disagrees"
    )
    for row in rows:
        assert row["agrees"] is (row["verdict"] == "agrees")
    assert summary["all"]["n_figures"] == len(rows)
    assert summary["all"]["n_agree"] == sum(row["agrees"] for row in rows)
    assert summary["all"]["n_judged"] == sum(row["verdict"] != "not judged" for row in rows)
    assert set(summary["by_use"]) == {"likelihood", "shown"}
    for use, found in summary["by_use"].items():
        assert found["n_agree"] == sum(row["agrees"] for row in rows if row["use"] == use)


def test_on_the_terminal_one_use_alone_row_by_row(tree: Any) -> None:
    shown = done("evidence", "compare", "--use", "shown", *SMALL).out
    mine = {figure.id for trial in load_trials(use="shown") for figure in trial.rows}
    rows = [row for row in tree["rows"] if row["id"] in mine]
    for row in tree["rows"]:
        assert (row["id"] in shown) is (row["id"] in mine), row["id"]
    agree, judged = (
        sum(row["agrees"] for row in rows),
        sum(row["verdict"] != "not judged" for row in rows),
    )
    assert f"shown: {agree} of {judged} judged figures agree" in " ".join(shown.split())
    assert "likelihood:" not in shown


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--use", "both"), ("--use", "both", "likelihood", "shown")),
        (("--scenario", "sunny"), ("scenarios", "sunny", "burden_null")),
    ],
)
def test_refusals(words: tuple[str, ...], says: tuple[str, ...]) -> None:
    answer = crsrisk("evidence", "compare", *words)
    assert answer.code == 2
    for part in says:
        assert part in answer.err


def test_patients_before_the_first_dose() -> None:
    tree = done("evidence", "baseline", "--json").tree
    assert {row["verdict"] for row in tree["checks"]} == {"inside"}
    assert all(row["low"] < row["value"] < row["high"] for row in tree["checks"])


def test_too_few_patients_are_refused_by_the_option() -> None:
    answer = crsrisk("evidence", "compare", "--patients", 10)
    assert answer.code == 2
    assert "100" in answer.err


def test_a_trial_and_a_product_of_ones_own(tmp_path: Path) -> None:
    """A product file and a trial file in one folder: the figure is compared, and marked when it is
    only recalled.
    """
    own_copy("products", "tarlatamab", tmp_path / "mine.yaml")
    trial = tmp_path / "my_trial.yaml"
    trial.write_text(
        """\
name: my_trial
label: An invented trial
product: mine.yaml
grading: ASTCT
window_d: 28
window_reason: one cycle
overlaps: []
rows:
  - {id: MINE, metric: crs_any_rate, of: patients, value: 0.5, n_patients: 40, events: 20,
     citation: invented,
     source_kind: RECALL, confidence: low, note: ''}
""",
        encoding="utf-8",
    )
    (row,) = done("evidence", "compare", "--trial", trial, "--json", *SMALL).tree["rows"]
    assert (row["id"], row["product"], row["use"], row["verified"]) == (
        "MINE",
        "mine",
        "shown",
        False,
    )
    shown = " ".join(done("evidence", "compare", "--trial", trial, *SMALL).out.split())
    assert "unverified" in shown
    assert "of 1 judged figures" in shown or "of 0 judged figures" in shown
    answer = crsrisk("evidence", "compare", "--trial", trial, "--use", "shown")
    assert answer.code == 2
    assert "--use with --trial" in answer.err
