"""Judging: what `crsrisk evaluate` and a judgement experiment share: subgroups, thresholds, files, tracking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crsrisk.domain.risk_model import FeatureContract
from crsrisk.learn.subgroups import Subgroup, parts_of, subgroups
from crsrisk.learn.track import Tracker
from crsrisk.read.files import write_json, write_text
from crsrisk.report.judgement_page import render_judgement
from crsrisk.report.model_card import model_card_markdown
from crsrisk.report.words import estimate_in_words, number

Floats = NDArray[np.float64]

THRESHOLD = 0.3
"""Declared threshold of figures that need one: about two needless treatments accepted for one event found (assumed)."""
FILES = ("judgement.json", "judgement.html", "tripod_ai.json", "probast_ai.json", "model_card.md")


def judged_subgroups(
    happened: NDArray[np.bool_], *, risk: Floats, observed: pd.DataFrame, contract: FeatureContract, threshold: float,
    seed: int, n_resamples: int,
) -> list[Subgroup]:
    """Subgroups of the table that the model scored; a column that is no predictor and not there makes no subgroup."""
    parts = parts_of(observed, measured=may_be_missing(contract))
    return subgroups(happened, risk=risk, product=observed["product"].to_numpy(dtype=str), parts=parts,
                      threshold=threshold, seed=seed, n_resamples=n_resamples)


def may_be_missing(contract: FeatureContract) -> tuple[str, ...]:
    """Columns that may be empty."""
    return tuple(column.name for column in contract.columns if column.may_be_missing)


def missing_shares(observed: pd.DataFrame, *, contract: FeatureContract) -> list[dict[str, Any]]:
    """By column that may be empty: its label and the share of patients without it."""
    labels = {one.name: one.label for one in contract.variables}
    return [{"column": name, "label": labels.get(name, name), "share": float(observed[name].isna().mean())}
            for name in may_be_missing(contract) if name in observed]


def write_judgement(content: Mapping[str, Any], folder: Path) -> list[str]:
    """All files of a judgement; returns their names."""
    write_json(folder / "judgement.json", content)
    write_text(folder / "judgement.html", render_judgement(content))
    write_json(folder / "tripod_ai.json", content["tripod_ai"])
    write_json(folder / "probast_ai.json", content["probast_ai"])
    write_text(folder / "model_card.md", model_card_markdown(content["model_card"]))
    return list(FILES)


def track_judgement(tracker: Tracker, content: Mapping[str, Any], folder: Path) -> None:
    """Log the files and the figures that one looks at first; nothing of a single patient."""
    tracker.params({"model": content["model"]["label"], "purpose": content["purpose"], "threshold": content["threshold"]})
    tracker.metrics(figures_of(content))
    for name in FILES:
        tracker.file(folder / name)


def figures_of(content: Mapping[str, Any]) -> dict[str, float]:
    """The headline figures, each with its interval where it has one."""
    pooled = content["evaluation"]["pooled"]
    estimates = {
        "auroc": pooled["auroc"], "auroc_within_product": pooled["auroc_within_product"], "brier": pooled["brier"],
        "scaled_brier": pooled["scaled_brier"], "log_loss": pooled["log_loss"],
        **{f"calibration_{name}": pooled["calibration"][name] for name in ("slope", "in_the_large", "observed_to_expected")},
        "ici": pooled["calibration"]["curve"].get("ici", {}),
    }
    instability = content["instability"] or {}
    if "mean_mape" in instability:
        estimates["mean_mape"] = instability["mean_mape"]
    return {f"{name}{part}": float(one[key]) for name, one in estimates.items() if "value" in one
            for part, key in (("", "value"), ("_low", "low"), ("_high", "high"))}


def closing_lines(content: Mapping[str, Any]) -> list[str]:
    """What the terminal says at the end."""
    pooled, calibration = content["evaluation"]["pooled"], content["evaluation"]["pooled"]["calibration"]
    rows = {
        "AUROC within products": pooled["auroc_within_product"], "AUROC, all mixed": pooled["auroc"],
        "Observed / expected": calibration["observed_to_expected"], "Calibration slope": calibration["slope"],
        "Calibration intercept (slope fixed at 1)": calibration["in_the_large"],
        "Scaled Brier score": pooled["scaled_brier"],
    }
    lines = [f"{content['event']}, {content['window']}: {number(pooled['n'], digits=0)} patients, "
             f"{number(pooled['n_events'], digits=0)} with the event"]
    lines += [f"  {name}: {estimate_in_words(figure)} (95% interval)" for name, figure in rows.items()]
    counts = content["tripod_ai"]["counts"]
    lines.append("  TRIPOD+AI: " + ", ".join(f"{count} {kind}" for kind, count in counts.items()))
    return [*lines, content["notice"]]


def labels_of(products: Sequence[str], known: Mapping[str, str]) -> dict[str, str]:
    """A label for every product: its own where it is known, else its name in words."""
    return {name: known.get(name, name.replace("_", " ")) for name in products}
