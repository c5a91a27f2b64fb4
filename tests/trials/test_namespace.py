"""crsrisk.trials: every name is there, typed, documented, and imported only when it is used."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from crsrisk import trials

STUB = Path(trials.__file__).with_suffix(".pyi")
SCRIPT = """
from crsrisk import trials
from crsrisk.results import Estimate

reveal_type(trials.sample_size_two_proportions(0.125, 0.25, power=0.8).n_per_arm_ceil)
reveal_type(trials.sample_size_two_proportions(0.125, 0.25, power=[0.8, 0.9]).sizes[0].power)
interval: Estimate = trials.wilson(15, 50)
several: tuple[Estimate, ...] = trials.clopper_pearson([1, 2], [10, 20])
reveal_type(trials.group_sequential_bounds(type="Pocock", K=3).z)
reveal_type(trials.naive_repeated_looks_error(z_each_look=1.96, looks=5))
reveal_type(trials.simon_two_stage(0.6, 0.8).optimal.r1)
reveal_type(trials.optimal_threshold(rr=0.5, harm_per_treated_in_crs_units=0.05))
"""


def test_the_stub_declares_what_is_exported() -> None:
    tree = ast.parse(STUB.read_text(encoding="utf-8"))
    declared = {
        alias.name: node.module
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert sorted(declared) == trials.__all__
    (names,) = (node.value for node in tree.body if isinstance(node, ast.Assign))
    assert ast.literal_eval(names) == trials.__all__ == dir(trials)


@pytest.mark.parametrize("name", trials.__all__)
def test_every_name_is_a_function_with_its_documentation(name: str) -> None:
    function = getattr(trials, name)
    assert inspect.isfunction(function)
    assert inspect.getdoc(function)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in trials.__all__
        if getattr(trials, name).__module__.startswith("crsrisk.trials.")
    ],
)
def test_trial_statistics_are_documented_in_full(name: str) -> None:
    text = str(inspect.getdoc(getattr(trials, name)))
    for section in ("Parameters", "Returns", "Raises", "References", "Examples"):
        assert f"\n{section}\n{'-' * len(section)}\n" in text, section
    for parameter in inspect.signature(getattr(trials, name)).parameters:
        assert f"{parameter}" in text.partition("Parameters")[2], parameter


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'n_two_proportions'.*wilson"):
        trials.n_two_proportions  # type: ignore[attr-defined]  # noqa: B018


def test_the_namespace_imports_nothing() -> None:
    code = "import sys; from crsrisk import trials; print('scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.slow
def test_types_are_visible_to_a_checker(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    shown = done.stdout.replace("builtins.", "")
    assert "error" not in shown, shown
    revealed = [line.partition("Revealed type is ")[2] for line in shown.splitlines()]
    kinds = [kind.strip('"').partition("[")[0] for kind in revealed if kind]
    threshold = "crsrisk.policy.threshold.Threshold"
    assert kinds == ["int", "float", "numpy.ndarray", "float", "int", threshold], shown
