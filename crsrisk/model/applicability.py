"""Applicability: how far a row lies from the patients that a model was trained on, in one value or
in a combination, and whether that is too far for a number.

A summary of the training patients stands beside the model: by product (and by worst grade so far,
for a model of some hours after the first dose) the quantiles and tails of every number, and how the
numbers go together. It has no row, and every figure in it is of ten patients or more. A value
becomes a normal score by the quantiles of its group, and beyond them by an exponential tail on a
logarithmic scale; yes/no columns and columns of few values take the middle rank. Scores together
follow a normal distribution with one shrunken correlation matrix (a Gaussian copula), of which any
part may be missing.

Two figures are asked of a row, each as the surprise -log10 p: its largest score, and the
Mahalanobis distance of all of its scores. The distance of a row is the larger of them divided by
its limit, so that 1 is the limit. The limits are set on training patients held out from the
summary, by the exponential tail of the surprises there, so that one of a thousand patients like
those of training lies beyond either limit (half for each). That rate is the price of the check,
chosen as the share that the contract's ranges leave out at one end of one column: a patient in a
thousand who could have had a number gets none. A whole column that is off is then found; a small
slip in one value is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import gammaincc, log_ndtr, ndtr, ndtri, ndtri_exp

from crsrisk.data.assumptions import Strict
from crsrisk.data.disclosure import FEWEST as _BEHIND
from crsrisk.data.risk_model import CANNOT, Column, FeatureContract, Prediction
from crsrisk.fields import label_of
from crsrisk.model.features import read_columns
from crsrisk.model.stored_table import block_slices
from crsrisk.units import amount

Floats: TypeAlias = NDArray[np.float64]
Columns: TypeAlias = Mapping[str, NDArray[Any]]

FALSE_ALARM_RATE = 0.001  # share of patients like those of training who get no number
FEWEST = 100  # training patients: of fewer no summary is made
FORMAT = "crsrisk applicability 1"

_GROUP = 50  # patients of a group with quantiles of its own
_LEVELS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98)
_FEW_VALUES = 8  # a column of so many different values is judged by rank
_SHRINKAGE = 0.05  # of the correlations towards none
_FOLDS = 5
_HELD_OUT_TAIL = 0.01, 30  # share, or patients if that is more, that the tail is fitted to
_THINNEST = 0.05  # a tail is at least this part of a standard deviation thick
_MOST_SCORE = 4.0  # a score counts for no more in the correlations
_DRAWN = 30.0  # patients that the tail of a wider group counts for
_SUMMED = 2**18  # rows whose products are summed at once
_CHUNK = 256  # rows whose matrices are held at once
_NAMED = 3  # values that a reason names
# on the scale of the knots: nearer than this is the knot, for arcsinh differs in its last bit from
# one machine to another, and beyond the last of few values a score jumps
_SAME = 1e-9
_DIGITS = 4
_LN10 = float(np.log(10.0))


class Spread(Strict):
    """How one column lies in one group: values (on a logarithmic scale) with their normal scores.
    Beyond the first and the last: log of the share that lies there, and the mean way from there.
    """

    knots: tuple[float, ...]
    scores: tuple[float, ...]
    low: tuple[float, float]
    high: tuple[float, float]

    def score(self, values: Floats) -> Floats:
        """Normal scores of values that are all known; they rise with the value."""
        knots, known = _arrays(self.knots), _arrays(self.scores)
        scores = np.interp(values, knots, known)
        above, below = values > knots[-1] + _SAME, values < knots[0] - _SAME
        scores[above] = -ndtri_exp(self.high[0] - (values[above] - knots[-1]) / self.high[1])
        scores[below] = ndtri_exp(self.low[0] - (knots[0] - values[below]) / self.low[1])
        return scores


@lru_cache(maxsize=4096)
def _arrays(numbers: tuple[float, ...]) -> Floats:
    """Numbers as an array, made once: a single patient asks for them over and over."""
    made = np.array(numbers)
    made.flags.writeable = False
    return made


class Applicability(Strict):
    """The training patients in figures, and how far from them a row may lie.

    Parameters
    ----------
    columns, scales : names of the numbers that are judged, and what each is divided by.
    grade_column : worst grade so far, by which groups are parted; None before the first dose.
    groups : by name of the group and column, how the column lies there.
    correlation : of the scores, row k the k numbers left of the diagonal.
    value_limit, combination_limit : surprise (-log10 p) beyond which a row gets no number.
    false_alarm_rate : share of patients like those of training who lie beyond.
    n_patients : who were summarised.
    n_products, between_products_sd : how far products differ that share platform, antigen and
        patients (SD of log-odds around what the model says without the product's name).
    """

    format: Literal["crsrisk applicability 1"] = "crsrisk applicability 1"
    columns: tuple[str, ...]
    scales: tuple[float, ...]
    grade_column: str | None
    groups: dict[str, dict[str, Spread]]
    correlation: tuple[tuple[float, ...], ...]
    value_limit: float
    combination_limit: float
    false_alarm_rate: float
    n_patients: int
    n_products: int = 0
    between_products_sd: float | None = None

    def matrix(self) -> Floats:
        """The correlation matrix, (columns, columns)."""
        matrix = np.eye(len(self.columns))
        for row, numbers in enumerate(self.correlation):
            matrix[row, :row] = matrix[:row, row] = numbers
        return matrix

    def judge(self, table: Columns) -> Judgement:
        """How far every row lies; ``table`` holds the columns of the contract as arrays."""
        scores, chains = self.scores(table)
        value, combination = _surprises(scores, self.matrix())
        return Judgement(scores, chains, value, combination, self)

    def scores(self, table: Columns) -> tuple[Floats, NDArray[Any]]:
        """Normal scores (rows, columns), NaN where missing, and by row the groups that judged
        it.
        """
        n = len(next(iter(table.values())))
        scores = np.full((n, len(self.columns)), np.nan)
        chains = np.empty(n, dtype=object)
        for chain, rows in self._chains(table, n=n):
            for row in rows:
                chains[row] = chain
            for place, (name, scale) in enumerate(zip(self.columns, self.scales, strict=True)):
                group = self.group_of(chain, name)
                values = _scaled(np.asarray(table[name], dtype=np.float64)[rows], scale)
                known = ~np.isnan(values)
                if group is not None and known.any():
                    scores[rows[known], place] = self.groups[group][name].score(values[known])
        return scores, chains

    def group_of(self, chain: tuple[str, ...], name: str) -> str | None:
        """The nearest group of a chain that tells how a column lies; None where none does."""
        return next((group for group in chain if name in self.groups[group]), None)

    def _chains(
        self, table: Columns, *, n: int
    ) -> Iterator[tuple[tuple[str, ...], NDArray[np.intp]]]:
        """Rows that are judged by the same groups, with these: the nearest group first."""
        chains: dict[tuple[str, ...], list[int]] = {}
        kinds, of_row = _kinds(table, n=n, grade=self.grade_column)
        for kind, names in enumerate(_names(*one) for one in kinds):
            chains.setdefault(tuple(name for name in names if name in self.groups), []).append(kind)
        return ((chain, np.flatnonzero(np.isin(of_row, of))) for chain, of in chains.items())


_WORDS = ("product", "platform")


@dataclass(frozen=True, eq=False)
class Judgement:
    """How far the rows of a table lie: scores (rows, columns), NaN where missing; by row the groups
    that judged it, and both surprises.
    """

    scores: Floats
    chains: NDArray[Any]
    value: Floats
    combination: Floats
    summary: Applicability

    @property
    def distance(self) -> Floats:
        """By row; 1 is the limit."""
        return np.maximum(
            self.value / self.summary.value_limit, self.combination / self.summary.combination_limit
        )

    @property
    def is_outside(self) -> NDArray[np.bool_]:
        """Which rows get no number."""
        return np.asarray(self.distance > 1.0)

    def reason(self, row: int, contract: FeatureContract) -> str:
        """Why a row gets no number: which values, or which two in combination, lie farthest out.

        Names columns and what training patients had, never the patient's value.
        """
        scores = self.scores[row]
        rate = f"1 of {1 / self.summary.false_alarm_rate:,.0f} of them"
        if self.value[row] > self.summary.value_limit:
            surprise = np.where(np.isnan(scores), 0.0, _surprise_of(np.abs(scores)))
            order = np.argsort(-surprise, kind="stable")
            beyond = [int(k) for k in order if surprise[k] > self.summary.value_limit][:_NAMED]
            told = " and ".join(self._usual(row, place, contract) for place in beyond)
            return f"Cannot estimate: {told}; farther out than {rate}."
        first, second = self.farthest_pair(row)
        pair = [f"{label_of(self.summary.columns[k])}" for k in (first, second)]
        return (
            f"Cannot estimate: no training patients {self._whom(row)} had values that go together"
            f" like these, above all {pair[0]} with {pair[1]}; farther out than {rate}."
        )

    def farthest_pair(self, row: int) -> tuple[int, int]:
        """Places of the two columns whose combination lies farthest out, in their order."""
        known = np.flatnonzero(~np.isnan(self.scores[row]))
        scores, tie = self.scores[row][known], self.summary.matrix()[np.ix_(known, known)]
        np.fill_diagonal(tie, 0.0)
        one, other = scores[:, None], scores[None, :]
        far = (one**2 + other**2 - 2.0 * tie * one * other) / (1.0 - tie**2)
        far[np.tril_indices(len(known))] = -1.0
        first, second = divmod(int(np.argmax(far)), len(known))
        return int(known[first]), int(known[second])

    def _usual(self, row: int, place: int, contract: FeatureContract) -> str:
        """A column with what nearly all training patients had."""
        name = self.summary.columns[place]
        column = next(column for column in contract.columns if column.name == name)
        group = self.summary.group_of(self.chains[row], name)
        if group is None:  # without a group there is no score
            raise KeyError(name)
        spread = self.summary.groups[group][name]
        ends = [_original(end, self.summary.scales[place]) for end in spread.knots]
        share = float(ndtr(spread.scores[-1]) - ndtr(spread.scores[0]))
        many = "nearly all" if share > 0.9 else f"{100 * share:.0f} of 100"
        span = _amount(column, f"{ends[0]:.3g} to {ends[-1]:.3g}")
        return f"{label_of(name)} ({name}) is far from that of training patients" + (
            f" {_group_in_words(group)} ({many}: {span})"
        )

    def _whom(self, row: int) -> str:
        chain = self.chains[row]
        return _group_in_words(chain[0]) if chain else ""


def summarise(
    contract: FeatureContract, table: Columns, *, groups: NDArray[Any] | None = None
) -> Applicability | None:
    """The summary of training patients; None for fewer than ``FEWEST``.

    ``table``: the columns of the contract as arrays; ``groups`` names rows that belong together, of
    which none judges the other.
    """
    n = contract.n_patients
    if n < FEWEST:
        return None
    unit = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    whole = _summary(contract, table)
    if not whole.columns:
        return None
    value, combination = np.zeros(n), np.zeros(n)
    for fold in range(_FOLDS):
        held = np.flatnonzero(unit % _FOLDS == fold)
        rest = np.flatnonzero(unit % _FOLDS != fold)
        part = _summary(contract, _take(table, rest), like=whole)
        found = part.judge(_take(table, held))
        value[held], combination[held] = found.value, found.combination
    return whole.model_copy(
        update={"value_limit": _limit(value), "combination_limit": _limit(combination)}
    )


def _limit(surprises: Floats) -> float:
    """The surprise that half of the false alarms lie beyond, by the exponential tail of those held
    out.
    """
    share = max(_HELD_OUT_TAIL[0], _HELD_OUT_TAIL[1] / len(surprises))
    start = float(np.quantile(surprises, 1.0 - share))
    beyond = surprises[surprises > start]
    mean = float((beyond - start).mean()) if len(beyond) else 1.0 / _LN10
    return _short(start + mean * float(np.log(share / (FALSE_ALARM_RATE / 2.0))))


def _summary(
    contract: FeatureContract, table: Columns, *, like: Applicability | None = None
) -> Applicability:
    """Everything but the limits; ``like``: of more patients, whose groups are taken."""
    n = len(next(iter(table.values())))
    numbers = [column.name for column in contract.columns if column.kind != "word"]
    grade = f"grade__max__h{contract.landmark_h}"
    by_grade = grade if grade in numbers else None
    fewest = _GROUP if like is None else 2 * _BEHIND
    scales: dict[str, float] = {}
    groups: dict[str, dict[str, Spread]] = {}
    rows_of = {
        group: rows
        for group, rows in _groups(table, n=n, grade=by_grade, fewest=fewest)
        if like is None or group in like.groups
    }
    for name in numbers:
        read = np.asarray(table[name], dtype=np.float64)
        known = np.abs(read[~np.isnan(read)])
        if name == by_grade or len(known) < _BEHIND:
            continue
        middle = float(np.median(known))
        scales[name] = _short(middle if middle > 0 else float(known.mean()) or 1.0)
        column = _scaled(read, scales[name])
        is_few = len(np.unique(column[~np.isnan(column)])) <= _FEW_VALUES
        for group, rows in rows_of.items():
            is_widest = group.startswith(_ALL)
            of_group = groups.setdefault(group, {})
            if (not is_widest and is_few) or (like is not None and name not in like.groups[group]):
                continue
            spread = _spread(
                column[rows],
                is_few=is_few,
                fewest=fewest,
                wider=None if is_widest else groups[_widest(group)].get(name),
            )
            if spread is not None:
                of_group[name] = spread
    bare = Applicability(
        columns=tuple(scales),
        scales=tuple(scales.values()),
        grade_column=by_grade,
        groups=groups,
        correlation=tuple((0.0,) * row for row in range(len(scales))),
        value_limit=0.0,
        combination_limit=0.0,
        false_alarm_rate=FALSE_ALARM_RATE,
        n_patients=n,
    )
    return bare.model_copy(update={"correlation": _correlation(bare, table, n=n)})


_ALL = "all"


def _names(product: str, platform: str, grade: float) -> tuple[str, ...]:
    """Groups of a patient, the nearest first."""
    if np.isnan(grade):
        return (f"product {product}", f"platform {platform}", _ALL)
    end = f", grade {grade:g}"
    return (f"product {product}{end}", f"platform {platform}{end}", f"{_ALL}{end}", _ALL)


def _widest(group: str) -> str:
    """The group of all products with that grade."""
    _, comma, grade = group.partition(", ")
    return f"{_ALL}{comma}{grade}"


def _group_in_words(group: str) -> str:
    kind, _, grade = group.partition(", grade ")
    what, _, name = kind.partition(" ")
    whom = {"product": f"under {name}", "platform": f"of the platform {name}"}.get(
        what, "of any product"
    )
    return f"{whom} with worst CRS grade {grade} so far" if grade else whom


def _groups(
    table: Columns, *, n: int, grade: str | None, fewest: int
) -> Iterator[tuple[str, NDArray[np.intp]]]:
    """Groups of enough patients, with their rows. One of a single product's platform is the
    product's own and is left out.
    """
    kinds, of_row = _kinds(table, n=n, grade=grade)
    members: dict[str, list[int]] = {}
    of_platform: dict[str, set[str]] = {}
    for kind, (product, platform, worst) in enumerate(kinds):
        for name in _names(product, platform, worst):
            members.setdefault(name, []).append(kind)
        of_platform.setdefault(platform, set()).add(product)
    for name in sorted(members):
        what, _, rest = name.partition(", grade ")[0].partition(" ")
        is_double = what == "platform" and len(of_platform[rest]) == 1
        rows = np.flatnonzero(np.isin(of_row, members[name]))
        if name.startswith(_ALL) or (len(rows) >= fewest and not is_double):
            yield name, rows


def _kinds(
    table: Columns, *, n: int, grade: str | None
) -> tuple[list[tuple[str, str, float]], NDArray[np.intp]]:
    """The different products, platforms and worst grades that rows have, and which of them each
    has.
    """
    nothing = np.full(n, "", dtype=object)
    words = [np.asarray(table[name]) if name in table else nothing for name in _WORDS]
    grades = np.full(n, np.nan) if grade is None else np.asarray(table[grade], dtype=np.float64)
    columns = (words[0].astype(str), words[1].astype(str), grades)
    of_row = np.zeros(n, dtype=np.intp)
    for column in columns:
        code, different = pd.factorize(column, use_na_sentinel=False)
        of_row = pd.factorize(of_row * len(different) + code)[0]
    first = np.unique(of_row, return_index=True)[1]
    kinds = [(str(columns[0][k]), str(columns[1][k]), float(grades[k])) for k in first]
    return kinds, of_row


def _spread(
    values: Floats, *, is_few: bool, fewest: int, wider: Spread | None = None
) -> Spread | None:
    """How known values lie; None where too few are known or they do not differ. The tails are drawn
    towards those of ``wider``: ten patients tell little of one.
    """
    known = np.sort(values[~np.isnan(values)])
    n = len(known)
    if n < fewest or known[0] == known[-1]:
        return None
    return _spread_of_few(known) if is_few else _spread_of_many(known, wider)


def _spread_of_many(known: Floats, wider: Spread | None) -> Spread | None:
    n, half = len(known), _BEHIND // 2
    levels = [p for p in _LEVELS if _BEHIND <= round(p * n) <= n - _BEHIND]
    at = [round(p * n) for p in levels]
    knots, place = np.unique(
        [_short(float(known[k - half : k + half].mean())) for k in at], return_inverse=True
    )
    if len(knots) < 2:
        return None
    normal = ndtri(levels)
    scores = np.array([normal[place == k].mean() for k in range(len(knots))])
    thinnest = _THINNEST * float(knots[-1] - knots[0]) / float(scores[-1] - scores[0])
    below, above = knots[0] - known[: at[0]], known[at[-1] :] - knots[-1]
    return Spread(
        knots=tuple(knots.tolist()),
        scores=tuple(_short(score) for score in scores.tolist()),
        low=(
            _short(float(log_ndtr(scores[0]))),
            _tail(below, thinnest, None if wider is None else wider.low[1]),
        ),
        high=(
            _short(float(log_ndtr(-scores[-1]))),
            _tail(above, thinnest, None if wider is None else wider.high[1]),
        ),
    )


def _tail(beyond: Floats, thinnest: float, wider: float | None) -> float:
    """Mean way of these patients beyond the end, drawn towards that of a wider group."""
    total, n = float(np.maximum(beyond, 0.0).sum()), float(len(beyond))
    if wider is not None:
        total, n = total + _DRAWN * wider, n + _DRAWN
    return _short(max(total / n, thinnest))


def _spread_of_few(known: Floats) -> Spread | None:
    """Middle ranks of values that ten patients or more have; what lies beyond gets rarer with each
    step.
    """
    n = len(known)
    different, counts = np.unique(known, return_counts=True)
    ends = np.cumsum(counts)
    is_told = counts >= _BEHIND
    if is_told.sum() < 2:
        return None
    knots, middle = different[is_told], ((ends - counts / 2.0) / n)[is_told]
    n_below = int((ends - counts)[is_told][0])
    n_above = n - int(ends[is_told][-1])
    # of fewer than ten patients the number itself is not told
    low, high = (
        np.log((_BEHIND if 0 < rest < _BEHIND else max(rest, 1)) / n) for rest in (n_below, n_above)
    )
    return Spread(
        knots=tuple(knots.tolist()),  # as they are: rounded, a value would lie beyond itself
        scores=tuple(_short(float(score)) for score in ndtri(middle)),
        low=(_short(float(low)), _short(float(knots[1] - knots[0]))),
        high=(_short(float(high)), _short(float(knots[-1] - knots[-2]))),
    )


def _correlation(bare: Applicability, table: Columns, *, n: int) -> tuple[tuple[float, ...], ...]:
    """Correlations of the scores over the pairs that are known, shrunken; positive definite."""
    together, products = np.zeros((2, *(len(bare.columns),) * 2))
    for rows in block_slices(n, size=_SUMMED):
        scores = bare.scores({name: column[rows] for name, column in table.items()})[0]
        known = ~np.isnan(scores)
        held = np.where(known, np.clip(scores, -_MOST_SCORE, _MOST_SCORE), 0.0)
        together += known.T.astype(np.float64) @ known
        products += held.T @ held
    matrix = np.where(together >= _BEHIND, products / np.maximum(together, 1.0), 0.0)
    size = np.sqrt(np.maximum(np.diag(matrix), np.finfo(float).tiny))
    matrix = np.clip(matrix / np.outer(size, size), -1.0, 1.0)
    np.fill_diagonal(matrix, 1.0)
    eigenvalues, vectors = np.linalg.eigh(matrix)
    matrix = (vectors * np.maximum(eigenvalues, 0.0)) @ vectors.T
    matrix = (1.0 - _SHRINKAGE) * matrix + _SHRINKAGE * np.eye(len(matrix))
    size = np.sqrt(np.diag(matrix))
    matrix /= np.outer(size, size)
    return tuple(
        tuple(round(float(number), 3) for number in matrix[row, :row]) for row in range(len(matrix))
    )


def _surprises(scores: Floats, correlation: Floats) -> tuple[Floats, Floats]:
    """By row, of the largest score and of the Mahalanobis distance of those that are known.

    Row by row: what stands for a missing value is a score of 0 without ties, which adds nothing.
    """
    known = ~np.isnan(scores)
    held = np.where(known, scores, 0.0)
    squared = np.zeros(len(scores))
    diagonal = np.arange(len(correlation))
    for start in range(0, len(scores), _CHUNK):
        part = slice(start, start + _CHUNK)
        there = known[part]
        matrices = correlation * (there[:, :, None] & there[:, None, :])
        matrices[:, diagonal, diagonal] = 1.0
        solved = np.linalg.solve(matrices, held[part][:, :, None])[:, :, 0]
        squared[part] = (solved * held[part]).sum(axis=1)
    number = known.sum(axis=1)
    chance = np.where(number > 0, gammaincc(np.maximum(number, 1) / 2.0, squared / 2.0), 1.0)
    largest = np.abs(held).max(axis=1, initial=0.0)
    return (
        _surprise_of(largest),
        -np.log(np.maximum(chance, np.finfo(np.float64).tiny)) / _LN10,
    )


def _surprise_of(size: Floats) -> Floats:
    """-log10 of the chance of a score of this size, either way."""
    return np.asarray(-(log_ndtr(-size) + np.log(2.0)) / _LN10)


def _scaled(values: Floats, scale: float) -> Floats:
    """Nearly logarithmic far from 0, and defined for any sign."""
    return np.asarray(np.arcsinh(3.0 * values / scale))


def _original(scaled: float, scale: float) -> float:
    return float(np.sinh(scaled) * scale / 3.0)


def _take(table: Columns, rows: NDArray[np.intp]) -> Columns:
    return {name: np.asarray(column)[rows] for name, column in table.items()}


def _amount(column: Column, text: str) -> str:
    return text if column.unit == "1" else amount(column.name, text, unit=column.unit)


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def why_outside(
    summary: Applicability | None, contract: FeatureContract, observed: pd.DataFrame
) -> str:
    """Why the one row gets no number; "" where it is not too far from training."""
    if summary is None:
        return ""
    judgement = summary.judge(read_columns(observed, columns=contract.column_names))
    return judgement.reason(0, contract) if judgement.is_outside[0] else ""


def judged(
    found: Prediction,
    *,
    summary: Applicability | None,
    contract: FeatureContract,
    observed: pd.DataFrame,
    outside_training: bool = False,
) -> Prediction:
    """The prediction without the numbers of rows that lie too far from training.

    With ``outside_training`` they keep their number and are warned of. A model without a summary
    judges nothing.
    """
    if summary is None or observed.empty:
        return found
    table = read_columns(observed, columns=[column.name for column in contract.columns])
    judgement = summary.judge(table)
    rows = np.flatnonzero(judgement.is_outside & ~found.is_refused)
    if not len(rows):
        return found
    told, risk = found.rows["reasons"].astype(str).to_numpy(dtype=object), found.risk.copy()
    status = found.rows["status"].to_numpy(dtype=object).copy()
    for row in rows:
        told[row] = f"{judgement.reason(int(row), contract)} {told[row]}".strip()
    status[rows] = "warned" if outside_training else CANNOT
    changed = found.rows.assign(status=status, reasons=told)
    if not outside_training:
        risk[rows] = np.nan
        changed = changed.assign(risk=risk)
        for end in ("risk_low", "risk_high"):
            if end in changed:
                changed.loc[changed.index[rows], end] = np.nan
    return replace(found, rows=changed)
