"""Designer: what a trial designer asks first: what would prophylaxis change, and how long must one watch?"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from crsrisk.domain.product import Product
from crsrisk.domain.world import World
from crsrisk.simulate.figures import since_dose_h
from crsrisk.simulate.trial import simulate_outcomes

NONE = "none"


def _per_100(event: pd.Series[bool]) -> tuple[float, float]:
    share = float(event.mean())
    return 100.0 * share, 100.0 * float(np.sqrt(share * (1.0 - share) / len(event)))


def mitigation_table(
    products: Sequence[Product], *, world: World, mitigations: Sequence[str], n: int, seed: int, workers: int = 1,
    advance: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """Grade >= 2 and >= 3 per 100 patients with and without each mitigation, with Monte Carlo errors.

    A mitigation is added to the product's usual regimen as prophylaxis before the first dose. Arms of one product
    share their patients, so ``difference_grade2plus`` (per 100, against none) carries the error of the paired
    difference, which is smaller than the errors of the two rates suggest.
    """
    rows = []
    for product in products:
        usual = None
        for name in (NONE, *mitigations):
            table = simulate_outcomes(product, world=world, n=n, seed=seed, workers=workers,
                                      mitigations=() if name == NONE else (name,))
            usual = table if usual is None else usual
            two, error_two = _per_100(table["crs_grade2plus"])
            three, error_three = _per_100(table["crs_grade3plus"])
            change = 100.0 * (table["crs_grade2plus"].astype(float) - usual["crs_grade2plus"].astype(float))
            rows.append({
                "product": product.name, "mitigation": name, "per100_grade2plus": two, "mc_error_grade2plus": error_two,
                "per100_grade3plus": three, "mc_error_grade3plus": error_three,
                "difference_grade2plus": float(change.mean()), "mc_error_difference": float(change.std() / np.sqrt(n)),
                "n": n, "window_d": float(table["window_d"].iloc[0]),
            })
            if advance is not None:
                advance(1)
    return pd.DataFrame(rows)


def observation_hours(outcomes_by_product: dict[str, tuple[Product, pd.DataFrame]]) -> pd.DataFrame:
    """Hours of observation after the most recent dose within which 50, 90 and 95% of first onsets are seen."""
    rows = []
    for name, (product, table) in outcomes_by_product.items():
        doses = [dose.time_h for dose in product.regimens[product.default_regimen].doses]
        onset = table["onset_h"].to_numpy(dtype=np.float64)
        waits = since_dose_h(onset[~np.isnan(onset)], dose_times_h=doses)
        hours = np.quantile(waits, [0.5, 0.9, 0.95]) if len(waits) else [np.nan] * 3
        rows.append({"product": name, "hours_50": float(hours[0]), "hours_90": float(hours[1]), "hours_95": float(hours[2]),
                     "n_events": len(waits)})
    return pd.DataFrame(rows)
