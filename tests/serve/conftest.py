"""One server for the tests of what it answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crsrisk.folders import find
from tests.serve.served import Server, served


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The released model of before the first dose, without a page; two workers."""
    folder = str(find("released", "baseline-0.1.0"))
    with served("--models", folder, "--no-page", "--workers", "2") as running:
        yield running
