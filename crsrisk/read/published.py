"""Read the published figures: one YAML file a source, all checked before one of them is used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crsrisk.domain.published import Role, Trial
from crsrisk.errors import InputError
from crsrisk.folders import synthetic_folder
from crsrisk.read.strict_yaml import build, read_yaml


def load_trials(folder: str | Path | None = None, *, role: Role | None = None) -> list[Trial]:
    """All sources of a folder in the order of their names, or those of one role.

    The folder is checked as a whole whichever role is asked for: file name and ``name`` are equal, no figure
    stands twice, overlaps name files of the folder, and a source called independent shares no patients with a
    calibration source. Anything else raises :class:`InputError` with file, key and cure. Tune with
    ``role="calibration"``, so that no validation figure is seen.

    >>> {trial.role for trial in load_trials(role="calibration")}
    {'calibration'}
    """
    place = Path(folder).expanduser() if folder is not None else synthetic_folder() / "evidence"
    paths = sorted(place.glob("*.yaml"))
    if not paths:
        raise InputError(where=str(place), found="no file *.yaml",
                         expected="one YAML file a published source", cure="check the path of the folder")
    trials = [_load(path) for path in paths]
    _each_figure_once(trials)
    _check_overlaps(trials)
    return [trial for trial in trials if role is None or trial.role == role]


def _load(path: Path) -> Trial:
    trial = build(Trial, read_yaml(path), where=path.name)
    if trial.name != path.stem:
        raise InputError(where=path.name, key="name", found=trial.name, expected=f"{path.stem}, as the file",
                         cure="rename the file or correct the name")
    return trial


def _each_figure_once(trials: Sequence[Trial]) -> None:
    seen: dict[str, str] = {}
    for trial in trials:
        for row in trial.rows:
            if row.id in seen:
                raise InputError(where=f"{trial.name}.yaml", key=row.id, found="the figure a second time",
                                 expected=f"each id once (it stands in {seen[row.id]}.yaml)",
                                 cure="delete one of the two or give it another id")
            seen[row.id] = trial.name


def _check_overlaps(trials: Sequence[Trial]) -> None:
    by_name = {trial.name: trial for trial in trials}
    for trial in trials:
        for other in trial.overlaps:
            if other not in by_name or other == trial.name:
                raise InputError(where=f"{trial.name}.yaml", key="overlaps", found=other,
                                 expected="names of other sources of the folder", cure="correct the name")
            pair = {trial.role: trial, by_name[other].role: by_name[other]}
            if len(pair) == 2 and pair["validation"].is_independent:
                raise InputError(where=f"{pair['validation'].name}.yaml", key="is_independent", found="true",
                                 expected=f"false, since {pair['calibration'].name} shares patients with it",
                                 cure="write false, or correct overlaps")
