"""Trial plan: the estimand (ICH E9(R1)), candidates, how they are screened, and the designs that
are compared on them.

What a design file says. Which keys go together is checked here; what a design then does is computed
in :mod:`crsrisk.trials.simulated_trials`. The event is CRS of grade >= 2; prophylaxis is meant to
lower its rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

from pydantic import Field, model_validator

from crsrisk.data.assumptions import Strict
from crsrisk.errors import InputError

# The strategies of ICH E9(R1) (2019), section A.3.2.
Handling: TypeAlias = Literal[
    "treatment policy",
    "hypothetical",
    "composite",
    "while on treatment",
    "principal stratum",
    "adjudication",
]
_SHORTEST = 3  # letters
_ROUNDING = 1e-9

Kind: TypeAlias = Literal[
    "all_comers", "enrichment", "stratified", "strategy", "multi_arm", "single_arm"
]
Multiplicity: TypeAlias = Literal["hierarchical", "holm", "dunnett"]
MissingOutcome: TypeAlias = Literal["event", "no_event", "multiple_imputation"]
DifferenceInterval: TypeAlias = Literal["miettinen_nurminen", "newcombe"]
Test: TypeAlias = Literal["pooled_z", "fisher", "boschloo", "mantel_haenszel", "farrington_manning"]
Method: TypeAlias = Literal["simon_optimal", "simon_minimax", "predictive_probability"]

KINDS: Mapping[Kind, str] = MappingProxyType(
    {
        "all_comers": "everybody is randomised",
        "enrichment": "only candidates at or above a threshold of risk are randomised",
        "stratified": "everybody is randomised within strata of risk",
        "strategy": (
            "everybody is randomised to treatment guided by the score, or to a control that"
            " ignores it"
        ),
        "multi_arm": "everybody is randomised to one of several arms in equal numbers",
        "single_arm": (
            "everybody (or everybody at or above a threshold) is treated; the control is a"
            " benchmark"
        ),
    }
)
SMALLEST_LEVEL = 1e-9  # one-sided; below it bounds are beyond what arithmetic can part
# keys that belong to some kinds only
_OWNERS: Mapping[str, tuple[Kind, ...]] = MappingProxyType(
    {
        "threshold": ("enrichment", "strategy", "single_arm"),
        "cuts": ("stratified",),
        "control": ("strategy",),
        "margin": ("strategy",),
        "ratio": ("all_comers", "enrichment", "stratified", "strategy"),
        "sequential": ("all_comers", "enrichment", "stratified", "strategy"),
        "test": ("all_comers", "enrichment", "stratified", "strategy"),
        "claims": ("multi_arm",),
        "multiplicity": ("multi_arm",),
        "single_arm": ("single_arm",),
    }
)
_NEEDED: Mapping[Kind, tuple[str, ...]] = MappingProxyType(
    {
        "all_comers": (),
        "enrichment": ("threshold",),
        "stratified": ("cuts",),
        "strategy": ("threshold", "control"),
        "multi_arm": ("claims", "multiplicity"),
        "single_arm": ("single_arm",),
    }
)


class IntercurrentEvent(Strict):
    """Something after the start of treatment that changes what the outcome means, and how it is
    dealt with.

    ``adjudication`` is no strategy of the guideline: a blinded committee decides whether the event
    is the outcome at all.
    """

    event: str
    strategy: Handling
    sensitivity: str = "none"

    @model_validator(mode="after")
    def _says_something(self) -> IntercurrentEvent:
        if len(self.event.strip()) < _SHORTEST:
            raise ValueError("an intercurrent event in words")
        return self


class Estimand(Strict):
    """Population, treatment, variable, intercurrent events and summary measure, in words for a
    protocol.
    """

    population: str
    treatment: str
    variable: str
    summary: str
    intercurrent_events: list[IntercurrentEvent] = Field(min_length=1)

    @model_validator(mode="after")
    def _complete(self) -> Estimand:
        for name in ("population", "treatment", "variable", "summary"):
            if len(getattr(self, name).strip()) < _SHORTEST:
                raise ValueError(f"{name} in words, not a blank")
        return self

    @property
    def rows(self) -> list[tuple[str, str]]:
        """The attributes in the order of the guideline, intercurrent events one by one."""
        events = [
            (
                f"Intercurrent event: {intercurrent.event}",
                f"{intercurrent.strategy} (sensitivity: {intercurrent.sensitivity})",
            )
            for intercurrent in self.intercurrent_events
        ]
        return [
            ("Population", self.population),
            ("Treatment", self.treatment),
            ("Variable", self.variable),
            *events,
            ("Summary measure", self.summary),
        ]


def _refuse(where: str, key: str, found: object, expected: str, cure: str) -> InputError:
    return InputError(where=where, key=key, found=found, expected=expected, cure=cure)


def _rate(value: float | None, *, where: str, key: str) -> None:
    if value is not None and not 0 < value < 1:
        raise _refuse(
            where,
            key,
            value,
            "a rate above 0 and below 1",
            "divide percentages by 100; an event that never or always happens needs no trial",
        )


def _threshold(value: float | None, *, where: str, key: str) -> None:
    if value is not None and not 0 < value < 1:
        raise _refuse(
            where,
            key,
            value,
            "a risk above 0 and below 1",
            "for everybody write kind: all_comers; nobody has a risk of 1 or more",
        )


def _share(value: float, *, where: str, key: str) -> None:
    if not 0 <= value < 1:
        raise _refuse(
            where, key, value, "a share of at least 0 and below 1", "divide percentages by 100"
        )


class Stated(Strict):
    """Candidates by formula: how risk is spread, "Beta(a, b)", and one risk ratio for everybody."""

    risk: str
    risk_ratio: float = Field(gt=0, lt=1)


class Simulated(Strict):
    """Candidates from the simulator, each with his own outcome under both arms.

    ``prophylaxis`` is a strategy as `crsrisk policy simulate` writes it (``tocilizumab``,
    ``dexamethasone+anakinra``, ``tocilizumab@fever``). The score is the risk that ``model`` (a
    folder, or a released one) predicts; without one, that of a model fitted to
    ``training_patients`` other patients of the same product and regimen.
    """

    product: str
    prophylaxis: str
    regimen: str | None = None
    scenario: str = "reference"
    n_patients: int = Field(ge=100, le=200_000)
    seed: int = Field(default=1, ge=0)
    model: str | None = None
    training_patients: int = Field(default=3000, ge=200, le=100_000)


class FromCohort(Strict):
    """Candidates from a table, one row a patient: a column with the predicted risk and one with the
    event untreated (0/1).

    The event under prophylaxis is a third column, or follows from one risk ratio for everybody.
    """

    file: str
    risk_column: str
    event_column: str
    treated_event_column: str | None = None
    risk_ratio: float | None = Field(default=None, gt=0, lt=1)

    @model_validator(mode="after")
    def _one_effect(self) -> FromCohort:
        if (self.treated_event_column is None) == (self.risk_ratio is None):
            raise _refuse(
                "candidates",
                "risk_ratio",
                "both or neither of treated_event_column and risk_ratio",
                "one of the two",
                "state where the effect of prophylaxis comes from",
            )
        return self


class StatedArm(Strict):
    """One arm by its event rates: CRS by the ASTCT grade, need of support, and both in one patient.

    ``given``: share of the arm that is given prophylaxis (at fever only the febrile are).
    """

    name: str = Field(min_length=1)
    crs: float
    support: float
    both: float
    given: float = Field(default=1.0, ge=0, le=1)

    @model_validator(mode="after")
    def _possible(self) -> StatedArm:
        for key in ("crs", "support"):
            _rate(getattr(self, key), where="candidates", key=key)
        low, high = max(0.0, self.crs + self.support - 1), min(self.crs, self.support)
        if not low - _ROUNDING <= self.both <= high + _ROUNDING:
            raise _refuse(
                "candidates",
                "both",
                f"{self.both:g} in the arm {self.name}",
                f"a share from {low:g} to {high:g}, which the two rates allow",
                "count patients who have both",
            )
        return self


class Candidates(Strict):
    """Who could enter: exactly one origin.

    ``arms``: everybody alike, with the rates of each arm stated, the control first.
    """

    stated: Stated | None = None
    simulated: Simulated | None = None
    cohort: FromCohort | None = None
    arms: list[StatedArm] | None = Field(default=None, min_length=2, max_length=6)

    @model_validator(mode="after")
    def _one_origin(self) -> Candidates:
        origins = ("stated", "simulated", "cohort", "arms")
        given = [name for name in origins if getattr(self, name) is not None]
        if len(given) != 1:
            raise _refuse(
                "candidates",
                "",
                " and ".join(given) or "no origin",
                "one of stated, simulated, cohort and arms",
                "keep one of the four blocks",
            )
        names = [arm.name for arm in self.arms or []]
        if len(set(names)) < len(names):
            raise _refuse(
                "candidates", "name", ", ".join(names), "a name of its own for each arm", "rename"
            )
        return self


class Screening(Strict):
    """How candidates come and how well their score is known.

    ``score_noise_sd``: SD of the error of the logarithm of the score on the day of screening.
    ``missing_labs``: share of candidates without a score, who are ``screened_out`` or ``enrolled``
    as if above every threshold (designs that need no score take them anyway). ``eligible``: share
    of candidates whom the protocol admits before the score of a design is asked. ``consent``: share
    of eligible candidates who agree. ``wait_d``: days from enrolment to outcome.
    """

    candidates_per_month: float = Field(gt=0)
    eligible: float = 1.0
    consent: float = 1.0
    score_noise_sd: float = Field(default=0.0, ge=0, le=3)
    missing_labs: float = 0.0
    without_labs: Literal["screened_out", "enrolled"] = "screened_out"
    wait_d: float = Field(default=14.0, gt=0)

    @model_validator(mode="after")
    def _shares(self) -> Screening:
        _share(self.missing_labs, where="screening", key="missing_labs")
        for key in ("eligible", "consent"):
            if not 0 < getattr(self, key) <= 1:
                raise _refuse(
                    "screening",
                    key,
                    getattr(self, key),
                    "a share above 0, at most 1",
                    "divide percentages by 100",
                )
        return self


class Masking(Strict):
    """Blocked fever that hides CRS: IL-6 blockade lowers fever, without which ASTCT knows no CRS.

    ``hidden``: share m of the events under prophylaxis that the ASTCT grade does not see (risk
    ratio observed = RR x (1 - m)). ``other_support``: share of patients who get fluids,
    vasopressors or oxygen for another reason; they count in the support-based co-primary endpoint
    in both arms. Candidates from the simulator bring their own hidden events and support, and leave
    both out.
    """

    hidden: float = 0.0
    other_support: float = 0.0

    @model_validator(mode="after")
    def _shares(self) -> Masking:
        for key in ("hidden", "other_support"):
            _share(getattr(self, key), where="masking", key=key)
        return self


class Sequential(Strict):
    """Looks at the accumulating outcomes. ``boundary`` by any usual name; ``looks`` equal steps, or
    ``info`` shares.

    ``futility_z`` stops below these z at each look but the last; ``futility`` spends the type II
    error instead.
    """

    boundary: str
    looks: int | None = Field(default=None, ge=2, le=20)
    info: list[float] | None = None
    futility_z: list[float] | None = None
    futility: str | None = None
    binding: bool = False
    rho: float | None = None
    gamma: float | None = None
    delta: float | None = None
    futility_rho: float | None = None
    futility_gamma: float | None = None

    @model_validator(mode="after")
    def _one_rhythm(self) -> Sequential:
        if (self.looks is None) == (self.info is None):
            raise _refuse(
                "sequential",
                "looks",
                "both or neither of looks and info",
                "one of the two",
                "write looks: 4 for equal steps, or info: [0.5, 0.75, 1.0]",
            )
        return self


class SingleArm(Strict):
    """A trial without a control. Success is "no CRS of grade >= 2".

    ``benchmark`` is the success rate of untreated patients that history claims (p0), ``target`` the
    one hoped for (p1). Predictive probability: at each of ``looks`` patients stop when the chance
    of ending well is below ``theta_low``; the trial ends well when P(success rate > benchmark) is
    at least ``theta_end``.
    """

    method: Method
    benchmark: float
    target: float
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    beta: float = Field(default=0.2, gt=0, lt=1)
    n_max: int | None = Field(default=None, ge=2, le=1000)
    looks: list[int] | None = None
    prior: list[float] = Field(default=[0.5, 0.5], min_length=2, max_length=2)
    theta_low: float = Field(default=0.05, ge=0, lt=1)
    theta_end: float = Field(default=0.95, gt=0, lt=1)

    @model_validator(mode="after")
    def _fits(self) -> SingleArm:
        for key in ("benchmark", "target"):
            _rate(getattr(self, key), where="single_arm", key=key)
        if not self.target > self.benchmark:
            raise _refuse(
                "single_arm",
                "target",
                self.target,
                f"a rate above the benchmark of {self.benchmark:g}",
                "success is no CRS: encode both as rates without CRS of grade >= 2",
            )
        stated = [value is not None for value in (self.n_max, self.looks)]
        if not (all(stated) if self.method == "predictive_probability" else not any(stated)):
            raise _refuse(
                "single_arm",
                "looks",
                f"{self.method}, n_max {self.n_max}, looks {self.looks}",
                "n_max and looks for predictive_probability, and only there",
                "Simon designs find their own numbers",
            )
        if self.looks is not None and (
            sorted(set(self.looks)) != self.looks
            or self.looks[0] < 1
            or self.looks[-1] >= (self.n_max or 0)
        ):
            raise _refuse(
                "single_arm",
                "looks",
                self.looks,
                "rising numbers of patients below n_max",
                "write [10, 20]",
            )
        return self


class Claim(Strict):
    """ "The experimental arm has fewer events than the comparator", both by their names."""

    experimental: str
    comparator: str


class Design(Strict):
    """One design. ``n_total`` (or for a sequential design the largest number) is found from
    ``power`` when left out.

    ``margin``: of a strategy against treating everybody, the rise of the event rate that it must
    exclude (non-inferiority). ``claims``: of several arms, what is to be shown, in the order of
    testing; ``multiplicity``: the procedure that keeps the chance of any false claim at the level.
    """

    name: str = Field(min_length=1)
    kind: Kind
    threshold: float | None = None
    cuts: list[float] | None = None
    control: Literal["nobody", "everybody"] | None = None
    margin: float | None = None
    ratio: float = Field(default=1.0, gt=0, le=10)
    n_total: int | None = Field(default=None, ge=4, le=100_000)
    power: float | None = None
    test: Test | None = None
    co_primary_support: bool = False
    sequential: Sequential | None = None
    claims: list[Claim] | None = Field(default=None, min_length=1)
    multiplicity: Multiplicity | None = None
    single_arm: SingleArm | None = None

    @property
    def analysis(self) -> Test:
        """The test of the primary endpoint: by strata, against a margin, or else pooled z."""
        usual: Test = "mantel_haenszel" if self.kind == "stratified" else "pooled_z"
        return self.test or ("farrington_manning" if self.margin is not None else usual)

    @model_validator(mode="after")
    def _fits(self) -> Design:
        where = f"design {self.name}"
        for key, kinds in _OWNERS.items():
            if (
                key in self.model_fields_set
                and getattr(self, key) is not None
                and self.kind not in kinds
            ):
                raise _refuse(
                    where,
                    key,
                    f"{key} in a design of kind {self.kind}",
                    f"{key} only with {', '.join(kinds)}",
                    f"remove {key}, or change the kind",
                )
        for key in _NEEDED[self.kind]:
            if getattr(self, key) is None:
                raise _refuse(
                    where, key, "nothing", f"{key} for a design of kind {self.kind}", f"add {key}"
                )
        _threshold(self.threshold, where=where, key="threshold")
        for cut in self.cuts or []:
            _threshold(cut, where=where, key="cuts")
        if self.cuts is not None and (
            not self.cuts or sorted(set(self.cuts)) != self.cuts or len(self.cuts) > 5
        ):
            raise _refuse(
                where, "cuts", self.cuts, "one to five rising thresholds", "write cuts: [0.2]"
            )
        _rate(self.power, where=where, key="power")
        if self.multiplicity == "dunnett" and self.co_primary_support:
            raise _refuse(
                where,
                "multiplicity",
                "dunnett with two endpoints that must both show the effect",
                "hierarchical or holm",
                "write multiplicity: holm: the least z of two endpoints is less correlated than"
                " Dunnett's critical value assumes",
            )
        self._analysis_fits(where)
        return self

    def _analysis_fits(self, where: str) -> None:
        if self.sequential is not None and self.analysis in ("fisher", "boschloo"):
            raise _refuse(
                where,
                "test",
                self.test,
                "pooled_z or mantel_haenszel with looks",
                "exact tests have no group-sequential bounds here: leave sequential out, or use"
                " pooled_z",
            )
        if self.margin is not None and not (self.control == "everybody" and 0 < self.margin < 0.5):
            raise _refuse(
                where,
                "margin",
                f"{self.margin:g} against treating {self.control}",
                "a margin above 0 and below 0.5, against treating everybody",
                "write control: everybody and for example margin: 0.05; against nobody a strategy"
                " must be better",
            )
        if (self.analysis == "farrington_manning") != (self.margin is not None):
            raise _refuse(
                where,
                "test",
                self.analysis,
                "farrington_manning with a margin, and only there",
                "remove test, or state the margin",
            )
        if (self.analysis == "mantel_haenszel") != (self.kind == "stratified"):
            raise _refuse(
                where,
                "test",
                self.test,
                "mantel_haenszel for stratified designs, and only there",
                "remove test",
            )
        if self.kind == "single_arm" and self.n_total is not None:
            raise _refuse(
                where,
                "n_total",
                self.n_total,
                "no n_total: the method finds it, or n_max states it",
                "remove n_total",
            )
        if self.kind == "single_arm" and self.power is not None:
            raise _refuse(
                where,
                "power",
                self.power,
                "no power beside beta, which is 1 - power of a single arm",
                f"write beta: {1 - self.power:g} under single_arm",
            )
        if self.kind == "single_arm" and self.co_primary_support:
            raise _refuse(
                where,
                "co_primary_support",
                True,
                "one endpoint in a single arm",
                "remove co_primary_support: history knows no need of support to compare with",
            )


class PowerCurves(Strict):
    """A grid on which power is simulated: every risk ratio with every base rate and threshold (0 =
    all-comers).

    ``co_primary_support``: both endpoints must show the effect; else the ASTCT grade alone, hidden
    fever and all.
    """

    risk_ratio: list[float] = Field(min_length=1, max_length=20)
    base_rate: list[float] = Field(min_length=1, max_length=20)
    threshold: list[float] = Field(default=[0.0], min_length=1, max_length=20)
    n_total: int = Field(ge=10, le=100_000)
    co_primary_support: bool = False
    n_sim: int = Field(default=10_000, ge=100, le=1_000_000)

    @model_validator(mode="after")
    def _fits(self) -> PowerCurves:
        for value in self.base_rate:
            _rate(value, where="power_curves", key="base_rate")
        for value in self.risk_ratio:
            if not 0 < value <= 1:
                raise _refuse(
                    "power_curves",
                    "risk_ratio",
                    value,
                    "a ratio above 0, at most 1",
                    "1 is no effect",
                )
        for value in self.threshold:
            if not 0 <= value < 1:
                raise _refuse(
                    "power_curves",
                    "threshold",
                    value,
                    "a risk of at least 0 and below 1",
                    "0 is all-comers",
                )
        return self


class Analysis(Strict):
    """What is reported of the trial, in words for the statistics section; the simulated trials lose
    nobody.

    ``population``: the analysis set of the primary test. ``missing_outcome``: how a patient whose
    outcome is unknown counts. ``difference_interval``: of the difference of risks.
    """

    population: str = "full analysis set: all randomised patients, in the arm they were allocated"
    safety_population: str = "all patients who received the study drug or placebo, as treated"
    missing_outcome: MissingOutcome = "event"
    difference_interval: DifferenceInterval = "miettinen_nurminen"


class TrialPlan(Strict):
    """A whole design file: the question, the estimand, the candidates, and the designs that are
    compared.
    """

    trial: str
    question: str
    prophylaxis_in_words: str
    seed: int = Field(ge=0)
    n_sim: int = Field(ge=100, le=2_000_000)
    alpha_one_sided: float = 0.025
    power: float = 0.8
    estimand: Estimand
    candidates: Candidates
    masking: Masking = Masking()
    screening: Screening
    analysis: Analysis = Analysis()
    designs: list[Design] = Field(min_length=1)
    power_curves: PowerCurves | None = None

    @model_validator(mode="after")
    def _fits(self) -> TrialPlan:
        if not SMALLEST_LEVEL <= self.alpha_one_sided < 0.5:
            raise _refuse(
                "trial",
                "alpha_one_sided",
                self.alpha_one_sided,
                f"a level of at least {SMALLEST_LEVEL:g} and below 0.5",
                "state the level on one side as a share: 5% on two sides are 0.025",
            )
        _rate(self.power, where="trial", key="power")
        for design in self.designs:
            if (design.power or self.power) <= self.alpha_one_sided:
                raise _refuse(
                    f"design {design.name}",
                    "power",
                    design.power or self.power,
                    f"a power above the level of {self.alpha_one_sided:g}",
                    "state the power as a share: 80 of 100 is 0.8",
                )
        names = [design.name for design in self.designs]
        if len(set(names)) < len(names):
            raise _refuse(
                "trial",
                "designs",
                ", ".join(names),
                "a name of its own for each design",
                "rename one",
            )
        if self.brings_its_own_masking and "masking" in self.model_fields_set:
            raise _refuse(
                "trial",
                "masking",
                "masking with candidates that are simulated or stated by arm",
                "no masking: they bring their own hidden events",
                "remove masking",
            )
        self._arms_fit()
        return self

    @property
    def brings_its_own_masking(self) -> bool:
        """Whether the candidates say themselves which events the ASTCT grade does not see."""
        return self.candidates.simulated is not None or self.candidates.arms is not None

    def _arms_fit(self) -> None:
        """Rates stated by arm are those of everybody: no risk to choose or divide patients by."""
        names = [arm.name for arm in self.candidates.arms or []]
        for design in self.designs:
            where = f"design {design.name}"
            if not names and design.kind == "multi_arm":
                raise _refuse(
                    where,
                    "kind",
                    "multi_arm without the rates of its arms",
                    "candidates.arms",
                    "state the arms under candidates, the control first",
                )
            if names and design.kind not in ("all_comers", "multi_arm"):
                raise _refuse(
                    where,
                    "kind",
                    f"{design.kind} with rates stated by arm",
                    "all_comers or multi_arm",
                    "give candidates with a risk: stated, simulated or cohort",
                )
            if len(names) > 2 and design.kind == "all_comers":
                raise _refuse(
                    where,
                    "kind",
                    f"all_comers with {len(names)} arms",
                    "two arms, or kind multi_arm",
                    "write kind: multi_arm with claims and multiplicity",
                )
            pairs = [(claim.experimental, claim.comparator) for claim in design.claims or []]
            wrong = [pair for pair in pairs if pair[0] == pair[1] or not set(pair) <= set(names)]
            if wrong or len(set(pairs)) < len(pairs):
                raise _refuse(
                    where,
                    "claims",
                    " and ".join(" against ".join(pair) for pair in wrong or pairs),
                    f"two different arms of {', '.join(names)}, each pair once",
                    "correct the names",
                )
        if names and self.power_curves is not None:
            raise _refuse(
                "trial",
                "power_curves",
                "power_curves with rates stated by arm",
                "candidates with a risk",
                "remove power_curves, or give stated candidates",
            )
