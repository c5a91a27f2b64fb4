"""One risk: one patient as clinical columns in, what ``crsrisk predict`` says of a table with that
one row out, to the last bit and letter.

A table of one row costs twenty times as much as the risk in it, and nearly all of it is the account
of what had to be converted, guessed at or refused. A *plain* patient needs none of that: columns
under their own names, a product by its own name, values that can be. He is scored from arrays of
length one by the same functions that score tables; everybody else, and whoever turns out to be
refused, goes the way of the tables.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import pandas as pd

from crsrisk.data.account import Note, NoteKind
from crsrisk.data.cells import MISSING_WORDS
from crsrisk.data.columns import OBSERVED, recognise
from crsrisk.data.identity import contradictions
from crsrisk.data.product_facts import FACTS, product_facts
from crsrisk.data.quantities import unusual
from crsrisk.data.risk_model import CANNOT
from crsrisk.data.table_reading import AS_NAMED
from crsrisk.data.tables import NOT_STATED, without_empty_numbers
from crsrisk.fields import Field
from crsrisk.model.companions import Companions
from crsrisk.model.features import feature_array
from crsrisk.model.first_interval import first_interval_of
from crsrisk.model.forest import Forest, forest_of, raw_log_odds_by
from crsrisk.model.known_products import levels_of
from crsrisk.model.predict import Columns, Floats, account, fill_of, filled
from crsrisk.model.risk_model import RiskModel
from crsrisk.studies.predict import INSTEAD, score_patients

Cell: TypeAlias = str | float | int | bool | None
_TOLD: tuple[NoteKind, ...] = ("refused", "left out", "warned", "converted")


@dataclass(frozen=True, kw_only=True)
class OneRisk:
    """What is said of one patient: risk and its intervals (0-1, NaN without), what the interval
    holds, status (ok, warned, cannot estimate, refused), reasons, columns that are missing.

    ``account``: what was refused, left out, doubted or converted in reading.
    """

    risk: float
    risk_low: float
    risk_high: float
    risk_refit_low: float
    risk_refit_high: float
    interval: str
    status: str
    reasons: str
    missing: str
    account: tuple[Note, ...] = ()


@dataclass(frozen=True, eq=False)
class SingleRisk:
    """A model made ready for single patients; do it once, keep it.

    >>> from crsrisk.model.store import load_model
    >>> from crsrisk.studies.serving import example_request
    >>> model = load_model("baseline-0.1.0")
    >>> patient = example_request(model).iloc[0].to_dict()
    >>> SingleRisk.of(model, Companions()).score(patient).status
    'ok'
    """

    model: RiskModel
    beside: Companions
    forest: Forest
    fill: Floats
    has_plain_patients: bool

    @classmethod
    def of(cls, model: RiskModel, beside: Companions) -> SingleRisk:
        """Make a model ready. One of some hours after the first dose has no plain patients: its
        columns of the course are made of readings.
        """
        names = list(OBSERVED)
        found = recognise(names, where="columns", how=AS_NAMED).columns
        is_plain = all(
            found[name].found == name
            and not (found[name].unit_column or found[name].limit_column or found[name].time_column)
            for name in names
        )
        reads = {column.name for column in model.contract.columns}
        return cls(
            model,
            beside,
            forest_of(model.booster_text),
            fill_of(model),
            is_plain
            and not model.contract.landmark_h
            and reads <= set(names)
            and "product" in reads,
        )

    def score(self, patient: Mapping[str, Cell], *, unknown_product: bool = False) -> OneRisk:
        """The risk of one patient; None is missing, a column that the model reads must be there.

        Raises
        ------
        InputError
            As :func:`crsrisk.studies.predict.score_patients` for a table that cannot be read as a
            whole.
        """
        found = self.score_plain(patient)
        return self.by_table(patient, unknown_product=unknown_product) if found is None else found

    def score_plain(self, patient: Mapping[str, Cell]) -> OneRisk | None:
        """:meth:`score` of a plain patient, in one or two thousandths of a second; None for any
        other.
        """
        columns = self.plain(patient)
        found = None if columns is None else self._score_columns(columns)
        return None if found is None else replace(found, account=tuple(_unusual(patient)))

    def by_table(self, patient: Mapping[str, Cell], *, unknown_product: bool = False) -> OneRisk:
        """:meth:`score` by a table of one row."""
        row = pd.DataFrame({name: [cell] for name, cell in patient.items()})
        scored = score_patients(
            self.model,
            without_empty_numbers(row),  # nobody's number is asked for
            unknown_product=unknown_product,
            beside=self.beside,
        )
        said = scored.rows.iloc[0].to_dict()
        return OneRisk(
            **{str(name): value for name, value in said.items() if name != "patient_id"},
            account=tuple(note for note in scored.account if note.kind in _TOLD),
        )

    def plain(self, patient: Mapping[str, Cell]) -> Columns | None:
        """The columns of a plain patient as arrays of one value; None for any other patient."""
        if not self.has_plain_patients:
            return None
        contract = self.model.contract
        values: dict[str, str | float] = {}
        for name, cell in patient.items():
            field = OBSERVED.get(name)
            value = None if field is None else _plain_value(cell, field)
            if value is None:
                return None
            values[name] = value
        product = values.get("product", NOT_STATED)
        if product not in (levels_of(self.model) or ()):
            return None
        facts = product_facts(str(product), _stated(values.get("regimen", NOT_STATED)))
        for name in FACTS:
            if values.get(name, NOT_STATED) == NOT_STATED or values[name] != values[name]:
                values[name] = facts.get(name, _nothing(OBSERVED[name]))
        names = contract.column_names
        if any(name not in values for name in names):
            return None
        return {
            name: _column(values[name], OBSERVED[name], is_wanted=name in names)
            for name in values
            if name != "patient_id"
        }

    def _score_columns(self, columns: Columns) -> OneRisk | None:
        """The risk of a plain patient; None where the tables have something to refuse."""
        model, contract = self.model, self.model.contract
        if next(contradictions(columns), None) is not None:
            return None
        (refused,), (warned,), (missing,) = account(model, columns, n_rows=1)
        if refused:
            return None
        told, status, has_risk = " ".join(warned), "warned" if warned else "ok", True
        if model.applicability is not None:
            judgement = model.applicability.judge(columns)
            if judgement.is_outside[0]:
                told = f"{judgement.reason(0, contract)} {told}".strip() + INSTEAD
                status, has_risk = CANNOT, False
        if not has_risk:
            risk = low = high = refit_low = refit_high = math.nan
            holds = ""
        else:
            table = filled(feature_array(columns, names=contract.feature_names), self.fill)
            risk = float(model.calibrator.risk(raw_log_odds_by(self.forest, table))[0])
            found = first_interval_of(model, self.beside, columns)
            ends = (found.low, found.high, found.refit_low, found.refit_high)
            low, high, refit_low, refit_high = (float(end[0]) for end in ends)
            holds = found.holds[0]
        return OneRisk(
            risk=risk,
            risk_low=low,
            risk_high=high,
            risk_refit_low=refit_low,
            risk_refit_high=refit_high,
            interval=holds,
            status=status,
            reasons=told,
            missing=", ".join(missing),
        )


def _plain_value(cell: Cell, field: Field) -> str | float | None:
    """A cell of a plain patient as tables read it; None for one that is not plain."""
    if field.name == "patient_id":
        return 1.0 if isinstance(cell, int) and not isinstance(cell, bool) and cell >= 0 else None
    if cell is None:
        return _nothing(field)
    if field.kind == "category":
        return _plain_word(cell, field)
    if isinstance(cell, str):
        return None
    if field.kind == "bool":
        return float(cell) if cell in (0, 1) else None
    if isinstance(cell, bool) or (field.kind == "int" and cell != math.floor(cell)):
        return None
    low, high = field.possible or (-math.inf, math.inf)
    return float(cell) if math.isfinite(cell) and low <= cell <= high else None


def _unusual(patient: Mapping[str, Cell]) -> Iterator[Note]:
    """What the account of a table says of the values of a plain patient that are not plausible."""
    for name, field in OBSERVED.items():
        cell = patient.get(name)
        if cell is None or isinstance(cell, str) or field.plausible is None:
            continue
        if field.kind in ("float", "int") and not field.plausible[0] <= cell <= field.plausible[1]:
            yield unusual(1, float(cell), field)


def _plain_word(cell: Cell, field: Field) -> str | None:
    if not isinstance(cell, str) or not cell.isascii() or not cell.isprintable():
        return None
    if cell != cell.strip() or cell.casefold() in MISSING_WORDS:
        return None
    return cell if not field.categories or cell in field.categories else None


def _nothing(field: Field) -> str | float:
    return NOT_STATED if field.kind == "category" else math.nan


def _stated(regimen: str | float) -> str:
    return "" if regimen == NOT_STATED else str(regimen)


def _column(
    value: str | float, field: Field, *, is_wanted: bool
) -> np.ndarray[tuple[int], np.dtype[np.object_ | np.float64]]:
    """One value as a column; a word that the model reads is "" where it is not stated."""
    if field.kind != "category":
        return np.array([value], dtype=np.float64)
    is_gap = value == NOT_STATED and is_wanted and not field.may_be_missing
    return np.array(["" if is_gap else value], dtype=object)
