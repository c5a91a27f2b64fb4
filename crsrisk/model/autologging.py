"""Autologging: whoever turned on ``mlflow.autolog()`` gets no runs of what happens inside a fit.

One model is many calls of LightGBM and scikit-learn (folds, refits, recalibration). Each of them
would be logged as a training of its own, or into the run that is open.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock

_LOCK = Lock()
_SWITCHED_OFF = ExitStack()
_inside = 0  # how many threads are in a fit


@contextmanager
def without_autologging() -> Iterator[None]:
    """Nothing is logged inside, in any thread; outside it is as it was. MLflow is not imported for
    it.

    MLflow's own switch is turned on again by the first that leaves, so those inside are counted.
    """
    global _inside
    with _LOCK:
        utils = sys.modules.get("mlflow.utils.autologging_utils")  # there once mlflow is
        if _inside == 0 and utils is not None:
            _SWITCHED_OFF.enter_context(utils.disable_autologging())
        _inside += 1
    try:
        yield
    finally:
        with _LOCK:
            _inside -= 1
            if _inside == 0:
                _SWITCHED_OFF.close()
