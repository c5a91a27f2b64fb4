"""Known products: the products of a model, found by any of their names in a table of patients, and
rows whose therapy contradicts itself refused.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit, stdtrit

from crsrisk.data.identity import contradictions
from crsrisk.data.product import Product
from crsrisk.data.product_names import nearest, plain, shipped_name
from crsrisk.data.risk_model import ModelParts, Prediction
from crsrisk.fields import FIELDS
from crsrisk.model.applicability import Applicability

_PRODUCT = "product"
# said of a row of a product that the model was not trained on, beside what `predict` says
NO_SPREAD = (
    "How far products differ is in no figure of this model; crsrisk forecast, from a product file,"
    " says it."
)


def levels_of(model: ModelParts) -> tuple[str, ...] | None:
    """The products that the model was trained on; None for a model that does not read them."""
    for column in model.contract.columns:
        if column.name == _PRODUCT:
            return tuple(column.levels)
    return None


def trained_name(text: str, levels: Collection[str]) -> str | None:
    """The product of the model that a text names in any case, by generic, brand or code name; None
    where it has none.

    >>> trained_name("Imdelltra", ["tarlatamab"]), trained_name("Our CAR-T", ["our_car_t"])
    ('tarlatamab', 'our_car_t')
    """
    if text in levels:
        return text
    alike = [level for level in levels if plain(level) == plain(text)]
    if len(alike) == 1:
        return alike[0]
    name = shipped_name(text)
    return name if name in levels else None


def with_trained_names(model: ModelParts, observed: pd.DataFrame) -> pd.DataFrame:
    """The table with the model's own names of its products; others stay as they are."""
    levels = levels_of(model)
    if levels is None or _PRODUCT not in observed.columns:
        return observed
    words = observed[_PRODUCT]
    names = {
        word: name
        for word in words.dropna().unique()
        if isinstance(word, str)
        and word not in levels
        and (name := trained_name(word, levels)) is not None
    }
    return observed.assign(**{_PRODUCT: words.replace(names)}) if names else observed


def with_own_names(observed: pd.DataFrame, products: Collection[Product]) -> pd.DataFrame:
    """The table with the names that these products' files give them, where it calls them by another
    of their names.
    """
    names = {
        plain(text): product.name
        for product in products
        for text in (product.name, *product.other_names)
    }
    if not names or _PRODUCT not in observed.columns:
        return observed
    words = observed[_PRODUCT]
    called = {
        word: names[plain(word)]
        for word in words.dropna().unique()
        if isinstance(word, str) and plain(word) in names
    }
    return observed.assign(**{_PRODUCT: words.replace(called)})


def is_unknown(model: ModelParts, observed: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows are of a product that the model was not trained on; a missing one is not."""
    levels = levels_of(model)
    if levels is None:
        return np.zeros(len(observed), dtype=np.bool_)
    words = observed[_PRODUCT]
    return np.asarray((~words.isin(levels) & words.notna() & (words != "")).to_numpy(), dtype=bool)


def nearest_names(text: str, model: ModelParts) -> str:
    """Products with a name like this one that the model knows, or all that it knows."""
    levels = levels_of(model) or ()
    near = [name for name in nearest(text, also=levels) if name in levels]
    return f"the nearest that it knows: {', '.join(near)}" if near else f"{', '.join(levels)}"


def without_contradictions(found: Prediction, observed: pd.DataFrame) -> Prediction:
    """The prediction with the rows refused whose cells contradict each other."""
    columns: dict[str, NDArray[Any]] = {}
    for name in ("product", "platform", "tumour_type", "is_female", "age_years"):
        if name not in observed.columns:
            continue
        if FIELDS[name].kind == "category":
            columns[name] = observed[name].fillna("").astype(str).to_numpy(dtype=object)
        else:
            numbers = pd.to_numeric(observed[name], errors="coerce")
            columns[name] = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    told = found.rows["reasons"].astype(str).tolist()
    is_refused = found.is_refused.copy()
    for one in contradictions(columns):
        reason = f"{one.column} contradicts another column; expected {one.expected}."
        told[one.row] = f"{reason} {told[one.row]}".strip()
        is_refused[one.row] = True
    if told == found.rows["reasons"].tolist():
        return found
    rows = found.rows.assign(
        risk=np.where(is_refused, np.nan, found.risk),
        status=np.where(is_refused, "refused", found.rows["status"]),
        reasons=told,
    )
    return replace(found, rows=rows)


def interval_over_products(
    risk: NDArray[np.float64], *, sd: float | None, n_products: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """95% prediction interval of the risk under a product that the model was not trained on, by how
    far those of training lie from what it says without their names (``sd``, log-odds); 0 to 1 where
    it knows no two.

    >>> low, high = interval_over_products(np.array([0.2]), sd=1.0, n_products=11)
    >>> round(float(low[0]), 2), round(float(high[0]), 2)
    (0.03, 0.69)
    """
    if sd is None or n_products < 2:
        return np.zeros(len(risk)), np.ones(len(risk))
    # around what the model says, so that no mean is estimated: as many degrees as products
    reach = float(stdtrit(n_products, 0.975)) * sd
    return np.asarray(expit(logit(risk) - reach)), np.asarray(expit(logit(risk) + reach))


def without_unknown_products(
    found: Prediction,
    model: ModelParts,
    observed: pd.DataFrame,
    *,
    summary: Applicability | None,
    unknown_product: bool,
) -> Prediction:
    """The prediction with the rows refused whose product the model was not trained on; with
    ``unknown_product`` they keep their risk and get an interval over products.
    """
    unknown = is_unknown(model, observed) & ~found.is_refused
    if not unknown.any():
        return found
    rows = found.rows.copy()
    told = rows["reasons"].astype(str).to_numpy(dtype=object).copy()
    if not unknown_product:
        words = observed[_PRODUCT].to_numpy(dtype=object)
        for row in np.flatnonzero(unknown):
            told[row] = (
                f"product is not one that {model.label} was trained on"
                f" ({nearest_names(str(words[row]), model)}); check the name, or ask for a score by"
                " platform, antigen and patient alone (unknown_product)."
            )
        return replace(
            found,
            rows=rows.assign(
                risk=np.where(unknown, np.nan, found.risk),
                status=np.where(unknown, "refused", rows["status"]),
                reasons=told,
            ),
        )
    if summary is None:
        for row in np.flatnonzero(unknown):
            told[row] = f"{told[row]} {NO_SPREAD}".strip()
        return replace(found, rows=rows.assign(reasons=told))
    low, high = interval_over_products(
        found.risk, sd=summary.between_products_sd, n_products=summary.n_products
    )
    for row in np.flatnonzero(unknown):
        told[row] = (
            f"{told[row]} Range over products {100 * low[row]:.0f} to {100 * high[row]:.0f} of 100"
            f" (95%, from how far {summary.n_products} products of training differ)."
        ).strip()
    return replace(
        found,
        rows=rows.assign(
            risk_low=np.where(unknown, low, rows["risk_low"]),
            risk_high=np.where(unknown, high, rows["risk_high"]),
            reasons=told,
        ),
    )
