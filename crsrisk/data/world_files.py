"""Read the files of the synthetic world: assumptions, products, populations, mitigations, policies.

Each is one YAML file that a clinician can read and change. What a file may hold is said by its noun
in :mod:`crsrisk.data`; here stand the checks between files and between numbers (a product names a
population that exists, a share lies between 0 and 1, a source is not blank). Every refusal is an
:class:`InputError` that names the file, the key, what was found, what was expected and the cure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import pairwise
from math import log
from pathlib import Path
from typing import TypeVar, get_args

from pydantic import BaseModel

from crsrisk.data.assumptions import (
    Assumption,
    Assumptions,
    Quantity,
    Scenario,
    Strength,
    check_unit,
)
from crsrisk.data.grading_systems import system_of
from crsrisk.data.mitigation import Mitigation
from crsrisk.data.population import Policy, Population
from crsrisk.data.product import AmountUnit, Product, Regimen
from crsrisk.data.product_names import product_name
from crsrisk.data.yaml_files import build, mapping_of, text_within_bounds
from crsrisk.errors import InputError
from crsrisk.folders import Kind, find, is_path, names, synthetic_folder

_POSITIVE_BINDING = (
    "antigen_density_copies",
    "tumour_affinity_nm",
    "cd3_affinity_nm",
    "valency",
    "molecular_weight_kda",
    "cell_potency",
)
_POSITIVE_KINETICS = (
    "clearance_l_h",
    "central_volume_l",
    "peripheral_volume_l",
    "bioavailability",
    "expansion_ceiling",
)
_NOT_NEGATIVE_KINETICS = (
    "intercompartmental_l_h",
    "tissue_fraction",
    "absorption_per_h",
    "expansion_per_h",
    "contraction_per_h",
)
_LONGEST_WINDOW_D = 365.0
_CELL_UNITS = tuple(unit for unit in get_args(AmountUnit) if unit.startswith("1e6 cells"))
_SOLUBLE_UNITS = tuple(unit for unit in get_args(AmountUnit) if unit not in _CELL_UNITS)
_STRONGEST_LYMPHODEPLETION = 2.0
_SHORTEST_SOURCE = 3  # letters

Named = TypeVar("Named", bound=BaseModel)


def load_assumptions(folder: Path | None = None) -> Assumptions:
    """All assumptions of a folder (without one: those that ship), by ``stem.name``.

    Each file is a mapping of names to entries with meaning, value, unit, spread, range, source and
    strength; the key is the file's stem and the name: entry ``tnf_clearance_per_h`` of cascade.yaml
    is ``cascade.tnf_clearance_per_h``, and its unit must be the one its name promises (1/h). A name
    with two underscores (``corr_crp_mg_l__ldh_x_uln``) is a pure number about the quantities it
    names.

    Raises :class:`InputError` for a missing or empty folder and for the first entry that is not
    sound.
    """
    place = folder if folder is not None else synthetic_folder() / "assumptions"
    paths = sorted(place.glob("*.yaml"))
    if not paths:
        raise InputError(
            where=str(place),
            found="no assumption files",
            expected="one or more *.yaml files",
            cure="give the folder that holds the assumptions, as synthetic/assumptions/",
        )
    entries: dict[str, Assumption] = {}
    for path in paths:
        entries.update(_assumptions_of(text_within_bounds(path), path))
    return Assumptions(entries)


@lru_cache(maxsize=128)  # a study loads the same files for each of its scenarios
def _assumptions_of(text: str, path: Path) -> dict[str, Assumption]:
    entries = {}
    for name, tree in mapping_of(text, name=path.name).items():
        entry = build(Assumption, tree, where=f"{path.name}, {name}")
        if "__" not in name:
            check_unit(name, entry, where=path.name)
        elif entry.unit != "1":
            raise _refused(
                path.name, f"{name}.unit", entry.unit, "1: two underscores, a pure number"
            )
        _check_said(
            entry.meaning, where=path.name, key=f"{name}.meaning", what="the meaning in words"
        )
        entries[f"{path.stem}.{name}"] = entry
    return entries


def load_product(name_or_path: str | Path) -> Product:
    """A product: what it binds, how it is distributed and how it is given.

    Parameters
    ----------
    name_or_path : a shipped name in any case, a generic, brand or code name of its
        ``other_names``, or the path of a YAML file from any folder. Names of
        ``products/evidence_only/`` are found as well; :func:`all_products` leaves those out. In a
        file of yours ``population``, the names of ``further_populations`` and ``support_policy``
        may be files too, by their path from it.

    Raises
    ------
    InputError
        For an unknown name or the first thing in the file that is not sound, with its cure.

    Examples
    --------
    >>> load_product("tarlatamab").regimens["label"].is_stepped_up
    True
    >>> load_product("IMDELLTRA").name
    'tarlatamab'
    """
    product, path = _load(Product, "products", name_or_path)
    further = {
        _from_its_file(name, path): share for name, share in product.further_populations.items()
    }
    if len(further) < len(product.further_populations):
        raise _refused(
            path.name,
            "further_populations",
            ", ".join(product.further_populations),
            "each tumour type once",
        )
    product = product.model_copy(
        update={
            "population": _from_its_file(product.population, path),
            "further_populations": further,
            "support_policy": _from_its_file(product.support_policy, path),
        }
    )
    _check_product(product, where=path.name)
    return product


def _from_its_file(name: str, path: Path) -> str:
    """A name as it is; the path of a file of the user's own, seen from the file that calls it."""
    return str(path.parent / Path(name).expanduser()) if is_path(name) else name


def load_population(name_or_path: str | Path) -> Population:
    """A tumour type's patients before the first dose, by name or YAML file.

    >>> load_population("uveal_melanoma").shares.has_liver_metastases.value
    0.95
    """
    population, path = _load(Population, "populations", name_or_path)
    where, shares = path.name, population.shares
    fractions = {"stroma_barrier": population.stroma_barrier, "suppression": population.suppression}
    fractions |= {f"shares.{name}": value for name, value in shares if isinstance(value, Quantity)}
    _check_shares(fractions, where=where)
    ratios = {"frailty_ratio": population.frailty_ratio}
    ratios |= {f"antigen_density_ratio.{k}": v for k, v in population.antigen_density_ratio.items()}
    for key, ratio in ratios.items():
        if ratio.unit != "1":
            raise _refused(where, f"{key}.unit", ratio.unit, "1: a ratio is a pure number")
        _check_at_least(ratio, where=where, key=key, above=True)
    for key, number in (fractions | ratios).items():
        _check_spread(number, where=where, key=f"{key}.spread")
    _check_origin(shares.source, shares.strength, where=where, key="shares")
    for name, marginal in population.marginals.items():
        _check_origin(marginal.source, marginal.strength, where=where, key=f"marginals.{name}")
    return population


def load_mitigation(name_or_path: str | Path) -> Mitigation:
    """A drug or measure against CRS and the nodes of the mechanism it acts on, by name or file.

    >>> sorted(load_mitigation("tocilizumab").acts_on)
    ['il6_receptor']
    """
    mitigation, path = _load(Mitigation, "mitigations", name_or_path)
    _check_mitigation(mitigation, where=path.name)
    return mitigation


def load_policy(name_or_path: str | Path) -> Policy:
    """How a trial or ward recognises and treats CRS, by name or YAML file.

    >>> load_policy("conservative_fluids").low_flow_below_spo2_pct.value
    92.0
    """
    policy, path = _load(Policy, "policies", name_or_path)
    _check_policy(policy, where=path.name)
    return policy


def load_scenario(name_or_path: str | Path, *, assumptions: Assumptions | None = None) -> Scenario:
    """A scenario: overrides of assumptions with their reasons, by name or YAML file.

    With ``assumptions``, an override of a name that they lack is refused.

    >>> load_scenario("reference").overrides
    {}
    """
    scenario, path = _load(Scenario, "scenarios", name_or_path)
    for key, override in scenario.overrides.items():
        _check_said(
            override.reason,
            where=path.name,
            key=f"overrides.{key}.reason",
            what="a reason in words",
        )
    if scenario.overrides and not any(text.strip() for text in scenario.evidence):
        raise InputError(
            where=path.name,
            key="evidence",
            found="nothing",
            expected="what speaks for this world",
            cure="list findings with their citation, or write `none found: ...`",
        )
    if assumptions is not None:
        assumptions.replace(
            {key: o.value for key, o in scenario.overrides.items()}, where=path.name
        )
    return scenario


def products() -> tuple[str, ...]:
    """Names of the products that ship, in alphabetical order.

    Each is a T-cell engager, an engineered cell product or a checkpoint inhibitor for solid
    tumours; :func:`load_product` gives what is assumed about it.

    Examples
    --------
    >>> "tarlatamab" in products()
    True
    """
    return names("products")


def all_products() -> dict[str, Product]:
    """Every product that ships, by name, in alphabetical order; not those of
    ``products/evidence_only/``.

    >>> len(all_products()) >= 10
    True
    """
    return {name: load_product(name) for name in names("products")}


def _load(kind: type[Named], folder: Kind, name_or_path: str | Path) -> tuple[Named, Path]:
    if folder == "products" and isinstance(name_or_path, str) and not is_path(name_or_path):
        name_or_path = product_name(name_or_path)
    path = find(folder, name_or_path)
    noun = _built(kind, text_within_bounds(path), path.name)
    name: str = getattr(noun, "name")  # noqa: B009  every noun of a file has a name
    if name != path.stem:
        raise InputError(
            where=path.name,
            key="name",
            found=name,
            expected=f"{path.stem}, as the file is called",
            cure="rename the file or the name, so that two things never share a name",
        )
    return noun, path


@lru_cache(maxsize=256)
def _built(kind: type[Named], text: str, name: str) -> Named:
    return build(kind, mapping_of(text, name=name), where=name)


def _check_product(product: Product, *, where: str) -> None:
    if not 0 < product.window_d <= _LONGEST_WINDOW_D:
        raise _refused(
            where, "window_d", product.window_d, f"more than 0 to {_LONGEST_WINDOW_D:g} days"
        )
    system_of(product.grading, where=where)
    for place, numbers in (("binding", product.binding), ("kinetics", product.kinetics)):
        for name, number in numbers:
            _check_spread(number, where=where, key=f"{place}.{name}.spread")
    for part, fields in (("binding", _POSITIVE_BINDING), ("kinetics", _POSITIVE_KINETICS)):
        for field in fields:
            quantity: Quantity = getattr(getattr(product, part), field)
            _check_at_least(quantity, where=where, key=f"{part}.{field}", above=True)
    for field in _NOT_NEGATIVE_KINETICS:
        _check_at_least(getattr(product.kinetics, field), where=where, key=f"kinetics.{field}")
    for field in ("bioavailability", "tissue_fraction"):
        _check_shares({f"kinetics.{field}": getattr(product.kinetics, field)}, where=where)
    _check_places(product, where=where)
    for name, regimen in product.regimens.items():
        _check_regimen(regimen, product=product, where=where, key=f"regimens.{name}")


def _check_places(product: Product, *, where: str) -> None:
    """Refuse a population or policy that no file describes, and a tumour type named twice."""
    _check_reference("populations", product.population, where=where, key="population")
    for name in product.further_populations:
        _check_reference("populations", name, where=where, key=f"further_populations.{name}")
        if name == product.population:
            raise _refused(
                where, f"further_populations.{name}", name, "a tumour type beside `population`"
            )
    _check_reference("policies", product.support_policy, where=where, key="support_policy")


def _check_spread(quantity: Quantity, *, where: str, key: str) -> None:
    """Refuse a range with a width and no spread: the number would be taken as known exactly."""
    low, high = quantity.range
    if quantity.spread == 0 and low < high:
        width, scale = (log(high / low), " (log scale)") if low > 0 else (high - low, "")
        raise InputError(
            where=where,
            key=key,
            found=0.0,
            expected=f"a spread above 0, for the range is {low:g} to {high:g}",
            cure=(
                f"write {width / 4:.2g}, a quarter of the range's width{scale}, or a range of the"
                " value alone"
            ),
        )


def _check_regimen(regimen: Regimen, *, product: Product, where: str, key: str) -> None:
    units = _CELL_UNITS if regimen.route == "cells" else _SOLUBLE_UNITS
    if regimen.amount_unit not in units:
        raise _refused(
            where,
            f"{key}.amount_unit",
            regimen.amount_unit,
            f"{_listed(_CELL_UNITS)} for cells, {_listed(_SOLUBLE_UNITS)} for everything else",
        )
    if regimen.route == "sc" and product.kinetics.absorption_per_h.value <= 0:
        raise _refused(
            where, "kinetics.absorption_per_h", 0.0, f"a rate above 0, for {key} is subcutaneous"
        )
    for name in ("amount_log_sd", "later_amount_log_sd", "interleukin_2"):
        if getattr(regimen, name) < 0:
            raise _refused(where, f"{key}.{name}", getattr(regimen, name), "0 or more")
    if not 0.0 <= regimen.lymphodepletion_intensity <= _STRONGEST_LYMPHODEPLETION:
        raise _refused(
            where,
            f"{key}.lymphodepletion_intensity",
            regimen.lymphodepletion_intensity,
            f"0 to {_STRONGEST_LYMPHODEPLETION:g} (1 is three days of fludarabine and"
            " cyclophosphamide)",
        )
    for number, given in enumerate(regimen.premedication):
        place = f"{key}.premedication.{number}"
        _check_reference("mitigations", given.mitigation, where=where, key=f"{place}.mitigation")
        if given.usual_doses <= 0 or given.hours_before < 0:
            raise _refused(
                where,
                place,
                f"{given.usual_doses:g} doses {given.hours_before:g} h before",
                "usual_doses above 0 and hours_before of 0 or more",
            )
        beyond = [dose for dose in given.with_doses if not 1 <= dose <= len(regimen.doses)]
        if beyond or not given.with_doses:
            raise _refused(
                where,
                f"{place}.with_doses",
                given.with_doses,
                f"dose numbers from 1 to {len(regimen.doses)} (the first dose is 1)",
            )


def _check_mitigation(mitigation: Mitigation, *, where: str) -> None:
    _check_said(mitigation.source, where=where, key="source", what="a source")
    for name in ("elimination_half_life_h", "effect_delay_h", "half_effect_dose"):
        quantity: Quantity = getattr(mitigation, name)
        check_unit(name, quantity, where=where)
        _check_at_least(quantity, where=where, key=name, above=name != "effect_delay_h")
    for node, effect in mitigation.acts_on.items():
        check_unit(node, effect, where=where)
    kinds = ("drug", "procedure", "supportive")
    if mitigation.kind not in kinds:
        raise _refused(where, "kind", mitigation.kind, " or ".join(kinds))
    if not mitigation.acts_on and mitigation.kind != "supportive":
        raise _refused(
            where, "acts_on", "nothing", "a node of the mechanism (only supportive care has none)"
        )
    if min(mitigation.prophylaxis_hours_before, mitigation.repeat_every_h) < 0:
        raise _refused(
            where, "prophylaxis_hours_before and repeat_every_h", "a negative time", "0 or more"
        )
    if mitigation.repeats < 1 or (mitigation.repeats > 1) != (mitigation.repeat_every_h > 0):
        raise _refused(
            where,
            "repeats",
            f"{mitigation.repeats} every {mitigation.repeat_every_h:g} h",
            "the number of doses in all: 1 every 0 h, or 2 or more every so many hours",
        )


def _check_policy(policy: Policy, *, where: str) -> None:
    quantities: dict[str, Quantity] = {
        name: value for name, value in policy if isinstance(value, Quantity)
    }
    for name, quantity in quantities.items():
        check_unit(name, quantity, where=where)
        _check_at_least(quantity, where=where, key=name)
    _check_shares(
        {name: value for name, value in quantities.items() if "share" in name}, where=where
    )
    _check_at_least(
        policy.observation_interval_h, where=where, key="observation_interval_h", above=True
    )
    _check_falling(quantities, ("fluids_below_map_mmhg", "pressor_below_map_mmhg"), where=where)
    _check_falling(
        quantities,
        ("low_flow_below_spo2_pct", "high_flow_below_spo2_pct", "positive_pressure_below_spo2_pct"),
        where=where,
    )


def _check_falling(
    quantities: Mapping[str, Quantity], fields: tuple[str, ...], *, where: str
) -> None:
    """Refuse thresholds out of order: the stronger support must start at the lower value."""
    for milder, stronger in pairwise(fields):
        if quantities[stronger].value > quantities[milder].value:
            raise _refused(
                where,
                stronger,
                quantities[stronger].value,
                f"at most {milder} ({quantities[milder].value:g}): stronger support starts lower",
            )


def _check_shares(quantities: Mapping[str, Quantity], *, where: str) -> None:
    for key, quantity in quantities.items():
        check_unit(key.rpartition(".")[2], quantity, where=where)
        if not 0.0 <= quantity.value <= 1.0:
            raise _refused(where, key, quantity.value, "a share between 0 and 1")


def _check_at_least(quantity: Quantity, *, where: str, key: str, above: bool = False) -> None:
    if quantity.value < 0 or (above and quantity.value == 0):
        raise _refused(where, key, quantity.value, "more than 0" if above else "0 or more")


def _check_origin(source: str, strength: str, *, where: str, key: str) -> None:
    _check_said(source, where=where, key=f"{key}.source", what="a source")
    if strength not in set(Strength):
        raise _refused(
            where, f"{key}.strength", strength, _listed(level.value for level in Strength)
        )


def _check_said(text: str, *, where: str, key: str, what: str) -> None:
    if len(text.strip()) < _SHORTEST_SOURCE:
        raise InputError(
            where=where,
            key=key,
            found="a blank",
            expected=what,
            cure="write it; for a number without a source write `assumed: ...` with the reason",
        )


def _check_reference(kind: Kind, name: str, *, where: str, key: str) -> None:
    """Refuse a name that no file bears, in the words of the file that uses it."""
    try:
        find(kind, name)
    except InputError as problem:
        found = f"{problem.found}: {name}" if is_path(name) else problem.found
        raise InputError(
            where=where, key=key, found=found, expected=problem.expected, cure=problem.cure
        ) from problem


def _refused(where: str, key: str, found: object, expected: str) -> InputError:
    return InputError(
        where=where, key=key, found=found, expected=expected, cure="correct the value"
    )


def _listed(words: Iterable[str]) -> str:
    return " or ".join(words)
