"""Release: freeze a saved model under a name and a version, with its card, and say where it stands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from crsrisk.domain.risk_model import NOTICE, RiskModel
from crsrisk.folders import find, models_folder
from crsrisk.learn.release import Release, release
from crsrisk.learn.store import MANIFEST
from crsrisk.report.model_facts import as_markdown, model_facts


@dataclass(frozen=True)
class Released:
    """The folders that stand now, the model's own last."""

    releases: tuple[Release, ...]

    def as_tree(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {"notice": NOTICE, "releases": [
            {"name": one.folder.name, "folder": str(one.folder), "is_new": one.is_new, "n_bytes": one.n_bytes,
             "files": json.loads((one.folder / MANIFEST).read_text(encoding="utf-8"))["files"]}
            for one in self.releases]}


def release_model(model: str | Path, *, name: str | None, version: str | None, out: Path | None) -> Released:
    """Release the model of a folder into ``out`` (models/released/ when left out); see :mod:`crsrisk.learn.release`."""
    place = out or models_folder() / "released"
    return Released(tuple(release(find("released", model), out=place, cards=_cards, name=name, version=version)))


def _cards(model: RiskModel) -> Mapping[str, str]:
    facts = model_facts(model)
    return {"card.json": json.dumps(facts, indent=2, allow_nan=False) + "\n", "card.md": as_markdown(facts)}


def print_released(released: Released) -> None:
    """Where each release stands, on the terminal."""
    console = Console(markup=False, highlight=False)
    for one in released.releases:
        what = "Released" if one.is_new else "Released before, the same to the byte:"
        console.print(f"{what} {one.folder} ({one.n_bytes / 1e6:.2f} MB)", soft_wrap=True)
    folder = released.releases[-1].folder
    is_at_home = folder.parent.resolve() == (models_folder() / "released").resolve()  # only there a name is enough
    how = f"Use it by name: crsrisk predict {folder.name}" if is_at_home else f"Use it: crsrisk predict {folder}"
    console.print(f"{how} TABLE", soft_wrap=True)
    console.print(NOTICE)
