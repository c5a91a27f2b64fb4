"""`python -m bench`: run the benchmark suite, print its table, keep its figures in bench/results/."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bench import kernel

RESULTS = Path(__file__).resolve().parent / "results"


def main() -> int:
    """Measure, print, keep."""
    print("measuring the simulator (about a minute; the first run compiles)", file=sys.stderr)
    found = kernel.measure()
    print(kernel.table(found))
    RESULTS.mkdir(exist_ok=True)
    beside = RESULTS / "kernel.json.part"
    beside.write_text(json.dumps(found, indent=2) + "\n")
    beside.replace(RESULTS / "kernel.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
