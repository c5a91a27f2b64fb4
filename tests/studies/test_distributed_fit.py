"""Trees that a cluster has grown: similar risks, and how similar is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crsrisk.data.cohort import Cohort
from crsrisk.errors import ClusterError, InputError
from crsrisk.executor import cluster_client
from crsrisk.model.distributed import grown_on
from crsrisk.model.features import load_config
from crsrisk.model.store import load_model
from crsrisk.studies.train import train
from crsrisk.studies.training_table import Training
from tests.cluster import local_cluster

CONFIG = load_config("boosting").replace(boosting_max_trees=20, n_folds=2)


def training_of(cohort: Cohort) -> Training:
    return Training(cohort.observed, cohort.outcomes, "toys", {}, "simulated")


def silent(_what: str, _n: int) -> Any:
    return lambda _done: None


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with local_cluster() as cluster:
        yield cluster.address


def test_its_distance_from_one_machine_is_told(
    cohort: Cohort, tmp_path: Path, address: str
) -> None:
    trained = train(
        training_of(cohort),
        config=CONFIG,
        seed=1,
        out=tmp_path / "model",
        is_tuned=False,
        track=None,
        begin=silent,
        n_refits=0,
        cluster=address,
    )
    far: Any = trained.facts.distributed
    assert far is not None
    assert far["n_workers"] == 2
    assert far["n_held_out"] == len(cohort.observed) - trained.facts.n_patients == 120
    assert 0 < far["mean_difference"] < far["largest_difference"] < 0.5
    assert abs(far["log_loss"] - far["log_loss_of_one_machine"]) < 0.1
    assert "lightgbm.dask on 2 workers; the same command gives other bytes" in trained.summary()
    assert load_model(tmp_path / "model").manifest["distributed"] == far


def test_a_fit_that_waits_too_long_for_another_is_told(address: str) -> None:
    import distributed as dask_distributed

    from crsrisk.model import distributed

    dask: Any = dask_distributed
    table, labels = np.zeros((20, 1)), np.arange(20.0) % 2
    with dask.Client(address, set_as_default=False) as other, cluster_client(address) as client:
        turn = dask.Lock(distributed._OF_LIGHTGBM, scheduler_rpc=other.scheduler, loop=other.loop)
        assert turn.acquire(timeout=5)
        with pytest.raises(ClusterError, match="another fit"):
            grown_on(client, table, labels, settings={}, n_rounds=1, names=["x"], patience_s=0.2)
        turn.release()


def test_a_start_of_one_machine_is_refused(cohort: Cohort, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leave --cluster out"):
        train(
            training_of(cohort),
            config=load_config("baseline"),
            seed=1,
            out=tmp_path / "model",
            is_tuned=False,
            track=None,
            begin=silent,
            cluster="tcp://127.0.0.1:1",
        )
