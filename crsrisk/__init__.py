"""Synthetic cohorts of cytokine release syndrome in solid tumours, and explained risk models
trained on them.

Research software: the patients are simulated, and no model here has been validated on real ones.

One import does the main job: simulate, split, fit, predict, check, explain, evaluate, compare with
the true risk, save and load. Statistics of trials are in :mod:`crsrisk.trials`. The names are listed
with their types in ``__init__.pyi`` and imported when first used, so that ``import crsrisk`` is
instant and loads no scientific library:

>>> import crsrisk as crs
>>> crs.InputError.__module__
'crsrisk.errors'
"""

from __future__ import annotations

from typing import Any

from crsrisk.lazy import attach_stub

_get, __dir__ = attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name != "__version__":
        return _get(name)
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("crsrisk")
    except PackageNotFoundError:  # a bare source tree on the path, not installed
        return "0.0.0+source"
