"""Controls: a cohort in which nothing can be learnt, and one in which something must be noticed.

Negative control: outcomes are dealt out anew among all patients of a simulated cohort. Every feature, gap and product
stays as the simulator made it and the number of events too, but the true risk is the same for everybody, so an AUROC off
0.5 or reasons of some size can only come from the code. (A world in which no mechanism acts would serve less: it has no
events at all, or keeps differences between products.) Positive control: a laboratory value measured during the reaction
takes the place of its baseline value, as happens when a registry is merged by patient and not by time.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from crsrisk import streams


def with_permuted_outcomes(outcomes: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """The same rows of outcomes dealt to other patients, all columns of a row together; patients and windows stay.

    >>> table = pd.DataFrame({"patient_id": [1, 2, 3], "crs_any": [True, False, False], "window_d": [21.0, 21.0, 60.0]})
    >>> int(with_permuted_outcomes(table, seed=1)["crs_any"].sum())
    1
    """
    order = np.argsort(streams.uniforms(seed=seed, decision="permuted outcomes", start=0, stop=len(outcomes), width=1)[:, 0])
    stays = [name for name in ("patient_id", "window_d") if name in outcomes.columns]
    dealt = outcomes.iloc[order].set_axis(outcomes.index, axis=0)
    return dealt.assign(**{name: outcomes[name] for name in stays})[list(outcomes.columns)]


def with_planted_leak(observed: pd.DataFrame, outcomes: pd.DataFrame, *, column: str, peak: str) -> pd.DataFrame:
    """The observed table with a value of the episode (a column of the outcomes) where the baseline value should stand.

    What was not measured at baseline stays empty.
    """
    was_measured = observed[column].notna().to_numpy()
    return observed.assign(**{column: np.where(was_measured, outcomes[peak].to_numpy(dtype=np.float64), np.nan)})
