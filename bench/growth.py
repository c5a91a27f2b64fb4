"""How time and memory grow: with patients, with members of the ensemble, with workers.

(o) ``crsrisk simulate``, ``predict`` and ``evaluate``, and ``train`` of the boosted model, each a
process of its own, over a table in parts (and, up to a million patients, one file), from 10,000
patients upwards: processor time, peak memory and bytes on disk, what of them is due to one more
patient, and by which power of their number the time grows. The largest cohort that was made gives
the plan of those that were not. A forecast with 10 to 1,000 members; a cohort by 1 to 8 workers of
a Dask cluster on this machine, the same cohort (strong scaling) and the same share for each worker
(weak scaling). ``python -m bench.growth 10000000`` measures up to that number of patients.
"""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.growth_chart import draw

MODEL = "baseline-0.1.0"
SIZES = (10_000, 100_000, 1_000_000)
PART = 100_000
RESAMPLES = 300
MOST_IN_A_FILE = 1_000_000  # patients; of train too
MEMBERS = (10, 30, 100, 300, 1_000)
WORKERS = (1, 2, 4, 8)
STRONG, WEAK = 160_000, 40_000  # patients in all, and of each worker
PLANNED = (10**8, 10**9)
FASTER = 1.1  # power of the number above which time grows faster than it
RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True)
class Run:
    """One command over so many patients: seconds of processor time, MiB at its peak, and bytes that
    it wrote.
    """

    command: str
    source: str
    n: int
    cpu_s: float
    peak_mib: float
    n_bytes: int = 0


@dataclass(frozen=True)
class Scaled:
    """A cohort made by so many workers: seconds on the clock beyond those of a cohort of a few
    patients, processor seconds of all workers, MiB of the largest.
    """

    kind: str
    workers: int
    n: int
    wall_s: float
    cpu_s: float
    peak_mib: float


def measure(sizes: Sequence[int] = SIZES) -> dict[str, Any]:
    """Everything: patients up to the last of ``sizes``, members, workers."""
    with TemporaryDirectory() as place:
        runs = [run for n in sizes for run in _with_patients(n, Path(place))]
        members = [_with_members(n) for n in MEMBERS]
        scaled = list(_with_workers(Path(place)))
    return {
        "runs": [asdict(run) for run in runs],
        "members": [asdict(run) for run in members],
        "scaled": [asdict(one) for one in scaled],
        "resamples": RESAMPLES,
        "machine": platform.platform(),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
    }


def _with_patients(n: int, place: Path) -> Iterator[Run]:
    folder, file, scored = place / f"{n}", place / f"{n}.parquet", place / "risks.parquet"
    used = _run("simulate", "--patients", n, "--part-size", PART, "--out", folder)
    yield Run("simulate", "parts", n, *used, sum(one.stat().st_size for one in folder.iterdir()))
    tables = {"parts": folder}
    if n <= MOST_IN_A_FILE:
        used = _run("simulate", "--patients", n, "--out", file)
        yield Run("simulate", "file", n, *used, file.stat().st_size)
        tables["file"] = file
    for source, table in tables.items():
        used = _run("predict", MODEL, table, "--out", scored)
        yield Run("predict", source, n, *used, scored.stat().st_size)
        scored.unlink()
        yield Run("evaluate", source, n, *_run("evaluate", MODEL, table, "--resamples", RESAMPLES))
        print(f"  {n:,} patients, {source}: done", file=sys.stderr)
    if n <= MOST_IN_A_FILE:
        model = place / f"model-{n}"
        used = _run("train", "boosting", "--table", folder, "--refits", 0, "--out", model)
        yield Run("train", "parts", n, *used)
        file.unlink()


def _with_members(n: int) -> Run:
    """A forecast of 32 patients a member; beyond the ensemble that ships it begins again."""
    code = (
        "import numpy as np, crsrisk as crs\n"
        "from crsrisk.data.ensemble import Ensemble, load_ensemble\n"
        f"whole = load_ensemble(); rows = np.arange({n}) % len(whole)\n"
        "weights = whole.weights[rows] / whole.weights[rows].sum()\n"
        "made = Ensemble(whole.keys, whole.values[rows], weights, whole.assumptions)\n"
        "crs.forecast('tarlatamab', trial_size=40, n_patients=32, ensemble=made)\n"
    )
    return Run("forecast", "members", n, *_cost([sys.executable, "-c", code]))


def _with_workers(place: Path) -> Iterator[Scaled]:
    for workers in WORKERS:
        for kind, n in (("strong", STRONG), ("weak", WEAK * workers)):
            yield _scaled(kind, workers, n, place / f"{kind}-{workers}")


def _scaled(kind: str, workers: int, n: int, out: Path) -> Scaled:
    import distributed

    dask: Any = distributed
    quiet = {"dashboard_address": ":0", "silence_logs": 50}
    with (
        dask.LocalCluster(n_workers=workers, threads_per_worker=1, **quiet) as cluster,
        dask.Client(cluster) as client,
    ):
        words = ("--cluster", cluster.scheduler_address, "--part-size", WEAK // 8)

        def clock(n_patients: int, name: str) -> float:
            start = time.perf_counter()
            _run("simulate", "--patients", n_patients, *words, "--out", f"{out}-{name}")
            return time.perf_counter() - start

        clock(40 * workers, "first")  # loads compiled code and the numbers of the world
        started_s = clock(40 * workers, "second")
        before = sum(client.run(time.process_time).values())
        wall_s = clock(n, "measured") - started_s
        cpu_s = sum(client.run(time.process_time).values()) - before
        return Scaled(kind, workers, n, wall_s, cpu_s, max(client.run(_peak_mib).values()))


def _peak_mib() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _run(*words: object) -> tuple[float, float]:
    """Processor time in seconds and peak memory in MiB of a command."""
    return _cost([sys.executable, "-m", "crsrisk", *map(str, words)])


def _cost(command: list[str]) -> tuple[float, float]:
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    ) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command[1:4])} ended with {process.returncode}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def table(found: dict[str, Any]) -> str:
    """All of it: what one more costs, by which power the time grows, and what is planned."""
    runs = [Run(**one) for one in found["runs"]]
    members = [Run(**one) for one in found["members"]]
    scaled = [Scaled(**one) for one in found["scaled"]]
    return "\n".join(
        [
            *_growth(runs, "(o) by number of patients", "patient"),
            "",
            *_growth(members, "by number of members, 32 patients each", "member"),
            "",
            *_scaling(scaled, cores=found["cores"], load=found["load"][0]),
            "",
            *_plan(runs),
        ]
    )


def _growth(runs: Sequence[Run], title: str, one: str) -> list[str]:
    lines = [
        title,
        f"{'command':10}{'source':9}{one + 's':>12}{'CPU s':>9}{'MiB':>8}{'MB written':>12}"
        f"{'us/' + one:>12}{'bytes/' + one:>15}{'power':>7}",
    ]
    before: dict[tuple[str, str], Run] = {}
    for run in sorted(runs, key=lambda run: (run.command, run.source, run.n)):
        last = before.get((run.command, run.source))
        more = ("", "", "")
        if last is not None:
            n, cpu_s = run.n - last.n, run.cpu_s - last.cpu_s
            power = math.log(run.cpu_s / last.cpu_s) / math.log(run.n / last.n)
            more = (
                f"{1e6 * cpu_s / n:.1f}",
                f"{2**20 * (run.peak_mib - last.peak_mib) / n:.1f}",
                f"{power:.2f}{' !' if power > FASTER else ''}",
            )
        before[run.command, run.source] = run
        lines.append(
            f"{run.command:10}{run.source:9}{run.n:12,}{run.cpu_s:9.1f}{run.peak_mib:8.0f}"
            f"{run.n_bytes / 1e6:12.1f}{more[0]:>12}{more[1]:>15}{more[2]:>7}"
        )
    return lines


def _scaling(scaled: Sequence[Scaled], *, cores: int, load: float) -> list[str]:
    lines = [
        f"workers of a Dask cluster on {cores} cores, load {load:.1f}; no gain beyond the cores",
        f"{'scaling':9}{'workers':>8}{'patients':>10}{'clock s':>9}{'CPU s':>8}{'MiB':>7}"
        f"{'patients/s':>12}{'of ideal':>10}",
    ]
    first = {one.kind: one for one in reversed(scaled)}
    for one in sorted(scaled, key=lambda one: (one.kind, one.workers)):
        rate, alone = one.n / one.wall_s, first[one.kind].n / first[one.kind].wall_s
        ideal = alone * min(one.workers, cores)
        lines.append(
            f"{one.kind:9}{one.workers:8}{one.n:10,}{one.wall_s:9.1f}{one.cpu_s:8.1f}"
            f"{one.peak_mib:7.0f}{rate:12,.0f}{rate / ideal:10.0%}"
        )
    return lines


def _plan(runs: Sequence[Run]) -> list[str]:
    """Cohorts that were not made, from the two largest that were: the part of time and bytes that
    is due to one more patient, times their number.
    """
    made = sorted(
        (run for run in runs if (run.command, run.source) == ("simulate", "parts")),
        key=lambda run: run.n,
    )
    if len(made) < 2:
        return ["no plan: it needs cohorts of two sizes"]
    less, most = made[-2:]
    cpu_s = (most.cpu_s - less.cpu_s) / (most.n - less.n)
    n_bytes = (most.n_bytes - less.n_bytes) / (most.n - less.n)
    lines = [
        f"planned from {less.n:,} and {most.n:,} patients in parts: {1e6 * cpu_s:.1f} us of a core"
        f" and {n_bytes:.0f} bytes a patient; each worker {most.peak_mib:.0f} MiB",
        f"{'patients':>15}{'parts':>9}{'core hours':>12}{'GB':>8}{'cores for a day':>17}",
    ]
    for n in PLANNED:
        hours = n * cpu_s / 3600
        lines.append(
            f"{n:15,}{-(-n // PART):9,}{hours:12.1f}{n * n_bytes / 1e9:8.0f}"
            f"{math.ceil(hours / 24):17,}"
        )
    return lines


def main() -> int:
    """Measure up to the number that is asked for, print, draw, and keep."""
    most = int(sys.argv[1]) if len(sys.argv) > 1 else SIZES[-1]
    sizes = [10**power for power in range(4, 10) if 10**power <= most]
    found = measure(sizes)
    print(table(found))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "growth.json").write_text(json.dumps(found, indent=2) + "\n")
    draw(found, RESULTS / "growth.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
