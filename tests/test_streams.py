"""Random numbers: by (seed, decision, patient) and nothing else, and good enough to simulate with.

Statistical claims hold with a chance of a false alarm below 1e-6 each (|z| < 5, p > 1e-6); the
seeds are fixed.
"""

from __future__ import annotations

from hashlib import blake2b
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from crsrisk import streams

_MASK = (1 << 64) - 1
_Z = 5.0  # two-sided 6e-7
_N = 40_000


def philox_block(counter: int, key: tuple[int, int]) -> list[int]:
    """One block of Philox4x64-10, written from Salmon et al., SC 2011, without numpy."""
    c = [(counter >> (64 * k)) & _MASK for k in range(4)]
    k0, k1 = key
    for _ in range(10):
        high_0, low_0 = divmod(0xD2E7470EE14C6C93 * c[0], 1 << 64)
        high_1, low_1 = divmod(0xCA5A826395121157 * c[2], 1 << 64)
        c = [high_1 ^ c[1] ^ k0, low_1, high_0 ^ c[3] ^ k1, low_0]
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & _MASK, (k1 + 0xBB67AE8584CAA73B) & _MASK
    return c


def test_the_reference_generator_is_philox() -> None:
    """Known answer of the Random123 distribution (kat_vectors: philox4x64, 10 rounds, all zero)."""
    assert [f"{word:016x}" for word in philox_block(0, (0, 0))] == [
        "16554d9eca36314c",
        "db20fe9d672d0fdc",
        "d7e772cee186176b",
        "7e68b68aec7ba23b",
    ]


def test_a_patient_sits_at_a_fixed_place_of_the_stream() -> None:
    """Patient 17, six numbers wide, has blocks 34 and 35; numpy counts up by one before its first
    block.
    """
    digest = blake2b(b"5|traits", digest_size=16).digest()
    key = (int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little"))
    words = [*philox_block(35, key), *philox_block(36, key)][:6]
    drawn = streams.uniforms(seed=5, decision="traits", start=17, stop=18, width=6)[0]
    assert drawn.tolist() == [((word >> 12) + 0.5) * 2.0**-52 for word in words]


@given(
    start=st.integers(0, 10**9),
    n=st.integers(1, 40),
    inside=st.integers(0, 39),
    width=st.integers(1, 13),
    decision=st.text(max_size=12),
)
def test_the_same_patient_in_any_range(
    start: int, n: int, inside: int, width: int, decision: str
) -> None:
    row = inside % n
    for draw in (streams.uniforms, streams.normals):
        many = draw(seed=3, decision=decision, start=start, stop=start + n, width=width)
        one = draw(seed=3, decision=decision, start=start + row, stop=start + row + 1, width=width)
        assert many.shape == (n, width)
        assert np.array_equal(many[row], one[0])
    keys = streams.keys(seed=3, decision=decision, start=start, stop=start + n)
    assert (
        keys[row]
        == streams.keys(seed=3, decision=decision, start=start + row, stop=start + row + 1)[0]
    )


def test_the_order_of_calls_does_not_matter() -> None:
    def one(decision: str) -> list[float]:
        return streams.normals(seed=1, decision=decision, start=0, stop=5, width=3).ravel().tolist()

    there = {name: one(name) for name in ("a", "b", "c")}
    back = {name: one(name) for name in ("c", "b", "a")}
    assert there == back


def test_numbers_stay_inside_and_finite() -> None:
    u = streams.uniforms(seed=8, decision="x", start=0, stop=_N, width=4)
    assert u.min() > 0.0
    assert u.max() < 1.0
    assert np.isfinite(streams.normals(seed=8, decision="x", start=0, stop=_N, width=4)).all()


@pytest.mark.parametrize("word", [0, 2**64 - 1])
def test_the_extreme_words_give_neither_0_nor_1(word: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One word in 2^52 would else become an infinite normal number."""
    monkeypatch.setattr(streams, "_raw_words", lambda *_: np.full((1, 1), word, dtype=np.uint64))
    assert 0.0 < streams.uniforms(seed=1, decision="x", start=0, stop=1, width=1)[0, 0] < 1.0
    assert np.isfinite(streams.normals(seed=1, decision="x", start=0, stop=1, width=1)).all()


@pytest.mark.parametrize("width", [1, 3, 4, 12])
def test_uniform_numbers_are_uniform(width: int) -> None:
    u = streams.uniforms(seed=11, decision="moments", start=0, stop=_N, width=width).ravel()
    assert abs(u.mean() - 0.5) < _Z * np.sqrt(1 / 12 / u.size)
    # variance of (u - 1/2)^2 is 1/180
    assert abs(u.var() - 1 / 12) < _Z * np.sqrt(1 / 180 / u.size)
    assert kstest(u, "uniform").pvalue > 1e-6


@pytest.mark.parametrize("width", [1, 11])
def test_normal_numbers_are_normal(width: int) -> None:
    z = streams.normals(seed=12, decision="moments", start=0, stop=_N, width=width).ravel()
    assert abs(z.mean()) < _Z / np.sqrt(z.size)
    assert abs(z.var() - 1.0) < _Z * np.sqrt(2.0 / z.size)
    assert abs((z**3).mean()) < _Z * np.sqrt(15.0 / z.size)
    assert abs((z**4).mean() - 3.0) < _Z * np.sqrt(96.0 / z.size)
    assert kstest(z, "norm").pvalue > 1e-6


def test_decisions_seeds_places_and_neighbours_are_uncorrelated() -> None:
    columns = [
        streams.normals(seed=seed, decision=decision, start=0, stop=_N, width=2)[:, k]
        for seed, decision in ((1, "site"), (2, "site"), (1, "sites"), (1, "traits"))
        for k in (0, 1)
    ]
    # the last: the patient before
    table = np.column_stack([*(c[1:] for c in columns), columns[0][:-1]])
    r = np.corrcoef(table.T) - np.eye(table.shape[1])
    assert np.abs(r).max() < _Z / np.sqrt(len(table))


def test_seed_and_decision_are_not_confused() -> None:
    """Neither "1|2x" nor a shifted separator may lead to the same stream."""
    drawn = [
        streams.uniforms(seed=seed, decision=decision, start=0, stop=1, width=1)[0, 0]
        for seed, decision in ((1, "2x"), (12, "x"), (1, "2|x"), (-1, "x"), (0, ""))
    ]
    assert all(abs(a - b) > 1e-12 for a, b in pairwise(sorted(drawn)))


def test_keys_do_not_repeat() -> None:
    """Chance that 40,000 of 2^64 keys collide: 4e-11."""
    keys = streams.keys(seed=4, decision="measurement", start=0, stop=_N)
    assert keys.dtype == np.uint64
    assert len(np.unique(keys)) == _N
