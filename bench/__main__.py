"""`python -m bench`: run the benchmark suite, print its tables, keep its figures in
bench/results/.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from bench import (
    compilation,
    explorer,
    growth,
    growth_chart,
    kernel,
    one_patient,
    peers,
    roadrunner,
    serving,
    shapley,
    trials,
    worlds,
)

RESULTS = Path(__file__).resolve().parent / "results"


def _keep(found: dict[str, Any], name: str) -> None:
    RESULTS.mkdir(exist_ok=True)
    beside = RESULTS / f"{name}.part"
    beside.write_text(json.dumps(found, indent=2) + "\n")
    beside.replace(RESULTS / name)


def main() -> int:
    """Measure, print, keep."""
    print("measuring the simulator (a few minutes; the first run compiles)", file=sys.stderr)
    found = kernel.measure()
    print(kernel.table(found))
    _keep(found, "kernel.json")
    peer = roadrunner.measure()
    print(roadrunner.table(peer))
    _keep(peer, "roadrunner.json")
    compiled = peers.measure()
    print(peers.table(compiled))
    _keep(compiled, "peers.json")
    built = compilation.measure()
    print(compilation.table(built))
    _keep(built, "compilation.json")
    print("measuring explanations and single patients (a few minutes more)", file=sys.stderr)
    shares = shapley.measure()
    print(shapley.table(shares))
    _keep(shares, "shapley.json")
    patient = one_patient.measure()
    print(one_patient.table(patient))
    _keep(patient, "one_patient.json")
    served = serving.measure()
    print(serving.table(served))
    _keep(served, "serving.json")
    page = explorer.measure()
    print(explorer.table(page))
    _keep(page, "explorer.json")
    designs = trials.measure()
    print(trials.table(designs))
    _keep(designs, "trials.json")
    learnt = worlds.measure()
    print(worlds.table(learnt))
    _keep(learnt, "worlds.json")
    print("measuring growth with patients, members and workers (half an hour)", file=sys.stderr)
    grown = growth.measure()
    print(growth.table(grown))
    _keep(grown, "growth.json")
    growth_chart.draw(grown, RESULTS / "growth.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
