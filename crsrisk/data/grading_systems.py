"""Grading systems: one moment of a patient, graded 0 to 5 under each published scale of cytokine
release syndrome (CRS).

Every grade is the highest of terms that each look at one sign and rise with it. So more signs never
lower a grade, and the worst grade of an episode is the grade of its extremes. Fever opens CRS and
is not asked for again, since antipyretics and cytokine blockade hide it. Where a scale leaves a
case open, the docstring says "read here as".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crsrisk.data.bounds import is_above, is_at_least
from crsrisk.errors import InputError
from crsrisk.results import Estimate, NotEstimable

Grades: TypeAlias = NDArray[np.int64]

# steps of Signs.oxygen_device
NO_OXYGEN, LOW_FLOW, HIGH_FLOW, POSITIVE_PRESSURE, VENTILATOR = range(5)
DEATH = 5
# x upper limit of normal; grade 1-4 above each (CTCAE 4.03 and 5.0)
ALT_STEPS = (1.0, 3.0, 5.0, 20.0)
CREATININE_STEPS = (1.0, 1.5, 3.0, 6.0)  # the same for creatinine
LONG_VASOPRESSOR_H = 24.0  # MSKCC
N_GRADES = 6  # 0 to 5
ASTCT_SOURCE = "Lee, Biol Blood Marrow Transplant 2019;25:625"
# by grade, what the consensus asks for beside fever
ASTCT_GRADES: Mapping[int, str] = MappingProxyType(
    {
        1: "fever of 38 °C or more alone",
        2: (
            "fever with low blood pressure that needs no vasopressor, or low oxygen that needs a"
            " nasal cannula up to 6 L/min or blow-by"
        ),
        3: "a vasopressor with or without vasopressin, or more than 6 L/min of oxygen, or any mask",
        4: "several vasopressors (vasopressin not counted), or positive pressure or a ventilator",
    }
)
FEWEST_PATIENTS = 20  # below, resampling says nothing about the spread of an agreement
LOWEST_BASELINE_RATIO = 1.5  # grade 1 above an abnormal baseline (CTCAE 5.0)


class GradingSystem(StrEnum):
    """The published scales, by the name used in files and on the command line."""

    ASTCT = "astct"
    LEE_2014 = "lee_2014"
    CTCAE_4 = "ctcae_4"
    CTCAE_5 = "ctcae_5"
    PENN = "penn"
    MSKCC = "mskcc"
    CARTOX = "cartox"


@dataclass(frozen=True, kw_only=True, eq=False)
class Signs:
    """What is true of one patient or many at one moment; arrays that broadcast together, or single
    numbers.

    ``has_crs``: fever of 38 degC or more has opened CRS and it is not over. ``has_hypotension``:
    low pressure, or fluids given for it. ``has_low_systolic``: systolic pressure below 90 mmHg, or
    fluids given for low pressure (CARTOX). ``has_multiple_boluses``: more than one fluid bolus.
    ``n_vasopressors``: how many run, vasopressin aside. ``has_vasopressin``: vasopressin beside
    them (ASTCT does not count it, the others do). ``vasopressor_h``: hours on vasopressors so far.
    ``oxygen_device``: 0 none, 1 low flow (nasal cannula up to 6 L/min, blow-by), 2 high flow or any
    mask, 3 positive pressure without a tube, 4 ventilator. ``has_fio2_40``: inspired oxygen of 40%
    or more (the scales other than ASTCT go by it). ``alt_x_uln``, ``creatinine_x_uln``: times the
    upper limit of normal; NaN = not measured. ``baseline_alt_x_uln``: ALT before CRS; above 1 the
    grade counts multiples of it. ``organ_toxicity_grade``: worst CTCAE grade (0-4) of
    another organ by CRS. ``has_died``: of CRS.

    >>> astct_grade(Signs(has_crs=True, n_vasopressors=[0, 1, 2])).tolist()
    [1, 3, 4]
    """

    has_crs: ArrayLike
    has_hypotension: ArrayLike = False
    has_low_systolic: ArrayLike = False
    has_multiple_boluses: ArrayLike = False
    n_vasopressors: ArrayLike = 0
    has_vasopressin: ArrayLike = False
    has_high_dose_vasopressor: ArrayLike = False
    vasopressor_h: ArrayLike = 0.0
    oxygen_device: ArrayLike = NO_OXYGEN
    has_fio2_40: ArrayLike = False
    alt_x_uln: ArrayLike = 0.0
    baseline_alt_x_uln: ArrayLike = 1.0
    creatinine_x_uln: ArrayLike = 0.0
    organ_toxicity_grade: ArrayLike = 0
    has_died: ArrayLike = False

    @property
    def n_all_vasopressors(self) -> Grades:
        """Vasopressors, vasopressin counted."""
        return np.asarray(self.n_vasopressors, dtype=np.int64) + np.asarray(
            self.has_vasopressin, dtype=np.int64
        )

    @property
    def organ_grade(self) -> Grades:
        """Worst CTCAE grade of creatinine and other organs, the liver aside."""
        other = np.asarray(self.organ_toxicity_grade, dtype=np.int64)
        return np.maximum(_steps_above(self.creatinine_x_uln, CREATININE_STEPS), other)

    @property
    def liver_grade(self) -> Grades:
        """CTCAE grade of transaminases."""
        return transaminase_grade(self.alt_x_uln, self.baseline_alt_x_uln)


def transaminase_grade(alt_x_uln: ArrayLike, baseline_x_uln: ArrayLike = 1.0) -> Grades:
    """CTCAE grade of a raised transaminase: above 1, 3, 5 and 20 times the upper limit of normal; 0
    if not measured.

    Where the baseline was above the limit the steps count from it, the first at 1.5 times.

    Source: NCI CTCAE v5.0, alanine aminotransferase increased; v4.03 has the steps from a normal
    baseline alone.

    >>> transaminase_grade([1.0, 3.0, 3.1, 21.0]).tolist()
    [0, 1, 2, 4]
    >>> transaminase_grade([4.0, 6.0, 13.0], 4.0).tolist()
    [0, 1, 2]
    """
    values = np.asarray(alt_x_uln, dtype=np.float64)
    baseline = np.asarray(baseline_x_uln, dtype=np.float64)
    is_raised = is_above(baseline, 1.0)
    ratio = values / np.where(is_raised, baseline, 1.0)
    first = np.where(is_raised, is_at_least(ratio, LOWEST_BASELINE_RATIO), is_above(ratio, 1.0))
    return first.astype(np.int64) + _steps_above(ratio, ALT_STEPS[1:])


def astct_grade(signs: Signs) -> Grades:
    """ASTCT consensus (Lee, Biol Blood Marrow Transplant 2019;25:625).

    2: hypotension without vasopressor, or oxygen by nasal cannula up to 6 L/min or blow-by. 3: a
    vasopressor with or without vasopressin, or more than 6 L/min, or any mask. 4: several
    vasopressors, vasopressin not counted, or positive pressure. Vasopressin as the only one is read
    here as a vasopressor.
    """
    return _worst(
        signs,
        _if(signs.has_hypotension, 2),
        _if(signs.n_all_vasopressors >= 1, 3),
        _if(np.asarray(signs.n_vasopressors) >= 2, 4),
        _from_device(signs, (2, 3, 4, 4)),
    )


def lee_2014_grade(signs: Signs) -> Grades:
    """Lee, Blood 2014;124:188.

    2: hypotension that responds to fluids or a low dose of one vasopressor, oxygen below 40%, or
    grade 2 organ toxicity. 3: high-dose or several vasopressors, oxygen of 40% or more, grade 3
    organ toxicity or grade 4 transaminases. 4: ventilator, or grade 4 organ toxicity other than
    transaminases. Positive pressure without a tube is read here as 40% or more, hypotension that
    nobody treated as grade 2, and vasopressin counts as a vasopressor.
    """
    return _worst(
        signs,
        _if(signs.has_hypotension, 2),
        _lee_vasopressors(signs),
        _from_fio2(signs, (2, 3, 3, 4)),
        np.minimum(3, signs.liver_grade),
        signs.organ_grade,
    )


def ctcae_4_grade(signs: Signs) -> Grades:
    """CTCAE v4.03, cytokine release syndrome (NCI 2010), written for reactions to infusions.

    2: responds promptly to symptomatic treatment, intravenous fluids among it. 3: prolonged,
    recurring, or hospital for sequelae such as renal impairment. 4: vasopressor or ventilatory
    support indicated. It does not name oxygen. Read here as: hypotension and oxygen below 40% grade
    2; "prolonged, not rapidly responsive" is oxygen of 40% or more, not several boluses; grade 3 or
    more of creatinine or another organ is a sequela; ventilatory support includes positive pressure
    without a tube. Recurrence raises no grade here.
    """
    return _worst(
        signs,
        _if(signs.has_hypotension, 2),
        _if(signs.n_all_vasopressors >= 1, 4),
        _if(signs.has_high_dose_vasopressor, 4),
        _from_fio2(signs, (2, 3, 4, 4)),
        _if(signs.organ_grade >= 3, 3),
    )


def ctcae_5_grade(signs: Signs) -> Grades:
    """CTCAE v5.0, cytokine release syndrome (NCI 2017).

    2: hypotension that responds to fluids, or oxygen below 40%. 3: hypotension managed with one
    vasopressor, or oxygen of 40% or more. 4: life-threatening, urgent intervention indicated; read
    here as a second vasopressor (vasopressin counted) or positive pressure. One vasopressor in a
    high dose stays grade 3; organs are graded under their own terms.
    """
    return _worst(
        signs,
        _if(signs.has_hypotension, 2),
        _from_count(signs.n_all_vasopressors, 3, 4),
        _if(signs.has_high_dose_vasopressor, 3),
        _from_fio2(signs, (2, 3, 4, 4)),
    )


def penn_grade(signs: Signs) -> Grades:
    """University of Pennsylvania (Porter, J Hematol Oncol 2018;11:35).

    2: a hospital stay for symptoms of CRS (neutropenic fever among them), intravenous therapy other
    than fluids for hypotension, grade 2 creatinine or grade 3 transaminases. 3: hypotension treated
    with several boluses or low-dose vasopressors, any supplemental oxygen up to CPAP or BiPAP,
    grade 3 creatinine or grade 4 transaminases. 4: high-dose vasopressors or mechanical
    ventilation. Read here as: one bolus, or hypotension that nobody treated, is grade 2; other
    organs count like creatinine, and neither beyond grade 3. Several low-dose vasopressors stay
    grade 3. Not looked at, since no sign tells of them: hospital stay and intravenous therapy
    (grade 2), coagulopathy that needs plasma (grade 3).
    """
    liver, organ = signs.liver_grade, signs.organ_grade
    return _worst(
        signs,
        _if(signs.has_hypotension, 2),
        _if(signs.has_multiple_boluses, 3),
        _if(signs.n_all_vasopressors >= 1, 3),
        _if(signs.has_high_dose_vasopressor, 4),
        _from_device(signs, (3, 3, 3, 4)),
        _if(liver >= 3, 2),
        _if(liver >= 4, 3),
        _if(organ >= 2, 2),
        _if(organ >= 3, 3),
    )


def mskcc_grade(signs: Signs) -> Grades:
    """Memorial Sloan Kettering (Park, N Engl J Med 2018;378:449).

    1: fluids alone. 2: any vasopressors for less than 24 h, or oxygen below 40%. 3: any
    vasopressors for 24 h or more, or oxygen of 40% or more. 4: hypotension refractory to high-dose
    vasopressors, or mechanical ventilation. A table cannot tell refractory from high dose, so that
    high dose is read here as grade 4; positive pressure without a tube as 3.
    """
    has_vasopressor = signs.n_all_vasopressors > 0
    is_long = has_vasopressor & is_at_least(signs.vasopressor_h, LONG_VASOPRESSOR_H)
    return _worst(
        signs,
        _if(has_vasopressor, 2),
        _if(is_long, 3),
        _if(signs.has_high_dose_vasopressor, 4),
        _from_fio2(signs, (2, 3, 3, 4)),
    )


def cartox_grade(signs: Signs) -> Grades:
    """CARTOX (Neelapu, Nat Rev Clin Oncol 2018;15:47): like Lee 2014, with systolic pressure below
    90 mmHg.

    2: systolic pressure below 90 mmHg that responds to fluids or a low-dose vasopressor, oxygen
    below 40%, or grade 2 organ toxicity. 3: high-dose or several vasopressors, oxygen of 40% or
    more, grade 3 organ toxicity or grade 4 transaminases. 4: ventilator, life-threatening
    hypotension, grade 4 organ toxicity other than transaminases. A table does not show that
    hypotension is life-threatening: it ends at grade 3 here. Other readings as in Lee 2014.
    """
    return _worst(
        signs,
        _if(signs.has_low_systolic, 2),
        _lee_vasopressors(signs),
        _from_fio2(signs, (2, 3, 3, 4)),
        np.minimum(3, signs.liver_grade),
        signs.organ_grade,
    )


GRADERS: Mapping[GradingSystem, Callable[[Signs], Grades]] = MappingProxyType(
    {
        GradingSystem.ASTCT: astct_grade,
        GradingSystem.LEE_2014: lee_2014_grade,
        GradingSystem.CTCAE_4: ctcae_4_grade,
        GradingSystem.CTCAE_5: ctcae_5_grade,
        GradingSystem.PENN: penn_grade,
        GradingSystem.MSKCC: mskcc_grade,
        GradingSystem.CARTOX: cartox_grade,
    }
)


def episode_grades(
    *,
    n_episodes: ArrayLike,
    had_fluids: ArrayLike,
    longest_fluids_h: ArrayLike,
    multiple_boluses_h: float,
    had_vasopressor: ArrayLike,
    longest_vasopressor_h: ArrayLike,
    had_second_vasopressor: ArrayLike,
    had_oxygen: ArrayLike,
    had_high_flow: ArrayLike,
    had_positive_pressure: ArrayLike,
    peak_alt_x_uln: ArrayLike,
) -> dict[GradingSystem, Grades]:
    """Worst grade of each simulated patient under every system, from the extremes of the whole
    follow-up.

    All arguments but one hold one number a patient, as the solver's tracks record them.
    ``multiple_boluses_h``: hours under fluids after which several boluses have been given (the
    assumption ``grading.multiple_boluses_h``). ``peak_alt_x_uln``: highest ALT while CRS was open.
    Exact, see the module's docstring. The simulated ward adds a second vasopressor only when the
    first in full effect does not hold the pressure, so the second one also says "high dose". It has
    no vasopressin, no creatinine and no tube. ASTCT equals the solver's own ``max_grade``.

    >>> grades = episode_grades(
    ...     n_episodes=[1], had_fluids=[1], longest_fluids_h=[8], multiple_boluses_h=6,
    ...     had_vasopressor=[0], longest_vasopressor_h=[0], had_second_vasopressor=[0],
    ...     had_oxygen=[0], had_high_flow=[0], had_positive_pressure=[0], peak_alt_x_uln=[1.2])
    >>> {system.value: int(grade[0]) for system, grade in grades.items()}
    {'astct': 2, 'lee_2014': 2, 'ctcae_4': 2, 'ctcae_5': 2, 'penn': 3, 'mskcc': 1, 'cartox': 2}
    """
    second, high_flow = _yes(had_second_vasopressor), _yes(had_high_flow)
    positive = _yes(had_positive_pressure)
    device = _highest(
        _if(had_oxygen, LOW_FLOW), _if(high_flow, HIGH_FLOW), _if(positive, POSITIVE_PRESSURE)
    )
    signs = Signs(
        has_crs=np.asarray(n_episodes) > 0,
        has_hypotension=had_fluids,
        has_low_systolic=had_fluids,
        has_multiple_boluses=_yes(had_fluids)
        & (np.asarray(longest_fluids_h) >= multiple_boluses_h),
        n_vasopressors=np.maximum(_if(had_vasopressor, 1), _if(second, 2)),
        has_high_dose_vasopressor=second,
        vasopressor_h=longest_vasopressor_h,
        oxygen_device=device,
        has_fio2_40=high_flow | positive,
        alt_x_uln=peak_alt_x_uln,
    )
    return {system: grade(signs) for system, grade in GRADERS.items()}


_NAMED = re.compile(
    r"\b(?:(?P<astct>astct|asbmt|lee\W{0,2}(?:et al\W{0,3})?2019)|(?P<lee_2014>lee)"
    r"|(?P<ctcae>ctcae)(?:\W*(?:version|v)?\W*(?P<version>\d))?"
    r"|(?P<penn>u?penn|pennsylvania)|(?P<mskcc>mskcc|msk)|(?P<cartox>cartox))\b"
)
_UNNAMED = re.compile(r"study definition|mixed|icd\W?10")


def system_of(text: str, *, where: str = "grading") -> GradingSystem:
    """The system that a product's or trial's free text on grading names.

    The first one named counts: "Penn/ASTCT" is Penn. CTCAE without a version is 4.03 unless version
    5 is named anywhere. "study definition", "mixed" and diagnosis codes (ICD-10 has grades but no
    scale) are compared as ASTCT, today's usual scale. Any other text raises :class:`InputError`.

    >>> system_of("Lee 2014 (counts transaminitis)")
    <GradingSystem.LEE_2014: 'lee_2014'>
    """
    lower = text.casefold()
    named = list(_NAMED.finditer(lower))
    if named and named[0]["ctcae"] is None:
        return GradingSystem(str(named[0].lastgroup))
    if named:
        versions = [match["version"] for match in named if match["version"]]
        version = named[0]["version"] or ("5" if "5" in versions else "4")
        if version in ("4", "5"):
            return GradingSystem(f"ctcae_{version}")
    elif _UNNAMED.search(lower):
        return GradingSystem.ASTCT
    raise InputError(
        where=where,
        key="grading",
        found=repr(text),
        expected=(
            "a text that names ASTCT, Lee 2014, CTCAE 4.03, CTCAE 5.0, Penn, MSKCC or CARTOX, or"
            " says study definition, mixed or ICD-10"
        ),
        cure="name the system that graded the trial",
    )


# --- terms ---


def _yes(condition: ArrayLike) -> NDArray[np.bool_]:
    return np.asarray(condition).astype(np.bool_)


def _if(condition: ArrayLike, grade: int) -> Grades:
    return np.where(_yes(condition), grade, 0).astype(np.int64)


def _steps_above(value: ArrayLike, steps: tuple[float, ...]) -> Grades:
    values = np.asarray(value, dtype=np.float64)
    return np.asarray(np.sum([is_above(values, step) for step in steps], axis=0), dtype=np.int64)


def _from_count(n: ArrayLike, single: int, several: int) -> Grades:
    count = np.asarray(n)
    return np.maximum(_if(count >= 1, single), _if(count >= 2, several))


def _from_device(signs: Signs, grades: tuple[int, int, int, int]) -> Grades:
    """Grade by oxygen device: low flow, high flow, positive pressure, ventilator."""
    return np.array((0, *grades), dtype=np.int64)[np.asarray(signs.oxygen_device, dtype=np.int64)]


def _from_fio2(signs: Signs, grades: tuple[int, int, int, int]) -> Grades:
    """Grade by inspired oxygen: below 40%, 40% or more; then by device: positive pressure,
    ventilator.
    """
    below, above, positive, ventilator = grades
    return np.maximum(
        _from_device(signs, (below, below, positive, ventilator)), _if(signs.has_fio2_40, above)
    )


def _lee_vasopressors(signs: Signs) -> Grades:
    return np.maximum(
        _from_count(signs.n_all_vasopressors, 2, 3), _if(signs.has_high_dose_vasopressor, 3)
    )


def _worst(signs: Signs, *terms: Grades) -> Grades:
    """The highest term, at least 1 while CRS is open, 0 without CRS, 5 after death."""
    grade = np.where(_yes(signs.has_crs), _highest(_if(True, 1), *terms), 0)
    return np.where(_yes(signs.has_died), DEATH, grade).astype(np.int64)


def _highest(first: Grades, *others: Grades) -> Grades:
    for other in others:
        first = np.maximum(first, other)
    return first


# --- agreement of two systems on the same patients ---


@dataclass(frozen=True, eq=False)
class Agreement:
    """How far two grading systems give the same patients the same grade.

    ``table``: patients by grade of the first system (rows) and the second (columns), 0 to 5.
    ``exact``: share with the same grade. ``kappa``: Cohen's, with linear weights and its 95%
    interval (none below twenty patients); not estimable when both systems give everybody one and
    the same grade.
    """

    first: GradingSystem
    second: GradingSystem
    table: NDArray[np.int64]
    exact: float
    kappa: Estimate | NotEstimable


def weighted_kappa(tables: ArrayLike) -> NDArray[np.float64]:
    """Cohen's kappa with linear weights (Cohen, Psychol Bull 1968;70:213) of cross tables, shape
    (..., k, k) -> (...).

    1 minus the mean difference in grade over the one expected by chance from the margins; NaN where
    that is 0. scikit-learn's ``cohen_kappa_score`` gives the same number for one table; the
    interval needs it for 2,000 tables of each of 21 pairs of systems, which takes it half a minute
    and this a moment.

    >>> float(weighted_kappa([[4, 0], [0, 4]]))
    1.0
    """
    counts = np.asarray(tables, dtype=np.float64)
    grade = np.arange(counts.shape[-1])
    steps = np.abs(grade[:, None] - grade[None, :])
    total = counts.sum(axis=(-2, -1))
    expected = counts.sum(axis=-1)[..., :, None] * counts.sum(axis=-2)[..., None, :]
    observed, by_chance = (
        (counts * steps).sum(axis=(-2, -1)) * total,
        (expected * steps).sum(axis=(-2, -1)),
    )
    undefined = by_chance == 0.0
    return np.asarray(
        np.where(undefined, np.nan, 1.0 - observed / np.where(undefined, 1.0, by_chance))
    )


def agree(
    first: GradingSystem,
    second: GradingSystem,
    grades: Mapping[GradingSystem, ArrayLike],
    *,
    seed: int = 1,
    n_resamples: int = 2000,
) -> Agreement:
    """Agreement of two systems; ``grades``: by system one grade (0-5) a patient, in the same order.

    The interval is the 2.5th to 97.5th percentile over resamples of the patients (a resample of
    patients is a multinomial draw of the cross table); resamples without a kappa are left out.

    >>> astct, penn = GradingSystem.ASTCT, GradingSystem.PENN
    >>> agree(astct, penn, {astct: [0, 1, 2], penn: [0, 1, 3]}).exact
    0.6666666666666666
    """
    rows, columns = (np.asarray(grades[system], dtype=np.int64) for system in (first, second))
    if rows.shape != columns.shape or rows.ndim != 1 or not len(rows):
        raise ValueError("two lists of grades, of the same patients, at least one patient")
    n = len(rows)
    table = np.bincount(rows * N_GRADES + columns, minlength=N_GRADES**2)
    kappa: Estimate | NotEstimable
    value = float(weighted_kappa(table.reshape(N_GRADES, N_GRADES)))
    if np.isnan(value):
        kappa = NotEstimable("both systems give every patient the same grade")
    elif n < FEWEST_PATIENTS:
        kappa = Estimate(value)
    else:
        draws = np.random.default_rng(seed).multinomial(n, table / n, size=n_resamples)
        resampled = weighted_kappa(draws.reshape(-1, N_GRADES, N_GRADES))
        low, high = np.nanquantile(resampled, [0.025, 0.975])
        kappa = Estimate(value, float(low), float(high))
    exact = float(np.mean(rows == columns))
    return Agreement(first, second, table.reshape(N_GRADES, N_GRADES), exact, kappa)
