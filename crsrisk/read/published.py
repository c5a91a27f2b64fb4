"""Read the published figures: one YAML file a source, all checked before one of them is used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from crsrisk.domain.grading_systems import system_of
from crsrisk.domain.product import Product
from crsrisk.domain.published import Role, Trial
from crsrisk.errors import InputError
from crsrisk.folders import is_path, synthetic_folder
from crsrisk.read.strict_yaml import build, read_yaml
from crsrisk.read.world import load_product


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


def load_own_trials(paths: Sequence[str | Path]) -> tuple[list[Trial], list[Product]]:
    """Trials of a user's own, one file each, and their products: nothing was tuned to them, so they are validation.

    ``product`` (and each of ``pooled_with``) is a name that ships or a product's file, by its path from the trial's file.
    Checked together with the sources that ship: a figure, a trial or a product that is called as another one is refused,
    and a trial that calls itself independent shares patients with no calibration source.
    """
    trials: list[Trial] = []
    products: dict[str, Product] = {}
    for path in (Path(one).expanduser() for one in paths):
        trial = _load(path)
        if trial.role != "validation":
            raise InputError(where=path.name, key="role", found=trial.role,
                             expected="validation, for nothing was tuned to it",
                             cure="write role: validation; to tune to a trial, see experiments/002_calibration")
        system_of(trial.grading, where=path.name)
        own = [load_product(path.parent / Path(name).expanduser() if is_path(name) else name) for name in trial.products]
        _check_setting(trial, own[0], where=path.name)
        for product in own:
            if products.setdefault(product.name, product) != product:
                raise InputError(where=path.name, key="product", found=f"another product called {product.name}",
                                 expected="one file for each name", cure="give your product a name of its own")
        trials.append(trial.model_copy(update={"product": own[0].name, "pooled_with": [one.name for one in own[1:]]}))
    shipped = load_trials()
    _each_trial_once([*shipped, *trials])
    _each_figure_once([*shipped, *trials])
    _check_overlaps([*shipped, *trials])
    return trials, list(products.values())


def _check_setting(trial: Trial, product: Product, *, where: str) -> None:
    """The regimen is one of the product's, and the doses that onsets count from are its doses within the window."""
    regimen = trial.regimen or product.default_regimen
    if regimen not in product.regimens:
        raise InputError(where=where, key="regimen", found=regimen, expected=f"one of {', '.join(product.regimens)}",
                         cure="correct the name, or add the regimen to the product's file")
    within = [dose.time_h for dose in product.regimens[regimen].doses if dose.time_h < trial.window_d * 24.0]
    if trial.dose_times_h and trial.dose_times_h != within:
        raise InputError(where=where, key="dose_times_h", found=trial.dose_times_h,
                         expected=f"{within}, the doses of {product.name}, {regimen}, within {trial.window_d:g} d",
                         cure="correct the hours, the window or the regimen")


def _load(path: Path) -> Trial:
    trial = build(Trial, read_yaml(path), where=path.name)
    if trial.name != path.stem:
        raise InputError(where=path.name, key="name", found=trial.name, expected=f"{path.stem}, as the file",
                         cure="rename the file or correct the name")
    return trial


def _each_trial_once(trials: Sequence[Trial]) -> None:
    names = [trial.name for trial in trials]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(where=f"{twice[0]}.yaml", key="name", found=f"{twice[0]} a second time", expected="each trial once",
                         cure="give your file, and its `name`, a name that no other source has")


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
