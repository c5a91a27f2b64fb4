"""The main job's small parts; the whole is told in tests/stories/test_run.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crsrisk.errors import InputError
from crsrisk.evaluation.benchmark import Truth, benchmark_of_risks
from crsrisk.evaluation.evaluate import Evaluation, evaluate
from crsrisk.folders import find, names
from crsrisk.results import Estimate, NotEstimable
from crsrisk.simulation.evidence import summarise
from crsrisk.studies.baseline import Results, headline, products_of
from crsrisk.studies.experiment import Experiment, load_experiment
from tests.report.conftest import make_comparisons

ESTIMATE = Estimate(0.71, 0.66, 0.76)
SILENT = NotEstimable("fewer than 100 events")
RNG = np.random.default_rng(3)
RISK = RNG.uniform(0.1, 0.7, 400)
KEYS = (
    "auroc_pooled",
    "auroc_within_product",
    "calibration_slope",
    "calibration_in_the_large",
    "ici",
    "brier",
    "log_loss",
    "share_of_oracle_gain",
)


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    """Of 400 patients of two products, all of whom were simulated again."""
    product = np.array(["a", "b"] * 200)
    benchmark = benchmark_of_risks(
        product,
        truth=Truth("what was observed", RNG.binomial(100, RISK), np.full(400, 100)),
        risks={"product only": np.full(400, 0.4), "model": RISK},
        model="model",
        product_only="product only",
        null_risk=0.4,
        seed=1,
        n_resamples=20,
    )
    y_true = RNG.random(400) < RISK
    return evaluate(y_true, RISK, groups=product, n_resamples=20, benchmark=benchmark)


def with_known(evaluation: Evaluation, **figures: Estimate | NotEstimable) -> Evaluation:
    """The same with other figures of all patients."""
    return replace(
        evaluation,
        auroc_within_groups=ESTIMATE,
        pooled=replace(evaluation.pooled, **{"auroc": ESTIMATE, **figures}),
    )


def test_headline_has_each_figure_with_its_interval(evaluation: Evaluation) -> None:
    figures = headline(with_known(evaluation))
    assert tuple(figures) == KEYS
    assert figures["auroc_pooled"] == ESTIMATE
    curve = evaluation.pooled.calibration.curve
    assert not isinstance(curve, NotEstimable)
    assert figures["ici"] == curve.ici


def test_what_cannot_be_estimated_is_left_out(evaluation: Evaluation) -> None:
    calibration = replace(evaluation.pooled.calibration, in_the_large=SILENT, curve=SILENT)
    pooled = replace(evaluation.pooled, auroc=SILENT, brier=SILENT, calibration=calibration)
    figures = headline(replace(evaluation, pooled=pooled, benchmark=None))
    left_out = {"auroc_pooled", "brier", "calibration_in_the_large", "ici", "share_of_oracle_gain"}
    assert not left_out & set(figures)
    assert figures["calibration_slope"] == evaluation.pooled.calibration.slope


@pytest.mark.parametrize("is_on_path", [True, False])
def test_closing_lines(
    is_on_path: bool, evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mlflow").touch()
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setattr("shutil.which", lambda name: name if is_on_path else None)
    results = Results(
        folder=Path("x"),
        report=Path("x/report.html"),
        how_to_open_tracking="mlflow ui",
        evaluation=with_known(evaluation, auroc=SILENT),
        comparison_summary=summarise(make_comparisons()),
    )
    lines = results.summary().splitlines()
    assert "  AUROC within products: 0.710 (95% interval 0.660 to 0.760)" in lines
    assert not [line for line in lines if "pooled" in line]
    assert "  Published figures, likelihood: 1 of 2 judged agree" in lines
    assert lines[-3] == "Research use; synthetic data; no external validation."
    program = "mlflow" if is_on_path else str(tmp_path / "mlflow")
    assert lines[-2:] == ["Report: x/report.html", f"MLflow: {program} ui"]
    assert len(repr(results)) < 2000


def experiment_with(*products: str) -> Experiment:
    shipped = load_experiment(find("experiments", "001_baseline"))
    return shipped.model_copy(update={"products": list(products)})


def test_no_product_means_all() -> None:
    assert tuple(products_of(experiment_with(), where="x")) == names("products")


def test_products_keep_their_order() -> None:
    assert list(products_of(experiment_with("tebentafusp", "acapatamab"), where="x")) == [
        "tebentafusp",
        "acapatamab",
    ]


@pytest.mark.parametrize(
    "products",
    [
        ("tarlatamab", "tarlatamab"),
        ("cldn182_car_t", "til_il2"),
        ("checkpoint_inhibitor",),
        ("nobody",),
    ],
)
def test_products_that_cannot_make_a_report(products: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match=products[0]):
        products_of(experiment_with(*products), where="experiment.yaml")
