"""Which published figures are fitted, and which ones forecasts are scored on.

The likelihood holds every figure that the simulator has a twin of, of every source that is neither
coded for billing nor locoregional, with two limits. No patient counts twice for one kind of figure
(:data:`KINDS`): where sources share patients, one speaks for them, verified and large ones first.
And no source brings more than four figures, one of a kind. A pool of several products counts
beside the sources in it, less the patients that those count.

The score of a forecast asks for three rates alone (:func:`scored_figures`), product by product.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

from crsrisk.data.product import Product
from crsrisk.data.published_figures import (
    FigureUse,
    PublishedFigure,
    Trial,
    by_precedence,
    counted_once,
    shared_patients,
)
from crsrisk.data.world_files import load_product
from crsrisk.results import Result

Group: TypeAlias = Literal["engagers", "cells", "others"]
MOST_FIGURES_OF_A_SOURCE = 4
FEWEST_LEFT_IN_A_POOL = 0.5  # share of its patients who must not be counted on their own
# kind -> metrics, in the order in which a source's figures are taken. Metrics of one kind imply one
# another: in the simulator every fever after a dose opens CRS; grade 1 or 2 and grade >= 3 make any
# grade. What a ward gives (treatment) tells of the ward, and is shown.
KINDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "any grade": (
            "crs_any_rate",
            "crs_any_rate_cycle1",
            "crs_grade1_2_rate",
            "inflammatory_disorder_grade1_2_rate",
            "pyrexia_any_rate",
        ),
        "grade >= 2": ("crs_grade2plus_rate",),
        "grade >= 3": (
            "crs_grade3plus_rate",
            "inflammatory_disorder_grade3plus_rate",
            "crs_grade3_rate",
            "share_high_grade_among_crs",
        ),
        "onset": (
            "onset_median_h",
            "onset_median_d",
            "share_of_episodes_starting_day_of_infusion",
        ),
        "resolution": ("resolution_median_d", "crs_duration_median_d"),
        "after dose 1": ("share_of_crs_patients_with_event_after_dose1", "crs_after_dose1_rate"),
        "after dose 2": ("share_of_crs_patients_with_event_after_dose2", "crs_after_dose2_rate"),
        "after dose 3": (
            "share_of_crs_patients_with_event_after_dose3plus",
            "crs_after_dose3plus_rate",
        ),
        "grade >= 2 after dose 2": (
            "crs_grade2plus_after_c1d8",
            "grade2plus_with_more_than_one_infusion_rate",
        ),
        "grade >= 2 after dose 1": (
            "crs_grade2plus_after_c1d1",
            "share_of_grade2plus_events_at_dose1",
        ),
        "recurrence": ("multiple_flares_rate", "recurrence_rate_any"),
        "high fever": ("pyrexia_grade3plus_rate",),
    }
)
_ANY, _GRADE_2, _GRADE_3 = "crs_any_rate", "crs_grade2plus_rate", "crs_grade3plus_rate"
# rate that is scored -> pairs of printed rates whose events add up to it, for they are parts of the
# same patients
SCORED: Mapping[str, tuple[tuple[str, ...], ...]] = MappingProxyType(
    {
        _ANY: ((_ANY,), ("crs_grade1_2_rate", _GRADE_3)),
        _GRADE_2: ((_GRADE_2,),),
        _GRADE_3: ((_GRADE_3,), ("crs_grade3_rate", "crs_grade4_rate")),
    }
)
GROUPS: Mapping[str, Group] = MappingProxyType(
    {
        "tce": "engagers",
        "immtac": "engagers",
        "car_t": "cells",
        "tcr_t": "cells",
        "til": "others",
        "ici": "others",
    }
)


def likelihood_figures(trials: Iterable[Trial]) -> list[tuple[PublishedFigure, Trial]]:
    """Every figure that is fitted and its source, in the order of the sources; of a pool without
    the patients who are counted on their own.

    Sources are taken in the order of :func:`~crsrisk.data.published_figures.by_precedence`. Each
    brings at most four figures, one of a kind and in the order of :data:`KINDS`, and none of a kind
    that a source with the same patients has brought: what that one had no room for, it may bring.
    Within a kind what was seen goes before what is recalled, then by the order of the metrics, then
    figures with a known size, larger ones first.

    >>> from crsrisk.data.evidence_files import load_trials
    >>> [figure.id for figure, trial in likelihood_figures(load_trials())
    ...  if trial.name in ("tarlatamab_label_2024", "tarlatamab_label_2025")]
    ['E053', 'E054', 'E055', 'E057', 'E030', 'E035', 'E033', 'E046']
    """
    chosen = [trial for trial in trials if _may_be_fitted(trial)]
    shared = shared_patients(chosen)
    counted: dict[str, set[str]] = {kind: set() for kind in KINDS}  # names of sources by kind
    brought: dict[str, list[PublishedFigure]] = {}
    for trial in by_precedence(chosen):
        best = {kind: _best(trial, metrics) for kind, metrics in KINDS.items()}
        free = [
            (kind, figure)
            for kind, figure in best.items()
            if figure is not None and not shared[trial.name] & counted[kind]
        ][:MOST_FIGURES_OF_A_SOURCE]
        for kind, _ in free:
            counted[kind].add(trial.name)
        brought[trial.name] = [figure for _, figure in free]
    return [(figure.counted, trial) for trial in chosen for figure in brought[trial.name]]


def use_by_rule(trials: Sequence[Trial]) -> dict[str, FigureUse]:
    """What the ``use`` of each source is by the rule: ``likelihood`` when a figure of it is
    fitted.
    """
    fitted = {trial.name for _, trial in likelihood_figures(trials)}
    return {trial.name: "likelihood" if trial.name in fitted else "shown" for trial in trials}


def fitted_ids(trials: Iterable[Trial]) -> frozenset[str]:
    """Ids of the figures that are fitted among sources whose own ``use`` says so. Hand in all, or
    all of a product or of a use: sources that share patients decide together.
    """
    named = [trial for trial in trials if trial.use == "likelihood"]
    return frozenset(figure.id for figure, _ in likelihood_figures(named))


def _may_be_fitted(trial: Trial) -> bool:
    if trial.is_coded or not trial.is_systemic:
        return False
    return not trial.is_pool or all(
        row.n_patients is not None
        and row.n_patients - row.elsewhere_patients >= FEWEST_LEFT_IN_A_POOL * row.n_patients
        for row in trial.rows
    )


def _best(trial: Trial, metrics: tuple[str, ...]) -> PublishedFigure | None:
    """The figure of one kind that speaks for a source."""
    return min(
        (row for row in trial.rows if row.metric in metrics and row.not_fitted is None),
        key=lambda row: (
            not row.verified,
            metrics.index(row.metric),
            row.n_patients is None,
            -(row.n_patients or 0),
            row.id,
        ),
        default=None,
    )


@dataclass(frozen=True, repr=False)
class ScoredFigure(Result):
    """A published rate that forecasts are scored on: ``events`` of ``n``.

    ``ids`` are the rows that it comes from: one, or two whose counts are added (``counts_added``).
    ``verified``: none of them is recalled. ``note`` says what to know before reading its score.
    """

    metric: str
    group: Group
    product: str
    trial: str
    ids: tuple[str, ...]
    events: int
    n: int
    verified: bool
    note: str = ""

    @property
    def value(self) -> float:
        """The rate."""
        return self.events / self.n

    @property
    def counts_added(self) -> bool:
        """Whether it is the sum of two printed counts of the same patients."""
        return len(self.ids) > 1

    def summary(self) -> str:
        """What was counted, in one line."""
        return (
            f"{'+'.join(self.ids)} {self.trial} ({self.product}): {self.metric}"
            f" {self.events} of {self.n}"
        )


def scored_figures(
    trials: Iterable[Trial], *, products: Mapping[str, Product] | None = None
) -> list[ScoredFigure]:
    """The figures that leave-one-product-out forecasts are scored on.

    Rates of CRS of any grade, of grade >= 2 and of grade >= 3 with a printed size, of systemic
    sources of one product that are not coded for billing, no patient twice for one of the three.
    A source that prints the parts of a rate alone (grade 1 or 2 and grade >= 3; grades 3 and 4)
    has their counts added. Checkpoint inhibitors and TIL form the group ``others``: reported, not
    scored.

    ``products``: those of the sources by name; without it the shipped ones.
    """
    chosen = [
        trial for trial in trials if trial.is_systemic and not (trial.is_coded or trial.is_pool)
    ]
    found: list[ScoredFigure] = []
    for metric, ways in SCORED.items():
        parts = {trial.name: rows for trial in chosen if (rows := _printed(trial, ways))}
        counted = counted_once([trial for trial in chosen if trial.name in parts])
        for trial in chosen:
            if trial.name in counted:
                product = (
                    load_product(trial.product) if products is None else products[trial.product]
                )
                found.append(_scored(metric, trial, parts[trial.name], product))
    return found


def _printed(trial: Trial, ways: tuple[tuple[str, ...], ...]) -> tuple[PublishedFigure, ...]:
    """The rows of a source that make a rate, by the first way that it prints with one size."""
    for metrics in ways:
        rows = [_with_size(trial, metric) for metric in metrics]
        known = tuple(row for row in rows if row is not None)
        if len(known) == len(metrics) and len({row.n_patients for row in known}) == 1:
            return known
    return ()


def _with_size(trial: Trial, metric: str) -> PublishedFigure | None:
    return min(
        (row for row in trial.rows if row.metric == metric and row.n_patients is not None),
        key=lambda row: (not row.verified, -(row.n_patients or 0), row.id),
        default=None,
    )


def _scored(
    metric: str, trial: Trial, rows: tuple[PublishedFigure, ...], product: Product
) -> ScoredFigure:
    n = rows[0].n_patients or 0
    return ScoredFigure(
        metric=metric,
        group=GROUPS[product.platform],
        product=trial.product,
        trial=trial.name,
        ids=tuple(row.id for row in rows),
        events=sum(row.events if row.events is not None else round(row.value * n) for row in rows),
        n=n,
        verified=all(row.verified for row in rows),
        note=" ".join(row.not_fitted for row in rows if row.not_fitted),
    )
