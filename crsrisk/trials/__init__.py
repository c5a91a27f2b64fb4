"""Trial statistics: how many patients, when a trial may stop, what it showed, whom to treat.

Every function is found here under one name and imported when it is first used:

>>> from crsrisk import trials
>>> trials.sample_size_two_proportions(0.125, 0.25, power=0.8).n_per_arm_ceil
152

The types are declared beside this file, in ``__init__.pyi``. The trials of a design file are
simulated by :func:`crsrisk.run_trial`.
"""

from __future__ import annotations

from crsrisk.lazy import attach_stub

__getattr__, __dir__ = attach_stub(__name__, __file__)
