"""Any terminal, any disk: real processes whose streams are narrow, full or closed."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import crsrisk

COMMAND = [sys.executable, "-m", "crsrisk"]
FULL = Path("/dev/full")


def run(*words: str, shell: str = "", **env: str) -> subprocess.CompletedProcess[bytes]:
    """``crsrisk words...``; ``shell`` is what follows the command in a shell."""
    line = " ".join([*COMMAND, *words, shell])
    return subprocess.run(
        line, shell=True, capture_output=True, env={**os.environ, **env}, timeout=120
    )


@pytest.mark.parametrize(
    ("encoding", "locale"), [("ascii", "C"), ("latin-1", "C")], ids=["ASCII", "Latin-1"]
)
def test_a_narrow_terminal_gets_escapes(encoding: str, locale: str, tmp_path: Path) -> None:
    """A Greek letter in a path: told as its escape where the terminal has none."""
    place = tmp_path / "µ-β.txt"
    told = run(
        "export", "dictionary", "--out", str(place), PYTHONIOENCODING=encoding, LC_ALL=locale,
        PYTHONUTF8="1",
    )  # fmt: skip
    assert (told.returncode, told.stderr) == (0, b"")
    micro = "µ".encode("latin-1") if encoding == "latin-1" else b"\\xb5"
    assert told.stdout.rstrip().endswith(micro + rb"-\u03b2.txt")
    assert place.read_text(encoding="utf-8").startswith("# Data dictionary")


@pytest.mark.skipif(not FULL.exists(), reason="no device that is always full")
@pytest.mark.parametrize("words", [("--version",), ("export", "dictionary")])
def test_a_full_disk_behind_the_output_is_said(words: tuple[str, ...]) -> None:
    told = run(*words, shell="> /dev/full")
    assert told.returncode == 2
    assert told.stderr.startswith(b"crsrisk: standard output: found No space left on device")
    assert told.stderr.count(b"\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="shells of its own")
def test_a_closed_output_does_no_harm(tmp_path: Path) -> None:
    """The file that is written does not take the place of the output."""
    place = tmp_path / "words.md"
    told = run("export", "dictionary", "--out", str(place), shell=">&- <&-")
    assert (told.returncode, told.stderr) == (0, b"")
    text = place.read_text(encoding="utf-8")
    assert text.startswith("# Data dictionary")
    assert "Wrote" not in text
    refused = run("--nonsense", shell="2>&-")
    assert (refused.returncode, refused.stdout) == (2, b"")


def may_mount() -> bool:
    """Whether this process may make folders read-only for a child."""
    try:
        return subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not may_mount(), reason="folders cannot be made read-only for one process")
def test_a_read_only_installation_and_home_work(tmp_path: Path) -> None:
    """The solver is compiled in memory, said once with the variable that mends it."""
    home, out = tmp_path / "home", tmp_path / "out"
    home.mkdir(), out.mkdir()
    package = Path(crsrisk.__file__).parents[1]
    command = [*COMMAND, "simulate", "--patients", "16", "--product", "tarlatamab", "--out"]

    def run_read_only(name: str, **env: str) -> subprocess.CompletedProcess[str]:
        frozen = " && ".join(
            f"mount --bind {place} {place} && mount -o remount,ro,bind {place}"
            for place in (shlex.quote(str(package)), shlex.quote(str(home)))
        )
        line = (
            f"{frozen} && ! touch {shlex.quote(str(package / 'x'))} && {shlex.join(command)} {name}"
        )
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", line], text=True, capture_output=True, cwd=out,
            env={**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home), **env},
        )  # fmt: skip

    told = run_read_only("a.parquet")
    assert told.returncode == 0, told.stderr
    assert told.stderr.count("NUMBA_CACHE_DIR") == 1
    mended = run_read_only("b.parquet", NUMBA_CACHE_DIR=str(out / "compiled"))
    assert mended.returncode == 0, mended.stderr
    assert "NUMBA_CACHE_DIR" not in mended.stderr
    assert (out / "a.parquet").read_bytes() == (out / "b.parquet").read_bytes()
