"""How long one patient waits: one risk, one explanation, and the command line's first word.

(f) One risk from a patient's plain values (features, stand-ins, trees, calibration) against
`Booster.predict` on a one-row frame of features that are made already; it must also be the same
number. Beside it the same trees compiled to C by treelite's tl2cgen, where that is installed and
there is a C compiler; from features that are made already, too. (g) One patient explained once the
model is loaded: risk of grade 2 or more and of grade 3 or more, each with its interval from the
stored refits, and all reasons, from a one-row table. Nothing is simulated in it. (h) `crsrisk
--help` in a process of its own, and `crsrisk explain patient` with its simulation of the patient.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.models import Fitted, fitted, saved
from crsrisk.model.booster import booster_of
from crsrisk.model.explain import explain
from crsrisk.model.predict import OneRow, feature_matrix, predict
from crsrisk.studies.explain import ExplainableModel, load_explainable, patient_risks

BAR_RATIO, BAR_EXPLAINED_MS, BAR_HELP_S, BAR_COMMAND_S = 4.0, 20.0, 0.25, 2.0


@dataclass(frozen=True)
class OnePatient:
    """Times on the wall, medians of many patients or runs."""

    risk_us: float
    booster_us: float
    compiled_us: float | None
    why_not_compiled: str
    ratio: float
    is_same: bool
    predict_ms: float
    explained_ms: float
    explained_slowest_ms: float
    load_ms: float
    help_s: float
    command_s: float


def median_s(work: Callable[[], object], *, repeats: int) -> float:
    """Seconds on the wall, the median of many runs."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def help_s(repeats: int = 5) -> float:
    """Seconds until `crsrisk --help` has ended, the shortest of a few."""
    command = [sys.executable, "-m", "crsrisk.cli", "--help"]
    return min(
        median_s(lambda: subprocess.run(command, check=True, capture_output=True), repeats=1)
        for _ in range(repeats)
    )


def command_s(repeats: int = 3) -> float:
    """Seconds until `crsrisk explain patient` of the released models has ended, the shortest of a
    few.
    """
    said = [sys.executable, "-m", "crsrisk.cli", "explain"]
    with tempfile.TemporaryDirectory() as folder:
        patient = str(Path(folder) / "patient.yaml")
        subprocess.run(
            [*said, "template", "tarlatamab", "--out", patient], check=True, capture_output=True
        )
        command = [*said, "patient", "baseline-0.1.0", patient]
        return min(
            median_s(lambda: subprocess.run(command, check=True, capture_output=True), repeats=1)
            for _ in range(repeats)
        )


def compiled(some: Fitted, *, n: int = 200) -> float:
    """Seconds for one risk by the same trees compiled to C, from features that are made already."""
    tl2cgen: Any = importlib.import_module("tl2cgen")
    treelite: Any = importlib.import_module("treelite")
    table = feature_matrix(some.model, some.cohort.observed.head(n))
    with tempfile.TemporaryDirectory() as folder:
        text, library = Path(folder) / "booster.txt", Path(folder) / "booster.so"
        booster_of(some.model.booster_text).save_model(text)
        trees = treelite.frontend.load_lightgbm_model(text)
        tl2cgen.export_lib(trees, toolchain="gcc", libpath=library)
        predictor = tl2cgen.Predictor(library, nthread=1)
        rows = [np.ascontiguousarray(table[[row]]) for row in range(n)]
        times = [
            median_s(lambda row=row: predictor.predict(tl2cgen.DMatrix(row)), repeats=9)  # type: ignore[misc]
            for row in rows
        ]
    return float(np.median(times))


def single(some: Fitted, *, n: int = 200) -> tuple[float, float, bool]:
    """Seconds for one risk by us and by LightGBM, in turns, and whether ours is the risk of the
    batch to the last bit.
    """
    model, observed = some.model, some.cohort.observed.head(n)
    one, booster = OneRow.of(model), booster_of(model.booster_text)
    patients: list[dict[str, Any]] = observed.to_dict(orient="records")  # type: ignore[assignment]
    table = pd.DataFrame(
        feature_matrix(model, observed), columns=list(model.contract.feature_names)
    )
    frames = [table.iloc[[row]] for row in range(n)]
    ours, theirs = [], []
    for patient, frame in zip(patients, frames, strict=True):
        ours.append(median_s(partial(one.risk, patient), repeats=9))
        theirs.append(median_s(partial(booster.predict, frame, num_threads=1), repeats=9))
    same = [one.risk(patient) for patient in patients] == predict(model, observed).risk.tolist()
    return float(np.median(ours)), float(np.median(theirs)), same


def bedside(model: ExplainableModel, row: pd.DataFrame) -> None:
    """Risks with intervals, and all reasons."""
    patient_risks(model, row)
    explain(model.model, row).reasons(0)


def measure() -> dict[str, Any]:
    """All of it and what it was measured on, ready for JSON."""
    some = fitted()
    ours, theirs, is_same = single(some)
    compiled_s, why_not = None, ""
    if importlib.util.find_spec("tl2cgen") is None:
        why_not = "tl2cgen is not installed"
    elif shutil.which("gcc") is None:
        why_not = "no gcc is installed"
    else:
        compiled_s = compiled(some)
    rows = [some.cohort.observed.iloc[[row]] for row in range(100)]
    with saved(some) as folder:
        start = time.perf_counter()
        model = load_explainable(folder)
        load = time.perf_counter() - start
    bedside(model, rows[0])
    explained = [median_s(partial(bedside, model, row), repeats=3) for row in rows]
    found = OnePatient(
        risk_us=1e6 * ours,
        booster_us=1e6 * theirs,
        compiled_us=None if compiled_s is None else 1e6 * compiled_s,
        why_not_compiled=why_not,
        ratio=theirs / ours,
        is_same=is_same,
        predict_ms=1e3 * median_s(lambda: predict(some.model, rows[0]), repeats=50),
        explained_ms=1e3 * float(np.median(explained)),
        explained_slowest_ms=1e3 * max(explained),
        load_ms=1e3 * load,
        help_s=help_s(),
        command_s=command_s(),
    )
    return {
        "one_patient": asdict(found),
        "n_features": len(some.model.contract.features),
        "bars": {
            "ratio": BAR_RATIO,
            "explained_ms": BAR_EXPLAINED_MS,
            "help_s": BAR_HELP_S,
            "command_s": BAR_COMMAND_S,
        },
        "machine": {
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "load_1_min": os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan"),
        },
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "pandas": pd.__version__,
        },
    }


def table(found: dict[str, Any]) -> str:
    """The result in words."""
    one = found["one_patient"]
    verdict = {True: "met", False: "MISSED"}
    rows = [
        (
            "(f) one risk",
            f"{one['risk_us']:,.1f} us",
            f"the batch's to the last bit: {verdict[one['is_same']]}",
        ),
        (
            "  Booster.predict, one-row frame",
            f"{one['booster_us']:,.1f} us",
            f"{found['n_features']} features, made already",
        ),
        (
            "  ratio",
            f"{one['ratio']:,.1f} x",
            f"{BAR_RATIO:g} x: {verdict[one['ratio'] >= BAR_RATIO]}",
        ),
        (
            "  compiled to C by tl2cgen",
            "-" if one["compiled_us"] is None else f"{one['compiled_us']:,.1f} us",
            one["why_not_compiled"] or "features made already",
        ),
        ("  predict, one-row table", f"{one['predict_ms']:,.2f} ms", "with the account of the row"),
        (
            "(g) one patient explained",
            f"{one['explained_ms']:,.1f} ms",
            (
                f"{BAR_EXPLAINED_MS:g} ms: {verdict[one['explained_ms'] < BAR_EXPLAINED_MS]}"
                f" (slowest of 100: {one['explained_slowest_ms']:,.1f} ms; loading before:"
                f" {one['load_ms']:,.0f} ms)"
            ),
        ),
        (
            "(h) crsrisk --help",
            f"{one['help_s']:,.2f} s",
            f"{BAR_HELP_S:g} s: {verdict[one['help_s'] < BAR_HELP_S]}",
        ),
        (
            "  crsrisk explain patient",
            f"{one['command_s']:,.2f} s",
            f"with simulation; {BAR_COMMAND_S:g} s: {verdict[one['command_s'] < BAR_COMMAND_S]}",
        ),
    ]
    return "\n".join(f"{name:<36}{speed:>12}  {word}".rstrip() for name, speed, word in rows)
