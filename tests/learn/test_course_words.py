"""The course in a reason: every feature of a quantity is said, in clinical words, and a gap is said as one."""

from __future__ import annotations

import pytest

from crsrisk.learn.course_words import course_in_words

NOTHING = float("nan")


@pytest.mark.parametrize(
    ("values", "unit", "says"),
    [
        ({"crp_mg_l__h24": 52.0, "crp_mg_l__max__h24": 52.0, "crp_mg_l__slope__h24": 1.84}, "mg/L",
         "52 mg/L at 24 h (the highest so far, rising by 1.8 mg/L an hour)"),
        ({"il6_pg_ml__h12": 210.4, "il6_pg_ml__max__h12": 1830.0, "il6_pg_ml__slope__h12": -12.3}, "pg/mL",
         "210 pg/mL at 12 h (highest 1830 pg/mL, falling by 12 pg/mL an hour)"),
        ({"crp_mg_l__h24": 52.0, "crp_mg_l__max__h24": 52.0, "crp_mg_l__slope__h24": 0.1}, "mg/L",
         "52 mg/L at 24 h (the highest so far, unchanged)"),
        ({"crp_mg_l__h24": NOTHING, "crp_mg_l__max__h24": 44.0, "crp_mg_l__slope__h24": 0.5}, "mg/L",
         "44 mg/L by 24 h (rising by 0.5 mg/L an hour)"),
        ({"map_mmhg__min__h24": 64.2, "map_mmhg__slope__h24": -0.91}, "mmHg",
         "64.2 mmHg by 24 h (falling by 0.91 mmHg an hour)"),
        ({"map_mmhg__min__h6": 64.2}, "mmHg", "64.2 mmHg by 6 h"),
        ({"spo2_pct__min__h24": NOTHING, "spo2_pct__slope__h24": NOTHING}, "%", "not measured"),
        ({"grade__max__h24": 0.0, "grade__onset__h24": NOTHING}, "1", "no CRS by 24 h"),
        ({"grade__max__h24": 1.0, "grade__onset__h24": 6.0}, "1", "grade 1 by 24 h (first seen by 6 h)"),
        ({"grade__max__h168": NOTHING, "grade__onset__h168": NOTHING}, "1", "not measured"),
    ],
)  # fmt: skip
def test_what_is_said(values: dict[str, float], unit: str, says: str) -> None:
    assert course_in_words(values, unit=unit) == says
