"""Who should get prophylaxis: strategies judged on simulated patients whose potential outcomes are
known, and over what is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
from pydantic import Field
from rich.table import Table

from crsrisk import __version__
from crsrisk.data.assumptions import Strict
from crsrisk.data.ensemble import load_ensemble
from crsrisk.data.files import without_formulas, write_json, write_text
from crsrisk.data.potential_outcomes import RESPONSE_WORLDS, ResponseWorld, Strategy, parse_strategy
from crsrisk.data.product import Product
from crsrisk.data.world import World, load_world
from crsrisk.data.world_files import load_product
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.errors import InputError
from crsrisk.folders import find, names
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import load_model
from crsrisk.plots.chart_data import Dots, Lines
from crsrisk.policy.cohort import (
    WHERE,
    Begin,
    CohortSizes,
    HarmWeights,
    PolicyCohort,
    ValuationPlan,
    harms_of,
    simulate_policy_cohort,
)
from crsrisk.policy.decision import (
    EnsembleDecision,
    PolicyAnalysis,
    PolicySetting,
    decide_over_ensemble,
    plausible_tipping_points,
    recommend_trial,
    value_of_information,
)
from crsrisk.policy.strategy_value import StrategyValue, common_risk, value_strategy
from crsrisk.policy.table import PolicyValue
from crsrisk.policy.worlds import (
    AssumptionEnds,
    MemberValues,
    RuleStudy,
    ScenarioValues,
    constants_that_matter,
    ends_of_assumptions,
    rules_of,
    values_by_member,
    values_by_scenario,
)
from crsrisk.report.pages import policy_files, render_policy
from crsrisk.report.policy import PolicyPage, policy_page, trial_design_yaml
from crsrisk.report.policy_sections import doses_lines, net_benefit_lines
from crsrisk.report.policy_uncertainty import rules_dots
from crsrisk.report.policy_words import policy_summary
from crsrisk.report.sections import Table as SectionTable
from crsrisk.results import Estimate, NotEstimable, Result, to_plain
from crsrisk.simulation.arm import Arm, make_arm
from crsrisk.simulation.potential_outcomes import strategy_arm
from crsrisk.studies.experiment import experiment_file
from crsrisk.terminal import Console

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NOTICE = (
    "Research use, synthetic data, no external validation; a design scenario, never advice on a"
    " patient."
)
QUESTION = "Who should get prophylaxis against CRS of grade >= 2, and which trial would show it?"
SIZES, AS_ASSUMED = CohortSizes(1000, 40, 1500), HarmWeights()
FEWEST_PATIENTS, FEWEST_TRAINING = 100, 300
# tables on the terminal
_SHOWN = ("happens", "worth", "ensemble", "quantities", "sizes", "tipping")
_CONSEQUENCES = 20  # about so many are moved to their ends


class PolicyPageResult(Result):
    """What both answers can do: be the page that people read."""

    def page(self) -> PolicyPage:
        """Sections, sentences and figures of the page."""
        raise NotImplementedError

    def to_html(self, path: str | Path | None = None) -> str:
        """The page, one HTML file that opens offline; written to ``path`` where one is given."""
        text = render_policy(self.page())
        if path is not None:
            write_text(path, text)
        return text

    def policy_tree(self) -> dict[str, Any]:
        """What is written as JSON: everything in the result, and the page in words and tables."""
        page = {part.name: to_plain(getattr(self.page(), part.name)) for part in fields(PolicyPage)}
        del page["setting"]
        return {"format": "crsrisk-policy-1", **self.to_dict(), "page": page}


def policies_frame(policies: Sequence[PolicyValue]) -> pd.DataFrame:
    """One row a policy, for 100 patients: each figure with the ends of its 95% interval."""
    rows = []
    for policy in policies:
        row: dict[str, object] = {"policy": policy.policy}
        for part in fields(policy)[1:]:
            figure = getattr(policy, part.name)
            if isinstance(figure, Estimate):
                row |= {
                    part.name: figure.value,
                    f"{part.name}_low": figure.low,
                    f"{part.name}_high": figure.high,
                }
            else:
                row[part.name] = None if isinstance(figure, NotEstimable) else figure
        rows.append(row)
    return pd.DataFrame(rows)


@dataclass(frozen=True, repr=False)
class PolicyResult(PolicyPageResult, PolicyAnalysis):
    """Who should get prophylaxis; made by :func:`evaluate_policies`.

    Everything is of simulated patients: research use, no external validation. Fields are those of
    :class:`crsrisk.policy.decision.PolicyAnalysis`: ``setting``, ``common`` (how common CRS is),
    ``strategies`` (by name: harms ``ledger`` with its threshold, ``policies``, ``regret``,
    ``subgroups``, ``tipping_points`` ...), ``rules``, ``scenarios``, ``ensemble``, ``information``
    (value of information), ``ends`` (assumptions at the ends of their ranges) and
    ``recommendation`` (the trial that follows).
    """

    def summary(self) -> str:
        """The answer in one paragraph: setting, best rule, price, certainty, trial."""
        return policy_summary(self)

    def to_frame(self) -> pd.DataFrame:
        """One row a strategy and policy, for 100 patients of the reference world."""
        frames = []
        for name, value in self.strategies.items():
            frame = policies_frame(value.policies)
            frame.insert(0, "strategy", name)
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)

    def page(self) -> PolicyPage:
        """Sections, sentences and figures of the page."""
        return policy_page(self)

    def chart(
        self, show: Literal["net_benefit", "doses", "rules"] = "net_benefit", *, strategy: str = ""
    ) -> Lines | Dots:
        """What :meth:`plot` draws, as numbers and labels."""
        if show == "rules":
            return rules_dots(self.ensemble)
        chosen = strategy or self.recommendation.strategy
        if chosen not in self.strategies:
            raise InputError(
                where=WHERE,
                key="strategy",
                found=chosen,
                expected=f"one of {', '.join(self.strategies)}",
                cure="choose one that was evaluated",
            )
        value = self.strategies[chosen]
        if show == "doses":
            return doses_lines(value.doses, name=chosen)
        return net_benefit_lines(value.decision_curve, name=chosen)

    def plot(
        self,
        show: Literal["net_benefit", "doses", "rules"] = "net_benefit",
        *,
        strategy: str = "",
        ax: Axes | None = None,
    ) -> Axes:
        """Draw net benefit by the harm of a treated patient, CRS averted by the doses at hand, or
        each rule over the ensemble.

        Parameters
        ----------
        show : "net_benefit", "doses" or "rules".
        strategy : for the first two; that of the recommended trial where none is named.
        ax : matplotlib axes to draw on; those of a new figure where none are given.
        """
        from crsrisk.plots.charts import plot_dots, plot_lines

        chart = self.chart(show, strategy=strategy)
        return plot_dots(chart, ax=ax) if isinstance(chart, Dots) else plot_lines(chart, ax=ax)


@dataclass(frozen=True)
class PolicyConfig:
    """What is asked of simulated patients, and how much may be computed."""

    product: str | Path | Product
    strategies: Sequence[str | Strategy]
    question: str = QUESTION
    regimen: str | None = None
    scenario: str | Path = "reference"
    world: World | None = None
    model: str | Path | RiskModel | None = None
    seed: int = 1
    sizes: CohortSizes = SIZES
    member_patients: int = 200
    n_members: int | None = None
    scenario_patients: int = 2000
    assumption_patients: int = 1000
    doses_per_100: Sequence[float] = (30.0,)
    weights: HarmWeights = AS_ASSUMED
    response_world: ResponseWorld = "mediation"
    n_resamples: int = 500


def _silent(title: str, total: int) -> Callable[[int], None]:
    return lambda n: None


def evaluate_policies(
    product: str | Path | Product,
    strategies: Sequence[str | Strategy],
    *,
    world: World | None = None,
    scenario: str | Path = "reference",
    regimen: str | None = None,
    model: str | Path | RiskModel | None = None,
    weights: HarmWeights = AS_ASSUMED,
    response_world: ResponseWorld = "mediation",
    doses_per_100: Sequence[float] = (30.0,),
    n_patients: int = 1000,
    n_replicates: int = 40,
    n_training_per_arm: int = 1500,
    n_members: int | None = None,
    member_patients: int = 200,
    scenario_patients: int = 2000,
    assumption_patients: int = 1000,
    n_resamples: int = 500,
    question: str = QUESTION,
    seed: int = 1,
    workers: int = 1,
    begin: Begin = _silent,
) -> PolicyResult:
    """Who should get prophylaxis against CRS of grade >= 2, and which trial would show it?

    Patients of the product are simulated without prophylaxis and under every strategy, with the
    same random numbers, so that the effect on each is known. Policies (nobody, everybody, by risk,
    by predicted benefit, a few doses, two oracles) are valued by the CRS that they avert less the
    harms that they cause, in CRS events; the rules that follow are valued again under every
    scenario and over an ensemble of assumptions. Research use; no external validation.

    Parameters
    ----------
    product : name of a product, its YAML file, or the product.
    strategies : ways of preventing CRS, as ``AGENT[+AGENT][@fever|@two_doses][/CHANGE]``, for
        example "tocilizumab", "tocilizumab+anakinra@fever", "dexamethasone/half_first_dose".
    world : what is assumed; that of ``scenario`` where none is given.
    scenario : name of a scenario, or its YAML file.
    regimen : of the product; its default where none is named.
    model : a risk model, its folder or the name of a released one; where none is given, models are
        fitted to a simulated trial of ``n_training_per_arm`` patients an arm.
    weights : what harms weigh against one CRS; as assumed where nothing is set.
    response_world : how T-cell activation and tumour response hang together, for which thresholds
        are planned: "no_link", "common_cause" or "mediation" (the cautious one).
    doses_per_100 : doses at hand for 100 patients, each above 0 and below 100.
    n_patients, n_replicates : patients on whom policies are judged, and futures of each that the
        oracles know (an even number).
    n_members, member_patients : members of the ensemble (all where None), and patients of each.
    scenario_patients, assumption_patients : patients of each scenario, and of each assumption moved
        to an end of its range.
    n_resamples : resamples of patients behind the 95% intervals.
    question : as the page says it.
    seed : the same seed gives the same answer, whatever the ``workers`` (threads).
    begin : told what is being computed: ``begin(title, total)`` gives ``advance(n)``.

    Returns
    -------
    PolicyResult

    Raises
    ------
    InputError
        For an unknown product, agent, regimen, scenario or model, a strategy given twice, doses of
        0 or 100, negative weights, or sizes too small to judge by, before anything is simulated.

    References
    ----------
    Vickers, Kattan & Sargent, Trials 2007;8:14 (net benefit of treating). Strong, Oakley & Brennan,
    Med Decis Making 2014;34:311 (value of partial perfect information). Yadlowsky et al., J Am Stat
    Assoc 2025;120:38 (rank-weighted average treatment effects).

    Examples
    --------
    >>> evaluate_policies("tarlatamab", [])
    Traceback (most recent call last):
    ...
    crsrisk.errors.InputError: policy, strategy: found none; expected one way of preventing CRS or
    more. Cure: name one, for example tocilizumab
    """
    config = PolicyConfig(
        product,
        strategies,
        question=question,
        regimen=regimen,
        scenario=scenario,
        world=world,
        model=model,
        seed=seed,
        sizes=CohortSizes(n_patients, n_replicates, n_training_per_arm),
        member_patients=member_patients,
        n_members=n_members,
        scenario_patients=scenario_patients,
        assumption_patients=assumption_patients,
        doses_per_100=doses_per_100,
        weights=weights,
        response_world=response_world,
        n_resamples=n_resamples,
    )
    return run_policies(config, begin=begin, workers=workers)


def check_doses(doses_per_100: Sequence[float]) -> None:
    """Refuse doses for nobody and for everybody."""
    if wrong := [doses for doses in doses_per_100 if not 0.0 < doses < 100.0]:
        raise InputError(
            where=WHERE,
            key="doses",
            found=f"{wrong[0]:g} for 100 patients",
            expected="more than 0 and fewer than 100",
            cure=(
                "with none, nobody is treated, with 100 everybody: both are in every table anyway"
            ),
        )


def _checked_strategies(config: PolicyConfig) -> tuple[Strategy, ...]:
    """The strategies, after everything that can be seen to be wrong before anything is
    simulated.
    """
    if config.response_world not in RESPONSE_WORLDS:
        raise InputError(
            where=WHERE,
            key="response_world",
            found=config.response_world,
            expected=f"one of {', '.join(RESPONSE_WORLDS)}",
            cure="choose one of them",
        )
    check_doses(config.doses_per_100)
    config.weights.given()
    sizes = config.sizes
    is_even = sizes.n_replicates >= 2 and sizes.n_replicates % 2 == 0
    is_enough = sizes.n_patients >= FEWEST_PATIENTS and sizes.n_training_per_arm >= FEWEST_TRAINING
    if not (is_enough and is_even):
        raise InputError(
            where=WHERE,
            key="sizes",
            found=(
                f"{sizes.n_patients} patients, {sizes.n_replicates} replicates,"
                f" {sizes.n_training_per_arm} for training"
            ),
            expected=f"{FEWEST_PATIENTS} or more, an even number, {FEWEST_TRAINING} or more",
            cure="ask for more",
        )
    strategies = tuple(
        parse_strategy(strategy) if isinstance(strategy, str) else strategy
        for strategy in config.strategies
    )
    if not [strategy for strategy in strategies if not strategy.is_standard]:
        raise InputError(
            where=WHERE,
            key="strategy",
            found="none",
            expected="one way of preventing CRS or more",
            cure="name one, for example tocilizumab",
        )
    return strategies


def run_policies(config: PolicyConfig, *, begin: Begin, workers: int = 1) -> PolicyResult:
    """The whole answer, from top to bottom; see :func:`evaluate_policies`."""
    strategies = _checked_strategies(config)
    world = config.weights.put_into(config.world or load_world(config.scenario))
    model = config.model
    if isinstance(model, str | Path):
        model = load_model(find("released", str(model)))
    product = config.product
    if not isinstance(product, Product):
        product = load_product(product)
    arm = make_arm(product, world=world, regimen=config.regimen)
    # an unknown agent or an impossible regimen is refused before anything is computed
    for strategy in strategies:
        strategy_arm(arm, strategy, world=world)
    cohort, scores = simulate_policy_cohort(
        arm,
        strategies,
        world=world,
        seed=config.seed,
        sizes=config.sizes,
        model=model,
        begin=begin,
        workers=workers,
    )
    plan = ValuationPlan(
        harms_of(world.assumptions),
        config.response_world,
        tuple(config.doses_per_100),
        config.n_resamples,
        config.seed,
    )
    values = {name: value_strategy(cohort, name, plan) for name in cohort.outcomes.names[1:]}
    rules = tuple(rules_of(values))
    study = RuleStudy(cohort.outcomes.strategies[1:], rules, scores, workers)
    scenarios, members, ends = _over_worlds(config, arm, world, study, begin)
    ensemble = decide_over_ensemble(members, rules)
    return PolicyResult(
        notice=NOTICE,
        question=config.question,
        setting=_setting(config, arm, cohort),
        common=common_risk(cohort, plan),
        strategies={
            name: _with_plausible_ranges(value, ensemble, ends) for name, value in values.items()
        },
        rules=rules,
        scenarios=tuple(scenarios),
        ensemble=ensemble,
        information=value_of_information(
            members,
            rules,
            world=world,
            met=constants_that_matter(arm, study.strategies, world),
            seed=config.seed,
        ),
        ends=tuple(ends),
        recommendation=recommend_trial(ensemble, values, rules, members),
    )


def _with_plausible_ranges(
    value: StrategyValue, ensemble: EnsembleDecision, ends: Sequence[AssumptionEnds]
) -> StrategyValue:
    points = plausible_tipping_points(
        value.tipping_points,
        effect=ensemble.effects[value.strategy],
        base_rate=ensemble.base_rate,
        ends=ends,
    )
    return replace(value, tipping_points=points)


def _over_worlds(
    config: PolicyConfig, arm: Arm, world: World, study: RuleStudy, begin: Begin
) -> tuple[list[ScenarioValues], MemberValues, list[AssumptionEnds]]:
    """The rules under every scenario, over the ensemble, and with each consequence at its ends."""
    seed = config.seed + 1
    worlds = {name: config.weights.put_into(load_world(name)) for name in names("scenarios")}
    scenarios = values_by_scenario(
        study,
        arm=arm,
        worlds=worlds,
        n=config.scenario_patients,
        seed=seed,
        advance=begin("Scenarios", len(worlds)),
    )
    ensemble = load_ensemble()
    n_members = min(config.n_members or len(ensemble), len(ensemble))
    members = values_by_member(
        study,
        arm=arm,
        ensemble=ensemble,
        world=world,
        n=config.member_patients,
        n_members=n_members,
        seed=seed + 1,
        advance=begin("Ensemble of assumptions", n_members),
    )
    ends = ends_of_assumptions(
        study,
        arm=arm,
        world=world,
        n=config.assumption_patients,
        seed=seed,
        response_world=config.response_world,
        advance=begin("Consequences, end by end", _CONSEQUENCES),
    )
    return scenarios, members, ends


def _setting(config: PolicyConfig, arm: Arm, cohort: PolicyCohort) -> PolicySetting:
    world = config.world
    return PolicySetting(
        product=arm.product.name,
        platform=arm.product.platform,
        label=arm.product.label,
        regimen=arm.regimen_name,
        window_d=arm.window_d,
        population=arm.population.label,
        scenario=str(config.scenario) if world is None else world.scenario.name,
        seed=config.seed,
        version=__version__,
        n_patients=config.sizes.n_patients,
        n_replicates=config.sizes.n_replicates,
        n_training_per_arm=config.sizes.n_training_per_arm,
        score=cohort.score_origin,
        strategies=cohort.outcomes.names[1:],
        response_world=config.response_world,
        doses_per_100=tuple(config.doses_per_100),
        n_resamples=config.n_resamples,
        member_patients=config.member_patients,
        scenario_patients=config.scenario_patients,
    )


class PolicyExperiment(Strict):
    """What an experiment on prophylaxis asks and how much it may compute."""

    kind: str
    name: str
    question: str
    scenario: str
    product: str
    regimen: str
    strategies: list[str] = Field(min_length=1)
    response_world: ResponseWorld
    seed: int = Field(ge=0)
    patients: int
    repetitions: int = Field(ge=2, multiple_of=2)
    training_per_arm: int
    member_patients: int = Field(ge=20)
    scenario_patients: int = Field(ge=100)
    assumption_patients: int = Field(ge=100)
    doses_per_100: list[float]
    resamples: int = Field(ge=100)


def run_policy_experiment(folder: Path, *, workers: int, begin: Begin) -> PolicyResult:
    """Run one experiment and write report, content, tables and figures to ``results/``."""
    path = experiment_file(folder)
    asked = build(PolicyExperiment, read_yaml(path), where=str(path))
    config = PolicyConfig(
        asked.product,
        tuple(asked.strategies),
        question=asked.question,
        regimen=asked.regimen,
        scenario=asked.scenario,
        seed=asked.seed,
        sizes=CohortSizes(asked.patients, asked.repetitions, asked.training_per_arm),
        member_patients=asked.member_patients,
        scenario_patients=asked.scenario_patients,
        assumption_patients=asked.assumption_patients,
        doses_per_100=tuple(asked.doses_per_100),
        response_world=asked.response_world,
        n_resamples=asked.resamples,
    )
    result = run_policies(config, begin=begin, workers=workers)
    write_policies(result, html=None, out=path.parent / "results")
    return result


def write_policies(result: PolicyPageResult, *, html: Path | None, out: Path | None) -> list[Path]:
    """Write the page to ``html``; into the folder ``out`` the page, the content, every table as
    CSV, every figure, and the recommended trial as a design file.
    """
    written: list[Path] = []
    page = result.page()
    if html is not None:
        write_text(html, render_policy(page))
        written.append(html)
    if out is None:
        return written
    write_text(out / "report.html", render_policy(page))
    write_json(out / "content.json", result.policy_tree())
    written += [out / "report.html", out / "content.json"]
    if isinstance(result, PolicyResult):
        design = trial_design_yaml(result)
        if design is not None:
            write_text(out / "trial.yaml", design)
            written.append(out / "trial.yaml")
    for table in page.tables:
        place = out / "tables" / f"{table.key.removeprefix('table-')}.csv"
        write_text(
            place, without_formulas(_table_frame(table)).to_csv(index=False, lineterminator="\n")
        )
        written.append(place)
    for name, svg in policy_files(page).items():
        write_text(out / "figures" / name, svg)
        written.append(out / "figures" / name)
    return written


def _table_frame(table: SectionTable) -> pd.DataFrame:
    heads = [
        f"{column.label} ({column.sub})" if column.sub else column.label for column in table.columns
    ]
    rows = [[group.label, row.label, *row.cells] for group in table.groups for row in group.rows]
    frame = pd.DataFrame(rows, columns=["group", table.row_header, *heads])
    return frame if frame["group"].any() else frame.drop(columns="group")


def print_policies(result: PolicyPageResult, *, written: Sequence[Path]) -> None:
    """The paragraph, the tables a designer looks at first, what would overturn it, what to measure
    first.
    """
    console = Console(width=max(Console().width, 120), markup=False, highlight=False)
    page = result.page()
    console.print(page.summary)
    for table in page.tables:
        if table.key.removeprefix("table-") in _SHOWN:
            console.print(_terminal_table(table))
    for title, lines in (
        ("What would overturn it", page.overturns),
        ("What to measure first", page.measure_first),
    ):
        if lines:
            console.print(f"{title}:")
            for text in lines:
                console.print(f"  - {text}")
    for path in written[:3]:
        console.print(f"Wrote {path}", soft_wrap=True)
    console.print(page.notice, soft_wrap=True)


def _terminal_table(table: SectionTable) -> Table:
    shown = Table(title=table.title, title_justify="left", expand=False)
    shown.add_column(table.row_header, overflow="fold")
    for column in table.columns:
        head = f"{column.label}\n{column.sub}" if column.sub else column.label
        shown.add_column(head, justify="right", overflow="fold")
    for group in table.groups:
        if group.label:
            shown.add_row(group.label.upper(), *[""] * len(table.columns), style="bold")
        for row in group.rows:
            shown.add_row(row.label, *map(str, row.cells))
    return shown
