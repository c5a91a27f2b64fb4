"""Decision curves: R's dcurves, the arithmetic of counts, closed forms for exact risks, bounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from crsrisk.errors import InputError
from crsrisk.evaluation.decision_curve import NetBenefitCurve, net_benefit, net_benefit_curve
from crsrisk.evaluation.metrics import auroc
from crsrisk.results import Estimate, NotEstimable
from tests.shared_data import shared_path

KNOWN = yaml.safe_load((Path(__file__).parents[1] / "known" / "statistics.yaml").read_text())


def curve_of(
    outcome: np.ndarray, risk: np.ndarray, thresholds: list[float], *, n_resamples: int = 20
) -> NetBenefitCurve:
    curve = net_benefit_curve(
        outcome, risk=risk, thresholds=thresholds, seed=1, n_resamples=n_resamples
    )
    assert isinstance(curve, NetBenefitCurve)
    return curve


@pytest.mark.parametrize("row", KNOWN["net_benefit"]["rows"], ids=lambda row: row["id"])
def test_known_counts(row: dict[str, float]) -> None:
    """Patients rebuilt from the four counts; risk just at the threshold counts as treated."""
    n, n_events = int(row["n"]), int(row["n_events"])
    outcome = np.arange(n) < n_events
    is_treated = np.zeros(n, dtype=bool)
    is_treated[: int(row["n_true_positive"])] = True
    is_treated[n_events : n_events + int(row["n_false_positive"])] = True
    curve = curve_of(outcome, np.where(is_treated, row["threshold"], 0.01), [row["threshold"]])
    assert curve.model.value[0] == pytest.approx(row["net_benefit"], abs=1e-7)
    assert curve.treat_all.value[0] == pytest.approx(row["treat_all"], abs=1e-7)
    assert curve.interventions_avoided_per_100.value[0] == pytest.approx(
        row["avoided_per_100"], abs=1e-4
    )
    assert (curve.n_true_positive[0], curve.n_false_positive[0]) == (
        row["n_true_positive"],
        row["n_false_positive"],
    )
    by_counts = net_benefit(
        n=n,
        n_true_positive=int(row["n_true_positive"]),
        n_false_positive=int(row["n_false_positive"]),
        threshold=row["threshold"],
    )
    assert by_counts == pytest.approx(row["net_benefit"], abs=1e-7)


@pytest.mark.parametrize(
    ("variable", "file"),
    [("famhistory", "r_case1_results.csv"), ("age", "r_simple_binary_dca_result_df.csv")],
)
def test_r_dcurves(variable: str, file: str) -> None:
    """R's dcurves over 99 thresholds; age becomes a risk by an unpenalised logistic regression, as
    there.
    """
    table = pd.read_csv(shared_path("data", "decision_curves", "df_binary.csv"))
    expected = pd.read_csv(shared_path("data", "decision_curves", file)).query("threshold > 0")
    risk = table[variable].to_numpy(dtype=float)
    if variable == "age":
        centred = ((risk - risk.mean()) / risk.std())[:, None]
        fit = LogisticRegression(C=np.inf, tol=1e-10).fit(centred, table["cancer"])
        risk = expit(centred[:, 0] * fit.coef_[0, 0] + fit.intercept_[0])
    thresholds = expected.query("variable == 'all'")["threshold"].tolist()
    curve = curve_of(table["cancer"].to_numpy(), risk, thresholds)
    rows = {name: group["net_benefit"].to_numpy() for name, group in expected.groupby("variable")}
    assert len(thresholds) == 99
    assert curve.model.value == pytest.approx(rows[variable], abs=1e-9)
    assert curve.treat_all.value == pytest.approx(rows["all"], abs=1e-9)
    assert (curve.treat_none == rows["none"]).all()
    if "net_intervention_avoided" in expected:
        avoided = expected.query("variable == @variable")["net_intervention_avoided"].to_numpy()
        assert curve.interventions_avoided_per_100.value == pytest.approx(100 * avoided, abs=1e-9)


@pytest.mark.parametrize(
    "row", KNOWN["beta_risks"]["rows"], ids=lambda row: f"beta-{row['a']}-{row['b']}"
)
def test_exact_risks_reach_the_closed_form(row: dict[str, float]) -> None:
    """200,000 patients, four standard errors: a wrong alarm in fewer than 1 of 3,000 tests; seed
    fixed.
    """
    rng = np.random.default_rng(8)
    risk = rng.beta(row["a"], row["b"], 200_000)
    outcome = rng.random(risk.size) < risk
    expected = dict(row["net_benefit"])
    curve = curve_of(outcome, risk, list(expected), n_resamples=2)
    for place, (threshold, value) in enumerate(expected.items()):
        gain = np.where(risk >= threshold, np.where(outcome, 1, -threshold / (1 - threshold)), 0)
        assert curve.model.value[place] == pytest.approx(value, abs=4 * gain.std() / risk.size**0.5)
    area = auroc(outcome, risk=risk)
    assert isinstance(area, Estimate)
    assert area.value == pytest.approx(row["auroc"], abs=4 / 1.96 * (area.high - area.value))


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), threshold=st.floats(0.01, 0.99))
def test_bounds(seed: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    outcome = np.arange(300) < 120
    curve = curve_of(outcome, rng.random(300), [threshold], n_resamples=5)
    odds = threshold / (1 - threshold)
    assert -0.6 * odds - 1e-12 <= curve.model.value[0] <= 0.4
    assert curve.treat_none[0] == 0
    assert curve.treat_all.value[0] == pytest.approx(0.4 - 0.6 * odds, abs=1e-12)
    perfect = curve_of(outcome, outcome.astype(float), [threshold], n_resamples=5)
    assert perfect.model.value[0] == pytest.approx(0.4, abs=1e-12)
    nobody, everybody = (
        curve_of(outcome, np.full(300, r), [threshold], n_resamples=5) for r in (0.0, 1.0)
    )
    assert nobody.model.value[0] == 0
    assert everybody.model == everybody.treat_all
    assert everybody.model_minus_treat_all.high[0] == 0


def test_band_is_the_bootstrap_of_a_mean() -> None:
    """Net benefit is a mean over patients, so the band is about +- 1.96 standard errors wide."""
    rng = np.random.default_rng(2)
    risk = rng.beta(2, 5, 2000)
    outcome = rng.random(2000) < risk
    curve = curve_of(outcome, risk, [0.2, 0.4], n_resamples=2000)
    for place, threshold in enumerate((0.2, 0.4)):
        gain = np.where(risk >= threshold, np.where(outcome, 1, -threshold / (1 - threshold)), 0)
        half = (curve.model.high[place] - curve.model.low[place]) / 2
        assert half == pytest.approx(1.96 * gain.std() / 2000**0.5, rel=0.1)
    assert (curve.model_minus_treat_all.value == curve.model.value - curve.treat_all.value).all()


def test_fewer_than_100_events_are_not_estimable() -> None:
    risk = np.linspace(0.01, 0.9, 1000)
    few = net_benefit_curve(np.arange(1000) < 99, risk=risk, thresholds=[0.2], seed=1)
    assert isinstance(few, NotEstimable)
    assert few.reason == "99 events; net benefit needs at least 100"
    assert isinstance(
        net_benefit_curve(np.arange(1000) < 100, risk=risk, thresholds=[0.2], seed=1),
        NetBenefitCurve,
    )


@pytest.mark.parametrize("thresholds", [[], [0.0, 0.2], [0.2, 1.0], [float("nan")], [[0.2]]])
def test_thresholds_of_0_and_1_are_refused(thresholds: list[float]) -> None:
    with pytest.raises(InputError, match="thresholds"):
        net_benefit_curve(
            np.arange(300) < 150, risk=np.full(300, 0.5), thresholds=thresholds, seed=1
        )
