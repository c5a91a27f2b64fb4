"""Design files are read as a whole; a refusal names file, line, key and cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from crsrisk.data.trial_plan_file import load_design
from crsrisk.errors import InputError
from crsrisk.folders import experiments_folder

SHIPPED = experiments_folder() / "010_trial_designs"


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_designs_are_read(path: Path) -> None:
    plan = load_design(path)
    assert len({one.name for one in plan.designs}) == len(plan.designs)
    assert len(plan.estimand.rows) >= 5


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "Enriched at 0.2, kind: enrichment, threshold: 0.2",
            "Enriched at 0.2, kind: enrichment, threshold: 1.0",
            ("design Enriched at 0.2, threshold", "found 1.0", "all_comers"),
        ),
        (
            "missing_labs: 0.1",
            "missing_labs: 10.0",
            ("screening, missing_labs", "found 10.0", "divide percentages"),
        ),
        ("hidden: 0.2", "hidden: 1.5", ("masking, hidden", "found 1.5")),
        ("kind: stratified", "kind: startified", ("designs.5.kind", "startified", "'stratified'")),
        ("risk_ratio: 0.5}", "risk_ratio: 1.5}", ("risk_ratio", "1.5", "less than 1")),
        (
            "method: simon_minimax, benchmark: 0.7, target: 0.85",
            "method: simon_minimax, benchmark: 0.7, target: 0.65",
            ("single_arm, target", "found 0.65", "above the benchmark of 0.7"),
        ),
        ("power: 0.8", "power: 80.0", ("power", "found 80.0", "divide percentages")),
        ("consent: 0.8", "consent: 0.8\n  consant: 0.8", ("screening.consant", "an unknown key")),
    ],
)
def test_a_refusal_names_the_line(
    tmp_path: Path, old: str, new: str, says: tuple[str, ...]
) -> None:
    text = (SHIPPED / "design.yaml").read_text(encoding="utf-8")
    changed = text.replace(old, new, 1)
    assert changed != text
    path = tmp_path / "mine.yaml"
    path.write_text(changed, encoding="utf-8")
    with pytest.raises(InputError) as refused:
        load_design(path)
    told = str(refused.value)
    for part in (f"mine.yaml, line {line_of(changed, new) + new.count(chr(10))}", *says):
        assert part in told, told


def test_what_is_missing_or_doubled_is_named(tmp_path: Path) -> None:
    text = (SHIPPED / "design.yaml").read_text(encoding="utf-8")
    path = tmp_path / "mine.yaml"
    cases = (
        ("seed: 20261126\n", "", "seed: found nothing"),
        ("name: Stratified at 0.2", "name: All-comers", "a name of its own"),
        ("seed: 20261126", "seed: 1\nseed: 2", "second time"),
        ("wait_d: 14.0", "wait_d: no", "bare word"),
    )
    for old, new, says in cases:
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        with pytest.raises(InputError, match=says):
            load_design(path)


def test_an_unknown_key_is_told_what_its_own_block_knows(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    text = (
        (SHIPPED / "design.yaml")
        .read_text(encoding="utf-8")
        .replace("looks: 4, ", "looks: 4, fertility: x, ", 1)
    )
    path.write_text(text, encoding="utf-8")
    with pytest.raises(
        InputError, match=r"sequential.fertility.*known: boundary, looks, info, futility_z"
    ) as refused:
        load_design(path)
    assert "prophylaxis_in_words" not in str(refused.value)
