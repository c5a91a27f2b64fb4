"""How fast exact Shapley values are, against shap's TreeExplainer in the same run.

(d) A forest of 500 trees with 31 leaves over 25 features, with missing values and sets of
categories: our quadrature explains all 100,000 patients; shap.TreeExplainer (path-dependent, for
LightGBM's models the fastest it has: it hands them to LightGBM's own C++) explains some of them
before and some after, since all would take minutes. Both may use all cores. Ratios are of processor
time for each patient, so that other work on the machine matters less, and of time on the wall. The
agreement is with LightGBM's `pred_contrib` on the patients that shap explained.

(e) The same for the model that ships: an additive start and shallow trees, as `crsrisk train` fits
it.
"""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from typing import Any

import lightgbm as lgb
import numba
import numpy as np
import shap
from numpy.typing import NDArray
from scipy.special import expit

from bench.kernel import _seconds
from bench.models import fitted
from crsrisk.model.booster import contributions_of
from crsrisk.model.booster_text import bare_text
from crsrisk.model.explain import path_shapley
from crsrisk.model.forest import forest_of, raw_log_odds_by
from crsrisk.model.predict import feature_matrix

Values = NDArray[np.float64]
N_PATIENTS, N_SHAP = 100_000, 4_000
N_TREES, N_LEAVES, N_FEATURES, N_CATEGORICAL = 500, 31, 25, 2
BAR_RATIO, AGREEMENT = 25.0, 1e-10


@dataclass(frozen=True)
class Explained:
    """Microseconds of processor time a patient, ratios over shap, and the largest differences in
    log-odds.
    """

    model: str
    n_trees: int
    n_nodes: int
    ours_us: float
    shap_us: float
    ratio: float
    ratio_on_the_wall: float
    from_lightgbm: float
    from_shap: float
    additivity: float


def forest_of_the_note(
    n_patients: int = N_PATIENTS, n_trees: int = N_TREES
) -> tuple[lgb.Booster, Values]:
    """A classifier on made-up patients: interactions, a tenth missing, two columns of
    categories.
    """
    rng = np.random.default_rng(1)
    table = rng.normal(size=(n_patients, N_FEATURES))
    table[:, -1], table[:, -2] = rng.integers(0, 60, n_patients), rng.integers(0, 5, n_patients)
    signal = (
        table[:, 0] + table[:, 1] * table[:, 2] + np.sin(table[:, -1]) + 0.5 * np.abs(table[:, 3])
    )
    table[rng.random(table.shape) < 0.1] = np.nan
    some = slice(0, 20_000)
    data = lgb.Dataset(
        table[some],
        rng.random(n_patients)[some] < expit(signal[some]),
        categorical_feature=[N_FEATURES - 2, N_FEATURES - 1],
    )
    options = {
        "objective": "binary",
        "num_leaves": N_LEAVES,
        "seed": 1,
        "verbosity": -1,
        "deterministic": True,
        "force_row_wise": True,
    }
    return lgb.train(options, data, n_trees), table


def compare(name: str, text: str, table: Values, *, n_shap: int = N_SHAP) -> Explained:
    """One forest: shap on a part, ours on everything, shap on the part again; each keeps its best
    time.
    """
    forest, booster, some = forest_of(text), lgb.Booster(model_str=text), table[:n_shap]
    explainer, workers = shap.TreeExplainer(booster), os.cpu_count() or 1
    kept: dict[str, Values] = {}
    path_shapley(forest, some, workers=workers)  # compiles

    def theirs() -> None:
        kept["shap"] = np.asarray(explainer.shap_values(some, check_additivity=False))

    def ours() -> None:
        kept["ours"] = path_shapley(forest, table, workers=workers)

    first, own, second = (
        _seconds(theirs, repeats=1),
        _seconds(ours, repeats=2),
        _seconds(theirs, repeats=1),
    )
    shap_cpu, shap_wall = (min(pair) / n_shap for pair in zip(first, second, strict=True))
    own_cpu, own_wall = (used / len(table) for used in own)
    shares = kept["ours"]
    return Explained(
        model=name,
        n_trees=len(forest.roots),
        n_nodes=len(forest.nodes),
        ours_us=1e6 * own_cpu,
        shap_us=1e6 * shap_cpu,
        ratio=shap_cpu / own_cpu,
        ratio_on_the_wall=shap_wall / own_wall,
        from_lightgbm=float(np.abs(shares[:n_shap] - contributions_of(booster, some)).max()),
        from_shap=float(np.abs(shares[:n_shap, :-1] - kept["shap"]).max()),
        additivity=float(np.abs(shares.sum(axis=1) - raw_log_odds_by(forest, table)).max()),
    )


def measure() -> dict[str, Any]:
    """Both forests and what they were measured on, ready for JSON."""
    booster, table = forest_of_the_note()
    large = compare("(d) 500 trees, 31 leaves", bare_text(booster.model_to_string()), table)
    ours = fitted()
    rows = feature_matrix(ours.model, ours.cohort.observed)
    many = np.tile(rows, (-(-N_PATIENTS // len(rows)), 1))[:N_PATIENTS]
    shipped = compare("(e) the model that ships", ours.model.booster_text, many)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return {
        "n_patients": N_PATIENTS,
        "n_patients_of_shap": N_SHAP,
        "forests": [asdict(large), asdict(shipped)],
        "bars": {"ratio": BAR_RATIO, "agreement": AGREEMENT},
        "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "load_1_min": load},
        "versions": {
            "python": platform.python_version(),
            "numba": numba.__version__,
            "numpy": np.__version__,
            "shap": shap.__version__,
            "lightgbm": lgb.__version__,
        },
    }


def table(found: dict[str, Any]) -> str:
    """The result in words; shap was timed on fewer patients, and the table says so."""
    rows = [("exact Shapley values, path-dependent", "us/patient", "difference", "")]
    for one in found["forests"]:
        is_fast, is_exact = one["ratio"] >= BAR_RATIO, one["from_lightgbm"] < AGREEMENT
        rows += [
            (
                one["model"],
                f"{one['ours_us']:,.1f}",
                f"{one['from_lightgbm']:.1e}",
                (
                    f"{found['n_patients']:,} patients; {AGREEMENT:g} from LightGBM:"
                    f" {'met' if is_exact else 'MISSED'}"
                ),
            ),
            (
                "  shap.TreeExplainer",
                f"{one['shap_us']:,.1f}",
                f"{one['from_shap']:.1e}",
                f"timed on {found['n_patients_of_shap']:,} of them",
            ),
            (
                "  ratio",
                f"{one['ratio']:,.1f} x",
                "",
                (
                    f"{BAR_RATIO:g} x: {'met' if is_fast else 'MISSED'} "
                    f"({one['ratio_on_the_wall']:,.1f} x on the wall)"
                ),
            ),
            ("  values and base add up", "", f"{one['additivity']:.1e}", ""),
        ]
    return "\n".join(
        f"{name:<36}{speed:>12}  {error:>12}  {word}".rstrip() for name, speed, error, word in rows
    )
