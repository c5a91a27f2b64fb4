"""Grade: a registry or trial under every grading system: grades by row, milestones by patient,
agreement by pair.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from crsrisk.data.episodes import follow, grade_rows, milestones
from crsrisk.data.files import write_table_stream
from crsrisk.data.grading_systems import Agreement, GradingSystem, agree
from crsrisk.data.registry import Registry, read_registry
from crsrisk.data.world_files import load_assumptions
from crsrisk.errors import InputError, OutputError

LABELS: Mapping[GradingSystem, str] = {
    GradingSystem.ASTCT: "ASTCT 2019",
    GradingSystem.LEE_2014: "Lee 2014",
    GradingSystem.CTCAE_4: "CTCAE 4.03",
    GradingSystem.CTCAE_5: "CTCAE 5.0",
    GradingSystem.PENN: "Penn",
    GradingSystem.MSKCC: "MSKCC",
    GradingSystem.CARTOX: "CARTOX",
}
TIMES = ("onset_h", "peak_h", "resolution_h")
NOTICE = (
    "Research use; computed from the table as it stands, without a clinician's judgement of the"
    " cause of a sign."
)


@dataclass(frozen=True, eq=False)
class Graded:
    """``points``: every row of the file in its order: patient_id, time_h, episode, grade_<system>.
    ``patients``: one row a patient and system (:func:`crsrisk.data.episodes.milestones`).
    ``n_episodes``: by patient. ``agreement``: by pair of systems, on the patients' highest grades.
    """

    path: Path
    registry: Registry
    systems: tuple[GradingSystem, ...]
    points: pd.DataFrame
    patients: pd.DataFrame
    n_episodes: Mapping[str, int]
    agreement: Mapping[tuple[GradingSystem, GradingSystem], Agreement]

    def of(self, system: GradingSystem) -> pd.DataFrame:
        """The patients' milestones under one system: one row a patient, in the order of the
        file.
        """
        return (
            self.patients[self.patients["system"] == system.value]
            .set_index("patient_id")
            .drop(columns="system")
        )

    def summary(self, system: GradingSystem) -> dict[str, Any]:
        """How many patients reached which grade, shares of grade >= 2 and >= 3, and medians of the
        times.
        """
        found = self.of(system)
        grade = found["max_grade"]
        return {
            "n_patients": len(found),
            "n_by_max_grade": np.bincount(grade, minlength=6).tolist(),
            "share_any": float((grade >= 1).mean()),
            "share_grade2plus": float((grade >= 2).mean()),
            "share_grade3plus": float((grade >= 3).mean()),
            "n_resolved": int(found["resolution_h"].notna().sum()),
            **{f"median_{name}": _plain(float(found[name].median())) for name in TIMES},
        }

    def as_tree(self) -> dict[str, Any]:
        """Everything but the rows, ready for JSON."""
        tables = {system: self.of(system).to_dict(orient="index") for system in self.systems}
        return {
            "file": str(self.path),
            "n_rows": len(self.points),
            "n_patients": len(self.n_episodes),
            "systems": [system.value for system in self.systems],
            "summary": {system.value: self.summary(system) for system in self.systems},
            "patients": [
                {
                    "patient_id": name,
                    "n_episodes": n,
                    **{
                        system.value: {what: _plain(value) for what, value in table[name].items()}
                        for system, table in tables.items()
                    },
                }
                for name, n in self.n_episodes.items()
            ],
            "agreement": [
                {
                    "first": one.value,
                    "second": two.value,
                    "table": found.table.tolist(),
                    "exact": found.exact,
                    "weighted_kappa": found.kappa,
                    "low": found.low,
                    "high": found.high,
                }
                for (one, two), found in self.agreement.items()
            ],
            "readings": list(self.registry.readings),
            "columns_not_used": list(self.registry.unused),
            "notice": NOTICE,
        }


def _plain(value: float | int) -> float | int | None:
    return None if np.isnan(value) else value


def grade_table(
    path: Path,
    *,
    systems: Sequence[str] = (),
    alt_upper_limit_u_l: float | None = None,
    out: Path | None = None,
) -> Graded:
    """Read, check and grade a registry or trial; with ``out`` the grades of every row are written
    there.

    ``systems``: names of :class:`GradingSystem`; all when empty. The hours that end an episode and
    that stand for several boluses are ``grading.quiet_needed_h`` and ``grading.multiple_boluses_h``
    of the assumptions. Raises :class:`InputError` for a table that
    :func:`crsrisk.data.registry.read_registry` refuses.
    """
    chosen = _chosen(systems)
    if out is not None and out.resolve() == path.resolve():
        raise OutputError(
            where=str(out),
            key="--out",
            found="the table that is graded",
            expected="another file",
            cure="give the grades a name of their own",
        )
    registry = read_registry(path, alt_upper_limit_u_l=alt_upper_limit_u_l)
    rows, numbers = registry.rows, load_assumptions()
    followed = follow(
        rows,
        quiet_h=numbers.value("grading.quiet_needed_h"),
        multiple_boluses_h=numbers.value("grading.multiple_boluses_h"),
    )
    grades = {system: grade_rows(followed, system) for system in chosen}
    points = pd.DataFrame(
        {
            "patient_id": rows["patient_id"],
            "time_h": rows["time_h"],
            "episode": followed.episode,
            **{f"grade_{system.value}": grade for system, grade in grades.items()},
        }
    )
    patients = milestones(rows, grades)
    highest = {
        system: patients.loc[patients["system"] == system.value, "max_grade"].to_numpy()
        for system in chosen
    }
    pairs = {(one, two): agree(highest[one], highest[two]) for one, two in combinations(chosen, 2)}
    if out is not None:
        write_table_stream(out, iter([points]))
    n_episodes = {
        str(name): int(n)
        for name, n in points.groupby("patient_id", sort=False)["episode"].max().items()
    }
    return Graded(path, registry, chosen, points, patients, n_episodes, pairs)


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


def print_graded(graded: Graded, *, out: Path | None, at_most: int = 40) -> None:
    """Patients by grade and system, milestones, agreement, and how gaps were read."""
    console = Console(width=max(Console().width, 125), markup=False, highlight=False)
    console.print(_summary_table(graded))
    console.print(_patients_table(graded, at_most))
    if (n := len(graded.n_episodes)) > at_most:
        console.print(f"... and {n - at_most} more patients: use --json for all of them")
    if graded.agreement:
        console.print(_agreement_table(graded))
        console.print(
            "Kappa: linear weights, 95% interval from resampled patients; - where grades do not"
            " vary or there are fewer than ten patients. --json has the cross tables.",
            soft_wrap=True,
        )
    for sentence in graded.registry.readings:
        console.print(f"  read as: {sentence}", soft_wrap=True)
    if graded.registry.unused:
        console.print(f"  columns not used: {', '.join(graded.registry.unused)}", soft_wrap=True)
    if out is not None:
        console.print(f"Wrote {out} (grades of every row)", soft_wrap=True)
    console.print(NOTICE, soft_wrap=True)


def _hours(value: float | None) -> str:
    return "-" if value is None or np.isnan(value) else f"{value:g}"


def _new_table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for name in columns:
        table.add_column(
            name,
            overflow="fold",
            justify="left" if name in ("system", "patient", "systems") else "right",
        )
    return table


def _summary_table(graded: Graded) -> Table:
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
        row = graded.summary(system)
        shares = (f"{100 * row[name]:.0f}" for name in ("share_grade2plus", "share_grade3plus"))
        onset, peak, resolution = (_hours(row[f"median_{name}"]) for name in TIMES)
        table.add_row(
            LABELS[system],
            *map(str, row["n_by_max_grade"]),
            *shares,
            onset,
            peak,
            f"{resolution} (of {row['n_resolved']})",
        )
    return table


def _patients_table(graded: Graded, at_most: int) -> Table:
    table = _new_table(
        "Highest grade (onset, peak, resolution in h)",
        "patient",
        "episodes",
        *(LABELS[system] for system in graded.systems),
    )
    tables = [graded.of(system).to_dict(orient="index") for system in graded.systems]
    for name, n in list(graded.n_episodes.items())[:at_most]:
        table.add_row(Text(name), str(n), *(_milestones_text(found[name]) for found in tables))
    return table


def _milestones_text(one: Mapping[Hashable, Any]) -> str:
    if one["max_grade"] == 0:
        return "0"
    return f"{one['max_grade']} ({', '.join(_hours(one[name]) for name in TIMES)})"


def _agreement_table(graded: Graded) -> Table:
    table = _new_table(
        "Agreement of highest grades", "systems", "same grade of 100", "kappa", "95% interval"
    )
    for (one, two), found in graded.agreement.items():
        kappa = "-" if found.kappa is None else f"{found.kappa:.2f}"
        interval = (
            "-"
            if found.low is None or found.high is None
            else f"{found.low:.2f} to {found.high:.2f}"
        )
        table.add_row(f"{LABELS[one]} / {LABELS[two]}", f"{100 * found.exact:.0f}", kappa, interval)
    return table
