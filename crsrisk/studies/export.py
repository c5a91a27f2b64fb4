"""Export: a simulated cohort written to one file, with its manifest, truth and trajectories beside
it; and the mechanism of an arm as SBML.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crsrisk import __version__
from crsrisk.data.assumptions import digest_of
from crsrisk.data.cohort import Cohort
from crsrisk.data.file_locks import sole_writer
from crsrisk.data.files import (
    Manifest,
    manifest_path,
    prepare_output,
    remove_leftovers,
    write_manifest,
    write_table_stream,
    write_text,
)
from crsrisk.data.part_files import is_address
from crsrisk.data.world import World, reject_unused
from crsrisk.errors import InputError
from crsrisk.results import Estimate, Result
from crsrisk.simulation.arm import Arm, timetable
from crsrisk.simulation.cohort import CHUNK, stream_cohort
from crsrisk.simulation.equations import equations
from crsrisk.simulation.layout import PARAMETERS, TICK_H, TRACE
from crsrisk.simulation.parameters import patient_parameters
from crsrisk.simulation.population import sample, take
from crsrisk.simulation.run import run
from crsrisk.simulation.sbml import origins, sbml
from crsrisk.simulation.similar_patients import typical_patient
from crsrisk.simulation.true_risk import Given, TrueRisk, patients_by_id, risk_of_arm
from crsrisk.trials.intervals import wilson

Begin = Callable[[str, int], Callable[[int], None]]
COHORT_NOTICE = "Synthetic patients; research use; no external validation."
NOTICE = f"{COHORT_NOTICE} Not for decisions on a patient."
_GIVEN: tuple[Given, ...] = ("baseline", "observed")
COMPANIONS = ("truth", "trajectories")  # tables that may stand beside a cohort
MOST_TRAJECTORIES = 2000
EVENTS = ("crs_any", "crs_grade2plus", "crs_grade3plus")
_TRACE_NAMES = {
    "tnf": "tnf_pg_ml",
    "interferon": "ifn_gamma_pg_ml",
    "il1": "il1_pg_ml",
    "il6": "il6_pg_ml",
    "il10": "il10_pg_ml",
    "crp": "crp_mg_l",
    "ferritin": "ferritin_ug_l",
    "temperature": "temperature_c",
}


def beside(path: Path, word: str) -> Path:
    """``cohort.parquet`` -> ``cohort.truth.parquet``."""
    return path.with_name(f"{path.stem}.{word}{path.suffix}")


def file_of(out: str) -> Path:
    """The file that an option means; ``.parquet`` where it has no suffix.

    >>> file_of("my/cohort").name
    'cohort.parquet'

    Raises
    ------
    InputError
        For an address.
    """
    if is_address(out):
        raise InputError(
            where="simulate",
            key="--out",
            found=f"{out}, an address, without --part-size",
            expected="a path; an address holds a table in parts",
            cure="state how many patients a part has (--part-size PATIENTS), or name a file",
        )
    path = Path(out)
    return path if path.suffix or path.is_dir() else path.with_suffix(".parquet")


def one_table(cohort: Cohort) -> pd.DataFrame:
    """Observed columns, then outcomes, one row a patient."""
    return cohort.observed.merge(cohort.outcomes, on="patient_id", validate="one_to_one")


@dataclass(frozen=True)
class ProductSummary:
    """Shares of ``n`` simulated patients with CRS within ``window_d`` days, each with its Monte
    Carlo error, and the median hour of onset among those who had CRS (None without any).
    """

    n: int
    window_d: float
    crs_any: Estimate
    crs_grade2plus: Estimate
    crs_grade3plus: Estimate
    onset_median_h: float | None


@dataclass(frozen=True, repr=False)
class ExportedCohort(Result):
    """A cohort that was written: its files, the cohort's own first, and what happened in it.

    Parameters
    ----------
    files : paths; each has its manifest beside it.
    n_patients, seed, scenario : what was simulated.
    products : rates by product.
    n_parts : of a cohort in parts, whose folder is the file; None for a single file.
    notice : what the data are.
    """

    files: tuple[str, ...]
    n_patients: int
    seed: int
    scenario: str
    products: Mapping[str, ProductSummary]
    n_parts: int | None = None
    notice: str = COHORT_NOTICE

    def summary(self) -> str:
        """Where the files are, and the rates with their Monte Carlo errors."""
        how = "manifest beside it"
        if self.n_parts is not None:
            how = f"{self.n_parts:,} part{'s' * (self.n_parts > 1)}, manifest among them"
        lines = [f"Wrote {file} ({how})" for file in self.files]
        for name, rates in self.products.items():
            grade2plus = rates.crs_grade2plus
            lines.append(
                f"  {name}: n {rates.n}, CRS {100 * rates.crs_any.value:.0f}%, grade >= 2"
                f" {100 * grade2plus.value:.1f}% ({_chance(grade2plus)}) within"
                f" {rates.window_d:g} days after the first dose"
            )
        return "\n".join([*lines, self.notice])

    def to_frame(self) -> pd.DataFrame:
        """One row a product."""
        rows = []
        for name, rates in self.products.items():
            row: dict[str, object] = {"product": name, "n": rates.n, "window_d": rates.window_d}
            for event in EVENTS:
                rate: Estimate = getattr(rates, event)
                row |= {event: rate.value, f"{event}_mc_error": rate.mc_error}
            rows.append({**row, "onset_median_h": rates.onset_median_h})
        return pd.DataFrame(rows)


def export_cohort(
    path: Path,
    *,
    arms: Sequence[Arm],
    world: World,
    n_patients: int,
    seed: int,
    workers: int = 1,
    chunk: int = CHUNK,
    has_truth: bool = False,
    truth_repetitions: int = 200,
    has_trajectories: bool = False,
    begin: Begin | None = None,
    overwrite: bool = False,
) -> ExportedCohort:
    """Stream a simulated cohort to ``path`` (.parquet or .csv) in bounded memory.

    Parameters
    ----------
    path : the file; its manifest, truth and trajectories stand beside it.
    arms, world, n_patients, seed, workers, chunk : as of
        :func:`crsrisk.simulation.cohort.stream_cohort`.
    has_truth : write the unmeasured biology and both oracle risks of every patient, each from
        ``truth_repetitions`` simulations, to ``<name>.truth.<suffix>``.
    has_trajectories : write the half-hourly states to ``<name>.trajectories.<suffix>`` (at most
        2,000 patients).
    begin : opens a progress bar by title and total.
    overwrite : whether an older cohort at ``path`` may be replaced; its companions go with it.

    Raises
    ------
    InputError
        For what cannot be simulated.
    OutputError
        For a cohort that stands there, without ``overwrite``, a place that cannot be written, or to
        which another process writes.
    """
    repetitions = truth_repetitions if has_truth else None
    check_request(
        arms,
        world=world,
        n_patients=n_patients,
        has_trajectories=has_trajectories,
        truth_repetitions=repetitions,
    )
    with sole_writer(path):
        prepare_output(path, overwrite=overwrite, belongs=companions(path))
        cohorts = partial(
            stream_cohort,
            arms,
            world=world,
            n_patients=n_patients,
            seed=seed,
            workers=workers,
            chunk=chunk,
        )
        write = manifest_writer(arms, world=world, seed=seed)
        counts = _write_cohort(path, cohorts(), write=write, advance=bar(begin, n_patients))
        files = [path]
        if repetitions is not None:
            advance = bar(begin, 2 * n_patients, title="Re-simulating for the truth")
            again = partial(
                risk_of_arm, world=world, seed=seed, n_replicates=repetitions, workers=workers
            )
            truth = _truth(
                cohorts(), arms, world, seed=seed, risk_of=partial(again, advance=advance)
            )
            files.append(_write_companion(path, "truth", truth, write=write))
        if has_trajectories:
            course = _trajectories(arms, world, n_patients, seed, workers)
            files.append(_write_companion(path, "trajectories", course, write=write))
    return ExportedCohort(
        files=tuple(str(file) for file in files),
        n_patients=n_patients,
        seed=seed,
        scenario=world.scenario.name,
        products=summary(counts, arms=arms),
    )


def bar(
    begin: Begin | None, total: int, *, title: str = "Simulating patients"
) -> Callable[[int], None] | None:
    return None if begin is None else begin(title, total)


def companions(path: Path) -> list[Path]:
    """Every file that may belong to the cohort at ``path``: manifest, truth, trajectories.

    >>> [file.name for file in companions(Path("a.csv"))][:2]
    ['a.csv.manifest.json', 'a.truth.csv']
    """
    files = [beside(path, word) for word in COMPANIONS]
    return [manifest_path(path), *files, *(manifest_path(file) for file in files)]


def _write_cohort(
    path: Path,
    cohorts: Iterator[Cohort],
    *,
    write: partial[Manifest],
    advance: Callable[[int], None] | None,
) -> pd.DataFrame:
    """The cohort and its manifest; what belonged to an older one goes. Returns its events, counted
    (:func:`count_events`).
    """
    counts: list[pd.DataFrame] = []
    columns: list[str] = []

    def frames() -> Iterator[pd.DataFrame]:
        for cohort in cohorts:
            table = one_table(cohort)
            columns[:] = list(table.columns)
            counts[:] = [count_events([*counts, table])]
            if advance:
                advance(len(table))
            yield table

    n_rows = write_table_stream(path, frames())
    remove_leftovers(companions(path))
    write(path, columns=columns, n_rows=n_rows)
    return counts[0]


def _write_companion(
    path: Path, word: str, frames: Iterator[pd.DataFrame], *, write: partial[Manifest]
) -> Path:
    """A further table beside the cohort, with a manifest of its own."""
    target = beside(path, word)
    columns: list[str] = []

    def noted() -> Iterator[pd.DataFrame]:
        for frame in frames:
            columns[:] = list(frame.columns)
            yield frame

    n_rows = write_table_stream(target, noted())
    write(target, columns=columns, n_rows=n_rows)
    return target


def manifest_of(arms: Sequence[Arm], *, world: World, seed: int) -> dict[str, Any]:
    """What a manifest says of any file of these arms; the hash covers a user's own products too."""
    regimens = {arm.product.name: arm.regimen_name for arm in arms}
    is_one = len(set(regimens.values())) == 1
    listed = "; ".join(f"{name}: {regimen}" for name, regimen in regimens.items())
    return {
        "seed": seed,
        "scenario": world.scenario.name,
        "version": __version__,
        "products": list(regimens),
        "assumptions_hash": digest_of([world.digest, [arm.product.model_dump() for arm in arms]]),
        "regimen": arms[0].regimen_name if is_one else listed,
        "mitigations": list(arms[0].mitigations) if arms else [],
    }


def manifest_writer(arms: Sequence[Arm], *, world: World, seed: int) -> partial[Manifest]:
    """Writes manifests of files of these arms (path, columns, n_rows)."""
    return partial(write_manifest, **manifest_of(arms, world=world, seed=seed))


def refuse_twice(arms: Sequence[Arm]) -> None:
    """Refuse a product or a mitigation that is named twice."""
    asked = {
        "--product": [arm.product.name for arm in arms],
        "--mitigation": list(arms[0].mitigations) if arms else [],
    }
    for option, names in asked.items():
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise InputError(
                where="simulate",
                key=option,
                found=f"{', '.join(twice)} more than once",
                expected="each name once",
                cure="leave the repeated one out; give your own file a name of its own",
            )


def check_request(
    arms: Sequence[Arm],
    *,
    world: World,
    n_patients: int,
    has_trajectories: bool = False,
    truth_repetitions: int | None = None,
) -> None:
    """Refuse what cannot be done before anything is simulated or written."""
    refuse_twice(arms)
    reject_unused(
        arms[0].mitigations if arms else (), world=world, where="simulate", key="--mitigation"
    )
    if has_trajectories and n_patients > MOST_TRAJECTORIES:
        raise InputError(
            where="simulate",
            key="--trajectories",
            found=f"{n_patients} patients",
            expected=f"at most {MOST_TRAJECTORIES} (a trajectory has a thousand rows)",
            cure="ask for fewer patients, or leave --trajectories out",
        )
    if truth_repetitions is not None and (truth_repetitions < 2 or truth_repetitions % 2):
        raise InputError(
            where="simulate",
            key="--truth-repetitions",
            found=truth_repetitions,
            expected="an even number of 2 or more (two halves are compared)",
            cure="state an even number: more futures, a smaller Monte Carlo error",
        )


def _truth(
    cohorts: Iterator[Cohort],
    arms: Sequence[Arm],
    world: World,
    *,
    seed: int,
    risk_of: Callable[..., TrueRisk],
) -> Iterator[pd.DataFrame]:
    """Unmeasured biology and both oracle risks, cohort by cohort; ``risk_of`` simulates again."""
    for cohort in cohorts:
        assert cohort.truth is not None
        ids = cohort.observed["patient_id"].to_numpy()
        parts = []
        for k, arm in enumerate(arms):
            of_arm = ids[ids % len(arms) == k]
            if not len(of_arm):
                continue
            patients = patients_by_id(arm, world=world, seed=seed, patient_ids=of_arm)
            baseline, observed = (
                risk_of(arm, patients, given=given).to_frame() for given in _GIVEN
            )
            parts.append(baseline.merge(observed, on="patient_id"))
        yield cohort.truth.merge(pd.concat(parts), on="patient_id", validate="one_to_one")


def _trajectories(
    arms: Sequence[Arm], world: World, n: int, seed: int, workers: int
) -> Iterator[pd.DataFrame]:
    for k, arm in enumerate(arms):
        everyone = sample(arm.population, assumptions=world.assumptions, seed=seed, start=0, stop=n)
        patients = take(everyone, np.arange(k, n, len(arms)))
        for at in range(0, len(patients), 100):
            some = take(patients, np.arange(at, min(at + 100, len(patients))))
            episode = run(arm, some, world=world, workers=workers, has_traces=True)
            n_ticks = len(episode.time_h)
            yield pd.DataFrame(
                {
                    "patient_id": np.repeat(some.patient_id, n_ticks),
                    "product": arm.product.name,
                    "time_h": np.tile(episode.time_h, len(some)),
                    **{
                        _TRACE_NAMES.get(name, name): episode.traces[:, q, :].T.ravel()
                        for q, name in enumerate(TRACE)
                    },
                }
            )


def count_events(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Patients and events by product and time of onset: few rows however many patients (onsets fall
    on half hours).

    Each table is a cohort's, or such counts themselves.
    """
    parts = [
        (table if "n" in table else table.assign(n=1))[["product", "onset_h", "n", *EVENTS]]
        for table in tables
    ]
    return (
        pd.concat(parts)
        .groupby(["product", "onset_h"], dropna=False, as_index=False)[["n", *EVENTS]]
        .sum()
    )


def summary(counts: pd.DataFrame, *, arms: Sequence[Arm]) -> dict[str, ProductSummary]:
    """Rates by product; ``counts``: of :func:`count_events`."""
    windows = {arm.product.name: arm.window_d for arm in arms}
    products = {}
    for name, rows in counts.groupby("product", sort=True):
        n = int(rows["n"].sum())
        any_grade, grade2plus, grade3plus = (_rate(rows[event], n=n) for event in EVENTS)
        products[str(name)] = ProductSummary(
            n=n,
            window_d=windows[str(name)],
            crs_any=any_grade,
            crs_grade2plus=grade2plus,
            crs_grade3plus=grade3plus,
            onset_median_h=_median_onset(rows),
        )
    return products


def _rate(n_events: pd.Series[int], *, n: int) -> Estimate:
    """A share with its Monte Carlo error; of nobody or everybody, which have none that could be
    computed, with Wilson's 95% interval.
    """
    events = int(n_events.sum())
    if events in (0, n):
        return wilson(events, n)
    share = events / n
    return Estimate(share, mc_error=float(np.sqrt(share * (1 - share) / n)))


def _chance(rate: Estimate) -> str:
    """What chance leaves open, in points of 100."""
    if rate.mc_error is None:
        return f"95% interval {100 * rate.low:.1f} to {100 * rate.high:.1f}%"
    return f"Monte Carlo error {100 * rate.mc_error:.1f}"


def _median_onset(rows: pd.DataFrame) -> float | None:
    known = rows.dropna(subset="onset_h").sort_values("onset_h")
    if known.empty:
        return None
    up_to = known["n"].cumsum().to_numpy()
    middle = np.searchsorted(up_to, [(up_to[-1] + 1) // 2, up_to[-1] // 2 + 1])
    return float(known["onset_h"].to_numpy()[middle].mean())


def mechanism_sbml(arm: Arm, *, world: World, patient: int | None = None, seed: int = 1) -> str:
    """The mechanism of an arm as the text of an SBML file, in open loop: nobody looks, grades,
    supports or rescues.

    The constants are those of the typical patient of the arm's population, or of patient
    ``patient`` (0 for the first) of the world with this ``seed``, who is the same person as in a
    simulated cohort.
    """
    population, assumptions = arm.population, world.assumptions
    if patient is None:
        who, person = "the typical patient", typical_patient(population, assumptions=assumptions)
    else:
        who = f"patient {patient} of seed {seed}"
        person = sample(
            population, assumptions=assumptions, seed=seed, start=patient, stop=patient + 1
        )
    plan = timetable(arm, world=world)
    row = patient_parameters(arm, person, world=world, plan=plan)[:, 0]
    return sbml(
        equations(plan),
        values=dict(zip(PARAMETERS, row.tolist(), strict=True)),
        identity="crsrisk_mechanism",
        title=f"{arm.product.label}: {arm.regimen_name}",
        about=_about(arm, world, who, first_dose_h=plan.lead * TICK_H),
        origins=origins(arm, person, world=world),
    )


def _about(arm: Arm, world: World, who: str, *, first_dose_h: float) -> list[str]:
    given = ", ".join([*(pre.mitigation for pre in arm.regimen.premedication), *arm.mitigations])
    return [
        NOTICE,
        (
            "Mechanism of cytokine release syndrome in solid tumours, written by crsrisk"
            f" {__version__}: product {arm.product.name}, regimen {arm.regimen_name}, scenario"
            f" {world.scenario.name}, population {arm.population.name}, constants of {who},"
            f" assumptions {world.assumptions.digest}."
        ),
        (
            f"Time is in hours; the first dose comes at {first_dose_h:g} h; the simulated window"
            f" ends at {first_dose_h + arm.horizon_d * 24.0:g} h."
        ),
        (
            "Open loop: the ward (observation, grading, fluids, vasopressors, oxygen, antipyretic,"
            " tocilizumab and steroid as rescue) is not part of this file."
        ),
        (
            f"Agents before the doses, as events: {given or 'none'}. Their amounts are in usual"
            " doses; they wane, reach their site and act once an hour, as in the solver, which"
            " holds their effect for that hour. Interleukin-2, where given, is held for half an"
            " hour."
        ),
        (
            "To run another patient, change constants and initial values together: not every"
            " program works out initial assignments again when a constant changes."
        ),
        (
            "Which assumption a constant comes from was found by moving each a little; assumptions"
            " that act only through the baseline of the population are not named."
        ),
    ]


def export_sbml(
    path: Path,
    *,
    arm: Arm,
    world: World,
    patient: int | None = None,
    seed: int = 1,
    overwrite: bool = False,
) -> Path:
    """Write the mechanism of an arm to ``path`` (.xml or .sbml), for COPASI, libRoadRunner or
    Tellurium; nothing half-written stays after an error.

    Raises
    ------
    OutputError
        For a file that stands there already, without ``overwrite``, or cannot be written.
    """
    reject_unused(arm.mitigations, world=world, where="export sbml", key="--mitigation")
    prepare_output(path, overwrite=overwrite)
    write_text(path, mechanism_sbml(arm, world=world, patient=patient, seed=seed))
    return path
