"""(p) What the first simulation after an installation costs, and what it would cost to ship
compiled code.

Compiled code belongs to one kind of processor. A wheel could carry code for the kind that all
x86-64 (or all ARM) machines share, without the wide vector instructions of newer ones. So three
processes with an empty cache each: compiled for this processor, for the shared kind, and for this
processor with what the first one kept. `python -m bench.compilation` measures it alone.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from typing import Any

BAR_LOSS = 1.1  # times as slow that shipped code might be
N_PATIENTS = 20_000
_WORK = f"""
import json, time
from crsrisk.data.world import load_world
from crsrisk.data.world_files import load_product
from crsrisk.simulation.arm import make_arm
from crsrisk.simulation.cohort import simulate_cohort
world = load_world()
arm = make_arm(load_product("tarlatamab"), world=world)
def seconds(n):
    start = time.process_time()
    simulate_cohort([arm], world=world, n_patients=n, seed=1)
    return time.process_time() - start
print(json.dumps([seconds(16), min(seconds({N_PATIENTS}) for _ in range(3))]))
"""


def _run(folder: str, *, is_shared_kind: bool) -> tuple[float, float]:
    """Processor seconds of the first 16 patients and of 20,000, in a process of its own."""
    kind = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""} if is_shared_kind else {}
    done = subprocess.run(
        [sys.executable, "-c", _WORK],
        env={**os.environ, "NUMBA_CACHE_DIR": folder, **kind},
        capture_output=True,
        text=True,
        check=True,
    )
    first, many = json.loads(done.stdout)
    return first, many


def measure() -> dict[str, Any]:
    """All of it and what it was measured on, ready for JSON."""
    with tempfile.TemporaryDirectory() as own, tempfile.TemporaryDirectory() as shared:
        first, native = _run(own, is_shared_kind=False)
        kept, _ = _run(own, is_shared_kind=False)
        _, generic = _run(shared, is_shared_kind=True)
        size = sum(
            os.path.getsize(os.path.join(place, name))
            for place, _, names in os.walk(own)
            for name in names
        )
    return {
        "first_s": first,
        "kept_s": kept,
        "native_s": native,
        "generic_s": generic,
        "ratio": generic / native,
        "cache_kb": size / 1024,
        "bars": {"loss": BAR_LOSS},
        "machine": {"processor": platform.machine(), "cores": os.cpu_count()},
        "versions": {"python": platform.python_version()},
    }


def table(found: dict[str, Any]) -> str:
    """The result in words."""
    is_worth = found["ratio"] <= found["bars"]["loss"]
    rows = [
        ("(p) first simulation, nothing compiled", f"{found['first_s']:.1f} s", ""),
        (
            "  with what an earlier run kept",
            f"{found['kept_s']:.1f} s",
            f"{found['cache_kb']:.0f} kB",
        ),
        (f"{N_PATIENTS:,} patients, this processor's code", f"{found['native_s']:.2f} s", ""),
        (
            "  code that a wheel could carry",
            f"{found['generic_s']:.2f} s",
            f"{found['ratio']:.1f} x as slow: {'worth it' if is_worth else 'not shipped'}",
        ),
    ]
    return "\n".join(f"{name:<44}{value:>9}  {word}".rstrip() for name, value, word in rows)


if __name__ == "__main__":
    print(table(measure()))
