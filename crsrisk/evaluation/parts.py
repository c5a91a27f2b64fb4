"""Parts of the patients: by sex, age, tumour type, liver metastases, site, missing values, and any
column that somebody names.

Of very many patients a byte or two each is kept for every variable, whether they come at once or in
pieces; who is in a part is found when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crsrisk.data.disclosure import OTHERS, is_told

BoolArray = NDArray[np.bool_]

AGES = ((0, 65, "under 65 years"), (65, 75, "65 to 74 years"), (75, 200, "75 years or more"))
VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        "sex": "Sex",
        "age": "Age",
        "tumour_type": "Tumour type",
        "liver_metastases": "Liver metastases",
        "site": "Site",
        "missing": "Missing values",
    }
)
_SEX = ("women", "men")
_LIVER = ("with liver metastases", "without")


@dataclass(frozen=True, eq=False)
class Traits:
    """What parts patients. ``said``: variables whose parts are the same in every table; ``words``:
    those whose parts are the words of a column; ``n_missing``: missing values of each patient, None
    where no column can be missing.
    """

    said: Mapping[str, pd.Categorical]
    words: Mapping[str, pd.Categorical]
    n_missing: NDArray[np.uint8] | None

    @classmethod
    def of(
        cls,
        observed: pd.DataFrame,
        *,
        measured: Sequence[str],
        by: Mapping[str, NDArray[np.str_]] = MappingProxyType({}),
    ) -> Traits:
        """The traits of these patients; see :func:`parts_of`."""
        said: dict[str, pd.Categorical] = {}
        if "is_female" in observed:
            is_female = observed["is_female"].to_numpy(dtype=np.float64) == 1
            said["sex"] = _coded(np.where(is_female, 0, 1), _SEX)
        if "age_years" in observed:
            age = observed["age_years"].to_numpy(dtype=np.float64)
            place = np.full(age.size, -1)
            for number, (low, high, _) in enumerate(AGES):
                place[(age >= low) & (age < high)] = number
            said["age"] = _coded(place, [label for *_, label in AGES])
        if "has_liver_metastases" in observed:
            has = observed["has_liver_metastases"].to_numpy(dtype=np.float64)
            said["liver_metastases"] = _coded(
                np.where(has == 1, 0, np.where(has == 0, 1, -1)), _LIVER
            )
        words = {
            name: words_of(observed[name]) for name in ("tumour_type", "site") if name in observed
        }
        words |= {name: words_of(column) for name, column in by.items()}
        columns = [name for name in measured if name in observed]
        missing = observed[columns].isna().sum(axis=1).to_numpy(dtype=np.uint8) if columns else None
        return cls(said, words, missing)

    @classmethod
    def joined(cls, pieces: Sequence[Traits]) -> Traits:
        """The traits of the patients of all pieces, which have the same columns."""
        first = pieces[0]
        return cls(
            {
                name: joined_words([one.said[name] for one in pieces], keep=True)
                for name in first.said
            },
            {name: joined_words([one.words[name] for one in pieces]) for name in first.words},
            None
            if first.n_missing is None
            else np.concatenate([one.n_missing for one in pieces if one.n_missing is not None]),
        )


def _coded(places: NDArray[np.int64], labels: Iterable[str]) -> pd.Categorical:
    return pd.Categorical.from_codes(places.astype(np.int8), pd.Index(list(labels), dtype=object))


def words_of(column: Iterable[object]) -> pd.Categorical:
    """A column as words, each kept once, in alphabetical order.

    >>> words_of(["b", "a", "b"]).categories.tolist()
    ['a', 'b']
    """
    texts = np.array([str(word) for word in column], dtype=object)
    return pd.Categorical(texts, categories=sorted(set(texts.tolist())))


def joined_words(pieces: Sequence[pd.Categorical], *, keep: bool = False) -> pd.Categorical:
    """Words of several pieces, one after the other; ``keep``: their order as it is."""
    if keep:
        codes = np.concatenate([piece.codes for piece in pieces])
        return pd.Categorical.from_codes(codes, pieces[0].categories)
    words = sorted({word for piece in pieces for word in piece.categories})
    codes = np.concatenate([piece.set_categories(words).codes for piece in pieces])
    return pd.Categorical.from_codes(codes, pd.Index(words, dtype=object))


def group_places(groups: ArrayLike | pd.Categorical) -> NDArray[np.integer]:
    """The group of each patient as its place among the names of all in alphabetical order."""
    if isinstance(groups, pd.Categorical):
        return np.asarray(groups.codes)
    return np.unique(np.asarray(groups, dtype=str), return_inverse=True)[1]


class Parts(Mapping[str, BoolArray]):
    """Which patients are in each part of a variable, by label."""

    def __init__(self, places: NDArray[np.integer], parts: Mapping[str, Sequence[int]]) -> None:
        self._places, self._parts = places, dict(parts)

    def __getitem__(self, label: str) -> BoolArray:
        return np.isin(self._places, np.array(self._parts[label], dtype=self._places.dtype))

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)


def parts_of(
    observed: pd.DataFrame,
    *,
    measured: tuple[str, ...],
    by: Mapping[str, NDArray[np.str_]] = MappingProxyType({}),
) -> dict[str, Parts]:
    """Variable -> label -> which patients. ``measured``: columns whose gaps count as missing
    values. ``by``: further columns, by name, as words.

    Missing values part the patients into those with none, and two halves of the others by their
    number. Words of fewer than ten patients are taken together; a part of fewer is left out, and so
    is a variable whose column is absent.

    >>> women = [True] * 20 + [False] * 12
    >>> table = pd.DataFrame({"is_female": women, "crp_mg_l": [3.0, None] * 16})
    >>> {name: {label: int(rows.sum()) for label, rows in parts.items()}
    ...  for name, parts in parts_of(table, measured=("crp_mg_l",)).items()}
    {'sex': {'women': 20, 'men': 12}, 'missing': {'no value missing': 16, '1 value missing': 16}}
    """
    return parts_by(Traits.of(observed, measured=measured, by=by))


def parts_by(traits: Traits) -> dict[str, Parts]:
    """:func:`parts_of` for traits that were gathered."""
    groups: dict[str, tuple[NDArray[np.integer], dict[str, list[int]]]] = {}
    for name, said in traits.said.items():
        groups[name] = (said.codes, {str(one): [at] for at, one in enumerate(said.categories)})
    for name, words in traits.words.items():
        of_words = pooled_places(words)
        if name == "tumour_type":
            of_words = {label.replace("_", " "): places for label, places in of_words.items()}
        groups[name] = (words.codes, of_words)
    if traits.n_missing is not None:
        groups["missing"] = (traits.n_missing, _by_missing(traits.n_missing))
    order = ("sex", "age", "tumour_type", "liver_metastases", "site")
    found = {}
    for name in (
        *(one for one in order if one in groups),
        *(one for one in groups if one not in order),
    ):
        places, labelled = groups[name]
        sizes = np.bincount(places[places >= 0], minlength=1)
        told = {
            label: of
            for label, of in labelled.items()
            if is_told(int(sum(sizes[at] for at in of if at < sizes.size)))
        }
        if len(told) > 1:
            found[name] = Parts(places, told)
    return found


def pooled_places(words: pd.Categorical) -> dict[str, list[int]]:
    """The places of each word that ten patients or more have, and of all others together, in
    alphabetical order; an empty word is none.
    """
    sizes = np.bincount(words.codes[words.codes >= 0], minlength=len(words.categories))
    pooled: dict[str, list[int]] = {}
    for place, word in enumerate(words.categories):
        if sizes[place]:
            label = str(word) if word and is_told(int(sizes[place])) else OTHERS
            pooled.setdefault(label, []).append(place)
    return dict(sorted(pooled.items()))


def _by_missing(n_missing: NDArray[np.uint8]) -> dict[str, list[int]]:
    numbers, sizes = np.unique(n_missing, return_counts=True)
    parts = {"no value missing": [0]}
    is_some = numbers > 0
    if is_some.any():
        some, upto = numbers[is_some], np.cumsum(sizes[is_some])
        n = int(upto[-1])
        # as of the median of all patients with a missing value
        lower, upper = (
            int(some[np.searchsorted(upto, rank)]) for rank in ((n + 1) // 2, n // 2 + 1)
        )
        middle = int((lower + upper) / 2)
        for part in (some[some <= middle].tolist(), some[some > middle].tolist()):
            if part:
                span = f"{part[0]}" if len(part) == 1 else f"{part[0]} to {part[-1]}"
                parts[f"{span} value{'s' if span != '1' else ''} missing"] = part
    return parts
