"""What all commands share: the application, the options that several of them have, and printing."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

if TYPE_CHECKING:
    from crsrisk.data.product import Product
    from crsrisk.data.table_reading import TableReading
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
TABLE_PANEL = "How the table is read"
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
    Path,
    typer.Argument(metavar="TABLE", help="Patients, one a row: CSV, .xlsx, .parquet, ..."),
]
PatientsPlace = Annotated[
    str,
    typer.Argument(
        metavar="TABLE",
        help="Patients, one a row: CSV, .xlsx, .parquet, ..., or folder of a table in parts.",
    ),
]
KnownPatients = Annotated[
    Path,
    typer.Argument(metavar="TABLE", help="Patients with their outcome: CSV, .xlsx, .parquet, ..."),
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
    typer.Option(
        "--unit",
        metavar="COLUMN=UNIT",
        help="Unit of a column: crp=mg/dL; repeatable.",
        rich_help_panel=TABLE_PANEL,
    ),
]
Renames = Annotated[
    list[str] | None,
    typer.Option(
        "--rename",
        metavar="YOURS=OURS",
        help="Your name of a column: CRP=crp_mg_l; repeatable.",
        rich_help_panel=TABLE_PANEL,
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
    float | None,
    typer.Option(
        help="Upper limit of normal of LDH (U/L) in your laboratory.", rich_help_panel=TABLE_PANEL
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        help="Same seed, same bytes: any --workers, chunks and Python (3.11 to 3.13). Another"
        " processor may differ in the last digit of a number; grades never did.",
        min=0,
    ),
]
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
Workers = Annotated[
    int,
    typer.Option(
        help="Threads, or processes with --cluster processes; the result does not depend on it.",
        min=1,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _table_options(
    unit: Units = None,
    rename: Renames = None,
    ldh_upper_limit: LdhUpperLimit = None,
    mapping: Annotated[
        Path | None,
        typer.Option(
            help="Mapping file: names, units and codes as `table check --propose` wrote them and"
            " you confirmed.",
            rich_help_panel=TABLE_PANEL,
        ),
    ] = None,
    missing: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[COLUMN=]CODE",
            help="What stands for a missing value: ND, crp=999; repeatable.",
            rich_help_panel=TABLE_PANEL,
        ),
    ] = None,
    code: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN:CODE=WORD,...",
            help="What codes stand for: sex:1=M,2=F; repeatable.",
            rich_help_panel=TABLE_PANEL,
        ),
    ] = None,
    censored: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[COLUMN=]RULE",
            help="What becomes of <5 or >1000: refuse (as if unstated), missing, half or limit.",
            rich_help_panel=TABLE_PANEL,
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of the file that is not read; repeatable.",
            rich_help_panel=TABLE_PANEL,
        ),
    ] = None,
    dose_time: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column with date and time of the first dose.",
            rich_help_panel=TABLE_PANEL,
        ),
    ] = None,
    refuse_unreadable: Annotated[
        bool,
        typer.Option(
            "--refuse-unreadable",
            help="A laboratory value that cannot be read costs the row, not the cell.",
            rich_help_panel=TABLE_PANEL,
        ),
    ] = False,
    sep: Annotated[
        str | None,
        typer.Option(
            help="Between cells of a text file: ; or tab. Default: found out, and told.",
            rich_help_panel=TABLE_PANEL,
        ),
    ] = None,
    decimal: Annotated[
        str | None, typer.Option(help="Decimal mark: . or ,", rich_help_panel=TABLE_PANEL)
    ] = None,
    thousands: Annotated[
        str | None,
        typer.Option(help="Mark between thousands: , or .", rich_help_panel=TABLE_PANEL),
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option(help="Of a text file: utf-8, latin-1, ...", rich_help_panel=TABLE_PANEL),
    ] = None,
    sheet: Annotated[
        str | None, typer.Option(help="Sheet of a workbook.", rich_help_panel=TABLE_PANEL)
    ] = None,
) -> TableReading:
    from crsrisk.data.table_reading import AS_NAMED, joined, read_mapping, stated_reading

    stated = stated_reading(
        where="command line",
        dash="--",
        unit=unit or (),
        rename=rename or (),
        missing=missing or (),
        code=code or (),
        censored=censored or (),
        ignore=ignore or (),
        ldh_upper_limit=ldh_upper_limit,
        dose_time=dose_time,
        refuse_unreadable=refuse_unreadable,
        sep=sep,
        decimal=decimal,
        thousands=thousands,
        encoding=encoding,
        sheet=sheet,
    )
    confirmed = AS_NAMED if mapping is None else read_mapping(mapping)
    return joined(confirmed, stated)


def _cluster_option(
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Do the work on a Dask cluster: the address of its scheduler, as tcp://host:8786;"
            " or `processes` for processes here. The result is the same. Default: threads.",
        ),
    ] = None,
) -> None:
    pass


def runs_anywhere(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command with ``workers`` the option on where its work is done."""
    own, options = _parameters(command), _parameters(_cluster_option)

    @functools.wraps(command)
    def run(*, cluster: str | None = None, **values: Any) -> None:
        from crsrisk.executor import working_on

        with working_on(cluster, workers=values["workers"]):
            command(**values)

    shown: list[inspect.Parameter] = []
    for name, one in own.items():
        shown.extend((one, *options.values()) if name == "workers" else (one,))
    _show(run, shown)
    return run


def _show(run: Callable[..., None], parameters: Iterable[inspect.Parameter]) -> None:
    """Let a command be read as having these parameters."""
    shown = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters]
    run.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in shown}


def reads_table(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options on how its table is read; it gets them as one ``reading``."""
    own, options = _parameters(command), _parameters(_table_options)

    @functools.wraps(command)
    def run(**values: Any) -> None:
        told = {name: values.pop(name) for name in options}
        command(**values, reading=_table_options(**told))

    shown = [*(one for name, one in own.items() if name != "reading"), *options.values()]
    _show(run, shown)
    return run


def _parameters(command: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Parameters with their annotations, but for those of a type that is imported only where a
    table is read.
    """
    late = ("reading", "return")
    early = {name: kind for name, kind in command.__annotations__.items() if name not in late}
    kinds = get_type_hints(
        SimpleNamespace(__annotations__=early), command.__globals__, include_extras=True
    )
    parameters = inspect.signature(command).parameters
    return {
        name: one.replace(annotation=kinds.get(name, inspect.Parameter.empty))
        for name, one in parameters.items()
    }


def say(text: str, *, nl: bool = True) -> None:
    """Print text; what a file says is shown and not obeyed."""
    from crsrisk.errors import printable
    from crsrisk.terminal import written_out

    # click would take UTF-8 for a stream in ASCII
    if sys.stdout is not None:
        with written_out():
            typer.echo(printable(text), file=sys.stdout, nl=nl)


def print_json(result: object) -> None:
    """Print a result as data."""
    import json

    from crsrisk.results import to_plain

    say(json.dumps(to_plain(result), indent=1, allow_nan=False))


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

        say(f"crsrisk {__version__}")
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
