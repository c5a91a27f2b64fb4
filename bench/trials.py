"""How fast trials are simulated, and against whom.

(i) Ten thousand trials of a four-look design, patient by patient: candidates with risks spread as
Beta(2,6), the outcome under both arms from one random number, pooled z against O'Brien-Fleming
bounds, exposure counted. Against the plain way, one trial after the other with numpy's generator
and scipy's normal distribution: same design, same bounds, and less to do, since it draws no
identity and counts no exposure; and against the same in numpy over many trials at once.

(j) A grid of 200 cells (risk ratio x base rate x threshold) of the same design, ten thousand trials
each, on two threads. The plain way is timed on some of its trials and multiplied: it would take too
long.

"Per core" is per second of processor time, so that other work on the machine matters less; the grid
is on the clock.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import numba
import numpy as np
import scipy
from scipy.stats import norm

from crsrisk.data.trial_plan import Design, Masking, PowerCurves, Screening, Sequential, Stated
from crsrisk.trials.candidates import stated_pool
from crsrisk.trials.operating_characteristics import power_grid
from crsrisk.trials.simulated_trials import SizedDesign, prepare, run_trials

N_TRIALS, N_PLAIN = 10_000, 2_000
AT_ONCE = 500  # vectorised trials: arrays that stay in the cache are the fastest
BAR_SECONDS, BAR_GRID_SECONDS, BAR_MEMORY_MB = 1.0, 60.0, 500.0
SCREENING = Screening(candidates_per_month=10.0)
STATED = Stated(risk="Beta(2,6)", risk_ratio=0.5)
LOOKS = Sequential(boundary="O'Brien-Fleming", looks=4)
GRID = PowerCurves(
    risk_ratio=[0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75],
    base_rate=[0.2, 0.25, 0.3, 0.35],
    threshold=[0.0, 0.1, 0.2, 0.25, 0.3],
    n_total=312,
    n_sim=N_TRIALS,
)
_MEMORY = """
import resource, sys
from pathlib import Path
from bench.trials import sized_design, N_TRIALS
from crsrisk.trials.simulated_trials import run_trials
sized = sized_design()
run_trials(sized.size, sized.arms("effect"), n_sim=20 * N_TRIALS, seed=1, workers=2)
status = Path("/proc/self/status")
if status.exists():  # on Linux ru_maxrss of a child holds the peak of its parent too
    lines = status.read_text().splitlines()
    print(next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")))
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak / 1024 if sys.platform != "darwin" else peak / 1024**2)
"""


@dataclass(frozen=True)
class Speed:
    """Seconds of processor time for 10,000 trials of each kind, ratios to ours, and powers (which
    must agree).
    """

    seconds: float
    plain_seconds: float
    vectorised_seconds: float
    ratio: float
    vectorised_ratio: float
    power: float
    plain_power: float
    vectorised_power: float
    n_max: int


@dataclass(frozen=True)
class Grid:
    """Seconds on the clock for all cells on two threads, and what the plain way would take on one
    core.
    """

    cells: int
    seconds: float
    plain_seconds: float
    ratio: float


def sized_design() -> SizedDesign:
    """The four-look design for 80% power."""
    pool = stated_pool(STATED, screening=SCREENING, masking=Masking())
    return prepare(
        pool, Design(name="four looks", kind="all_comers", sequential=LOOKS), screening=SCREENING
    )


def plain_trial(
    rng: np.random.Generator, *, at_look: list[int], level: list[float], risk_ratio: float
) -> tuple[bool, int]:
    """One trial the plain way: whether it claims benefit, and with how many patients.

    ``level``: one-sided p at or below which each look stops.
    """
    n = at_look[-1]
    risk = rng.beta(2, 6, size=n)
    is_treated = np.arange(n) % 2 == 0
    has_event = rng.random(n) < np.where(is_treated, risk_ratio * risk, risk)
    for size, alpha in zip(at_look, level, strict=True):
        treated, seen = is_treated[:size], has_event[:size]
        n1, n0 = int(treated.sum()), int((~treated).sum())
        x1, x0 = int(seen[treated].sum()), int(seen[~treated].sum())
        mean = (x1 + x0) / size
        error = np.sqrt(mean * (1 - mean) * (1 / n1 + 1 / n0))
        if error > 0 and norm.sf((x0 / n0 - x1 / n1) / error) <= alpha:
            return True, size
    return False, n


def plain_trials(sized: SizedDesign, *, n_sim: int, seed: int) -> float:
    """Share of plain trials that claim benefit."""
    rng = np.random.default_rng(seed)
    at_look, level = sized.size.at_look.tolist(), norm.sf(sized.size.upper - 1e-10).tolist()
    return (
        sum(plain_trial(rng, at_look=at_look, level=level, risk_ratio=0.5)[0] for _ in range(n_sim))
        / n_sim
    )


def vectorised_trials(sized: SizedDesign, *, n_sim: int, seed: int) -> float:
    """Share of trials that claim benefit, ``AT_ONCE`` of them as arrays (trials, patients)."""
    rng = np.random.default_rng(seed)
    at_look, upper = sized.size.at_look, sized.size.upper - 1e-10
    n = int(at_look[-1])
    is_treated = np.arange(n) % 2 == 0
    n1 = np.cumsum(is_treated)[at_look - 1]
    n0 = at_look - n1
    claims = 0
    for start in range(0, n_sim, AT_ONCE):
        risk = rng.beta(2, 6, size=(min(AT_ONCE, n_sim - start), n))
        has_event = rng.random(risk.shape) < np.where(is_treated, 0.5 * risk, risk)
        x1 = np.cumsum(has_event & is_treated, axis=1)[:, at_look - 1]
        x0 = np.cumsum(has_event & ~is_treated, axis=1)[:, at_look - 1]
        mean = (x1 + x0) / at_look
        error = np.sqrt(mean * (1 - mean) * (1 / n1 + 1 / n0))
        z = np.divide(x0 / n0 - x1 / n1, error, out=np.zeros_like(error), where=error > 0)
        claims += int((z >= upper).any(axis=1).sum())
    return claims / n_sim


def speed(sized: SizedDesign) -> Speed:
    """Measure (i); ours the shortest of five runs, vectorised of three, one thread."""
    arms = sized.arms("effect")
    run_trials(sized.size, arms, n_sim=100, seed=1)  # compiles
    used, power = [], 0.0
    for _ in range(5):
        start = time.process_time()
        power = float(run_trials(sized.size, arms, n_sim=N_TRIALS, seed=1).has_claim.mean())
        used.append(time.process_time() - start)
    start = time.process_time()
    plain_power = plain_trials(sized, n_sim=N_PLAIN, seed=2)
    plain = (time.process_time() - start) * N_TRIALS / N_PLAIN
    vectorised, vectorised_power = [], 0.0
    for _ in range(3):
        start = time.process_time()
        vectorised_power = vectorised_trials(sized, n_sim=N_TRIALS, seed=3)
        vectorised.append(time.process_time() - start)
    return Speed(
        seconds=min(used),
        plain_seconds=plain,
        vectorised_seconds=min(vectorised),
        ratio=plain / min(used),
        vectorised_ratio=min(vectorised) / min(used),
        power=power,
        plain_power=plain_power,
        vectorised_power=vectorised_power,
        n_max=sized.size.n_max,
    )


def grid(plain_seconds: float) -> Grid:
    """Measure (j), pools included."""
    start = time.perf_counter()
    cells = power_grid(
        GRID,
        stated=STATED,
        pool=None,
        screening=SCREENING,
        masking=Masking(),
        seed=1,
        alpha=0.025,
        sequential=LOOKS,
        workers=2,
    )
    seconds = time.perf_counter() - start
    return Grid(
        len(cells), seconds, plain_seconds * len(cells), plain_seconds * len(cells) / seconds
    )


def memory_mb() -> float:
    """Largest memory of a fresh process that runs 200,000 trials on two threads."""
    told = subprocess.run(
        [sys.executable, "-c", _MEMORY], capture_output=True, text=True, check=True
    ).stdout
    return float(told)


def measure() -> dict[str, Any]:
    """All measurements and what they were made on, ready for JSON."""
    first = speed(sized_design())
    second = grid(first.plain_seconds)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return {
        "trials": asdict(first),
        "grid": asdict(second),
        "memory_mb": memory_mb(),
        "bars": {
            "seconds": BAR_SECONDS,
            "grid_seconds": BAR_GRID_SECONDS,
            "memory_mb": BAR_MEMORY_MB,
        },
        "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "load_1_min": load},
        "versions": {
            "python": platform.python_version(),
            "numba": numba.__version__,
            "numpy": np.__version__,
            "scipy": scipy.__version__,
        },
    }


def table(measured: dict[str, Any]) -> str:
    """The result in words."""
    d, e = measured["trials"], measured["grid"]
    verdict = {True: "met", False: "MISSED"}
    rows = [
        (f"(i) 10,000 trials, four looks, n {d['n_max']}, per core", "seconds", "power", "bar"),
        (
            "patient by patient, compiled",
            f"{d['seconds']:.3f}",
            f"{d['power']:.3f}",
            f"{BAR_SECONDS:g} s: {verdict[d['seconds'] <= BAR_SECONDS]}",
        ),
        (
            "plain, one trial after the other (scipy)",
            f"{d['plain_seconds']:.2f}",
            f"{d['plain_power']:.3f}",
            "",
        ),
        ("ratio", f"{d['ratio']:,.0f} x", "", ""),
        (
            "numpy, many trials at once",
            f"{d['vectorised_seconds']:.2f}",
            f"{d['vectorised_power']:.3f}",
            "",
        ),
        ("ratio", f"{d['vectorised_ratio']:,.1f} x", "", ""),
        (f"(j) grid of {e['cells']} cells, 10,000 trials each", "seconds", "", ""),
        (
            "two threads, on the wall",
            f"{e['seconds']:.1f}",
            "",
            (
                f"{BAR_GRID_SECONDS:g} s:"
                f" {verdict[e['seconds'] <= BAR_GRID_SECONDS and e['cells'] == 200]}"
            ),
        ),
        ("plain, one core (from its trials above)", f"{e['plain_seconds']:,.0f}", "", ""),
        ("ratio", f"{e['ratio']:,.0f} x", "", ""),
        (
            "memory of 200,000 trials, two threads",
            f"{measured['memory_mb']:.0f} MB",
            "",
            f"{BAR_MEMORY_MB:g} MB: {verdict[measured['memory_mb'] <= BAR_MEMORY_MB]}",
        ),
    ]
    lines = [
        f"{name:<52}{value:>10}  {power:>7}  {bar}".rstrip() for name, value, power, bar in rows
    ]
    lines.append(f"load of the machine while measuring: {measured['machine']['load_1_min']:.1f}")
    return "\n".join(lines)
