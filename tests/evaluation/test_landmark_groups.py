"""Landmark groups: who is in them, and when a model holds in one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crsrisk.evaluation.landmark_groups import (
    FEWEST,
    judge_directions,
    judge_gaps,
    judge_groups,
    ward_groups,
)

N = 2 * FEWEST


def table(*, n: int = N) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "product": np.where(np.arange(n) % 2, "one", "two"),
            "grade__max__h24": np.ones(n),
            "temperature_c__max__h24": np.full(n, 39.2),
            "map_mmhg__min__h24": np.full(n, 65.0),
            "spo2_pct__min__h24": np.full(n, 96.0),
            "il6_pg_ml__h24": np.full(n, 10.0),
        }
    )


def judged(risk: float, *, n: int = N) -> dict[tuple[str, str], str]:
    """Half of the patients have the event."""
    event = (np.arange(n) // 2 % 2).astype(float)
    rows = judge_groups(
        ward_groups(hour=24), table(n=n), risk=np.full(n, risk), event=event, weight=np.ones(n)
    )
    return {(row.group, row.product): row.verdict for row in rows}


def test_groups_and_pairs_are_those_of_a_ward() -> None:
    groups = ward_groups(hour=24)
    assert len(groups) == 6 + 9 + 3
    members = {group.name: group.members(table()).sum() for group in groups}
    assert members["grade 1 and >= 39 degC, MAP < 70 mmHg"] == N
    assert members["grade 1 and >= 39.5 degC"] == members["SpO2 < 92%"] == 0


def test_a_missing_reading_is_in_no_group() -> None:
    gap = table().assign(map_mmhg__min__h24=np.nan)
    low = next(group for group in ward_groups(hour=24) if group.name == "MAP < 70 mmHg")
    assert not low.members(gap).any()


def test_a_model_holds_or_misses_by_the_stated_bound() -> None:
    """Observed one half; the Monte Carlo error of 4,000 is 0.008, so 0.03 is the bound."""
    name = "grade 1 and >= 39 degC"
    assert judged(0.5)[name, ""] == judged(0.5)[name, "one"] == judged(0.479)[name, ""] == "holds"
    assert judged(0.465)[name, ""] == judged(0.535)[name, "two"] == "misses"
    assert judged(0.5, n=FEWEST - 2)[name, ""] == "too few"
    assert judged(float("nan"))[name, ""] == "refused"
    assert judged(0.5)["SpO2 < 92%", ""] == "too few"


def test_weights_count() -> None:
    """By hand: the first half, all with the event, stands for three times as many."""
    event = np.repeat([1.0, 0.0], N // 2)
    weight = np.repeat([3.0, 1.0], N // 2)
    row = judge_groups(
        ward_groups(hour=24)[:1], table(), risk=np.full(N, 0.75), event=event, weight=weight
    )[0]
    assert row.observed == pytest.approx(0.75)
    assert row.n_effective == pytest.approx((2 * N) ** 2 / (5 * N))
    assert row.mc_error == pytest.approx(np.sqrt((9 * 0.0625 + 0.5625) * N / 2) / (2 * N))


def test_no_event_is_no_proof_of_a_miss() -> None:
    """One expected among 4,000 and none seen is chance; a hundred expected and none seen is not."""
    for risk, verdict in ((1 / N, "holds"), (100 / N, "misses")):
        rows = judge_gaps({"gap": np.full(N, risk)}, table(), event=np.zeros(N), weight=np.ones(N))
        assert rows[0].verdict == verdict


def test_a_mean_risk_without_a_reading_is_judged_by_its_ratio() -> None:
    event = np.repeat([1.0, 0.0], N // 2)
    rows = judge_gaps(
        {"near": np.full(N, 0.54), "far": np.full(N, 0.44)},
        table(),
        event=event,
        weight=np.ones(N),
    )
    assert {(row.missing, row.product): row.verdict for row in rows} == {
        **{("near", product): "holds" for product in ("", "one", "two")},
        **{("far", product): "misses" for product in ("", "one", "two")},
    }


def test_a_direction_holds_where_worse_is_never_rarer() -> None:
    """Events of half of those below 75 mmHg and of a fifth above, or the other way round."""
    n = 2 * N
    low = np.arange(n) // 2 % 2 == 0
    patients = table(n=n).assign(map_mmhg__min__h24=np.where(low, 72.0, 85.0))
    often, rarely = np.arange(n) // 4 % 2 == 0, np.arange(n) // 4 % 5 == 0
    for event, verdict in (
        (np.where(low, often, rarely), "holds"),
        (np.where(low, rarely, often), "misses"),
    ):
        rows = judge_directions(patients, hour=24, event=event.astype(float), weight=np.ones(n))
        told = {(row.vital_sign, row.product, row.grade): row.verdict for row in rows}
        assert told["map_mmhg__min", "one", 1] == verdict
        assert told["temperature_c__max", "one", 1] == "holds", "one band alone"
        assert ("map_mmhg__min", "one", 0) not in told, "nobody"
