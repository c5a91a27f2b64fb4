"""The files of the synthetic world load, agree with one another, and refuse what is wrong with a
cure.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from crsrisk.data.assumptions import Assumption, Assumptions, Quantity
from crsrisk.data.evidence_files import load_trials
from crsrisk.data.product import Product
from crsrisk.data.world_files import (
    all_products,
    load_assumptions,
    load_mitigation,
    load_policy,
    load_population,
    load_product,
    load_scenario,
)
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.errors import InputError
from crsrisk.folders import Kind, evidence_only_products, find, names, synthetic_folder

Change = Callable[[dict[str, Any]], None]
LOADERS: dict[Kind, Callable[[str | Path], BaseModel]] = {
    "products": load_product,
    "populations": load_population,
    "mitigations": load_mitigation,
    "policies": load_policy,
    "scenarios": load_scenario,
}
ENTRY = {
    "meaning": "how fast TNF is cleared",
    "value": 0.8,
    "unit": "1/h",
    "spread": 0.1,
    "range": [0.5, 2.0],
    "source": "assumed: a test",
    "strength": "assumed",
}
QUANTITY = {key: value for key, value in ENTRY.items() if key != "meaning"} | {"unit": "1"}
REQUIRED: dict[Kind, set[str]] = {
    "products": {
        "tarlatamab",
        "tebentafusp",
        "acapatamab",
        "psma_sc_engager",
        "psma_masked_engager",
        "cldn182_car_t",
        "gpc3_car_t",
        "afami_cel",
        "til_il2",
        "checkpoint_inhibitor",
    },
    "populations": {
        "small_cell_lung",
        "neuroendocrine_prostate",
        "castration_resistant_prostate",
        "uveal_melanoma",
        "cutaneous_melanoma",
        "gastric_pancreatic",
        "hepatocellular",
        "synovial_sarcoma",
        "non_small_cell_lung",
        "ovarian_mesothelioma",
        "neuroblastoma",
    },
    "mitigations": {
        "tocilizumab",
        "siltuximab",
        "dexamethasone",
        "methylprednisolone",
        "anakinra",
        "canakinumab",
        "ruxolitinib",
        "itacitinib",
        "lenzilumab",
        "mavrilimumab",
        "etanercept",
        "infliximab",
        "emapalumab",
        "dasatinib",
        "plasma_exchange",
        "suicide_gene",
        "antipyretic",
        "fluids",
        "vasopressor",
        "oxygen",
    },
    "policies": {
        "standard_astct",
        "conservative_fluids",
        "liberal_fluids",
        "cell_therapy_unit",
        "checkpoint_clinic",
    },
    "scenarios": {
        "reference",
        "burden_null",
        "burden_strong",
        "inflammation_null",
        "inflammation_strong",
        "synergy_mild",
        "synergy_moderate",
        "synergy_strong",
        "threshold_mild",
        "threshold_moderate",
        "threshold_strong",
    },
}
SHIPPED = [(kind, name) for kind in LOADERS for name in names(kind)]


@cache
def shipped(kind: Kind, name: str) -> dict[str, Any]:
    """The tree of a shipped file, read once; copy before a change."""
    return read_yaml(find(kind, name))


def changed(kind: Kind, name: str, folder: Path, change: Change) -> Path:
    """A user's copy of a shipped file, with one change."""
    tree = copy.deepcopy(shipped(kind, name))
    change(tree)
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    return path


def setting(place: str, value: Any) -> Change:
    """Put ``value`` at a dotted place of the tree (a number is a place in a list)."""
    *parents, last = [int(part) if part.isdigit() else part for part in place.split(".")]

    def change(tree: dict[str, Any]) -> None:
        node: Any = tree
        for part in parents:
            node = node[part]
        node[last] = value

    return change


def refused(kind: Kind, name: str, folder: Path, place: str, value: Any) -> InputError:
    path = changed(kind, name, folder, setting(place, value))
    with pytest.raises(InputError) as caught:
        LOADERS[kind](path)
    assert caught.value.where.partition(",")[0] == f"{name}.yaml"
    assert caught.value.cure
    return caught.value


def quantities(noun: BaseModel, place: str = "") -> Iterator[tuple[str, Quantity]]:
    """Every quantity inside a noun with its place."""
    for field in type(noun).model_fields:
        value, here = getattr(noun, field), f"{place}{field}"
        if isinstance(value, Quantity):
            yield here, value
        elif isinstance(value, BaseModel):
            yield from quantities(value, f"{here}.")
        elif isinstance(value, dict):
            for key, inner in value.items():
                if isinstance(inner, Quantity):
                    yield f"{here}.{key}", inner


# --- what ships ---


@pytest.mark.parametrize("kind", sorted(REQUIRED))
def test_everything_that_was_asked_for_ships(kind: Kind) -> None:
    assert kind in get_args(Kind)
    assert set(names(kind)) >= REQUIRED[kind]


@pytest.mark.parametrize(("kind", "name"), SHIPPED)
def test_every_shipped_file_loads_and_bears_its_own_name(kind: Kind, name: str) -> None:
    noun = LOADERS[kind](name)
    assert noun.model_dump()["name"] == name
    assert LOADERS[kind](find(kind, name)) == noun


@pytest.mark.parametrize(("kind", "name"), SHIPPED)
def test_the_strength_of_a_number_fits_its_source(kind: Kind, name: str) -> None:
    for place, quantity in quantities(LOADERS[kind](name)):
        is_guess = quantity.source.startswith(("assumed", "not used"))
        assert is_guess == (quantity.strength == "assumed"), place
        if "recalled" in quantity.source:
            assert quantity.strength != "measured", place


def test_the_scenarios_fit_the_shipped_assumptions() -> None:
    reference = load_assumptions()
    for name in names("scenarios"):
        scenario = load_scenario(name, assumptions=reference)
        world = scenario.apply(reference)
        moved = {key for key in reference if world.value(key) != reference.value(key)}
        assert moved == set(scenario.overrides)


def test_the_null_scenarios_cut_every_path() -> None:
    burden = load_scenario("burden_null").overrides
    assert {key: override.value for key, override in burden.items()} == {
        "engagement.burden_exponent": 0.0,
        "engagement.liver_metastases_load_ratio": 1.0,
        "cascade.liver_metastases_myeloid_ratio": 1.0,
        "cascade.ldh_damp_slope": 0.0,
        "population.burden_lab_correlation_scale": 0.0,
    }
    assert {
        override.value for override in load_scenario("inflammation_null").overrides.values()
    } == {0.0}


def test_tarlatamab_is_given_as_its_label_says() -> None:
    """Known answer: US label, evidence rows E030-E047: 1, 10, 10 mg on days 1, 8, 15; dexamethasone
    8 mg.
    """
    label = load_product("tarlatamab").regimens["label"]
    assert [(dose.time_h, dose.amount, dose.infusion_h) for dose in label.doses] == [
        (0.0, 1000.0, 1.0),
        (168.0, 10000.0, 1.0),
        (336.0, 10000.0, 1.0),
    ]
    assert [
        (p.mitigation, p.usual_doses, p.hours_before, p.with_doses) for p in label.premedication
    ] == [("dexamethasone", 1.0, 1.0, [1, 2])]
    assert label.is_stepped_up
    assert load_mitigation("dexamethasone").usual_dose.startswith("8 mg")


def test_tebentafusp_steps_20_30_68_ug_without_steroid() -> None:
    """Known answer: Nathan, NEJM 2021 (evidence E091): 20, 30, 68 ug weekly."""
    label = load_product("tebentafusp").regimens["label"]
    assert [(dose.time_h, dose.amount) for dose in label.doses] == [
        (0.0, 20.0),
        (168.0, 30.0),
        (336.0, 68.0),
    ]
    assert label.premedication == []


def test_tocilizumab_obeys_its_cap() -> None:
    """Known answer: 8 mg/kg, at most 800 mg (Monaca 2026)."""
    tocilizumab = load_mitigation("tocilizumab")
    assert (tocilizumab.dose_mg_per_kg, tocilizumab.cap_total_mg) == (8.0, 800.0)


@pytest.mark.parametrize("name", [*names("products"), *evidence_only_products()])
def test_the_rating_guide_yields_the_shipped_restriction_and_density(name: str) -> None:
    """Independent arithmetic: 1.00 less the deductions in the rationale; a density of the 1-2-5
    series.
    """
    product = load_product(name)
    restriction, density = (
        product.binding.antigen_restriction,
        product.binding.antigen_density_copies,
    )
    deducted = sum(
        float(times or 1) * float(size)
        for times, size in re.findall(r"(?:(\d) x )?-(0\.\d+)", restriction.rationale)
    )
    # as rated
    judged, step_judged = (
        one.value if one.prior is None else one.prior for one in (restriction, density)
    )
    assert judged == pytest.approx(1.0 - deducted, abs=1e-9)
    assert f"Result {judged:.2f}" in restriction.rationale
    assert step_judged in {step * 10**power for step in (1, 2, 5) for power in range(1, 7)}
    assert f"step {step_judged:,.0f}" in density.rationale


def test_products_of_the_evidence_are_apart_and_complete() -> None:
    """They load like the others, serve a published trial, and no list of shipped products names
    them.
    """
    hidden = evidence_only_products()
    first = {
        "cibisatamab",
        "cldn6_car_t",
        "pasotuxizumab",
        "psca_car_t",
        "psma_tgfb_car_t",
        "solitomab",
    }
    later = {
        "b7h3_car_t",
        "bpx_601",
        "ery974",
        "hpn424",
        "il13ra2_car_t",
        "imc001",
        "janx008",
        "lb2102",
        "lyl797",
        "neotcr_p1",
        "p_psma_101",
        "pf_06671008",
        "taest16001",
        "ubamatamab",
    }
    assert first | later == set(hidden)
    assert set(hidden).isdisjoint(all_products())
    # what is published of bpx_601 is a bound and a death, no figure to compare with
    served = {name for trial in load_trials() for name in trial.products}
    assert set(hidden) - served == {"bpx_601"}
    for name in hidden:
        product = load_product(name)
        assert (product.name, product.window_d) == (name, 21.0)


def test_tarlatamab_with_a_checkpoint_inhibitor_differs_in_nothing_else() -> None:
    regimens = load_product("tarlatamab").regimens
    alone, both = regimens["label"], regimens["label_with_checkpoint_inhibitor"]
    assert {name for name, value in both if value != getattr(alone, name)} == {
        "has_checkpoint_inhibitor",
        "note",
    }


def test_windows_are_21_days_and_60_for_checkpoint_inhibitors() -> None:
    for product in all_products().values():
        assert product.window_d == (60.0 if product.platform == "ici" else 21.0)
        for regimen in product.regimens.values():
            assert regimen.doses[-1].time_h <= product.window_d * 24.0


def test_the_readme_shows_code_and_files_that_work(tmp_path: Path) -> None:
    readme = (synthetic_folder() / "README.md").read_text(encoding="utf-8")
    snippets = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    assert snippets
    for snippet in snippets:
        exec(compile(snippet, "synthetic/README.md", "exec"), {})
    yamls = re.findall(r"```yaml\n(.*?)```", readme, flags=re.DOTALL)
    (scenario,) = (text for text in yamls if "overrides" in text)
    path = tmp_path / "my_world.yaml"
    path.write_text(scenario, encoding="utf-8")
    assert load_scenario(path, assumptions=load_assumptions()).overrides


# --- assumptions ---


def assumptions_of(folder: Path, **entries: Any) -> Assumptions:
    (folder / "cascade.yaml").write_text(yaml.safe_dump(entries, sort_keys=False), encoding="utf-8")
    return load_assumptions(folder)


def test_an_assumption_is_called_by_its_file_and_name(tmp_path: Path) -> None:
    assumptions = assumptions_of(tmp_path, tnf_clearance_per_h=ENTRY)
    assert list(assumptions) == ["cascade.tnf_clearance_per_h"]
    assert assumptions.value("cascade.tnf_clearance_per_h") == 0.8


@pytest.mark.parametrize(
    ("change", "key", "found"),
    [
        ({"unit": "h"}, "tnf_clearance_per_h", "unit h"),
        ({"unit": "mg/L"}, "tnf_clearance_per_h", "unit mg/L"),
        ({"source": ""}, "source", "''"),
        ({"value": "0.5"}, "value", "'0.5'"),
        ({"value": 5.0}, "range", "["),
        ({"strength": "certain"}, "strength", "certain"),
        ({"note": "x"}, "note", "an unknown key"),
        ({"meaning": " "}, "tnf_clearance_per_h.meaning", "a blank"),
    ],
)
def test_an_unsound_assumption_is_refused(
    tmp_path: Path, change: dict[str, Any], key: str, found: str
) -> None:
    with pytest.raises(InputError) as caught:
        assumptions_of(tmp_path, tnf_clearance_per_h={**ENTRY, **change})
    assert "cascade.yaml" in caught.value.where
    assert caught.value.key == key
    assert found in caught.value.found
    assert "tnf_clearance_per_h" in f"{caught.value.where} {caught.value.key}"


@pytest.mark.parametrize("key", sorted(ENTRY))
def test_an_assumption_without_one_of_its_parts_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(InputError) as caught:
        assumptions_of(tmp_path, tnf_clearance_per_h={k: v for k, v in ENTRY.items() if k != key})
    assert (caught.value.key, caught.value.cure) == (key, "add it")


def test_an_assumption_given_twice_is_refused(tmp_path: Path) -> None:
    entry = yaml.safe_dump({"tnf_clearance_per_h": ENTRY})
    (tmp_path / "cascade.yaml").write_text(entry + entry, encoding="utf-8")
    with pytest.raises(InputError, match="a second time"):
        load_assumptions(tmp_path)


def test_a_correlation_is_a_pure_number_whatever_it_links(tmp_path: Path) -> None:
    name = "corr_crp_mg_l__ldh_x_uln"
    assert (
        assumptions_of(tmp_path, **{name: {**ENTRY, "unit": "1"}}).value(f"cascade.{name}") == 0.8
    )
    with pytest.raises(InputError, match="two underscores"):
        assumptions_of(tmp_path, **{name: {**ENTRY, "unit": "x ULN"}})


@pytest.mark.parametrize("place", ["", "nowhere"])
def test_a_folder_without_assumptions_is_refused(tmp_path: Path, place: str) -> None:
    with pytest.raises(InputError, match="no assumption files"):
        load_assumptions(tmp_path / place)


def test_the_shipped_assumptions_load() -> None:
    assumptions = load_assumptions()
    assert len(assumptions) > 50
    assert all(isinstance(entry, Assumption) for entry in assumptions.values())


# --- refusals ---


@pytest.mark.parametrize(
    ("kind", "wrong", "right"),
    [
        ("products", "tarlatamb", "tarlatamab"),
        ("populations", "small_cell_lungs", "small_cell_lung"),
        ("mitigations", "tociluzimab", "tocilizumab"),
        ("policies", "standard_asct", "standard_astct"),
        ("scenarios", "burden_nul", "burden_null"),
    ],
)
def test_an_unknown_name_lists_its_nearest(kind: Kind, wrong: str, right: str) -> None:
    with pytest.raises(InputError) as caught:
        LOADERS[kind](wrong)
    assert (caught.value.where, caught.value.key) == (kind, wrong)
    assert f"did you mean {right}" in caught.value.cure


@pytest.mark.parametrize("kind", sorted(LOADERS))
def test_a_path_that_does_not_exist_is_refused(kind: Kind, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        LOADERS[kind](tmp_path / "nowhere.yaml")


def test_a_user_adds_a_product_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(tree: dict[str, Any]) -> None:
        tree["name"] = "my_engager"
        tree["binding"]["antigen_restriction"]["value"] = 0.85

    made = changed("products", "tarlatamab", tmp_path, change).rename(tmp_path / "my_engager.yaml")
    monkeypatch.chdir(tmp_path)
    for way in (made, str(made), "my_engager.yaml", "./my_engager.yaml"):
        assert load_product(way).binding.antigen_restriction.value == 0.85


@pytest.mark.parametrize(
    ("place", "value", "key", "expected"),
    [
        ("name", "another", "name", "tarlatamab"),
        ("platform", "bite", "platform", "'tce'"),
        ("population", "small_cell", "population", "small_cell_lung"),
        ("support_policy", "usual", "support_policy", "standard_astct"),
        ("window_d", 0.0, "window_d", "more than 0"),
        ("default_regimen", "lable", "default_regimen", "default_regimen among label"),
        (
            "binding.antigen_restriction.value",
            "0.9",
            "binding.antigen_restriction.value",
            "valid number",
        ),
        (
            "binding.antigen_restriction.rationale",
            None,
            "binding.antigen_restriction.rationale",
            "valid string",
        ),
        (
            "binding.molecular_weight_kda.unit",
            "Da",
            "binding.molecular_weight_kda.unit",
            "molecular_weight_kda in kDa",
        ),
        (
            "kinetics.clearance_l_h.unit",
            "mL/h",
            "kinetics.clearance_l_h.unit",
            "clearance_l_h in L/h",
        ),
        ("kinetics.clearance_l_h.source", "", "kinetics.clearance_l_h.source", "a source"),
        ("kinetics.clearence_l_h", 1.0, "kinetics.clearence_l_h", "only known keys"),
        ("regimens.label.route", "oral", "regimens.label.route", "'iv'"),
        ("regimens.label.amount_unit", "1e6 cells", "regimens.label.amount_unit", "for cells"),
        ("regimens.label.amount_unit", "1e6 cells/kg", "regimens.label.amount_unit", "ug/m2 for"),
        ("regimens.label.later_amount_log_sd", -0.1, "regimens.label.later_amount_log_sd", "0 or"),
        (
            "regimens.label.lymphodepletion_intensity",
            2.5,
            "regimens.label.lymphodepletion_intensity",
            "0 to 2",
        ),
        (
            "further_populations",
            {"small_cell": 0.5},
            "further_populations.small_cell",
            "small_cell_lung",
        ),
        (
            "further_populations",
            {"small_cell_lung": 0.5},
            "further_populations.small_cell_lung",
            "beside `population`",
        ),
        ("further_populations", {"hepatocellular": 1.0}, "further_populations", "leave a share"),
        ("regimens.label.amount_log_sd", -0.1, "regimens.label.amount_log_sd", "0 or more"),
        ("regimens.label.doses.0.amount", -1.0, "regimens.label.doses.0", "positive amounts"),
        ("regimens.label.doses.1.time_h", 0.0, "regimens.label.doses", "rising time_h"),
        (
            "regimens.label.premedication.0.mitigation",
            "dexametasone",
            "regimens.label.premedication.0.mitigation",
            "dexamethasone",
        ),
        (
            "regimens.label.premedication.0.with_doses",
            [0],
            "regimens.label.premedication.0.with_doses",
            "to 3",
        ),
        (
            "regimens.label.premedication.0.with_doses",
            [4],
            "regimens.label.premedication.0.with_doses",
            "to 3",
        ),
        (
            "regimens.label.premedication.0.usual_doses",
            0.0,
            "regimens.label.premedication.0",
            "above 0",
        ),
        ("grading", "ASCTC", "grading", "a text that names ASTCT"),
        (
            "binding.fc_activity",
            {
                "value": 1.5,
                "unit": "1",
                "spread": 0.1,
                "range": [0.0, 2.0],
                "source": "assumed: a test",
                "strength": "assumed",
            },
            "binding.fc_activity",
            "between 0 and 1",
        ),
        (
            "binding.cd3_affinity_nm.spread",
            0.0,
            "binding.cd3_affinity_nm.spread",
            "above 0, for the range is 5 to 45",
        ),
        ("regimens.label.route", "cells", "regimens.label.route", "for cellular platforms"),
    ],
)
def test_an_unsound_product_is_refused(
    tmp_path: Path, place: str, value: Any, key: str, expected: str
) -> None:
    problem = refused("products", "tarlatamab", tmp_path, place, value)
    assert problem.key == key
    assert expected in problem.expected


@pytest.mark.parametrize(
    ("place", "value", "low"),
    [
        ("binding.tumour_affinity_nm", 0.0, 0.0),
        ("kinetics.central_volume_l", 0.0, 0.0),
        ("kinetics.absorption_per_h", -0.1, -1.0),
        ("kinetics.tissue_fraction", 1.5, 0.0),
        ("kinetics.bioavailability", 1.2, 0.0),
        ("binding.fc_activity", 1.2, 0.0),
        ("binding.vital_organ_expression", 1.2, 0.0),
        ("binding.cell_potency", 0.0, 0.0),
    ],
)
def test_an_impossible_quantity_is_refused(
    tmp_path: Path, place: str, value: float, low: float
) -> None:
    def change(tree: dict[str, Any]) -> None:
        part, field = place.split(".")
        tree[part][field] |= {"value": value, "range": [low, 2.0]}

    path = changed("products", "tarlatamab", tmp_path, change)
    with pytest.raises(InputError) as caught:
        load_product(path)
    assert place.split(".")[1] in f"{caught.value.key} {caught.value.expected}"


@pytest.mark.parametrize("unit", ["ug", "ug/kg", "ug/m2"])
def test_cells_are_not_given_in_micrograms(tmp_path: Path, unit: str) -> None:
    problem = refused("products", "afami_cel", tmp_path, "regimens.label.amount_unit", unit)
    assert "1e6 cells or 1e6 cells/kg or 1e6 cells/m2 for cells" in problem.expected


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("afami_cel", "1e6 cells/kg"),
        ("afami_cel", "1e6 cells/m2"),
        ("tarlatamab", "ug/kg"),
        ("tarlatamab", "ug/m2"),
    ],
)
def test_doses_may_be_by_body_size(tmp_path: Path, name: str, unit: str) -> None:
    path = changed("products", name, tmp_path, setting("regimens.label.amount_unit", unit))
    assert load_product(path).regimens["label"].amount_unit == unit


def test_cells_cannot_be_given_under_the_skin(tmp_path: Path) -> None:
    problem = refused("products", "afami_cel", tmp_path, "regimens.label.route", "sc")
    assert "cells" in problem.expected


@pytest.mark.parametrize(
    ("kind", "name", "place", "value", "key", "expected"),
    [
        ("populations", "small_cell_lung", "shares.ecog", [0.5, 0.4, 0.2], "shares", "sum to 1"),
        ("populations", "small_cell_lung", "shares.source", " ", "shares.source", "a source"),
        (
            "populations",
            "small_cell_lung",
            "shares.strength",
            "sure",
            "shares.strength",
            "measured",
        ),
        ("populations", "small_cell_lung", "stroma_barrier.unit", "%", "stroma_barrier", "unit 1"),
        (
            "populations",
            "small_cell_lung",
            "marginals.crp_mg_l.unit",
            "mg/dL",
            "Population",
            "crp_mg_l in mg/L",
        ),
        (
            "populations",
            "small_cell_lung",
            "marginals.crp_mg_l.source",
            "",
            "marginals.crp_mg_l.source",
            "a source",
        ),
        (
            "populations",
            "small_cell_lung",
            "marginals.crp_mg_l.median",
            -5.0,
            "marginals.crp_mg_l",
            "around the median",
        ),
        (
            "populations",
            "small_cell_lung",
            "marginals.troponin",
            {},
            "marginals.troponin.shape",
            "present",
        ),
        (
            "populations",
            "small_cell_lung",
            "frailty_ratio",
            QUANTITY | {"value": 0.0, "range": [0.0, 2.0]},
            "frailty_ratio",
            "more than 0",
        ),
        (
            "populations",
            "small_cell_lung",
            "frailty_ratio.unit",
            "h",
            "frailty_ratio.unit",
            "pure number",
        ),
        (
            "populations",
            "small_cell_lung",
            "frailty_ratio.spread",
            0.0,
            "frailty_ratio.spread",
            "above 0, for the range",
        ),
        (
            "populations",
            "neuroendocrine_prostate",
            "antigen_density_ratio.DLL3",
            QUANTITY | {"value": -1.0, "range": [-2.0, 2.0]},
            "antigen_density_ratio.DLL3",
            "more than 0",
        ),
        (
            "populations",
            "small_cell_lung",
            "shares.has_lung_involvement",
            QUANTITY | {"value": 1.2},
            "shares.has_lung_involvement",
            "between 0 and 1",
        ),
        ("mitigations", "tocilizumab", "acts_on.il7", QUANTITY, "Mitigation", "unknown: il7"),
        ("mitigations", "tocilizumab", "acts_on", {}, "acts_on", "a node"),
        ("mitigations", "tocilizumab", "kind", "pill", "kind", "drug"),
        ("mitigations", "tocilizumab", "source", "", "source", "a source"),
        ("mitigations", "tocilizumab", "effect_delay_h.unit", "min", "effect_delay_h", "unit h"),
        ("mitigations", "anakinra", "repeats", 0, "repeats", "number of doses in all"),
        ("mitigations", "anakinra", "repeat_every_h", 0.0, "repeats", "number of doses in all"),
        (
            "policies",
            "standard_astct",
            "low_flow_below_spo2_pct.unit",
            "1",
            "low_flow_below_spo2_pct",
            "unit %",
        ),
        ("policies", "standard_astct", "rescue_delay", 4.0, "rescue_delay", "known keys"),
        ("scenarios", "burden_null", "evidence", [], "evidence", "speaks for"),
    ],
)
def test_other_unsound_files_are_refused(
    tmp_path: Path, kind: Kind, name: str, place: str, value: Any, key: str, expected: str
) -> None:
    problem = refused(kind, name, tmp_path, place, value)
    assert problem.key == key
    assert expected in problem.expected


def test_a_scenario_must_say_why_and_change_what_exists(tmp_path: Path) -> None:
    def silent(tree: dict[str, Any]) -> None:
        tree["overrides"]["engagement.burden_exponent"]["reason"] = " "

    def unknown(tree: dict[str, Any]) -> None:
        tree["overrides"]["engagement.burden_power"] = {"value": 0.0, "reason": "a slip of the pen"}

    with pytest.raises(InputError, match=r"burden_exponent\.reason"):
        load_scenario(changed("scenarios", "burden_null", tmp_path, silent))
    path = changed("scenarios", "burden_null", tmp_path, unknown)
    assert load_scenario(path).overrides
    with pytest.raises(InputError, match=r"engagement\.burden_power") as caught:
        load_scenario(path, assumptions=load_assumptions())
    assert caught.value.where == "burden_null.yaml"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pressor_below_map_mmhg", 70.0),
        ("high_flow_below_spo2_pct", 95.0),
        ("steroid_share_grade2", 1.5),
        ("observation_interval_h", 0.0),
    ],
)
def test_a_policy_out_of_order_is_refused(tmp_path: Path, field: str, value: float) -> None:
    def change(tree: dict[str, Any]) -> None:
        tree[field] |= {"value": value, "range": [0.0, 100.0]}

    with pytest.raises(InputError, match=field):
        load_policy(changed("policies", "standard_astct", tmp_path, change))


# --- properties ---

PLACES = sorted(place for place, _ in quantities(load_product("tarlatamab")))
PARTS = ["value", "unit", "spread", "range", "source", "strength"]


@settings(max_examples=100, deadline=None)
@given(
    place=st.sampled_from(PLACES),
    part=st.sampled_from(PARTS),
    bad=st.sampled_from([None, True, "", " ", [], {}, -1e9, [1.0], [2.0, 1.0]]),
)
def test_no_part_of_any_number_can_be_of_the_wrong_kind(place: str, part: str, bad: Any) -> None:
    """Property: whatever number of a product is spoilt, the file is refused and the number is
    named.
    """
    tree = copy.deepcopy(shipped("products", "tarlatamab"))
    setting(f"{place}.{part}", bad)(tree)
    with pytest.raises(InputError) as caught:
        build(Product, tree, where="tarlatamab.yaml")
    assert place.split(".")[1] in f"{caught.value.key} {caught.value.expected}"


@settings(max_examples=50, deadline=None)
@given(text=st.text(alphabet="abct_-. /", min_size=1, max_size=12))
def test_a_name_that_does_not_ship_is_refused(text: str) -> None:
    """Property: no misspelt name or path ends in anything but an InputError."""
    with pytest.raises(InputError):
        load_product(text)
