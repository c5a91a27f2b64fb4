"""Published indices: worked by hand, with missing values, and the properties that their formulas
promise.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.errors import InputError
from crsrisk.fields import FIELDS
from crsrisk.model.indices import (
    INDICES,
    LDH_LIMIT,
    crp_albumin_ratio,
    easix,
    easix_ferritin,
    m_easix,
)

LABS = {
    "ldh_x_uln": 2.0,
    "creatinine_umol_l": 88.42,
    "platelets_g_l": 100.0,
    "crp_mg_l": 50.0,
    "ferritin_ug_l": 800.0,
    "albumin_g_l": 25.0,
    "ldh_upper_limit_u_l": 250.0,
}
level = st.floats(0.1, 500.0)


def labs(name: str, **others: float) -> dict[str, float]:
    return {column: others.get(column, LABS[column]) for column in INDICES[name].columns}


def test_easix_by_hand() -> None:
    # 2 x 250 U/L = 500; creatinine 88.42 umol/L = 1 mg/dL; 500 x 1 / 100 = 5
    assert float(INDICES["easix"].compute(**labs("easix"))) == pytest.approx(5.0, rel=1e-12)


def test_m_easix_by_hand() -> None:
    # CRP 50 mg/L = 5 mg/dL; 500 x 5 / 100 = 25
    assert float(INDICES["m_easix"].compute(**labs("m_easix"))) == pytest.approx(25.0, rel=1e-12)


def test_easix_ferritin_is_the_product() -> None:
    index = INDICES["easix_ferritin"].compute(**labs("easix_ferritin"))
    assert float(index) == pytest.approx(5.0 * 800.0, rel=1e-12)


def test_crp_albumin_ratio_by_hand() -> None:
    assert float(crp_albumin_ratio(**labs("crp_albumin_ratio"))) == 2.0


@pytest.mark.parametrize("name", INDICES)
def test_each_missing_value_makes_the_index_missing(name: str) -> None:
    for column in INDICES[name].columns:
        assert np.isnan(INDICES[name].compute(**labs(name, **{column: np.nan}))), column


@pytest.mark.parametrize("name", INDICES)
def test_index_of_a_column_is_a_column(name: str) -> None:
    values = INDICES[name].compute(
        **{column: np.array([LABS[column]] * 3) for column in INDICES[name].columns}
    )
    assert values.shape == (3,)


@pytest.mark.parametrize("name", INDICES)
def test_index_names_its_columns_and_source(name: str) -> None:
    assert set(INDICES[name].columns) <= set(FIELDS)
    assert INDICES[name].source


@given(level, level, level, st.floats(1.01, 10.0))
def test_easix_rises_with_ldh_and_falls_with_platelets(
    ldh: float, creatinine: float, platelets: float, k: float
) -> None:
    value = float(easix(ldh_u_l=ldh, creatinine_umol_l=creatinine, platelets_g_l=platelets))
    assert float(
        easix(ldh_u_l=k * ldh, creatinine_umol_l=creatinine, platelets_g_l=platelets)
    ) == pytest.approx(k * value)
    assert float(
        easix(ldh_u_l=ldh, creatinine_umol_l=creatinine, platelets_g_l=k * platelets)
    ) == pytest.approx(value / k)


@given(level, level, level)
def test_m_easix_is_easix_with_crp_for_creatinine(ldh: float, crp: float, platelets: float) -> None:
    of_crp = float(m_easix(ldh_u_l=ldh, crp_mg_l=crp, platelets_g_l=platelets))
    of_creatinine = float(
        easix(ldh_u_l=ldh, creatinine_umol_l=crp / 10 * 88.42, platelets_g_l=platelets)
    )
    assert of_crp == pytest.approx(of_creatinine)


def test_a_count_of_zero_is_missing_not_infinite() -> None:
    assert np.isnan(float(INDICES["easix"].compute(**labs("easix", platelets_g_l=0.0))))


@given(level, st.floats(50.0, 1000.0), level, level)
def test_ldh_in_u_l_or_with_the_limit_that_belongs_to_it(
    multiple: float, limit: float, creatinine: float, platelets: float
) -> None:
    others = {"creatinine_umol_l": creatinine, "platelets_g_l": platelets}
    assert float(easix(ldh_x_uln=multiple, ldh_upper_limit_u_l=limit, **others)) == pytest.approx(
        float(easix(ldh_u_l=multiple * limit, **others))
    )
    assert float(
        easix_ferritin(ldh_x_uln=multiple, ldh_upper_limit_u_l=limit, ferritin_ug_l=2.0, **others)
    ) == pytest.approx(2.0 * float(easix(ldh_u_l=multiple * limit, **others)))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"ldh_x_uln": 2.0},
        {"ldh_u_l": 480.0, "ldh_x_uln": 2.0},
        {"ldh_u_l": 480.0, "ldh_upper_limit_u_l": 240.0},
        {"ldh_upper_limit_u_l": 240.0},
    ],
)
@pytest.mark.parametrize("index", [easix, m_easix, easix_ferritin])
def test_ldh_without_its_limit_is_refused(
    index: Callable[..., float], given: dict[str, float]
) -> None:
    others = {
        "easix": ("creatinine_umol_l", "platelets_g_l"),
        "m_easix": ("crp_mg_l", "platelets_g_l"),
        "easix_ferritin": ("creatinine_umol_l", "platelets_g_l", "ferritin_ug_l"),
    }[index.__name__]
    with pytest.raises(InputError, match="ldh_upper_limit_u_l"):
        index(**given, **{name: LABS[name] for name in others})


@pytest.mark.parametrize("name", ["easix", "m_easix", "easix_ferritin"])
def test_a_feature_takes_the_limit_of_its_row(name: str) -> None:
    assert LDH_LIMIT in INDICES[name].columns
    columns = {column: np.array([LABS[column]] * 3) for column in INDICES[name].columns}
    columns[LDH_LIMIT] = np.array([250.0, 500.0, np.nan])
    first, second, third = INDICES[name].compute(**columns)
    assert second == pytest.approx(2.0 * first)
    assert np.isnan(third)
