"""mlflow.autolog() logs nothing of what happens inside a fit, and as much as before outside."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import lightgbm as lgb
import mlflow
import numpy as np
import pytest

from crsrisk.model.autologging import without_autologging
from crsrisk.model.comparators import IndexLogistic
from crsrisk.model.features import ModelConfig
from crsrisk.model.fit import fit
from crsrisk.model.update import update

Toy = Any


@pytest.fixture
def client(tmp_path: Path) -> Any:
    """MLflow with everything logged of its own accord."""
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    mlflow.set_experiment("own")
    mlflow.autolog(silent=True, log_models=False)
    yield mlflow.MlflowClient()
    mlflow.autolog(disable=True, silent=True)
    mlflow.set_tracking_uri(None)


def n_runs(client: Any) -> int:
    return len(client.search_runs([mlflow.get_experiment_by_name("own").experiment_id]))


def boost() -> None:
    X = np.random.default_rng(0).normal(size=(60, 2))
    data = lgb.Dataset(X, (X[:, 0] > 0).astype(int), params={"verbosity": -1})
    lgb.train({"objective": "binary", "verbosity": -1, "num_threads": 1}, data, 2)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of mlflow, about versions of the libraries it patches
def test_a_fit_adds_no_run(client: Any, toy: Toy, config: ModelConfig) -> None:
    few, outcomes = toy.observed.head(300), toy.outcomes.head(300)
    model = fit(few, outcomes, config=config, seed=1)
    y = outcomes[config.outcome].to_numpy(dtype=float)
    update(model, few, y=y, method="offset boosting")
    IndexLogistic(score="easix").fit(few, y.astype(int))
    assert n_runs(client) == 0
    boost()  # outside a fit autologging works as ever: the test could fail
    assert n_runs(client) == 1


def test_it_stays_off_until_the_last_thread_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow.utils.autologging_utils as utils

    is_in, may_leave = threading.Event(), threading.Event()

    def inside() -> None:
        with without_autologging():
            is_in.set()
            may_leave.wait(10)

    thread = threading.Thread(target=inside)
    with without_autologging():
        thread.start()
        is_in.wait(10)
    assert utils._AUTOLOGGING_GLOBALLY_DISABLED
    may_leave.set()
    thread.join()
    assert not utils._AUTOLOGGING_GLOBALLY_DISABLED
