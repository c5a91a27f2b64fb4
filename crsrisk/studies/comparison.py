"""Compare plans: one patient simulated with his plan and with each change of it, for whoever asks
over a wire instead of from a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crsrisk.data.product_names import nearest, shipped_name
from crsrisk.errors import InputError, shortened
from crsrisk.report.comparison import Comparison
from crsrisk.studies.explain import ExplainableModel, explain_patient


def compare_plans(
    patient: Mapping[str, Any],
    *,
    model: ExplainableModel,
    seed: int,
    n_members: int,
    n_people: int,
    workers: int = 1,
) -> Comparison:
    """Simulate the patient as ``crsrisk explain patient`` does, for a sender who must not name
    files.

    Raises
    ------
    InputError
        As :func:`crsrisk.studies.explain.explain_patient`, and for a product that does not ship.
    """
    return explain_patient(
        named_only(patient),
        model=model,
        seed=seed,
        n_members=n_members,
        n_people=n_people,
        workers=workers,
    ).comparison()


def named_only(patient: Mapping[str, Any]) -> dict[str, Any]:
    """The keys and values of a patient file whose product can only be one that ships: elsewhere it
    may be the path of a file, which a sender must not choose.
    """
    product = patient.get("product")
    if not isinstance(product, str):
        return dict(patient)  # refused where it is read
    name = shipped_name(product)
    if name is None:
        near = ", ".join(nearest(product))
        raise InputError(
            where="patient",
            key="product",
            found=repr(shortened(product, most=60)),
            expected="a product that ships" + (f"; the nearest: {near}" if near else ""),
            cure="write its generic, brand or code name",
        )
    return {**patient, "product": name}
