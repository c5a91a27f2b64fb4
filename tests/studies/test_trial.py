"""From a design file to results: the protocol makes the same bytes, whatever the origin of the
candidates.
"""

from __future__ import annotations

import copy
import pickle
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from crsrisk.data.trial_plan_file import load_design
from crsrisk.errors import InputError
from crsrisk.folders import experiments_folder, names
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import save_model
from crsrisk.studies.trial import TrialResult, run_trial, write_trial
from crsrisk.terminal import steps

SHIPPED = experiments_folder() / "010_trial_designs"
COHORT = """candidates:
  cohort:
    {file: patients.csv, risk_column: risk, event_column: crs, treated_event_column: crs_treated}
"""


def smaller(text: str, *, n_sim: int = 300) -> str:
    """A shipped design with few trials, without the design that needs thousands of patients."""
    lines = [line for line in text.splitlines() if "treating everybody" not in line]
    return (
        "\n".join(lines)
        .replace("n_sim: 10000", f"n_sim: {n_sim}")
        .replace("n_sim: 5000", "n_sim: 100")
        + "\n"
    )


def run(path: Path, *, workers: int = 1) -> TrialResult:
    with steps(is_quiet=True) as begin:
        return run_trial(path, workers=workers, begin=begin)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("designs") / "small.yaml"
    path.write_text(
        smaller((SHIPPED / "design.yaml").read_text(encoding="utf-8")), encoding="utf-8"
    )
    return path


@pytest.fixture(scope="module")
def result(small: Path) -> TrialResult:
    return run(small)


def test_the_protocol_makes_the_same_bytes(result: TrialResult, tmp_path: Path) -> None:
    write_trial(result, html=tmp_path / "one.html", out=tmp_path / "one")
    again = run(tmp_path / "one" / "protocol.yaml", workers=2)
    write_trial(again, html=tmp_path / "two.html", out=tmp_path / "two")
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert {
        "protocol.yaml",
        "results.json",
        "content.json",
        "methods.md",
        "boundary-0.svg",
        "power-0.svg",
    } <= set(names)
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), (
            name
        )


def test_the_protocol_states_every_number(result: TrialResult, tmp_path: Path) -> None:
    path = tmp_path / "protocol.yaml"
    path.write_text(result.protocol, encoding="utf-8")
    plan = load_design(path)
    for design, sized in zip(plan.designs, result.designs, strict=True):
        assert design.n_total == (None if design.kind == "single_arm" else sized.n_max)


def test_the_methods_name_what_a_reader_needs(result: TrialResult) -> None:
    for part in (
        # B03
        "with O'Brien-Fleming bounds (z 4.049, 2.863, 2.337 and 2.024), non-binding futility",
        "when the z of either endpoint, since the claim needs both, is below 0, 0 and 0.5",
        "what it costs in power is charged once",
        "at 0.025 (z 1.960)",
        "Simon's optimal two-stage design for 0.7 against 0.85",
        "prior Beta(0.5, 0.5), stopping below a predictive probability of 0.05",
        "95% interval by the score method of Miettinen and Nurminen",
        "interval by Clopper and Pearson",
        "a patient whose outcome is unknown counts as having the event",
        "efficacy in the full analysis set: all randomised patients",
        "safety in all patients who received the study drug or placebo",
        "Beta(2,6)",
        "Cochran-Mantel-Haenszel",
        "ASTCT grade >= 2",
        "20 of 100 were hidden",
        "300 trials",
        "seed 20261126",
    ):
        assert part in result.methods


def test_every_figure_has_its_error(result: TrialResult) -> None:
    for design in result.to_dict()["designs"]:
        for name in (
            "power",
            "type_one_error",
            "expected_n",
            "screened",
            "duration_months",
            "exposed_without_need",
        ):
            assert set(design[name]) == {"value", "low", "high", "mc_error"}
            assert design[name]["mc_error"] >= 0


def test_the_result_shows_itself_and_survives_copies(result: TrialResult) -> None:
    assert repr(result).startswith("<TrialResult: Of 100 candidates, about 25 would have")
    assert len(repr(result)) < 2000
    assert "<table" in result._repr_html_()
    assert "Research use" in result.summary()
    for again in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):
        assert again.to_dict() == result.to_dict()


def test_tables_of_the_result(result: TrialResult) -> None:
    frame = result.to_frame()
    assert frame.index.tolist() == [design.design for design in result.designs]
    first = result.designs[0]
    assert frame.loc[first.design, "power"] == first.power.value
    assert frame.loc[first.design, "power_mc_error"] == first.power.mc_error
    looks = result.looks()
    assert len(looks) == sum(len(design.looks) for design in result.designs)
    four = looks[looks["design"] == "All-comers, four looks"]
    assert four["upper_z"].round(3).tolist() == [4.049, 2.863, 2.337, 2.024]  # B03
    cells = result.power_curves()
    assert len(cells) == len(result.power_grid) > 0
    assert cells["power"].between(0, 1).all()
    assert result.design(first.design) is first
    with pytest.raises(InputError, match=f"one of {first.design}"):
        result.design("nobody's")


def test_figures_are_drawn_from_the_result(
    result: TrialResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[str, object]] = []
    charts = ModuleType("crsrisk.plots.trial_charts")
    for name in ("plot_boundaries", "plot_power"):
        setattr(charts, name, lambda data, *, ax, name=name: drawn.append((name, data)))
    monkeypatch.setitem(sys.modules, charts.__name__, charts)
    result.plot()
    result.plot_power(base_rate=result.power_grid[-1].base_rate)
    result.plot_boundaries()
    result.plot_boundaries("Single arm, Simon optimal")
    assert [name for name, _ in drawn] == ["plot_power"] * 2 + ["plot_boundaries"] * 2
    assert drawn[0][1] == result.page().power[0]
    assert drawn[2][1] == result.page().boundaries[0]
    assert drawn[3][1].is_count
    with pytest.raises(InputError, match="a design with looks: All-comers, four looks"):
        result.plot_boundaries("All-comers")
    with pytest.raises(InputError, match="one of 0"):
        result.plot_power(base_rate=0.999)


def test_a_plan_is_run_like_its_file(small: Path, result: TrialResult) -> None:
    plan = load_design(small)
    one_design = plan.model_copy(update={"designs": plan.designs[:1], "power_curves": None})
    again = run_trial(one_design)
    assert again.designs == result.designs[:1]
    assert again.power_curves().empty


def test_candidates_from_a_table(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    risk = rng.beta(2, 6, size=800)
    u = rng.random(800)
    table = pd.DataFrame(
        {"risk": risk, "crs": (u < risk).astype(int), "crs_treated": (u < 0.5 * risk).astype(int)}
    )
    table.to_csv(tmp_path / "patients.csv", index=False)
    text = smaller((SHIPPED / "design.yaml").read_text(encoding="utf-8"))
    start, stop = text.index("candidates:\n"), text.index("masking:\n")
    path = tmp_path / "design.yaml"
    path.write_text(text[:start] + COHORT + text[stop:], encoding="utf-8")
    found = run(path)
    assert found.candidates.n_patients == 800
    assert found.candidates.base_rate == pytest.approx(float(table["crs"].mean()))
    assert found.candidates.base_rate_error > 0
    assert "the user's own table" in found.page().notice
    assert "All candidates are synthetic" not in found.page().summary
    path.write_text(
        path.read_text(encoding="utf-8").replace("event_column: crs,", "event_column: event,"),
        encoding="utf-8",
    )
    with pytest.raises(
        InputError, match=r"design\.yaml, .*patients\.csv, event: found columns risk, crs"
    ):
        run(path)
    path.write_text(
        path.read_text(encoding="utf-8").replace("patients.csv", "nobody.csv"), encoding="utf-8"
    )
    with pytest.raises(InputError, match=r"nobody\.csv"):
        run(path)


def test_candidates_from_the_simulator(tmp_path: Path) -> None:
    """No rate is expected here: the simulator may be calibrated anew."""
    text = (SHIPPED / "simulated.yaml").read_text(encoding="utf-8")
    for old, new in (
        ("n_sim: 10000", "n_sim: 300"),
        ("n_patients: 6000", "n_patients: 600"),
        ("training_patients: 3000", "training_patients: 400"),
    ):
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "simulated.yaml"
    path.write_text(text, encoding="utf-8")
    found = run(path)
    astct, support = found.candidates.rates
    assert 0 < astct.with_prophylaxis < astct.untreated < 1
    assert support.with_prophylaxis >= astct.with_prophylaxis - 0.05
    assert "600 simulated patients of tarlatamab" in found.methods
    assert "simulated, not known" in found.page().summary
    out = tmp_path / "out"
    write_trial(found, html=None, out=out)
    again = run(out / "protocol.yaml")
    assert again.to_dict() == found.to_dict()


def test_a_saved_model_scores_the_candidates(model: RiskModel, tmp_path: Path) -> None:
    """A model beside the design file, named without a path; one that was fitted to this product and
    one other.
    """
    save_model(model, tmp_path / "mine")
    text = (SHIPPED / "simulated.yaml").read_text(encoding="utf-8")
    for old, new in (
        ("n_sim: 10000", "n_sim: 100"),
        ("n_patients: 6000", "n_patients: 200"),
        ("training_patients: 3000", "model: mine"),
        ("prophylaxis: tocilizumab\n", "prophylaxis: tocilizumab@fever\n"),
    ):
        assert old in text
        text = text.replace(old, new)
    everybody = "  - {name: Everybody, kind: all_comers, n_total: 200, power: 0.03}\n"
    text = text[: text.index("designs:\n")] + "designs:\n" + everybody
    path = tmp_path / "simulated.yaml"
    path.write_text(text, encoding="utf-8")
    found = run(path)
    assert model.label in found.candidates.origin
    assert found.designs[0].exposed.value < 100  # at fever only the febrile are given any


def test_a_released_model_goes_by_its_name(tmp_path: Path) -> None:
    """As in `crsrisk policy simulate --model`; a name that nothing has is refused with those that
    there are.
    """
    released = names("released")
    if not released:
        pytest.skip("no model is released")
    text = (
        (SHIPPED / "simulated.yaml")
        .read_text(encoding="utf-8")
        .replace("n_patients: 6000", "n_patients: 100")
    )
    path = tmp_path / "simulated.yaml"
    path.write_text(
        text.replace("training_patients: 3000", "model: no_such_model"), encoding="utf-8"
    )
    with pytest.raises(InputError, match=f"no_such_model.*{released[0]}"):
        run(path)


def test_a_simulated_strategy_must_do_something(tmp_path: Path) -> None:
    text = (SHIPPED / "simulated.yaml").read_text(encoding="utf-8")
    text = text.replace("prophylaxis: tocilizumab\n", "prophylaxis: none\n")
    path = tmp_path / "simulated.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="adds or changes something"):
        run(path)


def test_too_small_a_design_is_refused_with_file_and_line(small: Path, tmp_path: Path) -> None:
    text = small.read_text(encoding="utf-8").replace(
        "{name: All-comers, kind: all_comers,", "{name: All-comers, kind: all_comers, n_total: 100,"
    )
    path = tmp_path / "small.yaml"
    path.write_text(text, encoding="utf-8")
    line = text[: text.index("n_total: 100")].count("\n") + 1
    with pytest.raises(
        InputError,
        match=rf"small\.yaml, line {line}, design All-comers, n_total: found 100 patients",
    ):
        run(path)
