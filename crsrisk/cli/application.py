"""What all commands share: the application, the options that several of them have, and printing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict

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
        "Cytokine release syndrome in solid tumours: simulated cohorts, risk models, explanations,"
        " trial designs. Research use; what ships is synthetic, without external validation."
    ),
)
CPUS = os.cpu_count() or 1
PANELS = ("Simulate", "Risk models", "At the bedside", "Trial design")  # of the help page

# Options of several commands, each declared once.

Products = Annotated[
    list[str] | None,
    typer.Option("--product", help="Product by name or YAML file; repeatable. Default: all."),
]
Product_ = Annotated[str, typer.Argument(metavar="PRODUCT", help="Product by name or YAML file.")]
Regimen = Annotated[
    str | None, typer.Option(help="Regimen of the product. Default: the product's own.")
]
Mitigations = Annotated[
    list[str] | None,
    typer.Option("--mitigation", help="Prophylaxis added before dose 1; repeatable."),
]
Scenario = Annotated[str, typer.Option(help="Scenario by name or YAML file.")]
Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="Folder of a model, or the name of a released one.")
]
Patients = Annotated[
    Path, typer.Argument(metavar="TABLE", help="Patients, one a row: .csv or .parquet.")
]
KnownPatients = Annotated[
    Path,
    typer.Argument(metavar="TABLE", help="Patients with their outcome: .csv or .parquet."),
]
Outcome = Annotated[
    str | None,
    typer.Option(help="Column with the outcome (yes or no). Default: the model's own name of it."),
]
AtLeast = Annotated[
    float | None,
    typer.Option(
        "--at-least",
        metavar="GRADE",
        help="The outcome is a grade: the event is this grade or more.",
    ),
]
Units = Annotated[
    list[str] | None,
    typer.Option("--unit", metavar="COLUMN=UNIT", help="Unit of a column: crp=mg/dL; repeatable."),
]
Renames = Annotated[
    list[str] | None,
    typer.Option(
        "--rename", metavar="YOURS=OURS", help="Your name of a column: CRP=crp_mg_l; repeatable."
    ),
]
UnknownProduct = Annotated[
    bool,
    typer.Option(
        "--unknown-product",
        help="Take rows of a product that the model was not trained on, too.",
    ),
]
ProductFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--product-file",
        help="File of a product of your own, by whose names the table may call it; repeatable.",
    ),
]
LdhUpperLimit = Annotated[
    float | None, typer.Option(help="Upper limit of normal of LDH (U/L) in your laboratory.")
]
Seed = Annotated[int, typer.Option(help="Same seed, same result.", min=0)]
Track = Annotated[
    Path | None,
    typer.Option(
        help="Log to MLflow in this folder too. Default: only where MLFLOW_TRACKING_URI says."
    ),
]
Page = Annotated[
    Path | None, typer.Option("--html", help="Write the page here: one file, opens offline.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace a result that is there already.")
]
Workers = Annotated[int, typer.Option(help="Threads; the result does not depend on it.", min=1)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class Reading(TypedDict):
    """How a user's table is read: its units, its names of columns, its limit of LDH."""

    units: dict[str, str]
    mapping: dict[str, str]
    ldh_upper_limit_u_l: float | None


def reading(
    units: list[str] | None, renames: list[str] | None, ldh_upper_limit: float | None
) -> Reading:
    """The three options about a user's table as keyword arguments."""
    return {
        "units": pairs_of(units, "--unit"),
        "mapping": pairs_of(renames, "--rename"),
        "ldh_upper_limit_u_l": ldh_upper_limit,
    }


def pairs_of(texts: list[str] | None, option: str) -> dict[str, str]:
    """``name=value`` options as a dictionary."""
    from crsrisk.errors import InputError

    pairs = {}
    for text in texts or []:
        left, mark, right = text.partition("=")
        if not mark or not left or not right:
            raise InputError(
                where="command line",
                key=option,
                found=text,
                expected="name=value",
                cure=f"write {option} crp=mg/dL",
            )
        pairs[left.strip()] = right.strip()
    return pairs


def print_json(result: object) -> None:
    """Print a result as data."""
    import json

    from crsrisk.results import to_plain

    typer.echo(json.dumps(to_plain(result), indent=1, allow_nan=False))


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
    arms = [
        make_arm(product, world=world, regimen=regimen, mitigations=mitigations)
        for product in products
    ]
    return arms, world


def _print_version(wanted: bool) -> None:
    if wanted:
        from crsrisk import __version__

        typer.echo(f"crsrisk {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    pass
