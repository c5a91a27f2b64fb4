"""Forecast: shrinking sampling noise away, and forecasts over a small ensemble."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from crsrisk.data.ensemble import Ensemble
from crsrisk.data.evidence_files import load_trials
from crsrisk.errors import InputError
from crsrisk.uncertainty.constants import product_constants
from crsrisk.uncertainty.forecast import (
    FigureDraws,
    PredictiveInterval,
    forecast_draws,
    forecast_targets,
    member_values,
    shrink,
)
from crsrisk.uncertainty.observations import (
    Target,
    link,
    rate_chance,
)
from tests.simulation.people import product_of, world_of

_TARGETS = [
    Target(figure, trial)
    for trial in load_trials()
    if trial.name == "tarlatamab_label_2025"
    for figure in trial.rows
    if figure.id in ("E030", "E035", "E046")
]


CHANCE = [rate_chance(k / 160, n=160) for k in range(161)]


def _ensemble(gains: list[float]) -> Ensemble:
    return Ensemble(
        ("assumption:engagement.t_gain",),
        np.array(gains)[:, None],
        np.full(len(gains), 1 / len(gains)),
        "x",
    )


def test_what_is_left_after_shrinking_is_the_true_spread() -> None:
    """Truth SD 0.5 seen with noise SD 0.5, 20,000 members: the spread comes back within 3% (5
    standard errors).
    """
    rng = np.random.default_rng(3)
    true = rng.normal(1.0, 0.5, 20_000)
    weights = np.full(len(true), 1 / len(true))
    found = shrink(true + rng.normal(0.0, 0.5, len(true)), np.full(len(true), 0.25), weights)
    assert found.std() == pytest.approx(0.5, rel=0.03)
    assert found.mean() == pytest.approx(1.0, abs=0.03)


def test_noise_alone_leaves_nothing() -> None:
    values = np.random.default_rng(3).normal(0.0, 0.1, 50)
    found = shrink(values, np.full(50, 0.09), np.full(50, 0.02))
    assert found == pytest.approx(np.full(50, values.mean()))


@pytest.mark.parametrize(("rate", "n"), [(0.5, 100), (0.1, 60), (0.01, 160), (0.0, 160), (1.0, 7)])
def test_chance_of_a_rate_is_that_of_its_counts(rate: float, n: int) -> None:
    """200,000 counts at (events + 1/2) / (n + 1): the variance of their links within 2% (5 standard
    errors or more).
    """
    counts = np.random.default_rng(5).binomial(n, (rate * n + 0.5) / (n + 1.0), 200_000)
    assert rate_chance(rate, n=n) == pytest.approx(
        np.var(np.log((counts + 0.5) / (n - counts + 0.5))), rel=0.02
    )


def test_the_spread_of_rare_rates_survives() -> None:
    """256 members whose rates of about 1 in 150 spread by a factor of 2 (log SD 0.7), 160 patients
    each: half of it or more is found, and more than with the textbook variance. 500 ensembles; no
    more than 1 in 100 falls short (measured none).
    """
    rng, n, found, textbook = np.random.default_rng(6), 160, [], []
    weights = np.full(256, 1 / 256)
    for _ in range(500):
        shares = rng.binomial(n, expit(rng.normal(-5.0, 0.7, 256))) / n
        scores = np.array([link(share, is_rate=True, n=n) for share in shares])
        noise = np.array([CHANCE[round(share * n)] for share in shares])
        found.append(shrink(scores, noise, weights).std())
        chance = expit(scores)
        variance = 1.0 / (n * chance * (1.0 - chance) + 0.5)
        textbook.append(shrink(scores, variance, weights).std())
    assert np.mean(np.array(found) > 0.35) >= 0.99
    assert np.median(found) > 1.5 * np.median(textbook)


def test_constants_the_ensemble_does_not_hold_come_from_their_priors() -> None:
    product = product_of("tarlatamab")
    values = member_values(_ensemble([1.0, 2.0]), world=world_of(), products=[product])
    first, second = values(0), values(1)
    assert (first["assumption:engagement.t_gain"], second["assumption:engagement.t_gain"]) == (
        1.0,
        2.0,
    )
    own = product_constants(product)
    same = [one for one in own if first[one.key] == second[one.key]]
    assert all(first[one.key] in (one.low, one.high) for one in same)  # cut at an end of its range
    assert len(same) < len(own) / 4
    assert first[affinity := "product:tarlatamab.binding.tumour_affinity_nm"] != second[affinity]


@pytest.fixture(scope="module")
def made():  # type: ignore[no-untyped-def]
    choices = {
        "ensemble": _ensemble([1.0, 1.4, 1.8, 2.2]),
        "world": world_of(),
        "products": [product_of("tarlatamab")],
        "n": 192,
        "n_rare": 192,
        "seed": 4,
    }
    return (
        forecast_targets(_TARGETS, **choices),
        forecast_targets(_TARGETS, **choices, workers=2),
        forecast_targets(_TARGETS, **choices, at_trial_size=False),
    )


def test_intervals_hold_each_other(made) -> None:  # type: ignore[no-untyped-def]
    for with_chance, without in zip(made[0], made[2], strict=True):
        for one in (with_chance, without):
            assert one.predictive.low <= one.half.low <= one.predictive.value
            assert one.predictive.value <= one.half.high <= one.predictive.high
        assert with_chance.predictive.low <= without.assumptions.low + 1e-9
        assert with_chance.predictive.high >= without.assumptions.high - 1e-9
        assert with_chance.assumptions == without.assumptions
        assert with_chance.predictive.mc_error > 0


def test_workers_change_nothing(made) -> None:  # type: ignore[no-untyped-def]
    assert made[0] == made[1]


def test_an_ensemble_must_be_whole() -> None:
    with pytest.raises(InputError, match="one row a member"):
        Ensemble(("a", "b"), np.zeros((3, 1)), np.ones(3), "x")


# Draws.


CHOICES = {
    "world": world_of(),
    "products": [product_of("tarlatamab")],
    "n": 96,
    "n_rare": 96,
    "seed": 4,
}


@pytest.mark.parametrize(("alone", "is_hidden"), [((0.3, 0.3), True), ((0.2, 0.4), False)])
def test_what_chance_hides_has_no_interval(alone: tuple[float, float], is_hidden: bool) -> None:
    """Members that differ by chance alone are drawn together to one value: not certainty."""
    reported = np.linspace(0, 1, 200).reshape(2, 100)
    draws = FigureDraws(
        np.array(alone), reported, reported, np.array([0.5, 0.5]), np.array([0, 2]), 0.01
    )
    made = PredictiveInterval.of(draws)
    assert made.is_hidden_by_chance is is_hidden
    assert np.isnan(made.assumptions.low) == is_hidden
    assert made.predictive.has_interval


def test_intervals_are_quantiles_of_what_trials_would_report() -> None:
    reported = np.linspace(0, 1, 200).reshape(2, 100)
    draws = FigureDraws(
        np.array([0.2, 0.4]), reported, reported, np.array([0.5, 0.5]), np.array([0, 2]), 0.01
    )
    made = PredictiveInterval.of(draws)
    assert made.n_members == 2
    for value, q in (
        (made.predictive.low, 0.025),
        (made.half.low, 0.25),
        (made.predictive.value, 0.5),
        (made.half.high, 0.75),
        (made.predictive.high, 0.975),
    ):
        assert value == pytest.approx(np.quantile(reported, q), abs=0.006)
    assert (made.assumptions.low, made.assumptions.high) == (0.2, 0.4)


def test_draws_are_a_row_a_member_and_reports_are_counts_of_the_trial() -> None:
    ensemble = _ensemble([1.0, 1.6, 2.2])
    draws = forecast_draws(_TARGETS, ensemble=ensemble, **CHOICES)  # type: ignore[arg-type]
    intervals = forecast_targets(_TARGETS, ensemble=ensemble, **CHOICES)  # type: ignore[arg-type]
    assert [PredictiveInterval.of(one) for one in draws] == intervals
    for one, target in zip(draws, _TARGETS, strict=True):
        assert one.members.tolist() == [0, 1, 2]
        assert one.alone.shape == (3,)
        assert one.own.shape == one.reported.shape
        assert len(one.own) == 3
        if target.is_rate:
            counts = one.reported * float(target.figure.n_patients or 0)
            assert counts == pytest.approx(np.rint(counts), abs=1e-9)
            assert one.reported.mean(axis=1) == pytest.approx(one.alone, abs=0.1)


def test_what_was_published_changes_no_forecast() -> None:
    """Other values and events, other printed intervals: the same draws to the last bit."""
    other = [
        Target(
            target.figure.model_copy(
                update={
                    "value": target.figure.value / 4,
                    "events": None,
                    "low": None,
                    "high": None,
                    "interval_kind": None,
                }
            ),
            target.trial,
        )
        for target in _TARGETS
    ]
    assert any(not target.is_rate for target in other)
    choices = {"ensemble": _ensemble([1.0, 1.6]), **CHOICES}
    first, second = (
        forecast_draws(_not_whole(targets), **choices)  # type: ignore[arg-type]
        for targets in (_TARGETS, other)
    )
    for one, again in zip(first, second, strict=True):
        assert np.array_equal(one.reported, again.reported)
        assert np.array_equal(one.alone, again.alone)


def _not_whole(targets: list[Target]) -> list[Target]:
    """Times that were not printed as whole numbers."""
    return [
        target
        if target.is_rate
        else Target(
            target.figure.model_copy(update={"value": target.figure.value + 0.3}), target.trial
        )
        for target in targets
    ]


def test_a_time_that_is_printed_whole_is_reported_whole() -> None:
    [time] = [target for target in _TARGETS if not target.is_rate]
    assert time.figure.value == round(time.figure.value)
    choices = {"ensemble": _ensemble([1.0, 1.6]), **CHOICES}
    [whole] = forecast_draws([time], **choices)  # type: ignore[arg-type]
    [exact] = forecast_draws(_not_whole([time]), **choices)  # type: ignore[arg-type]
    assert np.array_equal(whole.reported, np.rint(exact.reported))


def test_a_smaller_trial_tells_a_median_time_less_well() -> None:
    [time] = [target for target in _TARGETS if not target.is_rate]
    figure = time.figure.model_copy(update={"n_patients": None, "value": 0.5})
    choices = {"ensemble": _ensemble([1.0, 1.6]), **CHOICES}
    spreads = []
    for size in (10, 400):
        trial = time.trial.model_copy(update={"n_patients": size})
        [draws] = forecast_draws([Target(figure, trial)], **choices)  # type: ignore[arg-type]
        spreads.append(np.log(draws.reported / draws.own).std())
    assert spreads[0] / spreads[1] == pytest.approx(np.sqrt(40), rel=0.15)
