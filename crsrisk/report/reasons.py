"""What drives the model: mean contribution over all held-out patients, by clinical variable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crsrisk.data.explanation import Explanation, direction
from crsrisk.data.risk_model import Kind, Role, Theme
from crsrisk.plots.chart_data import BarCell, ImportanceBar, bar_end
from crsrisk.report.sections import Column, Row, Table, row, table
from crsrisk.wording import number, typeset

_KINDS = {"cause": "cause in the simulator", "marker": "marker", "mediator": "part of the reaction"}


@dataclass(frozen=True)
class Driver:
    """A clinical variable and how much it moves the risk.

    ``mean_points``: mean absolute contribution as change of the risk of 100 patients;
    ``mean_log_odds``: the same in log-odds. ``direction`` in words ("higher raises").
    """

    variable: str
    label: str
    theme: Theme
    kind: Kind
    role: Role
    mean_points: float
    mean_log_odds: float
    why: str
    direction: str


@dataclass(frozen=True)
class DriversSection:
    """All drivers, largest first, and the table of them; ``base_risk`` (0-1) is where reasons
    start.
    """

    drivers: tuple[Driver, ...]
    table: Table
    n_patients: int
    base_risk: float
    notice: str

    @property
    def bars(self) -> tuple[ImportanceBar, ...]:
        """What the figure of importance is drawn from."""
        return tuple(
            ImportanceBar(driver.label, driver.mean_points, driver.direction)
            for driver in self.drivers
        )


def drivers_section(explanation: Explanation) -> DriversSection:
    """Mean size of each variable's contribution, largest first, and the direction in which it
    works.

    Importance is the mean absolute Shapley value of the calibrated model, never the gain of its
    trees: those that start it were written, not grown, and have no gain.
    """
    sizes = 100 * np.abs(explanation.points).mean(axis=0)
    log_odds = np.abs(explanation.contributions).mean(axis=0)
    drivers = []
    for at in np.argsort(-sizes, kind="stable"):
        variable = explanation.variables[at]
        drivers.append(
            Driver(
                variable=variable.name,
                label=typeset(variable.label),
                theme=variable.theme,
                kind=variable.kind,
                role=variable.role,
                mean_points=round(float(sizes[at]), 6),
                mean_log_odds=round(float(log_odds[at]), 6),
                why=typeset(variable.why),
                direction=direction(
                    explanation.values.iloc[:, at],
                    explanation.contributions[:, at],
                    variable=variable,
                ),
            )
        )
    return DriversSection(
        drivers=tuple(drivers),
        table=_drivers_table(drivers),
        n_patients=len(explanation.values),
        base_risk=float(explanation.base_risk),
        notice=explanation.notice,
    )


def _drivers_table(drivers: list[Driver]) -> Table:
    highest = bar_end([driver.mean_points for driver in drivers])
    return table(
        "drivers",
        number="11",
        title="What drives the model",
        row_header="Clinical variable",
        columns=[
            ("Mean change", "of 100 patients"),
            ("", ""),
            Column("Direction", is_text=True),
            Column("Group", is_text=True),
            Column("In the simulator", is_text=True),
        ],
        rows=[_driver_row(driver, highest=highest) for driver in drivers],
        notes=[
            (
                "Mean over held-out patients of the absolute contribution (exact Shapley values of"
                " the calibrated model, summed over the features of a variable), as change of the"
                " risk of 100 patients. Direction: rank correlation of value and contribution of"
                " 0.3 or more."
            ),
            (
                "Lever: the treating team can change it. Marker: travels with causes without an"
                " effect of its own."
            ),
        ],
    )


def _driver_row(driver: Driver, *, highest: float) -> Row:
    lever = ", lever" if driver.role == "lever" else ""
    return row(
        driver.label,
        [
            number(driver.mean_points, digits=1),
            BarCell(driver.mean_points, highest),
            driver.direction,
            driver.theme,
            f"{_KINDS[driver.kind]}{lever}",
        ],
    )
