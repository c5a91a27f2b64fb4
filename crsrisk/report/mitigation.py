"""For the trial designer: each product with and without each mitigation, how long to watch, and how
CRS comes on over the days.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.data.cohort import Cohort
from crsrisk.errors import InputError
from crsrisk.plots.chart_data import HoursCell, OnsetCurve, RatesCell
from crsrisk.report.sections import Column, Row, Table, row, table
from crsrisk.results import Estimate
from crsrisk.wording import (
    MISSING,
    check_risk,
    number,
    plain_name,
    short_label,
    significant,
    window_in_words,
)

NO_MITIGATION = "none"
N_ONSET_STEPS = 84  # every six hours of three weeks


@dataclass(frozen=True)
class MitigationArm:
    """One simulated arm: a product under its usual regimen with one mitigation added, or none.

    Shares (0-1) of ``n`` patients with CRS of grade 2 or more and 3 or more within ``window_d``
    days, with their Monte Carlo errors. The changes are against the product's arm without
    mitigation in the same patients, so their errors are those of paired differences.
    """

    product: str
    mitigation: str
    n: int
    window_d: float
    grade2plus: Estimate
    grade3plus: Estimate
    change_grade2plus: Estimate
    change_grade3plus: Estimate


@dataclass(frozen=True)
class ObservationHours:
    """Hours after the most recent dose within which 50, 90 and 95 of 100 first onsets are seen.

    None where no patient had CRS.
    """

    product: str
    n_events: int
    hours_50: float | None
    hours_90: float | None
    hours_95: float | None

    @property
    def hours(self) -> tuple[float | None, float | None, float | None]:
        """The three times, from the shortest."""
        return self.hours_50, self.hours_90, self.hours_95


@dataclass(frozen=True)
class MitigationSection:
    """One table a product, what holds for all of them, and the arms as they came."""

    notes: tuple[str, ...]
    tables: tuple[Table, ...]
    arms: tuple[MitigationArm, ...]


@dataclass(frozen=True)
class ObservationSection:
    """The table of hours, and what it is made from in the same order."""

    table: Table
    products: tuple[ObservationHours, ...]


@dataclass(frozen=True)
class TrialSection:
    """What the report has for the trial designer; ``onset`` by product."""

    mitigations: MitigationSection
    observation: ObservationSection
    onset: Mapping[str, OnsetCurve]


def trial_section(
    arms: Sequence[MitigationArm],
    *,
    hours: Sequence[ObservationHours],
    cohort: Cohort,
    labels: Mapping[str, str],
    mitigation_labels: Mapping[str, str],
    order: Sequence[str],
) -> TrialSection:
    """Arms, hours of observation and onset curves, products in ``order``, by their labels."""
    return TrialSection(
        mitigations=mitigation_section(
            arms, labels=labels, mitigation_labels=mitigation_labels, order=order
        ),
        observation=observation_section(hours, labels=labels, order=order),
        onset=onset_curves(cohort, labels=labels, order=order),
    )


def mitigation_section(
    arms: Sequence[MitigationArm],
    *,
    labels: Mapping[str, str],
    mitigation_labels: Mapping[str, str],
    order: Sequence[str],
) -> MitigationSection:
    """One table a product, `none` first.

    Raises :class:`InputError` for a product without its arm without mitigation, or with two.
    """
    sizes = sorted({arm.n for arm in arms})
    size = (
        " to ".join(number(n, digits=0) for n in sorted({sizes[0], sizes[-1]})) if sizes else "no"
    )
    products = _in_order({arm.product for arm in arms}, order)
    return MitigationSection(
        notes=(
            f"Per 100 patients ± Monte Carlo error (one standard error), {size} simulated"
            " patients an arm. Change: against none added, in the same simulated patients. Errors"
            " of changes are of paired differences.",
            "What a mitigation does here follows from the node that it acts on in the mechanism"
            " and from assumed potencies: a hypothesis for a trial, not an effect that was seen.",
        ),
        tables=tuple(
            _product_table(
                [arm for arm in arms if arm.product == product],
                numeral=f"9.{at}",
                label=labels.get(product, product),
                mitigation_labels=mitigation_labels,
            )
            for at, product in enumerate(products, start=1)
        ),
        arms=tuple(arms),
    )


def _in_order(products: set[str], order: Sequence[str]) -> list[str]:
    """Products in the order of every table, those that are not in it behind."""
    return [name for name in order if name in products] + sorted(products - set(order))


def _product_table(
    arms: Sequence[MitigationArm],
    *,
    numeral: str,
    label: str,
    mitigation_labels: Mapping[str, str],
) -> Table:
    product = arms[0].product
    without = [arm for arm in arms if arm.mitigation == NO_MITIGATION]
    if len(without) != 1:
        raise InputError(
            where="report: arms with mitigations",
            key=f"{product}, {NO_MITIGATION}",
            found=f"{len(without)} arms",
            expected="one arm without mitigation",
            cure="simulate each product once without",
        )
    others = [arm for arm in arms if arm.mitigation != NO_MITIGATION]
    rows = [_arm_row(without[0], label="None added", is_reference=True)]
    for arm in others:
        name = mitigation_labels.get(arm.mitigation, plain_name(arm.mitigation))
        rows.append(_arm_row(arm, label=short_label(name)))
    return table(
        f"mitigation-{product}",
        number=numeral,
        title=f"{label}, {window_in_words(without[0].window_d)}",
        row_header="Mitigation",
        columns=[
            ("", "0 to 100"),
            ("Grade ≥ 2", "per 100"),
            ("Change", ""),
            ("Grade ≥ 3", "per 100"),
            ("Change", ""),
        ],
        rows=rows,
    )


def _arm_row(arm: MitigationArm, *, label: str, is_reference: bool = False) -> Row:
    """One arm: a bar, then for each grade the rate and its change against no mitigation."""
    rates = RatesCell(
        check_risk(arm.grade2plus.value, key="grade2plus"),
        check_risk(arm.grade3plus.value, key="grade3plus"),
    )
    return row(
        label,
        [
            rates,
            _per_100(arm.grade2plus),
            MISSING if is_reference else _per_100(arm.change_grade2plus, is_change=True),
            _per_100(arm.grade3plus),
            MISSING if is_reference else _per_100(arm.change_grade3plus, is_change=True),
        ],
        is_strong=is_reference,
    )


def _per_100(estimate: Estimate, *, is_change: bool = False) -> str:
    """A share of 100 patients with its Monte Carlo error; a change with its sign."""
    value, error = 100 * estimate.value, 100 * (estimate.mc_error or 0.0)
    sign = "+" if is_change and round(value, 1) > 0 else ""
    return f"{sign}{number(value, digits=1)} ± {number(error, digits=1)}"


def observation_section(
    hours: Sequence[ObservationHours], *, labels: Mapping[str, str], order: Sequence[str]
) -> ObservationSection:
    """Hours of observation after the most recent dose that show 50, 90 and 95% of onsets."""
    by_product = {product.product: product for product in hours}
    products = [by_product[name] for name in _in_order(set(by_product), order)]
    return ObservationSection(
        table=table(
            "hours",
            number="10",
            title="Hours of observation after the most recent dose",
            row_header="Product",
            columns=[
                ("Onsets", "simulated"),
                *((f"{share} of 100", "onsets seen, h") for share in (50, 90, 95)),
                Column("", axis="time"),
            ],
            rows=[
                row(
                    labels.get(product.product, product.product),
                    [
                        number(product.n_events, digits=0),
                        *(significant(time_h) for time_h in product.hours),
                        HoursCell(product.hours),
                    ],
                )
                for product in products
            ],
            notes=[
                "● 50, ◇ 90, □ 95 of 100 onsets of CRS of any grade within the window, counted from"
                " the dose before each onset. Few onsets make the later marks unsure."
            ],
        ),
        products=tuple(products),
    )


def onset_curves(
    cohort: Cohort, *, labels: Mapping[str, str], order: Sequence[str]
) -> dict[str, OnsetCurve]:
    """By product, how many of 100 patients have had CRS, and CRS of grade 2 or more, by each
    time.
    """
    curves = {}
    for product in order:
        outcomes = cohort.outcomes[(cohort.observed["product"] == product).to_numpy()]
        window_d = float(outcomes["window_d"].iloc[0])
        time_d = np.linspace(0, window_d, N_ONSET_STEPS + 1)
        curves[product] = OnsetCurve(
            label=labels[product],
            window_d=window_d,
            time_d=[round(float(at), 6) for at in time_d],
            any_per100=_reached_per_100(outcomes["onset_h"], time_d=time_d),
            grade2plus_per100=_reached_per_100(outcomes["onset_grade2plus_h"], time_d=time_d),
        )
    return curves


def _reached_per_100(onset_h: pd.Series[float], *, time_d: NDArray[np.float64]) -> list[float]:
    """Of 100 patients (NaN: no event), how many had the event by each time in days."""
    onset_d = np.sort(onset_h.dropna().to_numpy(dtype=np.float64)) / 24.0
    counts = np.searchsorted(onset_d, time_d, side="right")
    return [round(100 * float(n) / len(onset_h), 4) for n in counts]
