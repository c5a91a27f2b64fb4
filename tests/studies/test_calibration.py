"""Calibration, small: four products and a thousand patients of each. What it writes, what it takes
over from a run that was interrupted, and what applying it does to the files.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crsrisk import folders
from crsrisk.data.cross_validation import load_cross_validation
from crsrisk.data.ensemble import load_ensemble
from crsrisk.data.evidence_files import load_trials
from crsrisk.data.published_figures import Trial
from crsrisk.data.world import load_world
from crsrisk.data.world_files import load_product
from crsrisk.errors import InputError
from crsrisk.executor import working_on
from crsrisk.studies import calibration, calibration_emulators, calibration_task
from crsrisk.studies.apply_calibration import apply_calibration
from crsrisk.studies.calibration import CalibrationResult, run_calibration
from crsrisk.uncertainty.constants import Constant, constant_of, quantity_of
from crsrisk.uncertainty.own_worlds import simulate_own_worlds

_SMALL = """
kind: calibration
name: small
question: "does it work?"
scenario: reference
seed: {seed}
patients: 1000
patients_rare: 1000
spreads: 64
members: 12
member_patients: 16
member_patients_rare: 16
reference_patients: 64
reference_patients_rare: 64
reference_rounds: 1
left_out_members: 10
"""
# two products of either class, each with all three rates that are scored
TRIALS = ("gpc3_ct017", "lb2102", "tarlatamab_label_2025", "tebentafusp_202")
WRITTEN = ("about.json", "constants.csv", "cross_validation.json", "figures.csv", "members.csv")
Begin = Callable[[str, int], Callable[[int], None]]


class _StoppedError(Exception):
    """Ctrl-C, as a test raises it."""


@cache
def _trials() -> tuple[Trial, ...]:
    return tuple(trial for trial in load_trials() if trial.name in TRIALS)


def _silent(text: str, total: int) -> Callable[[int], None]:
    return lambda done: None


def _until(stage: str, *, after: int = 0) -> Begin:
    """Interrupted in a stage: at its start, or once so many of its parts are done."""
    parts = [0]

    def begin(text: str, total: int) -> Callable[[int], None]:
        if text != stage:
            return lambda done: None
        if not after:
            raise _StoppedError

        def advance(done: int) -> None:
            parts[0] += done
            if parts[0] == after:
                raise _StoppedError

        return advance

    return begin


_EMULATED = _until("How far the emulators are off")  # once all emulators are there


def _folder(place: Path, *, seed: int = 7) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    (place / "experiment.yaml").write_text(_SMALL.format(seed=seed), encoding="utf-8")
    return place


def _run(folder: Path, *, workers: int = 1, begin: Begin = _silent) -> CalibrationResult:
    return run_calibration(folder, workers=workers, begin=begin)


def _only_four(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(calibration_task, "load_trials", _trials)
    patch.setattr(calibration, "UPDATE_DRAWS", 64)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> CalibrationResult:
    """A calibration from beginning to end."""
    with pytest.MonkeyPatch.context() as patch:
        _only_four(patch)
        return _run(_folder(tmp_path_factory.mktemp("small")))


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the trials whose emulators are computed, of four trials in all."""
    _only_four(monkeypatch)
    names: list[str] = []

    def counted(trial: Trial, **choices: object) -> pd.DataFrame:
        names.append(trial.name)
        return simulate_own_worlds(trial, **choices)  # type: ignore[arg-type]

    monkeypatch.setattr(calibration_emulators, "simulate_own_worlds", counted)
    return names


def _emulators_taken_over(finished: CalibrationResult, place: Path, *, seed: int = 7) -> Path:
    """A folder in which a run was interrupted when all emulators were there."""
    shutil.copytree(finished.results / "emulators", place / "results" / "emulators")
    return _folder(place, seed=seed)


def _bytes(folder: Path) -> dict[str, bytes]:
    return {
        str(place.relative_to(folder)): place.read_bytes()
        for place in sorted(folder.rglob("*"))
        if place.is_file()
    }


# What it writes.


def test_results_are_written_and_belong_together(finished: CalibrationResult) -> None:
    results = finished.results
    assert tuple(sorted(place.name for place in results.iterdir() if place.is_file())) == WRITTEN
    ensemble = load_ensemble(results)
    assert len(ensemble) == 12
    assert ensemble.weights == pytest.approx(np.full(12, 1.0 / 12.0))
    assert ensemble.digest == finished.ensemble.digest
    assert (ensemble.values.std(axis=0) > 0.0).mean() > 0.9
    judged = load_cross_validation(results)
    assert judged is not None
    assert (judged.ensemble, judged.n_members, judged.seed) == (ensemble.digest, 10, 7)
    assert {row.trial for row in judged.rows} == set(TRIALS)
    assert len(judged.rows) == 3 * len(TRIALS)
    about = json.loads((results / "about.json").read_text(encoding="utf-8"))
    assert about["targets"] == [figure.id for figure in finished.figures]
    assert (about["seed"], about["n_members"], about["experiment"]) == (7, 12, "small")
    assert all(sd > 0.0 for sd in about["inferred_sds"].values())
    assert len(repr(finished)) < 2_000


def test_every_figure_stands_beside_what_worlds_say(finished: CalibrationResult) -> None:
    """In unit and order: medians in their spans, rates among rates, and members nearer to what was
    published than draws of the priors, over all.
    """
    table = pd.read_csv(finished.results / "figures.csv")
    assert set(table["trial"]) == set(TRIALS)
    for side in ("prior", "posterior"):
        low, median, high = (table[f"{side}_{name}"] for name in ("low", "median", "high"))
        assert (low <= median).all()
        assert (median <= high).all()
    rates = table[table["metric"].str.startswith("crs_")]
    shares = rates.filter(regex="low|high|median|published").to_numpy(dtype=np.float64)
    assert ((shares >= 0.0) & (shares <= 1.0)).all()
    off = {
        side: (rates[f"{side}_median"] - rates["published"]).abs().mean()
        for side in ("prior", "posterior")
    }
    assert off["posterior"] < 0.7 * off["prior"]


def test_every_constant_of_the_members_has_a_row(finished: CalibrationResult) -> None:
    table = pd.read_csv(finished.results / "constants.csv").set_index("constant")
    assert table.index.is_unique
    assert set(finished.ensemble.keys) <= set(table.index)
    effects = [key for key in table.index if ".random_effects." in key]
    assert len(effects) == 3 * len(TRIALS)
    rest = table.drop(index=effects)
    assert np.isfinite(rest.to_numpy()).all()
    assert (table["posterior_low"] <= table["posterior_high"]).all()
    spreads = [key for key in table.index if key.startswith("assumption:evidence.between_")]
    assert len(spreads) == 9


@pytest.mark.slow
def test_workers_change_no_byte(
    finished: CalibrationResult, simulated: list[str], tmp_path: Path
) -> None:
    made = _run(_folder(tmp_path / "two"), workers=2)
    assert sorted(simulated) == sorted(TRIALS)
    assert _bytes(made.results) == _bytes(finished.results)


@pytest.mark.slow
def test_processes_change_no_byte(
    finished: CalibrationResult, simulated: list[str], tmp_path: Path
) -> None:
    with working_on("processes", workers=2):
        made = _run(_folder(tmp_path / "two"))
    assert sorted(simulated) == sorted(TRIALS)
    assert _bytes(made.results) == _bytes(finished.results)


# What it takes over.


def test_emulators_that_are_there_are_not_computed_again(
    finished: CalibrationResult, simulated: list[str], tmp_path: Path
) -> None:
    """And what is made of them is the same to the last byte."""
    made = _run(_emulators_taken_over(finished, tmp_path / "again"))
    assert simulated == []
    assert _bytes(made.results) == _bytes(finished.results)


def test_an_interrupted_run_goes_on_where_it_was(
    finished: CalibrationResult, simulated: list[str], tmp_path: Path
) -> None:
    folder = _folder(tmp_path / "interrupted")
    with pytest.raises(_StoppedError):
        _run(folder, begin=_until("How figures move with the constants", after=2))
    first, place = list(simulated), folder / "results" / "emulators"
    assert len(first) == 2
    assert sorted(file.stem for file in place.iterdir()) == sorted(first)
    assert sorted(file.name for file in place.parent.iterdir()) == ["emulators"]
    with pytest.raises(_StoppedError):
        _run(folder, begin=_EMULATED)
    assert sorted(simulated) == sorted(TRIALS)  # each once
    assert _bytes(place) == _bytes(finished.results / "emulators")


def test_emulators_of_something_else_are_computed_again(
    finished: CalibrationResult,
    simulated: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Of one trial with another window: its own alone. Of another seed: all."""
    folder = _emulators_taken_over(finished, tmp_path / "window")
    trials = [
        trial.model_copy(update={"window_d": trial.window_d + 1})
        if trial.name == "lb2102"
        else trial
        for trial in _trials()
    ]
    monkeypatch.setattr(calibration_task, "load_trials", lambda: trials)
    with pytest.raises(_StoppedError):
        _run(folder, begin=_EMULATED)
    assert simulated == ["lb2102"]
    before, after = (
        _bytes(place / "emulators") for place in (finished.results, folder / "results")
    )
    assert {name for name in before if before[name] != after[name]} == {"lb2102.npz"}
    monkeypatch.setattr(calibration_task, "load_trials", _trials)
    with pytest.raises(_StoppedError):
        _run(_emulators_taken_over(finished, tmp_path / "seed", seed=8), begin=_EMULATED)
    assert sorted(simulated[1:]) == sorted(TRIALS)


def test_no_emulators_are_half_written(
    simulated: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An error amid the writing of the first file leaves none, not even a temporary one."""

    def breaks(file: object, **arrays: object) -> None:
        file.write(b"PK, and then the disk was full")  # type: ignore[attr-defined]
        raise _StoppedError

    monkeypatch.setattr(np, "savez_compressed", breaks)
    folder = _folder(tmp_path / "broken")
    with pytest.raises(_StoppedError):
        _run(folder)
    assert len(simulated) == 1
    assert _bytes(folder).keys() == {"experiment.yaml"}


# Applied.


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the synthetic folder that may be changed; the one of the package must not be."""
    shipped, root = folders.synthetic_folder(), tmp_path / "root"
    shutil.copytree(shipped, root / "synthetic")
    before = hashlib.sha256(repr(_bytes(shipped)).encode()).hexdigest()
    monkeypatch.setattr(folders, "_root", lambda: root)
    yield root / "synthetic"
    assert hashlib.sha256(repr(_bytes(shipped)).encode()).hexdigest() == before


def _constants(keys: list[str]) -> dict[str, Constant]:
    """Constants by key, as the files have them now."""
    world = load_world()
    products = {name: load_product(name) for name in {trial.product for trial in _trials()}}
    made = (
        constant_of(key, quantity_of(key, world=world, products=products))
        for key in keys
        if ".random_effects." not in key
    )
    return {constant.key: constant for constant in made if constant is not None}


def test_applying_writes_values_and_keeps_what_was_believed(
    finished: CalibrationResult, world: Path
) -> None:
    """Value by value: what moved by 0.05 prior SDs or more has the most probable value, the rest
    the median of its prior, which is the same as before; effects stand in the products' files, and
    the ensemble with its cross-validation beside them.
    """
    table = pd.read_csv(finished.results / "constants.csv").set_index("constant")
    probable = table["most_probable"]
    constants, before = _constants(list(probable.index)), _bytes(world)
    changed = apply_calibration(finished.results)
    here, products = (
        load_world(),
        {trial.product: load_product(trial.product) for trial in _trials()},
    )
    n_moved, n_left = 0, 0
    for key, constant in constants.items():
        quantity = quantity_of(key, world=here, products=products)
        believed = quantity.value if quantity.prior is None else quantity.prior
        assert believed == pytest.approx(constant.median, rel=1e-9)
        is_switch = constant.median in (constant.low, constant.high)
        if is_switch or abs(constant.score(probable[key])) < 0.05:
            assert quantity.value == pytest.approx(constant.median, rel=1e-9)
            n_left += 1
        else:
            assert quantity.value == pytest.approx(probable[key], rel=1e-3)
            assert quantity.prior is not None
            n_moved += 1
    assert n_moved > 20
    assert n_left > 20
    for name, product in products.items():
        assert product.random_effects is not None
        for effect, value in product.random_effects.model_dump().items():
            assert value["value"] == pytest.approx(
                probable[f"product:{name}.random_effects.{effect}"], rel=1e-3
            )
    after = _bytes(world)
    different = {Path(name).name for name in after if after[name] != before.get(name)}
    ensemble = {"members.csv", "about.json", "cross_validation.json"}
    assert different - ensemble <= set(changed)
    assert load_ensemble().digest == finished.ensemble.digest
    for name in ensemble:
        assert after[f"ensemble/{name}"] == (finished.results / name).read_bytes()


def test_applying_twice_changes_no_byte(finished: CalibrationResult, world: Path) -> None:
    first = apply_calibration(finished.results)
    once = _bytes(world)
    assert apply_calibration(finished.results) == first
    assert _bytes(world) == once


def test_what_hardly_moved_is_left(
    finished: CalibrationResult, world: Path, tmp_path: Path
) -> None:
    """A constant at 0.04 prior SDs stays where its prior put it, one at 0.06 does not."""
    results = tmp_path / "results"
    shutil.copytree(finished.results, results, ignore=shutil.ignore_patterns("emulators"))
    keys = ["assumption:engagement.t_gain", "assumption:cascade.tnf_from_t_pg_ml_h"]
    for step, other in ((0.04, 0.06), (0.06, 0.04)):
        constants = _constants(keys)
        values = {
            key: float(constants[key].at(by)) for key, by in zip(keys, (step, other), strict=True)
        }
        pd.DataFrame({"constant": keys, "most_probable": list(values.values())}).to_csv(
            results / "constants.csv", index=False
        )
        apply_calibration(results)
        assumptions = load_world().assumptions
        for key, by in zip(keys, (step, other), strict=True):
            expected = constants[key].median if by < 0.05 else values[key]
            value = assumptions.value(key.removeprefix("assumption:"))
            assert value == pytest.approx(expected, rel=1e-3)


def test_emulators_do_not_rest_on_what_calibration_moves(
    finished: CalibrationResult, world: Path, simulated: list[str], tmp_path: Path
) -> None:
    """Applied, the world is another; the emulators are still good for it."""
    before = load_world().digest
    apply_calibration(finished.results)
    assert load_world().digest != before
    with pytest.raises(_StoppedError):
        _run(_emulators_taken_over(finished, tmp_path / "applied"), begin=_EMULATED)
    assert simulated == []


@pytest.mark.parametrize(
    "lost", ["constants.csv", "members.csv", "about.json", "cross_validation.json"]
)
def test_nothing_is_written_without_whole_results(
    finished: CalibrationResult, world: Path, tmp_path: Path, lost: str
) -> None:
    results, before = tmp_path / "results", _bytes(world)
    shutil.copytree(finished.results, results, ignore=shutil.ignore_patterns("emulators", lost))
    with pytest.raises(InputError, match=lost.replace(".", r"\.")):
        apply_calibration(results)
    assert _bytes(world) == before


def test_nothing_is_written_with_members_missing(
    finished: CalibrationResult, world: Path, tmp_path: Path
) -> None:
    results, before = tmp_path / "results", _bytes(world)
    shutil.copytree(finished.results, results, ignore=shutil.ignore_patterns("emulators"))
    lines = (results / "members.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (results / "members.csv").write_text("".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(InputError, match=r"members\.csv"):
        apply_calibration(results)
    assert _bytes(world) == before
