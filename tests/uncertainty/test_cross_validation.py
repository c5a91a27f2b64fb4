"""Cross-validation over products: forecasts and counts are made up, so that it is known which part
of the mixture ought to win, and what every vote comes to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from crsrisk.data.cross_validation import METRICS, CrossValidatedRate, Interval, Metric
from crsrisk.data.evidence_use import GROUPS, ScoredFigure
from crsrisk.data.product import Product
from crsrisk.data.world_files import load_product
from crsrisk.uncertainty.cross_validation import (
    MIXTURES,
    PARTS,
    ForecastRate,
    cross_validated,
    summarise,
)
from tests.data.made_cross_validations import make_rate

Values = NDArray[np.float64]
Weights = Mapping[Metric, Mapping[str, float]]
ANY, GRADE_2, GRADE_3 = METRICS
TRIAL_SD, SEED = 0.4, 3
# product -> its made-up rate of any grade; the files are read for their features alone
ENGAGERS = {"acapatamab": 0.8, "tarlatamab": 0.5, "tebentafusp": 0.3}
CELLS = {"afami_cel": 0.7, "gpc3_car_t": 0.4, "lete_cel": 0.2}
ALL = ENGAGERS | CELLS
SHARES = {ANY: 1.0, GRADE_2: 0.4, GRADE_3: 0.1}
N = 50


@cache
def _product(name: str) -> Product:
    return load_product(name)


def _rate(
    name: str,
    metric: Metric,
    share: float,
    rates: Values,
    *,
    trial: str = "",
    n: int = N,
) -> ForecastRate:
    """A made-up count near ``share``, and what the mechanism says of it."""
    product = _product(name)
    figure = ScoredFigure(
        metric=metric,
        group=GROUPS[product.platform],
        product=name,
        trial=trial or f"of_{name}",
        ids=(f"{name}{trial}-{metric}",),
        events=round(share * n),
        n=n,
        verified=True,
    )
    return ForecastRate(figure, product, None, rates, 0.1, 0.9)


def _right(share: float) -> Values:
    """Certain, and right."""
    return np.full(400, round(share * N) / N)


def _vague() -> Values:
    """Any rate at all."""
    return np.linspace(0.01, 0.99, 400)


def _forecasts(
    mechanism: Mapping[str, Values] | None = None, *, names: Sequence[str] = tuple(ALL)
) -> list[ForecastRate]:
    """All three rates of these products; the mechanism certain and right where none is given."""
    given = {} if mechanism is None else mechanism
    return [
        _rate(name, metric, ALL[name] * share, given.get(name, _right(ALL[name] * share)))
        for name in names
        for metric, share in SHARES.items()
    ]


def _judged(
    forecasts: Sequence[ForecastRate], *, seed: int = SEED
) -> tuple[dict[str, CrossValidatedRate], Weights]:
    """Rows by id, and the weights that ship."""
    rows, weights = cross_validated(forecasts, trial_sd=TRIAL_SD, seed=seed)
    return {row.id: row for row in rows}, weights


@pytest.fixture(scope="module")
def vague() -> tuple[dict[str, CrossValidatedRate], Weights]:
    """Six products of whose rates the mechanism knows nothing."""
    return _judged(_forecasts({name: _vague() for name in ALL}))


@pytest.fixture(scope="module")
def right() -> tuple[dict[str, CrossValidatedRate], Weights]:
    """Six products whose rates the mechanism knows."""
    return _judged(_forecasts())


# What wins.


def test_a_forecast_that_is_certain_and_right_is_the_forecast(
    right: tuple[dict[str, CrossValidatedRate], Weights],
) -> None:
    """It has all the weight for each rate, and a better score than every rival in every row."""
    rows, weights = right
    assert len(rows) == len(ALL) * len(METRICS)
    for metric in METRICS:
        assert weights[metric] == {"mechanism": 1.0, "regression": 0.0, "class_distribution": 0.0}
    for row in rows.values():
        assert row.median == row.published == row.events / row.n
        assert row.is_inside_50
        assert row.log_density == pytest.approx(binom.logpmf(row.events, row.n, row.published))
        below = binom.cdf(row.events - 1, row.n, row.published)
        assert below <= row.pit <= binom.cdf(row.events, row.n, row.published)
        for name in ("class_distribution", "regression"):
            rival = row.rivals[name]
            assert rival.log_density is not None
            assert row.log_density is not None
            assert row.log_density > rival.log_density
            assert row.crps < rival.crps
    made = summarise(list(rows.values()), weights, seed=SEED)
    for score in made.metrics.values():
        for skill in (score.skill_against_class, score.skill_against_regression):
            assert skill.low is not None
            assert skill.low > 0.0
    assert made.mae_any_engagers == made.mae_any_cells == 0.0
    assert made.inside_95_all.value == 1.0


def test_a_forecast_that_is_certain_and_wrong_is_left_out() -> None:
    """It gives what was seen no probability; alone it has no log density, the mixture has one."""
    rows, weights = _judged(_forecasts({name: np.full(400, 0.999) for name in ALL}))
    assert weights[ANY]["mechanism"] <= 0.1  # a few draws at an end may widen the others
    assert weights[GRADE_2]["mechanism"] == weights[GRADE_3]["mechanism"] == 0.0
    for metric in METRICS:
        assert sum(weights[metric].values()) == pytest.approx(1.0)
    for row in rows.values():
        mechanism = row.rivals["mechanism"]
        assert mechanism.median == 0.999
        assert row.metric == ANY or mechanism.crps > row.crps
        assert row.log_density is not None
    nothing = _judged(_forecasts({name: np.zeros(400) for name in ALL}))[0]
    assert all(row.rivals["mechanism"].log_density is None for row in nothing.values())


def test_weights_are_tenths_that_add_up_to_one() -> None:
    assert len(MIXTURES) == 66
    assert len(np.unique(MIXTURES, axis=0)) == 66
    assert pytest.approx(np.ones(66)) == MIXTURES.sum(axis=1)
    assert pytest.approx(np.rint(10.0 * MIXTURES)) == 10.0 * MIXTURES
    assert MIXTURES.shape[1] == len(PARTS)


# The choice is made without the product.


@pytest.mark.parametrize("metric", [ANY, GRADE_2])
def test_a_product_is_forecast_by_the_mixture_that_the_others_choose(metric: Metric) -> None:
    """The mechanism is somewhat better than its rivals for five products, and badly wrong for the
    sixth. With the sixth it does not ship alone; without it, it would, and so the sixth is forecast
    by the mechanism alone, whatever that costs, and each of the five by a mixture that holds less
    of it.
    """
    wrong, rng = "afami_cel", np.random.default_rng(1)
    shares = {name: rate * (1.0 if metric == ANY else 0.6) for name, rate in ALL.items()}
    near = {
        name: rng.beta(12.0 * share, 12.0 * (1.0 - share), 400) for name, share in shares.items()
    }
    near[wrong] = rng.beta(1.0, 400.0, 400)
    forecasts = [_rate(name, metric, share, near[name]) for name, share in shares.items()]
    others = [
        _rate(name, other, 0.1, _right(0.1)) for name in ALL for other in METRICS if other != metric
    ]
    rows, weights = _judged([*forecasts, *others])
    assert weights[metric]["mechanism"] < 0.8
    row = rows[f"{wrong}-{metric}"]
    assert row.crps == pytest.approx(row.rivals["mechanism"].crps)
    assert row.median == pytest.approx(row.rivals["mechanism"].median, rel=0.01)
    assert row.crps > 2.0 * row.rivals["class_distribution"].crps
    mixed = [
        rows[f"{name}-{metric}"].log_density
        != rows[f"{name}-{metric}"].rivals["mechanism"].log_density
        for name in ALL
        if name != wrong
    ]
    assert all(mixed)


def test_its_own_count_moves_no_forecast_of_a_product(
    vague: tuple[dict[str, CrossValidatedRate], Weights],
) -> None:
    """With other counts of one product all parts forecast the same of it; the rivals' forecasts of
    other products of its class change.
    """
    changed = [
        replace(each, figure=replace(each.figure, events=N - each.figure.events))
        if each.figure.product == "acapatamab"
        else each
        for each in _forecasts({name: _vague() for name in ALL})
    ]
    rows, before = _judged(changed)[0], vague[0]
    for name in ENGAGERS:
        for metric in METRICS:
            one, other = (
                {part: scores.median for part, scores in of[f"{name}-{metric}"].rivals.items()}
                for of in (rows, before)
            )
            if name == "acapatamab":
                assert one == other
            else:
                assert one["mechanism"] == other["mechanism"]
                assert all(one[part] != other[part] for part in one if part != "mechanism")


# Random numbers.


def test_a_product_more_moves_no_draw_of_the_others(
    vague: tuple[dict[str, CrossValidatedRate], Weights],
) -> None:
    """Every rate has random numbers of its own: the draws of the mechanism are the same to the last
    bit. So are all draws of another rate, whose forecasts and counts stay.
    """
    rows = vague[0]
    fewer = [name for name in ALL if name != "lete_cel"]
    without = _judged(_forecasts({name: _vague() for name in ALL}, names=fewer))[0]
    assert set(rows) - set(without) == {f"lete_cel-{metric}" for metric in METRICS}
    for name, row in without.items():
        one, other = row.rivals["mechanism"], rows[name].rivals["mechanism"]
        assert (one.median, one.log_density) == pytest.approx((other.median, other.log_density))
    one_more = _rate("tarlatamab", GRADE_3, 0.1, _vague(), trial="another")
    more = _judged([one_more, *_forecasts({name: _vague() for name in ALL})])[0]
    for name, row in rows.items():
        assert row.metric == GRADE_3 or more[name] == row


def test_the_same_seed_gives_the_same_rows(
    vague: tuple[dict[str, CrossValidatedRate], Weights],
) -> None:
    """Whatever their order; another seed gives every count another place in its forecast."""
    forecasts = _forecasts({name: _vague() for name in ALL})
    again, other = (_judged(forecasts[::-1], seed=seed)[0] for seed in (SEED, SEED + 1))
    assert again == vague[0]
    assert all(other[name].pit != row.pit for name, row in again.items())


# Classes without rivals.


def test_others_are_reported_and_not_judged(
    vague: tuple[dict[str, CrossValidatedRate], Weights],
) -> None:
    """Checkpoint inhibitors and TIL: rows with the mechanism alone; weights, all other rows and all
    scores are as without them.
    """
    more = [
        _rate("checkpoint_inhibitor", ANY, 0.02, np.linspace(0.005, 0.05, 400)),
        _rate("til_il2", GRADE_3, 0.04, np.linspace(0.005, 0.2, 400)),
    ]
    rows, weights = _judged([*more, *_forecasts({name: _vague() for name in ALL})])
    assert weights == vague[1]
    reported = [row for row in rows.values() if not row.is_scored]
    assert {row.product for row in reported} == {"checkpoint_inhibitor", "til_il2"}
    for row in reported:
        assert set(row.rivals) == {"mechanism"}
        assert row.group == "others"
        assert row.crps == pytest.approx(row.rivals["mechanism"].crps)
        assert row.log_density == pytest.approx(row.rivals["mechanism"].log_density)
        assert row.is_inside_95
    judged = {name: row for name, row in rows.items() if row.is_scored}
    assert judged == vague[0]
    assert summarise(list(rows.values()), weights, seed=1) == summarise(
        list(judged.values()), weights, seed=1
    )


# Rows.


def test_a_row_holds_what_was_published_and_intervals_in_order(
    vague: tuple[dict[str, CrossValidatedRate], Weights],
) -> None:
    for name, rate in ALL.items():
        for metric, share in SHARES.items():
            row = vague[0][f"{name}-{metric}"]
            assert (row.product, row.metric, row.trial) == (name, metric, f"of_{name}")
            assert (row.events, row.n, row.weight) == (round(rate * share * N), N, 1.0)
            assert (row.label, row.platform) == (_product(name).label, _product(name).platform)
            assert (row.low_reading, row.high_reading) == (0.1, 0.9)
            ends = [row.low_95, row.low_50, row.high_50, row.high_95]
            assert ends == sorted(ends)
            assert row.low_50 <= row.median <= row.high_50
            assert np.rint(np.array(ends) * N) / N == pytest.approx(ends)  # shares of 50 patients
            assert 0.0 < row.pit < 1.0
            assert set(row.rivals) == {*PARTS, "class_mean"}


def test_a_mixture_scores_between_its_parts_or_better(
    vague: tuple[dict[str, CrossValidatedRate], Weights],
) -> None:
    """The CRPS of a mixture is no worse than the mean of its parts', and the density is that mean;
    so neither is worse than the worst part, and the density no better than the best.
    """
    for row in vague[0].values():
        crps = [row.rivals[name].crps for name in PARTS]
        assert row.crps <= max(crps) + 1e-12
        densities = [row.rivals[name].log_density for name in PARTS]
        known = [density for density in densities if density is not None]
        assert row.log_density is not None
        assert min(known) - 1e-12 <= row.log_density <= max(known) + 1e-12


def test_two_rates_of_a_product_have_half_a_vote_each() -> None:
    """In rows and in summaries."""
    another = _rate("tarlatamab", ANY, 0.5, _vague(), trial="another")
    rows, weights = _judged([*_forecasts({name: _vague() for name in ALL}), another])
    halves = [row for row in rows.values() if row.product == "tarlatamab" and row.metric == ANY]
    assert [row.weight for row in halves] == [0.5, 0.5]
    assert halves[0].pit != halves[1].pit  # equal counts and forecasts, numbers of their own
    assert len({row.rivals["mechanism"].median for row in halves}) == 2
    assert all(row.weight == 1.0 for row in rows.values() if row not in halves)
    made = summarise(list(rows.values()), weights, seed=1)
    assert (made.metrics[ANY].n_products, made.metrics[ANY].n_rates) == (6, 7)


def test_a_product_has_one_vote_in_the_choice_however_many_rates_it_has() -> None:
    """The mechanism is off for a product with five rates: with a vote each they would take weight
    from it; together they take as much as one rate.
    """
    wrong, rng = "afami_cel", np.random.default_rng(1)
    near = {name: rng.beta(12.0 * rate, 12.0 * (1.0 - rate), 400) for name, rate in ALL.items()}
    near[wrong] = rng.beta(8.0, 24.0, 400)
    forecasts = [_rate(name, ANY, rate, near[name]) for name, rate in ALL.items()]
    rest = [each for each in _forecasts() if each.figure.metric != ANY]
    copies = [_rate(wrong, ANY, ALL[wrong], near[wrong], trial=f"copy{k}", n=N) for k in range(4)]
    once, many = (_judged([*forecasts, *more, *rest])[1][ANY]["mechanism"] for more in ([], copies))
    assert once >= 0.3
    assert many == pytest.approx(once, abs=0.11)


# Summary, of made-up rows.


def _weights() -> Weights:
    return {metric: dict.fromkeys(PARTS, 1.0 / 3.0) for metric in METRICS}


def _rows(**changes: Any) -> list[CrossValidatedRate]:
    return [
        make_rate(f"made_up_{letter}", metric, **changes)
        for letter in "abcde"
        for metric in METRICS
    ]


def test_scores_of_a_summary_are_means_over_products() -> None:
    """By hand: product a has two rates of any grade, 0.2 and 0.0 off, and b and c one each, 0.3 and
    0.1 off; the mean over products is (0.1 + 0.3 + 0.1) / 3, over rates it would be 0.15.
    """
    rates = [
        make_rate("made_up_a", published=0.5, median=0.7, weight=0.5, crps=0.2),
        make_rate("made_up_a", published=0.5, median=0.5, weight=0.5, crps=0.0, id="again"),
        make_rate("made_up_b", published=0.5, median=0.2, crps=0.3),
        make_rate("made_up_c", published=0.5, median=0.6, crps=0.1),
        make_rate("made_up_d", published=0.4, median=0.5, crps=0.1),
        make_rate("made_up_e", published=0.4, median=0.4, crps=0.0),
    ]
    rows = [row for row in _rows() if row.metric != ANY] + rates
    made = summarise(rows, _weights(), seed=1)
    assert made.mae_any_engagers == pytest.approx(0.5 / 3.0)
    assert made.mae_any_cells == pytest.approx(0.05)
    score = made.metrics[ANY]
    assert (score.n_products, score.n_rates) == (5, 6)
    assert score.mae.value == pytest.approx((0.5 + 0.1) / 5.0)
    assert score.crps.value == pytest.approx((0.1 + 0.3 + 0.1 + 0.1 + 0.0) / 5.0)
    assert score.weights == dict.fromkeys(PARTS, 1.0 / 3.0)
    class_crps = np.average(
        [row.rivals["class_distribution"].crps for row in rates],
        weights=[row.weight for row in rates],
    )
    assert score.skill_against_class.value == pytest.approx(1.0 - 0.12 / class_crps)


def _intervals(tree: Any) -> list[Interval]:
    """All intervals of a summary."""
    if isinstance(tree, Interval):
        return [tree]
    if isinstance(tree, dict):
        return [one for part in tree.values() for one in _intervals(part)]
    if hasattr(type(tree), "model_fields"):
        return [one for name in type(tree).model_fields for one in _intervals(getattr(tree, name))]
    return []


def test_intervals_hold_their_figures(
    vague: tuple[dict[str, CrossValidatedRate], Weights],
) -> None:
    """All but the rank correlation, which few products often do not give."""
    made = summarise(list(vague[0].values()), vague[1], seed=1)
    found = [one for one in _intervals(made) if one is not made.rank_correlation_any]
    assert len(found) == 7 * len(METRICS) + 1
    for interval in found:
        assert interval.value is not None
        assert interval.low is not None
        assert interval.high is not None
        assert interval.low <= interval.value <= interval.high
    assert any(interval.low < interval.high for interval in found if interval.low and interval.high)


def test_a_rate_without_density_leaves_none_to_the_mean() -> None:
    rows = _rows()
    rows[0] = rows[0].model_copy(update={"log_density": None})
    made = summarise(rows, _weights(), seed=1).metrics
    assert made[ANY].log_density is None
    assert made[GRADE_2].log_density == pytest.approx(-2.8)
    assert made[ANY].log_density_class == pytest.approx(-3.1)


def test_ranks_are_taken_within_classes() -> None:
    """Perfect order within each class, and all of one class below the other in truth but above it
    in the forecasts: 1 within classes. Where a class has one product, that class says nothing.
    """
    truth = {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.7, "e": 0.8}
    shift = {"a": 0.6, "b": 0.6, "c": 0.6, "d": -0.6, "e": -0.6}
    ordered = [
        make_rate(
            f"made_up_{letter}", published=truth[letter], median=truth[letter] + shift[letter]
        )
        for letter in truth
    ]
    rest = [row for row in _rows() if row.metric != ANY]
    made = summarise([*ordered, *rest], _weights(), seed=1)
    assert made.rank_correlation_any.value == pytest.approx(1.0)
    assert made.rank_correlation_any_engagers == pytest.approx(1.0)
    turned = [row.model_copy(update={"median": 1.0 - row.median}) for row in ordered[:3]]
    made = summarise([*turned, *ordered[3:], *rest], _weights(), seed=1)
    assert made.rank_correlation_any_engagers == pytest.approx(-1.0)
    assert made.rank_correlation_any_cells == pytest.approx(1.0)
    assert made.rank_correlation_any.value == pytest.approx((-3.0 + 2.0) / 5.0)
