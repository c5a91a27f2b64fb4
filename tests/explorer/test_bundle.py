"""The committed bundle is what its sources build, its types hold, and it asks for nothing."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from crsrisk.report.explorer import bundled_script

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "explorer"
TOOLS = SOURCES / "node_modules" / ".bin"

needs_tools = pytest.mark.skipif(
    not TOOLS.is_dir(), reason="no explorer/node_modules: `npm ci` in explorer/ installs them"
)


def run(*command: str) -> str:
    done = subprocess.run(
        [str(TOOLS / command[0]), *command[1:]],
        cwd=SOURCES,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_tools
def test_bundle_is_what_its_sources_build() -> None:
    package = (SOURCES / "package.json").read_text(encoding="utf-8")
    (command,) = re.findall(r'"build": "esbuild ([^"]*) --outfile=[^"]*"', package)
    assert run("esbuild", *command.split()) == bundled_script(), "run `make explorer`"


@needs_tools
def test_types_hold() -> None:
    run("tsc", "--project", "jsconfig.json")


def sources() -> dict[str, str]:
    found = {path.name: path.read_text(encoding="utf-8") for path in SOURCES.glob("src/*.js")}
    assert found
    return found


@pytest.mark.parametrize(
    "word",
    ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval", "fetch(", "Storage"],
)
def test_no_text_becomes_markup_and_nothing_is_sent_or_kept(word: str) -> None:
    assert [name for name, text in sources().items() if word in text] == []


def test_no_address_but_the_name_of_svg() -> None:
    assert set(re.findall(r"https?://[^\s\"'`]+", bundled_script())) == {
        "http://www.w3.org/2000/svg"
    }
