"""Sample size in a judgement: Riley's formulas beside the learning curve of the learner itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crsrisk.domain.cohort import Cohort
from crsrisk.domain.risk_model import FeatureContract
from crsrisk.errors import InputError
from crsrisk.learn.comparators import ProductPrevalence
from crsrisk.learn.ladder import Truth
from crsrisk.learn.measures import measure_all
from crsrisk.learn.metrics import clip_risk
from crsrisk.learn.needed_size import Development as Developed
from crsrisk.learn.needed_size import NeededSize, differences_from_mean, needed_size
from crsrisk.learn.predict import predict
from crsrisk.learn.resampling import Develop
from crsrisk.learn.sample_size import cstat_to_r2, pm_error_size_binary, pm_sample_size_binary, pm_validation_size_binary
from crsrisk.threads import side_by_side

Floats = NDArray[np.float64]


def learning_curve(
    pool: Cohort, *, sizes: Sequence[int], n_developments: int, refit: Develop, outcome: str, judge_in: Cohort,
    known: Cohort, truth: Truth, seed: int, workers: int, advance: Callable[[int], None],
) -> NeededSize:
    """Developments of every size on patients of their own, judged in the same patients.

    Development d takes the first patients of the d-th part of ``pool``; ``judge_in`` judges slopes and differences between
    developments, ``known`` (with its ``truth``) the share of the oracle's gain over knowing the product alone.
    """
    each = pool.n_patients // n_developments
    happened = judge_in.outcomes[outcome].to_numpy(dtype=np.bool_)

    def one(task: tuple[int, int]) -> tuple[Floats | None, dict[str, float]]:
        size, number = task
        rows = slice(number * each, number * each + size)
        observed, outcomes = (table.iloc[rows].reset_index(drop=True) for table in (pool.observed, pool.outcomes))
        try:
            model = refit(observed, outcomes, seed + number)
        except (InputError, ValueError):
            return None, {}
        finally:
            advance(1)
        risk = predict(model, judge_in.observed).risk
        figures = {"slope": measure_all(happened, risk=risk, has_curve=False)["slope"]}
        base = ProductPrevalence().fit(observed, outcomes[outcome].to_numpy()).predict_risk(known.observed)
        figures["share_of_oracle_gain"] = _share(base, predict(model, known.observed).risk, truth)
        return risk, figures

    tasks = [(size, number) for size in sizes for number in range(n_developments)]
    with side_by_side(workers) as threads:
        found = list(threads.map(one, tasks))
    made = []
    for size in sizes:
        here = [(task[1], result) for task, result in zip(tasks, found, strict=True) if task[0] == size]
        risks = [risk for _, (risk, _) in here if risk is not None]
        differences = differences_from_mean(risks).tolist() if len(risks) > 1 else [float("nan")] * len(risks)
        for number, (risk, figures) in here:
            mape = {} if risk is None else {"mape": differences.pop(0)}
            made.append(Developed(size, number, {**figures, **mape}))
    return needed_size(made)


def _share(base: Floats, risk: Floats, truth: Truth) -> float:
    """(loss of product-only - loss of model) / (loss of product-only - loss of oracle), under the true risk."""
    losses = [float(np.mean(-truth.risk * np.log(one) - (1 - truth.risk) * np.log1p(-one)))
              for one in (clip_risk(base).risk, clip_risk(risk).risk)]
    return (losses[0] - losses[1]) / (losses[0] - float(truth.entropy.mean()))


def riley(*, contract: FeatureContract, c: float) -> dict[str, Any]:
    """Riley's sizes for a model as strong as this one: rows for the report, and the largest for development."""
    prevalence, parameters = contract.n_events / contract.n_patients, len(contract.features)
    strength = cstat_to_r2(c=c, prevalence=prevalence, parameters=parameters)
    size = pm_sample_size_binary(r2_cs=strength.r2_cs, parameters=parameters, prevalence=prevalence)
    valid = pm_validation_size_binary(prevalence=prevalence, c=c)
    off = pm_error_size_binary(prevalence=prevalence, parameters=parameters)
    labels = ("Development, shrinkage of 0.9 (criterion 1)", "Development, optimism of 0.05 in R2 (criterion 2)",
              "Development, mean risk within 0.05 (criterion 3)", "Development, a risk off by 0.05 on average (criterion 4)")
    rows = [{"label": label, "n": n} for label, n in zip(labels, (*size.criteria, off), strict=True)]
    largest = max(size.n, off)
    rows += [{"label": "Development, the largest", "n": largest},
             {"label": "Validation, observed / expected of width 0.2", "n": valid.n_observed_expected},
             {"label": "Validation, AUROC of width 0.1", "n": valid.n_c_statistic}]
    notes = [f"Prevalence {prevalence:.3f}, {parameters} features counted as parameters, C-statistic {c:.3f} (held-out, all "
             f"products mixed), Cox-Snell R2 {strength.r2_cs:.3f} from it. Trees have no fixed number of parameters."]
    return {"rows": rows, "notes": notes, "largest": largest}


def size_content(*, contract: FeatureContract, c: float | None, needed: NeededSize | None) -> dict[str, Any]:
    """What the section on sample size is made of; Riley's sizes need a C-statistic above 0.5."""
    formula = riley(contract=contract, c=c) if c is not None and 0.5 < c < 1 else None
    said = [f"{contract.n_patients:,} patients with {contract.n_events:,} events were used."]
    if formula is not None:
        said.append(f"Riley's formulas ask for {formula['largest']:,}.")
    if needed is not None:
        smallest = needed.smallest["all"]
        said.append(f"By simulation this learner meets all targets from {smallest:,} patients on." if smallest else
                    f"By simulation this learner does not meet all targets with up to {needed.points[-1].n:,} patients.")
    return {"n": contract.n_patients, "n_events": contract.n_events, "riley": formula, "needed": needed,
            "sentence": " ".join(said)}
