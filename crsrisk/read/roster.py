"""Read what became of each row of published evidence; every name in it must lead somewhere."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from pydantic import Field

from crsrisk.domain.assumptions import Strict
from crsrisk.domain.baseline_check import BaselineCheck
from crsrisk.domain.published import Trial
from crsrisk.domain.roster import Fate, Phenomenon, Roster
from crsrisk.errors import InputError
from crsrisk.folders import names, synthetic_folder
from crsrisk.read.baseline_check import load_baseline_checks
from crsrisk.read.published import load_trials
from crsrisk.read.strict_yaml import build, read_yaml
from crsrisk.read.world import load_assumptions


class _Rows(Strict):
    rows: list[Fate] = Field(min_length=1)


class _Phenomena(Strict):
    phenomena: dict[str, Phenomenon]


def load_roster(
    folder: str | Path | None = None, *, trials: Sequence[Trial] | None = None,
    checks: Sequence[BaselineCheck] | None = None,
) -> Roster:
    """The roster of a folder (without one: of the one that ships), checked against what it names.

    A folder holds published_rates.yaml, risk_factors.yaml and phenomena.yaml. ``trials`` and ``checks`` are the shipped
    ones unless handed in. Refused with an :class:`InputError`: an id twice, a target that is no figure of its source, a
    figure that is no target, a check, phenomenon, scenario, assumption or counted row that does not exist, and a
    phenomenon that only recalled rows support.

    >>> len(load_roster().published_rates)
    194
    """
    place = Path(folder).expanduser() if folder is not None else synthetic_folder() / "evidence" / "roster"
    rates, factors = (build(_Rows, read_yaml(place / name), where=name).rows
                      for name in ("published_rates.yaml", "risk_factors.yaml"))
    phenomena = build(_Phenomena, read_yaml(place / "phenomena.yaml"), where="phenomena.yaml").phenomena
    roster = Roster(tuple(rates), tuple(factors), MappingProxyType(phenomena))
    _each_once(roster)
    _check_targets(roster, trials=load_trials() if trials is None else trials)
    _check_names(roster, checks=load_baseline_checks() if checks is None else checks)
    return roster


def _refuse(row: Fate, *, key: str, found: str, expected: str, cure: str = "correct the name") -> InputError:
    where = "risk_factors.yaml" if row.id.startswith("F") else "published_rates.yaml"
    return InputError(where=f"roster/{where}", key=f"{row.id}.{key}", found=found, expected=expected, cure=cure)


def _each_once(roster: Roster) -> None:
    seen: set[str] = set()
    for row in roster.rows:
        if row.id in seen:
            raise _refuse(row, key="id", found="the id a second time", expected="each row once",
                          cure="delete one of the two")
        seen.add(row.id)


def _check_targets(roster: Roster, *, trials: Sequence[Trial]) -> None:
    """Targets and figures of the sources are the same ids, each in the source that is named."""
    entered = {figure.id: (trial.name, figure.verified) for trial in trials for figure in trial.rows}
    for row in roster.of("target"):
        source, is_verified = entered.get(row.id, ("no source", True))
        if source != row.used_in:
            raise _refuse(row, key="used_in", found=str(row.used_in), expected=f"{source}, where the figure stands")
        if is_verified == row.unverified:
            raise _refuse(row, key="unverified", found=str(row.unverified).lower(),
                          expected=f"{str(not is_verified).lower()}, as in {source}.yaml", cure="correct it")
    if left := sorted(entered.keys() - {row.id for row in roster.of("target")}):
        raise InputError(where="roster/published_rates.yaml", key=left[0], found="nothing, or another use",
                         expected=f"use target, for the figure stands in {entered[left[0]][0]}.yaml",
                         cure="add the row to the roster")


def _check_names(roster: Roster, *, checks: Sequence[BaselineCheck]) -> None:
    """What a row is used in exists, and a phenomenon has a verified row that supports it."""
    known: Mapping[str, Collection[str]] = {
        "baseline": {check.id for check in checks}, "qualitative": roster.phenomena.keys(),
        "scenario": names("scenarios"), "prior": load_assumptions().keys()}
    for row in roster.rows:
        if row.use in known and row.used_in not in known[row.use]:
            raise _refuse(row, key="used_in", found=str(row.used_in), expected=f"the name of a {row.use} that exists")
        if row.counted_as is not None and row.counted_as not in {other.id for other in roster.of("target")}:
            raise _refuse(row, key="counted_as", found=row.counted_as, expected="the id of a target")
    by_id = {row.id: row for row in roster.rows}
    for check in checks:
        for evidence in check.evidence:
            if evidence not in by_id:
                raise InputError(where="baseline/checks.yaml", key=f"{check.id}.evidence", found=evidence,
                                 expected="an id of the roster", cure="correct the id")
    if idle := sorted(roster.phenomena.keys() - {row.used_in for row in roster.of("qualitative") if not row.unverified}):
        raise InputError(where="roster/phenomena.yaml", key=idle[0], found="no verified row that supports it",
                         expected="one or more: what is only recalled never carries a claim alone",
                         cure="name it in used_in of a row, or delete it")
