"""A sensitivity experiment of the smallest size, from its file to its tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from crsrisk.data.ensemble import load_variance_shares
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.errors import InputError
from crsrisk.folders import experiments_folder
from crsrisk.studies.sensitivity import (
    OTHERS,
    Sensitivity,
    SensitivityResult,
    print_sensitivity,
    run_sensitivity,
)
from crsrisk.uncertainty.constants import CHANCE

TINY = """
kind: sensitivity
name: tiny
question: does it run
scenario: reference
products: [tarlatamab]
judged: tarlatamab
seed: 3
resamples: 50
trajectories: 2
screening_patients: 16
screening_judged_patients: 32
leaders: 2
points: 4
patients: 16
judged_patients: 48
panel_patients: 50
reference_patients: 200
selection_repeats: 2
scenarios: [reference, burden_null]
pool_patients: 500
simulated_series: 60
series_bootstrap: 5
"""
TABLES = {"screening", "sobol", "strengths", "outputs", "scenario_weights", "findings"}


def silent(title: str, total: int) -> Callable[[int], None]:
    return lambda n: None


def experiment(folder: Path, text: str = TINY) -> Path:
    folder.mkdir()
    (folder / "experiment.yaml").write_text(text, encoding="utf-8")
    return folder


@dataclass(frozen=True)
class Ran:
    """A run, and for each step of it what was announced and what was done."""

    result: SensitivityResult
    steps: dict[str, list[int]]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    steps: dict[str, list[int]] = {}

    def begin(title: str, total: int) -> Callable[[int], None]:
        steps[title] = [total, 0]

        def advance(n: int) -> None:
            steps[title][1] += n

        return advance

    folder = experiment(tmp_path_factory.mktemp("runs") / "one")
    return Ran(run_sensitivity(folder, workers=1, begin=begin), steps)


def test_everything_is_written(ran: Ran) -> None:
    results = ran.result.results
    assert {path.stem for path in results.glob("*.csv")} == TABLES
    summary = json.loads((results / "summary.json").read_text(encoding="utf-8"))
    assert summary == ran.result.to_dict()
    assert "no external validation" in summary["notice"]
    assert summary["scenario_weights"]["caveat"]
    assert sum(summary["constants_by_strength"].values()) == summary["n_constants"]
    assert sum(summary["leading_feature_share_of_worlds"].values()) == pytest.approx(1.0)
    written = pd.read_csv(results / "strengths.csv")
    assert {"assumed", CHANCE} <= set(written["strength"])
    assert len(repr(ran.result)) < 2_000


def test_the_summary_is_what_the_generator_card_reads(ran: Ran, tmp_path: Path) -> None:
    text = (ran.result.results / "summary.json").read_text(encoding="utf-8")
    (tmp_path / "sensitivity.json").write_text(text, encoding="utf-8")
    shares = load_variance_shares(tmp_path)
    assert shares is not None
    assert [output.name for output in shares.outputs] == list(ran.result.tables.outputs["output"])
    assert shares.support is not None


def test_every_world_is_counted(ran: Ran) -> None:
    """The totals announced to the progress bar are those simulated: no world twice, none for
    nothing.
    """
    assert {title: done for title, (total, done) in ran.steps.items()} == {
        title: total for title, (total, _) in ran.steps.items()
    }


def test_tables_say_what_they_should(ran: Ran) -> None:
    tables = ran.result.tables
    outputs = tables.outputs["output"].tolist()
    assert outputs[0] == "grade2plus_tarlatamab"
    assert outputs[-1] == "same_selection"
    for table in (tables.screening, tables.sobol):
        assert table["output"].drop_duplicates().tolist() == outputs
    chosen = set(tables.sobol["factor"]) - {OTHERS, CHANCE}
    assert chosen == set(ran.result.leaders)
    known = tables.screening.set_index(["output", "factor"])["strength"]
    assert (known[known.index.get_level_values("factor") != CHANCE] != "").all()
    first = tables.outputs.loc[0]
    assert first["p05"] <= first["median"] <= first["p95"]


def test_the_terminal_shows_the_caveats(ran: Ran) -> None:
    console = Console(width=140, record=True, file=open("/dev/null", "w", encoding="utf-8"))  # noqa: SIM115
    print_sensitivity(ran.result, console=console)
    text = " ".join(console.export_text().split())
    for words in (
        "is the probability that a scenario is true",
        "no external validation",
        "burden_null",
        "assumed",
    ):
        assert words in text
    console.file.close()


@pytest.mark.slow
def test_workers_change_nothing(ran: Ran, tmp_path: Path) -> None:
    again = run_sensitivity(experiment(tmp_path / "two"), workers=2, begin=silent)
    for name in TABLES:
        paths = (made.results / f"{name}.csv" for made in (ran.result, again))
        assert len({path.read_bytes() for path in paths}) == 1, name


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("points: 4", "points: 6", "points"),
        ("judged: tarlatamab", "judged: afami_cel", "judged"),
        ("scenarios: [reference, burden_null]", "scenarios: [burden_null]", "scenarios"),
        ("seed: 3", "sed: 3", "sed"),
    ],
)
def test_a_wrong_file_is_refused_before_anything_runs(
    tmp_path: Path, old: str, new: str, key: str
) -> None:
    with pytest.raises(InputError, match=key):
        run_sensitivity(
            experiment(tmp_path / "wrong", TINY.replace(old, new)), workers=1, begin=silent
        )


def test_the_shipped_experiment_is_sound() -> None:
    path = experiments_folder() / "003_sensitivity" / "experiment.yaml"
    config = build(Sensitivity, read_yaml(path), where=path.name)
    assert config.points & (config.points - 1) == 0
    assert config.judged in config.products


def test_the_terminal_prints_no_share_that_is_not_resolved(ran: Ran) -> None:
    """So few worlds resolve nothing; what chance is alone is printed where its interval is narrow
    enough.
    """
    strengths = ran.result.tables.strengths.assign(
        **{
            f"{name}{end}": value
            for name in ("alone", "with_others")
            for end, value in (("", 0.3), ("_low", 0.2), ("_high", 0.4))
        }
    )
    strengths.loc[strengths["strength"] == CHANCE, "with_others"] = 0.7
    console = Console(width=160, record=True, file=open("/dev/null", "w", encoding="utf-8"))  # noqa: SIM115
    changed = replace(ran.result, tables=replace(ran.result.tables, strengths=strengths))
    print_sensitivity(changed, console=console)
    text = console.export_text()
    console.file.close()
    table = text.partition("Share of the variance by strength")[2].partition("Not resolved:")[0]
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.split("│")[1:-1]]
        if len(cells) == 5 and cells[1] == "assumed":
            assert cells[3:] == ["not resolved", "not resolved"]
        elif len(cells) == 5 and cells[1] == CHANCE:
            assert cells[3] == "0.30 (0.20 to 0.40)"
    assert "Not resolved: the 95% interval" in " ".join(text.split())
