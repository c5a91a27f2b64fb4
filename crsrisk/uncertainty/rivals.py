"""Rivals: three forecasts of a new product's rate that know nothing of its mechanism.

A simulator is worth its trouble where it forecasts better than these, fitted to the published
counts of the other products: the mean of the class, the distribution over the class, and a
regression on what is written in the product files. All speak of the rate in a new trial before its
own chance, engagers (T-cell engagers and ImmTACs) apart from cells (CAR-T, TCR-T, TIL).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log, log10
from typing import Literal, TypeAlias, TypeVar, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betaln, expit, log_expit
from scipy.stats import betabinom

from crsrisk.data.assumptions import Quantity
from crsrisk.data.product import CELLULAR, Product, Regimen
from crsrisk.errors import InputError
from crsrisk.uncertainty.forecast_scores import check_count, log_predictive_density

Values = NDArray[np.float64]
V = TypeVar("V")
Group: TypeAlias = Literal["engagers", "cells"]
GROUPS: tuple[Group, ...] = get_args(Group)

MILLION_CELLS: Mapping[str, float] = {"1e6 cells": 1.0, "1e6 cells/kg": 70.0, "1e6 cells/m2": 1.8}
"""Million cells for an adult of 70 kg and 1.8 m2, by the unit of a dose."""
STEROIDS = frozenset({"dexamethasone", "methylprednisolone"})


@dataclass(frozen=True)
class CountOfProduct:
    """One published count: ``events`` of ``n`` patients.

    ``weight`` is the figure's part in the vote of its product; they add up to 1 where every
    product has one vote.
    """

    product: str
    group: Group
    events: int
    n: int
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_count(self.events, self.n)
        if self.group not in GROUPS:
            raise _misfit("group", self.group, " or ".join(GROUPS), "name the group")
        if not 0.0 < self.weight < np.inf:
            raise _misfit("weight", self.weight, "a weight above 0", "leave the figure out")


@dataclass(frozen=True, eq=False)
class _Pooled:
    """All figures of each product of one group together: counts and votes, a row a product."""

    events: Values
    n: Values
    votes: Values


def _groups_of(data: Sequence[CountOfProduct]) -> dict[str, Group]:
    """The group of every product, products in order."""
    groups: dict[str, Group] = {}
    for count in sorted(data, key=lambda count: count.product):
        if groups.setdefault(count.product, count.group) != count.group:
            raise _misfit("data", f"{count.product} in both groups", "one group", "correct it")
    if not groups:
        raise _misfit("data", "no count", "counts of other products", "add published counts")
    return groups


def _pooled(data: Sequence[CountOfProduct]) -> dict[Group, _Pooled]:
    sums = {product: np.zeros(3) for product in _groups_of(data)}
    for count in data:
        sums[count.product] += count.events, count.n, count.weight
    rows: dict[Group, list[Values]] = {}
    for product, group in _groups_of(data).items():
        rows.setdefault(group, []).append(sums[product])
    return {group: _Pooled(*np.array(of_group).T) for group, of_group in rows.items()}


@dataclass(frozen=True)
class ClassMean:
    """Forecasts the mean rate of the group, without doubt.

    ``rates``: the mean of the pooled rates of each group's products, each product by its vote.

    Examples
    --------
    >>> seen = [CountOfProduct("a", "cells", 3, 10), CountOfProduct("b", "cells", 50, 100)]
    >>> ClassMean.fit(seen).draws("cells", 2)
    array([0.4, 0.4])
    """

    rates: Mapping[Group, float]

    @classmethod
    def fit(cls, data: Sequence[CountOfProduct]) -> ClassMean:
        """From the other products' counts."""
        return cls(
            {
                group: float(np.average(pool.events / pool.n, weights=pool.votes))
                for group, pool in _pooled(data).items()
            }
        )

    def draws(self, group: Group, n_draws: int, rng: np.random.Generator | None = None) -> Values:
        """The same rate ``n_draws`` times; ``rng`` stands there to match the other rivals."""
        return np.full(n_draws, _of(self.rates, group))

    def log_density(self, events: int, n: int, group: Group) -> float:
        """Log probability of a new count; minus infinity for an event where no product had one."""
        return log_predictive_density([_of(self.rates, group)], events, n)


@dataclass(frozen=True)
class ClassDistribution:
    """Forecasts that a product's rate is drawn from a Beta distribution of its group.

    The beta-binomial distribution is fitted by penalised maximum likelihood, each product once with
    its pooled counts, its likelihood to the power of its vote. The weak prior keeps it from ever
    degenerating: logit of the mean ~ N(0, 1.5^2), that is 5% to 95% for 19 of 20 classes, and log
    of (a + b) ~ N(log 4, 1^2), where 4 patients say as much as the class. What the fit itself is
    unsure of is left out.

    ``shapes``: (a, b) of the Beta distribution of each group.

    Examples
    --------
    >>> seen = [CountOfProduct(f"p{k}", "engagers", k, 20) for k in range(2, 19)]
    >>> fitted = ClassDistribution.fit(seen)
    >>> a, b = fitted.shapes["engagers"]
    >>> round(a / (a + b), 3)
    0.5
    >>> draws = fitted.draws("engagers", 1000, np.random.default_rng(1))
    >>> bool(draws.min() < 0.1 and draws.max() > 0.9)
    True
    """

    shapes: Mapping[Group, tuple[float, float]]

    @classmethod
    def fit(
        cls,
        data: Sequence[CountOfProduct],
        *,
        mean_sd: float = 1.5,
        size: float = 4.0,
        size_log_sd: float = 1.0,
    ) -> ClassDistribution:
        """From the other products' counts; the last three are the prior."""

        def shapes(pool: _Pooled) -> tuple[float, float]:
            def cost(at: Values) -> float:
                a, b = _shapes(at)
                fits = betaln(a + pool.events, b + pool.n - pool.events) - betaln(a, b)
                doubt = (at[0] / mean_sd) ** 2 + ((at[1] - log(size)) / size_log_sd) ** 2
                return float(doubt / 2.0 - pool.votes @ fits)

            found = minimize(cost, [0.0, log(size)], method="Nelder-Mead", tol=1e-8)
            return _shapes(found.x)

        return cls({group: shapes(pool) for group, pool in _pooled(data).items()})

    def draws(self, group: Group, n_draws: int, rng: np.random.Generator) -> Values:
        """Rates of new products."""
        return rng.beta(*_of(self.shapes, group), size=n_draws)

    def log_density(self, events: int, n: int, group: Group) -> float:
        """Log probability of a new count, beta-binomial."""
        check_count(events, n)
        return float(betabinom.logpmf(events, n, *_of(self.shapes, group)))


def _shapes(at: Values) -> tuple[float, float]:
    """(a, b) from the logit of the mean and the log of a + b."""
    size = float(np.exp(at[1]))
    return size * float(expit(at[0])), size * float(expit(-at[0]))


@dataclass(frozen=True)
class RegressionPriors:
    """What the regression believes before it sees a count, all on the logit scale.

    Parameters
    ----------
    intercept_sd : of each group's level around 50%.
    ridge_sd : of the effect of one SD of a column.
    product_sd_scale : scale of the half-normal prior of the SD between products.
    trial_sd : SD between trials of one product, taken as known (`evidence.between_trial_rate_sd`).
    """

    intercept_sd: float = 1.5
    ridge_sd: float = 0.5
    product_sd_scale: float = 1.0
    trial_sd: float = 0.35

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (value >= 0.0 if name == "trial_sd" else value > 0.0) or value == np.inf:
                raise _misfit(name, value, "an SD above 0", "correct the prior")


# Rates of products on the logit scale, and standard normal deviates: where integrals are summed.
_LOGITS = np.arange(-16.0, 16.0001, 0.04)
_NORMAL = np.linspace(-8.0, 8.0, 401)
_NORMAL_WEIGHTS = np.exp(-np.square(_NORMAL) / 2.0) / np.exp(-np.square(_NORMAL) / 2.0).sum()
_PRODUCT_SDS = np.arange(0.05, 3.5, 0.1)  # middles of cells, in units of the prior's scale
_MOST_STEPS = 100
_SETTLED = 1e-10  # log density still to be gained by a step


@dataclass(frozen=True, eq=False)
class RegressionOnProductFile:
    """Forecasts from what is written about a product: a logistic regression with random effects.

    logit of a trial's rate = level of the group + columns x slopes + product + trial. Products and
    trials are normal with mean 0; the prior is :class:`RegressionPriors`. Columns are centred among
    the training products of each group, so that groups share slopes and a level is that of the
    group's mean product, and scaled by their SD within groups. A yes or no is scaled by 0.5, the SD
    of an even split, so that a rare feature is not believed to have a large effect; columns that
    vary in no group are left out. Figures of a product share its effect, so a product counts about
    once however many it has; their votes are not used.

    Given the SD between products, the product's own effect is integrated on a grid, and levels and
    slopes are normal around their most probable values (Laplace); the SD itself is averaged over a
    grid.

    ``columns``, ``centers`` (a row a group), ``scales``: how a product file becomes a row;
    ``product_sds`` and their ``weights``, ``means`` (SD, term) and ``covariances`` (SD, term, term)
    of levels and slopes.

    Examples
    --------
    >>> doses = pd.DataFrame({"is_cells": 1.0, "log10_cell_dose": range(6)}, index=list("abcdef"))
    >>> seen = [CountOfProduct(name, "cells", 4 * k, 20) for k, name in enumerate("abcdef")]
    >>> fitted = RegressionOnProductFile.fit(seen[1:], doses)
    >>> low, high = ({"is_cells": 1.0, "log10_cell_dose": dose} for dose in (0.0, 5.0))
    >>> fitted.log_density(1, 20, low) > fitted.log_density(1, 20, high)
    True
    >>> fitted.draws(low, 3, np.random.default_rng(1)).round(2).tolist()
    [0.06, 0.8, 0.19]
    """

    groups: tuple[Group, ...]
    columns: tuple[str, ...]
    centers: Values
    scales: Values
    priors: RegressionPriors
    product_sds: Values
    weights: Values
    means: Values
    covariances: Values

    @classmethod
    def fit(
        cls,
        data: Sequence[CountOfProduct],
        design: pd.DataFrame,
        *,
        priors: RegressionPriors | None = None,
    ) -> RegressionOnProductFile:
        """From the other products' counts and their rows of ``design`` (:func:`product_features`),
        indexed by product. Rows of products without counts are not looked at.
        """
        chosen = RegressionPriors() if priors is None else priors
        group_of = _groups_of(data)
        products, groups = list(group_of), tuple(g for g in GROUPS if g in group_of.values())
        places = np.array([groups.index(group_of[product]) for product in products])
        rows = _rows(design, products)
        centers = np.stack([rows[places == g].mean(axis=0) for g in range(len(groups))])
        apart = rows - centers[places]
        scales = np.array([_scale(rows[:, k], apart[:, k], places) for k in range(rows.shape[1])])
        varies = scales > 0.0
        terms = np.hstack([np.eye(len(groups))[places], apart[:, varies] / scales[varies]])
        likelihoods = _log_likelihoods(data, products, chosen.trial_sd)
        sds = chosen.product_sd_scale * _PRODUCT_SDS
        precision = 1.0 / np.square(
            np.repeat([chosen.intercept_sd, chosen.ridge_sd], [len(groups), varies.sum()])
        )
        means, covariances, evidence, here = [], [], [], np.zeros(terms.shape[1])
        for sd in sds[::-1]:  # from where the posterior is flattest
            here, covariance, log_evidence = _laplace(terms, likelihoods, sd, precision, here)
            means.append(here)
            covariances.append(covariance)
            evidence.append(log_evidence)
        log_weights = np.array(evidence[::-1]) - np.square(_PRODUCT_SDS) / 2.0
        weights = np.exp(log_weights - log_weights.max())
        return cls(
            groups=groups,
            columns=tuple(design.columns[varies]),
            centers=centers[:, varies],
            scales=scales[varies],
            priors=chosen,
            product_sds=sds,
            weights=weights / weights.sum(),
            means=np.array(means[::-1]),
            covariances=np.array(covariances[::-1]),
        )

    def draws(
        self, features: Mapping[str, float], n_draws: int, rng: np.random.Generator
    ) -> Values:
        """Rates of a new trial of a new product with these ``features``."""
        centers, spreads = self._logits(features)
        rows = rng.choice(len(self.weights), size=n_draws, p=self.weights)
        return np.asarray(expit(centers[rows] + spreads[rows] * rng.standard_normal(n_draws)))

    def log_density(self, events: int, n: int, features: Mapping[str, float]) -> float:
        """Log probability of a count in a new trial of a new product with these ``features``."""
        centers, spreads = self._logits(features)
        rates = expit(centers[:, None] + spreads[:, None] * _NORMAL)
        weights = self.weights[:, None] * _NORMAL_WEIGHTS
        return log_predictive_density(rates.ravel(), events, n, weights.ravel())

    def _logits(self, features: Mapping[str, float]) -> tuple[Values, Values]:
        """Mean and SD of the logit of the new rate under each SD between products."""
        missing = sorted({"is_cells", *self.columns} - set(features))
        if missing:
            raise _misfit("features", "no " + ", ".join(missing), "all columns", "add them")
        group = _group(features)
        if group not in self.groups:
            raise _misfit("features", f"one of {group}", " or ".join(self.groups), "fit to such")
        place = self.groups.index(group)
        given = np.array([features[name] for name in self.columns], dtype=np.float64)
        row = np.append(
            np.eye(len(self.groups))[place], (given - self.centers[place]) / self.scales
        )
        variance = np.einsum("i,kij,j->k", row, self.covariances, row)
        return self.means @ row, np.sqrt(variance + self.product_sds**2 + self.priors.trial_sd**2)


def _rows(design: pd.DataFrame, products: Sequence[str]) -> Values:
    missing = sorted(set(products) - set(design.index))
    if missing or not design.index.is_unique:
        raise _misfit(
            "design",
            f"no row of {', '.join(missing)}" if missing else "rows twice",
            "one row a product",
            "add what product_features gives",
        )
    rows = design.loc[list(products)].to_numpy(dtype=np.float64)
    if not np.isfinite(rows).all():
        raise _misfit(
            "design",
            "a gap",
            "finite numbers",
            "complete the column, or leave it out for all products",
        )
    return np.asarray(rows)


def _scale(column: Values, apart: Values, places: NDArray[np.intp]) -> float:
    """SD around the groups' means, over products of the groups in which the column varies; 0.5 of a
    yes or no; 0 where it varies in no group.
    """
    does_vary = [g for g in np.unique(places) if np.ptp(column[places == g]) > 0.0]
    if not does_vary:
        return 0.0
    if np.isin(column, (0.0, 1.0)).all():
        return 0.5
    return float(np.sqrt(np.square(apart[np.isin(places, does_vary)]).mean()))


def _log_likelihoods(
    data: Sequence[CountOfProduct], products: Sequence[str], trial_sd: float
) -> Values:
    """Of every product (row) at every logit of its rate, over all its trials."""
    found = np.zeros((len(products), len(_LOGITS)))
    logits = _LOGITS[:, None] + trial_sd * _NORMAL
    log_yes, log_no = log_expit(logits), log_expit(-logits)
    for count in data:
        at = count.events * log_yes + (count.n - count.events) * log_no
        top = at.max(axis=1)
        found[products.index(count.product)] += top + np.log(
            np.exp(at - top[:, None]) @ _NORMAL_WEIGHTS
        )
    return found


def _laplace(
    terms: Values, likelihoods: Values, sd: float, precision: Values, start: Values
) -> tuple[Values, Values, float]:
    """Most probable levels and slopes at one SD between products, their covariance, and the log
    evidence for that SD (but for a constant).

    The likelihood is log-concave (a normal smoothing of binomials), so Newton's steps arrive; a
    step that overshoots is halved.
    """

    def posterior(at: Values) -> tuple[float, Values, Values]:
        away = _LOGITS - (terms @ at)[:, None]
        joint = likelihoods - np.square(away / sd) / 2.0
        top = joint.max(axis=1)
        mass = np.exp(joint - top[:, None])
        total = mass.sum(axis=1)
        mean = (mass * away).sum(axis=1) / total
        variance = (mass * np.square(away)).sum(axis=1) / total - mean**2
        log_density = (top + np.log(total / sd)).sum() - precision @ np.square(at) / 2.0
        gradient = mean / sd**2 @ terms - precision * at
        information = (terms.T * (sd**2 - variance) / sd**4) @ terms + np.diag(precision)
        return float(log_density), gradient, information

    here = start
    density, gradient, information = posterior(here)
    for _ in range(_MOST_STEPS):
        step = np.linalg.solve(information, gradient)
        gain = float(gradient @ step)
        after = posterior(here + step)
        while after[0] < density - 1e-9 and gain > _SETTLED:
            step, gain = step / 2.0, gain / 2.0
            after = posterior(here + step)
        here, (density, gradient, information) = here + step, after
        if gain < _SETTLED:
            break
    log_evidence = density - float(np.linalg.slogdet(information)[1]) / 2.0
    return here, np.asarray(np.linalg.inv(information)), log_evidence


def product_features(product: Product, regimen: str | None = None) -> dict[str, float]:
    """What a product file says that a regression may use, as numbers by column.

    Rated numbers are those from before any calibration, so that no column knows a published figure.
    A column that does not apply to a group is 0 there.

    Parameters
    ----------
    product : an engager or a product of cells.
    regimen : one of its regimens; the default one when left out.

    Examples
    --------
    >>> from crsrisk.data.world_files import load_product
    >>> features = product_features(load_product("tebentafusp"))
    >>> features["is_immtac"], features["antigen_restriction"], features["log10_antigen_density"]
    (1.0, 0.5, 2.0)
    """
    if product.platform == "ici":
        raise _misfit("product", product.name, "an engager or cells", "leave it out")
    chosen = _regimen(product, regimen)
    is_cells = product.platform in CELLULAR
    binding = product.binding
    return {
        "is_cells": float(is_cells),
        "is_immtac": float(product.platform == "immtac"),
        "is_tcr": float(product.platform == "tcr_t"),
        "is_subcutaneous": float(chosen.route == "sc"),
        "is_stepped_up": float(not is_cells and chosen.is_stepped_up),
        "has_steroid_premedication": float(
            any(given.mitigation in STEROIDS for given in chosen.premedication)
        ),
        "log10_cd3_affinity": 0.0 if is_cells else log10(_rated(binding.cd3_affinity_nm)),
        "antigen_restriction": _rated(binding.antigen_restriction),
        "log10_antigen_density": log10(_rated(binding.antigen_density_copies)),
        "log10_cell_dose": log10(_million_cells(product, chosen)) if is_cells else 0.0,
        "lymphodepletion": float(is_cells and chosen.has_lymphodepletion),
        "interleukin_2": chosen.interleukin_2,
    }


def _regimen(product: Product, name: str | None) -> Regimen:
    key = product.default_regimen if name is None else name
    if key not in product.regimens:
        raise _misfit("regimen", key, " or ".join(product.regimens), f"see {product.name}")
    return product.regimens[key]


def _rated(quantity: Quantity) -> float:
    return quantity.value if quantity.prior is None else quantity.prior


def _million_cells(product: Product, regimen: Regimen) -> float:
    """All cells of the regimen."""
    if regimen.amount_unit not in MILLION_CELLS:
        raise _misfit(
            f"{product.name}.amount_unit",
            regimen.amount_unit,
            " or ".join(MILLION_CELLS),
            "convert",
        )
    return MILLION_CELLS[regimen.amount_unit] * sum(dose.amount for dose in regimen.doses)


def _group(features: Mapping[str, float]) -> Group:
    return "cells" if features["is_cells"] else "engagers"


def _of(by_group: Mapping[Group, V], group: Group) -> V:
    if group not in by_group:
        raise _misfit("group", group, " or ".join(by_group), "fit to products of that group")
    return by_group[group]


def _misfit(key: str, found: object, expected: str, cure: str) -> InputError:
    return InputError(where="rivals", key=key, found=str(found), expected=expected, cure=cure)
