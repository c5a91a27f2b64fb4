"""Interval coverage: how often the interval that is shown first holds the true risk, in worlds that
it was not made from.

Held-out members of the ensemble are asked for patients of every product, each simulated many times
in the world that he lives in: as a product that the model knows, and as one that it does not. The
share of patients whose interval holds their true risk is measured per product and by tenth of the
predicted risk, for grade 2 or more and for grade 3 or more, with the refit range beside it. Of a
landmark model patients are judged together who are alike to it
(:mod:`crsrisk.studies.world_spread`). Chance
of finitely many simulations is taken out (:mod:`crsrisk.evaluation.deconvolution`), which says
nothing where a patient has a handful of events: with fewer than ten on average the share cannot be
told. Everywhere the *counts* are judged too: a patient's number of events against the central nine
tenths of what interval and chance together predict, which needs no truth and is exact for any
number of simulations, but sees less where events are few. Errors come from drawing members anew,
since patients of one world share it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import expit, logit

from crsrisk.data.assumptions import Strict
from crsrisk.data.ensemble import Ensemble, load_ensemble
from crsrisk.data.files import write_json, write_text
from crsrisk.data.world import World, load_world
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.errors import InputError
from crsrisk.evaluation.deconvolution import Deconvolution
from crsrisk.evaluation.metrics import bootstrap_counts, percentile_estimate
from crsrisk.folders import find
from crsrisk.model.companions import load_companions
from crsrisk.model.refits import Refits, refit_range
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import load_model
from crsrisk.model.world_spread import LEVEL, WorldSpread, counts_inside
from crsrisk.model.world_spread import interval as true_risk_interval
from crsrisk.results import Estimate, Result, to_plain
from crsrisk.simulation.arm import Arm, make_arm
from crsrisk.studies.experiment import experiment_file, products_of
from crsrisk.studies.world_spread import (
    BLOCK,
    ArmRisks,
    answers_of,
    as_unknown,
    ask_worlds,
    spread_of,
    why_no_spread,
)
from crsrisk.terminal import TextTable, console_of, text_table
from crsrisk.uncertainty.world_courses import WorldCourses
from crsrisk.uncertainty.world_risks import HELD_OUT, WorldRisks

Values = NDArray[np.float64]
Begin = Callable[[str, int], Callable[[int], None]]
TENTHS = 10
N_RESAMPLES = 400
FEWEST_EVENTS = 10.0  # a patient, in the mean of a group, for the share of true risks
EVERYBODY = "all"
NOTICE = (
    "True risks are those of simulated worlds that published figures cannot tell apart: no real"
    " patient is in this, and where all of them are wrong, the intervals are."
)
OF_COURSES = (
    f"Each patient stands for {BLOCK} patients at risk at the landmark, of one world and product,"
    " of whom the model says nearly the same; the true risk is that of patients alike."
)


class IntervalCoverage(Strict):
    """Which model is judged, and how much may be simulated: ``each`` patients in each member,
    before the first dose ``repetitions`` times, at a landmark once.
    """

    kind: str
    name: str
    question: str
    released: str
    products: list[str] = Field(default_factory=list)
    seed: int = Field(ge=0)
    each: int = Field(ge=1)
    repetitions: int | None = Field(default=None, ge=20, multiple_of=2)


@dataclass(frozen=True)
class CoverageRow:
    """One group of patients: share of true risks inside the interval shown first, with its 95%
    interval over members and Monte Carlo error (None where it cannot be told), and its mean width
    (risk); the shares below and above it; the share inside the refit range (95%); and ``counts``,
    the share of counts of events inside what was predicted, with the same errors.

    ``event`` of which the risk is; ``products``: known or new; ``group``: `all`, a product, or a
    tenth of the predicted risk by its ends.
    """

    event: str
    products: str
    group: str
    n_patients: int
    share: Estimate | None
    counts: Estimate
    below: float | None
    above: float | None
    width: float
    refit_range: float | None

    @property
    def is_missed(self) -> bool:
        """Whether chance alone hardly explains the distance from nine in ten."""
        told = [one for one in (self.share, self.counts) if one is not None]
        return not all(one.low <= LEVEL <= one.high for one in told)


@dataclass(frozen=True, repr=False)
class IntervalCoverageResult(Result):
    """Coverage of the interval that is shown first, in held-out worlds."""

    name: str
    question: str
    config: IntervalCoverage
    model: str
    is_made_here: bool
    n_members: int
    rows: tuple[CoverageRow, ...]
    notice: str = NOTICE

    def of(self, group: str, *, event: str, products: str = "known") -> CoverageRow:
        """The row of one group."""
        for row in self.rows:
            if (row.group, row.event, row.products) == (group, event, products):
                return row
        raise KeyError(f"{event}, {products}, {group}")

    def summary(self) -> str:
        """Coverage over all patients, and the groups in which it is missed."""
        lines = [f"{self.name}: {self.question}"]
        for row in self.rows:
            if row.group == EVERYBODY:
                lines.append(
                    f"- {row.event}, {row.products} products: {_percent(row.share)} of true risks,"
                    f" {_percent(row.counts)} of counts, {row.n_patients} patients (aim"
                    f" {LEVEL:.0%})"
                )
        missed = [row for row in self.rows if row.is_missed and row.group != EVERYBODY]
        said = "; ".join(f"{one.event}, {one.products}, {one.group}" for one in missed) or "none"
        made = "made here, as the folder has none" if self.is_made_here else "as stored"
        return "\n".join(
            [
                *lines,
                f"- groups of which 95% intervals leave out {LEVEL:.0%}: {said}",
                f"Model {self.model}, intervals {made}; {self.n_members} held-out members.",
                self.notice,
            ]
        )

    def to_frame(self) -> pd.DataFrame:
        """One row a group."""
        return pd.DataFrame(
            [
                {
                    "event": row.event,
                    "products": row.products,
                    "group": row.group,
                    "n_patients": row.n_patients,
                    **_flat("share", row.share),
                    **_flat("counts", row.counts),
                    "below": row.below,
                    "above": row.above,
                    "width": row.width,
                    "refit_range": row.refit_range,
                    "is_missed": row.is_missed,
                }
                for row in self.rows
            ]
        )

    def tables(self) -> tuple[TextTable, ...]:
        """One table for each event, known and new products apart."""
        kinds = dict.fromkeys((row.event, row.products) for row in self.rows)
        return tuple(self._table(*kind) for kind in kinds)

    def _table(self, event: str, products: str) -> TextTable:
        rows = [row for row in self.rows if (row.event, row.products) == (event, products)]
        return text_table(
            f"{event}, {products} products: true risks inside, % (95% interval)",
            (
                "group",
                "patients",
                "inside",
                "below",
                "above",
                "counts inside",
                "width",
                "in refit range",
                "",
            ),
            [
                (
                    row.group,
                    str(row.n_patients),
                    _percent(row.share),
                    _whole(row.below),
                    _whole(row.above),
                    _percent(row.counts),
                    f"{100 * row.width:.1f}",
                    _whole(row.refit_range),
                    "missed" if row.is_missed else "",
                )
                for row in rows
            ],
            strong=[at for at, row in enumerate(rows) if row.is_missed],
        )

    def to_markdown(self) -> str:
        """Tables and summary as a page."""
        lines = [f"# {self.name}", "", self.summary()]
        for table in self.tables():
            lines += ["", f"## {table.title}", "", *table.markdown()]
        return "\n".join([*lines, ""])

    def save(self, folder: Path) -> None:
        """Write ``summary.json`` and ``table.md``."""
        write_json(folder / "summary.json", {**to_plain(self), "rows": to_plain(self.to_frame())})
        write_text(folder / "table.md", self.to_markdown())


def run_interval_coverage(folder: Path, *, workers: int, begin: Begin) -> IntervalCoverageResult:
    """Run the experiment; writes ``summary.json`` and ``table.md`` to ``results/``.

    A model whose folder knows nothing of worlds gets its intervals here, from the building members.
    Raises :class:`InputError` for a model that cannot be judged so.
    """
    path = experiment_file(folder)
    config = build(IntervalCoverage, read_yaml(path), where=str(path))
    place = find("released", config.released)
    model, world = load_model(place), load_world()
    is_landmark = model.contract.landmark_h > 0
    if why := why_no_spread(model.contract, world=world):
        raise InputError(
            where=str(path),
            key="released",
            found=f"{model.label}: {why}",
            expected="a model of the reference world, of CRS of grade 2 or 3 or more",
            cure="name another model",
        )
    if is_landmark != (config.repetitions is None):
        raise InputError(
            where=str(path),
            key="repetitions",
            found="repetitions of a course" if is_landmark else "none",
            expected="repetitions for a model of before the first dose, none for a landmark model",
            cure="leave the line out" if is_landmark else "say how often, as 200",
        )
    beside = load_companions(place, model=model)
    models = [(model, beside.refits, beside.worlds)]
    if beside.grade3plus is not None:
        models.append((beside.grade3plus, beside.grade3plus_refits, beside.grade3plus_worlds))
    known = set(model.contract.products)
    arms = [
        make_arm(product, world=world)
        for product in products_of(config.products)
        if product.name in known
    ]
    ensemble = load_ensemble()
    is_made_here = any(worlds is None for *_, worlds in models)
    if is_made_here:
        models = _with_spreads(models, arms, world, ensemble, config, workers, begin)
    judged = ask_worlds(
        arms,
        world=world,
        seed=config.seed,
        ensemble=ensemble,
        part=HELD_OUT,
        each=config.each,
        n_replicates=config.repetitions or 1,
        is_landmark=is_landmark,
        workers=workers,
        begin=begin,
    )
    rows = [
        row
        for one, refits, worlds in models
        if worlds is not None
        for row in coverage_rows(one, refits, worlds, judged, seed=config.seed)
    ]
    made = IntervalCoverageResult(
        name=config.name,
        question=config.question,
        config=config,
        model=model.label,
        is_made_here=is_made_here,
        n_members=len(np.unique(judged[0].known.member)),
        rows=tuple(rows),
        notice=f"{OF_COURSES} {NOTICE}" if is_landmark else NOTICE,
    )
    made.save(path.parent / "results")
    return made


Judged = tuple[RiskModel, Refits | None, WorldSpread | None]


def _with_spreads(
    models: Sequence[Judged],
    arms: Sequence[Arm],
    world: World,
    ensemble: Ensemble,
    config: IntervalCoverage,
    workers: int,
    begin: Begin,
) -> list[Judged]:
    asked = ask_worlds(
        arms,
        world=world,
        seed=config.seed + 1,
        ensemble=ensemble,
        is_landmark=config.repetitions is None,
        workers=workers,
        begin=begin,
    )
    return [
        (model, refits, worlds or spread_of(model, refits, asked, ensemble=ensemble))
        for model, refits, worlds in models
    ]


def coverage_rows(
    model: RiskModel,
    refits: Refits | None,
    worlds: WorldSpread,
    judged: Sequence[ArmRisks],
    *,
    seed: int,
) -> Iterator[CoverageRow]:
    """Coverage of one model's intervals: all patients, each product, each tenth of the risk; of
    known products, then of the same taken as new.
    """
    for products in ("known", "new"):
        parts = [
            _inside(
                model, refits, worlds, arm.known if products == "known" else as_unknown(arm.new)
            )
            for arm in judged
        ]
        by_product = {arm.product: part for arm, part in zip(judged, parts, strict=True)}
        whole = _together(parts)
        groups = {EVERYBODY: whole, **by_product, **dict(_tenths(whole))}
        for name, part in groups.items():
            yield _row(part, model.contract.outcome, products, name, seed=seed)


@dataclass(frozen=True, eq=False)
class _Inside:
    """By patient: predicted risk, member, probability that the true risk lies inside, below and
    above the interval and inside the refit range, the interval's width, how much of the count of
    events lies inside what was predicted, and that count.
    """

    risk: Values
    member: NDArray[np.int64]
    inside: Values
    below: Values
    above: Values
    refits: Values
    width: Values
    counts: Values
    n_events: Values

    def of(self, rows: NDArray[np.intp]) -> _Inside:
        """These patients."""
        return _Inside(**{name: values[rows] for name, values in vars(self).items()})


def _together(parts: Sequence[_Inside]) -> _Inside:
    names = vars(parts[0])
    return _Inside(**{name: np.concatenate([vars(part)[name] for part in parts]) for name in names})


def _inside(
    model: RiskModel,
    refits: Refits | None,
    worlds: WorldSpread,
    risks: WorldRisks | WorldCourses,
) -> _Inside:
    answers = answers_of(model, refits, risks)
    asked, n = answers.asked, len(answers.asked.member)
    product, platform = (str(risks.observed[name].iloc[0]) for name in ("product", "platform"))
    low, high = true_risk_interval(
        worlds,
        asked.log_odds,
        asked.refit_sd,
        product=[product] * n,
        platform=[platform] * n,
    )
    centre = expit((logit(low) + logit(high)) / 2.0)
    ready = Deconvolution.prepare(centre, answers.halves, asked.n_replicates // 2)
    weights = ready.of(np.ones(len(centre)))
    weights = weights / weights.sum(axis=1, keepdims=True)

    def mass(where: NDArray[np.bool_]) -> Values:
        return np.asarray((weights * where).sum(axis=1))

    by_refits = np.full(len(centre), np.nan)
    if refits is not None:
        first, last = refit_range(asked.log_odds, asked.refit_sd, n=len(refits))
        by_refits = mass((ready.nodes >= first[:, None]) & (ready.nodes <= last[:, None]))
    below, above = ready.nodes < low[:, None], ready.nodes > high[:, None]
    return _Inside(
        risk=expit(asked.log_odds),
        member=asked.member,
        inside=mass(~below & ~above),
        below=mass(below),
        above=mass(above),
        refits=by_refits,
        width=high - low,
        counts=counts_inside(asked, worlds.of(product, platform)),
        n_events=asked.n_events.astype(np.float64),
    )


def _tenths(whole: _Inside) -> Iterator[tuple[str, _Inside]]:
    """The patients by tenth of the predicted risk, named by the tenth's ends in per cent."""
    order = np.argsort(whole.risk, kind="stable")
    for number, rows in enumerate(np.array_split(order, min(TENTHS, len(order)))):
        low, high = 100 * whole.risk[rows[0]], 100 * whole.risk[rows[-1]]
        yield f"tenth {number + 1}: {low:.2g} to {high:.2g}%", whole.of(rows)


def _row(part: _Inside, event: str, products: str, group: str, *, seed: int) -> CoverageRow:
    members, place = np.unique(part.member, return_inverse=True)
    sizes = np.bincount(place).astype(np.float64)
    times = np.concatenate(
        list(bootstrap_counts(n=len(members), n_resamples=N_RESAMPLES, seed=seed))
    )

    def over_members(values: Values) -> Estimate:
        again = (times @ np.bincount(place, weights=values)) / (times @ sizes)
        found = percentile_estimate(float(values.mean()), again)
        return replace(found, mc_error=float(again.std(ddof=1)))

    can_tell = float(part.n_events.mean()) >= FEWEST_EVENTS
    has_refits = can_tell and not np.isnan(part.refits).any()
    return CoverageRow(
        event=event,
        products=products,
        group=group,
        n_patients=len(part.inside),
        share=over_members(part.inside) if can_tell else None,
        counts=over_members(part.counts),
        below=float(part.below.mean()) if can_tell else None,
        above=float(part.above.mean()) if can_tell else None,
        width=float(part.width.mean()),
        refit_range=float(part.refits.mean()) if has_refits else None,
    )


def _flat(name: str, one: Estimate | None) -> dict[str, float | None]:
    """An estimate as columns of a table."""
    return {
        name: None if one is None else one.value,
        f"{name}_low": None if one is None else one.low,
        f"{name}_high": None if one is None else one.high,
        f"{name}_mc_error": None if one is None else one.mc_error,
    }


def _whole(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f}"


def _percent(share: Estimate | None) -> str:
    if share is None:
        return "cannot be told"
    return f"{100 * share.value:.0f}% ({100 * share.low:.0f} to {100 * share.high:.0f})"


def print_interval_coverage(made: IntervalCoverageResult) -> None:
    """The tables on the terminal, and what they come to."""
    console = console_of(130)
    for table in made.tables():
        table.print(console)
    console.print(made.summary())
