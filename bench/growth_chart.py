"""The picture of growth: processor time and memory by patients, members and workers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

_MARKS = {"simulate": "o", "predict": "s", "evaluate": "^", "train": "D", "forecast": "o"}


def draw(found: dict[str, Any], out: Path) -> None:
    """Write the picture as SVG."""
    figure = Figure(figsize=(10, 7), layout="constrained")
    ((time, memory), (members, workers)) = figure.subplots(2, 2)
    parts = [run for run in found["runs"] if run["source"] == "parts"]
    _lines(time, parts, "cpu_s", about=("patients", "processor seconds"))
    _lines(memory, parts, "peak_mib", about=("patients", "MiB at the peak"))
    memory.set_ylim(bottom=100)
    _lines(members, found["members"], "cpu_s", about=("members", "processor seconds"))
    for kind, mark in (("strong", "o"), ("weak", "s")):
        of_kind = [one for one in found["scaled"] if one["kind"] == kind]
        rates = [one["n"] / one["wall_s"] for one in of_kind]
        workers.plot([one["workers"] for one in of_kind], rates, marker=mark, label=kind)
    workers.axvline(found["cores"], linestyle=":", color="0.5", label="cores")
    workers.set(xlabel="workers", ylabel="patients a second", ylim=(0, None))
    workers.legend(frameon=False)
    figure.savefig(out, metadata={"Date": None})


def _lines(
    axes: Axes, runs: Sequence[dict[str, Any]], what: str, *, about: tuple[str, str]
) -> None:
    for command in dict.fromkeys(run["command"] for run in runs):
        of = [run for run in runs if run["command"] == command]
        numbers = [run["n"] for run in of]
        axes.loglog(numbers, [run[what] for run in of], marker=_MARKS[command], label=command)
    if what == "cpu_s":
        first = min(runs, key=lambda run: run["cpu_s"])
        ends = [min(run["n"] for run in runs), max(run["n"] for run in runs)]
        slope = [first["cpu_s"] * end / ends[0] for end in ends]
        axes.loglog(ends, slope, linestyle=":", color="0.5", label="linear")
    axes.set(xlabel=about[0], ylabel=about[1])
    axes.legend(frameon=False)
