"""What a user gets wrong in files and options: one clear sentence, exit code 2, and nothing
written.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from crsrisk.folders import find
from tests.stories.terminal import RESTRICTION, crsrisk, digests, own_copy, refused

FEW = ("--patients", 3)
PRODUCT = ("simulate", *FEW, "--product")
WORLD = ("simulate", *FEW, "--product", "tarlatamab", "--scenario")


# --- names nobody knows ---


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--product", "tarlatamap"), ("products", "tarlatamap", "did you mean tarlatamab")),
        (
            ("--product", "tarlatamab", "--product", "x"),
            ("products", "'x'", "the path of one YAML file"),
        ),
        (("--product", "nowhere/mine.yaml"), ("nowhere/mine.yaml", "no such file")),
        (
            ("--product", "tarlatamab", "--product", "tarlatamab"),
            ("--product", "tarlatamab more than once"),
        ),
        (
            ("--product", "tarlatamab", "--regimen", "lable"),
            ("regimen", "lable", "label_no_steroid"),
        ),
        (("--regimen", "label"), ("product acapatamab", "regimen", "fixed_300ug")),
        (
            ("--product", "tarlatamab", "--mitigation", "tocilizumap"),
            ("mitigation", "tocilizumap", "tocilizumab"),
        ),
        (
            ("--product", "tarlatamab", "--mitigation", "oxygen"),
            ("--mitigation", "oxygen", "support policy"),
        ),
        (
            ("--product", "tarlatamab", "--mitigation", "anakinra", "--mitigation", "anakinra"),
            ("--mitigation", "anakinra more than once"),
        ),
        (
            (
                "--product",
                "tarlatamab",
                *(f"--mitigation={name}" for name in ("anakinra", "ruxolitinib", "infliximab")),
            ),
            ("mitigations", "infliximab", "fewer agents"),
        ),
        (
            ("--product", "tarlatamab", "--scenario", "burden_nul"),
            ("scenarios", "burden_nul", "burden_null"),
        ),
        (("--product", "tarlatamab", "--scenario", "mine.yml"), ("mine.yml", "no such file")),
    ],
)
def test_a_name_that_nobody_knows(
    tmp_path: Path, words: tuple[str, ...], says: tuple[str, ...]
) -> None:
    refused(
        "simulate",
        *FEW,
        *words,
        "--out",
        tmp_path / "new" / "cohort.csv",
        says=says,
        folder=tmp_path,
    )


# --- a product's file ---


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "platform: tce",
            "platform: tce\n  target: x",
            ("mine.yaml, line", "valid YAML", "indentation"),
        ),
        ("platform: tce", "platform: [tce", ("mine.yaml, line", "valid YAML")),
        (
            "platform: tce",
            "platform: tce\nplatform: immtac",
            ("mine.yaml, line 6", "platform", "second time"),
        ),
        ("platform: tce", "platform: no", ("mine.yaml, line 5", "bare word no", "true or false")),
        ("platform: tce", "platform: tcx", ("mine.yaml", "platform", "'tcx'", "correct the value")),
        (
            "platform: tce",
            "platfrom: tce",
            ("mine.yaml", "platfrom", "an unknown key", "did you mean platform?"),
        ),
        ("platform: tce", "platform: tce\ncolour: red", ("colour", "unknown key", "known: ")),
        ("window_d: 21.0", "window_d: 2e1", ("2e1", "point and signed exponent")),
        ("window_d: 21.0", "window_d: 1e-3", ("mine.yaml, line", "1e-3", "0.001")),
        ("window_d: 21.0", "window_d: -3.0", ("window_d", "-3", "more than 0")),
        ("window_d: 21.0", "window_d: three weeks", ("window_d", "three weeks")),
        ("window_d: 21.0", "window_d: 0o25", ("0o25", "line")),
        (f"value: {RESTRICTION}\n", "value: 1.9\n", ("antigen_restriction", "1.9")),
        (f"value: {RESTRICTION}\n", "value: .nan\n", ("antigen_restriction",)),
        (
            "population: small_cell_lung",
            "population: small_cel_lung",
            ("population", "small_cell_lung"),
        ),
        ("default_regimen: label", "default_regimen: lable", ("default_regimen among label",)),
        ("unit: nM\n", "unit: mg/L\n", ("tumour_affinity_nm", "mg/L", "nM")),
        (
            'source: "recalled: binding constant for human DLL3, not re-read"',
            'source: ""',
            ("source",),
        ),
        ("strength: expert", "strength: certain", ("antigen_restriction.strength", "certain")),
        (
            "name: mine",
            "name: yours",
            ("mine.yaml", "name", "yours", "rename the file or the name"),
        ),
    ],
)
def test_a_product_file_that_is_not_sound(
    tmp_path: Path, old: str, new: str, says: tuple[str, ...]
) -> None:
    place = own_copy("products", "tarlatamab", tmp_path / "mine.yaml", (old, new))
    refused(*PRODUCT, place, "--out", tmp_path / "cohort.parquet", says=says, folder=tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", ("mine.yaml", "a mapping at the top")),
        (b"- tarlatamab\n", ("mine.yaml", "a mapping at the top")),
        (b"name: m\xefne\n", ("mine.yaml", "UTF-8")),
        (b"name: mine\n", ("mine.yaml", "nothing", "add it")),
        (b"\tname: mine\n", ("mine.yaml, line 1", "valid YAML")),
        (b"name: !!python/object/apply:os.system ['true']\n", ("mine.yaml",)),
        (b"a: &a [x]\nb: [" + b"*a, " * 5 + b"*a]\n", ("mine.yaml",)),
    ],
)
def test_a_product_file_that_is_no_such_file(
    tmp_path: Path, content: bytes, says: tuple[str, ...]
) -> None:
    (tmp_path / "mine.yaml").write_bytes(content)
    refused(
        *PRODUCT, tmp_path / "mine.yaml", "--out", tmp_path / "a.csv", says=says, folder=tmp_path
    )


def test_a_folder_in_place_of_a_product(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").mkdir()
    refused(*PRODUCT, tmp_path / "mine.yaml", says=("mine.yaml", "a folder"), folder=tmp_path)


# --- a scenario's file ---


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "engagement.burden_exponent:",
            "engagement.burden_exponnent:",
            ("burden_exponnent", "synthetic/assumptions/"),
        ),
        ("value: 0.0", "value: 1e0", ("mine.yaml, line", "1e0")),
        ("value: 0.0", "value: big", ("overrides", "big")),
        ("value: 0.0", "value: 0.0\n    unit: m", ("unit", "unknown key")),
        ("title:", "titel:", ("titel", "an unknown key", "did you mean title?")),
        (
            'reason: "the sum of diameters no longer changes the antigen load"',
            'reason: " "',
            ("reason",),
        ),
    ],
)
def test_a_scenario_file_that_is_not_sound(
    tmp_path: Path, old: str, new: str, says: tuple[str, ...]
) -> None:
    place = own_copy("scenarios", "burden_null", tmp_path / "mine.yaml", (old, new))
    refused(*WORLD, place, "--out", tmp_path / "cohort.parquet", says=says, folder=tmp_path)


def test_a_scenario_without_evidence(tmp_path: Path) -> None:
    text = find("scenarios", "burden_null").read_text(encoding="utf-8")
    start, end = text.index("evidence:"), text.index("overrides:")
    text = (text[:start] + "evidence: []\n" + text[end:]).replace("name: burden_null", "name: mine")
    place = tmp_path / "mine.yaml"
    place.write_text(text, encoding="utf-8")
    refused(*WORLD, place, says=("mine.yaml", "evidence", "none found"), folder=tmp_path)


# --- requests that cannot be met ---


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ("--truth", "--truth-repetitions", "21"),
            ("--truth-repetitions", "21", "an even number", "Monte Carlo error"),
        ),
        (
            ("--patients", "2001", "--trajectories"),
            ("--trajectories", "2001 patients", "at most 2000"),
        ),
    ],
)
def test_a_request_is_looked_at_before_anything_is_simulated(
    tmp_path: Path, words: tuple[str, ...], says: tuple[str, ...]
) -> None:
    out = tmp_path / "new" / "cohort.csv"
    refused(
        "simulate",
        *FEW,
        "--product",
        "tarlatamab",
        *words,
        "--out",
        out,
        says=says,
        folder=tmp_path,
    )


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("simulate", "--patients", "many"), "--patients"),
        (("simulate", "--patients", "0"), "--patients"),
        (("simulate", "--patients", "-5"), "--patients"),
        (("simulate", "--seed", "-1"), "--seed"),
        (("simulate", "--workers", "0"), "--workers"),
        (("simulate", "--truth-repetitions", "1"), "--truth-repetitions"),
        (("simulate", "--colour"), "--colour"),
        (("predict",), "MODEL"),
        (("run",), "experiment"),
        (("fly",), "fly"),
    ],
)
def test_options_are_checked_by_the_parser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], option: str
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = crsrisk(*words)
    assert answer.code == 2
    assert option in answer.err
    assert digests(tmp_path) == {}


@pytest.mark.parametrize(
    ("out", "says"),
    [
        ("a_file/cohort.parquet", ("a_file", "another folder")),
        ("a_file/deep/er/cohort.csv", ("a_file", "another folder")),
        ("a_folder", ("a_folder", "cohort.parquet")),
        ("a_folder.csv", ("a_folder.csv", "a folder", "cohort.parquet")),
        ("cohort.ods", ("cohort.ods", ".parquet, .csv or .xlsx")),
        ("cohort.v2", (".parquet, .csv or .xlsx",)),
    ],
)
def test_a_place_that_cannot_be_written(tmp_path: Path, out: str, says: tuple[str, ...]) -> None:
    (tmp_path / "a_file").write_text("in place of a folder", encoding="utf-8")
    (tmp_path / "a_folder").mkdir()
    (tmp_path / "a_folder.csv").mkdir()
    refused(
        "simulate",
        *FEW,
        "--product",
        "tarlatamab",
        "--out",
        tmp_path / out,
        says=says,
        folder=tmp_path,
    )


def test_an_earlier_cohort_survives_a_refused_request(tmp_path: Path) -> None:
    place = tmp_path / "cohort.csv"
    assert crsrisk("simulate", *FEW, "--product", "tarlatamab", "--out", place).code == 0
    refused(
        "simulate", *FEW, "--product", "nobody", "--out", place, says=("nobody",), folder=tmp_path
    )
