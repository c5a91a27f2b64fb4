"""Grade: a registry or trial under every grading system: grades by row, milestones by patient,
agreement by pair.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.table import Table
from rich.text import Text

from crsrisk import terminal
from crsrisk.data.account import Note, Trouble, grouped, refusal_of, with_the_rest
from crsrisk.data.episodes import (
    episode_milestones,
    follow,
    grade_rows,
    milestones,
    milestones_of,
    signs_without_fever,
)
from crsrisk.data.files import write_table_stream, write_workbook
from crsrisk.data.grading_systems import Agreement, GradingSystem, agree
from crsrisk.data.neurotoxicity import icans_grade
from crsrisk.data.registry import name_of, read_registry
from crsrisk.data.table_files import Source
from crsrisk.data.table_reading import AS_NAMED, TableReading
from crsrisk.data.world_files import load_assumptions
from crsrisk.errors import InputError, OutputError
from crsrisk.results import Estimate, Result, to_plain
from crsrisk.studies.refused_rows import RefusedRows, refused_path
from crsrisk.terminal import Console

LABELS: Mapping[GradingSystem, str] = {
    GradingSystem.ASTCT: "ASTCT 2019",
    GradingSystem.LEE_2014: "Lee 2014",
    GradingSystem.CTCAE_4: "CTCAE 4.03",
    GradingSystem.CTCAE_5: "CTCAE 5.0",
    GradingSystem.PENN: "Penn",
    GradingSystem.MSKCC: "MSKCC",
    GradingSystem.CARTOX: "CARTOX",
}
NOTICE = (
    "Research use; computed from the table as it stands, without a clinician's judgement of the"
    " cause of a sign."
)


@dataclass(frozen=True)
class SystemSummary:
    """The patients of a registry under one system.

    ``n_by_max_grade``: patients by highest grade, 0 to 5. Shares are 0 to 1. Medians are hours on
    the clock of the table, over the patients in whom the time was seen; NaN where it was in nobody.
    """

    n_patients: int
    n_by_max_grade: tuple[int, ...]
    share_any: float
    share_grade2plus: float
    share_grade3plus: float
    n_resolved: int
    median_onset_h: float
    median_peak_h: float
    median_resolution_h: float


@dataclass(frozen=True, eq=False, repr=False)
class GradedRegistry(Result):
    """A registry or trial, graded under several systems.

    Attributes
    ----------
    source : the file, or "registry" for a table in memory.
    systems : the grading systems, in the order of :class:`GradingSystem`.
    rows : every graded row of the table in its order: patient_id, time_h, episode, grade_<system>.
    patients : one row a patient and system, see :meth:`milestones`.
    episodes : one row a patient, system and episode of CRS, with the same columns.
    neurotoxicity : ICANS by ASTCT, one row a patient, with the same columns; None where the table
        has neither ICE score nor another sign of it. Its grade by row is ``grade_icans``.
    n_episodes : episodes of CRS, by patient.
    agreements : by pair of systems, on the patients' highest grades.
    readings : sentences on how gaps of the table were read, and on what could not be seen.
    columns_not_used : columns of the table that were not looked at.
    refused : rows of the table that were not used, as they stand; the index counts rows from 1.
    reasons : why, by row: what cannot be, or that another row of the patient is refused.
    account : notes on what was refused, converted and left out.
    refused_to : the file with the refused rows, beside ``out``; None where there are none.

    Examples
    --------
    >>> import pandas as pd
    >>> ward = pd.DataFrame({"patient_id": ["A", "A"], "time_h": [0, 12],
    ...                      "temperature_c": [38.6, 36.9], "sbp_mmhg": [84, 120],
    ...                      "has_fluids": [1, 0], "n_vasopressors": [0, 0],
    ...                      "oxygen_device": ["none", "none"]})
    >>> graded = grade_registry(ward, systems=["astct", "mskcc"])
    >>> graded.milestones()["max_grade"].tolist()
    [2, 1]
    """

    source: str
    systems: tuple[GradingSystem, ...]
    rows: pd.DataFrame
    patients: pd.DataFrame
    episodes: pd.DataFrame
    neurotoxicity: pd.DataFrame | None
    n_episodes: Mapping[str, int]
    agreements: tuple[Agreement, ...]
    readings: tuple[str, ...]
    columns_not_used: tuple[str, ...]
    refused: pd.DataFrame
    reasons: Mapping[int, str]
    account: tuple[Note, ...]
    n_patients_refused: int
    refused_to: str | None = None

    def summary(self) -> str:
        """Patients with CRS of grade 2 or more under each system, and how gaps were read."""
        shares = ", ".join(
            f"{100 * self.of_system(system).share_grade2plus:.0f} of 100 by {LABELS[system]}"
            for system in self.systems
        )
        lines = [
            f"{len(self.n_episodes)} patients, {len(self.rows)} rows{self._refused_in_words()};"
            f" grade 2 or more: {shares}",
            *(f"Read as: {sentence}" for sentence in self.readings),
            NOTICE,
        ]
        return "\n".join(lines)

    def _refused_in_words(self) -> str:
        n, rows = self.n_patients_refused, len(self.refused)
        return f" ({n} patients with {rows} rows refused)" if rows else ""

    def troubles(self) -> tuple[Trouble, ...]:
        """What was refused, left out or doubtful in reading, grouped by column, with counts."""
        return grouped(self.account, kinds=("refused", "left out", "warned"))

    def refusal(self) -> InputError | None:
        """The refusals as one error, the first in full, all others grouped; None where every row
        was graded.
        """
        n_rows = len(self.rows) + len(self.refused)
        problem = refusal_of(self.account, where=self.source, n_rows=n_rows, what="are refused")
        if problem is None:
            return None
        n = len(self.n_episodes) + self.n_patients_refused
        told = f"{self.n_patients_refused} of {n} patients refused, the others graded"
        return with_the_rest(problem, told)

    def of_system(self, system: str | GradingSystem) -> SystemSummary:
        """How many patients reached which grade, shares of grade >= 2 and >= 3, and medians of the
        times.
        """
        rows = self.milestones(system)
        grade = rows["max_grade"]
        return SystemSummary(
            n_patients=len(rows),
            n_by_max_grade=tuple(np.bincount(grade, minlength=6).tolist()),
            share_any=float((grade >= 1).mean()),
            share_grade2plus=float((grade >= 2).mean()),
            share_grade3plus=float((grade >= 3).mean()),
            n_resolved=int(rows["resolution_h"].notna().sum()),
            median_onset_h=float(rows["onset_h"].median()),
            median_peak_h=float(rows["peak_h"].median()),
            median_resolution_h=float(rows["resolution_h"].median()),
        )

    def to_frame(self) -> pd.DataFrame:
        """Every graded row of the table in its order: patient_id, time_h, episode,
        grade_<system>.
        """
        return self.rows.copy()

    def milestones(self, system: str | GradingSystem | None = None) -> pd.DataFrame:
        """One row a patient and system: highest grade, and hours of onset, peak and resolution.

        ``onset_h``: first row graded 1 or more; ``peak_h``: first row of the highest grade;
        ``resolution_h``: first row graded 0 after the last that was not, NaN when that was not
        seen. With a system: its patients alone, by patient_id.
        """
        if system is None:
            return self.patients.copy()
        (chosen,) = _chosen([str(system)])
        rows = self.patients[self.patients["system"] == chosen.value]
        return rows.set_index("patient_id").drop(columns="system")

    def agreement(self) -> pd.DataFrame:
        """One row a pair of systems: share with the same highest grade, and Cohen's kappa (linear
        weights) with its 95% interval; NaN where it cannot be estimated.
        """
        rows = []
        for pair in self.agreements:
            kappa = pair.kappa if isinstance(pair.kappa, Estimate) else Estimate(float("nan"))
            rows.append(
                {
                    "first": pair.first.value,
                    "second": pair.second.value,
                    "exact": pair.exact,
                    "kappa": kappa.value,
                    "kappa_low": kappa.low,
                    "kappa_high": kappa.high,
                }
            )
        columns = ["first", "second", "exact", "kappa", "kappa_low", "kappa_high"]
        return pd.DataFrame(rows, columns=columns)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the rows, ready for JSON."""
        times = {system: self.milestones(system) for system in self.systems}
        return {
            "file": self.source,
            "n_rows": len(self.rows),
            "n_patients": len(self.n_episodes),
            "n_rows_refused": len(self.refused),
            "n_patients_refused": self.n_patients_refused,
            "refused": [{"row": row, "reason": told} for row, told in self.reasons.items()],
            "refused_to": self.refused_to,
            "systems": to_plain(self.systems),
            "summary": {system.value: to_plain(self.of_system(system)) for system in self.systems},
            "patients": [
                {"patient_id": name, "n_episodes": n}
                | {
                    system.value: to_plain(rows.loc[name].to_dict())
                    for system, rows in times.items()
                }
                for name, n in self.n_episodes.items()
            ],
            "episodes": to_plain(self.episodes),
            "icans": None if self.neurotoxicity is None else to_plain(self.neurotoxicity),
            "agreement": to_plain(self.agreements),
            "readings": list(self.readings),
            "columns_not_used": list(self.columns_not_used),
            "notice": NOTICE,
        }


def grade_registry(
    source: Source,
    *,
    systems: Sequence[str] = (),
    alt_upper_limit_u_l: float | None = None,
    reading: TableReading = AS_NAMED,
    strict: bool = False,
    out: str | Path | None = None,
) -> GradedRegistry:
    """Grade CRS in a registry or trial under each published system.

    Parameters
    ----------
    source : CSV of any dialect, .xlsx, .parquet, .feather, a file of SAS, SPSS or Stata, or a frame
        of pandas, polars or pyarrow: one row a patient and time point, with the columns that
        :func:`crsrisk.data.registry.read_registry` names.
    systems : ``astct``, ``lee_2014``, ``ctcae_4``, ``ctcae_5``, ``penn``, ``mskcc`` or ``cartox``;
        all when empty.
    alt_upper_limit_u_l : upper limit of normal of ALT, 5 to 200 U/L, for a column ``alt_u_l``.
    reading : what is stated about the table: names, units, codes, limits, times.
    strict : raise for a row that cannot be, all kinds of them at once. Otherwise such a row costs
        its patient, and the other patients are graded: see ``refused`` and ``refusal()``.
    out : write the grades of every row here (.csv, .parquet or .xlsx), and onset, peak and
        resolution by patient, system and episode beside them (``grades.patients.csv``; in .xlsx as
        a second sheet), and the rows of refused patients with the reason of each
        (``grades.refused.csv``).

    Returns
    -------
    GradedRegistry
        The hours that end an episode and that stand for several boluses are
        ``grading.quiet_needed_h`` and ``grading.multiple_boluses_h`` of the assumptions.

    Raises
    ------
    InputError
        For an unknown system, for a table that cannot be read as a whole or leaves no patient to
        grade, and with ``strict`` for rows that cannot be.
    OutputError
        When ``out`` is the table that is graded.

    References
    ----------
    Lee, Biol Blood Marrow Transplant 2019;25:625 (ASTCT); the other scales name theirs in
    :mod:`crsrisk.data.grading_systems`.
    """
    chosen = _chosen(systems)
    if out is not None and isinstance(source, str | Path) and _is_same(out, source):
        raise OutputError(
            where=str(out),
            key="--out",
            found="the table that is graded",
            expected="another file",
            cure="give the grades a name of their own",
        )
    registry = read_registry(
        source, alt_upper_limit_u_l=alt_upper_limit_u_l, reading=reading, strict=strict
    )
    table, numbers = registry.rows, load_assumptions()
    followed = follow(
        table,
        quiet_h=numbers.value("grading.quiet_needed_h"),
        multiple_boluses_h=numbers.value("grading.multiple_boluses_h"),
    )
    grades = {system: grade_rows(followed, system) for system in chosen}
    rows = pd.DataFrame(
        {
            "patient_id": table["patient_id"],
            "time_h": table["time_h"],
            "episode": followed.episode,
            **{f"grade_{system.value}": grade for system, grade in grades.items()},
        }
    )
    patients = milestones(table, grades)
    highest = {
        system: patients.loc[patients["system"] == system.value, "max_grade"].to_numpy()
        for system in chosen
    }
    by_episode = episode_milestones(table, followed.episode, grades)
    icans = None
    if registry.neurology is not None:
        grade = icans_grade(registry.neurology)
        rows = rows.assign(grade_icans=grade)
        icans = milestones_of(table, np.nan_to_num(grade).astype(np.int64))
    refused_to = None
    if out is not None:
        _write(Path(out), rows, _with_all(patients, by_episode))
        refused_to = RefusedRows(
            cells=registry.source.cells, reasons=registry.reasons, account=registry.account
        ).write(refused_path(Path(out)))
    episodes = rows.groupby("patient_id", sort=False)["episode"].max()
    return GradedRegistry(
        source=name_of(source),
        systems=chosen,
        rows=rows,
        patients=patients,
        episodes=by_episode,
        neurotoxicity=icans,
        n_episodes={str(name): int(n) for name, n in episodes.items()},
        agreements=tuple(agree(*pair, highest) for pair in combinations(chosen, 2)),
        readings=(*registry.readings, *signs_without_fever(table, followed)),
        columns_not_used=registry.unused,
        refused=registry.refused,
        reasons=registry.reasons,
        account=registry.account,
        n_patients_refused=registry.n_patients_refused,
        refused_to=None if refused_to is None else str(refused_to),
    )


def patients_path(out: Path) -> Path:
    """Where onset, peak and resolution stand: ``grades.csv`` -> ``grades.patients.csv``; a workbook
    has them as a sheet.
    """
    return (
        out if out.suffix.lower() == ".xlsx" else out.with_name(f"{out.stem}.patients{out.suffix}")
    )


def _write(out: Path, rows: pd.DataFrame, patients: pd.DataFrame) -> None:
    if out.suffix.lower() == ".xlsx":
        write_workbook(out, {"rows": rows, "patients": patients})
        return
    write_table_stream(out, iter([rows]))
    write_table_stream(patients_path(out), iter([patients]))


def _with_all(patients: pd.DataFrame, by_episode: pd.DataFrame) -> pd.DataFrame:
    """Milestones of each patient over all episodes (episode "all"), then of each episode."""
    together = [
        patients.assign(episode="all"),
        by_episode.assign(episode=by_episode["episode"].map(str)),
    ]
    columns = ["patient_id", "system", "episode", "max_grade", "onset_h", "peak_h", "resolution_h"]
    return pd.concat([part for part in together if len(part)], ignore_index=True)[columns]


def _is_same(out: str | Path, source: str | Path) -> bool:
    return Path(out).resolve() == Path(source).resolve()


def _chosen(names: Sequence[str]) -> tuple[GradingSystem, ...]:
    known = [system.value for system in GradingSystem]
    for name in names:
        if name not in known:
            raise InputError(
                where="grade",
                key="--system",
                found=repr(name),
                expected=f"one of {', '.join(known)}",
                cure="correct the name, or leave --system out for all",
            )
    return tuple(system for system in GradingSystem if not names or system.value in names)


# --- on the terminal ---


def print_graded(graded: GradedRegistry, *, out: Path | None, at_most: int = 40) -> None:
    """Patients by grade and system, milestones, agreement, and how gaps were read."""
    console = Console(width=max(Console().width, 125), markup=False, highlight=False)
    console.print(_summary_table(graded))
    console.print(_patients_table(graded, at_most))
    if (n := len(graded.n_episodes)) > at_most:
        console.print(f"... and {n - at_most} more patients: use --json for all of them")
    if graded.neurotoxicity is not None:
        worst = np.bincount(graded.neurotoxicity["max_grade"], minlength=5)
        told = ", ".join(f"{n} of grade {grade}" for grade, n in enumerate(worst))
        console.print(f"ICANS (ASTCT): {told}", soft_wrap=True)
    if graded.agreements:
        console.print(_agreement_table(graded))
        console.print(
            "Kappa: linear weights, 95% interval from resampled patients; - where grades do not"
            " vary or there are fewer than twenty patients. --json has the cross tables.",
            soft_wrap=True,
        )
    for trouble in grouped(graded.account, kinds=("refused",)):
        sentence = trouble.sentence(has_cell=terminal.shows_cells(sys.stdout))
        console.print(f"  refused: {sentence}", soft_wrap=True)
    if len(graded.refused):
        console.print(
            f"  {graded.n_patients_refused} patients with {len(graded.refused)} rows are not"
            " graded: without the refused row of such a patient his grades might be too low",
            soft_wrap=True,
        )
    for sentence in graded.readings:
        console.print(f"  read as: {sentence}", soft_wrap=True)
    if graded.columns_not_used:
        console.print(f"  columns not used: {', '.join(graded.columns_not_used)}", soft_wrap=True)
    if out is not None:
        console.print(f"Wrote {out} (grades of every row)", soft_wrap=True)
        where = patients_path(out)
        sheet = ", sheet patients" if where == out else ""
        console.print(f"Wrote {where}{sheet} (onset, peak, resolution)", soft_wrap=True)
    if graded.refused_to is not None:
        console.print(f"  the refused rows as they stand: {graded.refused_to}", soft_wrap=True)
    console.print(NOTICE, soft_wrap=True)


def _hours(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:g}"


def _new_table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for name in columns:
        table.add_column(
            name,
            overflow="fold",
            justify="left" if name in ("system", "patient", "systems") else "right",
        )
    return table


def _summary_table(graded: GradedRegistry) -> Table:
    n = len(graded.n_episodes)
    table = _new_table(
        f"{n} patients by highest grade",
        "system",
        "0",
        "1",
        "2",
        "3",
        "4",
        "5",
        ">= 2 of 100",
        ">= 3 of 100",
        "median onset h",
        "peak h",
        "resolution h (where seen)",
    )
    for system in graded.systems:
        figures = graded.of_system(system)
        table.add_row(
            LABELS[system],
            *map(str, figures.n_by_max_grade),
            f"{100 * figures.share_grade2plus:.0f}",
            f"{100 * figures.share_grade3plus:.0f}",
            _hours(figures.median_onset_h),
            _hours(figures.median_peak_h),
            f"{_hours(figures.median_resolution_h)} (of {figures.n_resolved})",
        )
    return table


def _patients_table(graded: GradedRegistry, at_most: int) -> Table:
    table = _new_table(
        "Highest grade (onset, peak, resolution in h)",
        "patient",
        "episodes",
        *(LABELS[system] for system in graded.systems),
    )
    columns = [_milestones_text(graded.milestones(system)) for system in graded.systems]
    for name, n in list(graded.n_episodes.items())[:at_most]:
        table.add_row(Text(name), str(n), *(texts[name] for texts in columns))
    return table


def _milestones_text(milestones: pd.DataFrame) -> dict[str, str]:
    """By patient: highest grade, and where there was CRS the hours in brackets."""
    times = milestones[["onset_h", "peak_h", "resolution_h"]].to_numpy(dtype=np.float64)
    texts = {}
    for name, grade, hours in zip(milestones.index, milestones["max_grade"], times, strict=True):
        texts[str(name)] = f"{grade} ({', '.join(map(_hours, hours))})" if grade else "0"
    return texts


def _agreement_table(graded: GradedRegistry) -> Table:
    table = _new_table(
        "Agreement of highest grades", "systems", "same grade of 100", "kappa", "95% interval"
    )
    for pair in graded.agreements:
        kappa = pair.kappa
        value = interval = "-"
        if isinstance(kappa, Estimate):
            value = f"{kappa.value:.2f}"
            interval = f"{kappa.low:.2f} to {kappa.high:.2f}" if kappa.has_interval else "-"
        names = f"{LABELS[pair.first]} / {LABELS[pair.second]}"
        table.add_row(names, f"{100 * pair.exact:.0f}", value, interval)
    return table
