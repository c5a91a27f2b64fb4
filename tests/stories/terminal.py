"""What a user types, and what comes back: the real entry point, in this process, so that a story
takes no second.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

from crsrisk import terminal
from crsrisk.cli.__main__ import main
from crsrisk.data.world_files import load_product
from crsrisk.folders import Kind, find

# as the file has it
RESTRICTION = f"{load_product('tarlatamab').binding.antigen_restriction.value:g}"


@dataclass(frozen=True)
class Answer:
    """Exit code, standard output and standard error of one command."""

    code: int
    out: str
    err: str

    @property
    def tree(self) -> Any:
        """Standard output as JSON, strictly: nothing else on it, no NaN."""
        return json.loads(self.out, parse_constant=_no_constant)


def _no_constant(word: str) -> NoReturn:
    raise AssertionError(f"{word} is no JSON")


def crsrisk(*words: str | int | float | Path, is_log: bool = False) -> Answer:
    """Type ``crsrisk words...`` and wait for the end; ``is_log``: what a log would hold, instead of
    what a person sees.
    """
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["crsrisk", *map(str, words)])
        patch.setattr(terminal, "shows_cells", lambda stream: not is_log)
        with pytest.raises(SystemExit) as leaving:
            main()
    code = leaving.value.code
    assert isinstance(code, int)
    return Answer(code, out.getvalue(), err.getvalue())


def done(*words: str | int | float | Path) -> Answer:
    """The same for a command that must succeed without a word of complaint."""
    answer = crsrisk(*words)
    assert (answer.code, answer.err) == (0, ""), answer.err
    return answer


def refused(
    *words: str | int | float | Path, says: tuple[str, ...], folder: Path, is_log: bool = False
) -> Answer:
    """The same for a command that must be refused: exit code 2, one clear sentence, and not a byte
    changed in ``folder``.
    """
    before = digests(folder)
    answer = crsrisk(*words, is_log=is_log)
    assert answer.code == 2, answer.out + answer.err
    assert answer.err.startswith("crsrisk: ")
    assert answer.err.count("\n") == 1
    for part in ("found ", "expected ", "Cure: ", *says):
        assert part in answer.err, f"{part!r} is not in: {answer.err}"
    assert "Traceback" not in answer.err
    assert digests(folder) == before, "a refused command wrote something"
    return answer


def digests(folder: Path) -> dict[str, str]:
    """Every file and folder below ``folder``, hidden ones too, with the hash of its bytes."""
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        )
        for path in sorted(folder.rglob("*"))
    }


def own_copy(kind: Kind, shipped: str, target: Path, *changes: tuple[str, str]) -> Path:
    """A user's own file made of a shipped one: named after the file, some texts (each must be
    there) replaced.
    """
    text = find(kind, shipped).read_text(encoding="utf-8")
    for old, new in ((f"\nname: {shipped}\n", f"\nname: {target.stem}\n"), *changes):
        assert old in text
        text = text.replace(old, new, 1)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    return target
