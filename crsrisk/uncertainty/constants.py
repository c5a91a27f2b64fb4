"""Constants: which numbers of the synthetic world are uncertain, how far, and how to put other
values in their place; and the factors that a sensitivity analysis moves.

The prior of a constant is written in its file: median (`prior` when calibration has moved the
`value`, else the value), `spread` (the SD of its logarithm when its range is positive, else its SD)
and `range`, beyond which it never goes. Priors of different constants are independent. A *score* is
a standard normal number; :meth:`Constant.at` turns it into a value, so that a world is a vector of
scores.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel
from scipy.special import ndtr, ndtri

from crsrisk import streams
from crsrisk.data.assumptions import Assumptions, Quantity, digest_of
from crsrisk.data.product import Product, RandomEffects
from crsrisk.data.world import World

Values = NDArray[np.float64]
Noun = TypeVar("Noun", bound=BaseModel)
# agents that every support policy may give
RESCUE = ("tocilizumab", "dexamethasone", "antipyretic")
# stems that say how CRS arises and is handled; who the patients are (population) and how they are
# measured (observation) are compared with baseline data instead and stay as they are
STEMS = ("acute_phase", "cascade", "engagement", "exposure", "grading", "vitals", "ward")
_NONE = Quantity(
    value=0.0,
    unit="1",
    spread=0.5,
    range=[-8.0, 8.0],
    source="no random effect: the product is as its file explains",
    strength="assumed",
)
NO_RANDOM_EFFECTS = RandomEffects(log_potency=_NONE, log_efficacy=_NONE, log_severity=_NONE)
CHANCE = "patients (chance)"  # the factor that chooses which patients are simulated


@dataclass(frozen=True)
class Constant:
    """One uncertain number: its key, prior median, spread and range."""

    key: str
    median: float
    spread: float
    low: float
    high: float

    @property
    def is_log(self) -> bool:
        """Whether the prior is normal on the logarithmic scale."""
        return self.low > 0.0

    def at(self, score: Values | float) -> Values:
        """Value at a standard normal score: the median at 0, either half squeezed into the
        range.
        """
        low, high = self._reach()
        z = np.asarray(score, dtype=np.float64)
        end = np.where(z > 0.0, high, low)
        inside = ndtri(0.5 + (ndtr(z) - 0.5) * (ndtr(end) - 0.5) / np.where(z > 0.0, 0.5, -0.5))
        step = self.spread * inside
        return np.asarray(self.median * np.exp(step) if self.is_log else self.median + step)

    def score(self, value: Values | float) -> Values:
        """Score of a value (the inverse of :meth:`at`), between -6 and 6."""
        low, high = self._reach()
        x = np.asarray(value, dtype=np.float64)
        step = np.log(x / self.median) if self.is_log else x - self.median
        half = np.where(
            step > 0.0, 0.5 / (ndtr(high) - 0.5 or 1.0), -0.5 / (ndtr(low) - 0.5 or 1.0)
        )
        share = 0.5 + (ndtr(step / self.spread) - 0.5) * half
        return np.asarray(np.clip(ndtri(np.clip(share, 1e-9, 1.0 - 1e-9)), -6.0, 6.0))

    def _reach(self) -> tuple[float, float]:
        """Ends of the range in prior SDs from the median."""
        if self.is_log:
            return float(np.log(self.low / self.median) / self.spread), float(
                np.log(self.high / self.median) / self.spread
            )
        return (self.low - self.median) / self.spread, (self.high - self.median) / self.spread


def constant_of(key: str, quantity: Quantity, *, is_new: bool = False) -> Constant | None:
    """The constant of a stated number; None where it is not uncertain.

    ``is_new``: its value is its prior, whatever `prior` the file says.
    """
    low, high = quantity.range
    if quantity.spread <= 0.0 or low >= high:
        return None
    believed = quantity.value if quantity.prior is None or is_new else quantity.prior
    return Constant(key, believed, quantity.spread, low, high)


def _quantities(noun: BaseModel) -> Iterable[tuple[str, Quantity]]:
    """Every quantity of a noun with its path."""
    parts: list[tuple[str, BaseModel]] = [("", noun)]
    if isinstance(noun, Product):
        parts = [("binding.", noun.binding), ("kinetics.", noun.kinetics)]
    for path, part in parts:
        for name in type(part).model_fields:
            value = getattr(part, name)
            if isinstance(value, Quantity):
                yield path + name, value
            elif name == "acts_on":
                yield from ((f"acts_on.{node}", effect) for node, effect in value.items())


def shared_constants(world: World) -> list[Constant]:
    """Uncertain assumptions, policies and mitigations of a world, in the order of their keys."""
    constants = [
        constant_of(f"assumption:{key}", entry)
        for key, entry in world.assumptions.items()
        if key.split(".")[0] in STEMS
    ]
    for kind, nouns in (("policy", world.policies), ("mitigation", world.mitigations)):
        for name, noun in sorted(nouns.items()):
            constants += [
                constant_of(f"{kind}:{name}.{path}", quantity)
                for path, quantity in _quantities(noun)
            ]
    return sorted(filter(None, constants), key=lambda constant: constant.key)


def product_constants(product: Product, *, is_new: bool = False) -> list[Constant]:
    """Uncertain numbers of one product: affinities, density, restriction, kinetics.

    ``is_new``: no calibration has seen this product, so its values are its priors, whatever `prior`
    a file that was copied from a calibrated product still says.
    """
    constants = [
        constant_of(f"product:{product.name}.{path}", quantity, is_new=is_new)
        for path, quantity in _quantities(product)
    ]
    return sorted(filter(None, constants), key=lambda constant: constant.key)


def constants_met(
    world: World, products: Sequence[Product], *, policies: Collection[str]
) -> list[Constant]:
    """What the default regimens of these products under these policies can depend on: assumptions,
    the policies, rescue agents and premedication, and the products' own numbers.
    """
    agents = {
        *RESCUE,
        *(
            given.mitigation
            for product in products
            for given in product.regimens[product.default_regimen].premedication
        ),
    }

    def is_met(key: str) -> bool:
        kind, _, rest = key.partition(":")
        return kind == "assumption" or rest.split(".")[0] in (
            policies if kind == "policy" else agents
        )

    shared = [constant for constant in shared_constants(world) if is_met(constant.key)]
    return [*shared, *(constant for product in products for constant in product_constants(product))]


def priors_digest(constants: Iterable[Constant]) -> str:
    """Hash of the priors that an ensemble was drawn from: kept beside its members."""
    return digest_of(
        {
            constant.key: [constant.median, constant.spread, constant.low, constant.high]
            for constant in constants
        }
    )


def prior_values(constants: Iterable[Constant], *, member: int) -> dict[str, float]:
    """Values drawn from the priors for one member of an ensemble, each from a stream of its own
    (same key, same value).
    """

    def score(key: str) -> float:
        return float(
            streams.normals(seed=member, decision=f"constant {key}", start=0, stop=1, width=1)[0, 0]
        )

    return {constant.key: float(constant.at(score(constant.key))) for constant in constants}


def with_world_values(world: World, values: Mapping[str, float | Values]) -> World:
    """The world with other values of some constants; keys of products are passed over.

    A value may be an array with one number a patient (:mod:`crsrisk.uncertainty.own_worlds`); such
    a world serves those patients in that order and nothing else.
    """
    entries = dict(world.assumptions.entries)
    policies, mitigations = dict(world.policies), dict(world.mitigations)
    for key, value in values.items():
        kind, _, path = key.partition(":")
        if kind == "assumption":
            entries[path] = entries[path].model_copy(update={"value": value})
            continue
        name, _, path = path.partition(".")
        if kind == "policy":
            policies[name] = _with_value(policies[name], path, value)
        elif kind == "mitigation":
            mitigations[name] = _with_value(mitigations[name], path, value)
    return replace(
        world, assumptions=Assumptions(entries), policies=policies, mitigations=mitigations
    )


def with_product_values(product: Product, values: Mapping[str, float | Values]) -> Product:
    """The product with other values of some of its constants and random effects; keys of other
    things are passed over. A value may be an array with one number a patient.
    """
    start = f"product:{product.name}."
    changed: dict[str, BaseModel] = {"binding": product.binding, "kinetics": product.kinetics}
    if any(key.startswith(f"{start}random_effects.") for key in values):
        changed["random_effects"] = product.random_effects or NO_RANDOM_EFFECTS
    for key, value in values.items():
        if key.startswith(start):
            part, _, name = key.removeprefix(start).partition(".")
            changed[part] = _with_value(changed[part], name, value)
    return product.model_copy(update=changed)


def random_effect_keys(product: str) -> tuple[str, ...]:
    """Keys of the random effects of a product, by its name.

    >>> random_effect_keys("tarlatamab")[0]
    'product:tarlatamab.random_effects.log_potency'
    """
    return tuple(f"product:{product}.random_effects.{name}" for name in RandomEffects.model_fields)


def _with_value(noun: Noun, path: str, value: float | Values) -> Noun:
    if path.startswith("acts_on."):
        node = path.removeprefix("acts_on.")
        effects = getattr(noun, "acts_on")  # noqa: B009  only mitigations have it
        return noun.model_copy(
            update={"acts_on": {**effects, node: effects[node].model_copy(update={"value": value})}}
        )
    return noun.model_copy(update={path: getattr(noun, path).model_copy(update={"value": value})})


@dataclass(frozen=True)
class Factor:
    """Constants that a sensitivity analysis moves together, on one score.

    The outcome of one product does not depend on the affinity of another, nor on the habits of a
    ward that does not treat it. So the same constant of all products (or of all support policies)
    can be moved at once, as ``policy:rescue_delay_h``: each product feels its own and no other, and
    one set of worlds serves every product. An assumption stands alone.
    """

    name: str
    constants: tuple[Constant, ...]


def uncertain_constants(world: World, products: Sequence[Product]) -> list[Constant]:
    """Constants that the default regimens of these products can depend on, under their own support
    policies.
    """
    return constants_met(world, products, policies={product.support_policy for product in products})


def factor_name(key: str) -> str:
    """The factor that a constant belongs to.

    >>> factor_name("product:tarlatamab.binding.tumour_affinity_nm")
    'product:binding.tumour_affinity_nm'
    >>> factor_name("assumption:engagement.t_gain")
    'assumption:engagement.t_gain'
    """
    kind, _, rest = key.partition(":")
    return f"{kind}:{rest.partition('.')[2]}" if kind in ("product", "policy") else key


def factors_together(constants: Sequence[Constant]) -> list[Factor]:
    """One factor for each name, so that the products' own constants move in lockstep; in order of
    first appearance.
    """
    groups: dict[str, list[Constant]] = {}
    for constant in constants:
        groups.setdefault(factor_name(constant.key), []).append(constant)
    return [Factor(name, tuple(group)) for name, group in groups.items()]


def factors_apart(constants: Sequence[Constant]) -> list[Factor]:
    """One factor for each constant, named by its key."""
    return [Factor(constant.key, (constant,)) for constant in constants]


def values_at(places: Values, factors: Sequence[Factor]) -> tuple[tuple[str, ...], Values]:
    """Keys of all constants, and their values (place, key) at places of the unit cube (place,
    factor).

    A coordinate is the cumulative probability of a prior: 0.5 is its median.

    >>> gain = Constant("assumption:a.b", median=2.0, spread=0.5, low=0.1, high=40.0)
    >>> values_at(np.array([[0.5]]), [Factor("a", (gain,))])
    (('assumption:a.b',), array([[2.]]))
    """
    scores = ndtri(places)
    pairs = [
        (constant, column)
        for factor, column in zip(factors, scores.T, strict=True)
        for constant in factor.constants
    ]
    return tuple(constant.key for constant, _ in pairs), np.column_stack(
        [constant.at(column) for constant, column in pairs]
    )


def quantity_of(key: str, *, world: World, products: Mapping[str, Product]) -> Quantity:
    """The stated number behind a key."""
    kind, _, rest = key.partition(":")
    if kind == "assumption":
        return world.assumptions[rest]
    name, _, path = rest.partition(".")
    noun: object = {"policy": world.policies, "mitigation": world.mitigations, "product": products}[
        kind
    ][name]
    for part in path.split("."):
        noun = noun[part] if isinstance(noun, Mapping) else getattr(noun, part)
    assert isinstance(noun, Quantity)
    return noun


def strengths(
    constants: Sequence[Constant], *, world: World, products: Sequence[Product]
) -> dict[str, str]:
    """How well each constant is known (measured, estimated, expert, assumed), by key."""
    by_name = {product.name: product for product in products}
    return {
        constant.key: quantity_of(constant.key, world=world, products=by_name).strength
        for constant in constants
    }


def is_felt(key: str, *, product: Product, policy: str | None = None) -> bool:
    """Whether a product can feel a constant: not those of other products or of policies that do not
    treat it (its own policy, unless another one is named).
    """
    kind, _, rest = key.partition(":")
    own = {"product": product.name, "policy": policy or product.support_policy}
    return kind not in own or rest.partition(".")[0] == own[kind]
