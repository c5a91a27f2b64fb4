"""The interval shown first: it finds truths that are known, and holds them as often as it says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit

from crsrisk.model.world_spread import (
    ANY,
    Asked,
    TrueLogOdds,
    WorldSpread,
    fit_true_log_odds,
    interval,
    spreads_of,
)


def asked(
    *, n: int = 6000, shift: float, tilt: float, sd: float, refit_sd: float = 0.0, seed: int = 1
) -> Asked:
    """Patients whose true log-odds lie so about the model's, each simulated four times."""
    rng = np.random.default_rng(seed)
    x = rng.normal(-1.0, 1.0, n)
    truth = x + shift + tilt * (x + 1.0) + np.hypot(sd, refit_sd) * rng.normal(size=n)
    return Asked(x, np.full(n, refit_sd), rng.binomial(4, expit(truth)), 4, np.arange(n) % 128)


def test_it_finds_the_distribution_that_made_the_events() -> None:
    """6,000 patients: standard errors of some 0.02 (shift, tilt) and 0.03 (SD); about five of them
    are allowed.
    """
    found = fit_true_log_odds(asked(shift=0.4, tilt=-0.2, sd=0.8))
    assert found.mean(np.array([found.centre]))[0] == pytest.approx(found.centre + 0.4, abs=0.12)
    assert found.tilt == pytest.approx(-0.2, abs=0.12)
    assert found.sd(np.array([found.centre]))[0] == pytest.approx(0.8, abs=0.15)


def test_what_refits_show_is_not_counted_twice() -> None:
    """Of a whole SD of 1.0 the refits show 0.8: 0.6 is left, and both together are the whole."""
    found = fit_true_log_odds(asked(shift=0.0, tilt=0.0, sd=0.6, refit_sd=0.8))
    at = np.array([found.centre])
    assert found.sd(at)[0] == pytest.approx(0.6, abs=0.2)
    assert found.sd(at, np.array([0.8]))[0] == pytest.approx(1.0, abs=0.15)


def test_nine_true_risks_of_ten_lie_inside() -> None:
    """6,000 truths that were not fitted to: binomial standard error 0.4%, and that of the fit."""
    spread = WorldSpread(
        ensemble="x",
        n_members=2,
        n_replicates=4,
        products={"a": fit_true_log_odds(asked(shift=0.3, tilt=-0.1, sd=0.7))},
        new_products={ANY: fit_true_log_odds(asked(shift=0.3, tilt=-0.1, sd=0.7))},
    )
    rng = np.random.default_rng(9)
    x = rng.normal(-1.0, 1.0, 6000)
    truth = expit(x + 0.3 - 0.1 * (x + 1.0) + 0.7 * rng.normal(size=6000))
    low, high = interval(spread, x, np.zeros(6000), product=["a"] * 6000, platform=["p"] * 6000)
    assert ((low <= truth) & (truth <= high)).mean() == pytest.approx(0.9, abs=0.03)


def test_without_events_the_prior_keeps_it_finite() -> None:
    none = np.zeros(200, dtype=np.int64)
    nobody = Asked(np.full(200, -6.0), np.zeros(200), none, 4, np.arange(200))
    found = fit_true_log_odds(nobody)
    assert np.isfinite([found.shift, found.log_sd]).all()
    assert expit(found.mean(np.array([-6.0])))[0] < 0.01


def made(log_sd: float) -> TrueLogOdds:
    return TrueLogOdds(
        centre=0.0,
        low=-2.0,
        high=2.0,
        shift=0.0,
        tilt=0.0,
        log_sd=log_sd,
        log_sd_tilt=0.1,
        n_patients=10,
    )


SPREAD = WorldSpread(
    ensemble="x",
    n_members=128,
    n_replicates=4,
    products={"a": made(-1.0)},
    new_products={"tce": made(0.0), ANY: made(0.5)},
)


def test_known_new_and_unheard_of_are_told_apart() -> None:
    def width(product: str, platform: str) -> float:
        low, high = interval(
            SPREAD, np.zeros(1), np.zeros(1), product=[product], platform=[platform]
        )
        return float(logit(high[0]) - logit(low[0]))

    assert width("a", "tce") == pytest.approx(2 * 1.6448536 * np.exp(-1.0))
    assert width("b", "tce") == pytest.approx(2 * 1.6448536)
    assert width("b", "til") == width("", "") == pytest.approx(2 * 1.6448536 * np.exp(0.5))


def test_rows_of_several_products_keep_their_order() -> None:
    x, refit_sd = np.linspace(-3, 3, 6), np.full(6, 0.2)
    products, platforms = ["a", "b", "a", "c", "b", "a"], ["tce", "tce", "tce", "til", "tce", ""]
    low, high = interval(SPREAD, x, refit_sd, product=products, platform=platforms)
    for k in range(6):
        one = interval(
            SPREAD, x[[k]], refit_sd[[k]], product=[products[k]], platform=[platforms[k]]
        )
        assert (low[k], high[k]) == (one[0][0], one[1][0])


def test_beyond_what_was_simulated_the_sd_stays() -> None:
    one = made(0.0)
    inside, beyond = one.sd(np.array([2.0])), one.sd(np.array([9.0]))
    assert inside == beyond


def test_new_products_are_learnt_by_platform_and_together() -> None:
    parts = [asked(n=400, shift=s, tilt=0.0, sd=0.5, seed=k) for k, s in enumerate((0.0, 1.0))]
    known, new = spreads_of({"a": parts[0]}, {"tce": parts[:1], "til": parts[1:]})
    assert set(known) == {"a"}
    assert set(new) == {"tce", "til", ANY}
    assert new["tce"].shift < new[ANY].shift < new["til"].shift
    assert new[ANY].n_patients == 800


def test_of_few_members_the_interval_is_stretched() -> None:
    """Worlds differ by a shift that all patients of one share (SD 1). Of 16 members the SD comes
    out small and holds fewer patients of other members; folds of members see that.
    """
    rng = np.random.default_rng(8)
    factors = []
    for _ in range(12):
        member = np.repeat(np.arange(16), 8)
        x = rng.normal(-1.0, 1.0, member.size)
        truth = expit(x + rng.normal(size=16)[member])
        one = Asked(x, np.zeros(x.size), rng.binomial(32, truth), 32, member)
        stretched, _ = spreads_of({"a": one}, {"tce": [one]})
        factors.append(np.exp(stretched["a"].log_sd - fit_true_log_odds(one).log_sd))
    assert np.mean(factors) > 1.05
    assert min(factors) > 0.999


def test_heavy_tails_stretch_the_interval_until_it_holds_nine_of_ten() -> None:
    """Truths of Student's t with 3 degrees of freedom, 4,000 patients of 32 simulations each; a
    normal fitted to them alone holds fewer in its 90%.
    """
    rng = np.random.default_rng(4)
    x = rng.normal(-1.0, 1.0, 8000)
    truth = expit(x + 0.6 * rng.standard_t(3, size=8000))
    counts = rng.binomial(32, truth)
    one = Asked(x[:4000], np.zeros(4000), counts[:4000], 32, np.arange(4000) % 128)
    plain = fit_true_log_odds(one)
    stretched, _ = spreads_of({"a": one}, {"tce": [one]})

    def share(found: TrueLogOdds) -> float:
        mean, sd = found.mean(x[4000:]), found.sd(x[4000:])
        at = logit(truth[4000:])
        return float((np.abs(at - mean) <= 1.6448536 * sd).mean())

    assert stretched["a"].log_sd >= plain.log_sd
    assert share(stretched["a"]) == pytest.approx(0.9, abs=0.02)


def test_it_goes_through_json_unchanged() -> None:
    assert WorldSpread.model_validate_json(SPREAD.model_dump_json()) == SPREAD
