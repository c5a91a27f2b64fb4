"""Export in parts: a cohort of any size as a folder of Parquet files, each written by whichever
worker simulated it.

Part k holds the patients from number k times the size of a part: who they are depends on the seed
and their numbers alone, so that all parts together are the rows of the single file. What was
written stays: after a lost worker, scheduler or command the same command goes on with the parts
that are not there, and what stands at the end has the same bytes as an undisturbed run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import pandas as pd

from crsrisk.data.cohort import Arm
from crsrisk.data.file_locks import sole_writer
from crsrisk.data.files import DATA_ARE
from crsrisk.data.json_text import json_tree
from crsrisk.data.part_files import (
    MANIFEST,
    PLAN,
    UNDER_WAY,
    Folder,
    Part,
    part_file,
    record_file,
    write_part,
)
from crsrisk.data.world import World
from crsrisk.errors import InputError, OutputError
from crsrisk.executor import each_done, software_here
from crsrisk.results import to_plain
from crsrisk.simulation.cohort import stream_cohort
from crsrisk.studies.export import (
    EVENTS,
    Begin,
    ExportedCohort,
    bar,
    check_request,
    count_events,
    manifest_of,
    one_table,
    summary,
)

MOST_PARTS = 1_000_000  # which their names can number


@dataclass(frozen=True)
class _Job:
    """What every part is made of."""

    place: str
    arms: tuple[Arm, ...]
    world: World
    seed: int
    n_patients: int
    part_size: int

    def span(self, number: int) -> tuple[int, int]:
        """First patient of a part, and how many there are in it."""
        first = number * self.part_size
        return first, min(self.part_size, self.n_patients - first)

    @property
    def n_parts(self) -> int:
        return -(-self.n_patients // self.part_size)


@dataclass(frozen=True)
class _Made:
    """A finished part and what happened in it: columns, and events as
    :func:`~crsrisk.studies.export.count_events` has them.
    """

    part: Part
    columns: tuple[str, ...]
    counts: pd.DataFrame


@dataclass(frozen=True)
class _Written:
    """All parts, and what happened in them together."""

    parts: tuple[Part, ...]
    columns: tuple[str, ...]
    counts: pd.DataFrame


def export_parts(
    place: str,
    *,
    arms: Sequence[Arm],
    world: World,
    n_patients: int,
    part_size: int,
    seed: int,
    workers: int = 1,
    begin: Begin | None = None,
    overwrite: bool = False,
) -> ExportedCohort:
    """Simulate a cohort into the folder ``place``, ``part_size`` patients a file.

    Parameters
    ----------
    place : a folder that all workers see, or an address that fsspec opens. One in which the same
        cohort was begun is gone on with.
    arms, world, n_patients, seed, begin : as of :func:`crsrisk.studies.export.export_cohort`.
    part_size : patients a part.
    workers : parts under way at one time, where threads do them (:mod:`crsrisk.executor`).
    overwrite : whether an older table there may be replaced.

    Raises
    ------
    InputError
        For what cannot be simulated.
    OutputError
        For a folder that holds something else, or that this command and its workers do not share.
    ClusterError
        For workers that were lost.
    """
    check_request(arms, world=world, n_patients=n_patients)
    job = _Job(place, tuple(arms), world, seed, n_patients, part_size)
    if not job.part_size >= 1 or job.n_parts > MOST_PARTS:
        raise InputError(
            where="simulate",
            key="--part-size",
            found=f"{job.part_size} patients, {n_patients:,} in all",
            expected=f"at most {MOST_PARTS:,} parts of one patient or more",
            cure="take a part size of many patients, of which a worker holds one part in memory",
        )
    folder = Folder(place)
    with ExitStack() as holding:
        if folder.path is not None:
            holding.enter_context(sole_writer(folder.path))
        _begin(folder, _plan(job), overwrite=overwrite)
        made = _all_parts(job, workers=workers, advance=bar(begin, n_patients))
        _finish(folder, job, made)
    return ExportedCohort(
        files=(place,),
        n_patients=n_patients,
        seed=seed,
        scenario=world.scenario.name,
        products=summary(made.counts, arms=arms),
        n_parts=job.n_parts,
    )


def refuse_companions(*, has_truth: bool, has_trajectories: bool) -> None:
    """Refuse tables beside a cohort in parts."""
    asked = {"--truth": has_truth, "--trajectories": has_trajectories}
    if found := [option for option, is_asked in asked.items() if is_asked]:
        raise InputError(
            where="simulate",
            key=", ".join(found),
            found="asked for beside --part-size",
            expected="the cohort alone, in parts",
            cure="leave it out, or --part-size",
        )


def _plan(job: _Job) -> dict[str, Any]:
    """What decides the bytes of the parts."""
    known = manifest_of(job.arms, world=job.world, seed=job.seed)
    plan = {
        "n_patients": job.n_patients,
        "part_size": job.part_size,
        "software": software_here(),
        **known,
    }
    tree: dict[str, Any] = to_plain(plan)
    return tree


def _begin(folder: Folder, plan: Mapping[str, Any], *, overwrite: bool) -> None:
    """Leave the plan in a new folder; go on where the same plan stands already."""
    trouble = {"where": str(folder), "expected": "a new place, or the same cohort begun"}
    standing, begun = folder.names(), folder.read(PLAN)
    is_finished = MANIFEST in standing
    if begun is None and not is_finished and standing:
        raise OutputError(
            **trouble, found="a folder with other files", cure="name a folder of its own"
        )
    is_same = begun is not None and json_tree(begun.decode("utf-8")) == plan
    if overwrite and (is_finished or begun is not None):
        folder.remove([UNDER_WAY, MANIFEST])
        folder.remove(name for name in standing if name.startswith("part-"))
    elif is_finished and begun is None:
        raise OutputError(
            **trouble,
            found="an older result that is there already",
            cure="name another place, or replace what is there with --overwrite",
        )
    elif begun is not None and not is_same:
        raise OutputError(
            **trouble,
            found="parts of another cohort, or made with other software",
            cure="name another place, or replace what is there with --overwrite",
        )
    if not is_same or overwrite:
        folder.write_json(PLAN, plan)


def _all_parts(job: _Job, *, workers: int, advance: Callable[[int], None] | None) -> _Written:
    """Every part, those that stand already among them."""

    def done(number: int) -> None:
        if advance is not None:
            advance(job.span(number)[1])

    parts: list[Part] = []
    columns: tuple[str, ...] = ()
    counts: list[pd.DataFrame] = []
    for made in each_done(partial(make_part, job), range(job.n_parts), workers=workers, done=done):
        parts.append(made.part)
        columns = made.columns
        counts[:] = [count_events([*counts, made.counts])]
    return _Written(tuple(parts), columns, counts[0])


def make_part(job: _Job, number: int) -> _Made:
    """Simulate and write a part, unless it stands there whole."""
    folder = Folder(job.place)
    if (known := _recorded(folder, number)) is not None:
        return known
    first, n = job.span(number)
    columns: list[str] = []
    counts: list[pd.DataFrame] = []

    def frames() -> Iterator[pd.DataFrame]:
        for cohort in stream_cohort(
            job.arms, world=job.world, n_patients=n, seed=job.seed, start=first
        ):
            table = one_table(cohort)
            columns[:] = list(table.columns)
            counts[:] = [count_events([*counts, table])]
            yield table

    part = write_part(folder, number, frames())
    made = _Made(part, tuple(columns), counts[0])
    rows = counts[0].astype(object).where(counts[0].notna(), None).to_dict("records")
    folder.write_json(
        record_file(number), {"part": asdict(part), "columns": columns, "counts": rows}
    )
    return made


def _recorded(folder: Folder, number: int) -> _Made | None:
    """A part that was finished before and still has its digest."""
    packed = folder.read(record_file(number))
    if packed is None:
        return None
    tree = json_tree(packed.decode("utf-8"))
    part = Part(**tree["part"])
    if folder.sha256(part_file(number)) != part.sha256:
        return None
    counts = pd.DataFrame(tree["counts"], columns=["product", "onset_h", "n", *EVENTS])
    return _Made(part, tuple(tree["columns"]), counts.astype({"onset_h": float}))


def _finish(folder: Folder, job: _Job, made: _Written) -> None:
    """Look that all parts are where this process sees them, then name them in the manifest."""
    standing = folder.names()
    if unseen := [part.file for part in made.parts if standing.get(part.file) != part.n_bytes]:
        raise OutputError(
            where=str(folder),
            key=unseen[0],
            found=f"{len(unseen)} of {len(made.parts)} parts that workers wrote and this command"
            " cannot see",
            expected="a folder that all workers share with this command",
            cure="name a shared disk, or an address such as s3://bucket/cohort",
        )
    folder.write_json(
        MANIFEST,
        {
            **manifest_of(job.arms, world=job.world, seed=job.seed),
            "data_are": DATA_ARE,
            "n_rows": sum(part.n_rows for part in made.parts),
            "part_size": job.part_size,
            "columns": made.columns,
            "parts": [asdict(part) for part in made.parts],
        },
    )
    folder.remove([UNDER_WAY])
