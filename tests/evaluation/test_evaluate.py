"""The evaluation: typed, JSON where asked, groups apart, nothing hidden."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from crsrisk.errors import InputError
from crsrisk.evaluation.benchmark import Truth, benchmark_of_risks
from crsrisk.evaluation.calibration import CalibrationCurve
from crsrisk.evaluation.decision_curve import NetBenefitCurve
from crsrisk.evaluation.evaluate import HELD_OUT, THRESHOLDS, Evaluation, GroupEvaluation, evaluate
from crsrisk.evaluation.metrics import auroc
from crsrisk.results import Estimate, NotEstimable, to_plain

OUTCOME_NAME = "first CRS of grade >= 2 within 21 days"
N = 1200
RNG = np.random.default_rng(30)
PRODUCT = np.repeat(["engager", "car_t", "never"], [700, 450, 50])
BASE = np.select([PRODUCT == "engager", PRODUCT == "car_t"], [0.3, 0.15], 0.02)
RISK = expit(logit(BASE) + RNG.normal(0, 0.7, N))
OUTCOME = (RNG.random(N) < RISK) & (PRODUCT != "never")


@pytest.fixture(scope="module")
def result() -> Evaluation:
    n_events = np.random.default_rng(31).binomial(500, RISK[::4])
    truth = Truth("what was observed", n_events, np.full(N // 4, 500))
    benchmark = benchmark_of_risks(
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
        RISK,
        groups=PRODUCT,
        outcome_name=OUTCOME_NAME,
        patients=HELD_OUT,
        seed=1,
        benchmark=benchmark,
        n_resamples=60,
    )


def leaves(part: object) -> list[object]:
    if isinstance(part, dict):
        return [leaf for value in part.values() for leaf in leaves(value)]
    if isinstance(part, list):
        return [leaf for value in part for leaf in leaves(value)]
    return [part]


def test_it_is_json_and_comes_back_the_same(result: Evaluation) -> None:
    plain = result.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert {type(leaf) for leaf in leaves(plain)} <= {str, int, float, type(None)}


def test_every_group_has_the_same_keys(result: Evaluation) -> None:
    plain = result.to_dict()
    assert list(result.by_group) == ["car_t", "engager", "never"]
    for group in (plain["pooled"], *plain["by_group"].values()):
        assert list(group) == [field.name for field in fields(GroupEvaluation)]
        assert set(group["calibration"]) == {
            "in_the_large",
            "slope",
            "intercept_joint",
            "observed_to_expected",
            "curve",
        }
    assert sum(group.n for group in result.by_group.values()) == result.pooled.n == N


def test_words_that_must_be_there(result: Evaluation) -> None:
    assert "no external validation" in result.patients
    assert result.outcome_name == OUTCOME_NAME
    for figure in ("auroc", "net_benefit", "calibration.curve", "calibration.in_the_large"):
        assert result.methods[figure]


def test_figures_are_those_of_the_functions(result: Evaluation) -> None:
    rows = PRODUCT == "engager"
    assert result.by_group["engager"].auroc == auroc(OUTCOME[rows], risk=RISK[rows])
    assert result.pooled.auroc == auroc(OUTCOME, risk=RISK)
    assert isinstance(result.pooled.net_benefit, NetBenefitCurve)
    assert result.pooled.net_benefit.threshold.tolist() == list(THRESHOLDS)


def test_pooled_and_within_are_different_questions(result: Evaluation) -> None:
    within, pooled = result.auroc_within_groups, result.pooled.auroc
    assert isinstance(within, Estimate)
    assert isinstance(pooled, Estimate)
    assert within.value < pooled.value


def test_too_few_events_are_said_to_be_too_few(result: Evaluation) -> None:
    few = result.by_group["car_t"]
    assert 30 <= few.n_events < 100
    assert few.net_benefit == NotEstimable(f"{few.n_events} events; net benefit needs at least 100")
    assert isinstance(few.calibration.curve, CalibrationCurve)
    assert few.calibration.curve.ici.low >= 0
    never = result.by_group["never"]
    assert never.n_events == 0
    assert never.auroc == never.calibration.slope == NotEstimable("no patient had the event")
    assert never.event_rate.high > 0


def test_benchmark_stands_inside(result: Evaluation) -> None:
    benchmark = result.to_dict()["benchmark"]
    pooled = benchmark["pooled"]
    assert [row["kind"] for row in pooled["rows"]] == ["null", "comparator", "model", "oracle"]
    assert pooled["share_of_oracle_gain"]["value"] == pytest.approx(1, abs=0.1)
    assert "not_estimable" in benchmark["by_product"]["never"]


def test_the_frame_has_a_row_a_figure_and_group(result: Evaluation) -> None:
    frame = result.to_frame()
    assert list(frame["group"].unique()) == ["all", "car_t", "engager", "never"]
    row = frame[(frame["group"] == "engager") & (frame["figure"] == "auroc")].iloc[0]
    known = result.by_group["engager"].auroc
    assert isinstance(known, Estimate)
    assert (row["value"], row["low"], row["high"]) == (known.value, known.low, known.high)
    assert (row["n"], row["not_estimable"]) == (700, "")
    none = frame[(frame["group"] == "never") & (frame["figure"] == "calibration_slope")].iloc[0]
    assert np.isnan(none["value"])
    assert none["not_estimable"] == "no patient had the event"
    assert (frame["figure"] == "auroc_within_groups").sum() == 1


def test_it_shows_itself_shortly(result: Evaluation) -> None:
    assert len(repr(result)) < 2000
    assert "Research use; held-out patients of a synthetic cohort" in result.summary()
    assert "engager: 700 patients" in result.summary()
    shown = result._repr_html_()
    assert "auroc_within_groups" in shown
    assert "engager (n = 700)" in shown
    assert "Research use; held-out patients of a synthetic cohort" in shown
    many = evaluate(OUTCOME, RISK, groups=np.arange(N) % 30, n_resamples=2)
    assert len(repr(many)) < 2000


def test_it_survives_pickle_and_copying(result: Evaluation) -> None:
    for again in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):
        assert again.to_dict() == result.to_dict()


def test_plots_draw_the_group_that_was_asked_for(result: Evaluation) -> None:
    curve = result.by_group["engager"].calibration.curve
    assert isinstance(curve, CalibrationCurve)
    axes = result.plot_calibration(group="engager")
    drawn = [line.get_xydata() for line in axes.get_lines()]
    wanted = np.column_stack([curve.risk, curve.observed])
    assert any(len(line) == len(wanted) and np.allclose(line, wanted) for line in drawn)
    assert result.plot_calibration(ax=axes) is axes
    assert result.plot_decision_curve().get_lines()
    assert result.plot_risk_distribution(group="car_t").get_yticks().size
    with pytest.raises(InputError, match="one of car_t, engager, never"):
        result.plot_calibration(group="other")


def test_same_seed_same_bytes_and_no_order_of_groups() -> None:
    rows = PRODUCT == "engager"
    alone = evaluate(OUTCOME[rows], RISK[rows], groups=PRODUCT[rows], seed=1, n_resamples=20)
    together = evaluate(OUTCOME, RISK, groups=PRODUCT, seed=1, n_resamples=20)
    assert to_plain(alone.by_group["engager"]) == to_plain(together.by_group["engager"])
    assert together.benchmark is None


def test_without_groups_there_is_one_group() -> None:
    alone = evaluate(pd.Series(OUTCOME), pd.Series(RISK), n_resamples=5)
    assert alone.by_group == {}
    assert alone.auroc_within_groups == NotEstimable("no groups were given")


def test_extreme_risks_are_clipped_in_sight() -> None:
    risk = RISK.copy()
    risk[:7] = 0.0
    evaluation = evaluate(OUTCOME, risk, groups=pd.Series(PRODUCT), n_resamples=10)
    assert evaluation.pooled.n_risks_clipped == 7
    assert evaluation.by_group["car_t"].n_risks_clipped == 0


def test_refusals() -> None:
    with pytest.raises(InputError, match="groups"):
        evaluate(OUTCOME, RISK, groups=PRODUCT[:-1])
    with pytest.raises(InputError, match="1 patients without a group"):
        evaluate(OUTCOME, RISK, groups=[None, *PRODUCT[1:]])
    with pytest.raises(InputError, match="0 events"):
        evaluate(np.zeros(N), RISK, groups=PRODUCT)
    with pytest.raises(InputError, match=r"predict_proba\(X\)\[:, 1\]"):
        evaluate(OUTCOME, np.column_stack([1 - RISK, RISK]))
    with pytest.raises(ValueError, match="inf"):
        to_plain({"auroc": float("inf")})
