"""Rivals: means by hand, maxima by brute force, and the regression against sums over a dense grid,
importance sampling, statsmodels and products drawn from its own prior.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf, log10, sqrt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from scipy.special import comb, expit, log_expit, logsumexp

from crsrisk.data.product import Product
from crsrisk.errors import InputError
from crsrisk.uncertainty.forecast_scores import pit_bounds
from crsrisk.uncertainty.rivals import (
    ClassDistribution,
    ClassMean,
    CountOfProduct,
    Group,
    RegressionOnProductFile,
    RegressionPriors,
    product_features,
)
from tests.simulation.people import PRODUCTS, product_of

Values = NDArray[np.float64]
COUNTS = st.lists(
    st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    min_size=1,
    max_size=8,
)


def _counts(rows: list[tuple[int, int]], group: Group = "engagers") -> list[CountOfProduct]:
    return [CountOfProduct(f"p{k:02d}", group, *row) for k, row in enumerate(rows)]


# The mean of the class.


def test_every_product_has_one_vote_in_the_mean_of_its_group() -> None:
    seen = [
        CountOfProduct("a", "engagers", 1, 10, 0.5),
        CountOfProduct("a", "engagers", 5, 20, 0.5),  # with the first 6 of 30
        CountOfProduct("b", "engagers", 60, 100),
        CountOfProduct("c", "cells", 0, 7),
    ]
    fitted = ClassMean.fit(seen)
    assert fitted.rates == {"engagers": pytest.approx(0.4), "cells": 0.0}
    assert fitted.draws("engagers", 3).tolist() == pytest.approx([0.4] * 3)
    assert fitted.log_density(3, 9, "engagers") == pytest.approx(stats.binom.logpmf(3, 9, 0.4))
    assert fitted.log_density(0, 9, "cells") == 0.0
    assert fitted.log_density(1, 9, "cells") == -inf


@given(COUNTS)
def test_a_mean_lies_among_the_rates(rows: list[tuple[int, int]]) -> None:
    rates = [events / n for events, n in rows]
    mean = ClassMean.fit(_counts(rows)).rates["engagers"]
    assert min(rates) - 1e-12 <= mean <= max(rates) + 1e-12


# The distribution over the class.


def _log_posterior(rows: list[tuple[int, int]], mean: Values, size: Values) -> Values:
    """By scipy's beta-binomial and normal, up to a constant."""
    a, b = size * expit(mean), size * expit(-mean)
    prior = stats.norm.logpdf(mean, 0.0, 1.5) + stats.norm.logpdf(np.log(size), np.log(4.0), 1.0)
    return np.asarray(prior + sum(stats.betabinom.logpmf(k, n, a, b) for k, n in rows))


@pytest.mark.parametrize(
    "rows",
    [
        [(0, 20), (0, 9), (0, 40)],
        [(3, 10), (30, 40), (5, 60), (20, 25)],
        [(5, 10), (50, 100), (20, 40)],
        [(7, 7)],
    ],
    ids=["no event", "apart", "alike", "one product"],
)
def test_no_place_of_a_grid_is_more_probable(rows: list[tuple[int, int]]) -> None:
    a, b = ClassDistribution.fit(_counts(rows)).shapes["engagers"]
    place = (np.array(np.log(a / b)), np.array(a + b))
    mean, log_size = np.meshgrid(np.linspace(-6.0, 6.0, 241), np.linspace(-2.0, 6.0, 161))
    best = _log_posterior(rows, mean, np.exp(log_size)).max()
    found = float(_log_posterior(rows, *place))
    assert best <= found + 1e-9
    assert best == pytest.approx(found, abs=0.01)
    assert min(a, b) > 0.05
    assert max(a, b) < 100.0


def test_a_known_distribution_comes_back_from_many_products() -> None:
    """Beta(1.5, 4.5), 4,000 products of 30: within 4 standard errors (the mean's 0.16 / sqrt(4000),
    log size's 0.05, from 20 other seeds).
    """
    rng = np.random.default_rng(6)
    events = rng.binomial(30, rng.beta(1.5, 4.5, size=4000))
    rows = [(int(k), 30) for k in events]
    seen = [CountOfProduct(f"p{k}", "cells", *row) for k, row in enumerate(rows)]
    a, b = ClassDistribution.fit(seen).shapes["cells"]
    assert a / (a + b) == pytest.approx(0.25, abs=4 * 0.18 / sqrt(4000))
    assert a + b == pytest.approx(6.0, rel=0.2)


@given(COUNTS, st.integers(1, 30))
@settings(max_examples=40)
def test_probabilities_of_new_counts_add_up_to_one(rows: list[tuple[int, int]], n: int) -> None:
    fitted = ClassDistribution.fit(_counts(rows))
    densities = [fitted.log_density(events, n, "engagers") for events in range(n + 1)]
    assert np.isfinite(densities).all()
    assert np.exp(densities).sum() == pytest.approx(1.0)


@given(COUNTS)
@settings(max_examples=40)
def test_figures_of_a_product_are_pooled_and_votes_repeat_products(
    rows: list[tuple[int, int]],
) -> None:
    seen = _counts(rows)
    halves = [
        replace(count, events=events, n=n, weight=0.5)
        for count in seen
        for events, n in ((count.events, count.n), (0, 1))
    ]
    pooled = [replace(count, n=count.n + 1) for count in seen]
    for rival in (ClassMean, ClassDistribution):
        assert rival.fit(halves) == rival.fit(pooled)  # type: ignore[attr-defined]
    twice = ClassDistribution.fit([*seen, *(replace(c, product="q" + c.product) for c in seen)])
    voted = ClassDistribution.fit([replace(count, weight=2.0) for count in seen])
    assert voted.shapes["engagers"] == pytest.approx(twice.shapes["engagers"], rel=1e-4)


def test_draws_are_from_the_distribution() -> None:
    fitted = ClassDistribution.fit(_counts([(3, 10), (30, 40), (5, 60)]))
    drawn = fitted.draws("engagers", 4000, np.random.default_rng(2))
    assert stats.kstest(drawn, stats.beta(*fitted.shapes["engagers"]).cdf).pvalue > 0.001


# The regression.


def _products(
    seed: int,
    *,
    n_products: int,
    n_trials: int = 1,
    trial_sd: float = 0.35,
    product_sd: float = 0.7,
) -> tuple[list[CountOfProduct], pd.DataFrame]:
    """Counts of made-up products, a third of them cells, and what stands in their files."""
    rng = np.random.default_rng(seed)
    is_cells = np.arange(n_products) % 3 == 0
    design = pd.DataFrame(
        {
            "is_cells": is_cells.astype(float),
            "dose": np.where(is_cells, rng.normal(3.0, 2.0, n_products), 0.0),
            "restriction": rng.normal(0.5, 0.2, n_products),
            "is_stepped_up": np.where(is_cells, 0.0, rng.random(n_products) < 0.4),
        },
        index=[f"p{k:02d}" for k in range(n_products)],
    )
    logits = -1.0 + 0.4 * design["dose"] - 2.0 * design["restriction"] + design["is_stepped_up"]
    logits = logits + product_sd * rng.standard_normal(n_products)
    data = []
    for name, cells, logit in zip(design.index, is_cells, logits, strict=True):
        for _ in range(n_trials):
            n = int(rng.integers(6, 90))
            rate = expit(logit + trial_sd * rng.standard_normal())
            group: Group = "cells" if cells else "engagers"
            data.append(
                CountOfProduct(str(name), group, int(rng.binomial(n, rate)), n, 1 / n_trials)
            )
    return data, design


def test_a_small_regression_is_its_integral() -> None:
    """Three products, one of two trials, no column: the posterior of level and SD between products
    on a dense grid, product and trial effects by Gauss and Hermite. Laplace's normal level is
    nearly exact: probabilities of counts within 3%.
    """
    figures = [("a", 2, 12), ("b", 9, 30), ("b", 3, 20), ("c", 14, 25)]
    seen = [CountOfProduct(name, "cells", events, n) for name, events, n in figures]
    design = pd.DataFrame({"is_cells": 1.0}, index=list("abc"))
    fitted = RegressionOnProductFile.fit(seen, design)

    node, weight = np.polynomial.hermite_e.hermegauss(24)
    weight = weight / weight.sum()

    def trial(logits: Values, events: int, n: int) -> Values:
        """Probability of a count, trial effects integrated."""
        each = logits[..., None] + 0.35 * node
        at = events * log_expit(each) + (n - events) * log_expit(-each)
        return np.asarray(comb(n, events) * np.exp(at) @ weight)

    level = np.linspace(-6.0, 6.0, 81)[:, None, None]
    sd = np.linspace(0.02, 4.0, 60)[:, None]
    logits = level + sd * node
    posterior = np.exp(-np.square(level / 1.5) / 2.0 - np.square(sd) / 2.0)[..., 0]
    for name in "abc":
        trials = [trial(logits, events, n) for of, events, n in figures if of == name]
        posterior = posterior * (np.prod(trials, axis=0) @ weight)
    posterior /= posterior.sum()
    for events in (0, 3, 10, 19):
        wanted = (posterior * (trial(logits, events, 20) @ weight)).sum()
        found = np.exp(fitted.log_density(events, 20, {"is_cells": 1.0}))
        assert found == pytest.approx(wanted, rel=0.03), events


def _log_marginal(
    data: list[CountOfProduct], names: list[str], linear: Values, sd: Values
) -> Values:
    """Log likelihood of rows of linear predictors (draw, product) at SDs between products (draw,),
    without trial effects, by Gauss and Hermite.
    """
    node, weight = np.polynomial.hermite_e.hermegauss(40)
    total = np.zeros(len(sd))
    for place, name in enumerate(names):
        logits = linear[:, [place]] + sd[:, None] * node
        at = np.zeros_like(logits)
        for count in data:
            if count.product == name:
                at += count.events * log_expit(logits)
                at += (count.n - count.events) * log_expit(-logits)
        total += logsumexp(at, b=weight / weight.sum(), axis=1)
    return total


def test_a_regression_is_what_importance_sampling_finds() -> None:
    """18 products of two figures, both groups, three columns; 20,000 draws of levels, slopes and SD
    from a wide t distribution, weighted by prior and likelihood. Means within 4 standard errors and
    0.05 posterior SDs (Laplace), SDs within 5%, and probabilities of counts within 5%.
    """
    data, design = _products(3, n_products=18, n_trials=2, trial_sd=0.0)
    fitted = RegressionOnProductFile.fit(data, design, priors=RegressionPriors(trial_sd=1e-6))
    assert fitted.columns == ("dose", "restriction", "is_stepped_up")
    names = list(design.index)
    place = (design["is_cells"] == 1.0).to_numpy().astype(int)
    columns = design[list(fitted.columns)]
    centered = columns - columns.groupby(place).transform("mean")
    of_cells = centered["dose"][place == 1]
    spread = [sqrt((of_cells**2).mean()), sqrt((centered["restriction"] ** 2).mean()), 0.5]
    terms = np.hstack([np.eye(2)[place], centered.to_numpy() / spread])

    mean = fitted.weights @ fitted.means
    between = np.einsum("k,ki,kj->ij", fitted.weights, fitted.means - mean, fitted.means - mean)
    covariance = np.einsum("k,kij->ij", fitted.weights, fitted.covariances) + between
    proposal = stats.multivariate_t(mean, 1.3 * covariance, df=6, seed=1)
    draws = proposal.rvs(20_000)
    middle = fitted.weights @ fitted.product_sds
    sd_proposal = stats.gamma(6.0, scale=middle / 6.0)
    sd = sd_proposal.rvs(20_000, random_state=2)
    log_weight = _log_marginal(data, names, draws @ terms.T, sd)
    log_weight += stats.norm.logpdf(draws, 0.0, [1.5, 1.5, 0.5, 0.5, 0.5]).sum(axis=1)
    log_weight += stats.halfnorm.logpdf(sd) - sd_proposal.logpdf(sd) - proposal.logpdf(draws)
    share = np.exp(log_weight - logsumexp(log_weight))
    n_effective = 1.0 / np.square(share).sum()
    assert n_effective > 4000

    for values, found, found_sd in [
        *zip(draws.T, mean, np.sqrt(np.diag(covariance)), strict=True),
        (sd, middle, sqrt(fitted.weights @ (fitted.product_sds - middle) ** 2)),
    ]:
        wanted = share @ values
        wanted_sd = sqrt(share @ (values - wanted) ** 2)
        tolerance = 4 * wanted_sd / sqrt(n_effective) + 0.05 * wanted_sd
        assert found == pytest.approx(wanted, abs=tolerance)
        assert found_sd == pytest.approx(wanted_sd, rel=0.05)

    new = design.iloc[4] + [0.0, 0.0, 0.1, 0.0]
    row = np.append(np.eye(2)[place[4]], (centered.iloc[4] + [0.0, 0.1, 0.0]).to_numpy() / spread)
    node, weight = np.polynomial.hermite_e.hermegauss(40)
    rates = expit((draws @ row)[:, None] + sd[:, None] * node)
    for events in (0, 2, 5, 10):
        wanted = share @ stats.binom.pmf(events, 30, rates) @ (weight / weight.sum())
        found = np.exp(fitted.log_density(events, 30, dict(new)))
        assert found == pytest.approx(wanted, rel=0.05), events


def test_at_one_sd_between_products_statsmodels_agrees() -> None:
    """BinomialBayesMixedGLM with the SD between products held at 1.05, patient by patient. Its mode
    is that of slopes and products together, ours of slopes alone: within 0.3 posterior SDs, and SDs
    within 3%.
    """
    mixed = pytest.importorskip("statsmodels.genmod.bayes_mixed_glm")
    data, design = _products(7, n_products=24, trial_sd=0.0, product_sd=1.0)
    priors = RegressionPriors(intercept_sd=2.0, ridge_sd=2.0, trial_sd=1e-6)
    fitted = RegressionOnProductFile.fit(data, design, priors=priors)
    at = int(np.argmin(np.abs(fitted.product_sds - 1.05)))
    names, place = list(design.index), design["is_cells"].to_numpy().astype(int)
    columns = design[list(fitted.columns)].to_numpy()
    terms = np.hstack([np.eye(2)[place], (columns - fitted.centers[place]) / fitted.scales])
    patients = [
        (names.index(count.product), has)
        for count in data
        for has in np.repeat([1.0, 0.0], [count.events, count.n - count.events])
    ]
    rows, outcome = np.array([row for row, _ in patients]), np.array([has for _, has in patients])
    # the SD is exp of a normal with mean 0 and SD 1e-4: held at 1, so effects are scaled to 1.05
    theirs = mixed.BinomialBayesMixedGLM(
        outcome,
        terms[rows],
        1.05 * np.eye(len(names))[rows],
        np.zeros(len(names), dtype=int),
        vcp_p=1e-4,
        fe_p=2.0,
    ).fit_map(minim_opts={"gtol": 1e-3}, rng=1)
    sd = np.sqrt(np.diag(fitted.covariances[at]))
    assert np.abs((fitted.means[at] - theirs.fe_mean) / sd).max() < 0.3
    assert sd == pytest.approx(theirs.fe_sd, rel=0.03)


@pytest.fixture(scope="module")
def regression() -> tuple[list[CountOfProduct], pd.DataFrame, RegressionOnProductFile]:
    data, design = _products(11, n_products=12)
    return data, design, RegressionOnProductFile.fit(data[:-1], design)


Fitted = tuple[list[CountOfProduct], pd.DataFrame, RegressionOnProductFile]


def test_draws_and_density_tell_the_same(regression: Fitted) -> None:
    _, design, fitted = regression
    new = dict(design.iloc[-1])
    drawn = fitted.draws(new, 40_000, np.random.default_rng(4))
    for events in (0, 4, 12, 40):
        pmf = stats.binom.pmf(events, 40, drawn)
        error = 4 * pmf.std() / sqrt(len(pmf))
        assert np.exp(fitted.log_density(events, 40, new)) == pytest.approx(pmf.mean(), abs=error)
    total = sum(np.exp(fitted.log_density(events, 40, new)) for events in range(41))
    assert total == pytest.approx(1.0)


def test_the_product_left_out_is_not_looked_at(regression: Fitted) -> None:
    data, design, fitted = regression
    blind = design.copy()
    blind.iloc[-1] = np.nan
    new = dict(design.iloc[-1])
    for other in (design.iloc[:-1], blind, design.iloc[::-1]):
        again = RegressionOnProductFile.fit(data[:-1], other)
        assert again.log_density(3, 20, new) == fitted.log_density(3, 20, new)


@given(st.floats(0.01, 100.0), st.floats(-10.0, 10.0))
@settings(max_examples=8)
def test_units_of_columns_do_not_matter(scale: float, shift: float) -> None:
    data, design = _products(11, n_products=9)
    moved = design.assign(restriction=shift + scale * design["restriction"])
    moved["never_varies"] = shift
    one, other = (RegressionOnProductFile.fit(data[:-1], table) for table in (design, moved))
    assert "never_varies" not in other.columns
    assert "is_cells" not in other.columns
    assert other.log_density(3, 20, dict(moved.iloc[-1])) == pytest.approx(
        one.log_density(3, 20, dict(design.iloc[-1])), abs=1e-6
    )


def test_no_event_at_all_gives_low_rates_with_doubt() -> None:
    rows = [(0, 10), (0, 24), (0, 31), (0, 8)]
    design = pd.DataFrame({"is_cells": 0.0, "x": range(5)}, index=[f"p{k:02d}" for k in range(5)])
    fitted = RegressionOnProductFile.fit(_counts(rows), design)
    drawn = fitted.draws(dict(design.iloc[4]), 4000, np.random.default_rng(1))
    assert 0.0 < np.median(drawn) < 0.05
    assert np.quantile(drawn, 0.975) > 0.05


def test_many_figures_of_one_product_count_about_once() -> None:
    """Ten figures of one product with a rate of 90% beside eight at 20%: the level moves as far as
    for one such figure, give or take a tenth of the logit.
    """
    rows = [(10, 50)] * 8
    design = pd.DataFrame({"is_cells": 0.0}, index=[*(f"p{k:02d}" for k in range(8)), "other"])
    once = [*_counts(rows), CountOfProduct("other", "engagers", 45, 50)]
    often = [*_counts(rows), *[CountOfProduct("other", "engagers", 45, 50, 0.1)] * 10]
    fits = [RegressionOnProductFile.fit(data, design) for data in (once, often, often[:8])]
    levels = [float(fitted.weights @ fitted.means[:, 0]) for fitted in fits]
    assert levels[1] == pytest.approx(levels[0], abs=0.1)
    assert levels[0] > levels[2] + 0.1


@pytest.mark.slow
def test_forecasts_of_products_from_the_prior_are_calibrated() -> None:
    """150 worlds drawn from the prior, ten products each with two columns, one left out: where its
    count falls in the forecast is uniform (p > 0.001).
    """
    rng, pits = np.random.default_rng(31), []
    names = [f"p{k}" for k in range(10)]
    for _ in range(150):
        x = rng.standard_normal((10, 2))
        design = pd.DataFrame(x, index=names, columns=["x", "y"]).assign(is_cells=0.0)
        around = x - x[:-1].mean(axis=0)
        slopes = 0.5 * rng.standard_normal(2) / x[:-1].std(axis=0)
        logits = 1.5 * rng.standard_normal() + around @ slopes
        logits += np.abs(rng.standard_normal()) * rng.standard_normal(10)
        logits += 0.35 * rng.standard_normal(10)
        sizes = rng.integers(8, 80, size=10)
        events = rng.binomial(sizes, expit(logits))
        seen = [
            CountOfProduct(name, "engagers", int(k), int(n))
            for name, k, n in zip(names, events, sizes, strict=True)
        ]
        fitted = RegressionOnProductFile.fit(seen[:-1], design)
        drawn = fitted.draws(dict(design.iloc[-1]), 4000, rng)
        below, upto = pit_bounds(drawn, seen[-1].events, seen[-1].n)
        pits.append(below + rng.random() * (upto - below))
    assert stats.kstest(pits, "uniform").pvalue > 0.001
    assert stats.cramervonmises(pits, "uniform").pvalue > 0.001


# What a product file says.


@pytest.mark.parametrize("name", [name for name in PRODUCTS if name != "checkpoint_inhibitor"])
def test_every_product_has_every_column(name: str) -> None:
    product = product_of(name)
    wanted = list(product_features(product_of("tebentafusp")))
    for regimen in (None, *product.regimens):
        features = product_features(product, regimen)
        assert list(features) == wanted
        assert np.isfinite(list(features.values())).all()
        for column in ("is_immtac", "is_stepped_up", "log10_cd3_affinity", "is_subcutaneous"):
            assert not (features["is_cells"] and features[column])
        for column in ("is_tcr", "log10_cell_dose", "lymphodepletion"):
            assert features["is_cells"] or not features[column]


def test_features_are_those_of_the_files() -> None:
    label = product_features(product_of("tarlatamab"))
    assert (label["is_cells"], label["is_stepped_up"]) == (0.0, 1.0)
    assert label["has_steroid_premedication"] == 1.0
    under_skin = product_features(product_of("psma_sc_engager"))
    assert under_skin["is_subcutaneous"] == 1.0
    cells = product_features(product_of("afami_cel"))
    assert (cells["is_cells"], cells["is_tcr"], cells["lymphodepletion"]) == (1.0, 1.0, 1.0)
    product = product_of("til_il2")
    til = product_features(product)
    amounts = [dose.amount for dose in product.regimens[product.default_regimen].doses]
    assert til["log10_cell_dose"] == pytest.approx(log10(sum(amounts)))
    assert til["interleukin_2"] > 0.0


def test_a_calibration_is_not_seen() -> None:
    """The value is what calibration made of a rating; columns hold the rating."""
    product = product_of("tebentafusp")
    moved = product.binding.model_copy(
        update={
            "antigen_restriction": product.binding.antigen_restriction.model_copy(
                update={"value": 0.6}
            )
        }
    )
    assert product.binding.antigen_restriction.prior is not None
    assert product_features(product.model_copy(update={"binding": moved})) == product_features(
        product
    )


def _with_unit(product: Product, unit: str) -> Product:
    regimens = {
        name: regimen.model_copy(update={"amount_unit": unit})
        for name, regimen in product.regimens.items()
    }
    return product.model_copy(update={"regimens": regimens})


def test_cells_by_weight_and_surface_are_those_of_an_adult() -> None:
    product = product_of("gpc3_car_t")
    plain = product_features(product)["log10_cell_dose"]
    for unit, factor in (("1e6 cells/kg", 70.0), ("1e6 cells/m2", 1.8)):
        found = product_features(_with_unit(product, unit))["log10_cell_dose"]
        assert found == pytest.approx(plain + log10(factor))


NONE_OF = pd.DataFrame({"is_cells": [0.0]}, index=["p00"])
ONE = _counts([(1, 5)])


@pytest.mark.parametrize(
    ("call", "key"),
    [
        (lambda: CountOfProduct("a", "pills", 1, 5), "group"),  # type: ignore[arg-type]
        (lambda: CountOfProduct("a", "cells", 1, 5, 0.0), "weight"),
        (lambda: ClassMean.fit([]), "data"),
        (lambda: ClassMean.fit([*ONE, *_counts([(1, 5)], "cells")]), "data"),
        (lambda: ClassMean.fit(ONE).draws("cells", 2), "group"),
        (lambda: RegressionPriors(ridge_sd=0.0), "ridge_sd"),
        (lambda: RegressionOnProductFile.fit(_counts([(1, 5), (2, 6)]), NONE_OF), "design"),
        (lambda: RegressionOnProductFile.fit(ONE, pd.concat([NONE_OF, NONE_OF])), "design"),
        (lambda: RegressionOnProductFile.fit(ONE, NONE_OF * np.nan), "design"),
        (lambda: RegressionOnProductFile.fit(ONE, NONE_OF).log_density(1, 5, {}), "features"),
        (
            lambda: RegressionOnProductFile.fit(ONE, NONE_OF).log_density(1, 5, {"is_cells": 1.0}),
            "features",
        ),
        (lambda: product_features(product_of("checkpoint_inhibitor")), "product"),
        (lambda: product_features(product_of("tarlatamab"), "by mouth"), "regimen"),
        (lambda: product_features(_with_unit(product_of("gpc3_car_t"), "vials")), "gpc3_car_t"),
    ],
)
def test_what_cannot_be_used_is_refused(call: Callable[[], object], key: str) -> None:
    with pytest.raises(InputError, match=rf"rivals, {key}"):
        call()


def test_a_count_must_be_one() -> None:
    with pytest.raises(InputError, match="found 6 of 5"):
        CountOfProduct("a", "cells", 6, 5)
