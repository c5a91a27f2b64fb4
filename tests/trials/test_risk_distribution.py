"""A formula and the patients drawn from it describe the same population."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from crsrisk.errors import InputError
from crsrisk.evaluation.metrics import auroc
from crsrisk.results import Estimate
from crsrisk.trials.risk_distribution import BetaRisk, PatientRisks, risk_spread

SHAPE = st.floats(0.5, 20)
RISKS = st.lists(st.floats(0, 1), min_size=1, max_size=30).filter(lambda r: 0 < np.mean(r) < 1)


@given(a=SHAPE, b=SHAPE, t=st.floats(0, 1))
def test_the_formula_is_an_integral(a: float, b: float, t: float) -> None:
    """Mean of risk above t = t S(t) + integral of the survival function S from t to 1, by 200
    Gauss-Legendre nodes.
    """
    spread = BetaRisk(a, b)
    node, weight = np.polynomial.legendre.leggauss(200)
    beyond = beta.sf(t + (1 - t) * (node + 1) / 2, a, b)
    assert spread.share_above(t) == pytest.approx(beta.sf(t, a, b), abs=1e-9)
    assert spread.event_share_above(t) == pytest.approx(
        t * beta.sf(t, a, b) + weight @ beyond * (1 - t) / 2, abs=1e-5
    )


@pytest.mark.parametrize("shape", [(2, 6), (2, 8), (0.7, 3), (1, 1)])
def test_patients_at_the_quantiles_are_the_formula(shape: tuple[float, float]) -> None:
    n = 20_000
    patients = risk_spread(beta.ppf((np.arange(n) + 0.5) / n, *shape))
    formula = BetaRisk(*shape)
    assert patients.mean == pytest.approx(formula.mean, abs=1e-4)
    assert patients.auc == pytest.approx(formula.auc, abs=1e-4)
    for t in (0.0, 0.1, 0.3, 0.6):
        assert patients.share_above(t) == pytest.approx(formula.share_above(t), abs=2 / n)
        assert patients.event_share_above(t) == pytest.approx(
            formula.event_share_above(t), abs=1e-4
        )
    for fraction in (0.05, 0.3, 1.0):
        assert patients.top(fraction).event_share == pytest.approx(
            formula.top(fraction).event_share, abs=1e-4
        )
        assert patients.top(fraction).threshold == pytest.approx(
            formula.top(fraction).threshold, abs=0.01
        )


@given(risks=RISKS, t=st.floats(0, 1))
def test_patients_are_counted(risks: list[float], t: float) -> None:
    patients = risk_spread(risks)
    selected = [r for r in risks if r >= t]
    assert patients.share_above(t) == pytest.approx(len(selected) / len(risks))
    assert patients.event_share_above(t) == pytest.approx(sum(selected) / len(risks), abs=1e-12)
    assert patients.share_above(max(risks)) > 0, "a risk at the threshold counts as above"


@given(risks=RISKS, fraction=st.floats(0.01, 1))
def test_the_top_holds_the_largest_risks(risks: list[float], fraction: float) -> None:
    top = risk_spread(risks).top(fraction)
    whole = int(fraction * len(risks) + 1e-9)
    falling = sorted(risks, reverse=True)
    expected = sum(falling[:whole]) + (fraction * len(risks) - whole) * (
        falling[whole] if whole < len(risks) else 0
    )
    assert top.event_share * len(risks) == pytest.approx(expected, abs=1e-6)
    assert top.threshold in risks


def test_the_area_is_that_of_outcomes_drawn_from_the_risks() -> None:
    """200,000 patients, four standard errors; seed fixed."""
    rng = np.random.default_rng(3)
    risks = np.round(rng.beta(2, 6, 200_000), 2)  # with ties
    found = auroc(rng.random(risks.size) < risks, risk=risks)
    assert isinstance(found, Estimate)
    assert risk_spread(risks).auc == pytest.approx(
        found.value, abs=4 * (found.high - found.value) / 1.96
    )


def test_text_is_read() -> None:
    assert risk_spread("Beta(2,6)") == risk_spread(" beta( 2.0 , 6 ) ") == BetaRisk(2, 6)
    assert risk_spread("uniform(0,1)") == BetaRisk(1, 1)
    assert isinstance(risk_spread(np.array([0.1, 0.2])), PatientRisks)
    spread = BetaRisk(2, 6)
    assert risk_spread(spread) is spread


@pytest.mark.parametrize(
    "wrong",
    [
        "Beta(2)",
        "Beta(0,6)",
        "Beta(2,-6)",
        "Beta(1.2.3,4)",
        "Gamma(2,6)",
        "",
        [],
        [0.2, 1.2],
        [0.2, float("nan")],
        [0.0, 0.0],
        [1.0],
        [[0.1, 0.2]],
        ["high"],
    ],
)
def test_what_is_no_spread_of_risk_is_refused(wrong: Any) -> None:
    with pytest.raises(InputError, match="Cure"):
        risk_spread(wrong)
