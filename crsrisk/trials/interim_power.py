"""Whether a trial under way will end well: conditional power, for an effect that is assumed, and
predictive power, averaged over what the data and a prior leave possible.

Both rest on the B-value B(t) = z sqrt(t), which at information share t is normal with mean drift x
t and variance t, with independent increments; the drift is the z that is expected at the end.
"""

from __future__ import annotations

from math import sqrt

from scipy.special import ndtr, ndtri

from crsrisk.errors import InputError
from crsrisk.trials.checks import choice, one_sided_alpha, positive, real

WHERE = "power of a trial under way"


def conditional_power(
    z: float,
    *,
    info: float,
    drift: float | str = "trend",
    final_z: float | None = None,
    alpha_one_sided: float = 0.025,
) -> float:
    """Probability that the last analysis reaches its bound, given the z of an interim look.

    Parameters
    ----------
    z : statistic at the look, positive when it favours the claim.
    info : share of the information (of the patients) at the look, above 0 and below 1.
    drift : z that is expected at the end. "trend": what is seen so far goes on, z / sqrt(info);
        "null": no effect; or a number, z_alpha + z_beta where the effect is that of the design.
    final_z : bound of the last analysis; the normal quantile of the level where none is given.
    alpha_one_sided : the level that this quantile belongs to.

    Returns
    -------
    float
        Looks between are not counted on: none stops.

    Raises
    ------
    InputError
        For a share that is none, or another word for the drift.

    References
    ----------
    Lan & Wittes, Biometrics 1988;44:579; Proschan, Lan & Wittes, Statistical Monitoring of Clinical
    Trials, 2006, ch. 3.

    Examples
    --------
    >>> round(conditional_power(1.0, info=0.5), 3)
    0.22
    >>> round(conditional_power(1.0, info=0.5, drift="null"), 3)
    0.038
    """
    share, seen = _share(info), real(z, where=WHERE, key="z")
    bound = _bound(final_z, alpha_one_sided)
    if isinstance(drift, str):
        word = choice(drift, options=("trend", "null"), where=WHERE, key="drift")
        expected = seen / sqrt(share) if word == "trend" else 0.0
    else:
        expected = real(drift, where=WHERE, key="drift")
    so_far, to_come = seen * sqrt(share), 1 - share
    return float(ndtr((so_far + expected * to_come - bound) / sqrt(to_come)))


def predictive_power(
    z: float,
    *,
    info: float,
    prior_drift: float | None = None,
    prior_sd: float | None = None,
    final_z: float | None = None,
    alpha_one_sided: float = 0.025,
) -> float:
    """Conditional power averaged over the drift that the data so far and a normal prior leave
    possible.

    Parameters
    ----------
    z, info, final_z, alpha_one_sided : see :func:`conditional_power`.
    prior_drift, prior_sd : mean and standard deviation of the z that is expected at the end, before
        the data; a flat prior where neither is given.

    Returns
    -------
    float

    Raises
    ------
    InputError
        For a share that is none, or one of mean and standard deviation without the other.

    References
    ----------
    Spiegelhalter, Freedman & Blackburn, Control Clin Trials 1986;7:8; Dmitrienko & Wang, Stat Med
    2006;25:2178.

    Examples
    --------
    >>> round(predictive_power(1.0, info=0.5), 3)
    0.293
    >>> round(predictive_power(1.0, info=0.5, prior_drift=0.0, prior_sd=1.0), 3)
    0.106
    """
    share, seen = _share(info), real(z, where=WHERE, key="z")
    bound = _bound(final_z, alpha_one_sided)
    if (prior_drift is None) != (prior_sd is None):
        raise InputError(
            where=WHERE,
            key="prior_sd",
            found="one of prior_drift and prior_sd",
            expected="both, or neither for a flat prior",
            cure="state mean and standard deviation of the z that is expected at the end",
        )
    precision, weighted = 0.0, 0.0
    if prior_drift is not None and prior_sd is not None:
        precision = 1 / positive(prior_sd, where=WHERE, key="prior_sd") ** 2
        weighted = precision * real(prior_drift, where=WHERE, key="prior_drift")
    so_far, to_come = seen * sqrt(share), 1 - share
    drift, variance = (weighted + so_far) / (precision + share), 1 / (precision + share)
    spread = sqrt(to_come + to_come**2 * variance)
    return float(ndtr((so_far + drift * to_come - bound) / spread))


def _share(info: float) -> float:
    share = real(info, where=WHERE, key="info")
    if not 0 < share < 1:
        raise InputError(
            where=WHERE,
            key="info",
            found=info,
            expected="a share above 0 and below 1",
            cure="divide the patients whose outcome is known by those planned",
        )
    return share


def _bound(final_z: float | None, alpha: float) -> float:
    if final_z is not None:
        return real(final_z, where=WHERE, key="final_z")
    return float(ndtri(1 - one_sided_alpha(alpha, where=WHERE)))
