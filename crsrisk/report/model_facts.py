"""Model facts: the short card that a released model carries, from its contract alone; a dictionary, then plain text."""

from __future__ import annotations

from typing import Any

from crsrisk.domain.risk_model import NOTICE, RiskModel

_USE = "Research into cytokine release syndrome after T-cell engaging therapy of solid tumours, on simulated patients."
_NOT_USE = ("Not for decisions about patients. Not for products, tumours or times of prediction other than those named "
            "here: the model then warns, or refuses.")


def model_facts(model: RiskModel) -> dict[str, Any]:
    """What the model predicts, from what, made of whom, and what it is not for; JSON-ready."""
    contract = model.contract
    when = "before the first dose" if not contract.landmark_h else f"{contract.landmark_h} h after the first dose"
    variables = [{"name": one.name, "label": one.label, "unit": one.unit, "kind": one.kind, "role": one.role, "why": one.why}
                 for one in contract.variables]
    return {
        "model": model.label, "notice": NOTICE, "use": _USE, "not_for": _NOT_USE,
        "predicts": contract.outcome_in_words, "window_d": dict(contract.window_d), "predicted": when,
        "products": list(contract.products), "n_patients": contract.n_patients, "n_events": contract.n_events,
        "data_are": model.manifest.get("data_are", "unknown"), "variables": variables,
        "calibration": model.calibrator.model_dump(), "made": dict(model.manifest),
    }


def as_markdown(facts: dict[str, Any]) -> str:
    """The facts as a page of Markdown."""
    windows = ", ".join(f"{days:g} days" if name == "default" else f"{name} {days:g} days"
                        for name, days in facts["window_d"].items())
    rows = [f"| {one['label']} | {'' if one['unit'] == '1' else one['unit']} | {one['kind']}, {one['role']} | {one['why']} |"
            for one in facts["variables"]]
    return "\n".join([
        f"# {facts['model']}", "", f"**{facts['notice']}**", "",
        f"- Predicts: {facts['predicts']}, within {windows} of the first dose; predicted {facts['predicted']}.",
        f"- For: {facts['use']}", f"- Not for: {facts['not_for']}",
        f"- Fitted to {facts['n_patients']:,} patients ({facts['data_are']}), {facts['n_events']:,} with the event; "
        f"calibration: {facts['calibration']['method']}.",
        f"- Products: {', '.join(facts['products']) or 'none named'}.", "",
        "| variable | unit | what it is | why |", "|---|---|---|---|", *rows, ""])
