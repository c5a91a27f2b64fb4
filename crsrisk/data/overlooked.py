"""What would be overlooked in a table: that it has one row a value or an event, columns of units
and upper limits that belong to no column that is read, and usual names of a column that the table
has not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from crsrisk.data.cells import texts_of
from crsrisk.data.columns import (
    LIMIT_WORDS,
    UNIT_WORDS,
    Recognised,
    header_parts,
    plain_header,
)
from crsrisk.data.header_words import propose
from crsrisk.data.table_files import SourceTable
from crsrisk.data.table_reading import TableReading
from crsrisk.errors import InputError
from crsrisk.fields import Field
from crsrisk.units import accepts_unit

_LONG_NAMES = frozenset(  # of a table with one row a value: what was measured, and the value
    {"param", "paramcd", "testcd", "test", "testname", "analyte", "component", "labtest", "labname"}
    | {"lbtestcd", "lbtest", "vstestcd", "vstest", "measurementconceptid", "measurementsourcevalue"}
    | {"variable", "parameter", "itemid", "loinc", "loinccode", "code", "observation", "concept"}
    | {"fieldname", "field", "measurement", "labcode", "testcode", "paramname", "laborparameter"}
    | {"analyt", "messgroesse", "conceptname", "itemname", "labcomponent", "measure"}
)
_LONG_VALUES = frozenset(
    {"aval", "avalc", "value", "values", "result", "results", "valuenum", "valueasnumber"}
    | {"lbstresn", "lbstresc", "lborres", "vsstresn", "vsstresc", "vsorres", "stresn", "orres"}
    | {"valuequantity", "valuesourcevalue", "labvalue", "numericvalue", "resultvalue"}
    | {"wert", "messwert", "ergebnis", "ordvalue", "resultnumeric", "measuredvalue"}
)
_EVENTS = frozenset(  # of a table with one row an event, a drug or a diagnosis
    {"aeterm", "aedecod", "mhterm", "mhdecod", "cmtrt", "cmdecod", "prterm", "ceterm", "cedecod"}
    | {"conditionconceptid", "drugconceptid", "procedureconceptid", "visitconceptid"}
)
_VISITS = frozenset({"redcapeventname", "redcaprepeatinstrument", "redcaprepeatinstance"})
MOST_UNITS = 12  # different words in a column of units
_OF_VALUES = frozenset({"x", "times", "xuln", "ratio"})  # ast_x_uln holds values, no limits


def refuse_long(source: SourceTable, *, has_times: bool = False) -> None:
    """Refuse a table with one row a value, an event or a visit, as CDISC, OMOP, REDCap and many
    exports have it. ``has_times``: a registry, which has a row a time point.
    """
    plain = {plain_header(str(name)): str(name) for name in source.cells.columns}
    name = next((plain[one] for one in plain if one in _LONG_NAMES), None)
    value = next((plain[one] for one in plain if one in _LONG_VALUES), None)
    event = next((plain[one] for one in plain if one in _EVENTS), None)
    visit = next((plain[one] for one in plain if one in _VISITS), None)
    if name is not None and value is not None:
        key, what = f"{name}, {value}", "a long table: one row a value"
    elif event is not None:
        key, what = event, "a table of events: one row an event"
    elif visit is not None and not has_times and len(set(texts_of(source.cells[visit])) - {""}) > 1:
        key, what = visit, "a table of visits: one row a patient and visit"
    else:
        return
    raise InputError(
        where=source.where,
        key=key,
        found=what,
        expected="one row a patient (in a registry: one a patient and time point), with a"
        " column for each quantity",
        cure=(
            "make a wide table of it, each quantity in a column with its unit; before a"
            " prediction the last value before the first dose"
        ),
    )


def refuse_overlooked(
    source: SourceTable, found: Recognised, *, how: TableReading, fields: Mapping[str, Field]
) -> None:
    """Refuse a column of units, or of upper limits, that belongs to no column that is read.

    One that stands beside an unread column of its own name (``sodium``, ``sodium_unit``) is left.
    """
    for name in found.unused:
        text = how.rename.get(name, name)
        if _has_owner(text, [one for one in found.unused if one != name]):
            continue
        if _are_units(source, name, text, fields):
            raise _overlooked(source, name, "units", "the unit of each quantity, as crp_unit")
        if _are_limits(text, fields):
            raise _overlooked(
                source, name, "upper limits", "the limit of each quantity, as ldh_upper_limit"
            )


def usual_names(
    found: Recognised, *, fields: Mapping[str, Field]
) -> Iterator[tuple[str, str, str]]:
    """Columns of the file that are not read, though their name is a usual one of a column that the
    file has not: their name, what it usually holds, and what to do.
    """
    for name in found.unused:
        proposal = propose(name, fields)
        if proposal is None or proposal[0] in found.columns or "__" in name:
            continue
        field = fields[proposal[0]]
        ours = field.name if field.unit == "1" else f"{field.quantity} [UNIT]"
        yield (
            name,
            f"not read, though it is a usual name of {field.label.lower()}",
            f"if it holds that, name it (--rename '{name}={ours}')",
        )


def _has_owner(text: str, others: list[str]) -> bool:
    plain = plain_header(text)
    return any(
        len(other) > 1 and (plain.startswith(other) or plain.endswith(other))
        for other in map(plain_header, others)
    )


def _are_units(source: SourceTable, name: str, text: str, fields: Mapping[str, Field]) -> bool:
    """Whether the cells are units. Words that may be something else (F, h, kg) count only in a
    column whose name says that it is one of units, or names a quantity.
    """
    cells = source.cells[name]
    if cells.dtype != object:
        cells = cells.drop_duplicates()
    words = set(texts_of(cells)) - {""}
    if not 0 < len(words) <= MOST_UNITS:
        return False
    quantities = [field for field in fields.values() if field.unit != "1"]
    if not all(any(accepts_unit(field, word) for field in quantities) for word in words):
        return False
    parts = header_parts(text)
    is_named = any(part.endswith(UNIT_WORDS) for part in parts) or any(
        propose(part, fields) for part in parts if part != "sex"
    )
    return is_named or all("/" in word for word in words)


def _are_limits(text: str, fields: Mapping[str, Field]) -> bool:
    """Whether a name says an upper limit: of a quantity that needs one, or of none."""
    parts = header_parts(text)
    plain = plain_header(text)
    if _OF_VALUES & set(parts) or not any(word in plain for word in LIMIT_WORDS):
        return False
    needing = {field.name for field in fields.values() if field.limited_units}
    named = {proposal[0] for part in parts if (proposal := propose(part, fields)) is not None}
    return bool(named & needing) or plain in LIMIT_WORDS


def _overlooked(source: SourceTable, name: str, what: str, expected: str) -> InputError:
    return InputError(
        where=source.where,
        key=name,
        found=f"a column of {what} that belongs to no column that is read",
        expected=expected,
        cure=f"name it after its quantity (--rename '{name}=...'), or say that it is not read:"
        f" --ignore '{name}'",
    )
