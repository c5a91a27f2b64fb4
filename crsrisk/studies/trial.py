"""Trial: from a design file to the operating characteristics of every design in it, a page, and a
protocol.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from crsrisk import __version__
from crsrisk.data.assumptions import digest_of
from crsrisk.data.files import read_csv_cells, read_parquet_cells, write_json, write_text
from crsrisk.data.operating_characteristics import OperatingCharacteristics
from crsrisk.data.potential_outcomes import parse_strategy
from crsrisk.data.risk_model import RiskModel
from crsrisk.data.trial_plan import FromCohort, Simulated, TrialPlan
from crsrisk.data.trial_plan_file import load_design, located
from crsrisk.data.world import World, load_world
from crsrisk.data.world_files import load_product
from crsrisk.errors import InputError, OutputError
from crsrisk.folders import find
from crsrisk.model.features import load_config
from crsrisk.model.fit import fit
from crsrisk.model.predict import predict
from crsrisk.model.store import load_model
from crsrisk.report.pages import render_trial, trial_files
from crsrisk.report.trial import notice_of, trial_content, with_error
from crsrisk.report.trial_protocol import methods_paragraph, protocol_tree, protocol_yaml
from crsrisk.simulation.arm import Arm, make_arm
from crsrisk.simulation.observation import observe
from crsrisk.simulation.outcomes import outcomes
from crsrisk.simulation.population import sample
from crsrisk.simulation.potential_outcomes import potential_outcomes
from crsrisk.simulation.run import run
from crsrisk.trials.candidates import (
    ASTCT,
    ENDPOINTS,
    SUPPORT,
    Pool,
    cohort_pool,
    outcomes_pool,
    stated_pool,
)
from crsrisk.trials.operating_characteristics import operating_characteristics, power_grid
from crsrisk.trials.simulated_trials import SizedDesign, prepare

# Trial candidates: from the candidates block of a design file to a pool, whatever its origin.


CONFIG = "baseline"


def pool_of(plan: TrialPlan, *, folder: Path, workers: int, begin: Begin) -> Pool:
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
    found = potential_outcomes(
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
        found,
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
    )


Begin = Callable[[str, int], Callable[[int], None]]


@dataclass(frozen=True, eq=False)
class Compared:
    """What a design file led to; ``power`` are the cells of the grid, ``protocol`` the file that
    makes it all again.
    """

    plan: TrialPlan
    candidates: dict[str, Any]
    found: tuple[OperatingCharacteristics, ...]
    power: tuple[dict[str, Any], ...]
    methods: str
    protocol: str
    digest: str

    def as_tree(self) -> dict[str, Any]:
        """All results, ready for JSON; the same for a design file and for the protocol made of
        it.
        """
        return {
            "trial": self.plan.trial,
            "question": self.plan.question,
            "notice": notice_of(self.plan),
            "version": __version__,
            "seed": self.plan.seed,
            "protocol_digest": self.digest,
            "candidates": self.candidates,
            "estimand": self.plan.estimand.model_dump(),
            "designs": [one.model_dump() for one in self.found],
            "power_curves": list(self.power),
            "methods": self.methods,
        }

    def content(self) -> dict[str, Any]:
        """The page as a dictionary."""
        making = {
            "crsrisk": __version__,
            "seed": self.plan.seed,
            "trials a design": f"{self.plan.n_sim:,}",
            "candidates": self.candidates["origin"],
            "digest of the protocol": self.digest[:12],
        }
        return trial_content(
            self.plan,
            found=self.found,
            power=self.power,
            candidates=self.candidates,
            methods=self.methods,
            protocol=self.protocol,
            making=making,
        )


def run_design(path: str | Path, *, workers: int, begin: Begin) -> Compared:
    """Read a design file and run every design in it.

    Raises :class:`InputError`, with file and line, for whatever the file, its cohort or its numbers
    cannot give; among them a design that cannot reach its power, with what it reaches and what it
    would need.
    """
    place = Path(path).expanduser()
    plan = load_design(place)
    try:
        return _compare(plan, folder=place.parent, workers=workers, begin=begin)
    except InputError as problem:
        raise located(problem, place) from problem


def _compare(plan: TrialPlan, *, folder: Path, workers: int, begin: Begin) -> Compared:
    pool = pool_of(plan, folder=folder, workers=workers, begin=begin)
    hidden = 0.0 if plan.candidates.simulated is not None else plan.masking.hidden
    ready = [
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
    found = tuple(
        _each(ready, plan, workers=workers, advance=begin("Simulating trials", len(ready)))
    )
    tree = protocol_tree(plan, n_max={one.design: one.n_max for one in found})
    candidates = _candidates(pool)
    return Compared(
        plan,
        candidates,
        found,
        tuple(_power(plan, pool, workers=workers, begin=begin)),
        methods_paragraph(plan, origin=pool.origin, found=found, version=__version__),
        protocol_yaml(tree, version=__version__),
        digest_of(tree),
    )


def _each(
    ready: list[SizedDesign], plan: TrialPlan, *, workers: int, advance: Callable[[int], None]
) -> list[OperatingCharacteristics]:
    found = []
    for one in ready:
        found.append(
            operating_characteristics(one, n_sim=plan.n_sim, seed=plan.seed, workers=workers)
        )
        advance(1)
    return found


def _candidates(pool: Pool) -> dict[str, Any]:
    return {
        "origin": pool.origin,
        "n_patients": pool.n_patients,
        "base_rate": pool.base_rate,
        "base_rate_error": pool.base_rate_error,
        "risk_ratio": pool.risk_ratio,
        "rates": [
            {
                "endpoint": ENDPOINTS[at],
                "untreated": float(pool.control[at].mean()),
                "with_prophylaxis": float(pool.treated[at].mean()),
            }
            for at in (ASTCT, SUPPORT)
        ],
    }


def _power(plan: TrialPlan, pool: Pool, *, workers: int, begin: Begin) -> list[dict[str, Any]]:
    curves = plan.power_curves
    if curves is None:
        return []
    n_cells = len(curves.risk_ratio) * len(curves.base_rate) * len(curves.threshold)
    cells = power_grid(
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
    return [
        {
            "risk_ratio": one.risk_ratio,
            "base_rate": one.base_rate,
            "threshold": one.threshold,
            "n_total": one.n_total,
            "eligible_share": one.eligible_share,
            "power": one.power.value,
            "mcse": one.power.mcse,
        }
        for one in cells
    ]


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


def write_compared(compared: Compared, *, html: Path | None, out: Path | None) -> list[Path]:
    """Write the page, and into a folder protocol, results, methods and figures; gives the files
    written.
    """
    written = []
    content = compared.content()
    if html is not None:
        write_text(html, render_trial(content))
        written.append(html)
    if out is not None:
        texts = {
            "protocol.yaml": compared.protocol,
            "methods.md": f"{compared.methods}\n\n{content['notice']}\n",
        }
        texts |= trial_files(content)
        for name, text in texts.items():
            write_text(out / name, text)
        write_json(out / "results.json", compared.as_tree())
        write_json(out / "content.json", content)
        written += [out / name for name in (*texts, "results.json", "content.json")]
    return written


# --- on the terminal ---


def print_compared(compared: Compared, *, written: list[Path]) -> None:
    """The paragraph, the table of designs and what was written."""
    console = Console(width=max(Console().width, 132), markup=False, highlight=False)
    content = compared.content()
    console.print(content["aloud"])
    console.print(_estimand_table(compared.plan))
    console.print(_designs_table(compared.found))
    if any(row.is_error for one in compared.found for row in one.misspecifications):
        console.print(_wrong_table(compared.found))
    for path in written:
        console.print(f"Wrote {path}", soft_wrap=True)
    console.print(content["notice"], soft_wrap=True)


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


def _designs_table(found: tuple[OperatingCharacteristics, ...]) -> Table:
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
        "without need",
    )
    for one in found:
        cells = [
            (one.expected_n, 0, 1),
            (one.power, 1, 100),
            (one.type_one_error, 2, 100),
            (one.screened_per_enrolled, 2, 1),
            (one.screened, 0, 1),
            (one.duration_months, 1, 1),
            (one.exposed, 0, 1),
            (one.exposed_without_need, 0, 1),
        ]
        table.add_row(
            Text(one.design),
            f"{one.n_max:,}",
            *(with_error(figure, digits=digits, factor=factor) for figure, digits, factor in cells),
        )
    return table


def _wrong_table(found: tuple[OperatingCharacteristics, ...]) -> Table:
    """Only worlds without an effect; the page has the others too."""
    table = _new_table(
        "False claims of benefit in 100 trials when an assumption is wrong",
        "design",
        "what is true",
        "claims",
    )
    table.columns[1].justify = "left"
    for one in found:
        for at, row in enumerate(row for row in one.misspecifications if row.is_error):
            table.add_row(
                Text(one.design if at == 0 else ""),
                Text(row.what),
                with_error(row.claims, digits=1, factor=100),
            )
    return table
