"""The evaluation dictionary: it is JSON, its keys never change, products stand apart, nothing is
hidden.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import expit, logit

from crsrisk.errors import InputError
from crsrisk.evaluation.benchmark import Truth, benchmark_of_risks
from crsrisk.evaluation.evaluate import THRESHOLDS, evaluate
from crsrisk.evaluation.metrics import auroc
from crsrisk.results import to_plain

OUTCOME_NAME = "first CRS of grade >= 2 within 21 days"
N = 1200
RNG = np.random.default_rng(30)
PRODUCT = np.repeat(["engager", "car_t", "never"], [700, 450, 50])
BASE = np.select([PRODUCT == "engager", PRODUCT == "car_t"], [0.3, 0.15], 0.02)
RISK = expit(logit(BASE) + RNG.normal(0, 0.7, N))
OUTCOME = (RNG.random(N) < RISK) & (PRODUCT != "never")


@pytest.fixture(scope="module")
def result() -> dict[str, object]:
    n_events = np.random.default_rng(31).binomial(500, RISK[::4])
    truth = Truth("what was observed", n_events, np.full(N // 4, 500))
    ladders = benchmark_of_risks(
        PRODUCT[::4],
        truth=truth,
        risks={"product only": BASE[::4], "model": RISK[::4]},
        model="model",
        product_only="product only",
        null_risk=0.2,
        seed=1,
        n_resamples=30,
    )
    return evaluate(
        OUTCOME,
        risk=RISK,
        product=PRODUCT,
        outcome_name=OUTCOME_NAME,
        seed=1,
        ladders=ladders,
        n_resamples=60,
    )


def leaves(part: object) -> list[object]:
    if isinstance(part, dict):
        return [leaf for value in part.values() for leaf in leaves(value)]
    if isinstance(part, list):
        return [leaf for value in part for leaf in leaves(value)]
    return [part]


def test_it_is_json_and_comes_back_the_same(result: dict[str, object]) -> None:
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert {type(leaf) for leaf in leaves(result)} <= {str, int, float, type(None)}


def test_every_group_has_the_same_keys(result: dict[str, object]) -> None:
    keys = {
        "n",
        "n_events",
        "event_rate",
        "n_risks_clipped",
        "auroc",
        "brier",
        "scaled_brier",
        "log_loss",
        "discrimination_slope",
        "calibration",
        "net_benefit",
        "risk_distribution",
    }
    assert set(result["pooled"]) == keys | {"auroc_within_product", "loess_curve"}
    assert list(result["by_product"]) == ["car_t", "engager", "never"]
    calibration = {"in_the_large", "slope", "intercept_joint", "observed_to_expected", "curve"}
    for group in result["by_product"].values():
        assert set(group) == keys
        assert set(group["calibration"]) == calibration
    assert sum(group["n"] for group in result["by_product"].values()) == result["pooled"]["n"] == N


def test_words_that_must_be_there(result: dict[str, object]) -> None:
    assert "no external validation" in result["what"]
    assert result["outcome_name"] == OUTCOME_NAME
    for figure in ("auroc", "net_benefit", "calibration.curve", "calibration.in_the_large"):
        assert result["methods"][figure]


def test_figures_are_those_of_the_functions(result: dict[str, object]) -> None:
    rows = PRODUCT == "engager"
    assert result["by_product"]["engager"]["auroc"] == to_plain(
        auroc(OUTCOME[rows], risk=RISK[rows])
    )
    assert result["pooled"]["auroc"] == to_plain(auroc(OUTCOME, risk=RISK))
    assert result["pooled"]["net_benefit"]["threshold"] == list(THRESHOLDS)


def test_pooled_and_within_are_different_questions(result: dict[str, object]) -> None:
    pooled = result["pooled"]
    assert pooled["auroc_within_product"]["value"] < pooled["auroc"]["value"]


def test_too_few_events_are_said_to_be_too_few(result: dict[str, object]) -> None:
    few = result["by_product"]["car_t"]
    assert 30 <= few["n_events"] < 100
    reason = f"{few['n_events']} events; net benefit needs at least 100"
    assert few["net_benefit"] == {"not_estimable": reason}
    assert few["calibration"]["curve"]["ici"]["low"] >= 0
    never = result["by_product"]["never"]
    assert never["n_events"] == 0
    assert never["auroc"] == {"not_estimable": "no patient had the event"}
    assert never["event_rate"]["high"] > 0


def test_ladder_stands_inside(result: dict[str, object]) -> None:
    pooled = result["ladder"]["pooled"]
    assert [rung["kind"] for rung in pooled["rows"]] == ["null", "comparator", "model", "oracle"]
    assert pooled["share_of_oracle_gain"]["value"] == pytest.approx(1, abs=0.1)
    assert "not_estimable" in result["ladder"]["by_product"]["never"]


def test_same_seed_same_bytes_and_no_order_of_products() -> None:
    arguments = {"outcome_name": OUTCOME_NAME, "seed": 1, "n_resamples": 20}
    rows = PRODUCT == "engager"
    alone = evaluate(OUTCOME[rows], risk=RISK[rows], product=PRODUCT[rows], **arguments)
    together = evaluate(OUTCOME, risk=RISK, product=PRODUCT, **arguments)
    assert json.dumps(alone["by_product"]["engager"]) == json.dumps(
        together["by_product"]["engager"]
    )
    assert together["ladder"] is None


def test_extreme_risks_are_clipped_in_sight() -> None:
    risk = RISK.copy()
    risk[:7] = 0.0
    group = evaluate(
        OUTCOME, risk=risk, product=PRODUCT, outcome_name=OUTCOME_NAME, seed=1, n_resamples=10
    )
    assert group["pooled"]["n_risks_clipped"] == 7
    assert group["by_product"]["car_t"]["n_risks_clipped"] == 0


def test_refusals() -> None:
    with pytest.raises(InputError, match="product"):
        evaluate(OUTCOME, risk=RISK, product=PRODUCT[:-1], outcome_name=OUTCOME_NAME, seed=1)
    with pytest.raises(InputError, match="0 events"):
        evaluate(np.zeros(N), risk=RISK, product=PRODUCT, outcome_name=OUTCOME_NAME, seed=1)
    with pytest.raises(ValueError, match="inf"):
        to_plain({"auroc": float("inf")})
