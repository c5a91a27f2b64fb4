"""OnsetModel: when CRS of grade 2 or more is to be expected, beside the risk that it comes at all.

One engine: chance of an onset by hour t = risk of the model x share of onsets by t. The risk model
gives the height of the curve, and the hazard of onset (:mod:`crsrisk.model.onset_hazard`) its
shape, so the curve of a patient ends at the very risk that is printed elsewhere. Given none so far,
both follow by Bayes' rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version as version_of
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from crsrisk.data.assumptions import Strict
from crsrisk.data.cohort import MAIN_OUTCOME
from crsrisk.data.disclosure import frequent_words
from crsrisk.data.files import frame_digest
from crsrisk.data.onset import DoseSchedule, OnsetIntervals
from crsrisk.data.onset_prediction import (
    HOURS,
    QUANTILES,
    OnsetPrediction,
    hour_name,
    watching_in_words,
)
from crsrisk.data.product import Observation
from crsrisk.data.world_files import all_products
from crsrisk.errors import InputError
from crsrisk.model.features import (
    build_features,
    clinical_table,
    columns_needed,
    require_columns,
    words_of,
)
from crsrisk.model.fit import SIGNS
from crsrisk.model.known_products import with_trained_names
from crsrisk.model.onset_hazard import FEWEST_ONSETS, TIME_FEATURES, OnsetHazard, onset_share
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import load_model
from crsrisk.results import Result

Floats = NDArray[np.float64]
_GROUPS = "product__"  # features whose course over time is learnt first


class OnsetContract(Strict):
    """What the shape of onset was learnt from.

    ``feature_names`` are those of the risk model, ``fill`` what stands in for their missing values
    (None where the trees know missing), ``schedules`` the doses by product, ``n_onsets`` how many
    onsets each product gave, ``made`` seed, digests, settings and what trees are worth. A product
    that fewer than ten patients had is not named.
    """

    feature_names: tuple[str, ...]
    fill: tuple[float | None, ...]
    schedules: dict[str, DoseSchedule]
    observation: dict[str, list[Observation]]
    n_onsets: dict[str, int]
    made: dict[str, Any]


@dataclass(frozen=True, kw_only=True, repr=False)
class OnsetModel(Result):
    """A risk model together with when the event comes: what :class:`CRSOnsetEstimator` fits.

    Parameters
    ----------
    risk_model : gives the chance of the event inside the window.
    contract : features, doses by product, onsets that each product gave.
    booster_text : trees of the hazard of onset in LightGBM's text format.

    Examples
    --------
    >>> from crsrisk.simulation.cohort import simulate
    >>> cohort = simulate("tebentafusp", n=120, seed=1)
    >>> fitted = CRSOnsetEstimator("baseline-0.1.0").fit(
    ...     cohort.X, cohort.outcomes["onset_grade2plus_h"].to_numpy(), cohort.y
    ... )
    >>> fitted.onset_model_.predict(cohort.X.head(2)).rows.shape[0]
    2
    """

    risk_model: RiskModel
    contract: OnsetContract
    booster_text: str

    @property
    def label(self) -> str:
        """Name and version of the risk model."""
        return self.risk_model.label

    def predict_cumulative_incidence(
        self, X: Any, hours: ArrayLike = HOURS, *, none_by_h: float = 0.0
    ) -> Floats:
        """The chance of a first grade 2 or more by each hour, shape (patients, hours).

        Parameters
        ----------
        X : clinical table as measured.
        hours : hours after the first dose.
        none_by_h : hour after the first dose until which there was none: the chance is then that
            of a patient without grade 2 or more so far (0 before that hour).

        Returns
        -------
        array (patients, hours)
            NaN for a patient who cannot be scored, or of whose product too few onsets are known.

        Raises
        ------
        InputError
            For a table of another kind.
        """
        at = np.asarray(hours, dtype=np.float64)
        found = np.full((len(clinical_table(X)), at.size), np.nan)
        scored = _Scored.of(self, X)
        for part in scored.parts:
            by = part.intervals.share_by(part.share, np.append(at, none_by_h))
            found[part.rows] = _given_none(part.risk, by[:, :-1], before=by[:, -1])
        return found

    def predict_onset(
        self,
        X: Any,
        *,
        quantiles: ArrayLike = QUANTILES,
        none_by_h: float = 0.0,
        until_h: float | None = None,
    ) -> Floats:
        """When a first grade 2 or more comes, given that there was none so far and that it does
        come, shape (patients, quantiles).

        Parameters
        ----------
        X : clinical table as measured.
        quantiles : shares of such onsets (0-1), as 0.5 for the median.
        none_by_h : hour after the first dose until which there was none.
        until_h : hour until which it comes; the end of the window where none is given.

        Returns
        -------
        array (patients, quantiles)
            Hours after the first dose. NaN as in :meth:`predict_cumulative_incidence`.

        Raises
        ------
        InputError
            For a table of another kind.
        """
        shares = np.atleast_1d(np.asarray(quantiles, dtype=np.float64))
        found = np.full((len(clinical_table(X)), shares.size), np.nan)
        for part in _Scored.of(self, X).parts:
            end = part.intervals.end_h[-1] if until_h is None else until_h
            found[part.rows] = part.hours_of(shares, after_h=none_by_h, until_h=end)
        return found

    def predict(self, X: Any, hours: Sequence[float] = HOURS) -> OnsetPrediction:
        """Every patient's risk by each hour and, after each dose, the risk until the next given
        none so far, with the hours by which half and nine of ten of its onsets have come.

        Parameters
        ----------
        X : clinical table as measured.
        hours : hours after the first dose.

        Raises
        ------
        InputError
            For a table of another kind.
        """
        scored = _Scored.of(self, X)
        columns = [hour_name(hour) for hour in hours]
        rows = scored.account.assign(**dict.fromkeys(columns, np.nan))
        doses, curves = [], {}
        for part in scored.parts:
            place = rows.index[part.rows]
            by = part.risk[:, None] * part.intervals.share_by(part.share, hours)
            rows.loc[place, columns] = by
            doses.append(part.after_doses(place))
            for at, name in enumerate(place):
                curves[name] = (part.intervals.end_h, part.risk[at] * part.share[at])
        return OnsetPrediction(
            rows=rows,
            doses=pd.concat(doses, ignore_index=True) if doses else pd.DataFrame(),
            curves=curves,
            schedules=self.contract.schedules,
            watching={
                name: watching_in_words(self.contract.observation.get(name, ()))
                for name in self.contract.schedules
            },
            model=self.label,
            outcome_in_words=self.risk_model.contract.outcome_in_words,
            notice=self.risk_model.notice,
        )

    @cached_property
    def fill(self) -> Floats:
        """By feature, what stands in for a missing value."""
        return np.array([np.nan if value is None else value for value in self.contract.fill])

    def to_frame(self) -> pd.DataFrame:
        """One row a product: doses in hours after the first, window, onsets it was learnt from."""
        return pd.DataFrame(
            [
                {
                    "product": name,
                    "dose_h": ", ".join(f"{hour:g}" for hour in schedule.dose_h),
                    "window_h": schedule.window_h,
                    "n_onsets": self.contract.n_onsets.get(name, 0),
                    "observation": watching_in_words(self.contract.observation.get(name, ())),
                }
                for name, schedule in self.contract.schedules.items()
            ]
        )

    def summary(self) -> str:
        """What it tells, from how many onsets, and what its trees are worth."""
        made, known = self.contract.made, self.contract.n_onsets
        few = [name for name in self.contract.schedules if known.get(name, 0) < FEWEST_ONSETS]
        told = (
            f"onset of {self.risk_model.contract.outcome_in_words} for {self.label}: learnt from"
            f" {sum(known.values()):,} onsets of {len(known)} product(s). Log loss of onsets held"
            f" out {made['cv_log_loss']:.4f} nats; by time and product alone"
            f" {made['cv_log_loss_start']:.4f}; {made['n_trees']} trees of all features kept"
        )
        if few:
            told += f". Cannot estimate (fewer than {FEWEST_ONSETS} onsets): {', '.join(few)}"
        return told


@dataclass(frozen=True, eq=False)
class _Part:
    """Patients of one product: which rows, their risk, and their shares of onsets."""

    rows: NDArray[np.intp]
    risk: Floats
    share: Floats
    intervals: OnsetIntervals
    schedule: DoseSchedule

    def hours_of(self, quantiles: Floats, *, after_h: float, until_h: float) -> Floats:
        """Hours by which these shares of the onsets between two hours have come; NaN where there
        are none between.
        """
        from_to = self.intervals.share_by(self.share, [after_h, until_h])
        low, high = from_to.T
        found = np.column_stack(
            [self.intervals.hour_at(self.share, low + q * (high - low)) for q in quantiles]
        )
        found[high <= low] = np.nan
        return found

    def after_doses(self, place: pd.Index[Any]) -> pd.DataFrame:
        """One row a patient and dose."""
        parts = []
        for number, start in enumerate(self.schedule.dose_h, start=1):
            end = self.schedule.until(number)
            by = self.intervals.share_by(self.share, [start, end])
            waits = self.hours_of(np.array(QUANTILES), after_h=start, until_h=end) - start
            parts.append(
                pd.DataFrame(
                    {
                        "row": place,
                        "dose": number,
                        "dose_h": start,
                        "until_h": end,
                        "risk_if_none_so_far": _given_none(
                            self.risk, by[:, 1:], before=by[:, 0]
                        ).ravel(),
                        "median_h_after_dose": waits[:, 0],
                        "hours_90_after_dose": waits[:, 1],
                    }
                )
            )
        return pd.concat(parts).sort_values(["row", "dose"], kind="stable")


@dataclass(frozen=True, eq=False)
class _Scored:
    """The account of every row, and those of whom onset can be told, by product."""

    account: pd.DataFrame
    parts: tuple[_Part, ...]

    @staticmethod
    def of(model: OnsetModel, X: Any) -> _Scored:
        table = with_trained_names(model.risk_model, clinical_table(X))
        if not table.index.is_unique:
            raise InputError(
                where="clinical table",
                key="index",
                found="an index that names two rows alike",
                expected="a name of its own for every row",
                cure="take X.reset_index(drop=True)",
            )
        predicted = model.risk_model.predict(table)
        rows = predicted.rows[["risk", "status", "reasons"]].copy()
        products = words_of(table, column="product")
        rows.insert(0, "product", products)
        risk = predicted.risk
        parts, notes = [], rows["reasons"].to_numpy(dtype=object).copy()
        contract = model.contract
        for name in dict.fromkeys(products.tolist()):
            mine = np.flatnonzero((products == name) & ~predicted.is_refused)
            known = contract.n_onsets.get(name, 0)
            if name not in contract.schedules or known < FEWEST_ONSETS:
                for row in mine:
                    notes[row] = f"{notes[row]} {_cannot(name, known, contract)}".strip()
                continue
            schedule = contract.schedules[name]
            intervals = OnsetIntervals.of(schedule)
            features = build_features(table.iloc[mine], names=contract.feature_names)
            values = features.to_numpy(dtype=np.float64)
            share = onset_share(
                model.booster_text, np.where(np.isnan(values), model.fill, values), intervals
            )
            parts.append(_Part(mine, risk[mine], share, intervals, schedule))
            for row in mine[_other_regimen(table.iloc[mine], schedule)]:
                notes[row] = (
                    f"{notes[row]} Onset is told for the doses of the regimen {schedule.regimen}."
                ).strip()
        return _Scored(rows.assign(reasons=notes), tuple(parts))


def _other_regimen(table: pd.DataFrame, schedule: DoseSchedule) -> NDArray[np.bool_]:
    if "regimen" not in table.columns:
        return np.zeros(len(table), dtype=np.bool_)
    words = words_of(table, column="regimen")
    return np.array([word not in ("", schedule.regimen) for word in words], dtype=np.bool_)


def _cannot(product: str, n_onsets: int, contract: OnsetContract) -> str:
    if product not in contract.schedules:
        return "When it comes cannot be estimated: the doses of the product are not known."
    return (
        f"When it comes cannot be estimated: {n_onsets} onsets of the product in training,"
        f" {FEWEST_ONSETS} are needed."
    )


def _given_none(risk: Floats, share: Floats, *, before: Floats) -> Floats:
    """Chance of an onset by then (patients, hours), given none until ``before``: Bayes' rule."""
    height = risk[:, None]
    since = np.maximum(share - before[:, None], 0.0)
    return np.asarray(height * since / (1.0 - height * before[:, None]))


class CRSOnsetEstimator(BaseEstimator):
    """When a first CRS of grade 2 or more comes, on top of a fitted risk model.

    Its risk is that of the risk model; learnt here is when the event comes, given that it does,
    from the same features and with the same directions.

    Parameters
    ----------
    risk_model : RiskModel, str or Path
        A model of grade 2 or more that predicts before the first dose: fitted, or released by name.
    schedules : mapping of str to DoseSchedule, optional
        Doses and window by product. Default: the usual regimen of the product's file.
    max_trees : int
        Most trees of all features after those of time and product.
    n_folds : int
        Folds of patients that choose the numbers of trees.
    random_state : int
        Seed of the folds. Same patients, settings, seed and versions of LightGBM and numpy: same
        bytes.

    Attributes
    ----------
    onset_model_ : OnsetModel
        To predict with, and to save (:func:`crsrisk.model.onset_store.save_onset`).
    hazard_ : OnsetHazard
        The fitted learner.
    n_features_in_ : int

    Examples
    --------
    >>> from crsrisk.simulation.cohort import simulate
    >>> cohort = simulate("tebentafusp", n=120, seed=1)
    >>> onset_h = cohort.outcomes["onset_grade2plus_h"].to_numpy()
    >>> onset = CRSOnsetEstimator("baseline-0.1.0").fit(cohort.X, onset_h, cohort.y)
    >>> by_day = onset.predict_cumulative_incidence(cohort.X.head(1), [24, 48, 504])[0]
    >>> bool(by_day[0] <= by_day[1] <= by_day[2])
    True
    """

    def __init__(
        self,
        risk_model: RiskModel | str = "baseline-0.1.0",
        *,
        schedules: Mapping[str, DoseSchedule] | None = None,
        max_trees: int = 200,
        n_folds: int = 3,
        random_state: int = 0,
    ) -> None:
        self.risk_model = risk_model
        self.schedules = schedules
        self.max_trees = max_trees
        self.n_folds = n_folds
        self.random_state = random_state

    def fit(self, X: Any, onset_hours: ArrayLike, event: ArrayLike | None = None) -> Any:
        """Fit to patients whose outcome is known.

        Parameters
        ----------
        X : clinical table as measured.
        onset_hours : array (patients,)
            Hours from the first dose to the first grade 2 or more; NaN without one.
        event : array (patients,), optional
            1 with grade 2 or more inside the window, 0 without. Default: who has an hour.

        Raises
        ------
        InputError
            For a model of another event or hour, an unknown product, hours that do not fit the
            events, and fewer than 20 onsets.
        """
        model = _checked_model(self.risk_model)
        table = with_trained_names(model, clinical_table(X))
        hours = np.asarray(onset_hours, dtype=np.float64)
        has_event = ~np.isnan(hours) if event is None else np.asarray(event, dtype=np.float64)
        require_columns(table, columns_needed(model.contract.feature_names))
        products = words_of(table, column="product")
        schedules = _schedules(products, given=self.schedules)
        names = model.contract.feature_names
        values = build_features(table, names=names).to_numpy(dtype=np.float64)
        self.hazard_ = OnsetHazard(
            group_columns=[k for k, name in enumerate(names) if name.startswith(_GROUPS)],
            monotonic_cst=[SIGNS[feature.direction] for feature in model.contract.features],
            feature_names=names,
            max_trees=self.max_trees,
            n_folds=self.n_folds,
            random_state=self.random_state,
        )
        try:
            self.hazard_.fit(
                values, hours, has_event, schedules=[schedules[name] for name in products]
            )
        except ValueError as problem:
            raise InputError(
                where="onset",
                key="onset_hours, event",
                found=str(problem),
                expected="the hour of a first grade 2 or more inside the window for every event",
                cure="correct or leave out these patients, or take more of them",
            ) from problem
        is_event = np.asarray(has_event, dtype=np.float64) > 0
        fitted = self.hazard_
        schedules = {name: schedules[name] for name in frequent_words(products)}
        contract = OnsetContract(
            feature_names=names,
            fill=tuple(None if np.isnan(value) else float(value) for value in fitted.fill_values_),
            schedules=schedules,
            observation=_observations(schedules),
            n_onsets={name: int((is_event & (products == name)).sum()) for name in schedules},
            made={
                "data_are": model.manifest.get("data_are", "unknown"),
                "seed": self.random_state,
                "n_patients": len(table),
                "n_folds": self.n_folds,
                "n_start_trees": fitted.n_start_trees_,
                "n_trees": fitted.n_trees_,
                "cv_log_loss_start": fitted.cv_log_loss_start_,
                "cv_log_loss": fitted.cv_log_loss_,
                "gain": fitted.gain_,
                "gain_se": fitted.gain_se_,
                "observed_sha256": frame_digest(
                    table[list(columns_needed(names))].reset_index(drop=True)
                ),
                "onset_sha256": frame_digest(pd.DataFrame({"onset_h": hours})),
                "made_with": {name: version_of(name) for name in ("lightgbm", "numpy")},
            },
        )
        self.onset_model_ = OnsetModel(
            risk_model=model, contract=contract, booster_text=fitted.booster_text_
        )
        self.n_features_in_ = table.shape[1]
        return self

    def predict_cumulative_incidence(
        self, X: Any, hours: ArrayLike = HOURS, *, none_by_h: float = 0.0
    ) -> Floats:
        """As :meth:`OnsetModel.predict_cumulative_incidence`."""
        check_is_fitted(self)
        return self.onset_model_.predict_cumulative_incidence(X, hours, none_by_h=none_by_h)

    def predict_onset(
        self,
        X: Any,
        *,
        quantiles: ArrayLike = QUANTILES,
        none_by_h: float = 0.0,
        until_h: float | None = None,
    ) -> Floats:
        """As :meth:`OnsetModel.predict_onset`."""
        check_is_fitted(self)
        return self.onset_model_.predict_onset(
            X, quantiles=quantiles, none_by_h=none_by_h, until_h=until_h
        )

    def predict(self, X: Any) -> OnsetPrediction:
        """As :meth:`OnsetModel.predict`."""
        check_is_fitted(self)
        return self.onset_model_.predict(X)


def onset_features(names: Sequence[str]) -> tuple[str, ...]:
    """What the trees of onset read: the features of the risk model, then time."""
    return (*names, *TIME_FEATURES)


def _checked_model(model: RiskModel | str) -> RiskModel:
    """The risk model, refused where the shape of onset cannot stand on it."""
    loaded = model if isinstance(model, RiskModel) else load_model(model)
    contract = loaded.contract
    if contract.outcome != MAIN_OUTCOME or contract.landmark_h or not contract.products:
        when = f"{contract.landmark_h} h after" if contract.landmark_h else "before"
        raise InputError(
            where=loaded.label,
            found=f"a model of {contract.outcome}, {when} the first dose, that knows"
            f" {len(contract.products)} products",
            expected=f"a model of {MAIN_OUTCOME} before the first dose that knows products",
            cure="take baseline-0.1.0, or train one of that kind (crsrisk train baseline)",
        )
    return loaded


def _schedules(
    products: NDArray[Any], *, given: Mapping[str, DoseSchedule] | None
) -> dict[str, DoseSchedule]:
    """The schedule of every product that occurs, in alphabetical order."""
    wanted, known = sorted(set(products.tolist())), dict(given or {})
    shipped = all_products()
    for name in wanted:
        if name not in known and name in shipped:
            product = shipped[name]
            window_h = 24.0 * product.window_d
            regimen = product.regimens[product.default_regimen]
            known[name] = DoseSchedule(
                regimen=product.default_regimen,
                dose_h=tuple(dose.time_h for dose in regimen.doses if dose.time_h < window_h),
                window_h=window_h,
            )
    if lacking := [name or "(empty)" for name in wanted if name not in known]:
        raise InputError(
            where="onset",
            key="product",
            found=", ".join(lacking),
            expected="a product with a file, or its doses in `schedules`",
            cure="pass schedules={name: DoseSchedule(...)}",
        )
    return {name: known[name] for name in wanted}


def _observations(schedules: Mapping[str, DoseSchedule]) -> dict[str, list[Observation]]:
    shipped = all_products()
    return {name: list(shipped[name].observation) for name in schedules if name in shipped}
