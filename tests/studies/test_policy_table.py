"""Prophylaxis for a table: what follows from stated effects, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crsrisk.data.world import load_world
from crsrisk.data.world_files import load_product
from crsrisk.errors import InputError
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import save_model
from crsrisk.policy.formulas import policy_metrics
from crsrisk.report.pages import policy_files, render_policy
from crsrisk.simulation.arm import make_arm
from crsrisk.simulation.observation import observe
from crsrisk.simulation.population import sample
from crsrisk.studies.policy_request import Reading, StatedEffect, TableRequest, Weights
from crsrisk.studies.policy_table import weigh_table

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


def request(path: Path, **changes: Any) -> TableRequest:
    return TableRequest(
        **{
            "path": path,
            "effect": EFFECT,
            "risk_column": "risk",
            "weights": Weights(1.0, 2.0, 0.02),
            "n_resamples": 200,
            **changes,
        }
    )


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
    sure = weigh_table(request(table, effect=StatedEffect(0.5, infections_added=0.03)))["policies"][
        1
    ]["averted"]
    unsure = weigh_table(request(table))["policies"][1]["averted"]
    assert unsure["value"] == sure["value"]
    assert unsure["high"] - unsure["low"] > sure["high"] - sure["low"]


def test_the_page_claims_nothing_counterfactual(table: Path) -> None:
    found = weigh_table(request(table))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    page = render_policy(found)
    assert "no potential outcomes are known of these patients" in page
    assert "oracle" not in page.partition("</style>")[2]


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
        ({"weights": Weights(burden=-1.0)}, "burden_per_course"),
    ],
)
def test_bad_input_is_refused_with_its_cure(
    table: Path, changes: dict[str, Any], what: str
) -> None:
    with pytest.raises(InputError, match=what) as problem:
        weigh_table(request(table, **changes))
    assert "Cure" in str(problem.value)


@pytest.mark.parametrize("cell", ["35", "high", "-0.1", ""])
def test_a_cell_that_is_no_risk_is_named_by_its_row(tmp_path: Path, cell: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(f"patient_id,risk\n1,0.2\n2,{cell}\n")
    with pytest.raises(InputError, match="row 2, column risk"):
        weigh_table(request(path))


def test_the_curve_of_net_benefit_passes_through_the_table(table: Path) -> None:
    """At the harm that holds it says what the policies say; without harm everybody is treated."""
    found = weigh_table(request(table, outcome="crs"))
    curve, policies = found["decision_curve"], found["policies"]
    at = curve["harm"].index(pytest.approx(found["ledger"]["harm"]))
    assert curve["by_risk"][at] == pytest.approx(policies[2]["net_benefit"]["value"])
    assert curve["all"][at] == pytest.approx(policies[1]["net_benefit"]["value"])
    assert curve["low"][at] == pytest.approx(policies[2]["net_benefit"]["low"], abs=0.3)
    assert curve["by_risk"][0] == pytest.approx(curve["all"][0])
    doses = found["doses"]
    thirty = next(row for row in policies if row["policy"] == "30 doses per 100, by risk")
    assert doses["by_risk"][doses["share"].index(0.3)] == pytest.approx(thirty["averted"]["value"])
    assert set(policy_files(found)) == {"curve-1.svg", "doses-1.svg"}


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
    asked = request(path, outcome="crs", groups=("ward", "age", "rare"))
    rows = {row["group"]: row for row in weigh_table(asked)["subgroups"]}
    assert set(rows) == {
        "ward: A",
        "ward: B",
        *(one for one in rows if one.startswith("age: ")),
        "rare: no",
    }
    assert {"age: not known"} < set(rows)
    assert (
        abs(rows["ward: A"]["calibration_log_odds"]) < 0.3 < rows["ward: B"]["calibration_log_odds"]
    )
    assert rows["ward: B"]["sensitivity"] < rows["ward: A"]["sensitivity"]
    low, value, high = (rows["ward: A"]["net_benefit"][key] for key in ("low", "value", "high"))
    assert low < value < high
    assert "Who is left out" in render_policy(weigh_table(asked))
    assert (
        weigh_table(request(path, groups=("ward",)))["subgroups"][0]["calibration_log_odds"] is None
    )
    for column, what in (("clinic", "no such column"), ("words", "different words")):
        pd.read_csv(path).assign(words=[f"w{k}" for k in range(n)]).to_csv(path, index=False)
        with pytest.raises(InputError, match=what):
            weigh_table(request(path, groups=(column,)))


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
    found = weigh_table(request(table, effect=effect, weights=Weights(1.0, 2.0, burden)))
    assert said in found["aloud"]
    assert "≥" not in found["aloud"]
    assert all(turns in one for one in found["overturns"])
    assert found["overturns"]


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
        weigh_table(
            request(
                tmp_path / name, risk_column=None, model=str(tmp_path / "model"), reading=reading
            )
        )
        for name, reading in (
            ("plain.csv", Reading()),
            ("own.csv", Reading(units={"crp": "mg/dL"}, mapping={"CRP_BASE": "crp"})),
        )
    )
    assert mapped["risk"]["mean"] == pytest.approx(plain["risk"]["mean"], rel=1e-6)
