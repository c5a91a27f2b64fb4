"""CONTRIBUTING.md is walked: each recipe's five steps, in a copy of the checkout, and what they
promise is there at the end.

A ```diff block is applied, a ```yaml or ```python block is saved where the text before it says
("Save this as `path`"), a ```console block is typed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PLACE = re.compile(r"Save this as\s+`([^`]+)`:\s*\Z")
RECIPES = ("product", "column", "model", "command")
STEPS = 5


def recipe(name: str) -> str:
    """The section that says how to add one."""
    return TEXT.partition(f"## Add a {name}\n")[2].partition("\n## ")[0]


def steps(name: str) -> list[str]:
    """The numbered steps of a recipe, each with its prose and its block."""
    return re.split(r"^(?=\*\*\d\. )", recipe(name), flags=re.MULTILINE)[1:]


class Checkout:
    """A copy of what is under version control, to type and write in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "checkout"
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.folder / name)
        tools = folder / "tools"  # `python` and `crsrisk`, as in an active environment
        tools.mkdir()
        for tool, words in (("python", ""), ("crsrisk", " -m crsrisk")):
            (tools / tool).write_text(f'#!/bin/sh\nexec "{sys.executable}"{words} "$@"\n')
            (tools / tool).chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder),
        }
        self.type_in("git init --quiet")

    def type_in(self, command: str) -> str:
        """What the command prints; it must succeed."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def follow(self, name: str) -> None:
        """Do what the steps of a recipe say."""
        for step in steps(name):
            (block,) = BLOCK.finditer(step)
            kind, text = block.groups()
            if kind == "diff":
                change = self.folder / "change.diff"
                change.write_text(text, encoding="utf-8")
                self.type_in(f"git apply --recount {change.name}")
                change.unlink()
            elif kind == "console":
                for line in text.splitlines():
                    self.type_in(line.removeprefix("$ "))
            else:
                found = PLACE.search(step[: block.start()])
                assert found, f"{step[:60]!r} names no file"
                place = self.folder / found.group(1)
                assert not place.exists(), f"{found.group(1)} is there already"
                place.write_text(text, encoding="utf-8")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


@pytest.mark.parametrize("name", RECIPES)
def test_five_steps_with_a_block_each(name: str) -> None:
    listed = steps(name)
    assert [step[2] for step in listed] == [str(k + 1) for k in range(STEPS)]
    for step in listed:
        blocks = BLOCK.findall(step)
        assert len(blocks) == 1, step
        kind, text = blocks[0]
        assert kind in ("diff", "console", "yaml", "python"), kind
        assert kind != "console" or all(line.startswith("$ ") for line in text.splitlines())
        assert len(BLOCK.sub("", step).split()) >= 3, "prose beside the block"


def test_every_room_is_in_the_table() -> None:
    table = TEXT.partition("## Where a line lives")[2].partition("\n## ")[0]
    rooms = [path.parent.name for path in (ROOT / "crsrisk").glob("*/__init__.py")]
    assert [room for room in rooms if f"`crsrisk/{room}/`" not in table] == []


@pytest.mark.slow
def test_a_product_is_added(checkout: Checkout) -> None:
    checkout.follow("product")
    cohort = pd.read_parquet(checkout.folder / "my" / "cohort.parquet")
    assert set(cohort["product"]) == {"my_engager"}
    assert len(cohort) == 200
    weak = "import crsrisk as crs; p = crs.load_product('my_engager');"
    weak += " print(p.binding.cd3_affinity_nm.value, p.regimens['representative'].doses[1].amount)"
    assert checkout.type_in(f'python -c "{weak}"').split() == ["100.0", "900.0"]


@pytest.mark.slow
def test_a_column_is_added(checkout: Checkout) -> None:
    command = "crsrisk simulate --product tarlatamab --patients 100 --seed 1 --out my/{}.parquet"
    checkout.type_in(command.format("before"))
    checkout.follow("column")
    checkout.type_in(command.format("after"))
    before, after = (
        pd.read_parquet(checkout.folder / "my" / f"{name}.parquet") for name in ("before", "after")
    )
    assert set(after) - set(before) == {"procalcitonin_ug_l"}
    assert 20 < after["procalcitonin_ug_l"].notna().sum() < 80
    pd.testing.assert_frame_equal(after[list(before)], before)
    shown = checkout.type_in("crsrisk export dictionary")
    assert "| procalcitonin_ug_l | Procalcitonin in serum or plasma" in shown or any(
        "procalcitonin_ug_l" in line and "ug/L" in line for line in shown.splitlines()
    )
    train = "crsrisk train with_procalcitonin --product tarlatamab --patients 300 --refits 0"
    checkout.type_in(f"{train} --out my/model")
    scored = checkout.type_in("crsrisk predict my/model my/after.parquet --json")
    assert len(json.loads(scored)["rows"]) == 100


@pytest.mark.slow
def test_a_model_is_added(checkout: Checkout) -> None:
    checkout.follow("model")
    contract = (checkout.folder / "my" / "with_crp_albumin" / "contract.json").read_text()
    assert '"crp_albumin_ratio"' in contract
    assert list((checkout.folder / "my" / "evaluation").iterdir())


@pytest.mark.slow
def test_a_command_is_added(checkout: Checkout) -> None:
    checkout.follow("command")
    assert "List the products that ship." in checkout.type_in("crsrisk products --help")
    names = {row["name"] for row in json.loads(checkout.type_in("crsrisk products --json"))}
    assert {"tarlatamab", "tebentafusp"} <= names
    added = re.findall(r"^\+\+\+ b/(.+\.py)$|as\s+`(.+\.py)`:", recipe("command"), re.MULTILINE)
    files = " ".join(one or other for one, other in added)
    assert files.count(".py") == 4
    checkout.type_in(f"python -m ruff check {files} && python -m ruff format --check {files}")
