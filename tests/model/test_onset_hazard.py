"""The hazard of onset against worlds whose answer is known."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pytest

from crsrisk.data.disclosure import FEWEST
from crsrisk.data.onset import DoseSchedule, OnsetIntervals
from crsrisk.model.booster_text import read_text
from crsrisk.model.forest import forest_of, raw_log_odds_by
from crsrisk.model.onset_hazard import OnsetHazard

ONCE = DoseSchedule(regimen="once", dose_h=(0.0,), window_h=504.0)
TWICE = DoseSchedule(regimen="twice", dose_h=(0.0, 168.0), window_h=504.0)
N = 1500


def geometric(rate: np.ndarray | float, *, seed: int, n: int = N) -> np.ndarray:
    """Onsets in whole hours, the same share of those left every hour."""
    return np.random.default_rng(seed).geometric(rate, n).astype(float)


def ones(n: int = N) -> np.ndarray:
    return np.ones(n)


@pytest.fixture(scope="module")
def two_groups() -> tuple[OnsetHazard, np.ndarray]:
    """Two groups, 30% and 8% an hour; a covariate that does nothing."""
    rng = np.random.default_rng(3)
    group = rng.random(N) < 0.5
    X = np.column_stack([group, ~group, rng.normal(size=N)]).astype(float)
    onset_h = geometric(np.where(group, 0.3, 0.08), seed=4)
    model = OnsetHazard(group_columns=[0, 1]).fit(X, onset_h, ones(), schedules=ONCE)
    return model, X


def test_geometric_onsets_are_recovered(two_groups: tuple[OnsetHazard, np.ndarray]) -> None:
    """Known answer: 1 - (1 - q)^t. At every hour within four standard errors of an
    empirical share of 750 onsets, sqrt(0.25 / 750) = 0.018; one fixed seed.
    """
    model, _ = two_groups
    hours = np.array([2.0, 6.0, 12.0, 24.0, 48.0, 72.0])
    rows = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    share = model.predict_cumulative_incidence(rows, hours, schedules=ONCE)
    for row, rate in zip(share, (0.3, 0.08), strict=True):
        assert np.abs(row - (1 - (1 - rate) ** hours)).max() < 4 * 0.018


def test_nothing_is_kept_of_a_covariate_that_does_nothing(
    two_groups: tuple[OnsetHazard, np.ndarray],
) -> None:
    model, _ = two_groups
    assert model.n_trees_ == 0
    assert model.gain_ <= model.gain_se_
    assert model.cv_log_loss_ == model.cv_log_loss_start_


def test_a_second_dose_starts_the_clock_again() -> None:
    """60% of onsets at 25% an hour after dose 1, the others after dose 2."""
    rng = np.random.default_rng(5)
    wait = np.minimum(geometric(0.25, seed=6), 160.0)
    onset_h = np.where(rng.random(N) < 0.6, wait, 168.0 + wait)
    model = OnsetHazard().fit(np.zeros((N, 1)), onset_h, ones(), schedules=TWICE)
    share = model.predict_cumulative_incidence(
        [[0.0]], [4.0, 168.0, 172.0, 504.0], schedules=TWICE
    )[0]
    by_4 = 1 - 0.75**4
    expected = [0.6 * by_4, 0.6, 0.6 + 0.4 * by_4, 1.0]
    # four standard errors of a share of 1500 are at most 0.052
    assert np.abs(share - expected).max() < 0.052


def test_a_covariate_that_brings_onset_forward_is_learnt_in_its_direction() -> None:
    """At every hour the hazard itself, exactly; so the curve, up to what is left at the end."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=N)
    onset_h = geometric(0.15 * np.exp(0.7 * np.clip(x, -2, 2)), seed=8)
    model = OnsetHazard(monotonic_cst=[1]).fit(x[:, None], onset_h, ones(), schedules=ONCE)
    assert model.n_trees_ > 0
    grid = np.linspace(-2.5, 2.5, 40)[:, None]
    for hour in (1.0, 6.0, 24.0):
        rows = np.column_stack([grid, np.full(40, hour), np.ones(40)])
        assert (np.diff(raw_log_odds_by(forest_of(model.booster_text_), rows)) >= 0).all()
    by_5 = model.predict_cumulative_incidence(grid, [5.0], schedules=ONCE)[:, 0]
    assert by_5[-1] - by_5[0] > 0.3
    against = OnsetHazard(monotonic_cst=[-1]).fit(x[:, None], onset_h, ones(), schedules=ONCE)
    assert against.n_trees_ == 0  # nothing to gain in the wrong direction


def test_the_curve_rises_and_ends_at_the_risk(two_groups: tuple[OnsetHazard, np.ndarray]) -> None:
    model, X = two_groups
    risk = np.linspace(0.0, 1.0, 50)
    curve = model.predict_cumulative_incidence(
        X[:50], [0.0, 1.0, 5.0, 24.0, 500.0, 504.0], schedules=ONCE, risk=risk
    )
    assert (curve[:, 0] == 0).all()
    assert (np.diff(curve, axis=1) >= 0).all()
    assert np.allclose(curve[:, -1], risk, rtol=0, atol=1e-12)


def test_same_seed_same_bytes() -> None:
    x = np.random.default_rng(9).normal(size=(300, 2))
    onset_h = geometric(0.2, seed=10, n=300)
    first, again = (
        OnsetHazard(random_state=3).fit(x, onset_h, ones(300), schedules=ONCE) for _ in range(2)
    )
    assert first.booster_text_ == again.booster_text_


def test_missing_values_are_learnt_or_filled() -> None:
    x = np.random.default_rng(11).normal(size=(300, 2))
    x[:100, 0] = np.nan  # often missing: the trees know it
    x[:3, 1] = np.nan  # hardly ever: the median stands in
    model = OnsetHazard().fit(x, geometric(0.2, seed=12, n=300), ones(300), schedules=ONCE)
    assert np.isnan(model.fill_values_[0])
    assert not np.isnan(model.fill_values_[1])
    rows = np.array([[0.0, np.nan], [0.0, model.fill_values_[1]]])
    shares = model.predict_cumulative_incidence(rows, [5.0], schedules=ONCE)
    assert shares[0] == shares[1]


@pytest.mark.parametrize(
    ("onset_h", "event", "message"),
    [
        ([5.0] * 10, [1] * 10, "20 are needed"),
        ([5.0] * 30, [1] * 29 + [0], "row 29: event 0 and onset_hours 5"),
        ([np.nan] + [5.0] * 29, [1] * 30, "row 0: event 1"),
        ([600.0] + [5.0] * 29, [1] * 30, "row 0: an onset at 600 h"),
        ([5.0] * 30, [2] * 30, "0 or 1"),
        ([5.0] * 29, [1] * 29, "30 rows"),
    ],
)
def test_what_does_not_fit_is_refused(onset_h: list[float], event: list[int], message: str) -> None:
    X = np.zeros((10 if len(onset_h) == 10 else 30, 1))
    with pytest.raises(ValueError, match=message):
        OnsetHazard().fit(X, onset_h, event, schedules=ONCE)


def test_leaves_hold_ten_patients_not_ten_intervals() -> None:
    """Six late patients of their own kind are at risk in hundreds of intervals, and no leaf is
    theirs; of a quantity that was measured in five nothing is learnt.
    """
    rng = np.random.default_rng(11)
    n, few = 300, 6
    apart = np.r_[np.full(few, 50.0), rng.normal(size=n - few)]
    measured = np.r_[np.full(few - 1, 9.0), np.full(n - few + 1, np.nan)]
    X = np.column_stack([apart, measured])
    onset_h = np.r_[np.full(few, 480.0), geometric(0.2, seed=12, n=n - few)]
    model = OnsetHazard(
        group_columns=[0], start_min_data_in_leaf=FEWEST, min_data_in_leaf=FEWEST
    ).fit(X, onset_h, ones(n), schedules=ONCE)
    trees = read_text(model.booster_text_).trees
    asked = [np.column_stack([tree.split_feature, tree.threshold]) for tree in trees]
    splits = np.concatenate(asked)
    assert splits.size
    assert not (splits[:, 0] == 1).any()
    assert not (splits[splits[:, 0] == 0, 1] > np.sort(apart)[-FEWEST]).any()
    intervals = OnsetIntervals.of(ONCE)
    last = intervals.number_of(onset_h) + 1
    patient = np.repeat(np.arange(n), last)
    time = np.concatenate(
        [np.column_stack([intervals.since_dose_h[:k], intervals.dose[:k]]) for k in last]
    )
    leaves = lgb.Booster(model_str=model.booster_text_).predict(
        np.column_stack([X[patient], time]), pred_leaf=True
    )
    fewest = min(
        len(set(patient[of_tree == leaf]))
        for of_tree in np.asarray(leaves).T
        for leaf in set(of_tree.tolist())
    )
    assert fewest >= FEWEST
