"""Shares of variance in words: what the answers rest on, and where the simulations do not tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crsrisk.domain.ensemble_about import CHANCE

NO_VARIANCE = ("The share of the outputs' variance that rests on assumed numbers was not computed for this version. To "
               "compute it: `crsrisk run experiments/003_sensitivity`, then copy `results/summary.json` of that folder to "
               "`synthetic/ensemble/sensitivity.json`.")
NOT_RESOLVED = "not resolved"
WIDEST = 1.0  # a share whose 95% interval is wider than the whole tells nothing
MOST_CHANCE = 0.5  # chance's total share above which the constants' shares are not told from it
RULE = ("the 95% interval of the share is wider than 100 points, or which patients were simulated makes up more than half "
        "of the output's variance (alone and together with the numbers), so that these simulations do not tell.")
_LEFT_OUT = "grade2plus_checkpoint_inhibitor"


def is_resolved(low: float, high: float, *, chance: float | None = None) -> bool:
    """Whether a share is told well enough to be printed; ``chance``: the total share of chance in that output.

    >>> is_resolved(0.6, 0.8, chance=0.2), is_resolved(-1.3, 10.4, chance=0.2), is_resolved(0.6, 0.8, chance=0.7)
    (True, False, False)
    """
    return high - low <= WIDEST and (chance is None or not chance > MOST_CHANCE)


def chance_of(output: Mapping[str, Any]) -> float | None:
    """Chance's total share of an output's variance, alone and together with the numbers; None where it is not known."""
    return next((share["with_others"] for share in output["shares"] if share["strength"] == CHANCE), None)


def percent(share: Mapping[str, Any] | None, name: str, *, chance: float | None = None) -> str:
    """A share of variance in per cent with its interval; a dash where there is none, words where it is not resolved.

    >>> percent({"alone": 0.714, "alone_low": 0.6, "alone_high": 0.82}, "alone"), percent(None, "alone")
    ('71% (60 to 82)', '–')
    >>> percent({"alone": 4.57, "alone_low": -1.3, "alone_high": 10.43}, "alone")
    'not resolved'
    """
    if share is None or any(share[f"{name}{end}"] is None for end in ("", "_low", "_high")):
        return "–"
    if not is_resolved(share[f"{name}_low"], share[f"{name}_high"], chance=chance):
        return NOT_RESOLVED
    value, low, high = (f"{round(100.0 * share[f'{name}{end}'])}".replace("-", "−") for end in ("", "_low", "_high"))
    return f"{value}% ({low} to {high})"


def shares_row(output: Mapping[str, Any], strengths: list[str]) -> list[str]:
    """An output's shares: assumed alone and with others, the other ``strengths`` alone, chance alone and with others."""
    found = {share["strength"]: share for share in output["shares"]}
    chance = chance_of(output)
    return [output["meaning"], percent(found.get("assumed"), "alone", chance=chance),
            percent(found.get("assumed"), "with_others", chance=chance),
            *(percent(found.get(name), "alone", chance=chance) for name in strengths),
            *(percent(found.get(CHANCE), name) for name in ("alone", "with_others"))]


def leaders_row(output: Mapping[str, Any]) -> list[str]:
    """An output and the constants that move it most, with their strength and total share."""
    chance = chance_of(output)
    told = [(leader, percent(leader, "total", chance=chance)) for leader in output["leaders"]]
    if all(share == NOT_RESOLVED for _, share in told):
        return [output["meaning"], NOT_RESOLVED]
    return [output["meaning"], "; ".join(f"`{leader['factor'].partition(':')[2]}` ({leader['strength']}) {share}"
                                         for leader, share in told)]


def variance_statement(card: Mapping[str, Any]) -> str:
    """What the shares of variance are, where they come from; how to compute them when they are not there."""
    variance = card["variance"]
    if variance is None:
        return NO_VARIANCE
    names = [output["name"] for output in variance["outputs"]]
    left_out = "" if _LEFT_OUT in names else (
        " Checkpoint inhibitors are left out: grade 2 or more is too rare under them for a rate from a few hundred "
        "patients.")
    stand_in = "" if "auroc" not in names else (
        " AUROC, log odds ratios and the selection are those of a cross-fitted logistic regression on what is observed in "
        "the simulated patients of one product (`judged` in the experiment's file). It stands in for the oracle, knows the "
        "hospital's values but not the mechanism, and ranks less well than the oracle would.")
    return ("Share of each output's variance that rests on numbers of each strength, when all vary over their priors. "
            "*Alone*: what numbers of that strength do by themselves, of what all numbers explain together. *With others*: "
            "by themselves and together with others, of the whole variance. *Chance*: which patients were simulated, of the "
            f"whole variance. 95% intervals. *Not resolved*: {RULE}{stand_in}{left_out} From {variance['experiment']}, seed "
            f"{variance['seed']}, version {variance['version']}. {variance['notice']}")
