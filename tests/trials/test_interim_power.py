"""Conditional and predictive power: published figures, and the definitions by other routes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from crsrisk import trials
from crsrisk.errors import InputError
from crsrisk.trials.interim_power import conditional_power, predictive_power


@pytest.mark.parametrize(
    ("n_looks", "look", "east"), [(2, 0, 0.999147769623912), (3, 1, 0.969550518393642)]
)
def test_conditional_power_is_that_of_east(n_looks: int, look: int, east: float) -> None:
    """East 6.5 at the upper bound of Lan-DeMets OBF-like spending, under the trend seen: what
    gsDesign tests its gsCPz against (tests/testthat/test-independent-test-gsCPz.R), with the
    tolerance stated there.
    """
    bounds = trials.group_sequential_bounds(type="Lan-DeMets OBF-like spending", K=n_looks)
    found = conditional_power(
        float(bounds.z[look]), info=float(bounds.info[look]), final_z=float(bounds.z[-1])
    )
    assert found == pytest.approx(east, abs=1e-4)


@pytest.mark.parametrize("info", [0.2, 0.5, 0.9])
def test_averaged_over_what_is_possible_at_the_look_it_is_the_power_of_the_trial(
    info: float,
) -> None:
    """The mean over z ~ N(drift sqrt(t), 1) is the power that the trial began with."""
    drift = norm.isf(0.025) + norm.isf(0.2)
    mean, _ = quad(
        lambda z: conditional_power(z, info=info, drift=drift) * norm.pdf(z, drift * np.sqrt(info)),
        -10,
        15,
    )
    assert mean == pytest.approx(0.8, abs=1e-8)


@settings(max_examples=25, deadline=None)
@given(st.floats(-2, 4), st.floats(0.1, 0.9), st.floats(-1, 3), st.floats(0.3, 5))
def test_predictive_power_is_conditional_power_averaged_over_the_posterior(
    z: float, info: float, mean: float, sd: float
) -> None:
    """By quadrature of the definition, for a normal prior."""
    precision = 1 / sd**2 + info
    posterior = norm((mean / sd**2 + z * np.sqrt(info)) / precision, precision**-0.5)
    low, high = posterior.interval(1 - 1e-12)
    averaged, _ = quad(
        lambda drift: conditional_power(z, info=info, drift=drift) * posterior.pdf(drift),
        low,
        high,
        limit=200,
    )
    found = predictive_power(z, info=info, prior_drift=mean, prior_sd=sd)
    assert found == pytest.approx(averaged, abs=1e-7)


def test_a_flat_prior_is_a_very_wide_one_and_has_its_closed_form() -> None:
    """Phi((z - z_alpha sqrt(t)) / sqrt(1 - t)): Spiegelhalter et al. 1986."""
    flat = predictive_power(1.3, info=0.4)
    assert flat == pytest.approx(norm.cdf((1.3 - norm.isf(0.025) * 0.4**0.5) / 0.6**0.5))
    assert predictive_power(1.3, info=0.4, prior_drift=0.0, prior_sd=1e5) == pytest.approx(flat)


def test_nothing_seen_and_no_effect_is_less_than_the_level() -> None:
    assert conditional_power(0.0, info=0.5, drift="null") < 0.025
    assert conditional_power(9.0, info=0.5) == pytest.approx(1.0)


@pytest.mark.parametrize("info", [0.0, 1.0, 1.2, -0.1])
def test_a_share_that_is_none_is_refused(info: float) -> None:
    for power in (conditional_power, predictive_power):
        with pytest.raises(InputError, match="above 0 and below 1"):
            power(1.0, info=info)


def test_half_a_prior_and_other_words_are_refused() -> None:
    with pytest.raises(InputError, match="both, or neither"):
        predictive_power(1.0, info=0.5, prior_sd=1.0)
    with pytest.raises(InputError, match="trend"):
        conditional_power(1.0, info=0.5, drift="hope")
