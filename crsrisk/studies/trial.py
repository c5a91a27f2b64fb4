"""Trial: from a design file to the operating characteristics of every design in it, a page, and a
protocol.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from rich.table import Table
from rich.text import Text

from crsrisk import __version__
from crsrisk.data.assumptions import digest_of
from crsrisk.data.files import read_csv_cells, read_parquet_cells, write_json, write_text
from crsrisk.data.operating_characteristics import (
    CandidatePool,
    OperatingCharacteristics,
    PowerCell,
)
from crsrisk.data.potential_outcomes import parse_strategy
from crsrisk.data.trial_plan import FromCohort, Simulated, TrialPlan
from crsrisk.data.trial_plan_file import load_design, located
from crsrisk.data.world import World, load_world
from crsrisk.data.world_files import load_product
from crsrisk.errors import InputError, OutputError
from crsrisk.folders import find
from crsrisk.model.features import load_config
from crsrisk.model.fit import fit
from crsrisk.model.predict import predict
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import load_model
from crsrisk.report.pages import render_trial, trial_files
from crsrisk.report.trial import (
    TrialPage,
    boundaries,
    committee_summary,
    notice_of,
    power_panels,
    trial_page,
    with_error,
)
from crsrisk.report.trial_protocol import methods_paragraph, protocol_tree, protocol_yaml
from crsrisk.results import Estimate, Result, to_plain
from crsrisk.simulation.arm import Arm, make_arm
from crsrisk.simulation.observation import observe
from crsrisk.simulation.outcomes import outcomes
from crsrisk.simulation.population import sample
from crsrisk.simulation.potential_outcomes import potential_outcomes
from crsrisk.simulation.run import run
from crsrisk.terminal import Console
from crsrisk.trials.candidates import (
    Pool,
    arms_pool,
    cohort_pool,
    describe,
    outcomes_pool,
    stated_pool,
)
from crsrisk.trials.operating_characteristics import operating_characteristics, power_grid
from crsrisk.trials.simulated_trials import prepare

# Trial candidates: from the candidates block of a design file to a pool, whatever its origin.


CONFIG = "baseline"  # of the model that scores simulated candidates when the file names none
Begin = Callable[[str, int], Callable[[int], None]]


def candidates_of(plan: TrialPlan, *, folder: Path, workers: int, begin: Begin) -> Pool:
    """The candidates of a plan. ``folder``: where the design file stands; a cohort is looked for
    there first.
    """
    origin = plan.candidates
    if origin.stated is not None:
        return stated_pool(origin.stated, screening=plan.screening, masking=plan.masking)
    if origin.cohort is not None:
        return cohort_pool(
            _table(origin.cohort, folder),
            origin.cohort,
            screening=plan.screening,
            masking=plan.masking,
        )
    if origin.arms is not None:
        return arms_pool(origin.arms, screening=plan.screening)
    if origin.simulated is None:
        raise AssertionError("a plan has exactly one origin of candidates")
    return _simulated(origin.simulated, plan, folder=folder, workers=workers, begin=begin)


def _table(source: FromCohort, folder: Path) -> pd.DataFrame:
    path = _place(source.file, folder)
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise InputError(
            where="candidates",
            key="file",
            found=source.file,
            expected="a .csv or .parquet file",
            cure="save the table in one of these formats",
        )
    return read_parquet_cells(path) if path.suffix.lower() == ".parquet" else read_csv_cells(path)


def _place(name: str, folder: Path) -> Path:
    """A file named in a design: beside the design file, else from where the command is typed."""
    given = Path(name).expanduser()
    return folder / given if not given.is_absolute() and (folder / given).exists() else given


def _simulated(
    source: Simulated, plan: TrialPlan, *, folder: Path, workers: int, begin: Begin
) -> Pool:
    world = load_world(source.scenario)
    arm = make_arm(load_product(source.product), world=world, regimen=source.regimen)
    strategy = parse_strategy(source.prophylaxis)
    if strategy.is_standard:
        raise InputError(
            where="candidates",
            key="prophylaxis",
            found=source.prophylaxis,
            expected="a strategy that adds or changes something",
            cure="write for example tocilizumab",
        )
    advance = begin("Simulating candidates", 2)
    patients = sample(
        arm.population,
        assumptions=world.assumptions,
        seed=source.seed,
        start=0,
        stop=source.n_patients,
    )
    simulated = potential_outcomes(
        arm,
        [strategy],
        patients=patients,
        world=world,
        seed=source.seed,
        workers=workers,
        advance=advance,
    )
    advance = begin("Scoring candidates", 1)
    model = _model(source, arm, world=world, folder=folder, workers=workers)
    scored = predict(model, observe(patients, arm=arm, world=world, seed=source.seed)).rows
    if (scored["status"] == "refused").any():
        row = int(np.argmax((scored["status"] == "refused").to_numpy()))
        raise InputError(
            where="candidates",
            key="model",
            found=scored["reasons"].iloc[row],
            expected=f"a model that can score {source.product}",
            cure="give a model trained on this product",
        )
    advance(1)
    about = (
        f"{source.n_patients} simulated patients of {source.product} ({arm.regimen_name}, scenario"
        f" {source.scenario}), with and without {source.prophylaxis}; score: {model.label}"
    )
    return outcomes_pool(
        simulated,
        strategy=strategy.name,
        risk=scored["risk"].to_numpy(dtype=np.float64),
        screening=plan.screening,
        origin=about,
    )


def _model(source: Simulated, arm: Arm, *, world: World, folder: Path, workers: int) -> RiskModel:
    """The model of a folder or a released one, or one fitted to other patients of the same arm."""
    if source.model is not None:
        return load_model(find("released", str(_place(source.model, folder))))
    others = sample(
        arm.population,
        assumptions=world.assumptions,
        seed=source.seed,
        start=source.n_patients,
        stop=source.n_patients + source.training_patients,
    )
    table = outcomes(run(arm, others, world=world, workers=workers), arm=arm, patients=others)
    return fit(
        observe(others, arm=arm, world=world, seed=source.seed),
        table,
        config=load_config(find("configs", CONFIG)),
        seed=source.seed,
        origin="simulated",
    )


if TYPE_CHECKING:
    from matplotlib.axes import Axes


def _silent(title: str, total: int) -> Callable[[int], None]:
    """Progress that nobody sees."""
    return lambda n: None


@dataclass(frozen=True, eq=False, repr=False)
class TrialResult(Result):
    """What the designs of a trial do: power, type I error, patients, screening, months, exposure.

    Attributes
    ----------
    plan : the design file that was run.
    candidates : who could enter, in figures.
    designs : operating characteristics of each design, in the order of the file; every simulated
        figure is an :class:`Estimate` with its Monte Carlo error.
    power_grid : power over the grid that the file asks for, one cell for each set of assumptions.
    methods : a paragraph for the statistics section of a protocol.
    protocol : the design file with every default and every number of patients filled in.
    protocol_digest : hash of its content.

    Examples
    --------
    >>> import crsrisk as crs
    >>> trial = crs.run_trial("design.yaml")  # doctest: +SKIP
    >>> trial.to_frame()[["n_max", "power", "type_one_error"]]  # doctest: +SKIP
    """

    plan: TrialPlan
    candidates: CandidatePool
    designs: tuple[OperatingCharacteristics, ...]
    power_grid: tuple[PowerCell, ...]
    methods: str
    protocol: str
    protocol_digest: str

    @property
    def notice(self) -> str:
        """What holds of every figure: research use, and whose patients they are."""
        return notice_of(self.plan)

    def design(self, name: str) -> OperatingCharacteristics:
        """The operating characteristics of the design of that name."""
        by_name = {characteristics.design: characteristics for characteristics in self.designs}
        if name not in by_name:
            raise InputError(
                where="trial",
                key="design",
                found=repr(name),
                expected=f"one of {', '.join(by_name)}",
                cure="correct the name",
            )
        return by_name[name]

    def summary(self) -> str:
        """The answer as a paragraph that can be read to a committee, and what holds of it."""
        paragraph = committee_summary(self.plan, self.designs, self.candidates)
        return f"{paragraph}\n{self.notice}"

    def to_dict(self) -> dict[str, Any]:
        """All results, ready for JSON; the same for a design file and for the protocol made of
        it.
        """
        return {
            "trial": self.plan.trial,
            "question": self.plan.question,
            "notice": self.notice,
            "version": __version__,
            "seed": self.plan.seed,
            "protocol_digest": self.protocol_digest,
            "candidates": to_plain(self.candidates),
            "estimand": self.plan.estimand.model_dump(),
            "designs": to_plain(self.designs),
            "power_curves": to_plain(self.power_grid),
            "methods": self.methods,
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a design; a figure that was simulated has its Monte Carlo error beside it."""
        rows = {design.design: _row(design) for design in self.designs}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("design")

    def looks(self) -> pd.DataFrame:
        """One row for each look of each design: patients, bounds, and how often it stops there."""
        return pd.DataFrame(
            [
                {"design": design.design, **_figures_of(look)}
                for design in self.designs
                for look in design.looks
            ]
        )

    def power_curves(self) -> pd.DataFrame:
        """One row for each set of assumptions of the grid; empty where the file asks for none."""
        columns = ["risk_ratio", "base_rate", "threshold", "n_total", "eligible_share", "power"]
        rows = [_figures_of(cell) for cell in self.power_grid]
        return pd.DataFrame(rows, columns=[*columns, "power_mc_error"])

    def page(self) -> TrialPage:
        """Everything that the page says."""
        making = {
            "crsrisk": __version__,
            "seed": str(self.plan.seed),
            "trials a design": f"{self.plan.n_sim:,}",
            "candidates": self.candidates.origin,
            "digest of the protocol": self.protocol_digest[:12],
        }
        source = self.plan.candidates.simulated
        return trial_page(
            self.plan,
            designs=self.designs,
            power=self.power_grid,
            candidates=self.candidates,
            methods=self.methods,
            protocol=self.protocol,
            making=making,
            product=None if source is None else load_product(source.product),
        )

    def to_html(self, path: str | Path) -> Path:
        """Write the page: one file that opens offline."""
        write_text(path, render_trial(self.page()))
        return Path(path)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Power over the grid where the file asks for one, else the stopping bounds."""
        return self.plot_power(ax=ax) if self.power_grid else self.plot_boundaries(ax=ax)

    def plot_boundaries(self, design: str | None = None, ax: Axes | None = None) -> Axes:
        """Bounds at each look of a design, and of 100 trials how many stop there.

        Parameters
        ----------
        design : name of a design with looks; the first one where none is given.
        ax : matplotlib axes to draw on; those of a new figure where none are given.
        """
        from crsrisk.plots.trial_charts import plot_boundaries

        with_looks = [row.design for row in self.designs if len(row.looks) > 1]
        name = design if design is not None else next(iter(with_looks), None)
        if name is None or name not in with_looks:
            raise InputError(
                where="plot_boundaries",
                key="design",
                found=repr(name),
                expected=f"a design with looks: {', '.join(with_looks) or 'there is none'}",
                cure="name a sequential design or one without a control",
            )
        return plot_boundaries(boundaries(self.design(name)), ax=ax)

    def plot_power(self, base_rate: float | None = None, ax: Axes | None = None) -> Axes:
        """Power over the risk ratio, one curve a threshold.

        Parameters
        ----------
        base_rate : event rate untreated; the first one of the grid where none is given.
        ax : matplotlib axes to draw on; those of a new figure where none are given.
        """
        from crsrisk.plots.trial_charts import plot_power

        made = power_panels(self.power_grid, wanted=self.plan.power)
        panels = {panel.base_rate: panel for panel in made}
        rate = base_rate if base_rate is not None else next(iter(panels), nan)
        if rate not in panels:
            raise InputError(
                where="plot_power",
                key="base_rate",
                found=rate,
                expected=f"one of {', '.join(map(str, panels)) or 'none: the plan has no grid'}",
                cure="add power_curves to the design file",
            )
        return plot_power(panels[rate], ax=ax)


_NESTED = ("looks", "misspecifications", "design", "arms", "claims")


def _row(design: OperatingCharacteristics) -> dict[str, object]:
    return {name: v for name, v in _figures_of(design).items() if name not in _NESTED}


def _figures_of(record: object) -> dict[str, object]:
    """Fields of a record as the cells of a row: an estimate as its value and its error."""
    cells: dict[str, object] = {}
    for name, value in vars(record).items():
        if isinstance(value, Estimate):
            cells |= {name: value.value, f"{name}_mc_error": value.mc_error}
        else:
            cells[name] = value
    return cells


# --- the run ---


def run_trial(
    design: str | Path | TrialPlan, *, workers: int = 1, begin: Begin = _silent
) -> TrialResult:
    """Compare trial designs: simulate every design of a plan, patient by patient.

    Parameters
    ----------
    design : a design file (.yaml), or the plan itself. Files that a plan names (a cohort, a model)
        are looked for beside the design file, then from the working directory.
    workers : threads; the result does not depend on them.
    begin : told the title and number of steps of each part, gives what is called at each step.

    Returns
    -------
    TrialResult

    Raises
    ------
    InputError
        With file and line, for whatever the file, its cohort or its numbers cannot give; among them
        a design that cannot reach its power, with what it reaches and what it would need.

    References
    ----------
    Morris, White & Crowther, Stat Med 2019;38:2074 (simulation studies); ICH E9(R1) (estimands).

    Examples
    --------
    >>> from crsrisk.folders import experiments_folder
    >>> from crsrisk.data.trial_plan_file import load_design
    >>> plan = load_design(experiments_folder() / "010_trial_designs" / "design.yaml")
    >>> small = plan.model_copy(
    ...     update={"designs": plan.designs[:1], "n_sim": 200, "power_curves": None}
    ... )
    >>> result = run_trial(small)
    >>> result.designs[0].n_max == int(result.to_frame()["n_max"].iloc[0])
    True
    """
    if isinstance(design, TrialPlan):
        return _run_plan(design, folder=Path(), workers=workers, begin=begin)
    place = Path(design).expanduser()
    plan = load_design(place)
    try:
        return _run_plan(plan, folder=place.parent, workers=workers, begin=begin)
    except InputError as problem:
        raise located(problem, place) from problem


def _run_plan(plan: TrialPlan, *, folder: Path, workers: int, begin: Begin) -> TrialResult:
    pool = candidates_of(plan, folder=folder, workers=workers, begin=begin)
    hidden = 0.0 if plan.brings_its_own_masking else plan.masking.hidden
    sized = [
        prepare(
            pool,
            design,
            screening=plan.screening,
            hidden=hidden,
            alpha=plan.alpha_one_sided,
            power=plan.power,
        )
        for design in plan.designs
    ]
    advance, results = begin("Simulating trials", len(sized)), []
    for design in sized:
        results.append(
            operating_characteristics(design, n_sim=plan.n_sim, seed=plan.seed, workers=workers)
        )
        advance(1)
    tree = protocol_tree(plan, n_max={result.design: result.n_max for result in results})
    return TrialResult(
        plan=plan,
        candidates=describe(pool),
        designs=tuple(results),
        power_grid=tuple(_power(plan, pool, workers=workers, begin=begin)),
        methods=methods_paragraph(plan, origin=pool.origin, results=results, version=__version__),
        protocol=protocol_yaml(tree, version=__version__),
        protocol_digest=digest_of(tree),
    )


def _power(plan: TrialPlan, pool: Pool, *, workers: int, begin: Begin) -> list[PowerCell]:
    curves = plan.power_curves
    if curves is None:
        return []
    n_cells = len(curves.risk_ratio) * len(curves.base_rate) * len(curves.threshold)
    return power_grid(
        curves,
        stated=plan.candidates.stated,
        pool=pool,
        screening=plan.screening,
        masking=plan.masking,
        seed=plan.seed,
        alpha=plan.alpha_one_sided,
        workers=workers,
        advance=begin("Power curves", n_cells),
    )


# --- files ---


def check_targets(design: Path, *, html: Path | None, out: Path | None) -> None:
    """Refuse to write over the design file itself, before anything is computed."""
    targets = {"--html": html, "--out": None if out is None else out / "protocol.yaml"}
    for option, target in targets.items():
        if target is not None and target.expanduser().resolve() == design.expanduser().resolve():
            raise OutputError(
                where=str(target),
                key=option,
                found="the design file that is run",
                expected="another place",
                cure="give the results a name or folder of their own",
            )


def write_trial(result: TrialResult, *, html: Path | None, out: Path | None) -> list[Path]:
    """Write the page, and into a folder protocol, results, methods and figures; gives the files
    written.
    """
    written = []
    if html is not None:
        written.append(result.to_html(html))
    if out is not None:
        page = result.page()
        texts = {
            "protocol.yaml": result.protocol,
            "methods.md": f"{result.methods}\n\n{page.notice}\n",
        }
        texts |= trial_files(page)
        for name, text in texts.items():
            write_text(out / name, text)
        write_json(out / "results.json", result.to_dict())
        write_json(out / "content.json", to_plain(page))
        written += [out / name for name in (*texts, "results.json", "content.json")]
    return written


# --- on the terminal ---


def print_trial(result: TrialResult, *, written: list[Path]) -> None:
    """The paragraph, the table of designs and what was written."""
    console = Console(width=max(Console().width, 132), markup=False, highlight=False)
    console.print(committee_summary(result.plan, result.designs, result.candidates))
    console.print(_estimand_table(result.plan))
    console.print(_designs_table(result))
    if any(design.claims for design in result.designs):
        console.print(_claims_table(result))
    if any(design.false_claims for design in result.designs):
        console.print(_false_claims_table(result))
    for path in written:
        console.print(f"Wrote {path}", soft_wrap=True)
    console.print(result.notice, soft_wrap=True)


def _new_table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for at, name in enumerate(columns):
        table.add_column(name, overflow="fold", justify="left" if at == 0 else "right")
    return table


def _estimand_table(plan: TrialPlan) -> Table:
    table = Table(title="Estimand (ICH E9(R1))", title_justify="left", show_header=False)
    for name, text in plan.estimand.rows:
        table.add_row(Text(name), Text(text))
    return table


def _designs_table(result: TrialResult) -> Table:
    table = _new_table(
        "Designs (± Monte Carlo error)",
        "design",
        "N max",
        "mean N",
        "power of 100",
        "type I of 100",
        "screened per enrolled",
        "screened",
        "months",
        "exposed",
        "exposed without need",
    )
    for design in result.designs:
        table.add_row(
            Text(design.design),
            f"{design.n_max:,}",
            with_error(design.expected_n, digits=0),
            with_error(design.power, digits=1, factor=100),
            with_error(design.type_one_error, digits=2, factor=100),
            with_error(design.screened_per_enrolled, digits=2),
            with_error(design.screened, digits=0),
            with_error(design.duration_months, digits=1),
            with_error(design.exposed, digits=0),
            with_error(design.exposed_without_need, digits=0),
        )
    return table


def _claims_table(result: TrialResult) -> Table:
    """Power of each claim of several arms and of all."""
    table = _new_table(
        "Power of each claim, of 100 (± Monte Carlo error)",
        "design",
        "claim, in the order of testing",
        "planned",
        "power",
    )
    table.columns[1].justify = "left"
    for design in result.designs:
        for at, claim in enumerate(design.claims):
            table.add_row(
                Text(design.design if at == 0 else ""),
                Text(f"{claim.experimental} against {claim.comparator}"),
                f"{100 * claim.planned_power:.1f}",
                with_error(claim.power, digits=1, factor=100),
            )
    return table


def _false_claims_table(result: TrialResult) -> Table:
    """Only where there is no effect; the page has the other rows too."""
    table = _new_table(
        "False claims of benefit in 100 trials when an assumption is wrong",
        "design",
        "what is true",
        "claims",
    )
    table.columns[1].justify = "left"
    for design in result.designs:
        for at, row in enumerate(design.false_claims):
            table.add_row(
                Text(design.design if at == 0 else ""),
                Text(row.truth),
                with_error(row.claims, digits=1, factor=100),
            )
    return table
