"""How time and memory of scoring and evaluating grow with the number of patients.

(o) ``crsrisk predict`` and ``crsrisk evaluate``, each a process of its own, over one Parquet file
and over a folder of parts, from 10,000 patients upwards: processor time and peak memory, and what
of them is due to one more patient. ``python -m bench.growth 10000000`` measures up to that number.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

MODEL = "baseline-0.1.0"
SIZES = (10_000, 100_000, 1_000_000)
PART = 100_000
RESAMPLES = 300


@dataclass(frozen=True)
class Run:
    """One command over so many patients: seconds of processor time, and MiB at its peak."""

    command: str
    source: str
    n: int
    cpu_s: float
    peak_mib: float


def measure(sizes: Sequence[int] = SIZES) -> dict[str, Any]:
    """Every command at every size."""
    runs: list[Run] = []
    with TemporaryDirectory() as place:
        for n in sizes:
            folder, file = Path(place, f"{n}"), Path(place, f"{n}.parquet")
            _run("simulate", "--patients", n, "--part-size", PART, "--out", folder)
            _run("simulate", "--patients", n, "--out", file)
            for source, table in (("file", file), ("parts", folder)):
                scored = Path(place, f"risks-{n}-{source}.parquet")
                used = _run("predict", MODEL, table, "--out", scored)
                runs.append(Run("predict", source, n, *used))
                scored.unlink()
                used = _run("evaluate", MODEL, table, "--resamples", RESAMPLES)
                runs.append(Run("evaluate", source, n, *used))
                print(f"  {n:,} patients, {source}: done", file=sys.stderr)
            file.unlink()
    return {
        "runs": [asdict(run) for run in runs],
        "resamples": RESAMPLES,
        "machine": platform.platform(),
        "load": os.getloadavg(),
    }


def _run(*words: object) -> tuple[float, float]:
    """Processor time in seconds and peak memory in MiB of a command."""
    with subprocess.Popen(
        [sys.executable, "-m", "crsrisk", *map(str, words)],
        stdout=subprocess.DEVNULL,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    ) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"crsrisk {words[0]} ended with {process.returncode}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def table(found: dict[str, Any]) -> str:
    """The runs, and what one more patient costs between two sizes."""
    lines = ["(o) scoring and evaluating by number of patients", ""]
    lines.append(
        f"{'command':10}{'source':8}{'patients':>12}{'CPU s':>9}{'MiB':>8}{'us/patient':>12}"
        f"{'bytes/patient':>15}"
    )
    before: dict[tuple[str, str], Run] = {}
    for run in (Run(**one) for one in found["runs"]):
        last = before.get((run.command, run.source))
        more = ("", "")
        if last is not None:
            n = run.n - last.n
            more = (
                f"{1e6 * (run.cpu_s - last.cpu_s) / n:.1f}",
                f"{2**20 * (run.peak_mib - last.peak_mib) / n:.1f}",
            )
        before[run.command, run.source] = run
        lines.append(
            f"{run.command:10}{run.source:8}{run.n:12,}{run.cpu_s:9.1f}{run.peak_mib:8.0f}"
            f"{more[0]:>12}{more[1]:>15}"
        )
    return "\n".join(lines)


def main() -> int:
    """Measure up to the number that is asked for, print, and keep."""
    most = int(sys.argv[1]) if len(sys.argv) > 1 else SIZES[-1]
    sizes = [10**power for power in range(4, 10) if 10**power <= most]
    found = measure(sizes)
    print(table(found))
    results = Path(__file__).resolve().parent / "results"
    results.mkdir(exist_ok=True)
    (results / "growth.json").write_text(json.dumps(found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
