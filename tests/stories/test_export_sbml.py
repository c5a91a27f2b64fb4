"""A modeller takes the mechanism to another program: one command, one valid file, a run in
libRoadRunner.
"""

from __future__ import annotations

import xml.etree.ElementTree as Xml
from pathlib import Path

import numpy as np
import pytest

from tests.stories.terminal import RESTRICTION, digests, done, own_copy, refused

NAMESPACE = "{http://www.sbml.org/sbml/level3/version2/core}"


def _constant(place: Path, name: str) -> float:
    found = {one.get("id"): one for one in Xml.parse(place).iter(f"{NAMESPACE}parameter")}
    return float(found[name].attrib["value"])


def test_a_file_for_other_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = done("export", "sbml", "tarlatamab")
    assert answer.out.splitlines()[0].startswith("Wrote tarlatamab.xml (SBML level 3 version 2")
    assert "no external validation" in answer.out
    text = (tmp_path / "tarlatamab.xml").read_text(encoding="utf-8")
    assert "no external validation" in text
    assert str(tmp_path) not in text
    done("export", "sbml", "tarlatamab", "--out", tmp_path / "new" / "again.xml")
    assert (tmp_path / "new" / "again.xml").read_text(encoding="utf-8") == text, (
        "same question, same bytes"
    )


def test_it_runs_in_libroadrunner(tmp_path: Path) -> None:
    """Untreated, the typical patient warms up after the first dose and not before; drug comes with
    the doses.
    """
    roadrunner = pytest.importorskip("roadrunner", reason="libroadrunner is a development tool")
    roadrunner.Logger.setLevel(roadrunner.Logger.LOG_FATAL)
    place = tmp_path / "mechanism.xml"
    done("export", "sbml", "tebentafusp", "--out", place)
    model = roadrunner.RoadRunner(str(place))
    model.integrator.relative_tolerance, model.integrator.absolute_tolerance = 1e-6, 1e-9
    model.selections = ["time", "central", "temperature"]
    time_h, drug, temperature = np.array(model.simulate(0.0, 500.0, 1001)).T
    assert temperature.max() > temperature[0] + 0.5
    doses = [drug[(time_h > start) & (time_h < start + 24)].max() for start in (0, 168, 336)]
    assert doses == sorted(doses), "a step-up"


def test_every_choice_reaches_the_file(tmp_path: Path) -> None:
    """Regimen, scenario, patient and a product file of one's own."""

    def written(*words: str | int | Path) -> Path:
        place = tmp_path / f"{len(list(tmp_path.iterdir()))}.xml"
        done("export", "sbml", *words, "--out", place)
        return place

    plain = written("tarlatamab")
    assert "agents work and wane" in plain.read_text(encoding="utf-8")
    without = written("tarlatamab", "--regimen", "label_no_steroid")
    assert "agents work and wane" not in without.read_text(encoding="utf-8")
    guarded = written("tarlatamab", "--regimen", "label_no_steroid", "--mitigation", "tocilizumab")
    assert "agents work and wane" in guarded.read_text(encoding="utf-8")
    other_world = written("tarlatamab", "--scenario", "burden_strong")
    assert "scenario burden_strong" in other_world.read_text(encoding="utf-8")
    first, second = (
        _constant(written("tarlatamab", "--patient", k, "--seed", 3), "gain_t") for k in (0, 1)
    )
    assert len({first, second, _constant(plain, "gain_t")}) == 3
    weight = _constant(plain, "load_normal")
    own = own_copy(
        "products",
        "tarlatamab",
        tmp_path / "my" / "less_restricted.yaml",
        (f"antigen_restriction:\n    value: {RESTRICTION}", "antigen_restriction:\n    value: 0.8"),
    )
    assert _constant(written(own), "load_normal") > weight


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nothing_known",), "nothing_known"),
        (("tarlatamab", "--regimen", "weekly"), "weekly"),
        (("tarlatamab", "--mitigation", "aspirin"), "aspirin"),
        (("tarlatamab", "--mitigation", "oxygen"), "oxygen"),
        (("tarlatamab", "--scenario", "elsewhere"), "elsewhere"),
    ],
)
def test_a_wrong_name_is_refused(words: tuple[str, ...], says: str, tmp_path: Path) -> None:
    refused("export", "sbml", *words, "--out", tmp_path / "x.xml", says=(says,), folder=tmp_path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    refused("export", "sbml", "tarlatamab", "--out", tmp_path, says=("a folder",), folder=tmp_path)
    assert digests(tmp_path) == {}
