"""Is the explanation true? Three numbers, reported apart, for each product and overall.

(a) the explainer against exact Shapley values of the same model; (b) the model's Shapley values
against those of the oracle's risk; (c) attributions against what happens when the mechanism is run
again with one value replaced. In (b) and (c) both sides play the same game: within one product, the
players are the clinical values that differ between its patients, and an unknown value is taken from
the same stated background, the first simulated patients of that product.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from rich.console import Console
from scipy.special import expit, logit

from crsrisk.data.assumptions import Strict
from crsrisk.data.files import write_json, write_text
from crsrisk.data.product import Product
from crsrisk.data.world import World
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.errors import InputError
from crsrisk.evaluation.against_truth import CalibrationError, SplitHalves, calibration_error
from crsrisk.evaluation.explanation_truth import (
    Pair,
    Surrogate,
    agreement,
    by_feature,
    fit_surrogate,
    reliability,
)
from crsrisk.folders import find
from crsrisk.model.booster import booster_of, contributions_of
from crsrisk.model.coalitions import (
    Function,
    Shapley,
    shapley_by_orders,
)
from crsrisk.model.explain import feature_contributions
from crsrisk.model.features import load_config, numbers_of
from crsrisk.model.fit import fit
from crsrisk.model.predict import feature_matrix, raw_log_odds
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import load_model
from crsrisk.simulation.arm import Arm, make_arm
from crsrisk.simulation.observation import observe
from crsrisk.simulation.outcomes import grade_within
from crsrisk.simulation.population import Patients, draw, take, transform_draws
from crsrisk.simulation.run import run
from crsrisk.simulation.true_risk import FEATURES, intervene, risk_of_arm
from crsrisk.studies.experiment import experiment_file
from crsrisk.studies.places import patients_from, place_of, products_of
from crsrisk.threads import side_by_side

# The tables of the explanation experiment, as Markdown and on the terminal.


_COMPARISONS = {
    "model_against_oracle": "(b) model against the oracle's risk",
    "oracle_against_intervention": "(c) oracle's Shapley values against the intervention",
    "model_against_intervention": "(c) model's Shapley values against the intervention",
}


def explanation_markdown(tree: Mapping[str, Any]) -> str:
    """Three numbers overall and by product, then feature by feature."""
    lines = [
        f"# {tree['name']}: {tree['question']}",
        "",
        f"Model: {tree['model']}. Background: {tree['background']}.",
        "",
        *_overall_lines(tree),
        "",
        "## By product",
        "",
        (
            "| product | explainer error | surrogate: share of variance | reliability | (b) rank"
            " correlation | (b) linear | (b) sign | (b) top 3 | (c) oracle, rank | (c) model, rank"
            " | (c) reliability | judged |"
        ),
        f"|{'---|' * 12}",
    ]
    lines += [_product_line(row) for row in tree["products"].values()]
    lines += [
        "",
        "## Levers: the mechanism run with the lever, and the model with its column edited",
        "",
        "| product | lever | rate before | true change | Monte Carlo error | modelled change |",
        f"|{'---|' * 6}",
    ]
    lines += [
        f"| {row['product']} | {row['lever']} | {row['rate_before']:.3f} |"
        f" {row['true_change']:+.3f} | {row['mc_error']:.3f} | {row['modelled_change']:+.3f} |"
        for row in tree["levers"]
    ]
    for row in tree["products"].values():
        if "features" in row:
            lines += [
                "",
                f"## {row['product']}",
                "",
                (
                    "| feature | kind | oracle, mean abs. | model, mean abs. | (b) rank | (b)"
                    " linear | intervention, mean abs. | (c) rank | path-dependent, mean abs."
                    " (another game: not to be compared) |"
                ),
                f"|{'---|' * 9}",
            ]
            lines += [
                f"| {one['feature']} | {one['kind']} | {one['size']:.3f} |"
                f" {one['size_attributed']:.3f} | {one['rank_correlation']:.2f} |"
                f" {one['linear_correlation']:.2f} | {one['size_of_effect']:.3f} |"
                f" {one['oracle_against_intervention']:.2f} | {one['size_path_dependent']:.3f} |"
                for one in row["features"]
            ]
    return "\n".join([*lines, "", tree["notice"], ""])


def print_explanation_truth(tree: dict[str, Any]) -> None:
    """The three numbers, and where everything else is."""
    console = Console(width=max(Console().width, 120), markup=False, highlight=False)
    for line in _overall_lines(tree):
        console.print(line, soft_wrap=True)
    for row in tree["products"].values():
        if not row["is_judged"]:
            console.print(f"  not judged: {row['product']} ({row['why_not']})", soft_wrap=True)
    console.print("By product and feature: results/tables.md. " + tree["notice"], soft_wrap=True)


def _overall_lines(tree: Mapping[str, Any]) -> list[str]:
    found, bars = tree["overall"], tree["bars"]
    lines = [
        "- (a) explainer error, largest, log-odds:"
        f" {found['explainer']['path_dependent']:.1e} (bar {bars['explainer']:.0e}:"
        f" {'met' if found['explainer_meets_bar'] else 'not met'})"
    ]
    for key, words in _COMPARISONS.items():
        if key not in found:
            continue
        one, bar = found[key], ""
        if key == "model_against_oracle":
            bar = f" (bar {bars['model']:g}: {'met' if found['model_meets_bar'] else 'not met'})"
        lines.append(
            f"- {words}: rank correlation {_told(one['rank_correlation'])}{bar}, linear correlation"
            f" {_told(one['linear_correlation'])}, sign agreement {_told(one['sign'])}, top-3 hits"
            f" {_told(one['top'])}"
        )
    return lines


def _told(figure: Mapping[str, float]) -> str:
    return (
        f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f}, Monte Carlo error"
        f" {figure['mc_error']:.3f})"
    )


def _product_line(row: Mapping[str, Any]) -> str:
    error = row["explainer"]["path_dependent"]
    if "model_against_oracle" not in row:
        return f"| {row['product']} | {error:.1e} |{' - |' * 9} no: {row['why_not']} |"
    surrogate, b = row["surrogate"], row["model_against_oracle"]
    share = (
        "-" if surrogate["share_of_variance"] is None else f"{surrogate['share_of_variance']:.3f}"
    )
    return (
        f"| {row['product']} | {error:.1e} | {share} | {surrogate['reliability']:.3f} |"
        f" {b['rank_correlation']['value']:.3f} ({b['rank_correlation']['mc_error']:.3f}) |"
        f" {b['linear_correlation']['value']:.3f} | {b['sign']['value']:.3f} |"
        f" {b['top']['value']:.2f} |"
        f" {row['oracle_against_intervention']['rank_correlation']['value']:.3f} |"
        f" {row['model_against_intervention']['rank_correlation']['value']:.3f} |"
        f" {row['intervention_reliability']:.3f} |"
        f" {'yes' if row['is_judged'] else 'no: ' + row['why_not']} |"
    )


# Levers: what a model says when a lever's column is edited, beside what happens when the mechanism
# is run with it.
#
# Within a product every patient has the same premedication and steps, so a model can learn what
# they do only from differences between products, where everything else differs too. Editing the
# column is therefore no counterfactual.


STEROIDS = {"dexamethasone", "methylprednisolone"}
HALF_DOSE = "half_dose"


def lever_rows(
    model: RiskModel, arms: Sequence[Arm], *, world: World, n: int, seed: int, workers: int = 1
) -> list[dict[str, Any]]:
    """One row a product and lever: true and modelled change of the mean risk of grade >= 2 (0-1),
    same patients.

    ``mc_error`` is the standard error of the true change (paired: both arms have the same random
    numbers).
    """
    rows = []
    for arm in arms:
        before, said = _risks(model, arm, world=world, n=n, seed=seed, workers=workers)
        for lever, changed in _levers(arm, world=world).items():
            after, says = _risks(model, changed, world=world, n=n, seed=seed, workers=workers)
            difference = after - before
            rows.append(
                {
                    "product": arm.product.name,
                    "lever": lever,
                    "rate_before": float(before.mean()),
                    "true_change": float(difference.mean()),
                    "mc_error": float(difference.std(ddof=1) / n**0.5),
                    "modelled_change": float(np.mean(says - said)),
                    "true_log_odds": _log_odds(after) - _log_odds(before),
                    "modelled_log_odds": float(logit(says.mean()) - logit(said.mean())),
                }
            )
    return rows


def _levers(arm: Arm, *, world: World) -> dict[str, Arm]:
    """Arms that differ from this one by one lever."""
    given = {one.mitigation for one in arm.regimen.premedication}
    found = {}
    if "tocilizumab" not in given:
        found["tocilizumab before dose 1"] = make_arm(
            arm.product, world=world, mitigations=("tocilizumab",)
        )
    if not given & STEROIDS:
        found["dexamethasone before dose 1"] = make_arm(
            arm.product, world=world, mitigations=("dexamethasone",)
        )
    found["half of every dose"] = make_arm(
        _with_half_dose(arm.product), world=world, regimen=HALF_DOSE
    )
    return found


def _with_half_dose(product: Product) -> Product:
    usual = product.regimens[product.default_regimen]
    doses = [dose.model_copy(update={"amount": dose.amount / 2.0}) for dose in usual.doses]
    halved = usual.model_copy(update={"doses": doses})
    return product.model_copy(update={"regimens": {**product.regimens, HALF_DOSE: halved}})


def _risks(
    model: RiskModel, arm: Arm, *, world: World, n: int, seed: int, workers: int
) -> tuple[Values, Values]:
    """Who has grade >= 2 (0/1), and what the model says of the same patients' table."""
    draws = draw(assumptions=world.assumptions, seed=seed, start=0, stop=n)
    patients = transform_draws(
        draws, arm.population, assumptions=world.assumptions, rows=np.arange(n)
    )
    grade = grade_within(
        run(arm, patients, world=world, workers=workers), window_h=24.0 * arm.window_d
    )
    table = observe(patients, arm=arm, world=world, seed=seed)
    return (grade >= 2).astype(np.float64), expit(
        model.calibrator.log_odds(raw_log_odds(model, table))
    )


def _log_odds(event: Values) -> float:
    """Log-odds of a share, half an event added to each class."""
    return float(logit((event.sum() + 0.5) / (event.size + 1.0)))


Values = NDArray[np.float64]
Begin = Callable[[str, int], Callable[[int], None]]
EXPLAINER_BAR = 1e-8  # log-odds
MODEL_BAR = 0.9  # weighted rank correlation
TRUSTED = 0.95  # reliability that a surrogate's Shapley values need, or a product is not judged
# first numbers of patients
_BACKGROUND, _EXPLAINED, _JUDGED, _LABELLED = 0, 10_000, 20_000, 1_000_000
_CHUNK = 20_000
NOTICE = (
    "Synthetic data, no external validation. Cause means: in this simulator. Attributions describe"
    " a model or an oracle of the simulator, not what would help a patient."
)


class ExplanationTruth(Strict):
    """What the experiment asks and how much it may compute; numbers of patients are for each
    product.

    ``released``: name of a released model; without one the model of ``config`` is trained on
    ``training_patients``.
    """

    kind: str
    name: str
    question: str
    config: str
    released: str
    scenario: str
    products: list[str]
    seed: int = Field(ge=0)
    training_patients: int = Field(ge=400)
    surrogate_patients: int = Field(ge=4000)
    explained_patients: int = Field(ge=20)
    background_patients: int = Field(ge=5)
    orders: int = Field(ge=2)
    checked_patients: int = Field(ge=1)
    oracle_patients: int = Field(ge=30)
    oracle_repetitions: int = Field(ge=20, multiple_of=2)
    intervention_patients: int = Field(ge=10)
    intervention_repetitions: int = Field(ge=20, multiple_of=2)
    lever_patients: int = Field(ge=200)


@dataclass(frozen=True)
class _Subject:
    """One product: its players, its background, and the patients who are explained."""

    name: str
    arm: Arm
    world: World
    players: tuple[str, ...]
    background: Patients
    background_table: pd.DataFrame
    explained: Patients
    explained_table: pd.DataFrame

    def rows(self, table: pd.DataFrame) -> Values:
        """The players' values, (patients, players), NaN = missing."""
        return np.column_stack([numbers_of(table, column=name) for name in self.players])


@dataclass(frozen=True)
class _Attributions:
    """Shapley values of one product's explained patients (patients, players), in log-odds: oracle
    (two halves), model.
    """

    halves: tuple[Values, Values]
    model: Shapley
    effects: Values
    effect_halves: tuple[Values, Values]

    @property
    def oracle(self) -> Values:
        """Mean of the two surrogates: Shapley values are linear in the function."""
        return np.asarray((self.halves[0] + self.halves[1]) / 2.0)


def run_explanation_truth(folder: Path, *, workers: int, begin: Begin) -> dict[str, Any]:
    """Run the experiment; writes ``summary.json`` and ``tables.md`` to ``results/`` and gives the
    summary.
    """
    path = experiment_file(folder)
    config = build(ExplanationTruth, read_yaml(path), where=str(path))
    place = place_of(config.scenario, products=products_of(config.products))
    model = _model(config, workers=workers)
    advance = begin("Explaining product by product", len(place.only.arms))
    subjects = [_subject(config, arm, place.only.world) for arm in place.only.arms.values()]

    def one(subject: _Subject) -> tuple[dict[str, Any], _Attributions | None]:
        found = _of_product(config, subject, model=model)
        advance(1)
        return found

    with side_by_side(workers) as pool:
        found = list(pool.map(one, subjects))
    judged = [
        (row, attributions)
        for row, attributions in found
        if attributions is not None and row["is_judged"]
    ]
    tree = {
        "name": config.name,
        "question": config.question,
        "model": model.label,
        "config": config.model_dump(),
        "background": (
            f"the first {config.background_patients} simulated patients of each product, default"
            f" regimen, scenario {config.scenario}"
        ),
        "bars": {"explainer": EXPLAINER_BAR, "model": MODEL_BAR, "trusted_reliability": TRUSTED},
        "products": {row["product"]: row for row, _ in found},
        "overall": _overall([row for row, _ in found], judged, seed=config.seed),
        "levers": lever_rows(
            model,
            list(place.only.arms.values()),
            world=place.only.world,
            n=config.lever_patients,
            seed=config.seed,
            workers=workers,
        ),
        "ademp": _ademp(config),
        "notice": NOTICE,
    }
    write_json(path.parent / "results" / "summary.json", tree)
    write_text(path.parent / "results" / "tables.md", explanation_markdown(tree))
    return tree


def _model(config: ExplanationTruth, *, workers: int) -> RiskModel:
    if config.released:
        return load_model(find("released", config.released))
    cohort = patients_from(
        place_of(config.scenario, products=products_of([])),
        n=config.training_patients,
        seed=config.seed + 1,
        workers=workers,
    )
    return fit(
        cohort.observed, cohort.outcomes, config=load_config(config.config), seed=config.seed
    )


def _subject(config: ExplanationTruth, arm: Arm, world: World) -> _Subject:
    background = _people(
        arm, world, seed=config.seed, start=_BACKGROUND, n=config.background_patients
    )
    explained = _people(arm, world, seed=config.seed, start=_EXPLAINED, n=config.explained_patients)
    tables = [
        observe(patients, arm=arm, world=world, seed=config.seed)
        for patients in (background, explained)
    ]
    both = pd.concat(tables)
    players = tuple(name for name in FEATURES if both[name].nunique() > 1)
    return _Subject(
        arm.product.name, arm, world, players, background, tables[0], explained, tables[1]
    )


def _people(arm: Arm, world: World, *, seed: int, start: int, n: int) -> Patients:
    draws = draw(assumptions=world.assumptions, seed=seed, start=start, stop=start + n)
    return transform_draws(draws, arm.population, assumptions=world.assumptions, rows=np.arange(n))


def _of_product(
    config: ExplanationTruth, subject: _Subject, *, model: RiskModel
) -> tuple[dict[str, Any], _Attributions | None]:
    """All three comparisons for one product."""
    row: dict[str, Any] = {
        "product": subject.name,
        "players": list(subject.players),
        "explainer": _explainer_errors(config, subject, model),
        "is_judged": False,
    }
    try:
        halves = _surrogates(config, subject)
    except InputError as problem:
        return {**row, "why_not": str(problem)}, None
    row["surrogate"] = _surrogate_error(config, subject, halves)
    found = _attribute(config, subject, model, halves)
    row["n_explained"] = len(subject.explained)
    row["model_orders_error"] = float(found.model.error.max())
    together = agreement([found.halves], seed=config.seed).rank_correlation
    row["surrogate"]["halves_rank_correlation"] = together.to_dict()
    row["surrogate"]["reliability"] = reliability(together.estimate.value)
    row["is_judged"] = bool(row["surrogate"]["reliability"] >= TRUSTED)
    if not row["is_judged"]:
        row["why_not"] = "the surrogate's own Shapley values are too uncertain"
    row |= _comparisons([found], seed=config.seed)
    row["features"] = _features(subject, model, found)
    return row, found


def _explainer_errors(
    config: ExplanationTruth, subject: _Subject, model: RiskModel
) -> dict[str, float]:
    """Largest difference (log-odds) between our explainer and LightGBM's own exact values."""
    table = subject.explained_table.head(config.checked_patients)
    _, shown = feature_contributions(model, table)
    exact = contributions_of(booster_of(model.booster_text), feature_matrix(model, table))[:, :-1]
    return {
        "path_dependent": float(np.abs(shown - model.calibrator.slope * exact).max()),
        "n_patients": float(len(table)),
    }


def _surrogates(config: ExplanationTruth, subject: _Subject) -> tuple[Surrogate, Surrogate]:
    half = config.surrogate_patients // 2
    first, second = (
        _fit_half(config, subject, start=_LABELLED + k * half, n=half) for k in range(2)
    )
    return first, second


def _fit_half(config: ExplanationTruth, subject: _Subject, *, start: int, n: int) -> Surrogate:
    """A surrogate fitted to simulated patients with one outcome each."""
    arm, world = subject.arm, subject.world
    rows, events = [], []
    for first in range(start, start + n, _CHUNK):
        patients = _people(
            arm, world, seed=config.seed, start=first, n=min(_CHUNK, start + n - first)
        )
        events.append(
            grade_within(run(arm, patients, world=world), window_h=24.0 * arm.window_d) >= 2
        )
        rows.append(subject.rows(observe(patients, arm=arm, world=world, seed=config.seed)))
    return fit_surrogate(subject.players, np.concatenate(rows), np.concatenate(events))


def _surrogate_error(
    config: ExplanationTruth, subject: _Subject, halves: tuple[Surrogate, Surrogate]
) -> dict[str, Any]:
    """How far the surrogate's risk is from the re-simulated oracle's, with the oracle's noise
    removed.
    """
    patients = _people(
        subject.arm, subject.world, seed=config.seed, start=_JUDGED, n=config.oracle_patients
    )
    rows = subject.rows(observe(patients, arm=subject.arm, world=subject.world, seed=config.seed))
    asked = risk_of_arm(
        subject.arm,
        patients,
        world=subject.world,
        seed=config.seed,
        given="observed",
        n_replicates=config.oracle_repetitions,
    )
    truth = SplitHalves("what was observed", asked.n_grade2plus, asked.n_replicates // 2)
    risk = 1.0 / (1.0 + np.exp(-_mean_of(halves)(rows)))
    error = calibration_error(risk, truth=truth, seed=config.seed)
    assert isinstance(error, CalibrationError)  # the configuration asks for 30 patients or more
    one, other = (2 * asked.n_grade2plus / asked.n_replicates).T
    spread = float(np.cov(one, other)[0, 1])
    squared = error.root_mean_squared.estimate.value**2
    return {
        "n_patients": config.surrogate_patients,
        "root_mean_squared": error.root_mean_squared.to_dict(),
        "bias": error.bias.to_dict(),
        "sd_of_true_risk": max(0.0, spread) ** 0.5,
        "share_of_variance": 1.0 - squared / spread if spread > 0 else None,
    }


def _attribute(
    config: ExplanationTruth,
    subject: _Subject,
    model: RiskModel,
    halves: tuple[Surrogate, Surrogate],
) -> _Attributions:
    rows, background = subject.rows(subject.explained_table), subject.rows(subject.background_table)
    one, other, of_model = (
        shapley_by_orders(
            said, rows, background=background, n_orders=config.orders, seed=config.seed
        )
        for said in (halves[0].log_odds, halves[1].log_odds, _said_by(model, subject))
    )
    n = min(config.intervention_patients, len(subject.explained))
    done = intervene(
        subject.arm,
        _first(subject.explained, n),
        reference=subject.background,
        features=subject.players,
        world=subject.world,
        seed=config.seed,
        n_replicates=config.intervention_repetitions,
    )
    return _Attributions(
        (one.values, other.values),
        of_model,
        done.effects(),
        (done.effects(split_half=0), done.effects(split_half=1)),
    )


def _first(patients: Patients, n: int) -> Patients:
    return take(patients, np.arange(n))


def _said_by(model: RiskModel, subject: _Subject) -> Function:
    """The model's calibrated log-odds as a function of the players alone; the product's other
    columns are its own.
    """
    template = subject.background_table.iloc[:1]
    others = [name for name in template.columns if name not in subject.players]

    def said(rows: Values) -> Values:
        frame = pd.DataFrame(rows, columns=list(subject.players))
        for name in others:
            frame[name] = template[name].iloc[0]
        return model.calibrator.log_odds(raw_log_odds(model, frame))

    return said


def _mean_of(halves: tuple[Surrogate, Surrogate]) -> Function:
    return lambda rows: np.asarray((halves[0].log_odds(rows) + halves[1].log_odds(rows)) / 2.0)


def _comparisons(found: Sequence[_Attributions], *, seed: int) -> dict[str, Any]:
    """(b) and (c), over the products given, with how far the references can be trusted."""

    def told(pairs: Sequence[Pair]) -> dict[str, Any]:
        made = agreement(pairs, seed=seed)
        return {
            "n_patients": made.n_patients,
            **{
                name: getattr(made, name).to_dict()
                for name in ("rank_correlation", "linear_correlation", "sign", "top", "distance")
            },
        }

    effects = agreement([one.effect_halves for one in found], seed=seed).rank_correlation
    return {
        "model_against_oracle": told([(one.model.values, one.oracle) for one in found]),
        "oracle_against_intervention": told(
            [(one.oracle[: len(one.effects)], one.effects) for one in found]
        ),
        "model_against_intervention": told(
            [(one.model.values[: len(one.effects)], one.effects) for one in found]
        ),
        "intervention_reliability": reliability(effects.estimate.value),
    }


def _features(subject: _Subject, model: RiskModel, found: _Attributions) -> list[dict[str, Any]]:
    """Feature by feature: sizes in every game, rank correlations, and what the causal graph calls
    it.
    """
    kinds = {variable.name: variable.kind for variable in model.contract.variables}
    of_effects = {
        one.feature: one
        for one in by_feature(
            found.oracle[: len(found.effects)], found.effects, features=subject.players
        )
    }
    path = np.abs(feature_contributions(model, subject.explained_table)[1])
    shown = {
        name: float(
            path[:, [one.variable == name for one in model.contract.features]].sum(axis=1).mean()
        )
        for name in subject.players
    }
    return [
        {
            **asdict(one),
            "kind": kinds.get(one.feature, "not in the model"),
            "size_path_dependent": shown[one.feature],
            "size_of_effect": of_effects[one.feature].size,
            "oracle_against_intervention": of_effects[one.feature].rank_correlation,
        }
        for one in by_feature(found.model.values, found.oracle, features=subject.players)
    ]


def _overall(
    rows: Sequence[dict[str, Any]],
    judged: Sequence[tuple[dict[str, Any], _Attributions]],
    *,
    seed: int,
) -> dict[str, Any]:
    worst = max(row["explainer"]["path_dependent"] for row in rows)
    tree: dict[str, Any] = {
        "explainer": {"path_dependent": worst},
        "explainer_meets_bar": worst < EXPLAINER_BAR,
        "products_judged": [row["product"] for row, _ in judged],
    }
    if judged:
        tree |= _comparisons([attributions for _, attributions in judged], seed=seed)
        tree["model_meets_bar"] = bool(
            tree["model_against_oracle"]["rank_correlation"]["value"] >= MODEL_BAR
        )
    return tree


def _ademp(config: ExplanationTruth) -> dict[str, str]:
    return {
        "aims": config.question,
        "data_generating_mechanisms": (
            f"scenario {config.scenario}, every product under its default regimen"
        ),
        "estimands": (
            "interventional Shapley values of the log-odds of grade >= 2, players: clinical values"
            " that differ within the product, against a stated background; effects of replacing one"
            " true value by a background patient's"
        ),
        "methods": (
            f"model: orders both ways ({config.orders} for each background patient); oracle: two"
            f" surrogates fitted to {config.surrogate_patients // 2} patients each; mechanism run"
            f" again {config.intervention_repetitions} times a patient and feature with common"
            " random numbers"
        ),
        "performance_measures": (
            "weighted rank correlation, sign agreement, top-3 hits, mean absolute difference; Monte"
            " Carlo error by bootstrap over patients"
        ),
    }
