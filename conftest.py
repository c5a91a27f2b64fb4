"""For all tests and examples: charts that a test leaves open are closed behind it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def closed_charts() -> Iterator[None]:
    """Nothing is imported for it: without pyplot there is nothing to close."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")
