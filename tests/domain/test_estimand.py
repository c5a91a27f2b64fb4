"""The estimand says all five attributes, in words."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from crsrisk.domain.estimand import Estimand, IntercurrentEvent

RESCUE = IntercurrentEvent(event="rescue tocilizumab", strategy="composite", sensitivity="treatment policy")


def test_rows_are_in_the_order_of_the_guideline() -> None:
    one = Estimand(population="adults", treatment="a against b", variable="CRS >= 2", summary="risk difference",
                   intercurrent_events=[RESCUE])
    assert [name for name, _ in one.rows] == ["Population", "Treatment", "Variable",
                                              "Intercurrent event: rescue tocilizumab", "Summary measure"]
    assert dict(one.rows)["Intercurrent event: rescue tocilizumab"] == "composite (sensitivity: treatment policy)"


@pytest.mark.parametrize("blank", ["population", "treatment", "variable", "summary"])
def test_a_blank_is_refused(blank: str) -> None:
    said = {name: "in words" for name in ("population", "treatment", "variable", "summary")} | {blank: " "}
    with pytest.raises(ValidationError, match=blank):
        Estimand(**said, intercurrent_events=[RESCUE])


def test_a_strategy_that_the_guideline_does_not_know_is_refused() -> None:
    with pytest.raises(ValidationError, match="treatment policy"):
        IntercurrentEvent(event="rescue", strategy="ignore")  # type: ignore[arg-type]
