"""Prophylaxis for a table: what follows from stated effects, and what is refused."""

from __future__ import annotations

import json
import pickle
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crsrisk.data.table_reading import TableReading
from crsrisk.data.world import load_world
from crsrisk.data.world_files import load_product
from crsrisk.errors import InputError
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import save_model
from crsrisk.policy.cohort import HarmWeights
from crsrisk.policy.formulas import policy_metrics
from crsrisk.policy.stated import StatedEffect
from crsrisk.report.pages import policy_files
from crsrisk.results import REPR_LIMIT, Estimate
from crsrisk.simulation.arm import make_arm
from crsrisk.simulation.observation import observe
from crsrisk.simulation.population import sample
from crsrisk.studies.policy_table import PolicyTableResult, evaluate_policies_table

EFFECT = StatedEffect(0.5, 0.35, 0.7, infections_added=0.03)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    risk = rng.beta(2, 6, 300)
    path = tmp_path / "mine.csv"
    pd.DataFrame(
        {"patient_id": range(300), "risk": risk.round(4), "crs": rng.random(300) < risk}
    ).to_csv(path, index=False)
    return path


def evaluated(table: Path | pd.DataFrame, **changes: Any) -> PolicyTableResult:
    asked: dict[str, Any] = {
        "effect": EFFECT,
        "risk_column": "risk",
        "weights": HarmWeights(1.0, 2.0, 0.02),
        "n_resamples": 200,
        **changes,
    }
    return evaluate_policies_table(table, asked.pop("effect"), **asked)


def test_without_outcomes_it_is_the_formula(table: Path) -> None:
    """The same figures as the exact formulas for these risks; t* = (0.03 + 0.02) / (1 - 0.5)."""
    result = evaluated(table, thresholds=(0.3,))
    risks = pd.read_csv(table)["risk"].to_numpy()
    exact = policy_metrics(risk=risks, rr=0.5, thresholds=[0.3])["0.3"]
    row = next(row for row in result.policies if row.policy == "by risk, at 0.30")
    assert result.ledger.threshold == pytest.approx(0.1)
    assert row.averted.value == pytest.approx(exact.averted_per_100)
    assert isinstance(row.nnt, Estimate)
    assert row.nnt.value == pytest.approx(exact.nnt_among_treated)
    assert row.needless.value == pytest.approx(exact.treated_without_Y0_event_per_100)
    assert row.missed.value == pytest.approx(exact.missed_per_100)


def test_outcomes_count_when_they_are_known(table: Path) -> None:
    result = evaluated(table, outcome="crs")
    observed = pd.read_csv(table)["crs"].mean()
    everybody = result.treat_all
    assert result.risk.observed == pytest.approx(observed)
    assert everybody.averted.value == pytest.approx(50.0 * observed)


def test_the_ratio_s_own_interval_widens_every_benefit(table: Path) -> None:
    sure = evaluated(table, effect=StatedEffect(0.5, infections_added=0.03)).treat_all.averted
    unsure = evaluated(table).treat_all.averted
    assert unsure.value == sure.value
    assert unsure.high - unsure.low > sure.high - sure.low


def test_the_page_claims_nothing_counterfactual(table: Path) -> None:
    result = evaluated(table)
    assert json.loads(json.dumps(result.policy_tree(), allow_nan=False)) == result.policy_tree()
    page = result.to_html()
    assert "no potential outcomes are known of these patients" in page
    assert "oracle" not in page.partition("</style>")[2]


def test_the_result_shows_itself_and_survives(table: Path, tmp_path: Path) -> None:
    result = evaluated(table, outcome="crs", groups=("crs",))
    assert len(repr(result)) < REPR_LIMIT
    assert "<table" in result._repr_html_()
    frame = result.to_frame().set_index("policy")
    assert frame.loc["treat all", "averted"] == result.treat_all.averted.value
    assert frame["nnt"].isna()["treat none"]
    for copy in (pickle.loads(pickle.dumps(result)), deepcopy(result)):
        assert copy.to_dict() == result.to_dict()
    assert result.to_html(tmp_path / "page.html") == (tmp_path / "page.html").read_text()


def test_a_table_in_memory_says_what_its_file_says(table: Path) -> None:
    in_memory = evaluated(pd.read_csv(table), outcome="crs", groups=("crs",))
    from_file = evaluated(table, outcome="crs", groups=("crs",))
    assert in_memory.policies == from_file.policies
    with pytest.raises(InputError, match="no such column"):
        evaluated(pd.read_csv(table), risk_column="score")


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"effect": StatedEffect(None)}, "a table of patients shows no effect"),
        ({"effect": StatedEffect(1.0)}, "below 1"),
        ({"effect": StatedEffect(-0.1)}, "below 1"),
        ({"effect": StatedEffect(0.5, 0.6, 0.7)}, "around 0.5"),
        ({"effect": StatedEffect(0.5, 0.4)}, "or neither"),
        ({"effect": StatedEffect(0.5, 0.0, 0.7)}, "above 0"),
        ({"effect": StatedEffect(0.5, infections_added=3.0)}, "0 to 1"),
        ({"effect": StatedEffect(0.5, responses_lost=-0.1)}, "0 to 1"),
        ({"thresholds": (0.0,)}, "above 0 and below 1"),
        ({"thresholds": (1.0,)}, "above 0 and below 1"),
        ({"doses_per_100": (120.0,)}, "fewer than 100"),
        ({"risk_column": None}, "one of them"),
        ({"model": "x"}, "one of them"),
        ({"risk_column": "score"}, "patient_id, risk, crs"),
        ({"outcome": "icans"}, "icans"),
        ({"weights": HarmWeights(burden=-1.0)}, "burden_per_course"),
    ],
)
def test_bad_input_is_refused_with_its_cure(
    table: Path, changes: dict[str, Any], what: str
) -> None:
    with pytest.raises(InputError, match=what) as problem:
        evaluated(table, **changes)
    assert "Cure" in str(problem.value)


@pytest.mark.parametrize("cell", ["35", "high", "-0.1", ""])
def test_a_cell_that_is_no_risk_is_named_by_its_row(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(f"patient_id,risk\n1,0.2\n2,{cell}\n")
    with pytest.raises(InputError, match="row 2, column risk"):
        evaluated(path, strict=True)


def test_a_refused_row_is_left_out_and_counted(tmp_path: Path) -> None:
    rest = "".join(f"{row},0.{row % 5 + 1}\n" for row in range(4, 24))
    whole, gaps = tmp_path / "whole.csv", tmp_path / "gaps.csv"
    whole.write_text(f"patient_id,risk\n{rest}")
    gaps.write_text(f"patient_id,risk\n1,high\n2,-0.1\n3,\n{rest}")
    result = evaluated(gaps)
    assert result.policies == evaluated(whole).policies
    assert (result.setting.n_patients, result.setting.n_refused) == (20, 3)
    assert "In 20 patients (3 rows refused) with" in result.summary()
    assert list(result.refused.reasons) == [1, 2, 3]
    assert "'high'" not in json.dumps(result.policy_tree())
    assert result.refused.problem is not None
    assert "3 of 23 rows refused, the others used" in str(result.refused.problem)


def test_a_column_that_may_be_in_percent_is_refused_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("patient_id,risk\n1,0.8\n2,35\n3,12\n")
    with pytest.raises(InputError, match="divide by 100 if the whole column is in percent"):
        evaluated(path)


def test_the_curve_of_net_benefit_passes_through_the_table(table: Path) -> None:
    """At the harm that holds it says what the policies say; without harm everybody is treated."""
    result = evaluated(table, outcome="crs")
    curve, everybody, by_risk = result.decision_curve, *result.policies[1:3]
    at = int(np.argmin(np.abs(np.array(curve.harm) - result.ledger.harm)))
    assert curve.harm[at] == pytest.approx(result.ledger.harm)
    assert curve.by_risk[at] == pytest.approx(by_risk.net_benefit.value)
    assert curve.treat_all[at] == pytest.approx(everybody.net_benefit.value)
    assert curve.low[at] == pytest.approx(by_risk.net_benefit.low, abs=0.3)
    assert curve.by_risk[0] == pytest.approx(curve.treat_all[0])
    thirty = next(row for row in result.policies if row.policy == "30 doses per 100, by risk")
    assert result.doses.by_risk[result.doses.share.index(0.3)] == pytest.approx(
        thirty.averted.value
    )
    assert set(policy_files(result.page())) == {"curve-1.svg", "doses-1.svg"}


def test_subgroups_are_told_apart_by_risk_and_by_how_well_it_is_told(tmp_path: Path) -> None:
    """Risks that are too low in one ward show there, and nowhere else; they leave its patients
    untreated.
    """
    rng = np.random.default_rng(2)
    risk, n = rng.beta(2, 6, 1000), 1000
    ward, event = np.where(np.arange(n) % 2, "A", "B"), rng.random(n) < risk
    age = np.where(rng.random(n) < 0.1, "", rng.integers(30, 90, n).astype(str))
    path = tmp_path / "wards.csv"
    pd.DataFrame(
        {
            "risk": np.where(ward == "A", risk, risk / 2).round(4),
            "crs": event,
            "ward": ward,
            "age": age,
            "rare": np.where(np.arange(n) < 10, "yes", "no"),
        }
    ).to_csv(path, index=False)
    result = evaluated(path, outcome="crs", groups=("ward", "age", "rare"))
    rows = {row.group: row for row in result.subgroups}
    assert set(rows) == {
        "ward: A",
        "ward: B",
        *(group for group in rows if group.startswith("age: ")),
        "rare: no",
    }
    assert {"age: not known"} < set(rows)
    ward_a, ward_b = rows["ward: A"], rows["ward: B"]
    assert ward_a.calibration_log_odds is not None
    assert ward_b.calibration_log_odds is not None
    assert abs(ward_a.calibration_log_odds) < 0.3 < ward_b.calibration_log_odds
    assert ward_a.sensitivity is not None
    assert ward_b.sensitivity is not None
    assert ward_b.sensitivity < ward_a.sensitivity
    assert ward_a.net_benefit.low < ward_a.net_benefit.value < ward_a.net_benefit.high
    assert "Who is left out" in result.to_html()
    assert evaluated(path, groups=("ward",)).subgroups[0].calibration_log_odds is None
    for column, what in (("clinic", "no such column"), ("words", "different words")):
        pd.read_csv(path).assign(words=[f"w{k}" for k in range(n)]).to_csv(path, index=False)
        with pytest.raises(InputError, match=what):
            evaluated(path, groups=(column,))


@pytest.mark.parametrize(
    ("effect", "burden", "said", "turns"),
    [
        (
            EFFECT,
            0.02,
            "from that risk on has a higher net benefit than treating nobody or everybody",
            "no better than",
        ),
        (
            StatedEffect(0.3),
            0.0,
            "Treating everybody has a higher net benefit than treating nobody:",
            "no better than",
        ),
        (
            StatedEffect(0.99),
            0.02,
            (
                "pays at no risk: it costs more than it could ever avert. Treating nobody has the"
                " highest"
            ),
            "would be needed for treating everybody to pay",
        ),
    ],
)
def test_the_paragraph_says_which_way_the_answer_turns(
    table: Path, effect: StatedEffect, burden: float, said: str, turns: str
) -> None:
    result = evaluated(table, effect=effect, weights=HarmWeights(1.0, 2.0, burden))
    page = result.page()
    assert said in page.summary
    assert "≥" not in page.summary
    assert all(turns in text for text in page.overturns)
    assert page.overturns


def test_a_model_reads_the_user_s_own_columns(model: RiskModel, tmp_path: Path) -> None:
    """Another name and another unit of one column, stated, give the same risks as the table that
    needs neither.
    """
    world = load_world()
    arm = make_arm(load_product("tarlatamab"), world=world)
    observed = observe(
        sample(arm.population, assumptions=world.assumptions, seed=5, start=0, stop=60),
        arm=arm,
        world=world,
        seed=5,
    )
    save_model(model, tmp_path / "model")
    observed.to_csv(tmp_path / "plain.csv", index=False)
    own = observed.assign(CRP_BASE=observed["crp_mg_l"] / 10).drop(columns="crp_mg_l")
    own.to_csv(tmp_path / "own.csv", index=False)
    plain, mapped = (
        evaluated(tmp_path / name, risk_column=None, model=str(tmp_path / "model"), reading=reading)
        for name, reading in (
            ("plain.csv", TableReading()),
            ("own.csv", TableReading(units={"crp": "mg/dL"}, rename={"CRP_BASE": "crp"})),
        )
    )
    assert mapped.risk.mean == pytest.approx(plain.risk.mean, rel=1e-6)
