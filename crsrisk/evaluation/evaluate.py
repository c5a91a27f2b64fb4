"""Everything that is said about a model's risks in held-out patients, as one typed result.

:func:`evaluate` computes, the report, the charts and the tracker only read. A group in which nobody
or everybody had the event keeps its place; there, what needs both is :class:`NotEstimable`.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from crsrisk.data.disclosure import is_told
from crsrisk.errors import InputError
from crsrisk.evaluation.benchmark import Benchmark
from crsrisk.evaluation.calibration import (
    CalibrationCurve,
    fit_calibration_curve,
    fit_loess_curve,
    recalibrate,
)
from crsrisk.evaluation.decision_curve import NetBenefitCurve, net_benefit_curve
from crsrisk.evaluation.metrics import (
    RISK_FLOOR,
    BoolArray,
    FloatArray,
    RiskDistributions,
    auroc,
    auroc_within,
    brier,
    check_outcome_and_risk,
    clip_risk,
    discrimination_slope,
    log_loss,
    observed_to_expected,
    risk_distribution,
    scaled_brier,
    share_of,
)
from crsrisk.evaluation.parts import Parts, pooled_places
from crsrisk.results import Estimate, NotEstimable, Result
from crsrisk.wording import estimate_in_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

THRESHOLDS = tuple(round(0.02 * step, 2) for step in range(1, 31))
"""Default decision thresholds, 2 to 60% (assumed: wide enough to argue about prophylaxis)."""

HELD_OUT = "held-out patients of a synthetic cohort; no external validation"
_GROUPS_SHOWN = 12  # in a summary

METHODS = {
    "interval": (
        "95% throughout, over patients like those evaluated: none covers the step to patients of"
        " another kind"
    ),
    "event_rate": "Wilson",
    "auroc": "DeLong's variance by midranks, normal on the AUROC scale, cut at 0 and 1",
    "auroc_within_groups": (
        "groups' (products') AUROCs weighted by pairs (events x others), DeLong's variances"
    ),
    "brier, log_loss": "mean over patients with the normal interval of a mean",
    "scaled_brier": "1 - Brier / (rate x (1 - rate)); normal, delta method",
    "calibration.in_the_large": "intercept of logit(P) = a + logit(risk), slope fixed at 1; Wald",
    "calibration.slope, calibration.intercept_joint": (
        "b and a of logit(P) = a + b logit(risk), fitted together; Wald"
    ),
    "calibration.observed_to_expected": "normal on the log scale, expected number taken as fixed",
    "calibration.curve": (
        "logistic regression on a restricted cubic spline of logit(risk), four knots at its 5, 35,"
        " 65 and 95% quantiles; pointwise percentile bootstrap; ICI, E50, E90, Emax: percentile"
        " bootstrap, from 0 where exact risks could give as much (ici_if_perfect)"
    ),
    "loess_curve": "the same by loess (span 2/3, tricube, no robustness steps), as lowess of R",
    "net_benefit": (
        "TP/n - FP/n x t/(1 - t), treated when risk >= t; pointwise percentile bootstrap"
    ),
    "risk_distribution": "means: normal; quantiles: distribution-free by order statistics",
    "clipping": (
        f"for logits and log loss, risks closer than {RISK_FLOOR:g} to 0 or 1 are moved and counted"
    ),
}


@dataclass(frozen=True)
class GroupCalibration:
    """Does a predicted risk of 30% mean 30 events in 100 patients of this group?

    Parameters
    ----------
    in_the_large : intercept with the slope fixed at 1 (ideal 0; above 0: risks too low on average).
    slope : calibration slope (ideal 1; below 1: risks too extreme).
    intercept_joint : intercept fitted together with the slope.
    observed_to_expected : events that happened over events predicted (ideal 1).
    curve : the flexible curve with its band, ICI, E50, E90 and Emax.
    """

    in_the_large: Estimate | NotEstimable
    slope: Estimate | NotEstimable
    intercept_joint: Estimate | NotEstimable
    observed_to_expected: Estimate | NotEstimable
    curve: CalibrationCurve | NotEstimable


@dataclass(frozen=True)
class GroupEvaluation:
    """Every figure for one group of patients, or for all of them.

    Parameters
    ----------
    n, n_events : patients, and those of them who had the event.
    event_rate : share of patients with the event.
    n_risks_clipped : risks that were moved to 1e-6 from 0 or 1 for logarithms.
    auroc, brier, scaled_brier, log_loss, discrimination_slope : discrimination and overall error;
        log loss in nats.
    calibration : intercepts, slope, observed / expected, curve.
    net_benefit : the decision curve, in events found per patient without needless treatment.
    risk_distribution : predicted risks of patients with and without the event.
    """

    n: int
    n_events: int
    event_rate: Estimate
    n_risks_clipped: int
    auroc: Estimate | NotEstimable
    brier: Estimate | NotEstimable
    scaled_brier: Estimate | NotEstimable
    log_loss: Estimate | NotEstimable
    discrimination_slope: Estimate | NotEstimable
    calibration: GroupCalibration
    net_benefit: NetBenefitCurve | NotEstimable
    risk_distribution: RiskDistributions | NotEstimable

    def figures(self) -> dict[str, Estimate | NotEstimable]:
        """The figures that are one number, by name."""
        calibration, curve = self.calibration, self.calibration.curve
        return {
            "event_rate": self.event_rate,
            "auroc": self.auroc,
            "brier": self.brier,
            "scaled_brier": self.scaled_brier,
            "log_loss": self.log_loss,
            "discrimination_slope": self.discrimination_slope,
            "calibration_in_the_large": calibration.in_the_large,
            "calibration_slope": calibration.slope,
            "calibration_intercept_joint": calibration.intercept_joint,
            "observed_to_expected": calibration.observed_to_expected,
            **{
                name: curve if isinstance(curve, NotEstimable) else getattr(curve, name)
                for name in ("ici", "e50", "e90", "emax")
            },
        }


@dataclass(frozen=True, repr=False)
class Evaluation(Result):
    """How good predicted risks are in patients whose outcomes are known.

    Parameters
    ----------
    pooled : all patients together. Its AUROC is high as soon as groups differ in their event rate.
    by_group : the same figures in each group (product), by name.
    auroc_within_groups : AUROC among pairs of patients of one group: what the model knows beyond
        the group.
    loess_curve : the calibration curve of all patients by the other usual smoother.
    outcome_name : the event in words, its window among them.
    patients : who was evaluated, in words.
    seed, n_resamples : of every bootstrap in it.
    methods : figure -> how it and its interval are computed.
    benchmark : the model between product-only and oracle, where true risks were simulated.
    """

    pooled: GroupEvaluation
    by_group: Mapping[str, GroupEvaluation]
    auroc_within_groups: Estimate | NotEstimable
    loess_curve: CalibrationCurve | NotEstimable
    outcome_name: str
    patients: str
    seed: int
    n_resamples: int
    methods: Mapping[str, str]
    benchmark: Benchmark | None = None

    @property
    def notice(self) -> str:
        """Who was evaluated, and that it is for research."""
        return f"Research use; {self.patients}."

    def group(self, name: str | None = None) -> GroupEvaluation:
        """The figures of one group; all patients together where no name is given.

        Raises
        ------
        InputError
            Where no group has this name.
        """
        if name is None:
            return self.pooled
        if name not in self.by_group:
            raise InputError(
                where="evaluation",
                key="group",
                found=name,
                expected=f"one of {', '.join(self.by_group) or 'none: no groups were given'}",
                cure="pass groups= to evaluate, or leave the group out",
            )
        return self.by_group[name]

    def summary(self) -> str:
        """The figures that one looks at first, as text."""
        pooled, calibration = self.pooled, self.pooled.calibration
        lines = [
            f"{pooled.n:,} patients, {pooled.n_events:,} with the event ({self.outcome_name})",
            f"AUROC {estimate_in_words(pooled.auroc)}; within groups"
            f" {estimate_in_words(self.auroc_within_groups)}",
            f"Calibration slope {estimate_in_words(calibration.slope)}; observed / expected"
            f" {estimate_in_words(calibration.observed_to_expected)}",
            f"Scaled Brier score {estimate_in_words(pooled.scaled_brier)}",
            *(
                f"{name}: {group.n:,} patients, {group.n_events:,} with the event; AUROC"
                f" {estimate_in_words(group.auroc)}; observed / expected"
                f" {estimate_in_words(group.calibration.observed_to_expected)}"
                for name, group in list(self.by_group.items())[:_GROUPS_SHOWN]
            ),
        ]
        left_out = len(self.by_group) - _GROUPS_SHOWN
        if left_out > 0:
            lines.append(f"{left_out} more groups: see to_frame()")
        return "\n".join([*lines, f"95% intervals in brackets. {self.notice}"])

    def to_frame(self) -> pd.DataFrame:
        """One row a group (`all` first) and figure: its `value`, `low`, `high`, the group's `n` and
        `n_events`, and in `not_estimable` the reason where there is no value.
        """
        rows = []
        for name, group in [("all", self.pooled), *self.by_group.items()]:
            figures = group.figures()
            if group is self.pooled:
                figures["auroc_within_groups"] = self.auroc_within_groups
            for figure, estimate in figures.items():
                known = estimate if isinstance(estimate, Estimate) else Estimate(np.nan)
                reason = estimate.reason if isinstance(estimate, NotEstimable) else ""
                counts = (name, group.n, group.n_events)
                rows.append((*counts, figure, known.value, known.low, known.high, reason))
        columns = ["group", "n", "n_events", "figure", "value", "low", "high", "not_estimable"]
        return pd.DataFrame(rows, columns=columns)

    def _repr_html_(self) -> str:
        """A row a figure and a column a group, each figure with its interval."""
        groups = {"all": self.pooled, **dict(list(self.by_group.items())[:_GROUPS_SHOWN])}
        figures = {name: list(group.figures().items()) for name, group in groups.items()}
        figures["all"].insert(2, ("auroc_within_groups", self.auroc_within_groups))
        table = pd.DataFrame(
            {
                f"{name} (n = {groups[name].n:,})": {
                    figure: estimate_in_words(estimate) for figure, estimate in rows
                }
                for name, rows in figures.items()
            }
        )
        told = html.escape(f"{self.outcome_name}. 95% intervals in brackets. {self.notice}")
        return table.to_html(border=0, na_rep="") + f"<p>{told}</p>"

    def plot_calibration(self, ax: Axes | None = None, group: str | None = None) -> Axes:
        """Calibration curve with its band and the spread of the risks.

        Parameters
        ----------
        ax : matplotlib axes to draw on; those of a new figure where none are given.
        group : name of a group; all patients together where none is given.
        """
        from crsrisk.plots.evaluation_charts import plot_calibration

        return plot_calibration(self.group(group), ax=ax, title=group or "")

    def plot_decision_curve(self, ax: Axes | None = None, group: str | None = None) -> Axes:
        """Net benefit of acting on the risk beside treating everybody and nobody; parameters as in
        :meth:`plot_calibration`.
        """
        from crsrisk.plots.evaluation_charts import plot_decision_curve

        return plot_decision_curve(self.group(group), ax=ax, title=group or "")

    def plot_risk_distribution(self, ax: Axes | None = None, group: str | None = None) -> Axes:
        """Predicted risks of patients with and without the event; parameters as in
        :meth:`plot_calibration`.
        """
        from crsrisk.plots.evaluation_charts import plot_risk_distribution

        return plot_risk_distribution({group or "All patients": self.group(group)}, ax=ax)


def evaluate(
    y_true: ArrayLike,
    risk: ArrayLike,
    *,
    groups: ArrayLike | pd.Categorical | None = None,
    outcome_name: str = "the event",
    patients: str = "patients given by the user",
    thresholds: Sequence[float] = THRESHOLDS,
    n_resamples: int = 300,
    seed: int = 0,
    benchmark: Benchmark | None = None,
) -> Evaluation:
    """Evaluate predicted risks in patients whose outcomes are known, together and group by group.

    Discrimination, calibration, overall error and decision curve, each figure with its 95%
    interval. No accuracy, F1 or area under the precision-recall curve: they hang on one threshold
    or on the event rate.

    Parameters
    ----------
    y_true : array of shape (n_patients,)
        Whether the event happened (True/False or 1/0), none missing.
    risk : array of shape (n_patients,)
        Predicted probability of the event, 0 to 1: ``predict_proba(X)[:, 1]``.
    groups : array of shape (n_patients,), optional
        Group of each patient, usually the product: ``X["product"]``. Groups of fewer than ten
        patients are taken together, and left out where there are still fewer.
    outcome_name, patients : the event in words, its window among them ("first CRS of grade >= 2
        within 21 days"), and who was evaluated; both stand in the result.
    thresholds : of the decision curve, each above 0 and below 1.
    n_resamples, seed : of every bootstrap.
    benchmark : the model between product-only and oracle in patients with simulated true risks.

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        Where lengths differ, a risk is missing or outside 0 to 1, or nobody or everybody had the
        event.

    References
    ----------
    Steyerberg et al., Epidemiology 2010;21:128; Van Calster et al., BMC Med 2019;17:230.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> risk = rng.uniform(0.1, 0.5, 400)
    >>> y_true = rng.random(400) < risk
    >>> evaluation = evaluate(y_true, risk, groups=["a", "b"] * 200, seed=1, n_resamples=50)
    >>> list(evaluation.by_group)
    ['a', 'b']
    >>> evaluation.pooled.n_events
    115
    """
    event, predicted = check_outcome_and_risk(y_true, risk)
    names = None if groups is None else _group_names(groups, n=event.size)
    told = {} if names is None else Parts(names.codes, pooled_places(names))

    def evaluate_rows(rows: BoolArray | slice) -> GroupEvaluation:
        return _evaluate_group(
            event[rows],
            predicted[rows],
            thresholds=thresholds,
            seed=seed,
            n_resamples=n_resamples,
        )

    return Evaluation(
        pooled=evaluate_rows(slice(None)),
        by_group={
            name: evaluate_rows(rows) for name, rows in told.items() if is_told(int(rows.sum()))
        },
        auroc_within_groups=NotEstimable("no groups were given")
        if names is None
        else auroc_within(event, risk=predicted, group=names.codes),
        loess_curve=fit_loess_curve(
            event, risk=clip_risk(predicted).risk, seed=seed, n_resamples=n_resamples
        ),
        outcome_name=outcome_name,
        patients=patients,
        seed=seed,
        n_resamples=n_resamples,
        methods=dict(METHODS),
        benchmark=benchmark,
    )


def _group_names(groups: ArrayLike | pd.Categorical, *, n: int) -> pd.Categorical:
    """Names of the groups, one for each patient."""
    names = groups if isinstance(groups, pd.Categorical) else np.asarray(groups)
    if names.shape != (n,):
        raise InputError(
            where="evaluation",
            key="groups",
            found=f"shape {names.shape}",
            expected=f"one group (product) for each of {n} patients",
            cure="pass the product column of the same patients",
        )
    n_missing = int(pd.isna(names).sum())
    if n_missing:
        raise InputError(
            where="evaluation",
            key="groups",
            found=f"{n_missing} patients without a group",
            expected="a group (product) for every patient",
            cure="leave these patients out, or give them a group of their own",
        )
    if isinstance(names, pd.Categorical):
        return names
    words, places = np.unique(names.astype(str), return_inverse=True)
    return pd.Categorical.from_codes(places, pd.Index(words.tolist()))


def _evaluate_group(
    y_true: BoolArray,
    predicted: FloatArray,
    *,
    thresholds: Sequence[float],
    seed: int,
    n_resamples: int,
) -> GroupEvaluation:
    """Every figure for one group of patients; those that need both classes give way where one
    lacks.
    """
    clipped = clip_risk(predicted)
    if y_true.all() or not y_true.any():
        return _one_class(y_true, n_risks_clipped=clipped.n_clipped)
    recalibration = recalibrate(y_true, risk=clipped.risk)
    return GroupEvaluation(
        n=y_true.size,
        n_events=int(y_true.sum()),
        event_rate=share_of(y_true),
        n_risks_clipped=clipped.n_clipped,
        auroc=auroc(y_true, risk=predicted),
        brier=brier(y_true, risk=predicted),
        scaled_brier=scaled_brier(y_true, risk=predicted),
        log_loss=log_loss(y_true, risk=clipped.risk),
        discrimination_slope=discrimination_slope(y_true, risk=predicted),
        calibration=GroupCalibration(
            in_the_large=recalibration.in_the_large,
            slope=recalibration.slope,
            intercept_joint=recalibration.intercept_joint,
            observed_to_expected=observed_to_expected(y_true, risk=clipped.risk),
            curve=fit_calibration_curve(
                y_true, risk=clipped.risk, seed=seed, n_resamples=n_resamples
            ),
        ),
        net_benefit=net_benefit_curve(
            y_true, risk=predicted, thresholds=thresholds, seed=seed, n_resamples=n_resamples
        ),
        risk_distribution=risk_distribution(y_true, risk=predicted),
    )


def _one_class(y_true: BoolArray, *, n_risks_clipped: int) -> GroupEvaluation:
    """A group in which nobody or everybody had the event: only the counts are known."""
    reason = NotEstimable(
        "every patient had the event" if y_true.all() else "no patient had the event"
    )
    return GroupEvaluation(
        n=y_true.size,
        n_events=int(y_true.sum()),
        event_rate=share_of(y_true),
        n_risks_clipped=n_risks_clipped,
        auroc=reason,
        brier=reason,
        scaled_brier=reason,
        log_loss=reason,
        discrimination_slope=reason,
        calibration=GroupCalibration(reason, reason, reason, reason, reason),
        net_benefit=reason,
        risk_distribution=reason,
    )
