"""Known products: a released model finds its products by any name, and refuses what contradicts
itself.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crsrisk.model.known_products import is_unknown, nearest_names, trained_name
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import load_model
from crsrisk.simulation.cohort import simulate


@pytest.fixture(scope="module")
def released() -> RiskModel:
    return load_model("baseline-0.1.0")


@pytest.fixture(scope="module")
def patients() -> pd.DataFrame:
    return simulate("tarlatamab", n=4, seed=2).X


def test_any_name_of_a_product_gives_the_same_risk(
    released: RiskModel, patients: pd.DataFrame
) -> None:
    renamed = patients.assign(product=["Tarlatamab", "IMDELLTRA", "tarlatamab", " imdelltra"])
    expected = released.predict(patients).risk
    np.testing.assert_array_equal(released.predict(renamed).risk, expected)
    np.testing.assert_array_equal(released.predict_proba(renamed)[:, 1], expected)
    np.testing.assert_array_equal(released.log_odds(renamed), released.log_odds(patients))
    assert renamed["product"].iloc[1] == "IMDELLTRA", "the caller's table stays as it is"


def test_what_contradicts_itself_has_no_risk(released: RiskModel, patients: pd.DataFrame) -> None:
    wrong = patients.assign(platform=["car_t", *patients["platform"].iloc[1:]])
    found = released.predict(wrong)
    assert found.is_refused.tolist() == [True, False, False, False]
    assert np.isnan(found.risk[0])
    assert found.rows["reasons"].iloc[0].startswith("platform contradicts another column")
    with pytest.warns(UserWarning, match="1 of 4 rows .*tarlatamab is of the platform tce"):
        assert np.isnan(released.predict_proba(wrong)[0]).all()


def test_an_unknown_product_is_told_with_the_nearest(
    released: RiskModel, patients: pd.DataFrame
) -> None:
    other = patients.assign(product=["ours", "", "tarlatamab", "MT110"])
    assert is_unknown(released, other).tolist() == [True, False, False, True]
    assert nearest_names("tarlatamabb", released).startswith(
        "the nearest that it knows: tarlatamab"
    )
    assert "til_il2" in nearest_names("ours", released)


def test_names_of_a_users_own_products_are_found_in_any_case() -> None:
    assert trained_name("OUR cart", ["our_car_t", "b"]) == "our_car_t"
    assert trained_name("our car", ["our_car", "OUR-CAR"]) is None
    assert trained_name("Imdelltra", ["tebentafusp"]) is None
