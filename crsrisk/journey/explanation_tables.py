"""The tables of the explanation experiment, as Markdown and on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

_COMPARISONS = {
    "model_against_oracle": "(b) model against the oracle's risk",
    "oracle_against_intervention": "(c) oracle's Shapley values against the intervention",
    "model_against_intervention": "(c) model's Shapley values against the intervention",
}


def explanation_markdown(tree: Mapping[str, Any]) -> str:
    """Three numbers overall and by product, then feature by feature."""
    lines = [f"# {tree['name']}: {tree['question']}", "", f"Model: {tree['model']}. Background: {tree['background']}.", "",
             *_overall_lines(tree), "", "## By product", "",
             "| product | explainer error | surrogate: share of variance | reliability | (b) rank correlation | (b) linear "
             "| (b) sign | (b) top 3 | (c) oracle, rank | (c) model, rank | (c) reliability | judged |", f"|{'---|' * 12}"]
    lines += [_product_line(row) for row in tree["products"].values()]
    lines += ["", "## Levers: the mechanism run with the lever, and the model with its column edited", "",
              "| product | lever | rate before | true change | Monte Carlo error | modelled change |", f"|{'---|' * 6}"]
    lines += [f"| {row['product']} | {row['lever']} | {row['rate_before']:.3f} | {row['true_change']:+.3f} | "
              f"{row['mc_error']:.3f} | {row['modelled_change']:+.3f} |" for row in tree["levers"]]
    for row in tree["products"].values():
        if "features" in row:
            lines += ["", f"## {row['product']}", "",
                      "| feature | kind | oracle, mean abs. | model, mean abs. | (b) rank | (b) linear | intervention, "
                      "mean abs. | (c) rank | path-dependent, mean abs. (another game: not to be compared) |",
                      f"|{'---|' * 9}"]
            lines += [f"| {one['feature']} | {one['kind']} | {one['size']:.3f} | {one['size_attributed']:.3f} | "
                      f"{one['rank_correlation']:.2f} | {one['linear_correlation']:.2f} | {one['size_of_effect']:.3f} | "
                      f"{one['oracle_against_intervention']:.2f} | {one['size_path_dependent']:.3f} |"
                      for one in row["features"]]
    return "\n".join([*lines, "", tree["notice"], ""])


def print_explanation_truth(tree: dict[str, Any]) -> None:
    """The three numbers, and where everything else is."""
    console = Console(width=max(Console().width, 120), markup=False, highlight=False)
    for line in _overall_lines(tree):
        console.print(line, soft_wrap=True)
    for row in tree["products"].values():
        if not row["is_judged"]:
            console.print(f"  not judged: {row['product']} ({row['why_not']})", soft_wrap=True)
    console.print("By product and feature: results/tables.md. " + tree["notice"], soft_wrap=True)


def _overall_lines(tree: Mapping[str, Any]) -> list[str]:
    found, bars = tree["overall"], tree["bars"]
    lines = [f"- (a) explainer error, largest, log-odds: path-dependent {found['explainer']['path_dependent']:.1e}, "
             f"interventional {found['explainer']['interventional']:.1e} (bar {bars['explainer']:.0e}: "
             f"{'met' if found['explainer_meets_bar'] else 'not met'})"]
    for key, words in _COMPARISONS.items():
        if key not in found:
            continue
        one, bar = found[key], ""
        if key == "model_against_oracle":
            bar = f" (bar {bars['model']:g}: {'met' if found['model_meets_bar'] else 'not met'})"
        lines.append(f"- {words}: rank correlation {_told(one['rank_correlation'])}{bar}, linear correlation "
                     f"{_told(one['linear_correlation'])}, sign agreement {_told(one['sign'])}, "
                     f"top-3 hits {_told(one['top'])}")
    return lines


def _told(figure: Mapping[str, float]) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f}, Monte Carlo error {figure['mc_error']:.3f})"


def _product_line(row: Mapping[str, Any]) -> str:
    error = max(row["explainer"]["path_dependent"], row["explainer"]["interventional"])
    if "model_against_oracle" not in row:
        return f"| {row['product']} | {error:.1e} |{' - |' * 9} no: {row['why_not']} |"
    surrogate, b = row["surrogate"], row["model_against_oracle"]
    share = "-" if surrogate["share_of_variance"] is None else f"{surrogate['share_of_variance']:.3f}"
    return (f"| {row['product']} | {error:.1e} | {share} | {surrogate['reliability']:.3f} | "
            f"{b['rank_correlation']['value']:.3f} ({b['rank_correlation']['mc_error']:.3f}) | "
            f"{b['linear_correlation']['value']:.3f} | {b['sign']['value']:.3f} | "
            f"{b['top']['value']:.2f} | {row['oracle_against_intervention']['rank_correlation']['value']:.3f} | "
            f"{row['model_against_intervention']['rank_correlation']['value']:.3f} | "
            f"{row['intervention_reliability']:.3f} | {'yes' if row['is_judged'] else 'no: ' + row['why_not']} |")
