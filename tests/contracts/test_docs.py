"""What is written for people stays true: links lead somewhere, names exist, the dictionary is
fresh, snippets run.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from crsrisk import trials
from crsrisk.data.mitigation import NODES
from crsrisk.data.published_figures import Trial
from crsrisk.data.trial_plan_file import load_design
from crsrisk.data.world import load_world
from crsrisk.data.world_files import load_assumptions, load_scenario
from crsrisk.data.yaml_files import build, read_yaml
from crsrisk.report.dictionary import data_dictionary_markdown
from crsrisk.simulation.layout import STATES
from crsrisk.studies.experiment import Experiment
from tests.contracts.test_public import stub_names
from tests.trials.test_known_answers import today

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "bench" / "README.md",
        ROOT / "synthetic" / "README.md",
        ROOT / "synthetic" / "evidence" / "README.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "docs" / "api").glob("*.md"),
    ]
)
WALKED = ROOT / "CONTRIBUTING.md"  # its blocks are files: see test_contributing.py
SNIPPETS = [
    page for page in PAGES if "```python" in page.read_text(encoding="utf-8") and page != WALKED
]
GALLERY = sorted((ROOT / "docs" / "gallery").glob("plot_*.py"))
TOPICS = (
    "first_cohort",
    "train_and_compare",
    "explain",
    "evaluate",
    "own_product",
    "forecast",
    "prophylaxis",
    "trial_design",
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
SHAP_WARNS = "ignore:The set_:PendingDeprecationWarning"
SHOWN_FILE = re.compile(r"as\s+`(my/[^`]+)`:\s+```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, *, kind: str) -> list[str]:
    """The fenced blocks of one language, in order."""
    return [
        body
        for language, body in FENCE.findall(page.read_text(encoding="utf-8"))
        if language == kind
    ]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The anchors that headings get, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    made = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return made | set(re.findall(r"^::: (\S+)$", prose(page), re.MULTILINE))


def label(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=label)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(prose(page)):
        if target.startswith(("http://", "https://")):
            continue
        place, _, anchor = target.partition("#")
        found = (page.parent / place).resolve() if place else page
        assert found.exists(), f"{label(page)}: no {target}"
        known = anchors(found) if found.is_file() else set()
        assert not anchor or anchor in known, f"{label(page)}: no heading {target}"


def test_the_data_dictionary_is_fresh() -> None:
    written = (ROOT / "docs" / "data_dictionary.md").read_text(encoding="utf-8")
    assert written == data_dictionary_markdown(), (
        "run: crsrisk export dictionary --out docs/data_dictionary.md --overwrite"
    )


@pytest.mark.parametrize("page", PAGES, ids=label)
def test_assumptions_named_exist(page: Path) -> None:
    known = load_assumptions()
    stems = "|".join(sorted({name.partition(".")[0] for name in known}))
    named = re.findall(rf"`((?:{stems})\.[a-z0-9_]+)`", prose(page))
    files = {"yaml", "py", "md", "json"}
    assert [
        name for name in named if name not in known and name.partition(".")[2] not in files
    ] == []


def test_the_page_on_the_mechanism_is_complete() -> None:
    text = (ROOT / "docs" / "mechanism.md").read_text(encoding="utf-8")
    assert [state for state in STATES if f"`{state}`" not in text] == []
    assert [node for node in NODES if f"`{node}`" not in text and f"u_{node}" not in text] == []
    table = text.partition("## Where each mitigation acts")[2].partition("\n## ")[0]
    for name, agent in load_world().mitigations.items():
        row = next((line for line in table.splitlines() if name.replace("_", " ") in line), "")
        assert [node for node in agent.acts_on if f"`{node}`" not in row] == [], (
            f"{name} in its row"
        )


def test_every_switch_is_a_neutral_value() -> None:
    """The table of switches: a world made with each exists, and shares and exponents are cut by 0,
    ratios by 1.
    """
    text = (ROOT / "docs" / "mechanism.md").read_text(encoding="utf-8")
    switches = re.findall(
        r"`([a-z_]+\.[a-z0-9_]+)` = (\d+)",
        text.partition("and its switch")[2].partition("\n## ")[0],
    )
    world = load_world()
    assert len(switches) > 20
    for name, value in switches:
        assert world.with_values({name: float(value)}).assumptions.value(name) == float(value)
        assert float(value) == (1.0 if name.endswith("_ratio") else 0.0), name


def listed(entries: list[object]) -> list[str]:
    """Pages of the site's navigation, at any depth."""
    pages: list[str] = []
    for entry in entries:
        if isinstance(entry, str):
            pages.append(entry)
        elif isinstance(entry, dict):
            for part in entry.values():
                pages += listed(part if isinstance(part, list) else [part])
    return pages


def test_the_site_lists_every_page() -> None:
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    pages = listed(site["nav"])
    assert len(set(pages)) == len(pages)
    docs = ROOT / "docs"
    written = {
        page.relative_to(docs).as_posix() for page in (*docs.glob("*.md"), *docs.glob("api/*.md"))
    }
    elsewhere = {
        f"repository/{name}"
        for name in (
            "CHANGELOG.md",
            "CONTRIBUTING.md",
            "bench/README.md",
            "synthetic/README.md",
            "synthetic/evidence/README.md",
        )
    }
    assert set(pages) == written | elsewhere | {"index.md", "generated/gallery"}


@pytest.mark.parametrize("package", ["crsrisk", "crsrisk.trials"])
def test_the_reference_holds_every_public_name_once(package: str) -> None:
    text = "".join(
        page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs" / "api").glob("*.md"))
    )
    named = re.findall(rf"^::: {re.escape(package)}\.(\w+)$", text, re.MULTILINE)
    namespaces = {"trials", "__version__"} if package == "crsrisk" else set()
    assert sorted(named) == sorted(set(stub_names(package)) - namespaces)


def test_the_architecture_names_every_room() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = [path.parent.name for path in (ROOT / "crsrisk").glob("*/__init__.py")]
    assert [room for room in rooms if f"`crsrisk/{room}/`" not in text] == []
    named = re.findall(r"`([a-z]+/[a-z_]+\.py)`", text)
    assert len(named) > 8
    assert [
        name for name in named if not (ROOT / "crsrisk" / name.removeprefix("crsrisk/")).is_file()
    ] == []


def test_new_modules_of_the_changelog_exist() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    moved = text.partition("**Modules**")[2].partition("\n### ")[0]
    missing = []
    for room, modules in re.findall(r"^\*\*(`[a-z]+/`|the root)\*\*: (.+?)\.$", moved, re.M | re.S):
        folder = ROOT / "crsrisk" / ("" if room == "the root" else room.strip("`/"))
        new = re.findall(r"`(\w+)`\s+\u2190", modules)
        assert new, room
        missing += [f"{room} {name}" for name in new if not (folder / f"{name}.py").is_file()]
    assert missing == []


def test_readme_fits_three_screens() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 130
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("name", ["README.md", "docs/tutorial.md"])
def test_one_import_of_ours_is_enough(name: str) -> None:
    code = ast.parse("".join(blocks(ROOT / name, kind="python")))
    ours = [
        node
        for node in ast.walk(code)
        if (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("crsrisk"))
        or (isinstance(node, ast.Import) and any("crsrisk" in alias.name for alias in node.names))
    ]
    assert {ast.unparse(node) for node in ours} == {"import crsrisk as crs"}


def test_the_gallery_shows_the_main_jobs() -> None:
    assert [path.stem[len("plot_01_") :] for path in GALLERY] == list(TOPICS)
    for path in GALLERY:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), path.name
        ours = {
            ast.unparse(node)
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom) and "crsrisk" in ast.unparse(node)
        }
        assert ours == {"import crsrisk as crs"}, path.name


@pytest.mark.slow
@pytest.mark.parametrize("example", GALLERY, ids=lambda path: path.stem)
def test_an_example_runs_as_a_script(example: Path, tmp_path: Path) -> None:
    """Without a warning, but for one that shap gives when it is imported."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", SHAP_WARNS, str(example)],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


@pytest.mark.slow
def test_the_site_is_built_from_a_clean_clone_and_again(tmp_path: Path) -> None:
    """Strictly: a link that leads nowhere, an example that fails, a name that is not found stop
    it.
    """
    for name in ("docs", "synthetic", "bench", "crsrisk", "models", "experiments", "tests"):
        shutil.copytree(
            ROOT / name,
            tmp_path / name,
            ignore=shutil.ignore_patterns("__pycache__", "generated", "results", "mlflow"),
        )
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    shutil.rmtree(tmp_path / "docs" / "generated", ignore_errors=True)
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "mkdocs", "build", "--quiet"],
            cwd=tmp_path,
            env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
    page = (tmp_path / "build" / "site" / "api" / "simulate" / "index.html").read_text("utf-8")
    for section in ("Parameters", "Returns", "Raises", "Examples"):
        assert f"{section}:" in page
    drawn = tmp_path / "docs" / "generated" / "gallery" / "images"
    assert {path.name[len("mkd_glr_plot_") :][:2] for path in drawn.glob("mkd_glr_plot_*.png")} >= {
        f"0{k}" for k in range(1, 9)
    }


def test_the_page_on_trial_statistics_names_every_function() -> None:
    text = (ROOT / "docs" / "trial_statistics.md").read_text(encoding="utf-8")
    known = yaml.safe_load(
        (ROOT / "tests" / "known" / "trial_statistics.yaml").read_text(encoding="utf-8")
    )["rows"]
    names = {today(row["function"]).__name__ for row in known}
    assert sorted(name for name in names if f"`{name}`" not in text) == []
    named = re.findall(r"^\| (`.+?`) \|", text, re.MULTILINE)
    functions = [name for cell in named for name in re.findall(r"`(\w+)`", cell)]
    assert len(functions) > 40
    assert [name for name in functions if name not in dir(trials)] == []


@pytest.mark.parametrize("page", PAGES, ids=label)
def test_commands_are_written_one_way(page: Path) -> None:
    for block in blocks(page, kind="console"):
        for line in block.splitlines():
            assert line.startswith("$ "), f"{label(page)}: {line!r}"
            assert shlex.split(line[2:]), "a command that a shell can read"
    assert not any(blocks(page, kind=other) for other in ("bash", "sh", "shell"))


def test_files_to_save_are_accepted(tmp_path: Path) -> None:
    shown = [
        found for page in PAGES for found in SHOWN_FILE.findall(page.read_text(encoding="utf-8"))
    ]
    assert len(shown) >= 3
    for name, body in shown:
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(body, encoding="utf-8")
        if place.name == "experiment.yaml":
            assert build(Experiment, read_yaml(place), where=name).name == place.parent.name
        elif place.name == "design.yaml":
            assert load_design(place).designs
        elif "rows" in read_yaml(place):
            assert build(Trial, read_yaml(place), where=name).name == place.stem
        else:
            assert load_scenario(place, assumptions=load_assumptions()).overrides


def test_the_page_on_the_mechanism_names_the_test_of_each_phenomenon() -> None:
    """Every named test is there, has a docstring (its source), and is marked (x) exactly when it is
    expected to fail.
    """
    text = (ROOT / "docs" / "mechanism.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| (.+?) \| `(tests/phenomena/\S+?)::(\w+)` \|$", text, re.MULTILINE)
    assert len(named) > 25
    for phenomenon, path, name in named:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        found = next(
            one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == name
        )
        assert ast.get_docstring(found), name
        assert ("(x)" in phenomenon) == any(
            "xfail" in ast.dump(mark) for mark in found.decorator_list
        ), name
    assert len({name for *_, name in named}) == len(named)


def test_the_two_commands_come_first() -> None:
    commands = [
        line for block in blocks(ROOT / "README.md", kind="console") for line in block.splitlines()
    ]
    assert commands[:2] == ["$ make run", "$ make test"]
    headings = re.findall(r"^## (.+)$", prose(ROOT / "README.md"), re.MULTILINE)
    order = [
        "Two commands",
        *(f"For a {who}" for who in ("data scientist", "trial designer", "clinician")),
        "Where to go on",
    ]
    places = [headings.index(heading) for heading in order]
    assert all(one < other for one, other in pairwise(places))


@pytest.mark.parametrize("page", PAGES, ids=label)
def test_nothing_of_one_machine(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"(?<![\w.])/(?:home|Users|root|tmp|work|mnt|opt)/\S*", text) == []


@pytest.mark.slow
@pytest.mark.parametrize("page", SNIPPETS, ids=label)
def test_snippets_run_from_top_to_bottom(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    for number, body in enumerate(blocks(page, kind="python"), start=1):
        exec(compile(body, f"{label(page)}, block {number}", "exec"), names)
