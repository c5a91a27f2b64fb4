"""The committed bundle is what its sources build, its types hold, and it asks for nothing."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from crsrisk.report.explorer import bundled_script, page_policy

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
    ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval", "Storage"],
)
def test_no_text_becomes_markup_and_nothing_is_kept(word: str) -> None:
    assert [name for name, text in sources().items() if word in text] == []


def test_one_file_alone_sends_and_only_where_a_server_gave_the_page() -> None:
    """A page from a file has no `server-data`, and its policy forbids the network besides."""
    asking = re.compile(r"fetch\(|XMLHttpRequest|WebSocket|sendBeacon|EventSource")
    found = {name: asking.findall(text) for name, text in sources().items() if asking.search(text)}
    assert found == {"simulate.js": ["fetch("]}
    assert "connect-src" not in page_policy()
    assert "connect-src 'self'" in page_policy(is_served=True)


def test_no_address_but_the_name_of_svg() -> None:
    assert set(re.findall(r"https?://[^\s\"'`]+", bundled_script())) == {
        "http://www.w3.org/2000/svg"
    }
