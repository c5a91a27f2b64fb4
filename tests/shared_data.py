"""Where the reference data lie that are too large or not ours to ship; tests skip without them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

VARIABLE = "CRSRISK_SHARED"


def shared_path(*parts: str) -> Path:
    """Path of a shared reference file: below $CRSRISK_SHARED, else below ../shared beside the
    project.

    Skips the calling test, and says what is missing, when the file is not there.
    """
    root = Path(os.environ.get(VARIABLE) or Path(__file__).resolve().parents[2] / "shared")
    path = root.joinpath(*parts)
    if not path.exists():
        pytest.skip(
            f"{'/'.join(parts)} not found: set {VARIABLE} to the folder of shared reference data"
        )
    return path
