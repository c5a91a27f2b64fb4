"""The page's script in Node, without a page."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NODE = shutil.which("node")

needs_node = pytest.mark.skipif(
    NODE is None, reason="no Node.js, which runs the page's script without a page"
)


def ask(jobs: list[dict[str, Any]], *, identity: str = "null") -> list[Any]:
    """The answers of the page's script, all in one run of Node."""
    assert NODE is not None
    text = f'{{"identity": {identity}, "jobs": {json.dumps(jobs, allow_nan=False)}}}'
    done = subprocess.run(
        [NODE, "batch.js"],
        cwd=ROOT / "explorer",
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers: list[Any] = json.loads(done.stdout)
    return answers
