"""Risks of a model from elsewhere, in a column beside the outcome: the figures of scikit-learn, by
group, and what is no risk is named.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from crsrisk.errors import InputError
from crsrisk.results import Estimate
from crsrisk.studies.risk_column import evaluate_risk_column, risk_column_lines, write_risk_column


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    risk = rng.beta(1.5, 3.0, 200).round(4)
    return pd.DataFrame(
        {
            "theirs": risk,
            "grade": np.where(rng.random(200) < risk, 3, rng.integers(0, 2, 200)),
            "hospital": rng.choice(["north", "south", ""], 200, p=[0.5, 0.4, 0.1]),
        }
    )


def written(table: pd.DataFrame, place: Path) -> Path:
    table.to_csv(place / "risks.csv", index=False)
    return place / "risks.csv"


def test_figures_are_those_of_scikit_learn(table: pd.DataFrame, tmp_path: Path) -> None:
    made = evaluate_risk_column(
        written(table, tmp_path), risk="theirs", outcome="grade", at_least=2, n_resamples=50
    )
    y, pooled = table["grade"] >= 2, made.evaluation.pooled
    assert isinstance(pooled.auroc, Estimate)
    assert isinstance(pooled.brier, Estimate)
    assert pooled.auroc.value == pytest.approx(roc_auc_score(y, table["theirs"]))
    assert pooled.brier.value == pytest.approx(brier_score_loss(y, table["theirs"]))
    assert made.data.flow == "200 rows; 200 evaluated; none left out."
    assert "not known to the program" in made.data.source
    said = f"{made.to_dict()}{risk_column_lines(made)}"
    assert "simulat" not in said
    assert "synthetic" not in said.replace("is_synthetic", "")


def test_each_group_of_a_named_column_has_results(table: pd.DataFrame, tmp_path: Path) -> None:
    made = evaluate_risk_column(
        written(table, tmp_path),
        risk="theirs",
        outcome="grade",
        at_least=2,
        by=["hospital"],
        n_resamples=50,
    )
    sizes = {group.label: group.n for group in made.subgroups}
    assert sizes == {
        "north": int((table["hospital"] == "north").sum()),
        "south": int((table["hospital"] == "south").sum()),
        "not stated": int((table["hospital"] == "").sum()),
    }
    assert any("hospital north" in line for line in risk_column_lines(made))


def test_products_and_sites_are_groups_where_they_stand(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    more = table.assign(product=["a", "b"] * 100, site=["x"] * 120 + ["y"] * 80)
    made = evaluate_risk_column(
        written(more, tmp_path), risk="theirs", outcome="grade", at_least=2, n_resamples=50
    )
    assert set(made.evaluation.by_group) == {"a", "b"}
    assert [(group.variable, group.label, group.n) for group in made.subgroups] == [
        ("site", "x", 120),
        ("site", "y", 80),
    ]


def test_risks_of_0_and_1_stay(table: pd.DataFrame, tmp_path: Path) -> None:
    """R's val.prob leaves such patients out; here nobody is, and how many were moved is told."""
    ends = table.assign(
        theirs=table["theirs"].mask(table.index < 20, 0.0).mask(table.index > 180, 1)
    )
    ends.loc[0, "grade"] = 3
    made = evaluate_risk_column(
        written(ends, tmp_path), risk="theirs", outcome="grade", at_least=2, n_resamples=50
    )
    assert made.evaluation.pooled.n == 200
    assert made.evaluation.pooled.n_risks_clipped == 39
    assert isinstance(made.evaluation.pooled.log_loss, Estimate)
    assert np.isfinite(made.evaluation.pooled.log_loss.value)
    assert any("39 risks of 0 or 1" in line for line in risk_column_lines(made))


def test_rows_without_risk_or_outcome_are_counted(table: pd.DataFrame, tmp_path: Path) -> None:
    gaps = table.astype(object)
    gaps.loc[0:2, "theirs"] = None
    gaps.loc[2:4, "grade"] = None
    made = evaluate_risk_column(
        written(gaps, tmp_path), risk="theirs", outcome="grade", at_least=2, n_resamples=50
    )
    assert made.data.flow == (
        "200 rows; 195 evaluated; left out: 3 have no risk, 2 have no outcome."
    )


def test_page_and_folder(table: pd.DataFrame, tmp_path: Path) -> None:
    made = evaluate_risk_column(
        written(table, tmp_path), risk="theirs", outcome="grade", at_least=2, n_resamples=50
    )
    names = write_risk_column(made, html=tmp_path / "page.html", out=tmp_path / "all")
    assert len(names) == 3
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Evaluation of the risks in theirs" in page
    assert "TRIPOD" not in page
    assert "Model card" not in page
    assert page == (tmp_path / "all" / "evaluation.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"theirs": ["45"] * 2 + ["0.2"] * 198}, "row 1, 2, column theirs: found '45', '45'"),
        ({"theirs": ["0,4"] + ["0.2"] * 199}, "row 1, column theirs: found '0,4'"),
        ({"theirs": [-0.1] * 200}, r"200 cells in all"),
        ({"other": 1}, "no such column"),
        ({"grade": 0}, "0 events in 200 patients"),
    ],
)
def test_what_is_no_risk_is_named(
    changes: dict[str, object], says: str, table: pd.DataFrame, tmp_path: Path
) -> None:
    place = written(table.assign(**changes), tmp_path)
    with pytest.raises(InputError, match=says):
        evaluate_risk_column(
            place,
            risk="other_name" if "other" in changes else "theirs",
            outcome="grade",
            at_least=2,
            n_resamples=50,
        )


def test_too_many_groups_are_refused(table: pd.DataFrame, tmp_path: Path) -> None:
    place = written(table.assign(number=range(200)), tmp_path)
    with pytest.raises(InputError, match="200 different values"):
        evaluate_risk_column(
            place, risk="theirs", outcome="grade", at_least=2, by=["number"], n_resamples=50
        )
