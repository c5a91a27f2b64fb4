"""The main job's small parts; the whole is told in tests/stories/test_run.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crsrisk.errors import InputError
from crsrisk.folders import find, names
from crsrisk.studies.baseline import Results, headline, print_closing, products_of
from crsrisk.studies.experiment import Experiment, load_experiment

ESTIMATE = {"value": 0.71, "low": 0.66, "high": 0.76}
SILENT = {"reason": "fewer than 100 events"}


def evaluation(**changes: Any) -> dict[str, Any]:
    """The parts of an evaluation that the headline reads."""
    pooled = {
        "auroc": ESTIMATE,
        "auroc_within_product": ESTIMATE,
        "brier": ESTIMATE,
        "log_loss": ESTIMATE,
        "calibration": {"slope": ESTIMATE, "in_the_large": ESTIMATE, "curve": {"ici": ESTIMATE}},
    }
    return {"pooled": pooled | changes, "ladder": {"pooled": {"share_of_oracle_gain": ESTIMATE}}}


def test_headline_has_each_figure_with_its_interval() -> None:
    found = headline(evaluation())
    assert found["auroc_pooled"] == 0.71
    assert (found["ici_low"], found["ici_high"]) == (0.66, 0.76)
    assert len(found) == 3 * 8


def test_what_cannot_be_estimated_is_left_out() -> None:
    calibration = {"slope": ESTIMATE, "in_the_large": SILENT, "curve": {}}
    found = headline(evaluation(auroc=SILENT, brier=None, calibration=calibration))
    assert not {"auroc_pooled", "brier", "calibration_in_the_large", "ici"} & set(found)
    assert found["calibration_slope"] == 0.71


@pytest.mark.parametrize("is_on_path", [True, False])
def test_closing_lines(
    is_on_path: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "mlflow").touch()
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setattr("shutil.which", lambda name: name if is_on_path else None)
    role = {"n_agree": 3, "n_judged": 5, "n_figures": 9}
    results = Results(
        folder=Path("x"),
        report=Path("x/report.html"),
        how_to_open_tracking="mlflow ui",
        evaluation=evaluation(auroc=SILENT),
        comparison_summary={"by_role": {"validation": role}},
    )
    print_closing(results)
    lines = capsys.readouterr().out.splitlines()
    assert "  AUROC within products: 0.710 (95% interval 0.660 to 0.760)" in lines
    assert not [line for line in lines if "pooled" in line]
    assert "  Published figures, validation: 3 of 5 judged agree" in lines
    assert lines[-3] == "Research use; synthetic data; no external validation."
    program = "mlflow" if is_on_path else str(tmp_path / "mlflow")
    assert lines[-2:] == ["Report: x/report.html", f"MLflow: {program} ui"]


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
