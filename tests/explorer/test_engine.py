"""The page's script says what Python says, of every released model: log-odds to the bit, and every
printed figure, status and reason.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crsrisk.model.explain import explain
from crsrisk.model.predict import predict, raw_log_odds
from crsrisk.model.risk_model import RiskModel
from crsrisk.studies.explain import ExplainableModel, load_explainable, patient_risks
from crsrisk.studies.explorer import (
    identity_facts,
    model_pair,
    released_models,
    trained_products,
)
from crsrisk.wording import about_of_100, range_of_100
from tests.explorer.made_patients import Row, made_patients

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "explorer"
NODE = shutil.which("node")
GRADES = ("grade2plus", "grade3plus")

pytestmark = pytest.mark.skipif(
    NODE is None, reason="no Node.js, which runs the page's script without a page"
)


def ask(jobs: list[dict[str, Any]], *, identity: str = "null") -> list[Any]:
    """The answers of the page's script, all in one run of Node."""
    assert NODE is not None
    text = f'{{"identity": {identity}, "jobs": {json.dumps(jobs, allow_nan=False)}}}'
    done = subprocess.run(
        [NODE, "batch.js"], cwd=SOURCES, input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answers: list[Any] = json.loads(done.stdout)
    return answers


@dataclass(frozen=True)
class Engines:
    """Released models as both engines have them: loaded, and as files for Node."""

    models: dict[str, ExplainableModel]
    files: dict[str, Path]
    identity: str

    def answers(self, rows: dict[str, list[Row]]) -> dict[str, list[Any]]:
        """By model, the answers of the page's script."""
        jobs = [
            {"kind": "patients", "pair": str(self.files[name]), "rows": some}
            for name, some in rows.items()
        ]
        return dict(zip(rows, ask(jobs, identity=self.identity), strict=True))


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Engines:
    folder = tmp_path_factory.mktemp("pairs")
    models, files, pairs = {}, {}, []
    for name in released_models():
        models[name] = load_explainable(ROOT / "models" / "released" / name)
        pairs.append(model_pair(models[name]))
        files[name] = folder / f"{name}.json"
        files[name].write_text(pairs[-1].model_dump_json(), encoding="utf-8")
    identity = identity_facts(trained_products(pairs)).model_dump_json()
    return Engines(models, files, identity)


def table_of(rows: list[Row]) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    words = [name for name in table.columns if name in ("product", "platform", "tumour_type")]
    numbers = [name for name in table.columns if name not in words]
    return table.astype(dict.fromkeys(numbers, "float64") | dict.fromkeys(words, "object"))


def check_model(model: RiskModel, table: pd.DataFrame, answers: list[Any]) -> None:
    """One model: log-odds, status, reasons, missing values and why."""
    log_odds = model.calibrator.log_odds(raw_log_odds(model, table))
    assert [answer["logOdds"] for answer in answers] == log_odds.tolist()
    found = model.predict(table)
    assert [answer["status"] for answer in answers] == found.rows["status"].tolist()
    assert [", ".join(answer["missing"]) for answer in answers] == found.rows["missing"].tolist()
    told = [" ".join(answer["reasons"]) for answer in answers]
    assert told == [without_nearest(text) for text in found.rows["reasons"]]
    has_risk = [answer["risk"] is not None for answer in answers]
    assert has_risk == found.has_risk.tolist()
    explained = np.flatnonzero(~predict(model, table).is_refused)
    check_reasons(model, table.iloc[explained], [answers[row] for row in explained])


def without_nearest(text: str) -> str:
    """A refusal of an unknown product without the names that are nearest to it: the page offers its
    products in a list, so nobody can mistype one there.
    """
    start, mark, rest = text.partition(" was trained on (")
    if not mark:
        return text
    _, end, after = rest.partition("(unknown_product).")
    assert end
    return f"{start} was trained on.{after}"


def check_reasons(model: RiskModel, table: pd.DataFrame, answers: list[Any]) -> None:
    explained = explain(model, table)
    assert [answer["baseLogOdds"] for answer in answers] == explained.base_log_odds.tolist()
    assert [tuple(answer["reference"]) for answer in answers] == [
        (one.group, one.name) for one in explained.references
    ]
    found = np.array([answer["contributions"] for answer in answers])
    np.testing.assert_allclose(found, explained.contributions, rtol=0, atol=1e-13)
    for row, answer in enumerate(answers):
        assert answer["reasonsWhy"] == [
            [reason.variable, reason.whole_points, reason.value, reason.sentence]
            for reason in explained.reasons(row)
        ]


def check_risks(model: ExplainableModel, table: pd.DataFrame, answers: list[Any]) -> None:
    """The headline: both grades with the interval shown first, as the page prints them."""
    for risk, answer in zip(patient_risks(model, table), answers, strict=True):
        said = answer["risk"]
        assert (said["isHeld"], said["holds"]) == (risk.is_held, risk.holds)
        figures = [(said[grade], figure) for grade, figure in risk.items()]
        if risk.refit_range is not None:
            figures.append((said["refits"], risk.refit_range.grade2plus))
        else:
            assert said["refits"] is None
        for printed, estimate in figures:
            assert printed["count"] == about_of_100(estimate.value)
            assert printed["range"] == range_of_100(estimate.low, estimate.high)


def check(engines: Engines, *, n: int, seed: int) -> None:
    rows = {
        name: made_patients(model.model, n=n, seed=seed) for name, model in engines.models.items()
    }
    for name, answers in engines.answers(rows).items():
        explainable, table = engines.models[name], table_of(rows[name])
        severe = explainable.companions.grade3plus
        assert severe is not None
        for grade, model in zip(GRADES, (explainable.model, severe), strict=True):
            check_model(model, table, [answer[grade] for answer in answers])
        check_risks(explainable, table, answers)


def test_script_says_what_python_says(engines: Engines) -> None:
    check(engines, n=200, seed=1)


@pytest.mark.slow
def test_script_says_what_python_says_of_ten_thousand(engines: Engines) -> None:
    check(engines, n=5000, seed=2)
