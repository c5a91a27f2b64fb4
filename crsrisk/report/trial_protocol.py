"""Trial protocol: a design file with every number filled in, and a methods paragraph; both
reproduce the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scipy.special import ndtri

from crsrisk.data.operating_characteristics import OperatingCharacteristics
from crsrisk.data.trial_plan import Design, TrialPlan
from crsrisk.data.yaml_files import yaml_text
from crsrisk.wording import listed

HEADER = (
    "# Written by crsrisk {version}; run it again: crsrisk trial FILE\n# Research use; synthetic"
    " candidates; no external validation. A proposal for a protocol, not advice on a patient.\n"
)


def protocol_tree(plan: TrialPlan, *, n_max: Mapping[str, int]) -> dict[str, Any]:
    """The plan as plain data for a YAML file, with every default written out and the number of
    patients of each randomised design filled in.

    ``n_max``: by name of the design. Filling in a filled tree changes nothing.
    """
    filled = [
        design
        if design.kind == "single_arm"
        else design.model_copy(update={"n_total": n_max[design.name]})
        for design in plan.designs
    ]
    tree = plan.model_copy(update={"designs": filled}).model_dump(exclude_none=True)
    if plan.brings_its_own_masking:
        del tree["masking"]
    for design in tree["designs"]:
        if design["kind"] in ("single_arm", "multi_arm"):
            del design["ratio"]
    return tree


def protocol_yaml(tree: Mapping[str, object], *, version: str) -> str:
    """The tree as a design file."""
    return HEADER.format(version=version) + yaml_text(tree)


_TESTS = {
    "pooled_z": "a one-sided z test of two proportions with pooled variance",
    "mantel_haenszel": "a one-sided Cochran-Mantel-Haenszel test without continuity correction",
    "farrington_manning": "the one-sided score test of non-inferiority of Farrington and Manning",
    "fisher": "Fisher's exact test, one-sided",
    "boschloo": "Boschloo's exact unconditional test, one-sided",
}


def methods_paragraph(
    plan: TrialPlan, *, origin: str, results: Sequence[OperatingCharacteristics], version: str
) -> str:
    """How it was done, for the statistics section of a protocol, after the ADEMP scheme (Morris,
    White & Crowther 2019).
    """
    worst = max(result.power.mc_error or 0.0 for result in results)
    designs = "; ".join(_design(*pair) for pair in zip(plan.designs, results, strict=True))
    sentences = [
        (
            f"Aim: to compare {len(plan.designs)} design{'s' * (len(plan.designs) > 1)} of a trial"
            f" of {plan.prophylaxis_in_words} on the same candidates."
        ),
        (
            f"Data: trials were simulated patient by patient from {origin}; every patient carries"
            " the outcome under both arms, decided by one random number."
        ),
        _screening(plan),
        _masking(plan),
        f"Estimand: {plan.estimand.variable}, as {plan.estimand.summary}.",
        (
            f"Methods: {designs}. Sizes and boundaries by formula"
            + (
                "."
                if plan.candidates.arms is not None
                else ", as if the score were exact and no fever hidden."
            )
        ),
        *_analysis(plan),
        (
            f"Performance: {results[0].n_sim:,} trials for each design and assumption (largest"
            f" Monte Carlo error of a power {100 * worst:.2f} points), seed {plan.seed}, crsrisk"
            f" {version}; the same command gives the same figures."
        ),
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _screening(plan: TrialPlan) -> str:
    screening = plan.screening
    score = (
        "The score used for screening had a log-normal error with standard deviation"
        f" {screening.score_noise_sd:g}, {100 * screening.missing_labs:g} of 100 candidates had"
        f" no score and were {screening.without_labs.replace('_', ' ')},"
    )
    admitted = (
        ""
        if screening.eligible == 1
        else f"the protocol admitted {100 * screening.eligible:g} of 100 candidates,"
    )
    come = (
        f"{100 * screening.consent:g} of 100 eligible candidates consented, and"
        f" {screening.candidates_per_month:g} candidates came a month; the outcome was known"
        f" {screening.wait_d:g} days after enrolment."
    )
    parts = [*([] if plan.candidates.arms is not None else [score]), admitted, come]
    text = " ".join(part for part in parts if part)
    return text[:1].upper() + text[1:]


_INTERVALS = {
    "miettinen_nurminen": "by the score method of Miettinen and Nurminen",
    "newcombe": "by Newcombe's method",
}
_MISSING = {
    "event": "counts as having the event",
    "no_event": "counts as not having the event",
    "multiple_imputation": "has it filled in by multiple imputation within his arm",
}


def _analysis(plan: TrialPlan) -> list[str]:
    """Intervals, missing outcomes and analysis sets."""
    analysis, kinds = plan.analysis, {design.kind for design in plan.designs}
    level = 100 * (1 - 2 * plan.alpha_one_sided)
    intervals = []
    if kinds - {"single_arm"}:
        intervals.append(
            f"the difference of risks has its {level:g}% interval"
            f" {_INTERVALS[analysis.difference_interval]}"
        )
    if "single_arm" in kinds:
        intervals.append(
            "the share without the event in a single arm has its 95% interval by Clopper and"
            " Pearson"
        )
    early = (
        "; neither interval nor estimate is corrected for an early stop"
        if any(design.sequential for design in plan.designs)
        else ""
    )
    return [
        f"Intervals: {listed(intervals)}{early}.",
        (
            "Missing data: a patient whose outcome is unknown"
            f" {_MISSING[analysis.missing_outcome]}; the simulated trials lose nobody."
        ),
        (
            f"Analysis sets: efficacy in the {analysis.population}; safety in"
            f" {analysis.safety_population}."
        ),
    ]


_METHODS = {
    "simon_optimal": "Simon's optimal two-stage design",
    "simon_minimax": "Simon's minimax two-stage design",
    "predictive_probability": "a Bayesian design that stops for a low predictive probability",
}


def _design(design: Design, result: OperatingCharacteristics) -> str:
    """One design in a clause: whom it enrols, how it is tested, when it stops."""
    who = {
        "all_comers": "everybody randomised",
        "enrichment": f"risk {design.threshold} or more randomised",
        "stratified": (
            "randomised within strata of risk cut at"
            f" {listed([f'{cut:g}' for cut in design.cuts or []])}"
        ),
        "strategy": (
            f"treatment at risk {design.threshold} or more against treating {design.control}"
            + (
                ""
                if design.margin is None
                else f", at most {100 * design.margin:g} of 100 more events"
            )
        ),
        "multi_arm": f"{len(result.arms)} arms in equal numbers",
        "single_arm": (
            "all treated"
            if design.threshold is None
            else f"risk {design.threshold} or more, all treated"
        ),
    }
    at = listed([f"{look.n:,}" for look in result.looks])
    if design.single_arm is not None:
        single = design.single_arm
        stops = listed(
            [
                f"{look.lower_count} of {look.n}"
                for look in result.looks
                if look.lower_count is not None
            ]
        )
        prior = (
            f", prior Beta({single.prior[0]:g}, {single.prior[1]:g}), stopping below a predictive"
            f" probability of {single.theta_low:g}, claiming when the posterior probability of more"
            f" than {single.benchmark:g} is at least {single.theta_end:g}"
            if single.method == "predictive_probability"
            else ""
        )
        return (
            f"{design.name}: {who[design.kind]}, {_METHODS[single.method]} for"
            f" {single.benchmark:g} against {single.target:g} without the event, alpha"
            f" {single.alpha:g}, power {1 - single.beta:g}{prior}, failing with at most {stops}"
        )
    both = ", both endpoints," if design.co_primary_support else ""
    ratio = "" if design.ratio == 1 else f" {design.ratio:g} to 1"
    level = f"{result.nominal_alpha:g} (z {ndtri(1 - result.nominal_alpha):.3f})"
    clause = (
        f"{design.name}: {who[design.kind]}{ratio}, {_TESTS[design.analysis]}{both} at"
        f" {level}, power {result.wanted_power:g}, {result.n_max:,} patients"
    )
    if result.claims:
        return f"{clause}, {_claims(result)}"
    if design.sequential is None:
        return clause
    bounds = listed([f"{look.upper_z:.3f}" for look in result.looks])
    return (
        f"{clause}, looks at {at} with {design.sequential.boundary} bounds (z {bounds})"
        f"{futility_in_words(result)}"
    )


PROCEDURES = {
    "hierarchical": "hierarchical testing, each claim at the full level up to the first that fails",
    "holm": "Holm's procedure against the control, then claims between drugs behind its gate",
    "dunnett": (
        "Dunnett's step-down test against the control, then claims between drugs behind its gate"
    ),
}


def _claims(result: OperatingCharacteristics) -> str:
    named = "; then ".join(
        f"{claim.experimental} against {claim.comparator}" for claim in result.claims
    )
    procedure = "" if result.multiplicity is None else PROCEDURES[result.multiplicity]
    return f"claims {named} by {procedure}"


def futility_in_words(result: OperatingCharacteristics) -> str:
    """When a design with looks stops for futility, as the end of a clause; nothing where it never
    does.
    """
    if result.is_futility_binding is None:
        return ""
    floors = [f"{round(look.lower_z, 3):g}" for look in result.looks if look.lower_z is not None]
    which = (
        "the z of either endpoint, since the claim needs both, is"
        if result.co_primary_support
        else "z is"
    )
    kind = (
        "binding futility (the bounds for benefit count on it)"
        if result.is_futility_binding
        else "non-binding futility (the bounds for benefit do not count on it)"
    )
    return (
        f", {kind} when {which} below {listed(floors)}; what it costs in power is charged once, in"
        " the number of patients"
    )


def _masking(plan: TrialPlan) -> str:
    if plan.candidates.arms is not None:
        return ""
    if plan.candidates.simulated is not None:
        return (
            "Fever that prophylaxis hides is hidden by the simulated mechanism; the support-based"
            " endpoint counts fluids, vasopressors and oxygen with or without fever."
        )
    if plan.masking.hidden == 0:
        return ""
    return (
        f"Of the events under prophylaxis {100 * plan.masking.hidden:g} of 100 were hidden from the"
        " ASTCT grade, which asks for fever; the support-based endpoint sees them, and"
        f" {100 * plan.masking.other_support:g} of 100 patients who need support for another"
        " reason."
    )
