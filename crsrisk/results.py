"""What results have in common: an estimate with its interval, how a result is written as plain
data, and how it shows itself in a notebook.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from math import isinf, isnan, nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel

REPR_LIMIT = 2_000  # characters of any repr
Z_95 = 1.959963984540054  # standard normal quantile of 0.975


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95% interval and, where it was simulated, its Monte Carlo standard error.

    Parameters
    ----------
    value : the figure, in its own unit.
    low, high : ends of the 95% interval in the same unit; NaN where none was computed.
    mc_error : standard error of having simulated only so often; None where nothing was simulated,
        0 where the figure was computed exactly.

    Examples
    --------
    >>> Estimate(0.71, 0.68, 0.74)
    Estimate(0.71, 0.68 to 0.74)
    >>> print(Estimate(0.71, 0.68, 0.74))
    0.71 (0.68 to 0.74)
    >>> Estimate(0.71, mc_error=0.01).to_dict()
    {'value': 0.71, 'low': None, 'high': None, 'mc_error': 0.01}
    """

    value: float
    low: float = nan
    high: float = nan
    mc_error: float | None = None

    @property
    def has_interval(self) -> bool:
        """Whether an interval was computed."""
        return not (isnan(self.low) or isnan(self.high))

    def to_dict(self) -> dict[str, float | None]:
        """The numbers as JSON writes them; an interval that was not computed is None."""
        ends = {"low": _number(self.low), "high": _number(self.high)}
        error = {} if self.mc_error is None else {"mc_error": _number(self.mc_error)}
        return {"value": _number(self.value), **ends, **error}

    def __str__(self) -> str:
        return f"{self.value:.4g}" + (
            f" ({self.low:.4g} to {self.high:.4g})" if self.has_interval else ""
        )

    def __repr__(self) -> str:
        interval = f", {self.low:.4g} to {self.high:.4g}" if self.has_interval else ""
        error = "" if self.mc_error is None else f", Monte Carlo error {self.mc_error:.2g}"
        return f"Estimate({self.value:.4g}{interval}{error})"


@dataclass(frozen=True)
class NotEstimable:
    """A figure that these data cannot give, and why, as a sentence for the reader.

    Examples
    --------
    >>> NotEstimable("no patient had the event").to_dict()
    {'not_estimable': 'no patient had the event'}
    """

    reason: str

    def to_dict(self) -> dict[str, str]:
        """The reason under the key `not_estimable`, so that no reader takes it for a number."""
        return {"not_estimable": self.reason}


def _number(value: float) -> float | None:
    if isinf(value):
        raise ValueError(f"a figure came out as {value}: it should have been NotEstimable")
    return None if isnan(value) else float(value)


def to_plain(value: object) -> Any:  # noqa: C901  one branch a type
    """Any result as dictionaries, lists, numbers, text and None: what JSON can hold.

    Fields of dataclasses and models become keys; numbers of numpy become Python's own; NaN, which
    stands for "not computed", becomes None; tables become lists of rows.

    Raises
    ------
    ValueError
        For an infinite figure, which JSON has no place for.
    TypeError
        For a type that is none of these, so that nothing is written that cannot be read again.

    Examples
    --------
    >>> to_plain({"auroc": Estimate(0.7, 0.6, 0.8), "n": np.int64(3), "gap": float("nan")})
    {'auroc': {'value': 0.7, 'low': 0.6, 'high': 0.8}, 'n': 3, 'gap': None}
    """
    if isinstance(value, Enum):
        return to_plain(value.value)
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Estimate | NotEstimable):
        return value.to_dict()
    if isinstance(value, np.generic | np.ndarray):
        return to_plain(value.tolist())
    if isinstance(value, pd.DataFrame):
        return [to_plain(row) for row in value.to_dict(orient="records")]
    if isinstance(value, BaseModel):
        return {name: to_plain(getattr(value, name)) for name in type(value).model_fields}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_plain(part) for part in (sorted(value) if isinstance(value, set) else value)]
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"a result of type {type(value).__name__} has no plain form")


class Result:
    """What every result can do: say in one line what it is, become plain data, show itself.

    A result is a frozen dataclass that inherits from this class and says what it is in
    :meth:`summary`. ``repr`` and the notebook's view are made from it; a result that is a table
    adds ``to_frame()``, one that a person looks at adds ``plot()`` or ``to_html()``.
    """

    def summary(self) -> str:
        """What was found, in a few lines of text."""
        return type(self).__name__

    def to_dict(self) -> dict[str, Any]:
        """Everything in it as dictionaries, lists, numbers and text."""
        return {name: to_plain(part) for name, part in _parts(self).items()}

    def __repr__(self) -> str:
        text = f"<{type(self).__name__}: {self.summary()}>"
        return text if len(text) < REPR_LIMIT else f"{text[: REPR_LIMIT - 5]} ...>"

    def _repr_html_(self) -> str:
        title, _, rest = self.summary().partition("\n")
        head = f"<p><strong>{html.escape(type(self).__name__)}</strong>: {html.escape(title)}</p>"
        frame = getattr(self, "to_frame", None)
        if callable(frame):
            table = frame()
            shown = str(table.head(20).to_html(max_cols=12, border=0))
            more = len(table) - 20
            return head + shown + (f"<p>{more} more rows</p>" if more > 0 else "")
        return head + (f"<pre>{html.escape(rest)}</pre>" if rest else "")


def _parts(result: object) -> Mapping[str, object]:
    if is_dataclass(result):
        return {field.name: getattr(result, field.name) for field in fields(result)}
    return vars(result)
