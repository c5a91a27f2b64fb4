"""Typing `crsrisk trial`: the paragraph first, JSON alone, a page, a protocol, and refusals that
write nothing.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from crsrisk.folders import experiments_folder
from tests.stories.terminal import done, refused

SHIPPED = experiments_folder() / "010_trial_designs" / "design.yaml"


@pytest.fixture
def design(tmp_path: Path) -> Path:
    """The shipped file with three designs and few trials."""
    text = SHIPPED.read_text(encoding="utf-8").replace("n_sim: 10000", "n_sim: 200")
    start, stop = (
        text.index("  - name: All-comers, four looks"),
        text.index("  - name: Single arm, Simon minimax"),
    )
    kept = (
        text[:start]
        + "  - {name: High risk, kind: enrichment, threshold: 0.3}\n"
        + text[start:stop][text[start:stop].index("  - name: Single arm") :]
    )
    path = tmp_path / "mine.yaml"
    path.write_text(kept, encoding="utf-8")
    return path


def test_the_paragraph_comes_first(design: Path) -> None:
    told = done("trial", design).out
    assert told.startswith(
        "Of 100 candidates, about 25 would have cytokine release syndrome of grade 2 or more"
    )
    for part in (
        "Estimand (ICH E9(R1))",
        "High risk",
        "False claims of benefit",
        "Research use; synthetic data",
    ):
        assert part in told


def test_json_page_and_folder(design: Path, tmp_path: Path) -> None:
    tree = done(
        "trial",
        design,
        "--json",
        "--html",
        tmp_path / "t.html",
        "--out",
        tmp_path / "out",
        "--workers",
        1,
    ).tree
    assert [one["design"] for one in tree["designs"]] == [
        "All-comers",
        "High risk",
        "Single arm, Simon optimal",
    ]
    assert "Research use" in tree["notice"]
    assert "<h1>" in (tmp_path / "t.html").read_text(encoding="utf-8")
    again = done("trial", tmp_path / "out" / "protocol.yaml", "--json").tree
    assert again == tree


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "threshold: 0.3}",
            "threshold: 0.0}",
            ("mine.yaml, line", "High risk, threshold", "all_comers"),
        ),
        ("threshold: 0.3}", "threshold: 0.999}", ("High risk", "lower the threshold")),
        (
            "threshold: 0.3}",
            "threshold: 0.3, n_total: 60}",
            ("High risk, n_total", "reach a power of 0.", "n_total: 152"),
        ),
        (
            "alpha_one_sided: 0.025",
            "alpha_one_sided: 1.0e-300",  # its z is beyond all numbers
            ("alpha_one_sided", "found 1e-300", "at least 1e-09"),
        ),
        ("hidden: 0.2", "hidden: 20.0", ("masking, hidden", "found 20.0")),
        ('risk: "Beta(2,6)"', 'risk: "Gamma(2,6)"', ("candidates", "Gamma", "Beta(2,6)")),
        (
            "benchmark: 0.7, target: 0.85",
            "benchmark: 0.7, target: 0.7",
            ("single_arm, target", "above the benchmark"),
        ),
        (
            '  stated: {risk: "Beta(2,6)", risk_ratio: 0.5}',
            "  cohort: {file: none.csv, risk_column: a, event_column: b, risk_ratio: 0.5}",
            ("none.csv",),
        ),
    ],
)
def test_refusals(design: Path, tmp_path: Path, old: str, new: str, says: tuple[str, ...]) -> None:
    text = design.read_text(encoding="utf-8")
    assert old in text
    design.write_text(text.replace(old, new, 1), encoding="utf-8")
    refused(
        "trial",
        design,
        "--html",
        tmp_path / "t.html",
        "--out",
        tmp_path / "out",
        says=says,
        folder=tmp_path,
    )


def test_the_design_itself_is_not_written_over(design: Path, tmp_path: Path) -> None:
    refused(
        "trial",
        design,
        "--overwrite",
        "--html",
        design,
        says=("--html", "the design file that is run"),
        folder=tmp_path,
    )
    protocol = tmp_path / "protocol.yaml"
    design.rename(protocol)
    refused(
        "trial",
        protocol,
        "--overwrite",
        "--out",
        tmp_path,
        says=("--out", "the design file that is run"),
        folder=tmp_path,
    )


def test_no_file(tmp_path: Path) -> None:
    refused("trial", tmp_path / "nowhere.yaml", says=("nowhere.yaml",), folder=tmp_path)
