"""Potential outcomes: what would become of the same patient under each way of preventing CRS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import inf, isfinite
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crsrisk.errors import InputError

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
Timing = Literal["pre_dose", "first_two_doses", "at_fever"]
RegimenChange = Literal["as_planned", "no_step_up", "half_first_dose", "under_skin"]
ResponseWorld = Literal["no_link", "common_cause", "mediation"]

REGIMEN_CHANGES: tuple[RegimenChange, ...] = (
    "as_planned",
    "no_step_up",
    "half_first_dose",
    "under_skin",
)
# how T-cell activation and tumour response hang together; nobody knows which one holds
RESPONSE_WORLDS: tuple[ResponseWorld, ...] = ("no_link", "common_cause", "mediation")


@dataclass(frozen=True)
class Strategy:
    """One way of preventing CRS: agents, when they are given, and what becomes of the regimen.

    ``pre_dose`` gives every agent at its usual hours before the first dose (repeated as its file
    says), ``first_two_doses`` one usual dose of it before each of the first two. ``at_fever`` gives
    it when the ward first sees a fever, after the time that the ward takes from decision to drug;
    who has no fever gets nothing.
    """

    name: str
    mitigations: tuple[str, ...] = ()
    timing: Timing = "pre_dose"
    regimen: RegimenChange = "as_planned"

    @property
    def is_standard(self) -> bool:
        """Whether nothing is added or changed."""
        return not self.mitigations and self.regimen == "as_planned"


STANDARD = Strategy("none")
_WRITTEN: dict[str, Timing] = {"": "pre_dose", "two_doses": "first_two_doses", "fever": "at_fever"}


def parse_strategy(text: str) -> Strategy:
    """A strategy from its short writing: ``AGENT[+AGENT][@fever|@two_doses][/CHANGE]``, or
    ``none``.

    Raises :class:`InputError` for a timing or a change of the regimen that is not known.

    >>> parse_strategy("tocilizumab+anakinra@fever").timing
    'at_fever'
    >>> parse_strategy("dexamethasone/under_skin").regimen
    'under_skin'
    >>> parse_strategy("half_first_dose").mitigations
    ()
    """
    plan, _, change = text.strip().partition("/")
    agents, _, when = plan.partition("@")
    if agents in REGIMEN_CHANGES and not change and not when:
        agents, change = "", agents
    if when not in _WRITTEN:
        raise InputError(
            where="strategy",
            key=text,
            found=f"@{when}",
            cure="write for example tocilizumab@fever",
            expected="@fever or @two_doses, or nothing (before the first dose)",
        )
    changes = [known for known in REGIMEN_CHANGES if known == (change or "as_planned")]
    if not changes:
        raise InputError(
            where="strategy",
            key=text,
            found=f"/{change}",
            expected=f"one of {', '.join(REGIMEN_CHANGES[1:])}",
            cure="write for example tocilizumab/half_first_dose",
        )
    names = tuple(name.strip() for name in agents.split("+") if name.strip() not in ("", "none"))
    if when and not names:
        raise InputError(
            where="strategy",
            key=text,
            found="a time without an agent",
            expected="an agent before the @",
            cure="write for example tocilizumab@fever",
        )
    return Strategy(text.strip(), names, _WRITTEN[when], changes[0])


_CHANGES_IN_WORDS = {
    "half_first_dose": "half of the first dose",
    "no_step_up": "no step-up",
    "under_skin": "the drug under the skin",
}


def strategy_in_words(strategy: str) -> str:
    """A strategy from its short writing, as a sentence says it.

    >>> strategy_in_words("tocilizumab+anakinra@fever"), strategy_in_words("half_first_dose")
    ('tocilizumab and anakinra at fever', 'half of the first dose')
    """
    plan, _, change = strategy.partition("/")
    agents, _, when = plan.partition("@")
    words = _CHANGES_IN_WORDS.get(agents, agents.replace("_", " ").replace("+", " and "))
    words += {"fever": " at fever", "two_doses": " before the first two doses"}.get(when, "")
    return f"{words} with {_CHANGES_IN_WORDS[change]}" if change in _CHANGES_IN_WORDS else words


@dataclass(frozen=True, eq=False)
class PotentialOutcomes:
    """The same patients under several strategies; every array has shape (strategy, patient).

    ``strategies[0]`` is what is done without prophylaxis. ``grade`` is the worst ASTCT grade within
    ``window_d`` days of the first dose. ``needs_support``: pressure or oxygen fell so low, at a
    visit within all that was simulated, that support would be due with or without a fever seen
    before, so that hidden fever does not hide it. ``is_exposed``: the patient was given something
    of the strategy (everybody before the dose, the febrile at fever). ``infection`` and, by
    :data:`RESPONSE_WORLDS`, ``response`` are drawn with the same numbers under every strategy from
    ``infection_risk`` and ``response_risk``. ``log_activation``: logarithm of peak T-cell
    activation.
    """

    strategies: tuple[Strategy, ...]
    patient_id: NDArray[np.int64]
    window_d: float
    grade: NDArray[np.int64]
    needs_support: Flags
    is_exposed: Flags
    log_activation: Values
    infection_risk: Values
    infection: Flags
    response_risk: Mapping[ResponseWorld, Values]
    response: Mapping[ResponseWorld, Flags]

    def __len__(self) -> int:
        return len(self.patient_id)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the strategies, in order."""
        return tuple(strategy.name for strategy in self.strategies)

    def index(self, strategy: str) -> int:
        """Place of a strategy; :class:`InputError` names the known ones."""
        return index_of(strategy, self.names)

    def event(self, strategy: str, *, grade: int = 2) -> Flags:
        """Who reaches this grade or a higher one under a strategy, shape (n,)."""
        return np.asarray(self.grade[self.index(strategy)] >= grade)

    def effect(self, strategy: str, *, grade: int = 2) -> NDArray[np.int64]:
        """1 where the strategy averts the event, -1 where it brings one, 0 where it changes
        nothing, shape (n,).
        """
        usual = self.grade[0] >= grade
        return np.asarray(
            usual.astype(np.int64) - self.event(strategy, grade=grade).astype(np.int64)
        )


@dataclass(frozen=True, eq=False)
class TrueRisks:
    """What an oracle expects of each patient under each strategy; every array has shape (strategy,
    patient).

    ``given="baseline"``: the mechanism oracle, who knows the unmeasured biology too;
    ``given="observed"``: the covariate oracle, who knows the mechanism and what the hospital's
    table shows. Means over ``n_replicates`` redrawn futures, the same ones under every strategy;
    ``first_half`` and ``second_half`` are the risks of grade >= 2 in every other replicate: an
    oracle chooses by one half and is counted in the other.
    """

    strategies: tuple[Strategy, ...]
    patient_id: NDArray[np.int64]
    given: Literal["baseline", "observed"]
    n_replicates: int
    grade2plus: Values
    grade3plus: Values
    infection: Values
    response: Mapping[ResponseWorld, Values]
    first_half: Values
    second_half: Values

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the strategies, in order."""
        return tuple(strategy.name for strategy in self.strategies)

    def index(self, strategy: str) -> int:
        """Place of a strategy; :class:`InputError` names the known ones."""
        return index_of(strategy, self.names)

    def averted(self, strategy: str) -> Values:
        """True individual effect: risk of grade >= 2 without less that with the strategy, shape
        (n,).
        """
        return np.asarray(self.grade2plus[0] - self.grade2plus[self.index(strategy)])


def index_of(strategy: str, names: tuple[str, ...]) -> int:
    """Place of a strategy among names; :class:`InputError` names the known ones.

    >>> index_of("tocilizumab", ("none", "tocilizumab"))
    1
    """
    if strategy not in names:
        raise InputError(
            where="potential outcomes",
            key="strategy",
            found=strategy,
            expected=f"one of {', '.join(names)}",
            cure="choose one of these, or simulate the strategy too",
        )
    return names.index(strategy)


@dataclass(frozen=True)
class Harms:
    """What each harm weighs against one CRS of grade >= 2: judgements of value that a committee
    sets.

    ``infection_weight`` for one serious infection, ``response_weight`` for one lost tumour
    response, ``burden_per_course`` for one course of prophylaxis by itself (cost, time, reactions).
    Raises :class:`InputError` for a negative weight.
    """

    infection_weight: float
    response_weight: float
    burden_per_course: float

    def __post_init__(self) -> None:
        for weight in fields(self):
            value = getattr(self, weight.name)
            if not isfinite(value) or value < 0.0:
                raise InputError(
                    where="harms",
                    key=weight.name,
                    found=value,
                    expected="a number of 0 or more",
                    cure=(
                        "write what the harm weighs against one CRS of grade >= 2, without a minus"
                        " sign"
                    ),
                )


@dataclass(frozen=True)
class LedgerRow:
    """One harm: how much of it per treated patient, what one weighs, and their product
    ``crs_units``, in CRS events.
    """

    harm: str
    per_treated: float
    weight: float
    crs_units: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "crs_units", self.per_treated * self.weight)


@dataclass(frozen=True)
class Ledger:
    """All harms of one strategy and the risk from which it pays.

    >>> ledger = Ledger(0.5, (LedgerRow("infections", 0.03, 1.0), LedgerRow("course", 1.0, 0.02)))
    >>> round(ledger.harm, 3), round(ledger.threshold, 3)
    (0.05, 0.1)
    """

    risk_ratio: float
    rows: tuple[LedgerRow, ...]

    @property
    def harm(self) -> float:
        """h: harm of one treated patient in CRS events; below 0 when more harm is spared than
        done.
        """
        return sum(row.crs_units for row in self.rows)

    @property
    def threshold(self) -> float:
        """t* = h / (1 - RR): the risk above which prophylaxis pays; infinite if it averts nothing,
        0 if it only spares.
        """
        if self.risk_ratio >= 1.0:
            return inf if self.harm >= 0.0 else 0.0
        return max(self.harm, 0.0) / (1.0 - self.risk_ratio)
