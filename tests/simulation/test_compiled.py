"""The compiled solver: the first run, which compiles, and a later one, which reads the cache, give
the same bytes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_SCRIPT = """
import hashlib
from tests.simulation.people import arm_of, episode
tracks = episode(arm_of("tarlatamab"), 256).tracks
print(hashlib.sha256(b"".join(tracks[name].tobytes() for name in sorted(tracks))).hexdigest())
"""


@pytest.mark.slow
def test_a_first_run_and_a_later_one_give_the_same_bytes(tmp_path: Path) -> None:
    """The two differed in the last digit while the solver's passes were functions of their own (see
    decisions.md).
    """
    here = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    digests = [
        subprocess.run(
            [sys.executable, "-c", _SCRIPT],
            env=here,
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for _ in range(2)
    ]
    assert any(tmp_path.rglob("*.nbc")), "nothing was cached: this test shows nothing"
    assert digests[0] == digests[1]
