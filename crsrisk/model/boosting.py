"""Boosting from a start: how trees are grown, and which start they grow from.

Directions hold for the whole model, since both parts keep them: the start (an additive logistic
model, all of it or a share, or the mean) and every tree. On the whole of a start that overstates an
effect such trees can only add, so that effect stays. On half of it, or on the mean, there is room:
boosting learns again what of the start was right and leaves the rest. Which of the three,
patients held out say.

After the whole start trees are small and randomised, since they look for little; after less of one
they are grown as gradient boosting usually is, free to ask about several quantities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit

from crsrisk.data.risk_model import Calibrator, LearnerKind, ModelClass, Start, StartTried
from crsrisk.model.additive import fit_staged
from crsrisk.model.additive_to_lightgbm import additive_to_lightgbm, constant_to_lightgbm
from crsrisk.model.autologging import without_autologging
from crsrisk.model.booster import calibrated_booster, continued, raw_log_odds_of
from crsrisk.model.out_of_core import RowSequence, seed_of_sample
from crsrisk.model.small_leaves import without_small_leaves
from crsrisk.model.stored_table import StoredTable, Table, rows_of

Floats: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.intp]
STARTS: Mapping[LearnerKind, tuple[Start, ...]] = {
    "chosen": ("additive", "shrunken additive", "mean"),
    "additive": ("additive",),
    "shrunken": ("shrunken additive",),
    "boosting": ("mean",),
}
SHARE: Mapping[Start, float] = {"additive": 1.0, "shrunken additive": 0.5, "mean": 0.0}
# rounds x learning rate without a better held-out log loss, after which no more trees are tried
_PATIENCE = 1.5


@dataclass(frozen=True)
class Patients:
    """What the learner sees of patients: filled table, stages with the event last, weights."""

    table: Table
    steps: Floats
    weight: Floats | None
    names: NDArray[Any] | None = None  # where several rows are of one patient

    @property
    def labels(self) -> Floats:
        """The event, 0 or 1."""
        return np.asarray(self.steps[:, -1])

    @property
    def count(self) -> Floats:
        """How many patients each row stands for."""
        return np.ones(len(self.table)) if self.weight is None else self.weight

    def of(self, rows: Rows) -> Patients:
        """These rows only."""
        weight = None if self.weight is None else self.weight[rows]
        names = None if self.names is None else self.names[rows]
        return Patients(rows_of(self.table, rows), self.steps[rows], weight, names)


@dataclass(frozen=True)
class Grown:
    """A booster, and how many of its trees were boosted after the start."""

    booster: lgb.Booster
    n_boosted: int


@dataclass(frozen=True)
class Recipe:
    """How trees are grown: LightGBM's settings after the whole additive start (``on_top``) and
    after less of one (``free``), the most trees of each, the groups and penalty of the additive
    model, and the names of the columns.
    """

    on_top: Mapping[str, Any]
    free: Mapping[str, Any]
    most_on_top: int
    most_free: int
    groups: list[int]
    names: list[str]
    penalty: float

    def settings(self, start: Start) -> dict[str, Any]:
        """LightGBM's settings of trees after this start."""
        return dict(self.on_top if start == "additive" else self.free)

    def patience(self, start: Start) -> int:
        """Rounds without a better held-out log loss, after which no more trees are tried."""
        return max(1, round(_PATIENCE / float(self.settings(start)["learning_rate"])))

    def most(self, start: Start) -> int:
        """Most trees after this start."""
        return self.most_on_top if start == "additive" else self.most_free

    def grow(self, patients: Patients, *, start: Start, n_rounds: int) -> Grown:
        """The start and ``n_rounds`` of boosting on these patients, as one booster."""
        if SHARE[start]:
            text = self.additive_text(patients)
            scores = raw_log_odds_of(lgb.Booster(model_str=text), patients.table)
            beginning = _shrunken(text, share=SHARE[start], scores=scores, patients=patients)
        else:
            rate = float(np.average(patients.labels, weights=patients.count))
            text = constant_to_lightgbm(float(logit(rate)), names=self.names)
            beginning = lgb.Booster(model_str=text)
        if not n_rounds:
            return Grown(beginning, 0)
        dataset, settings = self.dataset(patients), self.settings(start)
        with without_autologging():
            if isinstance(patients.table, StoredTable):  # LightGBM scores arrays only
                dataset.set_init_score(raw_log_odds_of(beginning, patients.table))
                settings["data_random_seed"] = seed_of_sample(settings["seed"])
                grown = continued(beginning, lgb.train(settings, dataset, n_rounds))
            else:
                grown = lgb.train(settings, dataset, n_rounds, init_model=beginning)
        n_start = beginning.num_trees()
        told = without_small_leaves(
            grown, n_start=n_start, table=patients.table, patient=patients.names
        )
        return Grown(told, told.num_trees() - n_start)

    def additive_text(self, patients: Patients) -> str:
        """The additive model, written as trees."""
        directions = self.on_top["monotone_constraints"]
        additive = fit_staged(
            patients.table,
            patients.steps,
            directions=directions,
            groups=self.groups,
            penalty=self.penalty,
            sample_weight=patients.weight,
        )
        return additive_to_lightgbm(
            additive,
            patients.table,
            directions=directions,
            names=self.names,
            sample_weight=patients.weight,
        )

    def dataset(self, patients: Patients, *, reference: lgb.Dataset | None = None) -> lgb.Dataset:
        """The patients as LightGBM takes them."""
        table = patients.table
        return lgb.Dataset(
            RowSequence(table) if isinstance(table, StoredTable) else table,
            patients.labels,
            weight=patients.weight,
            feature_name=self.names,
            reference=reference,
            free_raw_data=False,
        )


@dataclass(frozen=True)
class Searched:
    """One start in cross-validation: log loss of patients held out after 0, 1, ... rounds, and
    their log-odds after none and after the best number, shape (patients,).
    """

    start: Start
    curve: Floats
    without: Floats
    at_best: Floats

    @property
    def best(self) -> int:
        """The number of rounds with the lowest log loss."""
        return int(np.argmin(self.curve))


@dataclass(frozen=True)
class Gain:
    """By how much log loss falls (nats), and the standard error of the paired difference."""

    mean: float
    se: float

    @property
    def is_worth_it(self) -> bool:
        """Whether it is more than a standard error."""
        return self.mean > self.se


def gain_of(before: Floats, after: Floats, *, patients: Patients) -> Gain:
    """What log-odds ``after`` gain over those ``before`` in the same patients."""
    gain = np.logaddexp(0.0, before) - np.logaddexp(0.0, after) - patients.labels * (before - after)
    count = patients.count
    mean = float(np.average(gain, weights=count))
    sd = float(np.sqrt(np.average((gain - mean) ** 2, weights=count)))
    return Gain(mean, sd / float(count.sum()) ** 0.5)


@dataclass(frozen=True)
class Chosen:
    """What cross-validation chose (``n_trees`` as yet the rounds), and the log-odds of every
    patient by trees that had not seen the patient.
    """

    model_class: ModelClass
    log_loss: float
    held_out: Floats


def choose(
    patients: Patients,
    folds: Sequence[tuple[Rows, Rows]],
    *,
    recipe: Recipe,
    starts: Sequence[Start],
) -> Chosen:
    """Choose the start and the number of trees by log loss in patients held out.

    Trees are kept where the best number of them is worth a standard error, and the first start is
    left for the best of the others by the same rule. ``starts`` go from the whole additive model
    down; where one does worse than the one before, the smaller ones are not tried.
    """
    cut = [_Fold(recipe, patients.of(fitted), patients.of(held)) for fitted, held in folds]
    kept: list[_Kept] = []
    for at in starts:
        found = _searched(at, cut, folds, patients=patients)
        kept.append(_Kept.of(found, patients=patients))
        if len(kept) > 1 and kept[-1].log_loss > kept[-2].log_loss:
            break
    chosen, lead = kept[0], None
    if len(kept) > 1:
        rival = min(kept[1:], key=lambda found: found.log_loss)
        lead = gain_of(chosen.log_odds, rival.log_odds, patients=patients)
        if lead.is_worth_it:
            chosen = rival
    start, n_tried = chosen.searched.start, chosen.n_tried
    most, patience = recipe.most(start), recipe.patience(start)
    is_other = lead is not None and chosen is not kept[0]
    return Chosen(
        ModelClass(
            start=start,
            is_chosen=len(starts) > 1,
            n_trees=chosen.n_kept,
            n_kept=chosen.n_kept,
            n_tried=n_tried,
            max_trees=most,
            gain=chosen.gain.mean if n_tried else None,
            gain_se=chosen.gain.se if n_tried else None,
            gain_over_additive=lead.mean if lead is not None and is_other else None,
            gain_over_additive_se=lead.se if lead is not None and is_other else None,
            is_cap_reached=0 < n_tried == most < chosen.n_kept + patience and chosen.n_kept > 0,
            tried=tuple(
                StartTried(
                    start=found.searched.start,
                    n_kept=found.n_kept,
                    n_tried=found.n_tried,
                    log_loss=found.log_loss,
                )
                for found in kept
            ),
        ),
        log_loss=chosen.log_loss,
        held_out=chosen.log_odds,
    )


@dataclass(frozen=True)
class _Kept:
    """A start with the trees that are kept after it."""

    searched: Searched
    gain: Gain

    @staticmethod
    def of(searched: Searched, *, patients: Patients) -> _Kept:
        return _Kept(searched, gain_of(searched.without, searched.at_best, patients=patients))

    @property
    def n_kept(self) -> int:
        return self.searched.best if self.gain.is_worth_it else 0

    @property
    def n_tried(self) -> int:
        return len(self.searched.curve) - 1

    @property
    def log_loss(self) -> float:
        return float(self.searched.curve[self.n_kept])

    @property
    def log_odds(self) -> Floats:
        return self.searched.at_best if self.n_kept else self.searched.without


@dataclass(frozen=True)
class _Fold:
    """Patients to fit to, patients held out, and what the additive model says of both."""

    recipe: Recipe
    inside: Patients
    outside: Patients

    @cached_property
    def additive(self) -> tuple[Floats, Floats]:
        """Log-odds by the additive model, inside and outside."""
        booster = lgb.Booster(model_str=self.recipe.additive_text(self.inside))
        return (
            raw_log_odds_of(booster, self.inside.table),
            raw_log_odds_of(booster, self.outside.table),
        )

    @cached_property
    def datasets(self) -> tuple[lgb.Dataset, lgb.Dataset]:
        """Both sides as LightGBM takes them; every search gives them its own start."""
        training = self.recipe.dataset(self.inside)
        return training, self.recipe.dataset(self.outside, reference=training)

    def start(self, start: Start) -> tuple[Floats, Floats]:
        """Log-odds by this start, inside and outside."""
        share = SHARE[start]
        if share == 1.0:
            return self.additive
        inside, outside = (
            self.additive
            if share
            else (np.zeros(len(self.inside.table)), np.zeros(len(self.outside.table)))
        )
        intercept = _intercept(share * inside, patients=self.inside)
        return intercept + share * inside, intercept + share * outside


def _searched(
    start: Start,
    folds: Sequence[_Fold],
    rows: Sequence[tuple[Rows, Rows]],
    *,
    patients: Patients,
) -> Searched:
    """Grow the trees of all folds round by round, until held-out log loss has not fallen for
    as many as the recipe waits.
    """
    recipe = folds[0].recipe
    begun = [fold.start(start) for fold in folds]
    weights = np.array([fold.outside.count.sum() for fold in folds])
    losses: list[float] = [
        np.average(
            np.logaddexp(0.0, outside) - fold.outside.labels * outside, weights=fold.outside.count
        )
        for fold, (_, outside) in zip(folds, begun, strict=True)
    ]
    curve = [float(np.average(losses, weights=weights))]
    sizes = [[0] * len(folds)]
    boosters: list[lgb.Booster] = []
    most, patience, best = recipe.most(start), recipe.patience(start), 0
    if most:
        settings = {**recipe.settings(start), "metric": "binary_logloss"}
        boosters = [
            _begun(fold, *scores, settings=settings)
            for fold, scores in zip(folds, begun, strict=True)
        ]
    while len(curve) <= most and len(curve) <= best + patience:
        losses = []
        for booster in boosters:
            booster.update()
            losses.append(booster.eval_valid()[0][2])
        curve.append(float(np.average(losses, weights=weights)))
        # a round in which no split is worth its while adds no tree
        sizes.append([booster.num_trees() for booster in boosters])
        if curve[-1] < curve[best]:
            best = len(curve) - 1
    without, at_best = np.empty(len(patients.table)), np.empty(len(patients.table))
    for k, (fold, (_, held)) in enumerate(zip(folds, rows, strict=True)):
        without[held] = at_best[held] = begun[k][1]
        if n_trees := sizes[best][k]:
            at_best[held] += raw_log_odds_of(boosters[k], fold.outside.table, n_trees=n_trees)
    return Searched(start, np.array(curve), without, at_best)


def _begun(
    fold: _Fold, inside: Floats, outside: Floats, *, settings: dict[str, Any]
) -> lgb.Booster:
    """A booster without trees yet, which begins at these log-odds."""
    training, validation = fold.datasets
    training.set_init_score(inside)
    validation.set_init_score(outside)
    booster = lgb.Booster(dict(settings), training)
    booster.add_valid(validation, "held out")
    return booster


def _shrunken(text: str, *, share: float, scores: Floats, patients: Patients) -> lgb.Booster:
    """The additive trees with a share of their effects, right on average in these patients."""
    if share == 1.0:
        return lgb.Booster(model_str=text)
    intercept = _intercept(share * scores, patients=patients)
    shrink = Calibrator(intercept=intercept, slope=share, n_patients=len(scores), method="shrunken")
    return calibrated_booster(text, shrink)


def _intercept(log_odds: Floats, *, patients: Patients) -> float:
    """The shift of log-odds that makes their mean risk the share of events."""
    count = patients.count
    rate = float(np.average(patients.labels, weights=count))
    far = float(np.abs(log_odds).max() + abs(logit(rate)) + 1.0)
    shift = brentq(
        lambda by: float(np.average(expit(log_odds + by), weights=count)) - rate, -far, far
    )
    return float(shift)
