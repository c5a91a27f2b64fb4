"""The house keeps its shape: floors, owners of heavy libraries, names, numbers, and an instant
command line.

Every rule reads the syntax tree of the package, so it sees code that no test runs. Each rule is
also shown offenders made for it (``test_rule_catches``): a rule that cannot fail would guard
nothing.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "crsrisk"

# An import goes to the same number or a lower one. `data` and `biology` share a floor and never
# meet.
FLOORS = {
    **dict.fromkeys(
        [
            "crsrisk",
            "errors",
            "executor",
            "fields",
            "folders",
            "lazy",
            "logistic",
            "terminal",
            "results",
            "streams",
            "units",
            "wording",
        ],
        0,
    ),
    **dict.fromkeys(["data", "biology"], 1),
    "plots": 0,
    "simulation": 2,
    **dict.fromkeys(["model", "uncertainty"], 3),
    "evaluation": 4,
    "trials": 5,
    "policy": 6,
    "report": 7,
    "studies": 8,
    "serve": 9,
    **dict.fromkeys(["cli", "__main__"], 10),
}
STRANGERS = {
    ("data", "biology"),
    ("biology", "data"),
    ("model", "uncertainty"),
    ("uncertainty", "model"),
}

# Heavy library -> where it may be imported: a module, or a folder ending in a dot.
OWNERS = {
    "mlflow": ("model.tracking", "studies.served_model"),  # the latter is run by MLflow itself
    "lightgbm": (
        "model.boosting",
        "model.booster",
        "model.distributed",
        "model.onset_hazard",
        "model.out_of_core",
        "model.plain_boosting",
        "model.small_leaves",
        "model.update",
    ),
    "dask": ("executor", "model.distributed"),
    "distributed": ("executor", "model.distributed"),
    "fsspec": ("data.part_files",),
    "openpyxl": ("data.files", "data.table_files"),
    "pyreadstat": ("data.table_files",),
    "shap": ("data.explanation", "evaluation.explanation_truth"),
    "optuna": ("model.tune",),
    "interpret": ("model.comparators",),
    "matplotlib": ("plots.",),
    "numba": ("biology.", "simulation.", "model.tree_kernels"),
    "sklearn": ("model.", "evaluation."),
    "typer": ("cli.", "studies.baseline"),
    "click": ("cli.",),
    "rich": ("studies.", "terminal"),
    "SALib": ("uncertainty.sensitivity",),
    "fastapi": ("serve.application",),
    "uvicorn": ("serve.server",),
}
HEAVY = {*OWNERS, "numpy", "pandas", "pyarrow", "scipy"} - {"typer", "click", "rich"}

FEATURES = {"model.features", "model.landmark", "model.indices"}
REFUSED_NAMES = {"utils", "helpers", "common", "manager", "params"}
PICKLERS = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}

# Numbers that may stand in biology/: neutral ones, halves and squares, unit factors, the grades
# themselves.
NEUTRAL = {0, 0.5, 1, 2}
UNIT_FACTORS = {7, 10, 24, 60, 100, 1000, 3600, 1e6, 1e9, 1e-3, 1e-6, 1e-9}
GRADES = {3, 4}
EXPONENTS = {3, 4}


@dataclass(frozen=True)
class Module:
    """One source file: its dotted name below ``crsrisk`` and its text."""

    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def floor(self) -> str:
        return self.name.split(".")[0]

    def inside(self, place: str) -> bool:
        return self.name.startswith(place) if place.endswith(".") else self.name == place

    @cached_property
    def imports(self) -> list[str]:
        """Everything imported, at any depth, as dotted names (``from a import b`` gives
        ``a.b``).
        """
        return [name for node in ast.walk(self.tree) for name in imported_by(node)]

    @cached_property
    def imports_at_run_time(self) -> list[str]:
        """The same without what only a type checker sees."""
        hidden = {
            inner
            for node in ast.walk(self.tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for inner in ast.walk(node)
        }
        nodes = (node for node in ast.walk(self.tree) if node not in hidden)
        return [name for node in nodes for name in imported_by(node)]


def imported_by(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def identifiers(tree: ast.AST) -> Iterator[str]:
    """Every name, attribute, argument, keyword and import in a tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, (ast.arg, ast.keyword)):
            yield node.arg or ""
        yield from (part for name in imported_by(node) for part in name.split("."))


def modules() -> list[Module]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__") or "crsrisk"
        found.append(Module(name, path.read_text(encoding="utf-8")))
    return found


MODULES = modules()
NAMES = {module.name for module in MODULES}


def internal(name: str) -> str | None:
    """The module below ``crsrisk`` that an import names; None for another library."""
    if name != "crsrisk" and not name.startswith("crsrisk."):
        return None
    below = name.removeprefix("crsrisk").strip(".")
    while below and below not in NAMES:
        below = below.rpartition(".")[0]
    return below or "crsrisk"


# --- the rules: each yields one sentence for each offence in one module ---


NAMESPACES = {"crsrisk", "trials"}  # public names, each imported when it is first used (lazy)


def imports_that_go_up(module: Module) -> Iterator[str]:
    for name in module.imports:
        target = internal(name)
        if name.startswith("."):
            yield f"{name}: write the import in full, crsrisk.…"
        elif target is not None:
            floor = target.split(".")[0]
            if (module.floor, floor) in STRANGERS or FLOORS[floor] > FLOORS[module.floor]:
                yield f"{module.floor} must not import {floor} ({name})"


def imports_inside_functions(module: Module) -> Iterator[str]:
    """Imports stand at the top, but for two kinds that cost seconds and that most readers of a
    module never need: a heavy library inside a function of its owner, and the charts of
    ``crsrisk.plots`` (which bring matplotlib) inside the function that draws. The command line
    imports a command's modules when it is typed, and the lazy names of a package are imported by
    ``crsrisk.lazy``.
    """
    if module.floor == "cli":
        return
    for node in ast.walk(module.tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            for inner in ast.walk(node):
                yield from (
                    f"line {node.lineno}: imports {name} inside"
                    for name in imported_by(inner)
                    if name.split(".")[0] not in OWNERS
                    and not name.startswith("crsrisk.plots.")
                    and not (module.name == "crsrisk" and name.startswith("importlib."))
                )
    if module.name != "lazy" and {"import_module", "__import__"} & set(identifiers(module.tree)):
        yield "imports by a name made at run time"


def heavy_libraries_of_others(module: Module) -> Iterator[str]:
    for name in module.imports_at_run_time:
        owners = OWNERS.get(name.split(".")[0])
        if owners and not any(module.inside(owner) for owner in owners):
            yield f"{name} belongs to {' or '.join(owners)}"


def truth_in_features(module: Module) -> Iterator[str]:
    if module.name not in FEATURES:
        return
    if {"truth", "true_risk"} & set(identifiers(module.tree)):
        yield "names the truth; features see cohort.observed only"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and node.value == "truth":
            yield f"line {node.lineno}: reaches for the truth by its name"


def is_foreign(value: object, allowed: set[float]) -> bool:
    return (
        isinstance(value, (int, float, complex))
        and not isinstance(value, bool)
        and value not in allowed
    )


def numbers_in_biology(module: Module) -> Iterator[str]:
    """Constants that belong in synthetic/assumptions/; subscripts and small powers are left
    alone.
    """
    # settings of the compiler, no equation
    if module.floor != "biology" or module.name == "biology.compiled":
        return
    allowed = NEUTRAL | UNIT_FACTORS | (GRADES if module.name == "biology.grading" else set())
    exempt: set[ast.AST] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Subscript):
            exempt.update(ast.walk(node.slice))
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            exempt.update(
                n for n in [node.right] if isinstance(n, ast.Constant) and n.value in EXPONENTS
            )
    for node in ast.walk(module.tree):
        if (
            isinstance(node, ast.Constant)
            and node not in exempt
            and is_foreign(node.value, allowed)
        ):
            yield f"line {node.lineno}: {node.value!r} belongs in synthetic/assumptions/*.yaml"


def pickles(module: Module) -> Iterator[str]:
    for name in sorted(set(identifiers(module.tree))):
        if name in PICKLERS or ("pickle" in name.lower() and name != "allow_pickle"):
            yield f"{name}: no pickle, since loading one runs whatever is in it"
    for node in ast.walk(module.tree):
        if (
            isinstance(node, ast.keyword)
            and node.arg == "allow_pickle"
            and ast.unparse(node.value) != "False"
        ):
            yield "allow_pickle may only be False"


def code_in_package_files(module: Module) -> Iterator[str]:
    """A floor's ``__init__.py`` says what the floor is for, and does nothing; a public namespace
    imports its names when they are used.
    """
    if module.name in NAMESPACES:
        return
    is_floor = (PACKAGE / module.name.replace(".", "/") / "__init__.py").exists()
    body = [node for node in module.tree.body if not isinstance(node, ast.ImportFrom)]
    if is_floor and any(not isinstance(node, ast.Expr) for node in body):
        yield "__init__.py of a floor holds a docstring and nothing else"
    if is_floor and any(not name.startswith("__future__.") for name in module.imports):
        yield "__init__.py of a floor imports nothing"


RULES: list[Callable[[Module], Iterator[str]]] = [
    imports_that_go_up,
    imports_inside_functions,
    heavy_libraries_of_others,
    truth_in_features,
    numbers_in_biology,
    pickles,
    code_in_package_files,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule_holds_everywhere(rule: Callable[[Module], Iterator[str]]) -> None:
    assert [f"{module.name}: {offence}" for module in MODULES for offence in rule(module)] == []


@pytest.mark.parametrize(
    ("rule", "name", "text"),
    [
        (imports_that_go_up, "data.cohort", "from crsrisk.simulation import cohorts"),
        (imports_that_go_up, "biology.cascade", "import crsrisk.data.files"),
        (imports_that_go_up, "data.files", "from crsrisk.biology import cascade"),
        (imports_that_go_up, "model.fit", "from . import predict"),
        (imports_that_go_up, "report.pages", "from crsrisk.studies.experiment import Experiment"),
        (imports_that_go_up, "studies.baseline", "from crsrisk.cli.__main__ import main"),
        (imports_inside_functions, "studies.predict", "def score():\n    import json"),
        (imports_inside_functions, "model.fit", "def fit():\n    import json"),
        (
            imports_inside_functions,
            "model.fit",
            "import importlib\nx = importlib.import_module('json')",
        ),
        (heavy_libraries_of_others, "report.pages", "import matplotlib.pyplot as plt"),
        (heavy_libraries_of_others, "model.release", "from mlflow import log_metric"),
        (heavy_libraries_of_others, "model.explain", "def convert():\n    import shap"),
        (heavy_libraries_of_others, "studies.predict", "import typer"),
        (heavy_libraries_of_others, "studies.baseline", "import mlflow"),
        (heavy_libraries_of_others, "report.pages", "from rich.table import Table"),
        (truth_in_features, "model.features", "def build(cohort): return cohort.truth"),
        (truth_in_features, "model.features", "def build(cohort): return getattr(cohort, 'truth')"),
        (truth_in_features, "model.features", "from crsrisk.simulation.true_risk import oracle"),
        (numbers_in_biology, "biology.cascade", "def f(x): return 0.37 * x"),
        (numbers_in_biology, "biology.cascade", "def f(x): return x ** 5"),
        (numbers_in_biology, "biology.vitals", "def f(x): return 3 * x"),
        (pickles, "model.release", "import pickle"),
        (pickles, "model.release", "from joblib import dump"),
        (pickles, "data.files", "x = pd.read_pickle(path)"),
        (pickles, "data.files", "x = np.load(path, allow_pickle=True)"),
        (code_in_package_files, "model", "from crsrisk.model.fit import fit"),
        (code_in_package_files, "model", "VERSION = 1"),
    ],
)
def test_rule_catches(rule: Callable[[Module], Iterator[str]], name: str, text: str) -> None:
    assert list(rule(Module(name, text)))


@pytest.mark.parametrize(
    ("rule", "name", "text"),
    [
        (imports_that_go_up, "model.fit", "from crsrisk.model.features import build_features"),
        (imports_inside_functions, "cli", "def run():\n    from crsrisk.model.fit import fit"),
        (imports_that_go_up, "studies.baseline", "from crsrisk.report.pages import render"),
        (heavy_libraries_of_others, "simulation.solve", "from numba import njit"),
        (heavy_libraries_of_others, "terminal", "from rich.progress import Progress"),
        (truth_in_features, "model.features", '"""Never sees the truth."""'),
        (numbers_in_biology, "biology.cascade", "def f(x): return -1.0 + 0.5 * x[7] ** 3 / 24.0"),
        (pickles, "data.files", "x = np.load(path, allow_pickle=False)"),
        (code_in_package_files, "model", '"""Learning."""\n\nfrom __future__ import annotations'),
    ],
)
def test_rule_spares(rule: Callable[[Module], Iterator[str]], name: str, text: str) -> None:
    assert list(rule(Module(name, text))) == []


def test_every_module_stands_on_a_floor() -> None:
    assert {module.floor for module in MODULES} <= set(FLOORS)


def test_no_import_cycles() -> None:
    graph = {
        m.name: {t for name in m.imports if (t := internal(name)) and t != m.name} for m in MODULES
    }
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as cycle:
        pytest.fail(f"modules import each other in a circle: {' -> '.join(cycle.args[1])}")
    assert set(order) >= NAMES


def test_no_file_is_named_after_nothing() -> None:
    code = [
        path for folder in ("crsrisk", "tests", "bench") for path in (ROOT / folder).rglob("*.py")
    ]
    assert [path for path in code if REFUSED_NAMES & {path.stem, path.parent.name}] == []


def test_every_assumptions_file_has_its_module() -> None:
    stems = {path.stem for path in (ROOT / "synthetic" / "assumptions").glob("*.yaml")}
    assert stems, "synthetic/assumptions/ holds no file"
    assert (
        sorted(stem for stem in stems if not {f"biology.{stem}", f"simulation.{stem}"} & NAMES)
        == []
    )


def loaded_after(code: str) -> set[str]:
    """The heavy libraries in memory of a fresh Python after ``code``."""
    tell = "import sys; print('HEAVY', *sorted(m for m in sys.modules if '.' not in m))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{tell}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()) & set(HEAVY)


def test_import_is_light() -> None:
    assert loaded_after("import crsrisk") == set()
    assert loaded_after("import crsrisk, numpy") == {"numpy"}, (
        "the measurement must see a heavy library"
    )


def test_help_is_light() -> None:
    code = (
        "import sys; sys.argv = ['crsrisk', '--help']\n"
        "from crsrisk.cli.__main__ import main\n"
        "try:\n    code = main()\nexcept SystemExit as leaving:\n    code = leaving.code\n"
        "assert not code, code\n"
    )
    assert loaded_after(code) == set()
