"""How a good file is spoiled: bytes, lines, and what the grammar of YAML, JSON or CSV dislikes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Mutation = Callable[[bytes, np.random.Generator], bytes]

_MOST_BYTES = 4_000_000
_PLAIN_NUMBERS = (
    "1e300 1e400 -1e308 1e-300 .inf -.inf .nan NaN Infinity 0x7f 0o17 017 1_0_0 1e5 -0 1/3 12:30"
    " 9999999999999999999999999999 12:30:45.6 2026-02-30 1,234 1.234,5 \u0661\u0662 \uff11\uff12"
)
_LONG_NUMBERS = ("9" * 5000, "0." + "1" * 400, "1e" + "9" * 40)
_NUMBERS = [number.encode() for number in (*_PLAIN_NUMBERS.split(), *_LONG_NUMBERS)]
_WORDS = [
    b"yes", b"no", b"on", b"null", b"~", b"true", b"<<", b"*a", b"&a", b"&a [*a]", b"!!int x",
    b"!!bool maybe", b"!!binary ~", b"!!set {a, b}", b"!!omap [a: 1]", b"!!timestamp x",
    b"!!python/object/apply:os.system [id]", b"!foo bar", b"? [a, b]", b"[" * 60, b"[" * 20_000,
    b"{a: " * 60, b'{"a":' * 20_000, b"- " * 200, b"|\n", b">-\n", b"%YAML 9.9\n---\n", b"---\n",
    b"...\n", b'"\\ud800"', b'"\\x1b[2J"', b'"\\u202e"', b"\\N", b"\x00", b"\xff\xfe",
    b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\t", b"\r", "\u0085".encode(), "\u2028".encode(), b"'",
    b'"', b"#", b": ", b"=cmd|' /C calc'!A0", b"[]", b"{}", b'""', b",,,,", b";", b"a" * 70_000,
    b"\n" * 3_000,
]  # fmt: skip


def spoiled(good: bytes, rng: np.random.Generator) -> bytes:
    """The file after one to four mutations, of at most 4 MB."""
    for _ in range(int(rng.integers(1, 5))):
        mutation = _MUTATIONS[int(rng.integers(len(_MUTATIONS)))]
        good = mutation(good, rng)[:_MOST_BYTES]
    return good


def _at(good: bytes, rng: np.random.Generator) -> int:
    return int(rng.integers(len(good) + 1))


def _flip_bits(good: bytes, rng: np.random.Generator) -> bytes:
    made = bytearray(good)
    for _ in range(int(rng.integers(1, 9))):
        if made:
            made[int(rng.integers(len(made)))] ^= 1 << int(rng.integers(8))
    return bytes(made)


def _insert(good: bytes, rng: np.random.Generator) -> bytes:
    words = _WORDS if rng.random() < 0.6 else _NUMBERS
    at = _at(good, rng)
    return good[:at] + words[int(rng.integers(len(words)))] + good[at:]


def _delete(good: bytes, rng: np.random.Generator) -> bytes:
    start, stop = sorted((_at(good, rng), _at(good, rng)))
    return good[:start] + good[min(stop, start + int(rng.integers(1, 400))) :]


def _truncate(good: bytes, rng: np.random.Generator) -> bytes:
    return good[: _at(good, rng)]


def _repeat(good: bytes, rng: np.random.Generator) -> bytes:
    start = _at(good, rng)
    piece = good[start : start + int(rng.integers(1, 300))]
    return good[:start] + piece * int(rng.choice([2, 3, 50, 3000])) + good[start:]


def _swap_lines(good: bytes, rng: np.random.Generator) -> bytes:
    lines = good.split(b"\n")
    i, j = rng.integers(len(lines), size=2)
    lines[i], lines[j] = lines[j], lines[i]
    return b"\n".join(lines)


def _indent(good: bytes, rng: np.random.Generator) -> bytes:
    lines = good.split(b"\n")
    i = int(rng.integers(len(lines)))
    blank = b" " * int(rng.choice([1, 2, 7, 300]))
    lines[i] = blank + lines[i] if rng.random() < 0.6 else lines[i].lstrip()
    return b"\n".join(lines)


def _another_value(good: bytes, rng: np.random.Generator) -> bytes:
    """What stands behind a colon or a comma becomes something else."""
    marks = [i for i, byte in enumerate(good) if byte in b":,;"]
    if not marks:
        return _insert(good, rng)
    at = marks[int(rng.integers(len(marks)))] + 1
    ends = [good.find(end, at) for end in (b"\n", b",", b"}", b"]")]
    stop = min((end for end in ends if end >= 0), default=len(good))
    values = _NUMBERS if rng.random() < 0.5 else _WORDS
    return good[:at] + b" " + values[int(rng.integers(len(values)))] + good[stop:]


def _alias_bomb(good: bytes, rng: np.random.Generator) -> bytes:
    levels = int(rng.integers(2, 30))
    lines = [b"b0: &b0 [1, 2, 3]"]
    lines += [
        b"b%d: &b%d [%s]" % (k, k, b", ".join([b"*b%d" % (k - 1)] * 9)) for k in range(1, levels)
    ]
    return good + b"\n" + b"\n".join(lines) + b"\n"


_MUTATIONS: tuple[Mutation, ...] = (
    _flip_bits,
    _insert,
    _insert,
    _delete,
    _truncate,
    _repeat,
    _swap_lines,
    _indent,
    _another_value,
    _another_value,
    _another_value,
    _alias_bomb,
)
