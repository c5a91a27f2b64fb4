"""Beyond one machine: the same commands on threads, on processes and on a Dask cluster, and what
stands after somebody pulled a plug.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest

from crsrisk import executor
from crsrisk.data.evidence_files import load_trials
from crsrisk.data.potential_outcomes import parse_strategy
from crsrisk.data.tables import read_table
from crsrisk.data.trial_plan import Masking, PowerCurves, Screening, Stated
from crsrisk.data.world_files import load_product
from crsrisk.folders import experiments_folder
from crsrisk.results import to_plain
from crsrisk.simulation import run, true_risk
from crsrisk.simulation.population import sample
from crsrisk.simulation.potential_outcomes import simulate_strategy
from crsrisk.simulation.true_risk import patients_by_id, risk_of_arm
from crsrisk.trials.operating_characteristics import power_grid
from crsrisk.uncertainty import own_worlds
from crsrisk.uncertainty.evidence_model import latents_of
from crsrisk.uncertainty.own_worlds import simulate_own_worlds
from tests.cluster import Cluster, local_cluster
from tests.simulation.people import arm_of, world_of
from tests.stories.terminal import crsrisk, digests, done

FEW = ("--patients", 100, "--repetitions", 4, "--training", 300, "--members", 3)
TRIALS = {trial.name: trial for trial in load_trials()}
SIMULATE = ("simulate", "--product", "tarlatamab", "--product", "tebentafusp")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with local_cluster() as started:
        yield started


def test_parts_are_the_same_bytes_wherever_they_are_made(tmp_path: Path, cluster: Cluster) -> None:
    places = {
        "threads": ("--workers", 2),
        "processes": ("--cluster", "processes", "--workers", 1),
        "cluster": ("--cluster", cluster.address),
    }
    found, said = {}, {}
    for name, where in places.items():
        out = tmp_path / name
        words = (*SIMULATE, "--patients", 350, "--part-size", 100, "--out", out, *where)
        said[name] = done(*words, "--json").tree["products"]
        found[name] = digests(out)
    assert found["threads"] == found["processes"] == found["cluster"]
    assert said["threads"] == said["processes"] == said["cluster"]

    done(*SIMULATE, "--patients", 350, "--out", tmp_path / "one.parquet")
    whole = read_table(tmp_path / "one.parquet")
    pd.testing.assert_frame_equal(read_table(tmp_path / "cluster"), whole)
    files = str(tmp_path / "cluster" / "*.parquet")
    assert pl.read_parquet(files).equals(pl.from_pandas(whole))
    (shares,) = duckdb.sql(f"select count(*), sum(crs_any::int) from '{files}'").fetchall()
    assert shares == (350, whole["crs_any"].sum())


def test_one_file_is_the_same_bytes_from_a_cluster(tmp_path: Path, cluster: Cluster) -> None:
    words = (*SIMULATE, "--patients", 250, "--out")
    done(*words, tmp_path / "a.csv")
    done(*words, tmp_path / "b.csv", "--cluster", cluster.address)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def ensemble() -> object:
    """Patients of an ensemble's members, in pieces."""
    trial = TRIALS["imc001_interim"]
    products = {name: load_product(name) for name in trial.products}
    latents = latents_of([trial], products=products, world=world_of())
    scores = np.random.default_rng(1).standard_normal((40, len(latents.keys)))
    made = simulate_own_worlds(
        trial,
        products=products,
        values=latents.values(scores),
        n=40,
        world=world_of(),
        seed=3,
    )
    return made.to_csv()


def true_risks() -> object:
    """Simulated again and again."""
    arm = arm_of("tarlatamab")
    some = patients_by_id(arm, world=world_of(), seed=1, patient_ids=np.array([31, 4, 17]))
    return risk_of_arm(
        arm, some, world=world_of(), seed=1, given="observed", n_replicates=40
    ).to_dict()


def courses() -> object:
    """Patients of one arm, treated at the fever of each."""
    patients = sample(
        arm_of("tarlatamab").population,
        assumptions=world_of().assumptions,
        seed=1,
        start=0,
        stop=60,
    )
    strategy = parse_strategy("tocilizumab@fever")
    tracks = simulate_strategy(arm_of("tarlatamab"), strategy, patients=patients, world=world_of())
    return {name: values.tobytes() for name, values in tracks.items()}


def power() -> object:
    """Cells of a grid."""
    made = power_grid(
        PowerCurves(
            risk_ratio=[0.4, 1.0], base_rate=[0.25], threshold=[0.0], n_total=60, n_sim=300
        ),
        stated=Stated(risk="Beta(2,6)", risk_ratio=0.5),
        pool=None,
        screening=Screening(candidates_per_month=10.0),
        masking=Masking(),
        seed=1,
        alpha=0.025,
    )
    return to_plain(made)


@pytest.mark.parametrize("work", [ensemble, true_risks, courses, power])
def test_what_many_pieces_make_is_the_same_from_a_cluster(
    work: Callable[[], object], cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = work()
    monkeypatch.setattr(own_worlds, "CHUNK", 16)
    monkeypatch.setattr(true_risk, "_BATCH", 80)
    monkeypatch.setattr(run, "_CHUNK", 32)
    sent: list[object] = []
    submit = executor._submitted
    monkeypatch.setattr(executor, "_submitted", lambda *of: (sent.append(of), submit(*of))[1])
    with executor.working_on(cluster.address, workers=1):
        assert work() == here
    assert len(sent) > 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("forecast", "tarlatamab", "--patients", 20, "--trial-size", 40),
        ("policy", "simulate", "tarlatamab", "--strategy", "tocilizumab@fever", *FEW),
        ("evidence", "compare", "--patients", 100, "--patients-rare", 5000),
        ("trial", experiments_folder() / "010_trial_designs" / "design.yaml"),
    ],
    ids=lambda words: words[0],
)
def test_a_command_says_the_same_from_a_cluster(words: tuple[str, ...], cluster: Cluster) -> None:
    assert done(*words, "--json", "--cluster", cluster.address).out == done(*words, "--json").out


@pytest.mark.parametrize(
    ("address", "found"),
    [("tcp://127.0.0.1:1", "no scheduler that answers"), ("cluster", "found 'cluster'")],
)
def test_an_address_that_leads_nowhere_is_told_first(
    tmp_path: Path, address: str, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "PATIENCE_S", 1)
    out = tmp_path / "new" / "cohort"
    answer = crsrisk(*SIMULATE, "--part-size", 100, "--out", out, "--cluster", address)
    assert answer.code == 2
    assert found in answer.err
    assert not out.parent.exists()


def test_a_missing_extra_is_told_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    answer = crsrisk(*SIMULATE, "--out", tmp_path / "a.csv", "--cluster", "tcp://127.0.0.1:1")
    assert answer.code == 2
    assert "crsrisk[dask]" in answer.err


def command(out: Path, address: str) -> subprocess.Popen[str]:
    """Ten parts, which take two workers some seconds, as a process of its own."""
    words = (*SIMULATE, "--patients", "40000", "--part-size", "4000", "--cluster", address)
    return subprocess.Popen(
        [sys.executable, "-m", "crsrisk.cli", *words, "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(out: Path, address: str) -> None:
    process = command(out, address)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said


def under_way(out: Path, process: subprocess.Popen[str]) -> dict[str, int]:
    """When finished parts were written, once there are two and before there are all."""
    start = time.monotonic()
    while len(records := list(out.glob("_parts/part-*.json"))) < 2:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() - start < 120
        time.sleep(0.01)
    parts = [out / f"{record.stem}.parquet" for record in records]
    return {part.name: part.stat().st_mtime_ns for part in parts}


@pytest.mark.slow
def test_an_interruption_ends_the_processes_and_leaves_whole_parts(tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = command(out, "processes")
    standing = under_way(out, process)
    while not list(out.glob(".part-*")):  # others are being written
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)  # ends only when no process holds its error stream
    assert (process.returncode, "interrupted" in said) == (130, True)
    assert not list(out.glob(".part-*"))
    assert {part.name for part in out.glob("part-*")} >= set(standing)
    finished(out, "processes")
    assert {name: (out / name).stat().st_mtime_ns for name in standing} == standing


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["worker", "scheduler", "command"])
def test_after_kill_9_only_parts_under_way_are_made_again(tmp_path: Path, victim: str) -> None:
    with local_cluster() as cluster:
        undisturbed, out = tmp_path / "undisturbed", tmp_path / "out"
        finished(undisturbed, cluster.address)
        (a_worker, _) = cluster.worker_ids()

        process = command(out, cluster.address)
        standing = under_way(out, process)
        killed = {"worker": a_worker, "scheduler": cluster.scheduler.pid, "command": process.pid}
        os.kill(killed[victim], signal.SIGKILL)
        _, said = process.communicate(timeout=120)
        code = {"worker": 0, "scheduler": 2, "command": -signal.SIGKILL}[victim]
        assert process.returncode == code, said
        if victim == "scheduler":
            assert "a scheduler that is gone" in said
            assert "run the same command again" in said
        if victim == "command":
            finished(out, cluster.address)
    if victim == "scheduler":
        with local_cluster() as cluster:
            finished(out, cluster.address)
    assert digests(out) == digests(undisturbed)
    assert {name: (out / name).stat().st_mtime_ns for name in standing} == standing
