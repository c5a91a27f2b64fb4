"""A release is whole, explainable from its folder, never overwritten, and every change of it is
found.

The fuzz test changes files at random and rewrites the manifest's hashes, as an attacker would: what
the check still lets through is loaded, scored and explained in a process of its own, which must
neither crash nor hang.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crsrisk.errors import InputError, OutputError
from crsrisk.model.companions import (
    BEDSIDE,
    REFITS,
    Companions,
    load_companions,
    reference_groups,
    save_companions,
)
from crsrisk.model.features import ModelConfig
from crsrisk.model.fit import fit
from crsrisk.model.predict import predict
from crsrisk.model.refits import refit_interval
from crsrisk.model.refitting import make_refits
from crsrisk.model.release import Release, release
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import (
    APPLICABILITY,
    BOOSTER,
    CALIBRATOR,
    CONTRACT,
    MANIFEST,
    load_model,
    save_model,
)

Toy = Any
FILES = {
    APPLICABILITY,
    BOOSTER,
    CONTRACT,
    CALIBRATOR,
    BEDSIDE,
    REFITS,
    "card.json",
    "card.md",
}
ROOT = Path(__file__).resolve().parents[2]


def cards(model: RiskModel, beside: Companions) -> Mapping[str, str]:
    return {"card.json": json.dumps({"model": model.label}), "card.md": f"# {model.label}\n"}


def put(
    model: RiskModel,
    folder: Path,
    *,
    toy: Toy,
    config: ModelConfig,
    grade3plus: str | None = None,
) -> Path:
    """Save a model with everything that explaining needs."""
    own = config.model_copy(update={"name": model.contract.name, "outcome": model.contract.outcome})
    save_model(model, folder)
    refits = make_refits(model, toy.observed, toy.outcomes, config=own, seed=1, n=2)
    save_companions(
        folder,
        model=model,
        reference=reference_groups(model, toy.observed),
        refits=refits,
        grade3plus=grade3plus,
    )
    return folder


@pytest.fixture(scope="module")
def saved(
    tmp_path_factory: pytest.TempPathFactory, model: RiskModel, toy: Toy, config: ModelConfig
) -> Path:
    """A working folder with the model and its neighbour for grade 3 or more; nobody changes it."""
    home = tmp_path_factory.mktemp("saved")
    severe = fit(
        toy.observed,
        toy.outcomes,
        seed=7,
        config=config.model_copy(update={"name": "grade3plus", "outcome": "crs_grade3plus"}),
    )
    put(severe, home / "severe", toy=toy, config=config)
    return put(model, home / "mine", toy=toy, config=config, grade3plus="severe")


@pytest.fixture
def source(saved: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    shutil.copytree(saved.parent, tmp_path / "saved")
    return tmp_path / "saved" / "mine"


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return release(saved, out=tmp_path / "released", cards=cards)[-1].folder


def test_a_release_is_the_model_and_what_explaining_needs(
    saved: Path, folder: Path, model: RiskModel, fresh_toy: Toy
) -> None:
    assert folder.name == "baseline-0.1.0"
    assert sorted(place.name for place in folder.parent.iterdir()) == [
        "baseline-0.1.0",
        "grade3plus-0.1.0",
    ]
    loaded, table = load_model(folder), fresh_toy.observed.head(50)
    assert loaded == model
    pd.testing.assert_frame_equal(predict(loaded, table).rows, predict(model, table).rows)
    beside, before = load_companions(folder, model=loaded), load_companions(saved, model=model)
    assert beside.grade3plus is not None
    assert beside.grade3plus_refits is not None
    assert dict(beside.reference) == dict(before.reference)
    ours, theirs = (
        refit_interval(loaded, beside.refits, table),
        refit_interval(model, before.refits, table),
    )
    np.testing.assert_array_equal(ours, theirs)


def test_the_manifest_has_every_file(folder: Path) -> None:
    files = json.loads((folder / MANIFEST).read_text())["files"]
    assert set(files) == FILES == {place.name for place in folder.iterdir()} - {MANIFEST}
    for name, digest in files.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


def test_another_name_and_version(saved: Path, tmp_path: Path) -> None:
    made = release(saved, out=tmp_path, cards=cards, name="study", version="2.0.1")
    assert [one.folder.name for one in made] == ["grade3plus-2.0.1", "study-2.0.1"]
    loaded = load_model(tmp_path / "study-2.0.1")
    assert (loaded.label, loaded.contract.name) == ("study-2.0.1", "study")
    assert (
        load_companions(tmp_path / "study-2.0.1", model=loaded).grade3plus.label
        == "grade3plus-2.0.1"
    )


WRONG = [
    {"name": "../x"},
    {"name": "\u00c4"},
    {"name": "a b"},
    {"version": "1"},
    {"version": "../1.0"},
]


@pytest.mark.parametrize("wrong", WRONG)
def test_names_and_versions_are_plain(saved: Path, tmp_path: Path, wrong: dict[str, str]) -> None:
    with pytest.raises(InputError, match="a plain"):
        release(saved, out=tmp_path / "out", cards=cards, **wrong)
    assert not (tmp_path / "out").exists()


def test_the_same_content_again_changes_nothing(saved: Path, folder: Path) -> None:
    before = {place: place.stat().st_mtime_ns for place in folder.rglob("*")}
    again: list[Release] = release(saved, out=folder.parent, cards=cards)
    assert [one.is_new for one in again] == [False, False]
    assert {place: place.stat().st_mtime_ns for place in folder.rglob("*")} == before


def test_what_a_killed_release_left_goes_at_the_next(saved: Path, tmp_path: Path) -> None:
    name = load_model(saved).label
    left = tmp_path / f".{name}.0badc0de.part"
    (left / "deep").mkdir(parents=True)
    release(saved, out=tmp_path, cards=cards)
    assert not left.exists()
    assert not [*tmp_path.glob(".*")]


def test_another_content_needs_another_version(source: Path, folder: Path) -> None:
    (source / "card.md").write_text("# another card\n")
    before = (folder / MANIFEST).read_bytes()
    with pytest.raises(OutputError, match="a release of another content"):
        release(source, out=folder.parent, cards=cards)
    assert (folder / MANIFEST).read_bytes() == before
    release(source, out=folder.parent, cards=cards, version="0.1.1")
    assert sorted(place.name for place in folder.parent.iterdir()) == [
        "baseline-0.1.0",
        "baseline-0.1.1",
        "grade3plus-0.1.0",
        "grade3plus-0.1.1",
    ]


def test_an_altered_release_is_not_called_the_same(saved: Path, folder: Path) -> None:
    (folder / "card.md").write_text("# altered\n")
    with pytest.raises(InputError, match=r"card\.md"):
        release(saved, out=folder.parent, cards=cards)


def test_nothing_is_saved_over_a_release(folder: Path, model: RiskModel) -> None:
    with pytest.raises(OutputError, match="a released model, which never changes"):
        save_model(model, folder)
    assert load_model(folder) == model


def take_away(folder: Path, name: str) -> None:
    """A folder as if this file had never been saved."""
    (folder / name).unlink()
    manifest = json.loads((folder / MANIFEST).read_text())
    del manifest["files"][name]
    (folder / MANIFEST).write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (BEDSIDE, "a reference patient, refits for its intervals"),
        (REFITS, "refits"),
    ],
)
def test_what_cannot_be_explained_is_not_released(
    source: Path, tmp_path: Path, name: str, message: str
) -> None:
    take_away(source, name)
    with pytest.raises(InputError, match=message):
        release(source, out=tmp_path / "out", cards=cards)
    assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True


def test_a_model_without_a_neighbour_is_released(
    tmp_path: Path, model: RiskModel, toy: Toy, config: ModelConfig
) -> None:
    alone = put(model, tmp_path / "alone", toy=toy, config=config)
    (made,) = release(alone, out=tmp_path / "out", cards=cards)
    beside = load_companions(made.folder, model=load_model(made.folder))
    assert beside.refits is not None
    assert beside.grade3plus is None


def test_a_neighbour_that_cannot_be_explained_is_not_released(source: Path, tmp_path: Path) -> None:
    take_away(source.parent / "severe", BEDSIDE)
    take_away(source.parent / "severe", REFITS)
    with pytest.raises(InputError, match="severe: found a model without a reference patient"):
        release(source, out=tmp_path / "out", cards=cards)


def test_files_of_others_go_with_it(source: Path, tmp_path: Path) -> None:
    (source / "card.md").write_text("# their own card\n")
    (source / "ensemble.json").write_text('{"members": 40}')
    folder = release(source, out=tmp_path / "out", cards=cards)[-1].folder
    assert (folder / "card.md").read_text() == "# their own card\n"
    assert not (folder / "card.json").exists()
    assert "ensemble.json" in json.loads((folder / MANIFEST).read_text())["files"]
    (source / "model.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(InputError, match=r"model\.pkl"):
        release(source, out=tmp_path / "other", cards=cards)


def test_a_release_that_is_too_large_is_refused(source: Path, tmp_path: Path) -> None:
    (source / "ensemble.json").write_text('{"x": "' + "0" * 5_000_000 + '"}')
    with pytest.raises(InputError, match=r"at most 5 MB"):
        release(source, out=tmp_path / "out", cards=cards)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_changed_lost_or_cut_file_is_named(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    for changed in (
        content[:-1],
        content[: len(content) // 2],
        b"",
        content + b" ",
        bytes([content[0] ^ 1]) + content[1:],
    ):
        (folder / name).write_bytes(changed)
        with pytest.raises(InputError, match=re.escape(name)):
            load_model(folder)
    (folder / name).unlink()
    with pytest.raises(InputError, match=re.escape(name)):
        load_model(folder)


def test_a_file_too_many_is_named(folder: Path) -> None:
    (folder / "extra.json").write_text("{}")
    with pytest.raises(
        InputError, match=r"extra\.json: found a file that the manifest does not know"
    ):
        load_model(folder)
    (folder / "extra.json").unlink()
    (folder / "more").mkdir()
    with pytest.raises(InputError, match="more: found no plain file"):
        load_model(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    (folder / "card.md").unlink()
    os.mkfifo(folder / "card.md")
    with pytest.raises(InputError, match=r"card\.md"):
        load_model(folder)
    (folder / BOOSTER).unlink()
    os.mkfifo(folder / BOOSTER)
    with pytest.raises(InputError, match=r"booster\.txt"):
        load_model(folder)


def test_models_that_name_each_other_are_refused(folder: Path) -> None:
    severe = folder.with_name("grade3plus-0.1.0")
    tree = json.loads((severe / BEDSIDE).read_text())
    (severe / BEDSIDE).write_text(json.dumps({**tree, "grade3plus": severe.name}))
    rehash(severe)
    with pytest.raises(InputError, match="grade3plus"):
        load_companions(folder, model=load_model(folder))


# --- random changes, hashes rewritten ---

WORDS = (
    "0",
    "-1",
    "1",
    "999",
    "-999",
    "4294967295",
    "99999999999999999999",
    "1e308",
    "1e999",
    "nan",
    "inf",
    "-inf",
    "0.5",
    "",
    "9" * 400,
    "null",
    "[]",
    "{}",
    "true",
)


def rehash(folder: Path) -> None:
    """Rewrite all hashes so that they fit, those of the refits beside the model too."""
    tree = json.loads((folder / MANIFEST).read_text())
    try:
        bedside = json.loads((folder / BEDSIDE).read_text())
        bedside["refits_sha256"] = hashlib.sha256((folder / REFITS).read_bytes()).hexdigest()
        (folder / BEDSIDE).write_text(json.dumps(bedside))
    except (ValueError, TypeError):
        pass
    tree["files"] = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in tree["files"]
    }
    (folder / MANIFEST).write_text(json.dumps(tree))


def change(content: bytes, draw: random.Random) -> bytes:
    """One random change: a flipped bit, another letter, a cut, a lost or doubled part, another
    number in its place.
    """
    at = draw.randrange(len(content))
    stop = min(len(content), at + draw.choice((1, 5, 50, 500)))
    kind = draw.choice(
        ("bit", "letter", "cut", "lose", "double", "number", "number", "number", "swap")
    )
    if kind == "bit":
        return content[:at] + bytes([content[at] ^ (1 << draw.randrange(8))]) + content[at + 1 :]
    if kind == "letter":
        return content[:at] + draw.choice("0123456789-. =\nex").encode() + content[at + 1 :]
    if kind == "cut":
        return content[:at]
    if kind == "lose":
        return content[:at] + content[stop:]
    if kind == "double":
        return content[:stop] + content[at:]
    numbers = list(re.finditer(rb"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?", content))
    one, other = draw.choice(numbers), draw.choice(numbers)
    word = other.group() if kind == "swap" else draw.choice(WORDS).encode()
    return content[: one.start()] + word + content[one.end() :]


def resize(text: bytes) -> bytes:
    """Declare the sizes that the trees of a changed booster have now, as a careful forger would."""
    head, mark, rest = text.partition(b"\n\n")
    body = rest.partition(b"end of trees\n")[0]
    starts = [found.start() for found in re.finditer(rb"(?m)^Tree=", body)]
    sizes = [stop - start for start, stop in zip(starts, [*starts[1:], len(body)], strict=False)]
    head = re.sub(
        rb"(?m)^tree_sizes=.*$", b"tree_sizes=" + " ".join(map(str, sizes)).encode(), head
    )
    return head + mark + rest


# Loads each folder, and scores and explains with what loads, by our code and by LightGBM.
USE_IT = """
import sys
import numpy as np
from pathlib import Path
from crsrisk.errors import InputError
from crsrisk.model.booster import booster_of, contributions_of, raw_log_odds_of
from crsrisk.model.companions import load_companions
from crsrisk.model.forest import forest_of, raw_log_odds_by
from crsrisk.model.store import load_model
from crsrisk.model.explain import path_shapley
for line in sys.stdin:
    folder = Path(line.strip())
    print("begin", folder.name, flush=True)
    try:
        model = load_model(folder)
        beside = load_companions(folder, model=model)
    except InputError as problem:
        print("end refused", type(problem).__name__, flush=True)
        continue
    table = np.random.default_rng(0).normal(size=(40, len(model.contract.features)))
    table[::3, ::2] = np.nan
    forest = forest_of(model.booster_text)
    ours = raw_log_odds_by(forest, table)
    path_shapley(forest, table)
    if beside.refits is not None:
        beside.refits.log_odds(table)
    booster = booster_of(model.booster_text)
    theirs = raw_log_odds_of(booster, table)
    contributions_of(booster, table)
    print("end used", "same" if np.array_equal(ours, theirs) else "DIFFERENT", flush=True)
"""


def forged(place: Path, draw: random.Random) -> bytes:
    """A file with one random change: of a packed one mostly in its text, which is packed again."""
    content = place.read_bytes()
    if place.suffix != ".gz" or draw.random() < 0.1:
        return change(content, draw)
    text = change(gzip.decompress(content), draw)
    if place.name == BOOSTER and draw.random() < 0.7:
        text = resize(text)
    return gzip.compress(text, compresslevel=1)


def fuzz(folder: Path, home: Path, *, n: int, seed: int) -> list[str]:
    """What became of ``n`` changed copies, each in ``USE_IT``'s words."""
    draw = random.Random(seed)
    names = [BOOSTER] * 6 + [REFITS, REFITS, CONTRACT, CALIBRATOR, BEDSIDE, MANIFEST]
    places = []
    # whole, beside every copy
    shutil.copytree(folder.with_name("grade3plus-0.1.0"), home / "grade3plus-0.1.0")
    for k in range(n):
        copy = home / f"case_{k}"
        shutil.copytree(folder, copy)
        name = draw.choice(names)
        (copy / name).write_bytes(forged(copy / name, draw))
        if name != MANIFEST:
            rehash(copy)
        places.append(copy)
    done = subprocess.run(
        [sys.executable, "-c", USE_IT],
        input="\n".join(map(str, places)) + "\n",
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=300 + n,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout.splitlines()[-1:]} then {done.stderr[-2000:]}"
    return [line for line in done.stdout.splitlines() if line.startswith("end")]


def judged(answers: list[str], n: int) -> None:
    assert len(answers) == n
    assert "end used DIFFERENT" not in answers
    assert set(answers) <= {"end used same", "end refused InputError"}
    assert answers.count("end refused InputError") > n / 2, "the changes do too little"
    assert answers.count("end used same") > n / 20, "nothing that passes the check was ever used"


def test_random_changes_with_fitting_hashes_are_refused_or_harmless(
    folder: Path, tmp_path: Path
) -> None:
    judged(fuzz(folder, tmp_path, n=40, seed=1), 40)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 12, 13, 14])
def test_many_random_changes_with_fitting_hashes(folder: Path, tmp_path: Path, seed: int) -> None:
    judged(fuzz(folder, tmp_path, n=150, seed=seed), 150)
