"""Published figures of real trials, and how a simulated trial compares with each of them.

A :class:`PublishedFigure` is one printed number, a :class:`Trial` the source it stands in with the
settings that the simulator needs, a :class:`Comparison` a figure beside its simulated twin. Figures
are only entered, never derived: where a source gives no size or interval the field stays empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isnan, sqrt
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

from pydantic import Field, model_validator

from crsrisk.data.assumptions import Strict
from crsrisk.results import Z_95, Result

FigureUse: TypeAlias = Literal["likelihood", "shown"]
Denominator: TypeAlias = Literal["patients", "crs_patients", "grade2plus_patients"]
Verdict: TypeAlias = Literal["agrees", "differs", "not judged"]

_ROUNDING = 0.0055  # printed percentages carry two digits
_EVERYONE: tuple[Denominator, ...] = ("patients",)
_ALL_OR_CRS: tuple[Denominator, ...] = ("patients", "crs_patients")
_CRS: tuple[Denominator, ...] = ("crs_patients",)


class MetricMeaning(NamedTuple):
    """What a metric of the evidence files means: its family, its unit ("1" = a rate) and its
    denominators.
    """

    meaning: str
    family: str
    unit: Literal["1", "h", "d"]
    of: tuple[Denominator, ...]
    needs_clock: bool = False


METRIC_MEANINGS: Mapping[str, MetricMeaning] = MappingProxyType(
    {
        "crs_any_rate": MetricMeaning("CRS of any grade", "any grade", "1", _EVERYONE),
        "crs_any_rate_cycle1": MetricMeaning(
            "CRS of any grade in cycle 1", "any grade", "1", _EVERYONE
        ),
        "crs_grade1_2_rate": MetricMeaning("worst grade 1 or 2", "single grade", "1", _EVERYONE),
        "crs_grade1_rate": MetricMeaning("worst grade 1", "single grade", "1", _EVERYONE),
        "crs_grade2_rate": MetricMeaning("worst grade 2", "single grade", "1", _EVERYONE),
        "crs_grade3_rate": MetricMeaning("worst grade 3", "single grade", "1", _EVERYONE),
        "crs_grade4_rate": MetricMeaning("worst grade 4", "single grade", "1", _EVERYONE),
        "crs_grade2plus_rate": MetricMeaning("CRS of grade >= 2", "grade >= 2", "1", _EVERYONE),
        "crs_grade3plus_rate": MetricMeaning("CRS of grade >= 3", "grade >= 3", "1", _EVERYONE),
        "inflammatory_disorder_grade1_2_rate": MetricMeaning(
            "CRS or a CRS-like cluster, worst grade 1 or 2", "single grade", "1", _EVERYONE
        ),
        "inflammatory_disorder_grade3plus_rate": MetricMeaning(
            "CRS or a CRS-like cluster of grade >= 3", "grade >= 3", "1", _EVERYONE
        ),
        "share_high_grade_among_crs": MetricMeaning(
            "grade >= 3 among those with CRS", "grade >= 3", "1", _CRS
        ),
        "recurrence_rate_any": MetricMeaning("more than one episode", "recurrence", "1", _EVERYONE),
        "multiple_flares_rate": MetricMeaning("more than one episode", "recurrence", "1", _CRS),
        "crs_after_dose1_rate": MetricMeaning("CRS after dose 1", "by dose", "1", _EVERYONE),
        "crs_after_dose2_rate": MetricMeaning("CRS after dose 2", "by dose", "1", _EVERYONE),
        "crs_after_dose3plus_rate": MetricMeaning(
            "CRS after dose 3 or later", "by dose", "1", _EVERYONE
        ),
        "share_of_crs_patients_with_event_after_dose1": MetricMeaning(
            "CRS after dose 1", "by dose", "1", _CRS
        ),
        "share_of_crs_patients_with_event_after_dose2": MetricMeaning(
            "CRS after dose 2", "by dose", "1", _CRS
        ),
        "share_of_crs_patients_with_event_after_dose3plus": MetricMeaning(
            "CRS after dose 3 or later", "by dose", "1", _CRS
        ),
        "crs_grade2plus_after_c1d1": MetricMeaning(
            "grade >= 2 after dose 1", "by dose", "1", _ALL_OR_CRS
        ),
        "crs_grade2plus_after_c1d8": MetricMeaning(
            "grade >= 2 after dose 2", "by dose", "1", _ALL_OR_CRS
        ),
        "crs_grade2plus_after_c1d15": MetricMeaning(
            "grade >= 2 after dose 3", "by dose", "1", _ALL_OR_CRS
        ),
        "grade2plus_with_more_than_one_infusion_rate": MetricMeaning(
            "grade >= 2 after more than one dose", "by dose", "1", _EVERYONE
        ),
        "share_of_grade2plus_events_at_dose1": MetricMeaning(
            "grade >= 2 after dose 1, among patients with grade >= 2",
            "by dose",
            "1",
            ("grade2plus_patients",),
        ),
        "share_of_episodes_starting_day_of_infusion": MetricMeaning(
            "first episode within 24 h of the dose", "onset", "1", _CRS, needs_clock=True
        ),
        "onset_median_h": MetricMeaning("median time to CRS", "onset", "h", _CRS, needs_clock=True),
        "onset_median_h_grade2plus": MetricMeaning(
            "median time to CRS whose worst grade is 2 or more",
            "onset",
            "h",
            ("grade2plus_patients",),
            needs_clock=True,
        ),
        "onset_median_d": MetricMeaning("median time to CRS", "onset", "d", _CRS, needs_clock=True),
        "onset_median_d_grade1_2": MetricMeaning(
            "median time to CRS whose worst grade is 1 or 2", "onset", "d", _CRS, needs_clock=True
        ),
        "onset_median_d_grade3plus": MetricMeaning(
            "median time to CRS whose worst grade is 3 or 4", "onset", "d", _CRS, needs_clock=True
        ),
        "resolution_median_d": MetricMeaning(
            "median calendar days until all signs and support are gone", "resolution", "d", _CRS
        ),
        "crs_duration_median_d": MetricMeaning("median duration of CRS", "resolution", "d", _CRS),
        "tocilizumab_use_rate": MetricMeaning("tocilizumab given", "treatment", "1", _ALL_OR_CRS),
        "steroid_use_rate": MetricMeaning("steroid given for CRS", "treatment", "1", _ALL_OR_CRS),
        "oxygen_use_rate": MetricMeaning("oxygen given", "treatment", "1", _ALL_OR_CRS),
        "vasopressor_use_rate": MetricMeaning("vasopressor given", "treatment", "1", _ALL_OR_CRS),
        "pyrexia_any_rate": MetricMeaning(
            "temperature of 38.0 degC or more", "pyrexia", "1", _EVERYONE
        ),
        "pyrexia_grade3plus_rate": MetricMeaning(
            "temperature above 40.0 degC", "pyrexia", "1", _EVERYONE
        ),
    }
)


def wilson_interval(share: float, *, n: int) -> tuple[float, float]:
    """95% interval of a share of ``n`` patients (Wilson, J Am Stat Assoc 1927;22:209).

    >>> tuple(round(limit, 4) for limit in wilson_interval(268 / 473, n=473))
    (0.5216, 0.6105)
    """
    z2 = Z_95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 * sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    # the share itself lies inside; the inner bound guards against rounding at 0 and 1
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


class PublishedFigure(Strict):
    """One published number as it is printed. ``of`` says whose share or median it is,
    ``n_patients`` how many they are, ``clock`` what an onset counts from.

    ``elsewhere_patients`` and ``elsewhere_events`` are those of a pool who stand in sources that
    count on their own (:attr:`counted` leaves them out).

    ``source_kind``: SEED = stands in one of the two reviews that the project starts from; FOUND =
    seen on a public page (``url``); RECALL = from memory, unverified.

    ``not_fitted`` says in words why the simulator has no twin of it: another event or another
    selection of patients under the same name. Such a figure is shown and never in the likelihood.
    """

    id: str
    metric: str
    of: Denominator
    value: float
    n_patients: int | None = None
    events: int | None = None
    elsewhere_patients: int = 0
    elsewhere_events: int = 0
    low: float | None = None
    high: float | None = None
    interval_kind: Literal["wilson_95", "iqr", "range"] | None = None
    clock: Literal["first_dose", "recent_dose"] | None = None
    citation: str
    source_kind: Literal["SEED", "FOUND", "RECALL"]
    confidence: Literal["high", "med", "low"]
    url: str | None = None
    note: str
    not_fitted: str | None = None

    @property
    def verified(self) -> bool:
        """False when the number is only recalled."""
        return self.source_kind != "RECALL"

    @property
    def is_rate(self) -> bool:
        """Whether the figure is a share between 0 and 1 (else a median time)."""
        return METRIC_MEANINGS[self.metric].unit == "1"

    @property
    def counted(self) -> PublishedFigure:
        """The figure among the patients who are not counted elsewhere: itself, but for pools."""
        if not self.elsewhere_patients or self.n_patients is None or self.events is None:
            return self
        n, events = self.n_patients - self.elsewhere_patients, self.events - self.elsewhere_events
        low, high = wilson_interval(events / n, n=n)
        return self.model_copy(
            update={
                "value": events / n,
                "n_patients": n,
                "events": events,
                "elsewhere_patients": 0,
                "elsewhere_events": 0,
                "low": low,
                "high": high,
                "interval_kind": "wilson_95",
            }
        )

    @model_validator(mode="after")
    def _metric_is_known(self) -> PublishedFigure:
        if self.metric not in METRIC_MEANINGS:
            raise ValueError(f"{self.id}: a metric among {', '.join(METRIC_MEANINGS)}")
        meaning = METRIC_MEANINGS[self.metric]
        if self.of not in meaning.of:
            raise ValueError(f"{self.id}: {self.metric} of {' or '.join(meaning.of)}")
        if meaning.needs_clock != (self.clock is not None):
            raise ValueError(f"{self.id}: a clock for onset figures and only there")
        if len(self.citation.strip()) < 3:
            raise ValueError(f"{self.id}: a citation")
        return self

    @model_validator(mode="after")
    def _numbers_fit(self) -> PublishedFigure:
        if len({self.low is None, self.high is None, self.interval_kind is None}) != 1:
            raise ValueError(f"{self.id}: low, high and interval_kind together or not at all")
        if self.value < 0 or (
            self.low is not None
            and self.high is not None
            and not self.low <= self.value <= self.high
        ):
            raise ValueError(f"{self.id}: a value of 0 or more, between low and high")
        if self.n_patients is not None and self.n_patients < 1:
            raise ValueError(f"{self.id}: n_patients of 1 or more")
        if self.is_rate:
            self._rate_fits()
        return self

    def _rate_fits(self) -> None:
        if self.value > 1 or self.interval_kind in ("iqr", "range"):
            raise ValueError(
                f"{self.id}: a rate as a share between 0 and 1, its interval a 95% interval"
            )
        if self.events is None:
            if self.elsewhere_patients or self.elsewhere_events:
                raise ValueError(
                    f"{self.id}: n_patients and events of the whole pool beside those counted"
                    " elsewhere"
                )
            return
        if self.n_patients is None or not 0 <= self.events <= self.n_patients:
            raise ValueError(f"{self.id}: events between 0 and n_patients")
        if abs(self.events / self.n_patients - self.value) > _ROUNDING + 0.5 / self.n_patients:
            raise ValueError(f"{self.id}: value = events / n_patients, apart from rounding")
        left = self.n_patients - self.elsewhere_patients
        if self.elsewhere_patients and not 0 <= self.events - self.elsewhere_events <= left:
            raise ValueError(f"{self.id}: fewer events and patients elsewhere than in the pool")


class Trial(Result, Strict):
    """A published source and how to simulate it; keys left out take the product's own setting.

    ``dose_times_h`` are the doses within the window, from which onsets count (see
    ``PublishedFigure.clock``).

    ``pooled_with`` names further products whose patients a review pooled with those of ``product``:
    simulated in equal shares, each in its own default regimen and under its own policy.

    ``n_trials`` is how many trials of one size a source that pools trials is worth, (sum n)^2 / sum
    n^2: what trials differ by averages out in it.

    ``overlaps`` names the sources that share patients with it.

    ``use``: ``likelihood`` when a figure of it is fitted, else ``shown``. What a shipped source is
    follows from a rule (``crsrisk.data.evidence_use``), and a test holds the files to it.
    """

    name: str
    label: str
    product: str
    pooled_with: list[str] = Field(default_factory=list)
    regimen: str | None = None
    population: str | None = None
    support_policy: str | None = None
    n_patients: int | None = None
    n_trials: float = Field(default=1.0, ge=1.0)
    grading: str
    # diagnoses coded for billing, which miss mild CRS: shown apart, never scored
    is_coded: bool = False
    # given into the blood or under the skin; into brain, ventricle or tumour is no systemic test
    is_systemic: bool = True
    window_d: float
    window_reason: str
    dose_times_h: list[float] = Field(default_factory=list)
    use: FigureUse = "shown"
    use_reason: str = "a trial of one's own"
    overlaps: list[str]
    rows: list[PublishedFigure]

    def summary(self) -> str:
        """Name, product, size, use and how many figures it published."""
        size = "size unknown" if self.n_patients is None else f"{self.n_patients} patients"
        return f"{self.name}: {self.product}, {size}, {len(self.rows)} figures, {self.use}"

    @property
    def products(self) -> list[str]:
        """The product, and those pooled with it."""
        return [self.product, *self.pooled_with]

    @property
    def is_pool(self) -> bool:
        """Whether a review pooled several products in it."""
        return bool(self.pooled_with)

    @property
    def figures(self) -> list[PublishedFigure]:
        """The rows as they are compared: without patients who are counted elsewhere."""
        return [row.counted for row in self.rows]

    @property
    def is_verified(self) -> bool:
        """False when every figure is only recalled: such a source is never the only support of a
        claim.
        """
        return any(row.verified for row in self.rows)

    @model_validator(mode="after")
    def _consistent(self) -> Trial:
        if not self.rows:
            raise ValueError("one row or more")
        if self.window_d <= 0 or (self.n_patients is not None and self.n_patients < 1):
            raise ValueError("a window_d above 0 and n_patients of 1 or more")
        if self.pooled_with and (self.regimen or self.population or self.support_policy):
            raise ValueError(
                "no regimen, population or support_policy of a pool: each product keeps its own"
            )
        if len(set(self.products)) < len(self.products):
            raise ValueError("each product of a pool once")
        if len(self.use_reason.strip()) < 3 or len(self.window_reason.strip()) < 3:
            raise ValueError("a use_reason and a window_reason")
        times = self.dose_times_h
        if times and (times[0] != 0 or times != sorted(set(times))):
            raise ValueError("dose_times_h in rising order, the first at 0")
        if not times and any(row.clock == "recent_dose" for row in self.rows):
            raise ValueError("dose_times_h, since an onset counts from the most recent dose")
        return self


def counted_once(trials: Iterable[Trial]) -> frozenset[str]:
    """Names of the sources to count, so that no patient is counted twice: no two of them overlap.

    Taken one after the other, each unless it shares patients with one taken before: first sources
    with a verified figure whose size is known, then other verified ones, then recalled ones; larger
    before smaller, then by name. A pool of several products is always taken, for its figures leave
    out those who are counted on their own. Hand in the sources of one claim (of one kind of figure,
    say).

    >>> counted_once([])
    frozenset()
    """
    listed = list(trials)
    shared = shared_patients(listed)
    taken: set[str] = set()
    for trial in by_precedence(listed):
        if not shared[trial.name] & taken:
            taken.add(trial.name)
    return frozenset(taken)


def by_precedence(trials: Iterable[Trial]) -> list[Trial]:
    """Sources in the order in which they are taken where they share patients."""
    return sorted(trials, key=_precedence)


def shared_patients(trials: Iterable[Trial]) -> dict[str, set[str]]:
    """Names of the sources that each shares patients with; none for a pool of several products,
    whose figures leave out those who are counted on their own.

    >>> shared_patients([])
    {}
    """
    listed = list(trials)
    pools = {trial.name for trial in listed if trial.is_pool}
    shared: dict[str, set[str]] = {trial.name: set() for trial in listed}
    for trial in listed:  # an overlap holds both ways, whichever file says it
        for other in trial.overlaps:
            if other in shared and not {trial.name, other} & pools:
                shared[trial.name].add(other)
                shared[other].add(trial.name)
    return shared


def _precedence(trial: Trial) -> tuple[bool, bool, int, str]:
    """Sort key: verified with a size, verified, recalled; then the largest; then by name."""
    has_size = any(row.verified and (row.n_patients or trial.n_patients) for row in trial.rows)
    return not has_size, not trial.is_verified, -(trial.n_patients or 0), trial.name


@dataclass(frozen=True, repr=False)
class Comparison(Result):
    """A published figure beside its simulated twin.

    ``low`` and ``high`` are the 95% interval that was judged and ``interval`` says where it comes
    from; a printed range or IQR is no such interval and stays in the trial's file. ``n`` is the
    size behind the interval. ``n_products`` above 1: a review pooled so many products, of which
    ``product`` is one. Missing numbers are NaN (null in JSON). ``agrees`` is True only when
    agreement was shown.
    """

    id: str
    trial: str
    product: str
    metric: str
    of: str
    family: str
    unit: str
    window_d: float
    published: float
    n: int | None
    low: float
    high: float
    interval: str
    simulated: float
    mc_error: float
    n_simulated: int
    agrees: bool
    verdict: Verdict
    reason: str
    use: FigureUse
    verified: bool
    citation: str
    note: str
    n_products: int = 1

    def summary(self) -> str:
        """One line for people; a recalled figure is marked unverified.

        >>> row = Comparison(
        ...     "E1", "label", "tarlatamab", "crs_any_rate", "patients", "any grade", "1", 28.0,
        ...     0.57, 473, 0.52, 0.61, "95% Wilson", 0.55, 0.01, 2000, True, "agrees", "",
        ...     "likelihood", False, "a label", "")
        >>> print(row.summary())
        E1 label: crs_any_rate of patients within 28 d, published 0.57 (0.52 to 0.61) [unverified],
        simulated 0.55 +- 0.01 MC error: agrees
        """
        unit = "" if self.unit == "1" else f" {self.unit}"
        interval = "no interval" if isnan(self.low) else f"{self.low:.3g} to {self.high:.3g}"
        doubt = "" if self.verified else " [unverified]"
        why = f" ({self.reason})" if self.reason else ""
        return (
            f"{self.id} {self.trial}: {self.metric} of {self.of} within {self.window_d:g} d,"
            f" published {self.published:.3g}{unit} ({interval}){doubt}, simulated"
            f" {self.simulated:.3g}{unit} +- {self.mc_error:.2g} MC error: {self.verdict}{why}"
        )
