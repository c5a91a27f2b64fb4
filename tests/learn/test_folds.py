"""Folds: nobody is judged by trees that saw his copy, and without groups everything is as it was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold

from crsrisk.learn.folds import cut_folds, fold_units


@given(
    labels=st.lists(st.booleans(), min_size=40, max_size=80), drawn=st.integers(0, 2**31 - 1),
    n_folds=st.integers(2, 4))
@settings(max_examples=60)
def test_copies_stay_together_and_everybody_is_held_out_once(labels: list[bool], drawn: int, n_folds: int) -> None:
    happened = np.array([*labels, *[True, False] * 8])
    rows = np.random.default_rng(drawn).integers(0, len(happened), len(happened))
    rows = np.concatenate([rows, np.arange(len(labels), len(happened))])  # enough different patients of both kinds
    folds = list(cut_folds(happened[rows], rows, n_folds=n_folds, seed=3))
    assert sorted(np.concatenate([held for _, held in folds]).tolist()) == list(range(len(rows)))
    for fitted, held in folds:
        assert not set(rows[fitted]) & set(rows[held])
        assert len(fitted) + len(held) == len(rows)
        assert set(happened[rows][fitted]) == {True, False}


def test_a_group_for_every_row_is_no_groups_and_that_is_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    labels, names = rng.integers(0, 2, 200), rng.permutation(200)
    plain, named = (list(cut_folds(labels, groups, n_folds=5, seed=7)) for groups in (None, names))
    theirs = StratifiedKFold(5, shuffle=True, random_state=7).split(labels, labels)
    for ours, same, other in zip(plain, named, theirs, strict=True):
        assert all(np.array_equal(a, b) and np.array_equal(a, c) for a, b, c in zip(ours, same, other, strict=True))


def test_folds_share_the_events_among_them() -> None:
    """A group with any event counts as one: 30 of 120 groups of two rows."""
    groups = np.repeat(np.arange(120), 2)
    labels = np.zeros(240)
    labels[:60:2] = 1
    assert fold_units(labels, groups)[0].sum() == 30
    assert [labels[held].sum() for _, held in cut_folds(labels, groups, n_folds=5, seed=0)] == [6] * 5


def test_groups_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="3 rows, groups of shape"):
        fold_units([0, 1, 0], [1, 2])
