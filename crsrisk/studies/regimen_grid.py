"""Regimens at every setting of the explorer's second tab: what trials of each would report, and
which patients an agent or a change of the regimen spares.

A page that opens without a server simulates nothing. It looks up here, so every figure in it is one
that ``crsrisk forecast --design`` gives for the design that the page writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product as every
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crsrisk.data.assumptions import Strict
from crsrisk.data.ensemble import Ensemble, load_ensemble
from crsrisk.data.files import gzipped, write_bytes
from crsrisk.data.potential_outcomes import parse_strategy
from crsrisk.data.product import Product
from crsrisk.data.regimen_design import DESIGNED, AsPlanned, RegimenDesign, settings_of
from crsrisk.data.regimen_grid import (
    GRID_FORMAT,
    AgentOrChange,
    GridArm,
    GridFigure,
    PlannedDoses,
    ProductGrid,
    RegimenGrid,
    RiskBand,
    Settings,
    ThresholdValue,
    grid_path,
)
from crsrisk.data.world import World, load_world
from crsrisk.data.world_files import load_product
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.folders import names
from crsrisk.model.predict import predict
from crsrisk.model.risk_model import RiskModel, risk_digest
from crsrisk.model.store import load_model
from crsrisk.simulation.arm import Arm, make_arm
from crsrisk.simulation.levers import levers
from crsrisk.simulation.potential_outcomes import strategy_arm
from crsrisk.studies.experiment import experiment_file
from crsrisk.studies.forecast import Forecast, Metric, forecast
from crsrisk.studies.regimen_held_out import held_out_designs, interpolation_of
from crsrisk.terminal import Console
from crsrisk.uncertainty.one_patient import chosen_members
from crsrisk.uncertainty.world_risks import WorldRisks, world_risks

Begin = Callable[[str, int], Callable[[int], None]]
Flags = NDArray[np.bool_]
Values = NDArray[np.float64]

FIGURES: tuple[Metric, ...] = ("crs_any", "crs_grade2plus", "crs_grade3plus")
_PER_MILLE = 1000.0


class RegimenGridConfig(Strict):
    """What ``experiments/016_regimen_grid`` asks for.

    ``first_dose_multiples``, ``interval_multiples``, ``liver_metastases_shares`` and
    ``prophylaxis`` are the settings of the page; ``held_out``: settings between them for each
    product, to see how far interpolation is off; ``each``: patients in each member for who is
    spared.
    """

    kind: Literal["regimen_grid"]
    name: str
    question: str
    model: str
    products: list[str]
    seed: int
    patients: int
    each: int
    first_dose_multiples: list[float]
    interval_multiples: list[float]
    liver_metastases_shares: list[float | None]
    prophylaxis: list[list[str]]
    held_out: int
    most_error_per_100: float
    thresholds_percent: list[float]
    bands: int


def forecast_design(
    design: RegimenDesign,
    *,
    world: World | None = None,
    ensemble: Ensemble | None = None,
    trial_size: int | None = None,
    workers: int = 1,
    begin: Begin | None = None,
) -> Forecast:
    """What a trial of a designed regimen would report.

    Raises :class:`InputError` for a product, regimen or agent that is not known.
    """
    product = design.product_of(load_product(design.product))
    return forecast(
        product,
        world=design.world_of(load_world() if world is None else world, product=product),
        ensemble=ensemble,
        regimen=DESIGNED,
        mitigations=design.prophylaxis,
        trial_size=trial_size,
        n_patients=design.patients,
        n_patients_rare=design.patients,
        seed=design.seed,
        workers=workers,
        begin=begin,
    )


def designs_of(product: Product, config: RegimenGridConfig) -> Iterator[RegimenDesign]:
    """Every setting of the page for a product: only what its regimen and platform can change."""
    regimen = product.regimens[product.default_regimen]
    is_checkpoint_inhibitor = product.platform == "ici"
    has_several = len(regimen.doses) > 1 and not is_checkpoint_inhibitor
    both: tuple[AsPlanned, ...] = ("as_planned", "none")
    for step_up, first, premedication, agents, share, interval in every(
        both if regimen.is_stepped_up else both[:1],
        (1.0,) if is_checkpoint_inhibitor else config.first_dose_multiples,
        both if regimen.premedication else both[:1],
        ([],) if is_checkpoint_inhibitor else config.prophylaxis,
        config.liver_metastases_shares,
        config.interval_multiples if has_several else (1.0,),
    ):
        if set(agents) & {one.mitigation for one in regimen.premedication}:
            continue
        yield RegimenDesign(
            product=product.name,
            step_up=step_up,
            first_dose_multiple=first,
            interval_multiple=interval,
            premedication=premedication,
            prophylaxis=agents,
            liver_metastases_share=share,
            patients=config.patients,
            seed=config.seed,
        )


@dataclass(frozen=True)
class MadeGrid:
    """The grid that was made, and where it stands."""

    grid: RegimenGrid
    place: Path


def run_regimen_grid(
    experiment: Path, *, workers: int = 1, begin: Begin, ensemble: Ensemble | None = None
) -> MadeGrid:
    """Simulate every setting and write ``results/regimens.json.gz``."""
    path = experiment_file(experiment)
    config = build(RegimenGridConfig, read_yaml(path), where=str(path))
    world, members = load_world(), load_ensemble() if ensemble is None else ensemble
    model = load_model(config.model)
    products = [load_product(name) for name in config.products or names("products")]
    designs = {product.name: list(designs_of(product, config)) for product in products}
    advance = begin("Forecasting regimens", sum(map(len, designs.values())))
    simulate = partial(_simulated, world=world, ensemble=ensemble, workers=workers)
    arms: dict[str, list[GridArm]] = {}
    for product in products:
        arms[product.name] = []
        for design in designs[product.name]:
            arms[product.name].append(simulate(design))
            advance(1)
    told = begin("Asking who is spared, and simulating between settings", len(products))
    by_product = []
    for product in products:
        changes = _changes(product, config=config, world=world, ensemble=members, model=model,
                           workers=workers)  # fmt: skip
        by_product.append(
            _product_grid(
                product,
                arms[product.name],
                changes=changes,
                config=config,
                world=world,
                simulate=simulate,
            )
        )
        told(1)
    grid = RegimenGrid(
        format=GRID_FORMAT,
        world=world.digest,
        ensemble=members.digest,
        model=model.label,
        model_sha256=risk_digest(model),
        members=len(members),
        patients=config.patients,
        seed=config.seed,
        most_error_per_100=config.most_error_per_100,
        products=by_product,
    )
    place = experiment / "results" / grid_path().name
    write_bytes(place, gzipped(f"{grid.model_dump_json()}\n"))
    return MadeGrid(grid, place)


def print_regimen_grid(made: MadeGrid) -> None:
    """How much there is, and what to do with it."""
    n = sum(len(one.arms) for one in made.grid.products)
    Console().print(
        f"{n} regimens of {len(made.grid.products)} products, {made.grid.members} members with"
        f" {made.grid.patients} patients each: {made.place}\n"
        "Copied to synthetic/ensemble/, it is what the explorer shows."
    )


def _product_grid(
    product: Product,
    arms: list[GridArm],
    *,
    changes: list[AgentOrChange],
    config: RegimenGridConfig,
    world: World,
    simulate: Callable[[RegimenDesign], GridArm],
) -> ProductGrid:
    regimen = product.regimens[product.default_regimen]
    shares = product.shares_of_populations
    doses = PlannedDoses(
        times_h=[dose.time_h for dose in regimen.doses],
        amounts=[dose.amount for dose in regimen.doses],
        unit=regimen.amount_unit,
        window_h=24.0 * product.window_d,
    )
    simulated = Settings(product=product.name, doses=doses, arms=arms)
    designs = held_out_designs(
        simulated, n=config.held_out, patients=config.patients, seed=config.seed
    )
    return ProductGrid(
        product=product.name,
        doses=doses,
        liver_metastases_share=_rounded(
            sum(
                share * world.populations[name].shares.has_liver_metastases.value
                for name, share in shares.items()
            )
        ),
        arms=arms,
        interpolation=interpolation_of(simulated, designs, simulate=simulate),
        changes=changes,
    )


def _simulated(
    design: RegimenDesign, *, world: World, ensemble: Ensemble | None, workers: int
) -> GridArm:
    """One setting, forecast."""
    made = forecast_design(design, world=world, ensemble=ensemble, workers=workers)
    told = made[design.product]
    figures: dict[str, GridFigure] = {}
    for name in FIGURES:
        interval = told.metric(name).predictive
        figures[name] = GridFigure(
            median=_rounded(interval.value),
            low=_rounded(interval.low),
            high=_rounded(interval.high),
            mc_error=_rounded(interval.mc_error),
        )
    draws = made.draws[made.draws["metric"] == "crs_grade2plus"]
    return GridArm(
        design=settings_of(design),
        figures=figures,
        # one draw a member, the same in every arm: differences of two arms are of one member
        rates_per_mille=[
            round(_PER_MILLE * rate)
            for rate in draws.drop_duplicates("member")["rate"].to_numpy(dtype=np.float64)
        ],
    )


def _rounded(value: float | None) -> float:
    return round(float("nan") if value is None else float(value), 4)


def _changes(
    product: Product,
    *,
    config: RegimenGridConfig,
    world: World,
    ensemble: Ensemble,
    model: RiskModel,
    workers: int,
) -> list[AgentOrChange]:
    """What each agent and each change of the regimen does to the same patients."""
    base = make_arm(product, world=world)
    arms = {lever.label: (lever.kind, lever.arm) for lever in levers(base, world=world)}
    given = {one.mitigation for one in base.regimen.premedication}
    for agents in config.prophylaxis if product.platform != "ici" else ():
        arm = strategy_arm(base, parse_strategy("+".join(agents)), world=world) if agents else base
        label = " and ".join(world.mitigations[name].label for name in agents)
        if agents and not set(agents) & given and not _is_there(arm, arms.values()):
            arms[label] = ("prophylaxis", arm)
    members = chosen_members(ensemble, len(ensemble))

    def simulated(arm: Arm) -> WorldRisks:
        return world_risks(
            arm,
            ensemble=ensemble,
            members=members,
            world=world,
            each=config.each,
            n_replicates=2,
            seed=config.seed,
            workers=workers,
        )

    usual = simulated(base) if arms else None
    if usual is None:
        return []
    scored = predict(model, usual.observed).rows
    risk = np.where(scored["status"] == "refused", np.nan, scored["risk"]).astype(np.float64)
    return [
        _change(label, kind, usual, simulated(arm), risk=risk, config=config)
        for label, (kind, arm) in arms.items()
    ]


def _is_there(arm: Arm, others: Iterable[tuple[str, Arm]]) -> bool:
    return any(
        other.mitigations == arm.mitigations and other.regimen == arm.regimen for _, other in others
    )


def _change(
    label: str,
    kind: str,
    usual: WorldRisks,
    changed: WorldRisks,
    *,
    risk: Values,
    config: RegimenGridConfig,
) -> AgentOrChange:
    """Events of the same futures (patients, 2) without and with it."""
    known = ~np.isnan(risk)
    without, with_it = (one.n_grade2plus[known] > 0 for one in (usual, changed))
    member, risk = usual.member[known], risk[known]
    averted = without.mean(axis=1) - with_it.mean(axis=1)
    low, high, mc_error = _over_members(averted, member)
    edges = np.quantile(risk, np.linspace(0.0, 1.0, config.bands + 1)[1:-1])
    band = np.searchsorted(edges, risk, side="right")
    return AgentOrChange(
        label=label,
        kind=kind,
        usual_per_100=_per_100(without.mean()),
        changed_per_100=_per_100(with_it.mean()),
        averted_per_100=_per_100(averted.mean()),
        low=_per_100(low),
        high=_per_100(high),
        mc_error=_per_100(mc_error),
        bands=[
            _band(
                without[band == k],
                with_it[band == k],
                below=float(edges[k]) if k < len(edges) else None,
            )
            for k in range(config.bands)
        ],
        thresholds=[
            _at_threshold(at, risk >= at / 100.0, without, with_it, member)
            for at in config.thresholds_percent
        ],
    )


def _band(without: Flags, with_it: Flags, *, below: float | None) -> RiskBand:
    events, others = int(without.sum()), int((~without).sum())
    return RiskBand(
        below=below,
        n_with_event=events,
        n_without=others,
        kept=_rounded((without & with_it).sum() / events) if events else None,
        caused=_rounded((~without & with_it).sum() / others) if others else None,
    )


def _at_threshold(
    percent: float, treated: Flags, without: Flags, with_it: Flags, member: NDArray[np.int64]
) -> ThresholdValue:
    averted = (without.mean(axis=1) - with_it.mean(axis=1)) * treated
    low, high, mc_error = _over_members(averted, member)
    return ThresholdValue(
        percent=percent,
        treated_per_100=_per_100(treated.mean()),
        averted_per_100=_per_100(averted.mean()),
        low=_per_100(low),
        high=_per_100(high),
        mc_error=_per_100(mc_error),
        needless_per_100=_per_100((treated * (1.0 - without.mean(axis=1))).mean()),
    )


def _over_members(each: Values, member: NDArray[np.int64]) -> tuple[float, float, float]:
    """Ends of the middle 95% over members, with chance within members taken off, and the Monte
    Carlo error of the mean.
    """
    _, place, n = np.unique(member, return_inverse=True, return_counts=True)
    mean = np.bincount(place, each) / n
    squares = np.bincount(place, np.square(each - mean[place])) / np.maximum(n - 1, 1)
    by_chance, total = float((squares / n).mean()), float(mean.var(ddof=1))
    real = np.sqrt(max(0.0, 1.0 - by_chance / total)) if total > 0.0 else 0.0
    shrunken = mean.mean() + real * (mean - mean.mean())
    low, high = np.quantile(shrunken, [0.025, 0.975])
    return float(low), float(high), float(np.sqrt(by_chance / len(n)))


def _per_100(share: float) -> float:
    return round(100.0 * float(share), 3)
