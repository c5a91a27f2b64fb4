"""Likelihood: counts and times against what scipy says of the same distributions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import binom, norm

from crsrisk.belief.design import Target
from crsrisk.belief.likelihood import Observation, kind_of, log_likelihood, observations
from crsrisk.errors import InputError
from crsrisk.read.published import load_trials
from tests.simulate.people import world_of

_BY_ID = {figure.id: Target(figure, trial) for trial in load_trials() for figure in trial.rows}


def _count(events: float, n: float, between: float) -> Observation:
    return Observation(_BY_ID["E030"], events, n, float("nan"), float("nan"), between)


@pytest.mark.parametrize(("events", "n", "between", "center"), [
    (268, 473, 0.35, 0.2), (0, 37, 0.6, -3.0), (3, 3, 0.35, 1.0)])  # fmt: skip
def test_a_rate_is_binomial_around_a_logit_normal_rate(events: int, n: int, between: float, center: float) -> None:
    """Against adaptive integration (scipy.integrate.quad) of the binomial over the trial's own rate.

    Twenty-one nodes are within 2% of the probability of a large trial (n = 473), far less than any of it is known.
    """
    exact = quad(lambda z: binom.pmf(events, n, expit(center + between * z)) * norm.pdf(z), -9, 9, limit=200)[0]
    found = log_likelihood(np.array([[center]]), np.zeros((1, 1)), observed=[_count(events, n, between)])
    assert found[0] == pytest.approx(np.log(exact), abs=0.02)


def test_a_time_is_lognormal() -> None:
    one = Observation(_BY_ID["E046"], float("nan"), 268.0, np.log(16.0), 0.1, 0.3)
    found = log_likelihood(np.array([[np.log(14.0)]]), np.array([[0.2]]), observed=[one])
    sd = np.sqrt(0.1**2 + 0.3**2 + 0.2**2)
    assert found[0] == pytest.approx(norm.logpdf(np.log(16.0), np.log(14.0), sd))


def test_not_knowing_the_simulator_well_flattens() -> None:
    """With a large emulation error a far centre is believed more and a near one less."""
    centers = np.array([[0.27], [3.0]])
    sharp, flat = (log_likelihood(centers, np.full((1, 1), sd), observed=[_count(268, 473, 0.35)]) for sd in (0.0, 2.0))
    assert flat[0] < sharp[0]
    assert flat[1] > sharp[1]


def test_what_cannot_be_simulated_is_the_least_probable() -> None:
    found = log_likelihood(np.array([[0.2], [-2.0], [np.nan]]), np.zeros((1, 1)), observed=[_count(268, 473, 0.35)])
    assert found[2] == found[1] < found[0]


def test_recalled_figures_have_twice_the_spread() -> None:
    world = world_of()
    sure, recalled = observations([_BY_ID["E030"], _BY_ID["E091"]], world=world)
    assert recalled.between_sd == 2.0 * sure.between_sd == 2.0 * world.assumptions.value("evidence.between_trial_rate_sd")


def test_kinds() -> None:
    assert [kind_of(_BY_ID[name]) for name in ("E030", "E035", "E172", "E175", "E173")] == [
        "rate", "rate", "severe", "severe", "time"]


def test_no_trial_has_more_than_four_rows() -> None:
    five = [_BY_ID[name] for name in ("E030", "E031", "E032", "E033", "E035")]
    with pytest.raises(InputError, match="at most 4"):
        observations(five, world=world_of())
