"""Read what lies beside the members of an ensemble: ``about.json`` and, when it was computed, ``sensitivity.json``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeGuard

from crsrisk.domain.ensemble_about import EnsembleAbout, Leader, SupportedScenario, VarianceShares
from crsrisk.errors import InputError
from crsrisk.read.ensemble import ensemble_folder
from crsrisk.read.strict_yaml import build

_N_LEADERS = 3


def load_ensemble_about(folder: Path | None = None) -> EnsembleAbout | None:
    """Origin and size of the ensemble in a folder (without one: of the one that ships); None when there is none.

    Raises :class:`InputError` for a file that does not say them.
    """
    path = (folder or ensemble_folder()) / "about.json"
    tree = _read(path, cure="make it: crsrisk run experiments/002_calibration, then crsrisk adopt its results")
    if tree is None:
        return None
    return build(EnsembleAbout, {key: tree[key] for key in EnsembleAbout.model_fields if key in tree}, where=path.name)


def load_variance_shares(folder: Path | None = None) -> VarianceShares | None:
    """How the variance of each output is shared out, from ``sensitivity.json``; None when it was not computed.

    The file is a copy of ``results/summary.json`` of a sensitivity experiment. Raises :class:`InputError` for a file that is
    no such summary.
    """
    path = (folder or ensemble_folder()) / "sensitivity.json"
    tree = _read(path, cure="make it: crsrisk run experiments/003_sensitivity, then copy results/summary.json")
    if tree is None:
        return None
    chosen: dict[str, Any] = {key: tree[key] for key in ("experiment", "seed", "version", "notice") if key in tree}
    outputs, rows = tree.get("outputs"), tree.get("variance_by_strength")
    if not _name_their_output(outputs) or not _name_their_output(rows):
        raise InputError(where=path.name, key="variance_by_strength", found="no list of rows that name their output",
                         expected="outputs and variance_by_strength, as a sensitivity experiment writes them",
                         cure="copy results/summary.json of crsrisk run experiments/003_sensitivity")
    shares: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        shares.setdefault(row["output"], []).append({key: value for key, value in row.items() if key != "output"})
    chosen["outputs"] = [{"name": one["output"], "meaning": one.get("meaning", one["output"]),
                          "shares": shares.get(one["output"], []), "leaders": _leaders(tree.get("sobol"), one["output"])}
                         for one in outputs]
    if isinstance(support := tree.get("scenario_weights"), dict):
        chosen["support"] = {"caveat": support.get("caveat"),
                             "rows": _only(support.get("rows", []), SupportedScenario.model_fields)}
    return build(VarianceShares, chosen, where=path.name)


def _leaders(sobol: Any, output: str) -> list[dict[str, Any]]:
    """The single constants with the largest share of an output's variance, at most three, those that move it only."""
    rows = [row for row in sobol or [] if row["output"] == output and row["strength"] and (row["total"] or 0.0) > 0.0]
    return _only(sorted(rows, key=lambda row: -row["total"])[:_N_LEADERS], Leader.model_fields)


def _only(rows: Iterable[Mapping[str, Any]], keys: Iterable[str]) -> list[dict[str, Any]]:
    kept = tuple(keys)
    return [{key: row[key] for key in kept if key in row} for row in rows]


def _name_their_output(tree: Any) -> TypeGuard[list[dict[str, Any]]]:
    return isinstance(tree, list) and all(isinstance(row, dict) and isinstance(row.get("output"), str) for row in tree)


def _read(path: Path, *, cure: str) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as problem:
        raise InputError(where=path.name, found="text that is no JSON", expected="a JSON object", cure=cure) from problem
    if not isinstance(tree, dict):
        raise InputError(where=path.name, found=type(tree).__name__, expected="a JSON object", cure=cure)
    return tree
