"""A third opinion on the released models: treelite reads their text as LightGBM wrote it and gives
the same raw log-odds to the bit, with missing values, at thresholds of the trees, and one unit in
the last place beside them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import treelite
from numpy.typing import NDArray

from crsrisk.folders import find, names
from crsrisk.model.forest import forest_of, raw_log_odds_by
from crsrisk.model.store import load_model

ROWS = 2_000
PLACED = 8_000  # values at a threshold of the trees, or right beside one


def rows_at_thresholds(
    feature: NDArray[np.int32], threshold: NDArray[np.float64], *, n_features: int
) -> NDArray[np.float64]:
    """Random rows with gaps, in which many a value lies where a tree splits."""
    rng = np.random.default_rng(18)
    rows = rng.normal(50.0, 80.0, (ROWS, n_features))
    split, row = rng.integers(0, len(feature), PLACED), rng.integers(0, ROWS, PLACED)
    beside = np.nextafter(threshold[split], rng.choice([-np.inf, np.inf], PLACED))
    rows[row, feature[split]] = np.where(rng.random(PLACED) < 0.5, threshold[split], beside)
    rows[rng.random(rows.shape) < 0.15] = np.nan
    return rows


@pytest.mark.parametrize("name", names("released"))
def test_raw_log_odds_are_those_of_treelite(name: str, tmp_path: Path) -> None:
    model = load_model(find("released", name))
    place = tmp_path / "booster.txt"
    place.write_text(model.booster_text, encoding="utf-8")
    forest = forest_of(model.booster_text)
    rows = rows_at_thresholds(
        forest.nodes["feature"],
        forest.nodes["threshold"],
        n_features=len(model.contract.feature_names),
    )
    other = treelite.gtil.predict(
        treelite.frontend.load_lightgbm_model(place), rows, pred_margin=True
    )
    np.testing.assert_array_equal(np.ravel(other), raw_log_odds_by(forest, rows))
