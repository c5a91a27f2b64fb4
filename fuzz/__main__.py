"""`python -m fuzz`: read thousands of malformed files, and say which were not refused in a
sentence.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from crsrisk.terminal import steps
from fuzz.run import fuzz
from fuzz.targets import targets


def main() -> int:
    """0 when every file was read or refused."""
    known = targets()
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000, help="files of each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", action="append", choices=[one.name for one in known])
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="for what fails")
    asked = parser.parse_args()
    chosen = [one for one in known if asked.target is None or one.name in asked.target]
    with steps() as begin:
        found = [
            fuzz(
                one,
                cases=asked.cases,
                seed=asked.seed,
                keep=asked.keep,
                advance=begin(one.name, asked.cases),
            )
            for one in chosen
        ]
    console = Console()
    for outcome in found:
        console.print(outcome.summary(), markup=False, highlight=False)
    return int(any(outcome.failures for outcome in found))


if __name__ == "__main__":
    sys.exit(main())
