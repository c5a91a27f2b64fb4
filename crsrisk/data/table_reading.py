"""How a user's table is to be read, as far as he states it: names, units, codes, limits and times.

Nothing of it is guessed. It is stated with keywords or as text (options of a command, parameters of
a request), or in a mapping file that ``crsrisk table check --propose`` writes and a person
confirms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from crsrisk.data.table_files import AS_FOUND, Dialect
from crsrisk.data.yaml_files import read_yaml
from crsrisk.errors import InputError

Censored = Literal["refuse", "missing", "half", "limit"]
EVERY = ""  # as the name of a column: all of them

_KEYS = (
    "confirmed",
    "file",
    "rename",
    "units",
    "missing",
    "codes",
    "censored",
    "ignore",
    "ldh_upper_limit_u_l",
    "alt_upper_limit_u_l",
    "dose_time",
)
_DIALECT = ("sep", "decimal", "thousands", "encoding", "sheet")
_MARKS = {"decimal": (".", ","), "thousands": (",", ".", " ", "'")}
_FORMS = {"code": "sex:1=M,2=F", "rename": "YOURS=OURS", "unit": "COLUMN=UNIT"}


@dataclass(frozen=True, kw_only=True)
class TableReading:
    """What is stated about a table. Columns are named as in the file, or as they are known here.

    Parameters
    ----------
    rename : the file's own names of columns: ``{"CRP_BASE": "crp [mg/dL]"}``.
    units : unit of a column whose name has none: ``{"crp": "mg/dL"}``.
    missing : by column (``""``: every one) the texts that stand for a missing value.
    codes : by column what its codes stand for: ``{"sex": {"1": "M", "2": "F"}}``.
    censored : by column (``""``: every one) what becomes of values such as "<5" and ">1000":
        ``refuse`` the row, ``missing``, ``half`` of a lower limit (an upper one as it is), or the
        ``limit`` itself.
    ignore : columns of the file that are not read.
    ldh_upper_limit_u_l, alt_upper_limit_u_l : the laboratory's upper limit, where the table has no
        column of it.
    dose_time : the column with date and time of the first dose.
    refuse_unreadable : a laboratory value that cannot be read costs the row, not the cell alone.
    dialect : how the file is written.

    Examples
    --------
    >>> import pandas as pd
    >>> from crsrisk.data.tables import read_patients
    >>> mine = pd.DataFrame({"patient_id": [1, 2], "CRPBL": ["<5", "ND"]})
    >>> stated = TableReading(
    ...     rename={"CRPBL": "crp [mg/L]"}, missing={"": ("ND",)}, censored={"crp": "half"}
    ... )
    >>> read_patients(mine, reading=stated, columns=["crp_mg_l"]).frame["crp_mg_l"].tolist()
    [2.5, nan]
    """

    rename: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    censored: Mapping[str, Censored] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    ldh_upper_limit_u_l: float | None = None
    alt_upper_limit_u_l: float | None = None
    dose_time: str | None = None
    refuse_unreadable: bool = False
    dialect: Dialect = AS_FOUND

    def __post_init__(self) -> None:
        for name, rule in self.censored.items():
            if rule not in get_args(Censored):
                raise InputError(
                    where="reading",
                    key=f"--censored {name}".strip(),
                    found=repr(rule),
                    expected=" or ".join(get_args(Censored)),
                    cure="choose one of these",
                )


AS_NAMED = TableReading()


def read_mapping(path: str | Path) -> TableReading:
    """A mapping file: what ``crsrisk table check --propose`` wrote, once a person has confirmed it.

    Raises
    ------
    InputError
        For a file that says ``confirmed: false``, an unknown key, or a value of another kind.
    """
    path = Path(path)
    tree = read_yaml(path)
    _refuse_unknown(tree, _KEYS, where=str(path))
    if tree.get("confirmed") is not True:
        raise InputError(
            where=str(path),
            key="confirmed",
            found=repr(tree.get("confirmed", "nothing")),
            expected="true, once a person has looked at every line",
            cure="compare each line with the laboratory's own description of the table",
        )
    dialect = _part(tree, "file", where=str(path))
    _refuse_unknown(dialect, _DIALECT, where=f"{path}, file")
    rules: Any = _texts(tree, "censored", where=str(path))  # checked where it is made
    stated: Any = {name: str(value) for name, value in dialect.items()}
    return TableReading(
        rename=_texts(tree, "rename", where=str(path)),
        units=_texts(tree, "units", where=str(path)),
        missing={
            "" if name == "every column" else name: tuple(map(str, texts))
            for name, texts in _part(tree, "missing", where=str(path)).items()
        },
        codes={
            name: {str(code): str(word) for code, word in words.items()}
            for name, words in _part(tree, "codes", where=str(path)).items()
        },
        censored={"" if name == "every column" else name: rule for name, rule in rules.items()},
        ignore=tuple(map(str, tree.get("ignore") or ())),
        dose_time=tree.get("dose_time"),
        dialect=Dialect(**stated),
        ldh_upper_limit_u_l=_number(tree, "ldh_upper_limit_u_l", where=str(path)),
        alt_upper_limit_u_l=_number(tree, "alt_upper_limit_u_l", where=str(path)),
    )


def stated_reading(
    *,
    where: str,
    dash: str = "",
    unit: Iterable[str] = (),
    rename: Iterable[str] = (),
    missing: Iterable[str] = (),
    code: Iterable[str] = (),
    censored: Iterable[str] = (),
    ignore: Iterable[str] = (),
    ldh_upper_limit: float | None = None,
    dose_time: str | None = None,
    refuse_unreadable: bool = False,
    **dialect: str | None,
) -> TableReading:
    """What is stated about a table as text: options of a command, parameters of a request.

    Parameters
    ----------
    where, dash : who is told of a text that does not fit, and what stands before an option's name.
    unit, rename : ``"crp=mg/dL"``, ``"CRP_BASE=crp_mg_l"``.
    missing, censored : a code or a rule, for every column or one: ``"ND"``, ``"crp=999"``.
    code : ``"sex:1=M,2=F"``.
    ignore, ldh_upper_limit, dose_time, refuse_unreadable : as in :class:`TableReading`.
    dialect : fields of :class:`crsrisk.data.table_files.Dialect`.

    Examples
    --------
    >>> stated = stated_reading(where="request", missing=["ND", "crp=999"], code=["sex:1=M,2=F"])
    >>> stated.missing, stated.codes
    ({'': ('ND',), 'crp': ('999',)}, {'sex': {'1': 'M', '2': 'F'}})
    """
    of_missing: dict[str, tuple[str, ...]] = {}
    for column, value in map(_column_and_value, missing):
        of_missing[column] = (*of_missing.get(column, ()), value)
    for name, known in _MARKS.items():
        _one_of(dialect.get(name), known, where=where, option=f"{dash}{name}")
    file: Any = dialect
    rules: Any = dict(map(_column_and_value, censored))  # checked where it is made
    return TableReading(
        units=pairs_in(unit, where=where, option=f"{dash}unit"),
        rename=pairs_in(rename, where=where, option=f"{dash}rename"),
        missing=of_missing,
        codes=_codes_in(code, where=where, option=f"{dash}code"),
        censored=rules,
        ignore=tuple(ignore),
        ldh_upper_limit_u_l=ldh_upper_limit,
        dose_time=dose_time,
        refuse_unreadable=refuse_unreadable,
        dialect=Dialect(**file),
    )


def pairs_in(texts: Iterable[str], *, where: str, option: str) -> dict[str, str]:
    """``name=value`` texts as a dictionary."""
    pairs = {}
    for text in texts:
        left, mark, right = text.partition("=")
        if not (left.strip() and mark and right.strip()):
            form = _FORMS.get(option.lstrip("-"), "name=value")
            raise _no_pairs(text, where=where, option=option, form=form)
        pairs[left.strip()] = right.strip()
    return pairs


def _codes_in(texts: Iterable[str], *, where: str, option: str) -> dict[str, dict[str, str]]:
    codes: dict[str, dict[str, str]] = {}
    for text in texts:
        column, mark, pairs = text.rpartition(":")
        if not mark or not column:
            raise _no_pairs(text, where=where, option=option, form="COLUMN:CODE=WORD,CODE=WORD")
        words = [pair for pair in pairs.split(",") if pair]
        codes.setdefault(column.strip(), {}).update(pairs_in(words, where=where, option=option))
    return codes


def _column_and_value(text: str) -> tuple[str, str]:
    """``column=value``, or a value for every column."""
    left, mark, right = text.rpartition("=")
    return (left.strip(), right.strip()) if mark else ("", text.strip())


def _one_of(text: str | None, known: tuple[str, ...], *, where: str, option: str) -> None:
    if text is not None and text not in known:
        raise InputError(
            where=where,
            key=option,
            found=repr(text),
            expected=" or ".join(map(repr, known)),
            cure="write the sign alone",
        )


def _no_pairs(text: str, *, where: str, option: str, form: str) -> InputError:
    example = _FORMS.get(option.lstrip("-"), form)
    return InputError(
        where=where,
        key=option,
        found=text,
        expected=form,
        cure=f"write it as in {option} {example}",
    )


def joined(first: TableReading, second: TableReading) -> TableReading:
    """What a mapping file states, and options beside it, which go before it."""
    dialect = {
        name: getattr(second.dialect, name) or getattr(first.dialect, name) for name in _DIALECT
    }
    both: dict[str, Any] = {
        name: {**getattr(first, name), **getattr(second, name)}
        for name in ("rename", "units", "missing", "codes", "censored")
    }
    for name in ("ldh_upper_limit_u_l", "alt_upper_limit_u_l", "dose_time"):
        later = getattr(second, name)
        both[name] = getattr(first, name) if later is None else later
    return replace(
        first,
        **both,
        ignore=(*first.ignore, *second.ignore),
        refuse_unreadable=first.refuse_unreadable or second.refuse_unreadable,
        dialect=Dialect(**dialect),
    )


def _refuse_unknown(tree: Mapping[str, Any], known: tuple[str, ...], *, where: str) -> None:
    for key in tree:
        if key not in known:
            raise InputError(
                where=where,
                key=str(key),
                found="an unknown key",
                expected=f"one of {', '.join(known)}",
                cure="correct the name, or remove the line",
            )


def _part(tree: Mapping[str, Any], key: str, *, where: str) -> Mapping[str, Any]:
    part = tree.get(key) or {}
    if not isinstance(part, Mapping):
        raise InputError(
            where=where,
            key=key,
            found=repr(part)[:60],
            expected="names and what is stated of each",
            cure="write one name a line below it",
        )
    return part


def _texts(tree: Mapping[str, Any], key: str, *, where: str) -> dict[str, str]:
    return {str(name): str(text) for name, text in _part(tree, key, where=where).items()}


def _number(tree: Mapping[str, Any], key: str, *, where: str) -> float | None:
    value = tree.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(
            where=where, key=key, found=repr(value), expected="a number", cure="write it in U/L"
        )
    return float(value)
