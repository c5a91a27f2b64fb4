"""How many patients a risk model needs: to be developed without overfitting, and to be validated
with useful precision.

Development: Riley et al., Stat Med 2019;38:1276 (three criteria) and BMJ 2020;368:m441 (a fourth);
the largest counts. Validation: Riley et al., Stat Med 2021;40:4230 (precision of calibration,
discrimination and net benefit). They are made for regression; boosted trees need more, and
C-statistics of 0.8 and above need more than criterion 1 says.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import asinh, ceil, exp, log, sqrt

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, ndtri

from crsrisk.errors import InputError
from crsrisk.evaluation.learning_curve_size import NeededSize
from crsrisk.evaluation.metrics import FloatArray
from crsrisk.results import Z_95, Result

WHERE = "sample size of a risk model"
# of the mean risk (criterion 3), and of apparent against adjusted R2 (criterion 2)
RISK_MARGIN = 0.05
ROUNDING = 1e-9
# the R package pmvalsampsize looks for the standard error in steps; its answers are met by doing
# so, too
SE_STEP = 1e-4
N_NODES = 200  # of the Gauss-Hermite rule over the linear predictor


@dataclass(frozen=True, repr=False)
class DevelopmentSize(Result):
    """Patients needed to develop a model of a binary outcome.

    ``criteria`` are patients for (1) the stated shrinkage, (2) optimism of at most 0.05 in
    Nagelkerke's R2, (3) the mean risk within 0.05; ``n`` is their largest and ``events`` the events
    among them. ``epp`` are events per parameter; ``max_r2`` the largest Cox-Snell R2 that the
    prevalence allows; ``shrinkage`` what to expect at ``n``.
    """

    criteria: tuple[int, int, int]
    n: int
    events: float
    epp: float
    max_r2: float
    shrinkage: float

    def summary(self) -> str:
        """Patients, events, and the three criteria."""
        criteria = ", ".join(f"{n:,}" for n in self.criteria)
        return f"{self.n:,} patients with {self.events:.0f} events (criteria 1 to 3: {criteria})"


@dataclass(frozen=True, repr=False)
class ModelStrength(Result):
    """How much a C-statistic explains: Cox-Snell R2, and the patients that development then
    needs.
    """

    r2_cs: float
    n: int

    def summary(self) -> str:
        """Cox-Snell R2 and the patients that development needs."""
        return f"Cox-Snell R2 {self.r2_cs:.3f}; development needs {self.n:,} patients"


@dataclass(frozen=True, repr=False)
class ValidationSize(Result):
    """Patients needed so that 95% intervals are no wider than stated; None where a criterion was
    not asked for.

    Of observed over expected events, calibration slope, C-statistic and standardised net benefit;
    ``n`` is the largest.
    """

    n_observed_expected: int
    n_slope: int | None
    n_c_statistic: int
    n_net_benefit: int | None
    n: int
    events: float

    def summary(self) -> str:
        """Patients and events."""
        return f"{self.n:,} patients with {self.events:.0f} events"


@dataclass(frozen=True)
class SizeRow:
    """Patients that one criterion asks for."""

    label: str
    n: int


@dataclass(frozen=True)
class RileySizes:
    """Riley's sizes for a model of given strength, criterion by criterion; ``largest``: for the
    development.
    """

    rows: tuple[SizeRow, ...]
    notes: tuple[str, ...]
    largest: int


@dataclass(frozen=True)
class SampleSize:
    """Patients that a model was developed on, beside those that formulas and a learning curve ask
    for (None: not computed).
    """

    n: int
    n_events: int
    riley: RileySizes | None
    needed: NeededSize | None

    @property
    def sentence(self) -> str:
        """All three in words."""
        text = f"{self.n:,} patients with {self.n_events:,} events were used."
        if self.riley is not None:
            text += f" Riley's formulas ask for {self.riley.largest:,}."
        if self.needed is None:
            return text
        text += " By simulation this learner"
        if smallest := self.needed.smallest["all"]:
            return f"{text} meets all targets from {smallest:,} patients on."
        most = self.needed.points[-1].n
        return f"{text} does not meet all targets with up to {most:,} patients."


def riley_sizes(*, prevalence: float, parameters: int, c: float) -> RileySizes:
    """All of Riley's sizes for a model with C-statistic ``c`` (above 0.5).

    >>> riley_sizes(prevalence=0.2, parameters=20, c=0.75).largest
    1322
    """
    strength = cstat_to_r2(c=c, prevalence=prevalence, parameters=parameters)
    size = pm_sample_size_binary(r2_cs=strength.r2_cs, parameters=parameters, prevalence=prevalence)
    valid = pm_validation_size_binary(prevalence=prevalence, c=c)
    off = pm_error_size_binary(prevalence=prevalence, parameters=parameters)
    largest = max(size.n, off)
    rows = (
        ("Development, shrinkage of 0.9 (criterion 1)", size.criteria[0]),
        ("Development, optimism of 0.05 in R2 (criterion 2)", size.criteria[1]),
        ("Development, mean risk within 0.05 (criterion 3)", size.criteria[2]),
        ("Development, a risk off by 0.05 on average (criterion 4)", off),
        ("Development, the largest", largest),
        ("Validation, observed / expected of width 0.2", valid.n_observed_expected),
        ("Validation, AUROC of width 0.1", valid.n_c_statistic),
    )
    note = (
        f"Prevalence {prevalence:.3f}, {parameters} features counted as parameters, C-statistic"
        f" {c:.3f} (held-out, all products mixed), Cox-Snell R2 {strength.r2_cs:.3f} from it. Trees"
        " have no fixed number of parameters."
    )
    return RileySizes(tuple(SizeRow(label, n) for label, n in rows), (note,), largest)


def pm_sample_size_binary(
    *, r2_cs: float, parameters: int, prevalence: float, shrinkage: float = 0.9
) -> DevelopmentSize:
    """Patients needed to develop a risk model of a binary outcome (CRS of grade >= 2).

    With S the shrinkage and P parameters: n1 = P / [(S - 1) ln(1 - R2/S)], n2 the same with S = R2
    / (R2 + 0.05 max R2), n3 = (1.96/0.05)^2 prevalence (1 - prevalence); max R2 = 1 - exp(2 x mean
    log likelihood of the mean risk).

    Parameters
    ----------
    r2_cs : float
        Cox-Snell R2 expected of the model, above 0 and below the largest that the prevalence
        allows; see :func:`cstat_to_r2` when only a C-statistic is known.
    parameters : int
        Candidate predictor parameters (a factor of three levels has two).
    prevalence : float
        Event rate, 0 to 1.
    shrinkage : float
        Largest acceptable uniform shrinkage, 0.9 = 10% of overfitting.

    Returns
    -------
    DevelopmentSize

    Raises
    ------
    InputError
        Where a number is outside its range, or R2 is not below the shrinkage.

    References
    ----------
    Riley et al., Stat Med 2019;38:1276.

    Examples
    --------
    >>> pm_sample_size_binary(r2_cs=0.288, parameters=24, prevalence=0.174).criteria
    (623, 662, 221)
    """
    rate, n_parameters = _inside(prevalence, key="prevalence"), _whole(parameters, key="parameters")
    wanted = _inside(shrinkage, key="shrinkage")
    largest = max_r2(rate)
    strength = _inside(
        r2_cs,
        key="r2_cs",
        high=largest,
        cure="state R2 on the Cox-Snell scale, below its largest value",
    )
    if strength >= wanted:
        raise InputError(
            where=WHERE,
            key="r2_cs",
            found=r2_cs,
            expected=f"less than the shrinkage, {wanted:g}",
            cure="expect less of the model, or ask for a shrinkage nearer to 1",
        )
    optimism = strength / (strength + RISK_MARGIN * largest)
    criteria = (
        _up(n_parameters / ((wanted - 1) * log(1 - strength / wanted))),
        _up(n_parameters / ((optimism - 1) * log(1 - strength / optimism))),
        _up((Z_95 / RISK_MARGIN) ** 2 * rate * (1 - rate)),
    )
    n = max(criteria)
    return DevelopmentSize(
        criteria, n, n * rate, round(n * rate / n_parameters, 2), largest, max(wanted, optimism)
    )


def pm_error_size_binary(*, prevalence: float, parameters: int, error: float = RISK_MARGIN) -> int:
    """Patients needed so that a patient's risk is off by ``error`` on average (mean absolute
    prediction error), all else being right: the criterion that Riley et al. added in BMJ 2020.

    n = exp{(-0.508 + 0.259 ln(prevalence) + 0.504 ln(parameters) - ln(error)) / 0.544}, an equation
    that van Smeden et al. (Stat Methods Med Res 2019;28:2455) fitted to simulated logistic
    regressions of at most 30 parameters; beyond, it is extrapolated. The rarer of event and no
    event counts.

    >>> pm_error_size_binary(prevalence=0.3, parameters=10)
    461
    """
    rate, n_parameters = _inside(prevalence, key="prevalence"), _whole(parameters, key="parameters")
    wanted = _inside(error, key="error")
    rarer = min(rate, 1 - rate)
    return _up(exp((-0.508 + 0.259 * log(rarer) + 0.504 * log(n_parameters) - log(wanted)) / 0.544))


def max_r2(prevalence: float) -> float:
    """Largest Cox-Snell R2 at an event rate: 1 - exp(2 [p ln p + (1 - p) ln(1 - p)]).

    >>> round(max_r2(0.174), 6)
    0.603209
    """
    return 1 - exp(-2 * _entropy(_inside(prevalence, key="prevalence")))


def cstat_to_r2(
    *, c: float, prevalence: float, parameters: int, shrinkage: float = 0.9
) -> ModelStrength:
    """Cox-Snell R2 of a model with C-statistic ``c``, and the patients its development needs.

    The linear predictor is normal with SD 1 in either class and means sqrt(2) ndtri(c) apart
    (Riley, Van Calster & Collins, Stat Med 2021;40:859). They simulate a large sample; here the
    likelihood is integrated, so the answer has no random error: R2 = 1 - exp(-2 x gain in mean log
    likelihood).

    >>> found = cstat_to_r2(c=0.89, prevalence=0.174, parameters=24)
    >>> round(found.r2_cs, 4), found.n
    (0.291, 660)
    """
    area = _inside(
        c, key="c", low=0.5, cure="a C-statistic of 0.5 ranks by chance; state the one expected"
    )
    rate = _inside(prevalence, key="prevalence")
    apart = sqrt(2) * float(ndtri(area))
    node, weight = _normal_rule()
    base = log(rate / (1 - rate)) - apart**2 / 2
    # true log odds, by class
    in_events, in_others = base + apart * (node + apart), base + apart * node
    surprise = rate * float(weight @ np.logaddexp(0, -in_events)) + (1 - rate) * float(
        weight @ np.logaddexp(0, in_others)
    )
    r2 = 1 - exp(2 * (surprise - _entropy(rate)))
    size = pm_sample_size_binary(
        r2_cs=r2, parameters=parameters, prevalence=rate, shrinkage=shrinkage
    )
    return ModelStrength(r2, size.n)


def pm_validation_size_binary(
    *,
    prevalence: float,
    c: float,
    observed_expected_width: float = 0.2,
    c_width: float = 0.1,
    slope_width: float = 0.2,
    linear_predictor: tuple[float, float] | None = None,
    net_benefit_width: float = 0.2,
    threshold: float | None = None,
    sensitivity: float | None = None,
    specificity: float | None = None,
) -> ValidationSize:
    """Patients needed to validate a risk model, by the width of 95% intervals.

    As in the R package pmvalsampsize the standard errors of the first and the last width are
    rounded up to 0.0001.

    Parameters
    ----------
    prevalence, c : float
        Event rate and C-statistic expected in the validation.
    observed_expected_width : float
        Width for observed over expected events, taken as 1; SE of its log sqrt((1 - p) / (n p)).
    c_width : float
        Width for the C-statistic; Newcombe's variance (Stat Med 2006;25:559).
    slope_width : float
        Width for the calibration slope; from the information of a logistic regression on the linear
        predictor.
    linear_predictor : (float, float), optional
        Its mean and SD (normal) in the validation, needed for the slope; calibrated predictions
        assumed.
    net_benefit_width : float
        Width for standardised net benefit at ``threshold`` with ``sensitivity`` and
        ``specificity`` there (0 to 1).

    Returns
    -------
    ValidationSize

    Raises
    ------
    InputError
        Where a number is outside its range.

    References
    ----------
    Riley et al., Stat Med 2021;40:4230.

    Examples
    --------
    >>> size = pm_validation_size_binary(prevalence=0.018, c=0.8, observed_expected_width=1.0)
    >>> size.n_observed_expected
    905
    """
    rate = _inside(prevalence, key="prevalence")
    area = _inside(
        c, key="c", low=0.5, cure="a C-statistic of 0.5 ranks by chance; state the one expected"
    )
    widths = [
        _inside(width, key=key, high=high)
        for width, key, high in (
            (observed_expected_width, "observed_expected_width", 10.0),
            (c_width, "c_width", 1.0),
            (slope_width, "slope_width", 10.0),
            (net_benefit_width, "net_benefit_width", 10.0),
        )
    ]
    # e^x - e^-x = width
    n_ratio = _up((1 - rate) / rate / _stepped(asinh(widths[0] / 2) / Z_95) ** 2)
    n_area = _patients_for_c(area, rate, widths[1])
    n_slope = None if linear_predictor is None else _patients_for_slope(linear_predictor, widths[2])
    n_benefit = _patients_for_benefit(rate, threshold, sensitivity, specificity, widths[3])
    n = max(size for size in (n_ratio, n_area, n_slope, n_benefit) if size is not None)
    return ValidationSize(n_ratio, n_slope, n_area, n_benefit, n, n * rate)


def linear_predictor_of(*, c: float, prevalence: float) -> tuple[float, float]:
    """Mean and SD of the linear predictor of a calibrated model with this C-statistic, when it is
    normal overall.

    Solved by quadrature, for use in :func:`pm_validation_size_binary` when the model's own is not
    known.

    >>> mean, sd = linear_predictor_of(c=0.8, prevalence=0.25)
    >>> round(mean, 2), round(sd, 2)
    (-1.47, 1.36)
    """
    area = _inside(
        c, key="c", low=0.5, cure="a C-statistic of 0.5 ranks by chance; state the one expected"
    )
    rate = _inside(prevalence, key="prevalence")
    return _solve_linear_predictor(area, rate)


def _solve_linear_predictor(area: float, rate: float) -> tuple[float, float]:
    node, weight = _normal_rule()
    grid = np.linspace(-8, 8, 2001)
    density = np.exp(-(grid**2) / 2)

    def mean_for(sd: float) -> float:
        return float(brentq(lambda m: float(weight @ expit(m + sd * node)) - rate, -60, 60))

    def c_for(sd: float) -> float:
        risk = expit(mean_for(sd) + sd * grid)
        events, others = risk * density, (1 - risk) * density
        below = np.cumsum(others) - others / 2
        return float(events @ below / (events.sum() * others.sum()))

    if c_for(20.0) < area:
        raise InputError(
            where=WHERE,
            key="c",
            found=area,
            expected="a C-statistic that a normal linear predictor reaches",
            cure="state linear_predictor yourself",
        )
    sd = float(brentq(lambda s: c_for(s) - area, 1e-3, 20.0))
    return mean_for(sd), sd


def _patients_for_c(area: float, rate: float, width: float) -> int:
    """Smallest n with 1.96 x 2 x SE at most ``width``; the variance falls with n, so it is
    bracketed and solved.
    """

    def surplus(n: float) -> float:
        variance = (
            area
            * (1 - area)
            * (1 + (n / 2 - 1) * (1 - area) / (2 - area) + (n / 2 - 1) * area / (1 + area))
            / (n**2 * rate * (1 - rate))
        )
        return 2 * Z_95 * sqrt(variance) - width

    return 2 if surplus(2.0) <= 0 else _up(float(brentq(surplus, 2.0, 1e12, xtol=1e-6)))


def _patients_for_slope(linear_predictor: tuple[float, float], width: float) -> int:
    mean, sd = linear_predictor
    if not (np.isfinite(mean) and np.isfinite(sd) and sd > 0):
        raise InputError(
            where=WHERE,
            key="linear_predictor",
            found=linear_predictor,
            expected="a mean and an SD above 0",
            cure="take them from the model's own predictions",
        )
    node, weight = _normal_rule()
    value = mean + sd * node
    information = weight * expit(value) * expit(-value)
    a, ab, b = (float(information @ value**power) for power in (0, 1, 2))
    return _up((2 * Z_95 / width) ** 2 * a / (a * b - ab**2))


def _patients_for_benefit(
    rate: float,
    threshold: float | None,
    sensitivity: float | None,
    specificity: float | None,
    width: float,
) -> int | None:
    if threshold is None:
        return None
    t = _inside(threshold, key="threshold", cure="drop 0 and 1")
    sens, spec = _inside(sensitivity, key="sensitivity"), _inside(specificity, key="specificity")
    w = (1 - rate) / rate * t / (1 - t)
    variance = (
        sens * (1 - sens) / rate
        + w**2 * spec * (1 - spec) / (1 - rate)
        + w**2 * (1 - spec) ** 2 / (rate * (1 - rate))
    )
    return _up(variance / _stepped(width / (2 * Z_95)) ** 2)


@lru_cache(maxsize=1)
def _normal_rule() -> tuple[FloatArray, FloatArray]:
    """Nodes and weights of the mean over a standard normal."""
    node, weight = np.polynomial.hermite_e.hermegauss(N_NODES)
    return node, weight / weight.sum()


def _entropy(rate: float) -> float:
    return -(rate * log(rate) + (1 - rate) * log(1 - rate))


def _up(n: float) -> int:
    return ceil(n - ROUNDING)


def _stepped(error: float) -> float:
    return ceil(error / SE_STEP - ROUNDING) * SE_STEP


def _inside(
    value: object,
    *,
    key: str,
    low: float = 0.0,
    high: float = 1.0,
    cure: str = "divide percentages by 100",
) -> float:
    number = float("nan")
    if isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool):
        number = float(value)
    if not low < number < high:
        raise InputError(
            where=WHERE,
            key=key,
            found=value,
            expected=f"a number above {low:g} and below {high:.4g}",
            cure=cure,
        )
    return number


def _whole(value: object, *, key: str) -> int:
    number = _inside(value, key=key, high=1e9, cure="count them")
    if number != int(number):
        raise InputError(
            where=WHERE, key=key, found=value, expected="a whole number above 0", cure="count them"
        )
    return int(number)
