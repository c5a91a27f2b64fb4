"""What an onset model says of patients: risk by hours, and after each dose when onset is to be
expected, beside the hours of observation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.onset import DoseSchedule
from crsrisk.data.product import Observation
from crsrisk.plots.chart_data import OnsetForecast
from crsrisk.results import Result, to_plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HOURS: tuple[float, ...] = (24.0, 48.0, 72.0, 168.0)  # 7 d
QUANTILES: tuple[float, ...] = (0.5, 0.9)
NO_ADVICE = (
    "These hours describe simulated patients; they are no advice to shorten observation, which the"
    " product's label decides."
)
LATER_DOSES = (
    "Known miss: after the second dose of tarlatamab the simulator has fewer first grades of 2 or"
    " more than its label (docs/limits.md); risks and hours after later doses of any product are"
    " too weak to rely on."
)


def hour_name(hour: float) -> str:
    """The column with the risk by an hour after the first dose.

    >>> hour_name(24.0)
    'risk_24h'
    """
    return f"risk_{hour:g}h"


def watching_in_words(observation: Sequence[Observation]) -> str:
    """The label's hours of observation with their source, and what else was published of them.

    >>> watching_in_words([])
    'label: not in the evidence here, read the label'
    """
    label = [one.in_words for one in observation if one.by == "label"]
    others = [one.in_words for one in observation if one.by != "label"]
    told = f"label: {'; '.join(label) or 'not in the evidence here, read the label'}"
    return f"{told}; published: {'; '.join(others)}" if others else told


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class OnsetPrediction(Result):
    """When a first CRS of grade 2 or more is to be expected, patient by patient.

    Parameters
    ----------
    rows : a frame with the index of the table: `product`, `risk` inside the window (0-1, the risk
        model's), `status`, `reasons`, and the risk by each hour after the first dose (`risk_24h`),
        NaN where it cannot be estimated.
    doses : one row a patient (`row`, as in the index of ``rows``) and dose: `dose_h` and `until_h`
        in hours after the first dose, `risk_if_none_so_far` until then (0-1, in patients without
        grade 2 or more when the dose is given), and, of the onsets in that time, the hours after
        the dose by which half (`median_h_after_dose`) and nine of ten (`hours_90_after_dose`) came.
    curves : by row, hours after the first dose and the risk by then.
    schedules : doses and window by product.
    watching : hours of observation by product, in words, with their source.
    notice : which patients the risk model was fitted to, and that it is for research.
    model : name and version of the risk model.
    outcome_in_words : what the risk is of.
    """

    rows: pd.DataFrame
    doses: pd.DataFrame
    curves: Mapping[Any, tuple[NDArray[np.float64], NDArray[np.float64]]]
    schedules: Mapping[str, DoseSchedule]
    watching: Mapping[str, str]
    model: str
    outcome_in_words: str
    notice: str

    @property
    def has_later_doses(self) -> bool:
        """Whether any dose after the first is told of."""
        return bool(len(self.doses)) and bool((self.doses["dose"] > 1).any())

    @property
    def notes(self) -> tuple[str, ...]:
        """What belongs beside the hours wherever they are shown."""
        shown = dict.fromkeys(self.rows["product"])
        watched = [
            f"Hours of observation, {name}: {self.watching[name]}."
            for name in shown
            if name in self.watching
        ]
        later = [LATER_DOSES] if self.has_later_doses else []
        return (*watched, NO_ADVICE, *later, self.notice)

    def to_frame(self) -> pd.DataFrame:
        """One row a patient, the columns of its doses beside it (`dose_1__median_h_after_dose`)."""
        if not len(self.doses):
            return self.rows
        wide = self.doses.pivot(
            index="row",
            columns="dose",
            values=["risk_if_none_so_far", "median_h_after_dose", "hours_90_after_dose"],
        )
        wide = wide.sort_index(axis=1, level=1, sort_remaining=False)
        pairs = wide.columns.to_frame(index=False).to_numpy().tolist()
        wide.columns = pd.Index([f"dose_{dose}__{name}" for name, dose in pairs])
        observation = self.rows["product"].map(lambda name: self.watching.get(name, ""))
        return self.rows.join(wide).assign(hours_of_observation=observation)

    def to_dict(self) -> dict[str, Any]:
        """Rows, doses and notes as plain values; the curves are left out."""
        return {
            "model": self.model,
            "outcome": self.outcome_in_words,
            "rows": to_plain(self.rows.reset_index(names="row")),
            "doses": to_plain(self.doses),
            "watching": dict(self.watching),
            "notes": list(self.notes),
        }

    def summary(self) -> str:
        """How many patients, by which model, and what belongs beside the hours."""
        n_told = int(self.rows.filter(like="risk_").notna().all(axis=1).sum())
        return "\n".join(
            [
                f"{len(self.rows)} patients by {self.model}, onset of {self.outcome_in_words} told"
                f" of {n_told}.",
                *self.notes,
            ]
        )

    def plot(self, row: Any = None, *, ax: Axes | None = None) -> Axes:
        """The risk of one patient by hours after the first dose, with the doses and the hours by
        which half and nine of ten onsets after each have come.

        Parameters
        ----------
        row : a value of the index of ``rows``; the first patient told of where none is given.
        ax : axes to draw on; those of a new figure where none are given.

        Raises
        ------
        KeyError
            For a patient of whom onset is not told.
        """
        from crsrisk.plots.onset_charts import plot_onset_forecast

        chosen = next(iter(self.curves)) if row is None else row
        hours, risk = self.curves[chosen]
        after = self.doses[self.doses["row"] == chosen]
        return plot_onset_forecast(
            OnsetForecast(
                hours=hours.tolist(),
                risk=risk.tolist(),
                dose_h=after["dose_h"].tolist(),
                median_h=(after["dose_h"] + after["median_h_after_dose"]).tolist(),
                hours_90=(after["dose_h"] + after["hours_90_after_dose"]).tolist(),
            ),
            ax=ax,
        )
