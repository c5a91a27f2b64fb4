"""How much of what can be known the model has learnt: null -> comparators -> model -> oracle.

In a synthetic world every test patient can be simulated again and again: `n_events` of his
`n_replicates` runs had the event, so q = n_events / n_replicates estimates his true risk.
Predictors are scored by what they are expected to lose under q instead of by one random outcome,
which takes the label noise out:

- log loss of risk p: mean of -[q ln p + (1 - q) ln(1 - p)], linear in q, hence unbiased; in nats;
- log loss of the oracle: mean entropy of q. The entropy of an observed share is too low on average;
  Miller
  and Madow's correction, (observed classes - 1) / (2 n_replicates), is added per patient (Miller
  1955);
- AUROC: see :mod:`crsrisk.evaluation.expected_auroc`. The oracle ranks each replicate by the others
  only; with
  finitely many it ranks a little worse than the truth: a lower bound, with an upper one beside it.

No real patient has such a q: the ladder describes the simulator and the model inside it, nothing
outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr, logit

from crsrisk.errors import InputError
from crsrisk.evaluation.expected_auroc import (
    ExpectedAuroc,
    Rows,
    Scores,
    expected_auroc,
    replicate_scores,
)
from crsrisk.evaluation.metrics import (
    FloatArray,
    bootstrap_counts,
    check_risk,
    clip_risk,
    mean_with_interval,
    percentile_estimate,
)
from crsrisk.results import Estimate, NotEstimable

IntArray: TypeAlias = NDArray[np.int64]
Kind: TypeAlias = Literal["null", "comparator", "model", "oracle"]
LADDER_MIN_PATIENTS = 30  # of one product: fewer cannot carry an interval over patients


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
                where="ladder",
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

    def of(self, rows: Rows) -> Truth:
        """The truth of these patients only."""
        return Truth(self.name, self.n_events[rows], self.n_replicates[rows])


@dataclass(frozen=True)
class BenchmarkRow:
    """One predictor on the ladder. Losses in nats; `..._mc_error` is the standard error of finite
    replicates.

    Intervals of losses and gains: normal, over patients (Monte Carlo error included); of AUROCs:
    percentile bootstrap over patients. `auroc_within_product` compares patients of one product only
    and is None on a ladder of one product. For an oracle, `auroc` is the lower bound and
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


@dataclass(frozen=True)
class Benchmark:
    """The rungs for one group of patients, lowest first, and the share of the possible gain
    reached.

    `share_of_oracle_gain` = (loss of product-only - loss of model) / (loss of product-only - loss
    of oracle): 0 = no better than knowing the product, 1 = all that this truth allows. Interval:
    percentile bootstrap over patients, paired; `share_mc_error` by the delta method.
    """

    n_patients: int
    rungs: tuple[BenchmarkRow, ...]
    share_of_oracle_gain: Estimate | NotEstimable
    share_mc_error: float | None


@dataclass(frozen=True)
class Benchmarks:
    """The ladder over all products together and within each, with what is needed to read it."""

    truth: str
    model: str
    product_only: str
    n_replicates_min: int
    n_replicates_max: int
    n_resamples: int
    seed: int
    pooled: Benchmark
    by_product: dict[str, Benchmark | NotEstimable]


@dataclass(frozen=True)
class _Candidate:
    """What a rung is computed from: each patient's expected loss, its slope in q, the scores that
    rank.
    """

    name: str
    kind: Kind
    truth: Truth
    loss: FloatArray
    loss_slope: FloatArray
    scores: Scores
    n_clipped: int = 0


def ladder(
    product: ArrayLike,
    *,
    truth: Truth,
    risks: Mapping[str, ArrayLike],
    model: str,
    product_only: str,
    null_risk: float,
    seed: int,
    further_truths: Sequence[Truth] = (),
    n_resamples: int = 500,
) -> Benchmarks:
    """Score every predictor under the true risk, over all products together and within each.

    Parameters ---------- product : product of each test patient. truth : what the predictors are
    scored under; its oracle is the top that the model is measured against. risks : name ->
    predicted risk of each patient (0-1), comparators in the order of the ladder; `model` and
        `product_only` (event rate of the patient's product in the training patients) are two of the
        names.
    null_risk : event rate of all training patients, predicted for everybody by the rung "null".
    further_truths : other truths of the same patients, shown as rungs above the first, each scored
    by itself.

    Risks of 0 or 1 are moved to 1e-6 from the end and counted per rung. Products with fewer than 30
    patients get no ladder of their own.

    >>> truth = Truth("what was observed", np.tile([10, 40, 70, 90], 10), np.full(40, 100))
    >>> steps = ladder(["a"] * 40, truth=truth, model="model", product_only="product", null_risk=0.5, seed=1,
    ...                risks={"product": [0.525] * 40, "model": [0.2, 0.4, 0.6, 0.8] * 10})
    >>> [rung.name for rung in steps.pooled.rungs]
    ['null', 'product', 'model', 'oracle (what was observed)']
    """
    products = np.asarray(product)
    if products.ndim != 1 or products.size < LADDER_MIN_PATIENTS:
        raise InputError(
            where="ladder",
            key="product",
            found=f"shape {products.shape}",
            expected=f"the products of at least {LADDER_MIN_PATIENTS} patients",
            cure="re-simulate more test patients",
        )
    truths = (truth, *further_truths)
    n = products.size
    _check_same_patients(truths, n=n)
    predicted = _predicted(risks, model=model, product_only=product_only, null_risk=null_risk, n=n)

    def score_rows(rows: Rows, groups: Sequence[Rows] | None) -> Benchmark:
        entrants = _entrants(
            [one.of(rows) for one in truths],
            {name: risk[rows] for name, risk in predicted.items()},
            model=model,
        )
        blocks = bootstrap_counts(n=rows.size, n_resamples=n_resamples, seed=seed)
        return _score_rows(
            entrants,
            model=model,
            product_only=product_only,
            groups=groups,
            counts=np.concatenate(list(blocks)),
        )

    rows_of = {str(name): np.flatnonzero(products == name) for name in np.unique(products)}
    return Benchmarks(
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
                if rows.size >= LADDER_MIN_PATIENTS
                else NotEstimable(
                    f"{rows.size} re-simulated patients; a ladder needs at least"
                    f" {LADDER_MIN_PATIENTS}"
                )
            )
            for name, rows in rows_of.items()
        },
    )


def _check_same_patients(truths: Sequence[Truth], *, n: int) -> None:
    for truth in truths:
        if truth.n_events.size != n:
            raise InputError(
                where="ladder",
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
                where="ladder",
                key="risks",
                found=f"no {name!r} among {sorted(risks)}",
                expected="the risks of the model and of the product-only predictor",
                cure="add its predictions to risks",
            )
    if not 0 < null_risk < 1 or "null" in risks:
        raise InputError(
            where="ladder",
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
                where="ladder",
                key=f"risks of {name}",
                found=f"shape {risk.shape}",
                expected=f"one risk for each of {n} patients",
                cure="score all re-simulated patients",
            )
    return predicted


def _entrants(
    truths: Sequence[Truth], predicted: Mapping[str, FloatArray], *, model: str
) -> list[_Candidate]:
    """Null, comparators, model, oracles: who stands on which rung."""
    truth, comparators = truths[0], [name for name in predicted if name not in ("null", model)]
    entrants = []
    for name in ("null", *comparators, model):
        kind: Kind = "null" if name == "null" else "model" if name == model else "comparator"
        clipped = clip_risk(predicted[name])
        loss = -truth.risk * np.log(clipped.risk) - (1 - truth.risk) * np.log1p(-clipped.risk)
        entrants.append(
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
    for one in truths:
        slope = np.where(
            (one.risk > 0) & (one.risk < 1), -logit(np.clip(one.risk, 1e-12, 1 - 1e-12)), 0.0
        )
        entrants.append(
            _Candidate(
                f"oracle ({one.name})",
                "oracle",
                one,
                one.entropy,
                slope,
                replicate_scores(one.n_events, one.n_replicates),
            )
        )
    return entrants


def _score_rows(
    entrants: Sequence[_Candidate],
    *,
    model: str,
    product_only: str,
    groups: Sequence[Rows] | None,
    counts: FloatArray,
) -> Benchmark:
    """One ladder; `groups` are the products' rows, None when all patients are of one product."""
    by_name = {entrant.name: entrant for entrant in entrants}
    base = by_name[product_only]
    oracle = next(entrant for entrant in entrants if entrant.kind == "oracle")
    share, mc_error = _share_of_oracle_gain(base, by_name[model], oracle, counts=counts)
    return Benchmark(
        n_patients=base.loss.size,
        rungs=tuple(
            _rung(entrant, base=base, groups=groups, counts=counts) for entrant in entrants
        ),
        share_of_oracle_gain=share,
        share_mc_error=mc_error,
    )


def _rung(
    entrant: _Candidate, *, base: _Candidate, groups: Sequence[Rows] | None, counts: FloatArray
) -> BenchmarkRow:
    """Figures of one entrant; AUROC over all pairs and, where products differ, over pairs within
    products.
    """
    truth, n = entrant.truth, entrant.loss.size

    def ranked(scores: Scores, among: Sequence[Rows], drawn: FloatArray) -> ExpectedAuroc:
        return expected_auroc(
            scores,
            true_risk=truth.risk,
            n_replicates=truth.n_replicates,
            groups=among,
            counts=drawn,
        )

    def upper_bound(among: Sequence[Rows]) -> float | None:
        if entrant.kind != "oracle":
            return None
        same_replicates = ranked(Scores(truth.risk, truth.risk), among, np.ones((1, n))).estimate
        return same_replicates.value if isinstance(same_replicates, Estimate) else None

    everyone = [np.arange(n)]
    pooled = ranked(entrant.scores, everyone, counts)
    within = None if groups is None else ranked(entrant.scores, groups, counts)
    return BenchmarkRow(
        name=entrant.name,
        kind=entrant.kind,
        log_loss=mean_with_interval(entrant.loss),
        log_loss_mc_error=float(truth.risk_variance @ entrant.loss_slope**2) ** 0.5 / n,
        gain_over_product_only=mean_with_interval(base.loss - entrant.loss),
        auroc=pooled.estimate,
        auroc_mc_error=pooled.mc_error,
        auroc_upper=upper_bound(everyone),
        auroc_within_product=None if within is None else within.estimate,
        auroc_within_product_mc_error=None if within is None else within.mc_error,
        auroc_within_product_upper=None if groups is None else upper_bound(groups),
        n_risks_clipped=entrant.n_clipped,
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


_Z_95 = 1.959963984540054


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
        half = _Z_95 * float(np.hypot(self.mc_error or 0.0, self.test_error))
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
