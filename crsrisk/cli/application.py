"""What all commands share: the application, options, printing, the products of a command."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from crsrisk.data.product import Product
    from crsrisk.data.world import World
    from crsrisk.simulation.arm import Arm

app = typer.Typer(
    name="crsrisk",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help=(
        "Cytokine release syndrome in solid tumours: mechanistic synthetic cohorts, risk models,"
        " explanations. Research use; synthetic data; no external validation."
    ),
)

Workers = Annotated[int, typer.Option(help="Threads; the result does not depend on it.", min=1)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
CPUS = os.cpu_count() or 1


def print_json(tree: Any) -> None:
    """Print an answer as data."""
    import json

    from crsrisk.results import to_plain

    typer.echo(json.dumps(to_plain(tree), indent=1, allow_nan=False))


def products_in(names: list[str] | None, *, scenario: str) -> tuple[list[Product], World]:
    """The named products (all when none is named) and the world they are in."""
    from crsrisk.data.world import load_world, with_own_places
    from crsrisk.data.world_files import all_products, load_product

    products = [load_product(name) for name in names] if names else list(all_products().values())
    return with_own_places(products, world=load_world(scenario))


def arms_of(
    names: list[str] | None, *, scenario: str, regimen: str | None, mitigations: tuple[str, ...]
) -> tuple[list[Arm], World]:
    """Arms of the named products (all when none is named) and the world they are in."""
    from crsrisk.simulation.arm import make_arm

    products, world = products_in(names, scenario=scenario)
    return [
        make_arm(one, world=world, regimen=regimen, mitigations=mitigations) for one in products
    ], world


def pairs_of(texts: list[str] | None, option: str) -> dict[str, str]:
    """``name=value`` options as a dictionary."""
    from crsrisk.errors import InputError

    pairs = {}
    for text in texts or []:
        left, mark, right = text.partition("=")
        if not mark or not left or not right:
            raise InputError(
                where="predict",
                key=option,
                found=text,
                expected="name=value",
                cure=f"write {option} crp=mg/dL",
            )
        pairs[left.strip()] = right.strip()
    return pairs
