"""Read the published evidence: its figures, and what became of each row of it.

Figures stand in one YAML file a source, all checked before one of them is used. Every row of the
tables of published evidence (an id such as E035, or F009 for a finding on risk factors) has one
:class:`EvidenceStatus`: reproduced, used as a check, or left out with the reason. The
:class:`EvidenceRegister` of all of them lets a reader see that nothing was left out in silence.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias

from pydantic import Field, model_validator

from crsrisk.data.assumptions import Strict
from crsrisk.data.baseline_checks import BaselineCheck, load_baseline_checks
from crsrisk.data.grading_systems import system_of
from crsrisk.data.product import Product
from crsrisk.data.published_figures import FigureUse, Trial
from crsrisk.data.world_files import load_assumptions, load_product
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.errors import InputError
from crsrisk.folders import is_path, names, synthetic_folder
from crsrisk.results import Result

Use: TypeAlias = Literal["target", "baseline", "qualitative", "scenario", "prior", "not_usable"]
Reason: TypeAlias = Literal[
    "haematology",
    "pooled",
    "not_an_incidence",
    "another_event",
    "not_simulated",
    "bound",
    "overlap",
    "unverified",
    "no_figure",
    "gap",
    "published_model",
]
USES: Mapping[Use, str] = MappingProxyType(
    {
        "target": "reproduced: a row of a source in synthetic/evidence/, simulated and compared",
        "baseline": "the patients before the first dose are compared with it",
        "qualitative": "the direction is checked by a test of the mechanism",
        "scenario": "speaks for or against a scenario",
        "prior": "informs an assumption, and no more",
        "not_usable": "left out, with the reason",
    }
)
REASONS: Mapping[Reason, str] = MappingProxyType(
    {
        "haematology": "patients with blood cancers: rates are no target for solid tumours",
        "pooled": "pooled over products or platforms that are not one trial",
        "not_an_incidence": "no share of patients and no time: an odds ratio, a dose, a p value",
        "another_event": "another event than CRS or fever",
        "not_simulated": "what the simulator does not produce",
        "bound": "a bound of a rate, not the rate",
        "overlap": "the patients of another row, which is counted",
        "unverified": "recalled, unverified and without any other support",
        "no_figure": "blank in the source: no number to compare with",
        "gap": "a statement that no evidence was found",
        "published_model": "the performance of somebody else's risk model, not of patients",
    }
)


class EvidenceStatus(Strict):
    """One row of the evidence and its one use.

    ``used_in`` says where: the source (target), the check (baseline), the phenomenon (qualitative),
    the scenario or the assumption (prior). A row that is not usable has a ``reason`` instead.
    ``counted_as`` is the row that counts for an overlapping one. ``unverified``: the figure is
    recalled, not seen on a page.
    """

    id: str
    use: Use
    used_in: str | None = None
    reason: Reason | None = None
    counted_as: str | None = None
    unverified: bool = False
    about: str = ""

    @model_validator(mode="after")
    def _one_use(self) -> EvidenceStatus:
        left_out = self.use == "not_usable"
        if left_out != (self.reason is not None) or left_out == (self.used_in is not None):
            raise ValueError(
                f"{self.id}: used_in for a row that is used, a reason for one that is not"
            )
        if (self.reason == "overlap") != (self.counted_as is not None):
            raise ValueError(f"{self.id}: counted_as for an overlap, and only there")
        if self.use != "target" and len(self.about.strip()) < 3:
            raise ValueError(f"{self.id}: what the row says and why this use, in words (about)")
        return self


class Phenomenon(Strict):
    """Something that must come out of the mechanism: what, and the test that checks it
    (``file.py::test_name``). ``source`` says where it stands when no row of the roster carries it.
    """

    says: str
    source: str | None = None
    test: str

    @model_validator(mode="after")
    def _names_a_test(self) -> Phenomenon:
        file, _, test = self.test.partition("::")
        if not file.endswith(".py") or not test.startswith("test_"):
            raise ValueError("a test as tests/folder/test_file.py::test_name")
        return self


@dataclass(frozen=True, repr=False)
class EvidenceRegister(Result):
    """All rows of both tables of evidence with their status, and the phenomena that some of
    them support.
    """

    published_rates: tuple[EvidenceStatus, ...]
    risk_factors: tuple[EvidenceStatus, ...]
    phenomena: Mapping[str, Phenomenon]

    def summary(self) -> str:
        """How many rows stand in either table."""
        rates, factors = len(self.published_rates), len(self.risk_factors)
        return f"{rates} rows of published rates, {factors} of risk factors"

    @property
    def rows(self) -> tuple[EvidenceStatus, ...]:
        """Both tables, one after the other."""
        return self.published_rates + self.risk_factors

    def of(self, use: Use) -> tuple[EvidenceStatus, ...]:
        """The rows of one use."""
        return tuple(row for row in self.rows if row.use == use)


def load_trials(folder: str | Path | None = None, *, use: FigureUse | None = None) -> list[Trial]:
    """All sources of a folder in the order of their names, or those of one use.

    The folder is checked as a whole whichever use is asked for: file name and ``name`` are equal,
    no figure stands twice, and overlaps name files of the folder. Anything else raises
    :class:`InputError` with file, key and cure. Which figures of the sources are fitted:
    :func:`crsrisk.data.evidence_use.likelihood_figures`.

    >>> {trial.use for trial in load_trials(use="likelihood")}
    {'likelihood'}
    """
    place = Path(folder).expanduser() if folder is not None else synthetic_folder() / "evidence"
    paths = sorted(place.glob("*.yaml"))
    if not paths:
        raise InputError(
            where=str(place),
            found="no file *.yaml",
            expected="one YAML file a published source",
            cure="check the path of the folder",
        )
    trials = [_load(path) for path in paths]
    _each_figure_once(trials)
    _check_overlaps(trials)
    return [trial for trial in trials if use is None or trial.use == use]


def load_own_trials(paths: Sequence[str | Path]) -> tuple[list[Trial], list[Product]]:
    """Trials of a user's own, one file each, and their products. Nothing was fitted to them: they
    are shown.

    ``product`` (and each of ``pooled_with``) is a name that ships or a product's file, by its path
    from the trial's file. Checked together with the sources that ship: a figure, a trial or a
    product that is called as another one is refused.
    """
    trials: list[Trial] = []
    products: dict[str, Product] = {}
    for path in (Path(given).expanduser() for given in paths):
        trial = _load(path)
        if trial.use != "shown":
            raise InputError(
                where=path.name,
                key="use",
                found=trial.use,
                expected="shown, for nothing was fitted to it",
                cure="leave the key out; to fit to a trial, see experiments/002_calibration",
            )
        system_of(trial.grading, where=path.name)
        of_trial = [
            load_product(path.parent / Path(name).expanduser() if is_path(name) else name)
            for name in trial.products
        ]
        _check_setting(trial, of_trial[0], where=path.name)
        for product in of_trial:
            if products.setdefault(product.name, product) != product:
                raise InputError(
                    where=path.name,
                    key="product",
                    found=f"another product called {product.name}",
                    expected="one file for each name",
                    cure="give your product a name of its own",
                )
        trials.append(
            trial.model_copy(
                update={
                    "product": of_trial[0].name,
                    "pooled_with": [product.name for product in of_trial[1:]],
                }
            )
        )
    shipped = load_trials()
    _each_trial_once([*shipped, *trials])
    _each_figure_once([*shipped, *trials])
    _check_overlaps([*shipped, *trials])
    return trials, list(products.values())


def _check_setting(trial: Trial, product: Product, *, where: str) -> None:
    """The regimen is one of the product's, and the doses that onsets count from are its doses
    within the window.
    """
    regimen = trial.regimen or product.default_regimen
    if regimen not in product.regimens:
        raise InputError(
            where=where,
            key="regimen",
            found=regimen,
            expected=f"one of {', '.join(product.regimens)}",
            cure="correct the name, or add the regimen to the product's file",
        )
    within = [
        dose.time_h
        for dose in product.regimens[regimen].doses
        if dose.time_h < trial.window_d * 24.0
    ]
    if trial.dose_times_h and trial.dose_times_h != within:
        raise InputError(
            where=where,
            key="dose_times_h",
            found=trial.dose_times_h,
            expected=(
                f"{within}, the doses of {product.name}, {regimen}, within {trial.window_d:g} d"
            ),
            cure="correct the hours, the window or the regimen",
        )


def _load(path: Path) -> Trial:
    trial = build(Trial, read_yaml(path), where=path.name)
    if trial.name != path.stem:
        raise InputError(
            where=path.name,
            key="name",
            found=trial.name,
            expected=f"{path.stem}, as the file",
            cure="rename the file or correct the name",
        )
    return trial


def _each_trial_once(trials: Sequence[Trial]) -> None:
    names = [trial.name for trial in trials]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(
            where=f"{twice[0]}.yaml",
            key="name",
            found=f"{twice[0]} a second time",
            expected="each trial once",
            cure="give your file, and its `name`, a name that no other source has",
        )


def _each_figure_once(trials: Sequence[Trial]) -> None:
    seen: dict[str, str] = {}
    for trial in trials:
        for row in trial.rows:
            if row.id in seen:
                raise InputError(
                    where=f"{trial.name}.yaml",
                    key=row.id,
                    found="the figure a second time",
                    expected=f"each id once (it stands in {seen[row.id]}.yaml)",
                    cure="delete one of the two or give it another id",
                )
            seen[row.id] = trial.name


def _check_overlaps(trials: Sequence[Trial]) -> None:
    by_name = {trial.name: trial for trial in trials}
    for trial in trials:
        for other in trial.overlaps:
            if other not in by_name or other == trial.name:
                raise InputError(
                    where=f"{trial.name}.yaml",
                    key="overlaps",
                    found=other,
                    expected="names of other sources of the folder",
                    cure="correct the name",
                )


class _Rows(Strict):
    rows: list[EvidenceStatus] = Field(min_length=1)


class _Phenomena(Strict):
    phenomena: dict[str, Phenomenon]


def load_evidence_register(
    folder: str | Path | None = None,
    *,
    trials: Sequence[Trial] | None = None,
    checks: Sequence[BaselineCheck] | None = None,
) -> EvidenceRegister:
    """The status of every row of a folder (without one: of the one that ships), checked against
    what it names.

    A folder holds published_rates.yaml, risk_factors.yaml and phenomena.yaml. ``trials`` and
    ``checks`` are the shipped ones unless handed in. Refused with an :class:`InputError`: an id
    twice, a target that is no figure of its source, a figure that is no target, a check,
    phenomenon, scenario, assumption or counted row that does not exist, and a phenomenon without a
    source that only recalled rows support.

    >>> len(load_evidence_register().published_rates)
    243
    """
    place = (
        Path(folder).expanduser()
        if folder is not None
        else synthetic_folder() / "evidence" / "roster"
    )
    rates, factors = (
        build(_Rows, read_yaml(place / name), where=name).rows
        for name in ("published_rates.yaml", "risk_factors.yaml")
    )
    phenomena = build(
        _Phenomena, read_yaml(place / "phenomena.yaml"), where="phenomena.yaml"
    ).phenomena
    register = EvidenceRegister(tuple(rates), tuple(factors), phenomena)
    _each_once(register)
    _check_targets(register, trials=load_trials() if trials is None else trials)
    _check_names(register, checks=load_baseline_checks() if checks is None else checks)
    return register


def _refuse(
    row: EvidenceStatus, *, key: str, found: str, expected: str, cure: str = "correct the name"
) -> InputError:
    where = "risk_factors.yaml" if row.id[0] in "FG" else "published_rates.yaml"
    return InputError(
        where=f"roster/{where}", key=f"{row.id}.{key}", found=found, expected=expected, cure=cure
    )


def _each_once(register: EvidenceRegister) -> None:
    seen: set[str] = set()
    for row in register.rows:
        if row.id in seen:
            raise _refuse(
                row,
                key="id",
                found="the id a second time",
                expected="each row once",
                cure="delete one of the two",
            )
        seen.add(row.id)


def _check_targets(register: EvidenceRegister, *, trials: Sequence[Trial]) -> None:
    """Targets and figures of the sources are the same ids, each in the source that is named."""
    entered = {
        figure.id: (trial.name, figure.verified) for trial in trials for figure in trial.rows
    }
    for row in register.of("target"):
        source, is_verified = entered.get(row.id, ("no source", True))
        if source != row.used_in:
            raise _refuse(
                row,
                key="used_in",
                found=str(row.used_in),
                expected=f"{source}, where the figure stands",
            )
        if is_verified == row.unverified:
            raise _refuse(
                row,
                key="unverified",
                found=str(row.unverified).lower(),
                expected=f"{str(not is_verified).lower()}, as in {source}.yaml",
                cure="correct it",
            )
    if left := sorted(entered.keys() - {row.id for row in register.of("target")}):
        raise InputError(
            where="roster/published_rates.yaml",
            key=left[0],
            found="nothing, or another use",
            expected=f"use target, for the figure stands in {entered[left[0]][0]}.yaml",
            cure="add the row to the roster",
        )


def _check_names(register: EvidenceRegister, *, checks: Sequence[BaselineCheck]) -> None:
    """What a row is used in exists, and a phenomenon has a source or a verified row that supports
    it.
    """
    known: Mapping[str, Collection[str]] = {
        "baseline": {check.id for check in checks},
        "qualitative": register.phenomena.keys(),
        "scenario": names("scenarios"),
        "prior": load_assumptions().keys(),
    }
    for row in register.rows:
        if row.use in known and row.used_in not in known[row.use]:
            raise _refuse(
                row,
                key="used_in",
                found=str(row.used_in),
                expected=f"the name of a {row.use} that exists",
            )
        if row.counted_as is not None and row.counted_as not in {
            other.id for other in register.of("target")
        }:
            raise _refuse(
                row, key="counted_as", found=row.counted_as, expected="the id of a target"
            )
    by_id = {row.id: row for row in register.rows}
    for check in checks:
        for evidence in check.evidence:
            if evidence not in by_id:
                raise InputError(
                    where="baseline/checks.yaml",
                    key=f"{check.id}.evidence",
                    found=evidence,
                    expected="an id of the roster",
                    cure="correct the id",
                )
    if idle := sorted(
        {name for name, phenomenon in register.phenomena.items() if phenomenon.source is None}
        - {row.used_in for row in register.of("qualitative") if not row.unverified}
    ):
        raise InputError(
            where="roster/phenomena.yaml",
            key=idle[0],
            found="no verified row that supports it",
            expected="one or more: what is only recalled never carries a claim alone",
            cure="name it in used_in of a row, or delete it",
        )
