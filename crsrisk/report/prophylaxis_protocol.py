"""Prophylaxis protocol: the recommended trial as a design file that `crsrisk trial` runs on the same simulated patients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crsrisk.report.prophylaxis_words import drug
from crsrisk.report.trial_protocol import protocol_yaml

LOOKS = {"boundary": "Lan-DeMets OBF-like spending", "looks": 3, "futility_z": [0.0, 0.5]}


def trial_design(content: Mapping[str, Any]) -> dict[str, Any]:
    """The design file as a tree: all comers, with and without looks, and by risk where the ledger has a threshold.

    Screening figures are stand-ins, to be replaced by those of the sites.
    """
    setting, wanted = content["setting"], content["recommendation"]
    strategy, start = wanted["strategy"], wanted["threshold_of_the_ledger"]["value"]
    designs: list[dict[str, Any]] = [
        {"name": "All comers", "kind": "all_comers", "co_primary_support": True},
        {"name": "All comers, three looks", "kind": "all_comers", "co_primary_support": True, "sequential": LOOKS}]
    if wanted["threshold"] is not None and start is not None and 0.0 < start < 1.0:
        designs.append({"name": "By risk", "kind": "enrichment", "threshold": round(start, 3), "co_primary_support": True})
    within = f"within {setting['window_d']:g} days of the first dose"
    return {
        "trial": "recommended_prophylaxis", "question": f"Does {drug(strategy)} lower CRS of grade >= 2 under "
                                                        f"{setting['product']}, and at which size would a trial show it?",
        "prophylaxis_in_words": f"{drug(strategy)} under {setting['product']} ({setting['regimen']})",
        "seed": setting["seed"], "n_sim": 2000, "alpha_one_sided": 0.025, "power": 0.8,
        "estimand": {
            "population": f"adults with {setting['population'].lower()} who start {setting['product']} "
                          f"({setting['regimen']})",
            "treatment": f"{drug(strategy)} and the planned regimen against the planned regimen alone",
            "variable": f"ASTCT grade >= 2 cytokine release syndrome {within}",
            "summary": "difference of risks, with the risk ratio beside it",
            "intercurrent_events": [
                {"event": "rescue tocilizumab or steroid for grade 1", "strategy": "treatment policy",
                 "sensitivity": "composite"},
                {"event": "prophylaxis missed or given in part", "strategy": "treatment policy"},
                {"event": "later doses withheld or progression", "strategy": "treatment policy"},
                {"event": "death before the end of the window", "strategy": "composite"},
                {"event": "another cause such as sepsis", "strategy": "adjudication"}]},
        "candidates": {"simulated": {
            "product": setting["product"], "regimen": setting["regimen"], "prophylaxis": strategy,
            "scenario": setting["scenario"], "n_patients": 4000, "training_patients": setting["n_training_per_arm"],
            "seed": setting["seed"]}},
        "screening": {"candidates_per_month": 8.0, "consent": 0.7, "score_noise_sd": 0.1, "missing_labs": 0.05,
                      "wait_d": setting["window_d"]},
        "designs": designs,
    }


def trial_design_yaml(content: Mapping[str, Any]) -> str:
    """The same as the text of a file."""
    return protocol_yaml(trial_design(content), version=content["setting"]["version"])
