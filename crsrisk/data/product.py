"""Product: a T-cell-redirecting therapy or checkpoint inhibitor, its construct, kinetics and
regimens.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import pandas as pd
from pydantic import Field, model_validator

from crsrisk.data.assumptions import Quantity, Strict, misfit, quantities_frame, unit_of_name
from crsrisk.results import Result

HOURS_A_DAY = 24.0
AmountUnit = Literal["ug", "ug/kg", "ug/m2", "1e6 cells", "1e6 cells/kg", "1e6 cells/m2"]
Platform = Literal["tce", "immtac", "car_t", "tcr_t", "til", "ici"]
CELLULAR: frozenset[str] = frozenset({"car_t", "tcr_t", "til"})
PLATFORMS: Mapping[Platform, str] = MappingProxyType(
    {
        "tce": "T-cell engagers",
        "immtac": "ImmTACs",
        "car_t": "CAR-T cells",
        "tcr_t": "TCR-T cells",
        "til": "TIL",
        "ici": "checkpoint inhibitors",
    }
)


class Judged(Quantity):
    """A quantity that a person judges (restriction, density): the rating guide's anchor and the
    rationale.
    """

    rationale: str


def _unknown_vital_organ_expression() -> Judged:
    """What a file that does not say it stands for: little, with a wide spread."""
    return Judged(
        value=0.1,
        unit="1",
        spread=0.9,
        range=[0.02, 0.5],
        source="assumed: not said in the file",
        strength="assumed",
        rationale="The file does not rate it: a thin expression in one vital organ.",
    )


def _unknown_cell_potency() -> Judged:
    """What a file that does not say it stands for: a second-generation CAR, with a wide spread."""
    return Judged(
        value=1.0,
        unit="1",
        spread=0.6,
        range=[0.1, 4.0],
        source="assumed: not said in the file",
        strength="assumed",
        rationale="The file does not rate it: as a second-generation CAR.",
    )


class Binding(Strict):
    """What the molecule or cell is made of. Affinities are equilibrium constants (lower =
    tighter).

    ``vital_organ_expression`` (0-1): how much of the antigen lies in lung, serosa or another organ
    that one cannot lose; ``cell_potency``: activation by one engaged cell, relative to a
    second-generation CAR (not used by soluble products).
    """

    antigen_restriction: Judged
    antigen_density_copies: Judged
    tumour_affinity_nm: Quantity
    cd3_affinity_nm: Quantity
    valency: Quantity
    molecular_weight_kda: Quantity
    fc_activity: Quantity
    active_fraction_tumour: Quantity
    active_fraction_periphery: Quantity
    checkpoint_modulation: Quantity
    vital_organ_expression: Judged = Field(default_factory=_unknown_vital_organ_expression)
    cell_potency: Judged = Field(default_factory=_unknown_cell_potency)


class Kinetics(Strict):
    """Disposition of a soluble product, or expansion of a cellular one (relative to 250 million
    cells).
    """

    clearance_l_h: Quantity
    central_volume_l: Quantity
    peripheral_volume_l: Quantity
    intercompartmental_l_h: Quantity
    tissue_fraction: Quantity
    absorption_per_h: Quantity
    bioavailability: Quantity
    expansion_per_h: Quantity
    contraction_per_h: Quantity
    expansion_ceiling: Quantity


class RandomEffects(Strict):
    """How a product departs from what the rest of its file explains, as logarithms of ratios.

    Calibration infers them, with the spread between products: ``log_potency`` of the dose (lower
    dose for half an effect), ``log_efficacy`` of the engagement at full dose, ``log_severity`` of
    the endothelium's answer once there is CRS. A product that no calibration has seen has none
    and takes its draws from the spread between products.
    """

    log_potency: Quantity
    log_efficacy: Quantity
    log_severity: Quantity


class Dose(Strict):
    """One dose. ``amount`` in the regimen's ``amount_unit``: micrograms for soluble products,
    million cells for cellular ones, per kg or per m2 where it says so.
    """

    time_h: float
    amount: float
    infusion_h: float


class Premedication(Strict):
    """An agent given with stated doses: amount in usual doses of that agent, hours before the
    dose.
    """

    mitigation: str
    usual_doses: float
    hours_before: float
    with_doses: list[int]


class Regimen(Strict):
    """Route, doses and what is given beside them."""

    route: Literal["iv", "sc", "cells"]
    doses: list[Dose]
    amount_unit: AmountUnit
    amount_log_sd: float  # between-patient spread of the dose actually given (0 = fixed)
    premedication: list[Premedication]
    has_lymphodepletion: bool
    has_g_csf: bool
    interleukin_2: float  # high-dose IL-2 support, 1 = the usual course of 6 boluses
    note: str
    # given beside it: releases suppression as a checkpoint-modulating arm does
    has_checkpoint_inhibitor: bool = False
    # 1 = fludarabine 30 mg/m2 and cyclophosphamide 300-500 mg/m2 on three days
    lymphodepletion_intensity: float = 1.0
    # further between-patient spread of every dose after the first: several target doses after one
    # priming dose
    later_amount_log_sd: float = 0.0
    # False: a what-if or a stand-in for a range of doses; no part of what is simulated
    is_published: bool = Field(default=True, exclude=True)

    @model_validator(mode="after")
    def _doses_in_order(self) -> Regimen:
        times = [dose.time_h for dose in self.doses]
        if not times or times != sorted(set(times)) or times[0] != 0.0:
            raise misfit(
                "doses",
                found=f"time_h {', '.join(f'{time:g}' for time in times) or 'of no dose'}",
                expected="doses in rising time_h, the first at 0",
            )
        for number, dose in enumerate(self.doses):
            if dose.amount <= 0 or dose.infusion_h < 0:
                raise misfit(
                    f"doses.{number}",
                    found=f"amount {dose.amount:g}, infusion_h {dose.infusion_h:g}",
                    expected="positive amounts and infusion times of 0 or more",
                )
        return self

    @property
    def in_words(self) -> str:
        """Doses, days, route and what is given beside them, as a ward says them."""
        by_amount: dict[float, list[int]] = {}
        for dose in self.doses:
            by_amount.setdefault(dose.amount, []).append(round(dose.time_h / HOURS_A_DAY) + 1)
        given = [
            f"{_amount_in_words(amount, self.amount_unit)} on day{'s' if len(days) > 1 else ''}"
            f" {_listed(days)}"
            for amount, days in by_amount.items()
        ]
        beside = [
            f"{one.mitigation.replace('_', ' ')} {one.hours_before:g} h before"
            f" dose{'s' if len(one.with_doses) > 1 else ''} {_listed(one.with_doses)}"
            for one in self.premedication
        ]
        beside += [
            words
            for is_given, words in (
                (self.has_lymphodepletion, "after lymphodepletion"),
                (self.interleukin_2 > 0, "with interleukin-2"),
                (self.has_checkpoint_inhibitor, "with a checkpoint inhibitor"),
                (self.has_g_csf, "with G-CSF"),
            )
            if is_given
        ]
        route = "under the skin" if self.route == "sc" else "into a vein"
        told = f"{', '.join(given)}, {route}{''.join(f'; {one}' for one in beside)}."
        return told if self.is_published else f"{told} Not a published schedule."

    @property
    def is_stepped_up(self) -> bool:
        """Whether the first dose is smaller than the last."""
        return self.doses[0].amount < self.doses[-1].amount


def _amount_in_words(amount: float, unit: AmountUnit) -> str:
    what, _, each = unit.partition("/")
    if what == "1e6 cells":
        what = "million cells"
    elif amount >= 1000.0:
        amount, what = amount / 1000.0, "mg"
    return f"{amount:,.15g} {what}{f'/{each}' if each else ''}"


def _listed(numbers: list[int]) -> str:
    words = [str(number) for number in numbers]
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


class Observation(Strict):
    """How long patients are watched after a dose: by the ``label``, or as was ``published``.

    ``doses``: which ones, counted from 1; empty where the source does not say. ``hours``: from and
    to; None where the source gives no hours.
    """

    by: Literal["label", "published"]
    doses: list[int] = Field(default_factory=list)
    hours: list[float] | None = Field(default=None, min_length=2, max_length=2)
    setting: str
    source: str

    @model_validator(mode="after")
    def _hours_in_order(self) -> Observation:
        if self.hours is not None and not 0.0 <= self.hours[0] <= self.hours[1]:
            raise misfit("hours", found=self.hours, expected="hours of 0 or more, from and to")
        if any(dose < 1 for dose in self.doses):
            raise misfit("doses", found=self.doses, expected="doses counted from 1")
        return self

    @property
    def in_words(self) -> str:
        """Hours, doses, setting and source in one line."""
        if self.hours is None:
            told = "hours not given"
        else:
            told = " to ".join(f"{hour:g}" for hour in dict.fromkeys(self.hours)) + " h"
        after = f" after dose {', '.join(map(str, self.doses))}" if self.doses else ""
        return f"{told}{after}, {self.setting} ({self.source})"


class Product(Result, Strict):
    """A therapy that can cause CRS: what it is made of, how it is distributed, how it is given.

    Read from a YAML file by :func:`crsrisk.data.world_files.load_product`; the fields are the keys
    of that file. ``binding`` and ``kinetics`` hold quantities with unit, range and source,
    ``regimens`` the dose schedules by name; ``window_d`` is how many days after the first dose
    count. Where a trial took more than one tumour type, ``further_populations`` holds the share of
    its patients (0-1) that were of each type beside ``population``, which has the rest.
    ``other_names``: generic, brand and code names by which it is found as well. ``observation``:
    how long patients are watched after a dose. ``tumour_type``: which one, where ``population`` is
    the file of several.

    Examples
    --------
    >>> from crsrisk.data.world_files import load_product
    >>> load_product("tarlatamab")
    <Product: tarlatamab, Tarlatamab ...(tce against DLL3, small_cell_lung), regimens label, ...>
    """

    name: str
    label: str
    platform: Platform
    target: str
    population: str
    grading: str
    support_policy: str
    window_d: float
    default_regimen: str
    about: str
    citations: list[str]
    binding: Binding
    kinetics: Kinetics
    regimens: dict[str, Regimen]
    # tumour types beside `population`, with the share of patients of each
    further_populations: dict[str, float] = Field(default_factory=dict)
    random_effects: RandomEffects | None = None
    # generic, brand and code names by which a user may call it; no part of what is simulated, so of
    # no digest of it
    other_names: list[str] = Field(default_factory=list, exclude=True)
    # as little a part of what is simulated
    observation: list[Observation] = Field(default_factory=list, exclude=True)
    # its tumour type, where `population` is the file of several; neither
    tumour_type: str = Field(default="", exclude=True)

    def summary(self) -> str:
        """Name, platform, target, tumour type and regimens."""
        about = f"{self.platform} against {self.target}, {self.population}"
        return f"{self.name}, {self.label} ({about}), regimens {', '.join(self.regimens)}"

    @property
    def main_share(self) -> float:
        """Share of the patients who are of ``population``; the others are further populations."""
        return 1.0 - sum(self.further_populations.values())

    @property
    def shares_of_populations(self) -> dict[str, float]:
        """Share of the patients of every tumour type."""
        return {self.population: self.main_share, **self.further_populations}

    def to_frame(self) -> pd.DataFrame:
        """One row a number of the molecule or cell: name, value, unit, range, strength, source."""
        return quantities_frame(self)

    @model_validator(mode="after")
    def _consistent(self) -> Product:
        if self.default_regimen not in self.regimens:
            raise misfit(
                "default_regimen",
                found=self.default_regimen,
                expected=f"default_regimen among {', '.join(self.regimens)}",
            )
        parts = {"binding": self.binding, "kinetics": self.kinetics}
        effects = {} if self.random_effects is None else {"random_effects": self.random_effects}
        for place, part in {**parts, **effects}.items():
            for name in type(part).model_fields:
                quantity: Quantity = getattr(part, name)
                if quantity.unit != unit_of_name(name):
                    raise misfit(
                        f"{place}.{name}.unit",
                        found=quantity.unit,
                        expected=f"{name} in {unit_of_name(name)}",
                    )
        for field in (
            "antigen_restriction",
            "fc_activity",
            "active_fraction_tumour",
            "active_fraction_periphery",
            "checkpoint_modulation",
            "vital_organ_expression",
        ):
            if not 0.0 <= (value := getattr(self.binding, field).value) <= 1.0:
                raise misfit(f"binding.{field}", found=value, expected=f"{field} between 0 and 1")
        if not 0.0 < self.main_share <= 1.0 or any(
            share <= 0.0 for share in self.further_populations.values()
        ):
            raise misfit(
                "further_populations",
                found=dict(self.further_populations),
                expected="shares above 0 that leave a share for `population`",
            )
        wants_cells = self.platform in CELLULAR
        for name, regimen in self.regimens.items():
            if (regimen.route == "cells") != wants_cells:
                raise misfit(
                    f"regimens.{name}.route",
                    found=f"{regimen.route} on the platform {self.platform}",
                    expected="route `cells` for cellular platforms and only there",
                )
        return self
