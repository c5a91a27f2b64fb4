"""Prophylaxis for a table: what follows from stated effects, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crsrisk.decide.policy_formulas import policy_metrics
from crsrisk.errors import InputError
from crsrisk.journey.prophylaxis_request import StatedEffect, TableRequest, Weights
from crsrisk.journey.prophylaxis_table import weigh_table
from crsrisk.report.prophylaxis_page import render_prophylaxis

EFFECT = StatedEffect(0.5, 0.35, 0.7, infections_added=0.03)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    risk = rng.beta(2, 6, 300)
    path = tmp_path / "mine.csv"
    pd.DataFrame({"patient_id": range(300), "risk": risk.round(4), "crs": rng.random(300) < risk}).to_csv(path, index=False)
    return path


def request(path: Path, **changes: Any) -> TableRequest:
    return TableRequest(**{"path": path, "effect": EFFECT, "risk_column": "risk", "weights": Weights(1.0, 2.0, 0.02),
                           "n_resamples": 200, **changes})


def test_without_outcomes_it_is_the_formula(table: Path) -> None:
    """The same figures as the exact formulas for these risks; t* = (0.03 + 0.02) / (1 - 0.5)."""
    found = weigh_table(request(table, thresholds=(0.3,)))
    risks = pd.read_csv(table)["risk"].to_numpy()
    exact = policy_metrics(risk=risks, rr=0.5, thresholds=[0.3])["0.3"]
    row = next(row for row in found["policies"] if row["policy"] == "by risk, at 0.30")
    assert found["ledger"]["threshold"] == pytest.approx(0.1)
    assert row["averted"]["value"] == pytest.approx(exact.averted_per_100)
    assert row["nnt"]["value"] == pytest.approx(exact.nnt_among_treated)
    assert row["needless"]["value"] == pytest.approx(exact.treated_without_Y0_event_per_100)
    assert row["missed"]["value"] == pytest.approx(exact.missed_per_100)


def test_outcomes_count_when_they_are_known(table: Path) -> None:
    found = weigh_table(request(table, outcome="crs"))
    observed = pd.read_csv(table)["crs"].mean()
    everybody = found["policies"][1]
    assert found["risk"]["observed"] == pytest.approx(observed)
    assert everybody["averted"]["value"] == pytest.approx(50.0 * observed)


def test_the_ratio_s_own_interval_widens_every_benefit(table: Path) -> None:
    sure = weigh_table(request(table, effect=StatedEffect(0.5, infections_added=0.03)))["policies"][1]["averted"]
    unsure = weigh_table(request(table))["policies"][1]["averted"]
    assert unsure["value"] == sure["value"]
    assert unsure["high"] - unsure["low"] > sure["high"] - sure["low"]


def test_the_page_claims_nothing_counterfactual(table: Path) -> None:
    found = weigh_table(request(table))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    page = render_prophylaxis(found)
    assert "no potential outcomes are known of these patients" in page
    assert "oracle" not in page.partition("</style>")[2]


@pytest.mark.parametrize(("changes", "what"), [
    ({"effect": StatedEffect(None)}, "a table of patients shows no effect"),
    ({"effect": StatedEffect(1.0)}, "below 1"), ({"effect": StatedEffect(-0.1)}, "below 1"),
    ({"effect": StatedEffect(0.5, 0.6, 0.7)}, "around 0.5"), ({"effect": StatedEffect(0.5, 0.4)}, "or neither"),
    ({"effect": StatedEffect(0.5, 0.0, 0.7)}, "above 0"), ({"effect": StatedEffect(0.5, infections_added=3.0)}, "0 to 1"),
    ({"effect": StatedEffect(0.5, responses_lost=-0.1)}, "0 to 1"), ({"thresholds": (0.0,)}, "above 0 and below 1"),
    ({"thresholds": (1.0,)}, "above 0 and below 1"), ({"doses_per_100": (120.0,)}, "fewer than 100"),
    ({"risk_column": None}, "one of them"), ({"model": "x"}, "one of them"),
    ({"risk_column": "score"}, "patient_id, risk, crs"),
    ({"outcome": "icans"}, "icans"), ({"weights": Weights(burden=-1.0)}, "burden_per_course"),
])
def test_bad_input_is_refused_with_its_cure(table: Path, changes: dict[str, Any], what: str) -> None:
    with pytest.raises(InputError, match=what) as problem:
        weigh_table(request(table, **changes))
    assert "Cure" in str(problem.value)


@pytest.mark.parametrize("cell", ["35", "high", "-0.1", ""])
def test_a_cell_that_is_no_risk_is_named_by_its_row(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(f"patient_id,risk\n1,0.2\n2,{cell}\n")
    with pytest.raises(InputError, match="row 2, column risk"):
        weigh_table(request(path))
