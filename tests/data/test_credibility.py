"""The credibility review: its paths and commands are real, what does not fit is refused; and files
beside ensembles.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from crsrisk.cli.__main__ import app
from crsrisk.data.credibility import FACTORS, LEVELS, Credibility, is_command, load_credibility
from crsrisk.data.ensemble import load_ensemble_about, load_variance_shares
from crsrisk.data.world_files import load_product
from crsrisk.errors import InputError
from crsrisk.folders import synthetic_folder

ROOT = Path(__file__).resolve().parents[2]
TEXT = (synthetic_folder() / "credibility.yaml").read_text(encoding="utf-8")
SHIPPED = load_credibility()
WAYS = sorted({way for factor in SHIPPED.factors.values() for way in factor.reproduce})


def parsed(words: list[str]) -> dict[str, Any]:
    """What the command line makes of these words, without doing it; unknown commands and options
    are noticed.
    """
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        assert words[0] in command.commands, f"no command {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    try:
        return dict(command.make_context(command.name, list(words)).params)
    except Exception as problem:  # an error of the parser, whose class typer keeps to itself
        raise AssertionError(f"{' '.join(words)}: {problem}") from problem


def check_way(way: str) -> None:
    """A path that exists, or a command that could be typed."""
    if not is_command(way):
        assert (ROOT / way).exists(), f"no {way}"
        return
    program, *words = shlex.split(way)
    if program == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        assert words
        assert all(
            re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE) for target in words
        ), way
    elif program == "pytest":
        assert words
        for place in words:
            file, _, test = place.partition("::")
            assert (ROOT / file).exists(), way
            assert not test or f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), way
    else:
        given = parsed(words)
        products = given.get("product") or []
        for name in [products] if isinstance(products, str) else products:
            assert load_product(name)
        if "experiment" in given:
            assert (ROOT / given["experiment"] / "experiment.yaml").is_file(), way


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_repeat_it_is_real(way: str) -> None:
    check_way(way)


@pytest.mark.parametrize(
    "way",
    [
        "tests/no_such_test.py",
        "make nothing",
        "pytest tests/nothing",
        "crsrisk nothing",
        "crsrisk evidence compare --nothing",
        "crsrisk run experiments/nothing",
        "pytest tests/data/test_credibility.py::test_nothing",
        "crsrisk simulate --product nothing",
    ],
)
def test_what_is_not_real_is_noticed(way: str) -> None:
    with pytest.raises((AssertionError, InputError)):
        check_way(way)


def test_all_thirteen_factors_in_the_order_of_the_standard() -> None:
    assert len(FACTORS) == 13
    assert list(SHIPPED.factors) == list(FACTORS)
    assert [area for area, _ in FACTORS.values()] == ["verification"] * 5 + ["validation"] * 6 + [
        "applicability"
    ] * 2


def test_the_levels_do_not_flatter() -> None:
    """Without a patient compared and with most numbers assumed, no factor of validation or
    applicability is high.
    """
    for name, (area, _) in FACTORS.items():
        assert SHIPPED.factors[name].level in LEVELS
        assert area == "verification" or SHIPPED.factors[name].level != "high", name


def test_it_holds_no_measured_number() -> None:
    """Figures belong to commands that reproduce them; ranks of grades and names of standards are no
    figures.
    """
    words = [text for factor in SHIPPED.factors.values() for text in (factor.done, factor.missing)]
    for text in (*words, *SHIPPED.must_not_be_concluded):
        rest = re.sub(r"grades? [1-4]|V&V 40|libSBML|IL-6", "", text, flags=re.IGNORECASE)
        assert not re.search(r"\d", rest), text


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("    level: moderate", "    level: splendid", "level"),
        ("  use_error:", "  abuse_error:", "missing: use_error; unknown: abuse_error"),
        ("make test, ", "make test, rm -rf everything, ", "a path inside the repository"),
        ("make test, ", "make test, ../elsewhere, ", "a path inside the repository"),
        (
            (
                "reproduce: [make test, make slow, make lint, tests/contracts/test_architecture.py,"
                " tests/contracts/test_locks.py,\n               "
                " tests/simulation/test_compiled.py, tests/simulation/test_run.py,"
                " docs/decisions.md]"
            ),
            "reproduce: []",
            "software_quality_assurance.reproduce",
        ),
        (
            "question_of_interest: >-",
            "question_of_interest: ''\nnobodys_question: >-",
            "nobodys_question",
        ),
        ("must_not_be_concluded:", "must_not_be_concluded:\n  - ''", "not a blank"),
        (
            "  software_quality_assurance:\n    done: >-",
            "  software_quality_assurance:\n    done: ''\n    more: >-",
            "more",
        ),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in TEXT
    path = tmp_path / "credibility.yaml"
    path.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(says)) as refused:
        load_credibility(path)
    assert "credibility.yaml" in str(refused.value)


def test_blank_words_of_a_factor_are_refused() -> None:
    tree = SHIPPED.model_dump()
    tree["factors"]["model_form"]["missing"] = "  "
    with pytest.raises(ValueError, match="rather than a blank"):
        Credibility.model_validate(tree)


# --- beside the ensemble


def summary(**changes: Any) -> dict[str, Any]:
    """What a sensitivity experiment writes, with keys that the card does not need."""
    row = {
        "output": "g2",
        "strength": "assumed",
        "n_constants": 4,
        "alone": 0.5,
        "alone_low": 0.4,
        "alone_high": 0.6,
        "with_others": 0.7,
        "with_others_low": 0.6,
        "with_others_high": 0.8,
    }
    chance = {**row, "strength": "patients (chance)", "n_constants": 0, "alone": None}
    whole: dict[str, Any] = {
        "experiment": "003_sensitivity",
        "scenario": "reference",
        "seed": 1,
        "version": "0.1.0",
        "notice": "Synthetic.",
        "outputs": [{"output": "g2", "meaning": "grade >= 2", "mean": 0.2}],
        "sobol": [],
        "variance_by_strength": [row, chance],
    }
    return {**whole, **changes}


def test_nothing_beside_no_ensemble(tmp_path: Path) -> None:
    assert load_ensemble_about(tmp_path) is None
    assert load_variance_shares(tmp_path) is None


def test_a_summary_of_sensitivity_is_read(tmp_path: Path) -> None:
    (tmp_path / "sensitivity.json").write_text(json.dumps(summary()), encoding="utf-8")
    found = load_variance_shares(tmp_path)
    assert found is not None
    (output,) = found.outputs
    assert (output.name, output.meaning, len(output.shares)) == ("g2", "grade >= 2", 2)
    assert (output.shares[0].alone, output.shares[0].with_others_high) == (0.5, 0.8)
    assert output.shares[1].alone is None


def test_the_leading_constants_and_the_support_of_scenarios_are_read(tmp_path: Path) -> None:
    ends = {"total_low": 0.0, "total_high": 0.9}
    sobol = [
        {"output": "g2", "factor": name, "strength": strength, "total": total, **ends}
        for name, strength, total in (
            ("a", "assumed", 0.1),
            ("all other constants", "", 0.9),
            ("b", "expert", 0.3),
            ("c", "assumed", 0.0),
            ("d", "assumed", 0.2),
            ("e", "assumed", 0.05),
            ("f", "assumed", None),
        )
    ]
    row = {
        "findings": "all",
        "scenario": "burden_null",
        "bayes_factor": 0.5,
        "low": 0.4,
        "high": 0.6,
        "mc_error_log": 0.1,
        "weight": 0.3,
        "weight_mc_error": 0.02,
    }
    tree = summary(
        sobol=sobol,
        scenario_weights={"caveat": "No weight is a probability.", "rows": [row], "findings": []},
    )
    (tmp_path / "sensitivity.json").write_text(json.dumps(tree), encoding="utf-8")
    found = load_variance_shares(tmp_path)
    assert found is not None
    assert [leader.factor for leader in found.outputs[0].leaders] == ["b", "d", "a"]
    assert found.support is not None
    assert found.support.rows[0].weight == 0.3
    tree["scenario_weights"]["caveat"] = ""
    (tmp_path / "sensitivity.json").write_text(json.dumps(tree), encoding="utf-8")
    with pytest.raises(InputError, match="caveat"):
        load_variance_shares(tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("no json", "no JSON"),
        ("[1]", "a JSON object"),
        (json.dumps(summary(variance_by_strength={})), "variance_by_strength"),
        (json.dumps(summary(outputs=[{"name": "g2"}])), "variance_by_strength"),
        (json.dumps(summary(seed="one")), "seed"),
        (json.dumps(summary(outputs=[])), "outputs"),
        (
            json.dumps(
                summary(
                    variance_by_strength=[
                        {**summary()["variance_by_strength"][0], "strength": "guessed"}
                    ]
                )
            ),
            "guessed",
        ),
    ],
)
def test_a_wrong_summary_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "sensitivity.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=says):
        load_variance_shares(tmp_path)


def test_where_an_ensemble_comes_from(tmp_path: Path) -> None:
    about = {
        "experiment": "002_calibration",
        "scenario": "reference",
        "seed": 3,
        "version": "0.1.0",
        "targets": ["E030"],
        "effective_size": 120,
        "n_members": 256,
        "assumptions": "abc",
    }
    (tmp_path / "about.json").write_text(json.dumps(about), encoding="utf-8")
    found = load_ensemble_about(tmp_path)
    assert found is not None
    assert (found.n_members, found.effective_size, found.targets) == (256, 120.0, ["E030"])
    (tmp_path / "about.json").write_text(
        json.dumps({**about, "n_members": "many"}), encoding="utf-8"
    )
    with pytest.raises(InputError, match="n_members"):
        load_ensemble_about(tmp_path)
