"""Schemas: what is sent and what is answered, as OpenAPI describes it."""

from __future__ import annotations

import json
from math import isinf
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from crsrisk.errors import InputError

MOST_COLUMNS = 300  # of one patient
_LARGEST = 10**15  # whole number

Name: TypeAlias = Annotated[str, StringConstraints(max_length=100)]
Value: TypeAlias = (
    bool
    | Annotated[int, Field(ge=-_LARGEST, le=_LARGEST)]
    | float
    | Annotated[str, StringConstraints(max_length=200)]
    | None
)


class Sent(BaseModel):
    """What a client sends: nothing unknown, no number that is none."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


class RiskRequest(Sent):
    """One patient by clinical columns, named with their units as in a table for `crsrisk predict`
    (`crp_mg_l` or `crp [mg/dL]`); null is missing, a column that the model reads must be there.
    """

    patient: dict[Name, Value] = Field(
        max_length=MOST_COLUMNS,
        examples=[{"product": "tarlatamab", "age_years": 66, "crp_mg_l": 42.0, "ecog": None}],
    )
    unknown_product: bool = Field(
        False, description="Score a product that the model was not trained on, with a warning."
    )


class SimulationRequest(Sent):
    """One patient by the keys of a patient file (`crsrisk explain template PRODUCT` lists them):
    a number with its unit is text.
    """

    patient: dict[Name, Any] = Field(
        max_length=MOST_COLUMNS,
        examples=[{"product": "tarlatamab", "regimen": "label", "crp": "4.2 mg/dL", "ecog": 1}],
    )
    seed: int = Field(1, ge=0, lt=2**32, description="The same seed simulates the same people.")
    members: int = Field(40, ge=10, le=100, description="Sets of assumptions.")
    people: int = Field(256, ge=50, le=1024, description="Simulated people under each.")


class Told(BaseModel):
    """What was converted, doubted, left out or refused in reading."""

    kind: str
    column: str
    found: str
    expected: str
    cure: str


class RiskAnswer(BaseModel):
    """What `crsrisk predict` says of a table with this one row: risk and interval (0-1), null
    where there is none.
    """

    model: str
    outcome: str
    risk: float | None
    risk_low: float | None
    risk_high: float | None
    risk_refit_low: float | None
    risk_refit_high: float | None
    interval: str = Field(description="What risk_low to risk_high holds.")
    status: Literal["ok", "warned", "cannot estimate", "refused"]
    reasons: str
    missing: str = Field(description="Columns without a value, separated by commas.")
    account: list[Told]
    notice: str


class RowAnswer(BaseModel):
    """One row of a table, in its order."""

    patient_id: str
    risk: float | None
    risk_low: float | None
    risk_high: float | None
    risk_refit_low: float | None
    risk_refit_high: float | None
    interval: str
    status: Literal["ok", "warned", "cannot estimate", "refused"]
    reasons: str
    missing: str


class ColumnTold(BaseModel):
    """What was refused, left out or doubted in a column, in one sentence."""

    kind: str
    column: str
    told: str


class TableAnswer(BaseModel):
    """Every row of the table; refused rows have no risk, and the reason."""

    model: str
    outcome: str
    notice: str
    counts: dict[str, int]
    rows: list[RowAnswer]
    account: list[ColumnTold]


class ModelTold(BaseModel):
    """A model that is served, and the columns that a request must have (a cell may be null)."""

    name: str
    outcome: str
    landmark_h: int
    columns: list[str]
    has_simulation: bool
    notice: str


class Health(BaseModel):
    """That the server answers, and with what."""

    status: Literal["ok"]
    version: str
    models: list[str]
    workers: int


class Problem(BaseModel):
    """Why a request was not answered; with what was found, expected and the cure where the sender
    can mend it.
    """

    title: str
    status: int
    where: str | None = None
    key: str | None = None
    found: str | None = None
    expected: str | None = None
    cure: str | None = None


Request_ = TypeVar("Request_", bound=Sent)


def read_request(kind: type[Request_], body: bytes) -> Request_:
    """A request from its bytes.

    Raises
    ------
    InputError
        For what is no JSON, has a key twice, or does not fit; the values are not quoted.
    """
    try:
        return kind.model_validate(
            json.loads(
                body,
                object_pairs_hook=_once,
                parse_constant=_no_number,
                parse_float=_finite,
            )
        )
    except ValidationError as problem:
        first = problem.errors(include_input=False, include_url=False)[0]
        raise _bad(
            ".".join(map(str, first["loc"])), "a value that does not fit", first["msg"]
        ) from problem
    except (ValueError, RecursionError) as problem:
        if isinstance(problem, InputError):
            raise
        raise _bad("", "bytes that are no JSON", "one JSON object in UTF-8") from problem


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _bad("", "a key twice", "each key once")
    return found


def _finite(text: str) -> float:
    if isinf(number := float(text)):
        raise _bad("", "a number beyond every limit", "a number, or null where it is missing")
    return number


def _no_number(word: str) -> float:
    raise _bad("", f"the word {word}", "a number, or null where it is missing")


def _bad(key: str, found: str, expected: str) -> InputError:
    return InputError(
        where="request", key=key, found=found, expected=expected, cure="correct the request"
    )
