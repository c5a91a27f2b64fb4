"""Consequences: what suppressing the immune answer may cost, serious infection and lost tumour
response.

Neither is part of the mechanism of CRS. Both are stated assumptions
(``synthetic/assumptions/consequences.yaml``): a hazard of infection that rises while an immune node
is blocked, and log odds of response that may or may not follow T-cell activation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

Values = NDArray[np.float64]


def share_blocked(amount: Values, half_effect: float, maximal: float) -> Values:
    """Share of a node that an agent blocks at an amount in usual doses.

    >>> share_blocked(np.array([0.0, 1.0]), 1.0, 0.8).tolist()
    [0.0, 0.4]
    """
    return np.asarray(maximal * amount / (half_effect + amount))


def blocked_together(one: Values, other: Values) -> Values:
    """Share of a node that two agents block when they act independently of each other."""
    return np.asarray(1.0 - (1.0 - one) * (1.0 - other))


def infection_risk(usual_risk: float, hazard_ratio: Values) -> Values:
    """Risk of a serious infection in the window of ``usual_risk``, under a mean hazard ratio over
    that window.

    >>> infection_risk(0.19, np.array([0.0, 1.0, 2.0])).round(4).tolist()
    [0.0, 0.19, 0.3439]
    """
    return np.asarray(1.0 - (1.0 - usual_risk) ** hazard_ratio)


def response_risk(
    usual_rate: float, log_odds_per_log_activation: float, log_activation: Values
) -> Values:
    """Chance of a tumour response when T-cell activation is ``log_activation`` above that of a
    typical patient.

    >>> response_risk(0.5, 0.0, np.array([-1.0, 1.0])).tolist()
    [0.5, 0.5]
    """
    return np.asarray(expit(logit(usual_rate) + log_odds_per_log_activation * log_activation))
