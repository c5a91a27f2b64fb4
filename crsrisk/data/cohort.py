"""Cohort: what was observed, which outcomes followed, how they came about, and (for simulated
patients) the truth behind it. Also the arms that its patients are in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from crsrisk import streams
from crsrisk.data.population import Policy, Population
from crsrisk.data.product import CELLULAR, Product, Regimen
from crsrisk.errors import InputError
from crsrisk.results import Result

CELLS_HORIZON_D = 28.0
OutcomeName: TypeAlias = Literal[
    "crs_any", "crs_grade2plus", "crs_grade3plus", "crs_grade2plus_10d", "crs_grade2plus_14d"
]
MAIN_OUTCOME: OutcomeName = "crs_grade2plus"

if TYPE_CHECKING:
    _IntSeries: TypeAlias = pd.Series[int]
else:
    _IntSeries = pd.Series


@dataclass(frozen=True)
class Arm:
    """What a group of patients receives and where: product, regimen, prophylaxis, population,
    policy, window.

    Parameters
    ----------
    product : the product given.
    regimen_name : one of the product's regimens.
    mitigations : names of what is given against CRS on top of the regimen.
    population : the tumour type's patients.
    policy : how the ward recognises and treats CRS.
    window_d : days after the first dose in which outcomes are counted.
    """

    product: Product
    regimen_name: str
    mitigations: tuple[str, ...]
    population: Population
    policy: Policy
    window_d: float

    @property
    def horizon_d(self) -> float:
        """Days simulated: the window, and for cells at least four weeks, so that late episodes end
        inside.
        """
        return (
            max(self.window_d, CELLS_HORIZON_D)
            if self.product.platform in CELLULAR
            else self.window_d
        )

    @property
    def regimen(self) -> Regimen:
        """The regimen itself."""
        return self.product.regimens[self.regimen_name]


class Labels(_IntSeries):
    """One outcome of a cohort's patients, 1 with the event and 0 without, by patient number.

    A pandas Series that remembers the outcomes table of its cohort, so that a learner can see the
    stages before the event (any CRS before grade 2) without being handed a second table. Only as
    long as every label is what that table says: of changed or permuted labels :meth:`outcomes` is
    None.
    """

    _table: pd.DataFrame
    _are_simulated: bool
    # what pandas hands on to slices and copies: the name among it
    _metadata = ["_name", "_table", "_are_simulated"]  # noqa: RUF012

    @property
    def _constructor(self) -> Callable[..., Labels]:
        return Labels

    @property
    def are_simulated(self) -> bool:
        """Whether they are labels of simulated patients."""
        return bool(getattr(self, "_are_simulated", False))

    @property
    def outcomes(self) -> pd.DataFrame | None:
        """The rows of the outcomes table of these patients, in this order; None where the labels
        are no longer its own.
        """
        table = getattr(self, "_table", None)
        if table is None or self.name not in table.columns or self.index.name != "patient_id":
            return None
        if not self.index.isin(table.index).all():
            return None
        rows = table.loc[self.index]
        if not np.array_equal(rows[str(self.name)].to_numpy(dtype=float), self.to_numpy(float)):
            return None
        return pd.DataFrame(rows).reset_index()


@dataclass(frozen=True, eq=False, repr=False)
class Cohort(Result):
    """Patients as tables of one row each, all in the same order.

    The tables are not copied: treat them as read-only.

    Parameters
    ----------
    observed : what a hospital has before the first dose, one row a patient; the columns are those
        of :data:`crsrisk.fields.FIELDS`.
    outcomes : grades and times within the window.
    course : values at the landmark hours after the first dose.
    truth : the simulated patient's unobserved biology (None for real patients); never a feature.
    manifest : how the tables were made: seed, world, arms, versions.
    arms : what was given; patient number i is in arm ``i % len(arms)`` (empty for real patients).

    Raises
    ------
    InputError
        When the tables do not name the same patients in the same order, or one twice.

    Examples
    --------
    >>> table = pd.DataFrame({"patient_id": [1, 2]})
    >>> Cohort(observed=table, outcomes=table, course=table).n_patients
    2
    """

    observed: pd.DataFrame
    outcomes: pd.DataFrame
    course: pd.DataFrame
    truth: pd.DataFrame | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict)
    arms: tuple[Arm, ...] = ()

    def __post_init__(self) -> None:
        tables = {"observed": self.observed, "outcomes": self.outcomes, "course": self.course}
        if self.truth is not None:
            tables["truth"] = self.truth
        for name, table in tables.items():
            _check_patients(name, table, self.observed)

    def __len__(self) -> int:
        return len(self.observed)

    @property
    def n_patients(self) -> int:
        """Number of patients."""
        return len(self.observed)

    @property
    def patient_ids(self) -> pd.Series[Any]:
        """The patients' numbers, in the order of the tables."""
        return self.observed["patient_id"]

    @property
    def X(self) -> pd.DataFrame:  # noqa: N802  as scikit-learn writes it
        """What is known before the first dose, as measured: one row a patient, indexed by patient
        number. Gaps are missing values; nothing of the simulated truth is in it.
        """
        return self.observed.set_index("patient_id")

    @property
    def y(self) -> pd.Series[int]:
        """CRS of grade 2 or more within the window after the first dose, 1 or 0, by patient."""
        return self.outcome(MAIN_OUTCOME)

    def outcome(self, name: OutcomeName = "crs_grade2plus") -> pd.Series[int]:
        """One outcome as 1 and 0, by patient number.

        Parameters
        ----------
        name : ``crs_any``, ``crs_grade2plus``, ``crs_grade3plus`` (within the window of the
            product), ``crs_grade2plus_10d`` or ``crs_grade2plus_14d`` (within days).

        Raises
        ------
        InputError
            For a name that is no yes/no column of the outcomes table.
        """
        if name not in self.outcomes.columns or self.outcomes[name].dtype.kind not in "bO":
            known = [column for column in self.outcomes if str(column).startswith("crs_")]
            raise InputError(
                where="cohort",
                key="outcome",
                found=name,
                expected=f"one of {', '.join(map(str, known))}",
                cure="choose an outcome that the cohort has",
            )
        table = self.outcomes.set_index("patient_id")
        labels = Labels(table[name].to_numpy(dtype=np.int64), index=table.index, name=name)
        labels._table = table
        labels._are_simulated = self.truth is not None
        return labels

    def split(
        self, *, test_size: float = 0.3, seed: int = 0, stratify: str | None = None
    ) -> tuple[Cohort, Cohort]:
        """Training and test patients, as two cohorts.

        By default a patient's side follows from the seed and the patient's number alone: a larger
        cohort of the same seed leaves everybody where they were, and the test share is met on
        average.

        Parameters
        ----------
        test_size : share of the patients to hold out, above 0 and below 1.
        seed : seed of the draw.
        stratify : a column of ``observed`` (``"product"``) or ``outcomes`` (``"crs_grade2plus"``),
            of each value of which the share is held out, to the nearest patient.

        Returns
        -------
        (train, test)

        Raises
        ------
        InputError
            For a share outside 0 to 1, an unknown column, or a side without patients.
        """
        if not 0.0 < test_size < 1.0:
            raise InputError(
                where="split",
                key="test_size",
                found=test_size,
                expected="a share above 0 and below 1",
                cure="state the part held out as a share: three of ten is 0.3",
            )
        chance = _chance_of_test(self.patient_ids.to_numpy(), seed=seed)
        if stratify is None:
            is_test = chance < test_size
        else:
            values = self._column(stratify).astype(object).where(lambda cell: cell.notna(), "")
            rank = pd.Series(chance).groupby(values.to_numpy()).rank(method="first").to_numpy()
            size = values.map(values.value_counts()).to_numpy(dtype=np.float64)
            is_test = rank <= np.round(test_size * size)
        if is_test.all() or not is_test.any():
            raise InputError(
                where="split",
                key="test_size",
                found=f"{int(is_test.sum())} of {len(is_test)} patients held out",
                expected="patients on both sides",
                cure="take more patients or another share",
            )
        return self._where(~is_test), self._where(is_test)

    def head(self, n: int = 5) -> Cohort:
        """The first ``n`` patients, as a cohort."""
        return self._where(np.arange(self.n_patients) < n)

    def subset(self, patient_ids: Iterable[int] | Iterable[str]) -> Cohort:
        """The patients of these numbers alone, in the cohort's order.

        Raises
        ------
        InputError
            For a number that is not in the cohort.
        """
        return subset(self, patient_ids=patient_ids)

    def to_frame(self) -> pd.DataFrame:
        """Observed columns and outcomes side by side, one row a patient, indexed by patient
        number.
        """
        return self.X.join(self.outcomes.set_index("patient_id"), validate="one_to_one")

    def summary(self) -> str:
        """Number of patients, products and events."""
        text = f"{self.n_patients:,} {'patients' if self.truth is None else 'simulated patients'}"
        if "product" in self.observed.columns:
            text += f", {self.observed['product'].nunique()} product(s)"
        if MAIN_OUTCOME in self.outcomes.columns:
            text += f", {int(self.outcomes[MAIN_OUTCOME].sum()):,} with CRS of grade 2 or more"
        return text

    def _column(self, name: str) -> pd.Series[Any]:
        for table in (self.observed, self.outcomes):
            if name in table.columns:
                return table[name]
        raise InputError(
            where="split",
            key="stratify",
            found=name,
            expected="a column of observed or outcomes",
            cure="write stratify='product'",
        )

    def _where(self, keep: np.ndarray[Any, np.dtype[np.bool_]]) -> Cohort:
        def rows(table: pd.DataFrame) -> pd.DataFrame:
            return table.loc[keep].reset_index(drop=True)

        return replace(
            self,
            observed=rows(self.observed),
            outcomes=rows(self.outcomes),
            course=rows(self.course),
            truth=None if self.truth is None else rows(self.truth),
        )


def _chance_of_test(
    ids: np.ndarray[Any, np.dtype[np.int64]], *, seed: int
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A number from 0 to 1 a patient, by seed and patient number; by row where patients have no
    numbers.
    """
    if not np.issubdtype(ids.dtype, np.integer) or (ids.size and ids.min() < 0):
        ids = np.arange(ids.size)
    start = int(ids.min(initial=0)) if not ids.size else int(ids.min())
    stop = start + 1 if not ids.size else int(ids.max()) + 1
    draws = streams.uniforms(seed=seed, decision="split", start=start, stop=stop, width=1)
    return np.asarray(draws[ids - start, 0])


def joined(parts: Iterable[Cohort]) -> Cohort:
    """Cohorts of different patients as one, in the order given; manifest and arms are the
    first's.
    """
    listed = list(parts)
    if len(listed) == 1:
        return listed[0]

    def rows(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
        return pd.concat(list(tables), ignore_index=True)

    truths = [part.truth for part in listed if part.truth is not None]
    return replace(
        listed[0],
        observed=rows(part.observed for part in listed),
        outcomes=rows(part.outcomes for part in listed),
        course=rows(part.course for part in listed),
        truth=rows(truths) if len(truths) == len(listed) else None,
    )


def _check_patients(name: str, table: pd.DataFrame, observed: pd.DataFrame) -> None:
    cure = "make all tables of a cohort from the same patients, in the same order"
    if "patient_id" not in table.columns:
        raise InputError(
            where=f"cohort.{name}",
            key="patient_id",
            found="no such column",
            expected="a column patient_id",
            cure=cure,
        )
    if name == "observed" and not table["patient_id"].is_unique:
        row = int(np.flatnonzero(table["patient_id"].duplicated())[0]) + 1
        raise InputError(
            where="cohort.observed",
            key=f"row {row}, patient_id",
            found="a patient who stands in an earlier row",
            expected="each patient once",
            cure="number the patients anew, or remove the double",
        )
    if len(table) != len(observed):
        raise InputError(
            where=f"cohort.{name}",
            found=f"{len(table)} rows",
            expected=f"{len(observed)} rows, as in observed",
            cure=cure,
        )
    differs = table["patient_id"].to_numpy() != observed["patient_id"].to_numpy()
    if bool(np.any(differs)):
        row = int(np.flatnonzero(differs)[0]) + 1
        raise InputError(
            where=f"cohort.{name}",
            key=f"row {row}, patient_id",
            found="another patient than in observed",
            expected="the same patient",
            cure=cure,
        )


def subset(cohort: Cohort, *, patient_ids: Iterable[int] | Iterable[str]) -> Cohort:
    """The cohort of these patients alone, in the cohort's own order; an unknown patient raises
    InputError.

    >>> table = pd.DataFrame({"patient_id": [1, 2, 3]})
    >>> cohort = Cohort(observed=table, outcomes=table, course=table)
    >>> subset(cohort, patient_ids=[3, 1]).patient_ids.tolist()
    [1, 3]
    """
    wanted = pd.Index(list(patient_ids))
    unknown = wanted.difference(pd.Index(cohort.patient_ids))
    if len(unknown):
        raise InputError(
            where="subset",
            key="patient_ids",
            found=f"{len(unknown)} patients not in the cohort",
            expected="patients of this cohort",
            cure="take the numbers from cohort.patient_ids",
        )
    return cohort._where(cohort.patient_ids.isin(wanted).to_numpy())
