"""Nothing in the repository depends on, or tells of, one particular machine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Written in pieces, so that this file does not accuse itself.
TOPS = "|".join(["root", "home", "Users", "work", "tmp", "opt"])
HOSTS = [
    "pypi" + r"\.org",
    "python" + r"hosted\.org",
    "npm" + r"js\.",
    "ana" + r"conda\.org",
    "file:" + "//",
]
PATTERNS = {
    "an absolute path of one machine": re.compile(
        rf"(?<![\w.:/\-])/(?:{TOPS})/[\w.]" + r"|\b[A-Z]:\\+Users"
    ),
    "the host of a package registry": re.compile("|".join(HOSTS)),
    "an installer option that points to one place": re.compile(
        "--" + r"(extra-)?index-url|--" + "find-links"
    ),
}


def tracked_texts() -> list[tuple[str, str]]:
    """Every file that git tracks or would add, with its text; files that are no text are left
    out.
    """
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    texts = []
    for name in sorted(filter(None, listing.stdout.split("\0"))):
        path = ROOT / name
        if path.is_file():
            try:
                texts.append((name, path.read_text(encoding="utf-8")))
            except UnicodeDecodeError:
                continue
    return texts


@pytest.mark.parametrize("what", PATTERNS)
def test_no_file_holds(what: str) -> None:
    found = [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, text in tracked_texts()
        for number, line in enumerate(text.splitlines(), start=1)
        if PATTERNS[what].search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("an absolute path of one machine", "cache = '/" + "root/.cache'"),
        ("an absolute path of one machine", "see /" + "home/someone/cohort.csv"),
        ("the host of a package registry", "https://" + "pypi" + ".org/simple"),
        ("an installer option that points to one place", "pip install --" + "find-links wheels"),
    ],
)
def test_pattern_catches(what: str, line: str) -> None:
    assert PATTERNS[what].search(line)


@pytest.mark.parametrize(
    "line", ["https://example.org/home/page", "a/root/b", "./work/x", "#!/usr/bin/env sh"]
)
def test_pattern_spares(line: str) -> None:
    assert not any(pattern.search(line) for pattern in PATTERNS.values())
