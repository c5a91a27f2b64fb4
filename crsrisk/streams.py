"""Random numbers by (seed, decision, patient), never by call order.

Patient 17 is the same patient in a cohort of a hundred or a million, in one chunk or fifty, with
one worker or two, because his numbers sit at fixed places of a counter-based generator (numpy's
Philox): the seed and the name of the decision choose the stream, the patient's number chooses the
place in it. Two arms of one patient draw the same numbers for every decision that the arms share.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

_WORDS_PER_COUNTER = 4  # one step of Philox4x64 yields four 64-bit words


def _raw_words(seed: int, decision: str, start: int, stop: int, width: int) -> NDArray[np.uint64]:
    """``width`` 64-bit words for each patient in ``[start, stop)``, shape (stop - start, width)."""
    counters = -(-width // _WORDS_PER_COUNTER)
    digest = hashlib.blake2b(f"{seed}|{decision}".encode(), digest_size=16).digest()
    key = np.frombuffer(digest, dtype=np.uint64)
    bits = np.random.Philox(key=key, counter=start * counters)
    words = bits.random_raw((stop - start) * counters * _WORDS_PER_COUNTER)
    return words.reshape(stop - start, counters * _WORDS_PER_COUNTER)[:, :width]


def uniforms(*, seed: int, decision: str, start: int, stop: int, width: int) -> NDArray[np.float64]:
    """Uniform numbers in (0, 1) for patients ``start`` to ``stop - 1``, shape (stop - start,
    width).

    >>> a = uniforms(seed=1, decision="site", start=0, stop=100, width=3)
    >>> b = uniforms(seed=1, decision="site", start=17, stop=18, width=3)
    >>> bool((a[17] == b[0]).all())
    True
    """
    words = _raw_words(seed, decision, start, stop, width)
    return ((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52  # never 0, never 1


def normals(*, seed: int, decision: str, start: int, stop: int, width: int) -> NDArray[np.float64]:
    """Standard normal numbers for patients ``start`` to ``stop - 1`` (inverse of the normal
    distribution).
    """
    return np.asarray(
        ndtri(uniforms(seed=seed, decision=decision, start=start, stop=stop, width=width))
    )


def keys(*, seed: int, decision: str, start: int, stop: int) -> NDArray[np.uint64]:
    """One 64-bit key a patient, from which the compiled kernel derives measurement noise tick by
    tick.
    """
    return np.ascontiguousarray(_raw_words(seed, decision, start, stop, 1)[:, 0])
