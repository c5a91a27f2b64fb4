"""Distributed fit: trees that start from the mean, grown on the workers of a Dask cluster.

LightGBM sums histograms in the order in which its workers answer, and cuts bins on the rows that
each happens to hold. So two such fits of the same patients differ, and both differ from the fit of
one machine: similar risks, other bytes. How far apart they are is measured in patients that neither
has seen. Two fits at once on the same workers can wait for each other for ever; so one waits for
the other, and none longer than it is told to.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from threading import Thread
from typing import Any, TypeAlias

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from crsrisk.errors import ClusterError
from crsrisk.model.autologging import without_autologging

Floats: TypeAlias = NDArray[np.float64]

PATIENCE_S = 3600  # for the fit before this one, and for this one
_OF_LIGHTGBM = "crsrisk: one fit of LightGBM at a time"


def grown_on(
    client: Any,
    table: Floats,
    labels: Floats,
    *,
    settings: Mapping[str, Any],
    n_rounds: int,
    names: Sequence[str],
    sample_weight: Floats | None = None,
    patience_s: float = PATIENCE_S,
) -> tuple[lgb.Booster, int]:
    """A booster that the workers of a cluster have grown from the mean, and how many workers.

    Parameters
    ----------
    client : of the cluster.
    table : rows x columns, NaN where missing; every worker gets an equal share of the rows.
    labels : array (rows,) of 0 and 1.
    settings : of LightGBM.
    n_rounds : of boosting.
    names : of the columns.
    sample_weight : array (rows,), optional.
    patience_s : seconds that are waited for another fit, and then for this one.

    Raises
    ------
    ClusterError
        Where either does not come to an end in time, or a worker is lost.
    """
    import dask.array
    import distributed

    workers = sorted(client.scheduler_info(n_workers=-1)["workers"])
    scheduled: Any = distributed
    turn = scheduled.Lock(_OF_LIGHTGBM, scheduler_rpc=client.scheduler, loop=client.loop)
    if not turn.acquire(timeout=patience_s):
        raise _too_long("another fit of LightGBM that does not end", patience_s)
    try:
        share = -(-len(table) // len(workers))

        def spread(values: NDArray[Any]) -> Any:
            chunks = (share, *values.shape[1:])
            arrays: Any = dask.array
            return client.persist(arrays.from_array(values, chunks=chunks), workers=workers)

        learner = lgb.DaskLGBMClassifier(
            client=client, n_estimators=n_rounds, **_as_scikit_learn(settings)
        )
        given = {} if sample_weight is None else {"sample_weight": spread(sample_weight)}
        failed: list[BaseException] = []

        def fit() -> None:
            try:
                with without_autologging(), client.as_current():
                    learner.fit(spread(table), spread(labels), feature_name=list(names), **given)
            except Exception as problem:
                failed.append(problem)

        fitting = Thread(target=fit, daemon=True)
        with warnings.catch_warnings():
            # of the number of threads, which each worker takes from Dask
            warnings.filterwarnings("ignore", "Parameter .* will be ignored")
            fitting.start()
            fitting.join(patience_s)
        if fitting.is_alive():
            raise _too_long("a fit of LightGBM that does not end", patience_s)
        if failed:
            raise ClusterError(
                where="cluster",
                found=f"a fit of LightGBM that failed: {failed[0]}",
                expected="workers that live until the end and reach each other",
                cure="see that they have memory enough and open ports, and run the command again",
            ) from failed[0]
        return learner.booster_, len(workers)
    finally:
        turn.release()


def _as_scikit_learn(settings: Mapping[str, Any]) -> dict[str, Any]:
    """LightGBM's settings under the names that its scikit-learn interface sets itself."""
    renamed = {
        "lambda_l2": "reg_lambda",
        "min_data_in_leaf": "min_child_samples",
        "seed": "random_state",
    }
    return {
        renamed.get(name, name): value for name, value in settings.items() if name != "num_threads"
    }


def _too_long(found: str, patience_s: float) -> ClusterError:
    return ClusterError(
        where="cluster",
        found=f"{found} within {patience_s:g} s",
        expected="an end",
        cure="start the workers again, which ends what hangs, and run the command again",
    )


def distance(
    here: Floats, there: Floats, y_true: NDArray[np.int64], *, n_workers: int
) -> dict[str, Any]:
    """How far risks of two fits are apart in patients that neither has seen.

    >>> far = distance(np.array([0.2, 0.5]), np.array([0.3, 0.5]), np.array([0, 1]), n_workers=2)
    >>> round(far["largest_difference"], 3), round(far["mean_difference"], 3)
    (0.1, 0.05)
    """
    apart = np.abs(here - there)
    logs = [-np.where(y_true > 0, np.log(risk), np.log1p(-risk)).mean() for risk in (here, there)]
    return {
        "library": "lightgbm.dask",
        "n_workers": n_workers,
        "n_held_out": len(y_true),
        "largest_difference": float(apart.max()),
        "mean_difference": float(apart.mean()),
        "log_loss": float(logs[1]),
        "log_loss_of_one_machine": float(logs[0]),
    }
