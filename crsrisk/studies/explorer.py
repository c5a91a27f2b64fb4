"""Explorer: the page with the released models in it, made of the objects that score in Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from crsrisk.data.ensemble import load_ensemble
from crsrisk.data.explanation import INTERVAL_NAMES
from crsrisk.data.files import write_text
from crsrisk.data.guidance import Guidance, load_guidance
from crsrisk.data.identity import ADULT_YEARS, tumour_facts
from crsrisk.data.json_text import json_tree
from crsrisk.data.patient import COUNTS, COURSE, FLAGS, NUMBERS, read_patient
from crsrisk.data.product import PLATFORMS, Product
from crsrisk.data.product_names import plain
from crsrisk.data.regimen_grid import grid_path, load_regimen_grid
from crsrisk.data.ward_columns import WARD
from crsrisk.data.world import World, load_world
from crsrisk.data.world_files import load_product
from crsrisk.errors import InputError
from crsrisk.fields import FIELDS, LANDMARK_HOURS, LDH_LIMIT, Field
from crsrisk.folders import find, names
from crsrisk.model.booster_text import CATEGORICAL
from crsrisk.model.companions import Companions
from crsrisk.model.forest import forest_of
from crsrisk.model.indices import INDICES
from crsrisk.model.refits import Refits, covers, refits_tree
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import CONTRACT
from crsrisk.model.world_spread import LEVEL, WorldSpread
from crsrisk.report.bedside import covers_worlds
from crsrisk.report.explorer import (
    FORMAT,
    CourseReading,
    ForestArrays,
    IdentityFacts,
    InputColumn,
    ModelPair,
    PackedPair,
    PageData,
    PageModel,
    PageProduct,
    PageRegimen,
    PatientKey,
    Prophylaxis,
    ServerData,
    TumourFacts,
    column_labels,
    page_facts,
    render_explorer,
)
from crsrisk.report.guidance import product_guidance
from crsrisk.report.published_rates import published_rates
from crsrisk.results import Result
from crsrisk.simulation.arm import make_arm
from crsrisk.simulation.levers import STEROIDS
from crsrisk.studies.explain import ExplainableModel
from crsrisk.studies.patient_row import row_of
from crsrisk.wording import typeset

# columns that follow from product and regimen
THERAPY = (
    "product",
    "platform",
    "antigen_restriction",
    "dose_intensity",
    "is_stepped_up",
    "has_steroid_premedication",
    "has_tocilizumab_prophylaxis",
    "has_lymphodepletion",
)
# of a patient file, with the column that each says
_KEYS = {**NUMBERS, **{name: name for name in (*COUNTS, *FLAGS)}}
# agents before the first dose that models read, with their column
_AGENTS = {STEROIDS[0]: "has_steroid_premedication", "tocilizumab": "has_tocilizumab_prophylaxis"}


@dataclass(frozen=True, kw_only=True, repr=False)
class Explorer(Result):
    """The page that was written: where, how large, and with which models."""

    place: Path
    n_bytes: int
    models: tuple[str, ...]

    def summary(self) -> str:
        """Size, models and place."""
        size = f"{self.n_bytes / 1e6:.1f} MB"
        return f"{size} with {', '.join(self.models)}, written to {self.place}"


def write_explorer(out: str | Path, *, models: Sequence[str | Path] = ()) -> Explorer:
    """Write the page with these models of grade 2 or more, each with its neighbour for grade 3 or
    more; without any, with all that are released.

    Raises
    ------
    InputError
        For a model of another outcome, one that the page's script cannot score, two of one hour,
        and for models that make the page too large.
    """
    pairs = [model_pair(folder) for folder in models or released_models()]
    packed = _packed(pairs)
    page = render_explorer(page_data(pairs, packed), packed, regimens=packed_regimens())
    write_text(Path(out), page)
    labels = [
        label
        for pair in packed
        for label in (pair.entry.label, pair.entry.grade3plus)
        if label is not None
    ]
    return Explorer(place=Path(out), n_bytes=len(page.encode()), models=tuple(labels))


def packed_regimens() -> bytes | None:
    """The grid of regimens as it ships; None without one, and where world or ensemble have changed
    since it was made.
    """
    grid = load_regimen_grid()
    if grid is None or not grid.is_of(load_world(), load_ensemble()):
        return None
    return grid_path().read_bytes()


def served_explorer(
    models: Sequence[str | Path], *, address: Callable[[str], str], has_token: bool
) -> str:
    """The page as a server gives it: with the ``address`` that simulates the patients of a model
    (by its name and version), and how a patient is written for it.

    Raises
    ------
    InputError
        As :func:`write_explorer`.
    """
    pairs = [model_pair(folder) for folder in models]
    packed = _packed(pairs)
    server = ServerData(
        simulation={pair.entry.key: address(pair.entry.label) for pair in packed},
        keys={column: _patient_key(key, FIELDS[column]) for key, column in _KEYS.items()},
        course={
            stem: _patient_key(key, FIELDS[f"{stem}__h{LANDMARK_HOURS[0]}"])
            for key, stem in COURSE.items()
        },
        has_token=has_token,
    )
    return render_explorer(
        page_data(pairs, packed), packed, regimens=packed_regimens(), server=server
    )


def _patient_key(key: str, column: Field) -> PatientKey:
    is_quantity = column.kind == "float" and column.unit != "1"
    return PatientKey(key=key, unit=column.unit if is_quantity else "")


def _packed(pairs: Sequence[ModelPair]) -> list[PackedPair]:
    hours = [pair.grade2plus.contract.landmark_h for pair in pairs]
    if len(set(hours)) < len(hours):
        raise InputError(
            where="explorer",
            key="models",
            found="two models of the same hour",
            expected="one model before the first dose, and one for each later hour",
            cure="give one of them",
        )
    return [PackedPair.of(pair, key=f"model-{number}") for number, pair in enumerate(pairs)]


def released_models() -> list[str]:
    """Released models of grade 2 or more, that of before the first dose first."""
    contracts = {
        name: json_tree((find("released", name) / CONTRACT).read_bytes())
        for name in names("released")
    }
    chosen = [name for name, told in contracts.items() if told["outcome"] == "crs_grade2plus"]
    return sorted(chosen, key=lambda name: contracts[name]["landmark_h"])


def model_pair(model: str | Path | ExplainableModel) -> ModelPair:
    """A model of grade 2 or more, loaded or by folder or name, with all that stands beside it."""
    explainable = ExplainableModel.of(model)
    beside = explainable.companions
    severe = beside.grade3plus
    return ModelPair(
        grade2plus=_page_model(
            explainable.model, beside, refits=beside.refits, worlds=beside.worlds
        ),
        grade3plus=None
        if severe is None
        else _page_model(
            severe, Companions(), refits=beside.grade3plus_refits, worlds=beside.grade3plus_worlds
        ),
    )


def trained_products(pairs: Sequence[ModelPair]) -> list[Product]:
    """The products that ship and that one of the models was trained on."""
    trained = {name for pair in pairs for name in pair.grade2plus.contract.products}
    return [load_product(name) for name in names("products") if name in trained]


def page_data(pairs: Sequence[ModelPair], packed: Sequence[PackedPair]) -> PageData:
    """Everything in the page but the models: the products that one of them was trained on, and what
    the files know of these.
    """
    world, guidance = load_world(), load_guidance()
    grid = load_regimen_grid()
    contracts = [pair.grade2plus.contract for pair in pairs]
    products = trained_products(pairs)
    asked = {column.name for contract in contracts for column in contract.columns}
    latest = max(contract.landmark_h for contract in contracts)
    return PageData(
        format=FORMAT,
        **dict(page_facts(published_rates(products), notice=pairs[0].grade2plus.notice)),
        models=[pair.entry for pair in packed],
        products=[_page_product(product, world=world, guidance=guidance) for product in products],
        columns=[
            InputColumn.of(field)
            for field in FIELDS.values()
            if field.table == "observed" and field.name in asked
        ]
        + [InputColumn.of(FIELDS[LDH_LIMIT])],
        course=[_course_reading(stem) for stem in COURSE.values()] if latest else [],
        hours=[hour for hour in LANDMARK_HOURS if hour <= latest],
        prophylaxis=[
            Prophylaxis(name=name, label=world.mitigations[name].label, column=column)
            for name, column in _AGENTS.items()
        ],
        identity=identity_facts(products),
        interval_names={str(holds): name for holds, name in INTERVAL_NAMES.items()},
        agents={
            name: typeset(world.mitigations[name].label.split(" (")[0])
            for name in sorted(() if grid is None else grid.agents())
        },
    )


def _course_reading(stem: str) -> CourseReading:
    """A reading after the first dose; a laboratory value is read in the units of the one before, a
    vital sign in those of a ward's chart.
    """
    like = FIELDS[f"{stem}__h{LANDMARK_HOURS[0]}"]
    quantity = stem.partition("__")[0]
    units_of = FIELDS.get(stem) or WARD.get(quantity, like)
    label = like.label.removesuffix(f" at {LANDMARK_HOURS[0]} h")
    field = replace(
        units_of, label=label, kind=like.kind, possible=like.possible, plausible=like.plausible
    )
    return CourseReading(stem=stem, column=InputColumn.of(field))


def _page_model(
    model: RiskModel,
    beside: Companions,
    *,
    refits: Refits | None,
    worlds: WorldSpread | None,
) -> PageModel:
    said = {} if refits is None else {"refitting": covers(len(refits), model=model)}
    if worlds is not None:
        for holds in ("refitting and assumptions", "refitting, assumptions and products"):
            said[holds] = covers_worlds(worlds.n_members, holds=holds)
    return PageModel(
        label=model.label,
        notice=model.notice,
        contract=model.contract.model_copy(
            update={
                "variables": tuple(
                    one.model_copy(update={"label": one.said_label})
                    for one in model.contract.variables
                )
            }
        ),
        forest=forest_arrays(model),
        calibrator=model.calibrator,
        applicability=model.applicability,
        refits=None if refits is None else refits_tree(refits),
        refit_reach=None if refits is None else float(stdtrit(len(refits) - 1, 0.975)),
        worlds=worlds,
        world_reach=float(ndtri((1.0 + LEVEL) / 2.0)),
        reference=dict(beside.reference),
        covers=said,
        labels=column_labels(model.contract),
    )


def forest_arrays(model: RiskModel) -> ForestArrays:
    """The trees of a model as plain values.

    Raises
    ------
    InputError
        For what the page's script does not compute: published indices as features, and splits of
        categories.
    """
    forest = forest_of(model.booster_text)
    nodes = forest.nodes
    indices = sorted(set(model.contract.feature_names) & set(INDICES))
    if indices or (nodes["kind"] & CATEGORICAL).any():
        raise InputError(
            where=model.label,
            key="features",
            found=f"published indices ({', '.join(indices)})"
            if indices
            else "splits of categories",
            expected="measured values, numbers and yes/no, as of the released models",
            cure="take another model; `crsrisk predict` and `crsrisk explain` read this one",
        )
    return ForestArrays(
        feature=nodes["feature"].tolist(),
        threshold=_finite(nodes["threshold"]),
        decision=nodes["kind"].tolist(),
        left=nodes["left"].tolist(),
        right=nodes["right"].tolist(),
        leaf=forest.leaf_value.tolist(),
        roots=forest.roots.tolist(),
    )


def _finite(thresholds: NDArray[np.float64]) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in thresholds.tolist()]


def _page_product(product: Product, *, world: World, guidance: Guidance) -> PageProduct:
    population = world.populations[product.population]
    return PageProduct(
        name=product.name,
        label=product.label,
        other_names=list(product.other_names),
        platform=product.platform,
        window_d=product.window_d,
        tumour_type=product.tumour_type or population.name,
        tumour_label=population.label,
        default_regimen=product.default_regimen,
        regimens=[_page_regimen(product, name, world=world) for name in product.regimens],
        guidance=product_guidance(product, guidance=guidance),
    )


def _page_regimen(product: Product, name: str, *, world: World) -> PageRegimen:
    regimen = product.regimens[name]
    patient = read_patient({"product": product.name, "regimen": name})
    row = row_of(patient, arm=make_arm(product, world=world, regimen=name)).iloc[0]
    return PageRegimen(
        name=name,
        note=typeset(regimen.in_words),
        row={column: row[column] for column in THERAPY},
        has_own_dose=regimen.amount_log_sd > 0,
    )


def identity_facts(products: Sequence[Product]) -> IdentityFacts:
    """What a patient under one of these products must not contradict."""
    return IdentityFacts(
        platforms=list(PLATFORMS),
        platform_of={product.name: product.platform for product in products},
        product_names={
            plain(text): product.name
            for product in products
            for text in (*product.other_names, product.name)
        },
        tumour_types={
            name: TumourFacts(is_female=facts.is_female, youngest_years=facts.youngest)
            for name, facts in tumour_facts().items()
        },
        adult_years=ADULT_YEARS,
    )
