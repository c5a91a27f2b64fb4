"""Harms in CRS events, and the threshold that follows."""

from __future__ import annotations

import math

import pytest

from crsrisk.domain.harms import Harms, Ledger, LedgerRow
from crsrisk.errors import InputError


def test_the_threshold_is_harm_over_the_share_averted() -> None:
    """Known answer G03: RR 0.5, harm 0.05 -> 0.10."""
    assert math.isclose(Ledger(0.5, (LedgerRow("course", 1.0, 0.05),)).threshold, 0.1)


def test_what_averts_nothing_never_pays_and_what_only_spares_always_does() -> None:
    harm, spared = (LedgerRow("course", 1.0, 0.02),), (LedgerRow("infections", -0.01, 1.0),)
    assert Ledger(1.0, harm).threshold == math.inf
    assert Ledger(0.5, spared).threshold == 0.0
    assert Ledger(1.0, spared).threshold == 0.0


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
def test_a_weight_is_no_negative_number(value: float) -> None:
    with pytest.raises(InputError, match="infection_weight"):
        Harms(value, 1.0, 0.0)
