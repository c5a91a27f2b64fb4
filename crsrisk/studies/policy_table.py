"""Who of a table of patients should get prophylaxis: risks from a column or a model, effect and
harms as stated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from crsrisk import __version__
from crsrisk.data.cells import MISSING_WORDS, texts_of
from crsrisk.data.outcomes import read_outcome
from crsrisk.data.table_account import Account
from crsrisk.data.table_files import Source, SourceTable, number_in, open_table
from crsrisk.data.table_reading import AS_NAMED, TableReading
from crsrisk.data.world_files import load_assumptions
from crsrisk.errors import InputError
from crsrisk.folders import find
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import load_model
from crsrisk.plots.chart_data import Lines
from crsrisk.policy.cohort import WHERE, HarmWeights
from crsrisk.policy.stated import (
    PolicyTableAnalysis,
    StatedEffect,
    TablePatients,
    TablePlan,
    TableSetting,
    analyse_table,
    keep_known,
)
from crsrisk.policy.table import FloatArray
from crsrisk.report.policy import PolicyPage, policy_table_page
from crsrisk.report.policy_sections import doses_lines, net_benefit_lines
from crsrisk.report.policy_words import policy_table_summary
from crsrisk.results import to_plain
from crsrisk.studies.policy import AS_ASSUMED, PolicyPageResult, check_doses, policies_frame
from crsrisk.studies.predict import score_patients
from crsrisk.studies.refused_rows import NONE_REFUSED, RefusedRows, refused_by
from crsrisk.trials.checks import inner_threshold

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NOTICE = (
    "Research use; no potential outcomes are known of these patients: effect and harms are"
    " assumptions, no external validation; a design scenario, never advice on a patient."
)
# words of a column before numbers are cut in two
MOST_LEVELS = 12
UNKNOWN = "not known"


@dataclass(frozen=True, repr=False)
class PolicyTableResult(PolicyPageResult, PolicyTableAnalysis):
    """Who of a table of patients should get prophylaxis, if it does what is stated; made by
    :func:`evaluate_policies_table`.

    Fields are those of :class:`crsrisk.policy.stated.PolicyTableAnalysis`: ``setting``, ``risk``,
    ``ledger`` (harms and threshold), ``policies``, ``decision_curve``, ``doses``, ``subgroups`` and
    ``tipping_points``; and ``refused``, the rows of the table that are not among the patients.
    Research use; no external validation.
    """

    refused: RefusedRows = NONE_REFUSED

    def to_dict(self) -> dict[str, Any]:
        """Everything in it but the refused rows, which hold patients' values."""
        return {name: to_plain(part) for name, part in vars(self).items() if name != "refused"}

    def summary(self) -> str:
        """The answer in one paragraph: patients, price, best rule, and what it is not."""
        return policy_table_summary(self)

    def to_frame(self) -> pd.DataFrame:
        """One row a policy, for 100 patients of the table."""
        return policies_frame(self.policies)

    def page(self) -> PolicyPage:
        """Sections, sentences and figures of the page."""
        return policy_table_page(self)

    def chart(self, show: Literal["net_benefit", "doses"] = "net_benefit") -> Lines:
        """What :meth:`plot` draws, as numbers and labels."""
        if show == "doses":
            return doses_lines(self.doses, name="prophylaxis")
        return net_benefit_lines(self.decision_curve, name="prophylaxis")

    def plot(
        self, show: Literal["net_benefit", "doses"] = "net_benefit", *, ax: Axes | None = None
    ) -> Axes:
        """Draw net benefit by the harm of a treated patient, or CRS averted by the doses at hand.

        Parameters
        ----------
        show : "net_benefit" or "doses".
        ax : matplotlib axes to draw on; those of a new figure where none are given.
        """
        from crsrisk.plots.charts import plot_lines

        return plot_lines(self.chart(show), ax=ax)


def evaluate_policies_table(
    table: Source,
    effect: StatedEffect,
    *,
    risk_column: str | None = None,
    model: str | Path | RiskModel | None = None,
    reading: TableReading = AS_NAMED,
    outcome: str | None = None,
    groups: Sequence[str] = (),
    weights: HarmWeights = AS_ASSUMED,
    thresholds: Sequence[float] = (),
    doses_per_100: Sequence[float] = (30.0,),
    n_resamples: int = 500,
    seed: int = 1,
    strict: bool = False,
) -> PolicyTableResult:
    """Who of these patients should get prophylaxis, if it does what is stated?

    A table of patients shows no potential outcomes: the effect of prophylaxis and its harms are
    inputs, the same risk ratio for everybody. Research use; no external validation.

    Parameters
    ----------
    table : a file that :func:`crsrisk.read_patients` reads, or a frame, one row a patient.
    effect : risk ratio of prophylaxis with its interval, and harms of a treated patient.
    risk_column : column with risks of CRS of grade >= 2, 0 to 1. Either this or ``model``.
    model : a risk model, its folder or the name of a released one, which scores the table as
        ``crsrisk predict`` does; patients too far from training have no risk and are left out.
    reading : how the file is read: names, units, codes, limits.
    outcome : column with the outcome, yes or no; without it the risks are taken as true.
    groups : columns of subgroups; numbers of many values are cut at their median.
    weights : what harms weigh against one CRS; as assumed where nothing is set.
    thresholds : further thresholds of risk, each above 0 and below 1.
    doses_per_100 : doses at hand for 100 patients, each above 0 and below 100.
    n_resamples, seed : resamples behind the 95% intervals, and their seed.
    strict : raise for rows that cannot be used; else they are left out, see ``refused``.

    Returns
    -------
    PolicyTableResult

    Raises
    ------
    InputError
        For a table without the column, risks that may be in percent, a table without a row that can
        be used, an impossible ratio, a threshold at 0 or 1, and for risks from both or neither of
        column and model; with ``strict`` for any row that is refused.

    References
    ----------
    Vickers, Kattan & Sargent, Trials 2007;8:14. Pauker & Kassirer, N Engl J Med 1980;302:1109.

    Examples
    --------
    >>> table = pd.DataFrame({"risk": [0.05, 0.1, 0.3, 0.5] * 10})
    >>> result = evaluate_policies_table(
    ...     table, StatedEffect(0.5, 0.3, 0.8, infections_added=0.02), risk_column="risk"
    ... )
    >>> round(result.ledger.threshold, 3), round(result.treat_all.averted.value, 1)
    (0.08, 11.9)
    """
    effect.checked()
    for threshold in thresholds:
        inner_threshold(threshold, where=WHERE, key="--threshold")
    check_doses(doses_per_100)
    if (risk_column is None) == (model is None):
        raise InputError(
            where=WHERE,
            key="--risk-column or --model",
            found="both or neither",
            expected="one of them",
            cure="say where the risks of the table come from",
        )
    harms = weights.harms(load_assumptions())
    source = open_table(table, reading.dialect)
    cells, where = source.cells, source.where
    if model is None:
        risk, refused = risks_of(source, column=str(risk_column))
        origin = f"column {risk_column}"
    else:
        if not isinstance(model, RiskModel):
            model = load_model(find("released", str(model)))
        risk, refused = _scored(source, model, reading)
        origin = model.label
    if refused.problem is not None and (strict or len(refused.reasons) == len(risk)):
        raise refused.problem
    has_risk = ~np.isnan(risk)
    words = read_groups(cells, columns=groups, where=where)[has_risk]
    patients = TablePatients(risk[has_risk], risk[has_risk], words, False)
    if outcome is not None:
        known = read_outcome(source, column=outcome, reading=reading)
        patients = keep_known(patients, known[has_risk])
    if not len(patients.risk):
        raise InputError(
            where=where,
            key=str(outcome),
            found="no patient with a risk and a known outcome",
            expected="some",
            cure="leave the outcome out, or fill the column",
        )
    setting = TableSetting(
        table=source.name,
        n_patients=len(patients.risk),
        n_left_out=len(risk) - len(patients.risk) - len(refused.reasons),
        n_refused=len(refused.reasons),
        risks=origin,
        outcome=outcome or "not given: risks are taken as true",
        seed=seed,
        version=__version__,
        n_resamples=n_resamples,
    )
    plan = TablePlan(harms, tuple(thresholds), tuple(doses_per_100), n_resamples, seed)
    analysis = analyse_table(patients, effect, plan, setting=setting, notice=NOTICE)
    return PolicyTableResult(**vars(analysis), refused=refused)


def _column(
    cells: pd.DataFrame, column: str, *, where: str, expected: str, cure: str
) -> pd.Series[Any]:
    """A column of the table; :class:`InputError` names those that there are."""
    if column not in cells.columns:
        known = ", ".join(str(name) for name in cells.columns)
        raise InputError(
            where=where,
            key=column,
            found="no such column",
            cure=cure,
            expected=f"{expected} among {known}",
        )
    return cells[column]


def risks_of(source: SourceTable, *, column: str) -> tuple[FloatArray, RefusedRows]:
    """A column of risks, 0 to 1, one for every row, NaN in rows that are refused.

    A column with a number above 1 and up to 100 may be in percent, the small ones too: it raises
    :class:`InputError`.
    """
    risks = _column(
        source.cells,
        column,
        where=source.where,
        expected="a column of risks",
        cure="name the column that has it, or give a model",
    )
    values = np.array([number_in(cell, source.style) for cell in risks], dtype=np.float64)
    if not len(values):
        raise InputError(
            where=source.where,
            found="no patients",
            expected="one row a patient",
            cure="give another table",
        )
    may_be_percent = (values > 1.0) & (values <= 100.0)
    if may_be_percent.any():
        row = int(np.argmax(may_be_percent))
        raise InputError(
            where=source.where,
            key=f"row {row + 1}, column {column}",
            found=risks.iloc[row],
            expected="risks from 0 to 1",
            cure="divide by 100 if the whole column is in percent; else correct the cell"
            f" ({int(may_be_percent.sum())} of {len(values)} rows are above 1)",
        )
    account = Account(source.where, len(values))
    for row in np.flatnonzero(~((values >= 0.0) & (values <= 1.0))).tolist():
        text = texts_of(risks.iloc[[row]])[0]
        account.note(
            row + 1,
            column,
            "refused",
            repr(text) if text else "",
            "a risk from 0 to 1",
            "correct the cell, or leave the patient out",
        )
        values[row] = np.nan
    return values, refused_by(account, source)


def _scored(
    source: SourceTable, model: RiskModel, reading: TableReading
) -> tuple[FloatArray, RefusedRows]:
    """Risks of the rows by a model: NaN where a row is refused, or too far from training."""
    scored = score_patients(model, source, reading=reading)
    risk = scored.rows["risk"].to_numpy(dtype=np.float64)
    return risk, scored.refused_rows(source)


def read_groups(cells: pd.DataFrame, *, columns: Sequence[str], where: str) -> pd.DataFrame:
    """Columns of a table as words for subgroups; numbers of many values are cut at their median.

    Raises :class:`InputError` for a column that is not there, or that has a word for almost
    everybody.
    """
    groups = pd.DataFrame(index=cells.index)
    for column in columns:
        values = _column(
            cells,
            column,
            where=where,
            expected="a column for subgroups",
            cure="name a column of the table",
        )
        groups[column] = _words(values, where=where)
    return groups


def _words(cells: pd.Series[Any], *, where: str) -> pd.Series[Any]:
    texts = [
        "" if is_missing else str(cell).strip()
        for cell, is_missing in zip(cells, pd.isna(cells), strict=True)
    ]
    words = pd.Series(
        [UNKNOWN if text.lower() in MISSING_WORDS else text for text in texts], index=cells.index
    )
    known = words[words != UNKNOWN]
    if known.nunique() <= MOST_LEVELS:
        return words
    number = pd.to_numeric(known, errors="coerce")
    if number.isna().any():
        raise InputError(
            where=where,
            key=str(cells.name),
            found=f"{known.nunique()} different words",
            expected=f"at most {MOST_LEVELS}, or numbers",
            cure="group them before, or name another column",
        )
    middle = float(number.median())
    sides = np.where(number > middle, f"above {middle:g}", f"up to {middle:g}")
    return words.mask(words != UNKNOWN, pd.Series(sides, index=known.index))
