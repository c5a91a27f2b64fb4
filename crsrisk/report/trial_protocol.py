"""Trial protocol: a design file with every number filled in, and a methods paragraph; both reproduce the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from crsrisk.domain.operating_characteristics import OperatingCharacteristics
from crsrisk.domain.trial import TrialPlan
from crsrisk.report.words import listed

HEADER = ("# Written by crsrisk {version}; run it again: crsrisk trial FILE\n"
          "# Research use; synthetic candidates; no external validation. A proposal for a protocol, not advice on a "
          "patient.\n")


def protocol_tree(plan: TrialPlan, *, n_max: Mapping[str, int]) -> dict[str, Any]:
    """The plan with every default written out and the number of patients of each randomised design filled in.

    ``n_max``: by name of the design. Filling in a filled tree changes nothing.
    """
    filled = [one if one.kind == "single_arm" else one.model_copy(update={"n_total": n_max[one.name]})
              for one in plan.designs]
    tree = plan.model_copy(update={"designs": filled}).model_dump(exclude_none=True)
    if plan.candidates.simulated is not None:
        del tree["masking"]  # they bring their own
    for design in tree["designs"]:
        if design["kind"] == "single_arm":
            del design["ratio"]
    return tree


def protocol_yaml(tree: Mapping[str, Any], *, version: str) -> str:
    """The tree as a design file."""
    return HEADER.format(version=version) + yaml.safe_dump(dict(tree), sort_keys=False, allow_unicode=True, width=110)


_TESTS = {
    "pooled_z": "a one-sided z test of two proportions with pooled variance",
    "mantel_haenszel": "a one-sided Cochran-Mantel-Haenszel test without continuity correction",
    "fisher": "Fisher's exact test, one-sided", "boschloo": "Boschloo's exact unconditional test, one-sided",
}


def methods_paragraph(
    plan: TrialPlan, *, origin: str, found: Sequence[OperatingCharacteristics], version: str
) -> str:
    """How it was done, for the statistics section of a protocol, after the ADEMP scheme (Morris, White & Crowther 2019)."""
    screening, kinds = plan.screening, {one.kind for one in plan.designs}
    tests = listed(sorted({_TESTS[one.analysis] for one in plan.designs if one.kind != "single_arm"})) if kinds - {
        "single_arm"} else "counts of patients without the event"
    worst = max(one.power.mcse for one in found)
    sentences = [
        f"Aim: to compare {len(plan.designs)} design{'s' * (len(plan.designs) > 1)} of a trial of "
        f"{plan.prophylaxis_in_words} on the same candidates.",
        f"Data: trials were simulated patient by patient from {origin}; every patient carries the outcome under both arms, "
        "decided by one random number.",
        f"The score used for screening had a log-normal error with standard deviation {screening.score_noise_sd:g}, "
        f"{100 * screening.missing_labs:g} of 100 candidates had no score and were "
        f"{screening.without_labs.replace('_', ' ')}, "
        f"{100 * screening.consent:g} of 100 eligible candidates consented, and {screening.candidates_per_month:g} "
        f"candidates came a month; the outcome was known {screening.wait_d:g} days after enrolment.",
        _masking(plan),
        f"Estimand: {plan.estimand.variable}, as {plan.estimand.summary}.",
        f"Methods: {tests}, at a one-sided level of {plan.alpha_one_sided:g}; sample sizes and boundaries by formula for a "
        f"power of {plan.power:g}, as if the score were exact and no fever hidden.",
        f"Performance: {found[0].n_sim:,} trials for each design and assumption (largest Monte Carlo error of a power "
        f"{100 * worst:.2f} points), seed {plan.seed}, crsrisk {version}; the same command gives the same figures.",
    ]
    return " ".join(one for one in sentences if one)


def _masking(plan: TrialPlan) -> str:
    if plan.candidates.simulated is not None:
        return ("Fever that prophylaxis hides is hidden by the simulated mechanism; the support-based endpoint counts "
                "fluids, vasopressors and oxygen with or without fever.")
    if plan.masking.hidden == 0:
        return ""
    return (f"Of the events under prophylaxis {100 * plan.masking.hidden:g} of 100 were hidden from the ASTCT grade, "
            f"which asks for fever; the support-based endpoint sees them, and {100 * plan.masking.other_support:g} of 100 "
            "patients who need support for another reason.")
