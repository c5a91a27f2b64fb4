"""Benchmark: how much of what can be known a model has learnt, from knowing nothing over
comparators and the model to an oracle.

In a synthetic world every test patient can be simulated again and again: `n_events` of
`n_replicates` simulations had the event, so q = n_events / n_replicates estimates the true risk.
Predictors are scored by what they are expected to lose under q instead of by one random outcome,
which takes the label noise out:

- log loss of risk p: mean of -[q ln p + (1 - q) ln(1 - p)], linear in q, hence unbiased; in nats;
- log loss of the oracle: mean entropy of q. The entropy of an observed share is too low on average;
  Miller and Madow's correction, (observed classes - 1) / (2 n_replicates), is added per patient
  (Miller 1955);
- AUROC: see :mod:`crsrisk.evaluation.metrics`. The oracle ranks each replicate by the others
  only; with finitely many it ranks a little worse than the truth: a lower bound, with an upper one
  beside it.

No real patient has such a q: the benchmark describes the simulator and the models inside it,
nothing outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr, logit
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from crsrisk.data.cohort import Cohort
from crsrisk.errors import InputError
from crsrisk.evaluation.metrics import (
    ExpectedAuroc,
    FloatArray,
    Rows,
    Scores,
    bootstrap_counts,
    check_risk,
    clip_risk,
    expected_auroc,
    mean_with_interval,
    percentile_estimate,
    replicate_scores,
)
from crsrisk.model.comparators import ProductRate
from crsrisk.model.features import ModelConfig
from crsrisk.model.plain_boosting import QUICK, PlainName, plain_boosting
from crsrisk.model.risk_model import RiskModel, class_in_words
from crsrisk.plots.chart_data import BenchmarkMark, Kind
from crsrisk.results import Z_95, Estimate, NotEstimable, Result
from crsrisk.simulation.true_risk import GIVEN_IN_WORDS, Event, TrueRisk

if TYPE_CHECKING:
    from matplotlib.axes import Axes

IntArray: TypeAlias = NDArray[np.int64]
MIN_PATIENTS = 30  # of one product: fewer cannot carry an interval over patients


@dataclass(frozen=True)
class Truth:
    """True risk of patients by re-simulation: events among replicates, one place a patient.

    `name` says which truth: "everything true at baseline" or "what was observed".

    >>> Truth("what was observed", np.array([3, 0]), np.array([10, 10])).risk.tolist()
    [0.3, 0.0]
    """

    name: str
    n_events: IntArray
    n_replicates: IntArray

    def __post_init__(self) -> None:
        """Refuse counts that no re-simulation can give."""
        is_sound = (
            self.n_events.ndim == 1
            and self.n_events.shape == self.n_replicates.shape
            and self.n_events.dtype.kind in "iu"
            and self.n_replicates.dtype.kind in "iu"
            and bool(((self.n_replicates >= 2) & (self.n_events >= 0)).all())
            and bool((self.n_events <= self.n_replicates).all())
        )
        if not is_sound:
            raise InputError(
                where="benchmark",
                key=f"truth ({self.name})",
                found=f"counts of shape {self.n_events.shape} and {self.n_replicates.shape}",
                expected="whole numbers, 0 <= n_events <= n_replicates, at least 2 replicates",
                cure="re-simulate every patient at least twice and count the events",
            )

    @property
    def risk(self) -> FloatArray:
        """Share of replicates with the event: unbiased for the true risk."""
        return np.asarray(self.n_events / self.n_replicates)

    @property
    def entropy(self) -> FloatArray:
        """Entropy of the outcome given the true risk, nats, with Miller and Madow's correction."""
        is_mixed = (self.n_events > 0) & (self.n_events < self.n_replicates)
        return np.asarray(
            entr(self.risk) + entr(1 - self.risk) + is_mixed / (2 * self.n_replicates)
        )

    @property
    def risk_variance(self) -> FloatArray:
        """Squared Monte Carlo error of `risk` (unbiased)."""
        return np.asarray(self.risk * (1 - self.risk) / (self.n_replicates - 1))

    @classmethod
    def from_true_risk(cls, true_risk: TrueRisk, *, event: Event = "grade2plus") -> Truth:
        """The counts of re-simulated patients, in their order."""
        n_events = true_risk.n_events(event)
        n_replicates = np.full(n_events.size, true_risk.n_replicates, dtype=np.int64)
        return cls(GIVEN_IN_WORDS[true_risk.given], n_events, n_replicates)

    def of(self, rows: Rows) -> Truth:
        """The truth of these patients only."""
        return Truth(self.name, self.n_events[rows], self.n_replicates[rows])


@dataclass(frozen=True)
class BenchmarkRow:
    """One predictor of a benchmark. Losses in nats; `..._mc_error` is the standard error of finite
    replicates.

    Intervals of losses and gains: normal, over patients (Monte Carlo error included); of AUROCs:
    percentile bootstrap over patients. `auroc_within_product` compares patients of one product only
    and is None where all are of one product. For an oracle, `auroc` is the lower bound and
    `auroc_upper` the upper one (the same replicates rank and weigh); where true risks differ
    smoothly, the truth lies about halfway between them.
    """

    name: str
    kind: Kind
    log_loss: Estimate
    log_loss_mc_error: float
    gain_over_product_only: Estimate
    auroc: Estimate | NotEstimable
    auroc_mc_error: float | None
    auroc_upper: float | None
    auroc_within_product: Estimate | NotEstimable | None
    auroc_within_product_mc_error: float | None
    auroc_within_product_upper: float | None
    n_risks_clipped: int

    def mark(self, label: str | None = None) -> BenchmarkMark:
        """What a chart draws of it, under its own name or another."""
        return BenchmarkMark(
            label=label or self.name,
            kind=self.kind,
            gain=self.gain_over_product_only,
            auroc=self.auroc_within_product,
            auroc_upper=self.auroc_within_product_upper,
            auroc_mixed=self.auroc,
            auroc_mixed_upper=self.auroc_upper,
        )


@dataclass(frozen=True)
class GroupBenchmark:
    """The predictors among one group of patients, from knowing nothing upwards, and the share of
    the possible gain reached.

    `share_of_oracle_gain` = (loss of product-only - loss of model) / (loss of product-only - loss
    of oracle): 0 = no better than knowing the product, 1 = all that this truth allows. Interval:
    percentile bootstrap over patients, paired; `share_mc_error` by the delta method.
    """

    n_patients: int
    rows: tuple[BenchmarkRow, ...]
    share_of_oracle_gain: Estimate | NotEstimable
    share_mc_error: float | None


@dataclass(frozen=True, repr=False)
class Benchmark(Result):
    """Predictors compared under the true risk, over all products together and within each.

    Parameters
    ----------
    truth : what the oracle knows: "what was observed" or "everything true at baseline".
    model : name of the predictor whose share of the oracle's gain is given.
    product_only : name of the predictor that knows the product alone.
    n_replicates_min, n_replicates_max : simulations of each patient.
    n_resamples, seed : of the bootstrap over patients.
    pooled : all patients together.
    by_product : product -> its own benchmark, or why there is none.
    notes : what predictors are and how their settings came about, by name; of some.
    """

    truth: str
    model: str
    product_only: str
    n_replicates_min: int
    n_replicates_max: int
    n_resamples: int
    seed: int
    pooled: GroupBenchmark
    by_product: dict[str, GroupBenchmark | NotEstimable]
    notes: dict[str, str] = field(default_factory=dict)

    def to_frame(self, product: str | None = None) -> pd.DataFrame:
        """One row a predictor: log loss, gain over knowing the product, and AUROC, with the ends
        of their 95% intervals; of all patients, or of one product's.

        ``auroc_within_product`` compares patients of one product only, so that knowing the product
        cannot help; ``auroc`` compares all.

        Raises
        ------
        InputError
            For a product without a benchmark of its own.
        """
        group = self.pooled if product is None else self.by_product.get(product)
        if not isinstance(group, GroupBenchmark):
            raise InputError(
                where="benchmark",
                key="product",
                found=f"{product}: {group.reason}" if group else f"{product}, an unknown product",
                expected=f"one of {', '.join(sorted(self.by_product))}",
                cure="choose a product with enough patients, or leave it out for all together",
            )
        return pd.DataFrame(
            [
                {
                    "predictor": row.name,
                    "kind": row.kind,
                    **_columns("log_loss", row.log_loss),
                    **_columns("gain_over_product_only", row.gain_over_product_only),
                    **_columns("auroc", row.auroc),
                    **_columns("auroc_within_product", row.auroc_within_product),
                }
                for row in group.rows
            ]
        ).set_index("predictor")

    def summary(self) -> str:
        """Who was compared, on how many patients, and the share of the oracle's gain."""
        share = self.pooled.share_of_oracle_gain
        reached = (
            f"{share.value:.0%} ({share.low:.0%} to {share.high:.0%})"
            if isinstance(share, Estimate)
            else f"no share ({share.reason})"
        )
        return (
            f"{len(self.pooled.rows)} predictors on {self.pooled.n_patients} re-simulated patients;"
            f" {self.model} reaches {reached} of what an oracle that knows {self.truth} gains over"
            " knowing the product alone"
        )

    def plot(self, axes: Sequence[Axes] | None = None) -> tuple[Axes, ...]:
        """Every predictor with its 95% intervals, the oracle on top: gain in log loss over knowing
        the product, AUROC among patients of one product, and AUROC over all patients.

        Parameters
        ----------
        axes : matplotlib axes, one a measure; those of a new figure where none are given.
        """
        from crsrisk.plots.evaluation_charts import plot_benchmark

        marks = [row.mark() for row in reversed(self.pooled.rows)]
        return plot_benchmark(marks, axes=axes)


def _columns(name: str, figure: Estimate | NotEstimable | None) -> dict[str, float]:
    if not isinstance(figure, Estimate):
        return {name: np.nan, f"{name}_low": np.nan, f"{name}_high": np.nan}
    return {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}


class Predictor(Protocol):
    """Whatever predicts risks from a clinical table, as scikit-learn's classifiers do."""

    def predict_proba(self, X: Any) -> Any:
        """Probabilities of no event and of the event, shape (patients, 2)."""
        ...


def benchmark(
    candidates: Sequence[Predictor],
    *,
    train: Cohort,
    truth: TrueRisk | Sequence[TrueRisk],
    model: str | None = None,
    learners: Sequence[PlainName] = QUICK,
    seed: int = 0,
    n_resamples: int = 500,
) -> Benchmark:
    """Compare predictors of CRS of grade 2 or more with each other and with an oracle.

    Every predictor is scored on re-simulated test patients under their true risk, so that no chance
    of outcomes enters; and by AUROC within products, where knowing the product cannot help.

    Parameters
    ----------
    candidates : classifiers that take a clinical table as measured (:class:`ProductRate`,
        :class:`RidgeLogistic`, :class:`CRSRiskClassifier`, a loaded :class:`RiskModel`, a
        scikit-learn pipeline). Those that are fitted are used as they are; of the others a copy is
        fitted to ``train``. A :class:`ProductRate` is added where there is none.
    train : patients to learn from; their event rate is the predictor "null".
    truth : from :func:`true_risk`, of test patients who are not in ``train``. Of several (given
        what was observed, given everything at baseline) the first scores; each gives an oracle.
    model : name of the candidate whose share of the oracle's gain is given; the last without one.
    learners : gradient boosting as one would type it, fitted to ``train`` beside the candidates:
        "LightGBM" and "HistGradientBoosting" with the settings they come with, in seconds; on
        request "LightGBM, tuned" and "LightGBM, tuned with directions" (Optuna: as many settings as
        the configuration's ``tuning`` tries, in the folds of the model), in minutes where there are
        many patients; none: ``learners=()``. They take the features of the last candidate that has
        a configuration (of ``baseline`` without one), product and platform as categories.
    seed : of the bootstrap over patients, and of ``learners``.
    n_resamples : of the bootstrap over patients for intervals.

    Returns
    -------
    Benchmark

    Raises
    ------
    InputError
        For a true risk without its patients, fewer than 30 patients, patients in ``train``, or a
        name in ``learners`` that is not known.

    References
    ----------
    Miller G. Note on the bias of information estimates. Information theory in psychology, 1955.
    """
    truths = [truth] if isinstance(truth, TrueRisk) else list(truth)
    cohort = truths[0].cohort if truths else None
    if cohort is None:
        raise InputError(
            where="benchmark",
            key="truth",
            found="a true risk that does not know its patients",
            expected="what crsrisk.true_risk returns",
            cure="write truth = crs.true_risk(test, world=world)",
        )
    is_same_draw = cohort.manifest.get("seed") == train.manifest.get("seed")
    n_shared = int(cohort.patient_ids.isin(train.patient_ids).sum()) if is_same_draw else 0
    if n_shared:
        raise InputError(
            where="benchmark",
            key="truth",
            found=f"{n_shared} patients who are in train as well",
            expected="test patients that no candidate has learnt from",
            cure="write train, test = cohort.split() and take the truth of test",
        )
    y = train.y
    plain = plain_boosting(learners, config=_config_of(candidates), seed=seed)
    listed: list[Any] = [*candidates[:-1], *plain, *candidates[-1:]]
    if not any(isinstance(candidate, ProductRate) for candidate in listed):
        listed.insert(0, ProductRate())
    risks: dict[str, FloatArray] = {}
    notes: dict[str, str] = {}
    product_only = ""
    for candidate in listed:
        name = _name_of(candidate, risks)
        product_only = name if isinstance(candidate, ProductRate) else product_only
        fitted = candidate if _is_fitted(candidate) else clone(candidate).fit(train.X, y)
        risks[name] = np.asarray(fitted.predict_proba(cohort.X)[:, 1], dtype=np.float64)
        notes |= {name: told} if (told := note_of(fitted)) else {}
    return benchmark_of_risks(
        cohort.observed["product"].to_numpy(dtype=str),
        truth=Truth.from_true_risk(truths[0]),
        risks=risks,
        model=model or list(risks)[-1],
        product_only=product_only,
        null_risk=float(y.mean()),
        seed=seed,
        other_truths=[Truth.from_true_risk(other) for other in truths[1:]],
        n_resamples=n_resamples,
        notes=notes,
    )


def note_of(fitted: object) -> str:
    """What a fitted predictor tells of its class or its settings; nothing where it does not."""
    model = getattr(fitted, "model_", fitted)
    return (
        class_in_words(model) if isinstance(model, RiskModel) else str(getattr(fitted, "about", ""))
    )


def _config_of(candidates: Sequence[object]) -> ModelConfig | str | Path:
    """The configuration of the last candidate that has one."""
    for candidate in reversed(candidates):
        config = getattr(candidate, "config", None)
        if isinstance(config, ModelConfig | str | Path):
            return config
    return "baseline"


def _name_of(candidate: object, taken: Mapping[str, object]) -> str:
    """What a candidate calls itself, or its class; with a number where the name is taken."""
    name = str(getattr(candidate, "name", None) or type(candidate).__name__)
    if name not in taken:
        return name
    return next(f"{name} {n}" for n in range(2, len(taken) + 3) if f"{name} {n}" not in taken)


def _is_fitted(candidate: Any) -> bool:
    if not hasattr(candidate, "fit"):
        return True
    try:
        check_is_fitted(candidate)
    except NotFittedError:
        return False
    return True


@dataclass(frozen=True)
class _Candidate:
    """What a row is computed from: each patient's expected loss, its slope in q, the scores that
    rank.
    """

    name: str
    kind: Kind
    truth: Truth
    loss: FloatArray
    loss_slope: FloatArray
    scores: Scores
    n_clipped: int = 0


def benchmark_of_risks(
    product: ArrayLike,
    *,
    truth: Truth,
    risks: Mapping[str, ArrayLike],
    model: str,
    product_only: str,
    null_risk: float,
    seed: int,
    other_truths: Sequence[Truth] = (),
    n_resamples: int = 500,
    notes: Mapping[str, str] | None = None,
) -> Benchmark:
    """Score predicted risks under the true risk, over all products together and within each.

    Parameters
    ----------
    product : product of each test patient.
    truth : what the predictors are scored under; its oracle is the top that the model is measured
        against.
    risks : name -> predicted risk of each patient (0-1), comparators in order; `model` and
        `product_only` (event rate of the patient's product in the training patients) are two of the
        names.
    null_risk : event rate of all training patients, predicted for everybody by the row "null".
    other_truths : other truths of the same patients, shown as rows after the first, each scored by
        itself.
    notes : what predictors are and how their settings came about, by name; of some.

    Risks of 0 or 1 are moved to 1e-6 from the end and counted per row. Products with fewer than 30
    patients get no benchmark of their own.

    >>> truth = Truth("what was observed", np.tile([10, 40, 70, 90], 10), np.full(40, 100))
    >>> risks = {"product": [0.525] * 40, "model": [0.2, 0.4, 0.6, 0.8] * 10}
    >>> compared = benchmark_of_risks(["a"] * 40, truth=truth, risks=risks, model="model",
    ...                               product_only="product", null_risk=0.5, seed=1)
    >>> [row.name for row in compared.pooled.rows]
    ['null', 'product', 'model', 'oracle (what was observed)']
    """
    products = np.asarray(product)
    if products.ndim != 1 or products.size < MIN_PATIENTS:
        raise InputError(
            where="benchmark",
            key="product",
            found=f"shape {products.shape}",
            expected=f"the products of at least {MIN_PATIENTS} patients",
            cure="re-simulate more test patients",
        )
    truths = (truth, *other_truths)
    n = products.size
    _check_same_patients(truths, n=n)
    predicted = _predicted(risks, model=model, product_only=product_only, null_risk=null_risk, n=n)

    def score_rows(rows: Rows, groups: Sequence[Rows] | None) -> GroupBenchmark:
        blocks = bootstrap_counts(n=rows.size, n_resamples=n_resamples, seed=seed)
        return _score_rows(
            _candidates(
                [known.of(rows) for known in truths],
                {name: risk[rows] for name, risk in predicted.items()},
                model=model,
            ),
            model=model,
            product_only=product_only,
            groups=groups,
            counts=np.concatenate(list(blocks)),
        )

    rows_of = {str(name): np.flatnonzero(products == name) for name in np.unique(products)}
    return Benchmark(
        truth=truth.name,
        model=model,
        product_only=product_only,
        n_replicates_min=int(truth.n_replicates.min()),
        n_replicates_max=int(truth.n_replicates.max()),
        n_resamples=n_resamples,
        seed=seed,
        pooled=score_rows(np.arange(n), list(rows_of.values())),
        by_product={
            name: (
                score_rows(rows, None)
                if rows.size >= MIN_PATIENTS
                else NotEstimable(
                    f"{rows.size} re-simulated patients; a benchmark needs at least {MIN_PATIENTS}"
                )
            )
            for name, rows in rows_of.items()
        },
        notes=dict(notes or {}),
    )


def _check_same_patients(truths: Sequence[Truth], *, n: int) -> None:
    for truth in truths:
        if truth.n_events.size != n:
            raise InputError(
                where="benchmark",
                key=f"truth ({truth.name})",
                found=f"{truth.n_events.size} patients",
                expected=f"the {n} patients of the product column",
                cure="re-simulate the same patients, in the same order",
            )


def _predicted(
    risks: Mapping[str, ArrayLike], *, model: str, product_only: str, null_risk: float, n: int
) -> dict[str, FloatArray]:
    """Every predictor's risks, the null first, refused unless each covers all patients."""
    for name in (model, product_only):
        if name not in risks:
            raise InputError(
                where="benchmark",
                key="risks",
                found=f"no {name!r} among {sorted(risks)}",
                expected="the risks of the model and of the product-only predictor",
                cure="add its predictions to risks",
            )
    if not 0 < null_risk < 1 or "null" in risks:
        raise InputError(
            where="benchmark",
            key="null_risk",
            found=null_risk,
            expected="the event rate of the training patients, above 0 and below 1",
            cure="pass null_risk as a rate and leave 'null' out of risks",
        )
    predicted = {
        "null": np.full(n, null_risk),
        **{name: check_risk(risk) for name, risk in risks.items()},
    }
    for name, risk in predicted.items():
        if risk.shape != (n,):
            raise InputError(
                where="benchmark",
                key=f"risks of {name}",
                found=f"shape {risk.shape}",
                expected=f"one risk for each of {n} patients",
                cure="score all re-simulated patients",
            )
    return predicted


def _candidates(
    truths: Sequence[Truth], predicted: Mapping[str, FloatArray], *, model: str
) -> list[_Candidate]:
    """Null, comparators, model, oracles."""
    truth, comparators = truths[0], [name for name in predicted if name not in ("null", model)]
    candidates = []
    for name in ("null", *comparators, model):
        kind: Kind = "null" if name == "null" else "model" if name == model else "comparator"
        clipped = clip_risk(predicted[name])
        loss = -truth.risk * np.log(clipped.risk) - (1 - truth.risk) * np.log1p(-clipped.risk)
        candidates.append(
            _Candidate(
                name,
                kind,
                truth,
                loss,
                -logit(clipped.risk),
                Scores(predicted[name], predicted[name]),
                clipped.n_clipped,
            )
        )
    for known in truths:
        slope = np.where(
            (known.risk > 0) & (known.risk < 1), -logit(np.clip(known.risk, 1e-12, 1 - 1e-12)), 0.0
        )
        candidates.append(
            _Candidate(
                f"oracle ({known.name})",
                "oracle",
                known,
                known.entropy,
                slope,
                replicate_scores(known.n_events, known.n_replicates),
            )
        )
    return candidates


def _score_rows(
    candidates: Sequence[_Candidate],
    *,
    model: str,
    product_only: str,
    groups: Sequence[Rows] | None,
    counts: FloatArray,
) -> GroupBenchmark:
    """The benchmark of some patients; `groups` are the products' rows, None when all patients are
    of one product.
    """
    by_name = {candidate.name: candidate for candidate in candidates}
    base = by_name[product_only]
    oracle = next(candidate for candidate in candidates if candidate.kind == "oracle")
    share, mc_error = _share_of_oracle_gain(base, by_name[model], oracle, counts=counts)
    return GroupBenchmark(
        n_patients=base.loss.size,
        rows=tuple(
            _row(candidate, base=base, groups=groups, counts=counts) for candidate in candidates
        ),
        share_of_oracle_gain=share,
        share_mc_error=mc_error,
    )


def _row(
    candidate: _Candidate, *, base: _Candidate, groups: Sequence[Rows] | None, counts: FloatArray
) -> BenchmarkRow:
    """Figures of one candidate; AUROC over all pairs and, where products differ, over pairs within
    products.
    """
    truth, n = candidate.truth, candidate.loss.size

    def ranked(scores: Scores, among: Sequence[Rows], drawn: FloatArray) -> ExpectedAuroc:
        return expected_auroc(
            scores,
            true_risk=truth.risk,
            n_replicates=truth.n_replicates,
            groups=among,
            counts=drawn,
        )

    def upper_bound(among: Sequence[Rows]) -> float | None:
        if candidate.kind != "oracle":
            return None
        same_replicates = ranked(Scores(truth.risk, truth.risk), among, np.ones((1, n))).estimate
        return same_replicates.value if isinstance(same_replicates, Estimate) else None

    everyone = [np.arange(n)]
    pooled = ranked(candidate.scores, everyone, counts)
    within = None if groups is None else ranked(candidate.scores, groups, counts)
    return BenchmarkRow(
        name=candidate.name,
        kind=candidate.kind,
        log_loss=mean_with_interval(candidate.loss),
        log_loss_mc_error=float(truth.risk_variance @ candidate.loss_slope**2) ** 0.5 / n,
        gain_over_product_only=mean_with_interval(base.loss - candidate.loss),
        auroc=pooled.estimate,
        auroc_mc_error=pooled.mc_error,
        auroc_upper=upper_bound(everyone),
        auroc_within_product=None if within is None else within.estimate,
        auroc_within_product_mc_error=None if within is None else within.mc_error,
        auroc_within_product_upper=None if groups is None else upper_bound(groups),
        n_risks_clipped=candidate.n_clipped,
    )


def _share_of_oracle_gain(
    base: _Candidate, model: _Candidate, oracle: _Candidate, *, counts: FloatArray
) -> tuple[Estimate | NotEstimable, float | None]:
    """The model's part of what the oracle gains over product-only, and its Monte Carlo standard
    error.
    """
    gained, possible = base.loss - model.loss, base.loss - oracle.loss
    resampled_possible = counts @ possible
    possible_low = percentile_estimate(
        float(possible.mean()), resampled_possible / possible.size
    ).low
    if possible_low <= 0:
        return (
            NotEstimable(
                "the oracle's own gain over product-only is not clearly above 0, so no share "
                "of it can be given"
            ),
            None,
        )
    share = float(gained.sum() / possible.sum())
    slope = (base.loss_slope - model.loss_slope) - share * (base.loss_slope - oracle.loss_slope)
    mc_error = float(base.truth.risk_variance @ slope**2) ** 0.5 / float(possible.sum())
    return percentile_estimate(share, (counts @ gained) / resampled_possible), mc_error


# Gain: what a predictor wins over knowing the product alone, as a share of what an oracle wins.
#
# Scored under the true risk, so that no chance of outcomes enters; fixed test patients, many
# training cohorts. Two errors then remain, and both are given: that of finitely many training
# cohorts and that of finitely many test patients.


@dataclass(frozen=True)
class Share:
    """A mean over training cohorts with its Monte Carlo error, and the error of the test patients,
    as standard errors.
    """

    value: float
    mc_error: float | None
    test_error: float
    n_cohorts: int

    @property
    def interval(self) -> tuple[float, float]:
        """95% interval of both errors together."""
        half = Z_95 * float(np.hypot(self.mc_error or 0.0, self.test_error))
        return self.value - half, self.value + half


def expected_log_loss(risk: ArrayLike, truth: Truth) -> FloatArray:
    """Log loss of each patient averaged over the outcomes that the true risk gives, nats.

    >>> truth = Truth("what was observed", np.array([5]), np.array([10]))
    >>> float(expected_log_loss([0.5], truth)[0].round(4))
    0.6931
    """
    clipped = clip_risk(np.asarray(risk, dtype=np.float64)).risk
    return np.asarray(-truth.risk * np.log(clipped) - (1 - truth.risk) * np.log1p(-clipped))


def share_of_gain(losses: Sequence[FloatArray], base: Sequence[FloatArray], truth: Truth) -> Share:
    """Mean share of the oracle's gain; one array of expected losses (patients,) for each training
    cohort.

    ``base``: the product-only predictor of the same cohorts. The oracle's loss is the truth's
    corrected entropy.
    """
    shares = np.array(
        [_share(loss, below, truth) for loss, below in zip(losses, base, strict=True)]
    )
    below = np.mean(base, axis=0)
    return _of(shares, below - np.mean(losses, axis=0), below - truth.entropy)


def difference_of_shares(
    losses: Sequence[FloatArray],
    others: Sequence[FloatArray],
    base: Sequence[FloatArray],
    truth: Truth,
) -> Share:
    """Mean of (share of ``losses`` - share of ``others``), paired by training cohort and test
    patient.
    """
    shares = np.array(
        [
            _share(loss, below, truth) - _share(other, below, truth)
            for loss, other, below in zip(losses, others, base, strict=True)
        ]
    )
    better, possible = (
        np.mean(others, axis=0) - np.mean(losses, axis=0),
        np.mean(base, axis=0) - truth.entropy,
    )
    return _of(shares, better, possible)


def _share(loss: FloatArray, base: FloatArray, truth: Truth) -> float:
    return float((base - loss).sum() / (base - truth.entropy).sum())


def _of(shares: FloatArray, gained: FloatArray, possible: FloatArray) -> Share:
    """Mean and errors; that of the test patients by the delta method for a ratio of sums."""
    n = shares.size
    ratio = float(gained.sum() / possible.sum())
    residual = gained - ratio * possible
    test_error = float(np.sqrt(residual.size * residual.var(ddof=1)) / possible.sum())
    mc_error = float(shares.std(ddof=1) / np.sqrt(n)) if n > 1 else None
    return Share(float(shares.mean()), mc_error, test_error, n)
