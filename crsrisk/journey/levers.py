"""Levers: what a model says when a lever's column is edited, beside what happens when the mechanism is run with it.

Within a product every patient has the same premedication and steps, so a model can learn what they do only from
differences between products, where everything else differs too. Editing the column is therefore no counterfactual.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from crsrisk.domain.product import Product
from crsrisk.domain.risk_model import RiskModel
from crsrisk.domain.world import World
from crsrisk.learn.predict import raw_log_odds
from crsrisk.simulate.arm import Arm, make_arm
from crsrisk.simulate.observation import observe
from crsrisk.simulate.outcomes import grade_within
from crsrisk.simulate.population import draw, settle
from crsrisk.simulate.run import run

Values = NDArray[np.float64]
STEROIDS = {"dexamethasone", "methylprednisolone"}
HALF_DOSE = "half_dose"


def lever_rows(
    model: RiskModel, arms: Sequence[Arm], *, world: World, n: int, seed: int, workers: int = 1
) -> list[dict[str, Any]]:
    """One row a product and lever: true and modelled change of the mean risk of grade >= 2 (0-1), same patients.

    ``mc_error`` is the standard error of the true change (paired: both arms have the same random numbers).
    """
    rows = []
    for arm in arms:
        before, said = _risks(model, arm, world=world, n=n, seed=seed, workers=workers)
        for lever, changed in _levers(arm, world=world).items():
            after, says = _risks(model, changed, world=world, n=n, seed=seed, workers=workers)
            difference = after - before
            rows.append({"product": arm.product.name, "lever": lever, "rate_before": float(before.mean()),
                         "true_change": float(difference.mean()),
                         "mc_error": float(difference.std(ddof=1) / n**0.5), "modelled_change": float(np.mean(says - said)),
                         "true_log_odds": _log_odds(after) - _log_odds(before),
                         "modelled_log_odds": float(logit(says.mean()) - logit(said.mean()))})
    return rows


def _levers(arm: Arm, *, world: World) -> dict[str, Arm]:
    """Arms that differ from this one by one lever."""
    given = {one.mitigation for one in arm.regimen.premedication}
    found = {}
    if "tocilizumab" not in given:
        found["tocilizumab before dose 1"] = make_arm(arm.product, world=world, mitigations=("tocilizumab",))
    if not given & STEROIDS:
        found["dexamethasone before dose 1"] = make_arm(arm.product, world=world, mitigations=("dexamethasone",))
    found["half of every dose"] = make_arm(_with_half_dose(arm.product), world=world, regimen=HALF_DOSE)
    return found


def _with_half_dose(product: Product) -> Product:
    usual = product.regimens[product.default_regimen]
    doses = [dose.model_copy(update={"amount": dose.amount / 2.0}) for dose in usual.doses]
    halved = usual.model_copy(update={"doses": doses})
    return product.model_copy(update={"regimens": {**product.regimens, HALF_DOSE: halved}})


def _risks(model: RiskModel, arm: Arm, *, world: World, n: int, seed: int, workers: int) -> tuple[Values, Values]:
    """Who has grade >= 2 (0/1), and what the model says of the same patients' table."""
    draws = draw(assumptions=world.assumptions, seed=seed, start=0, stop=n)
    patients = settle(draws, arm.population, assumptions=world.assumptions, rows=np.arange(n))
    grade = grade_within(run(arm, patients, world=world, workers=workers), window_h=24.0 * arm.window_d)
    table = observe(patients, arm=arm, world=world, seed=seed)
    return (grade >= 2).astype(np.float64), expit(model.calibrator.log_odds(raw_log_odds(model, table)))


def _log_odds(event: Values) -> float:
    """Log-odds of a share, half an event added to each class."""
    return float(logit((event.sum() + 0.5) / (event.size + 1.0)))
