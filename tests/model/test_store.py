"""Saving and loading: the same model comes back; anything altered, lost or forged is refused."""

from __future__ import annotations

import gzip
import json
import os
import re
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crsrisk.data.files import gzipped, sha256_of
from crsrisk.errors import InputError, OutputError
from crsrisk.model.booster_text import LARGEST_TEXT
from crsrisk.model.predict import feature_matrix, predict, raw_log_odds
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import (
    APPLICABILITY,
    BEDSIDE,
    BOOSTER,
    CALIBRATOR,
    CONTRACT,
    MANIFEST,
    REFITS,
    add_files,
    load_model,
    model_folder,
    save_model,
    write_model,
)

Toy = Any
FILES = (BOOSTER, CONTRACT, CALIBRATOR, APPLICABILITY, MANIFEST)


@pytest.fixture
def folder(model: RiskModel, tmp_path: Path) -> Path:
    return save_model(model, tmp_path / "baseline")


def forge(folder: Path, name: str, text: str) -> None:
    """Change a file and its hash in the manifest, as a careful forger would."""
    packed = gzipped(text) if name.endswith(".gz") else text.encode("utf-8")
    forge_bytes(folder, name, packed)


def forge_bytes(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"][name] = sha256_of(folder / name)
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_the_same_model_comes_back(model: RiskModel, folder: Path, fresh_toy: Toy) -> None:
    loaded = load_model(folder)
    assert loaded == model
    table = fresh_toy.observed.head(200)
    pd.testing.assert_frame_equal(predict(loaded, table).rows, predict(model, table).rows)


def test_the_folder_holds_plain_files(model: RiskModel, folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert list(folder.parent.iterdir()) == [folder]  # nothing beside it
    for name in (CONTRACT, CALIBRATOR, MANIFEST):
        (folder / name).read_text(encoding="utf-8")
    assert gzip.decompress((folder / BOOSTER).read_bytes()) == model.booster_text.encode("ascii")


def test_the_packed_trees_are_what_lightgbm_reads(folder: Path, fresh_toy: Toy) -> None:
    """Unpacked by any tool, it is LightGBM's own file."""
    loaded = load_model(folder)
    matrix = feature_matrix(loaded, fresh_toy.observed.head(20))
    text = gzip.decompress((folder / BOOSTER).read_bytes()).decode("ascii")
    raw = lgb.Booster(model_str=text).predict(matrix, raw_score=True)
    np.testing.assert_array_equal(raw, raw_log_odds(loaded, fresh_toy.observed.head(20)))


def test_same_model_same_bytes(model: RiskModel, folder: Path, tmp_path: Path) -> None:
    again = save_model(model, tmp_path / "again")
    assert [(again / name).read_bytes() for name in FILES] == [
        (folder / name).read_bytes() for name in FILES
    ]


@pytest.mark.parametrize("name", FILES)
def test_a_lost_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(InputError, match=re.escape(name)):
        load_model(folder)


@given(
    name=st.sampled_from(FILES[:4]), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7)
)
@settings(max_examples=60)
def test_every_flipped_bit_is_found(
    model: RiskModel, tmp_path_factory: pytest.TempPathFactory, name: str, place: float, bit: int
) -> None:
    folder = save_model(model, tmp_path_factory.mktemp("flip") / "m")
    content = bytearray((folder / name).read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=re.escape(name)):
        load_model(folder)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_every_truncated_file_is_found(folder: Path, name: str, share: float) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError):
        load_model(folder)


def test_forged_trees_are_found_although_their_hash_fits(model: RiskModel, folder: Path) -> None:
    forge(folder, BOOSTER, re.sub(r"left_child=1 ", "left_child=0 ", model.booster_text, count=1))
    with pytest.raises(InputError, match="children"):
        load_model(folder)


@pytest.mark.parametrize("far", ["e308", "e007"])
def test_a_leaf_beyond_all_bounds_is_found(model: RiskModel, folder: Path, far: str) -> None:
    """It would be finite, and its sum with another infinite."""

    def forged(leaf: re.Match[str]) -> str:
        return f"leaf_value={'1.'.ljust(len(leaf[1]) - 4, '0')}{far}"

    forge(folder, BOOSTER, re.sub(r"leaf_value=(\S+)", forged, model.booster_text, count=1))
    with pytest.raises(InputError, match=r"leaf_value: found 1e\+"):
        load_model(folder)


@pytest.mark.parametrize("key", ["intercept", "slope"])
def test_a_calibration_beyond_all_bounds_is_found(folder: Path, key: str) -> None:
    tree = json.loads((folder / CALIBRATOR).read_text())
    forge(folder, CALIBRATOR, json.dumps({**tree, key: 1e308}))
    with pytest.raises(InputError, match=rf"{CALIBRATOR}, {key}"):
        load_model(folder)


def test_a_file_that_is_read_and_that_the_manifest_does_not_know_is_found(folder: Path) -> None:
    (folder / "notes.md").write_text("somebody's own")
    load_model(folder)
    (folder / BEDSIDE).write_text("{}")
    with pytest.raises(InputError, match=rf"{BEDSIDE}: found a file that the manifest does not"):
        load_model(folder)


@pytest.mark.parametrize("name", [BEDSIDE, REFITS])
def test_what_was_added_is_under_the_manifest(folder: Path, name: str) -> None:
    add_files(folder, {name: b"{}"})
    load_model(folder)
    (folder / name).write_bytes(b"{ }")
    with pytest.raises(InputError, match=rf"{re.escape(name)}, SHA-256"):
        load_model(folder)
    (folder / name).unlink()
    with pytest.raises(InputError, match=re.escape(name)):
        load_model(folder)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"made": {"n_patients": -1}}, "made.n_patients"),
        ({"made": {"n_trees": "many"}}, "made.n_trees"),
        ({"made": {"patients": [{"step": "fit"}]}}, "made.patients"),
        ({"made": {"cv_log_loss": float("nan")}}, "made.cv_log_loss"),
        ({"made": {"model_class": {"start": "?"}}}, "made.model_class"),
        ({"version": 1}, "version"),
    ],
)
def test_a_manifest_of_another_schema_is_found(
    folder: Path, change: dict[str, Any], key: str
) -> None:
    tree = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**tree, **change}))
    with pytest.raises(InputError, match=rf"{MANIFEST}, {re.escape(key)}"):
        load_model(folder)


def test_an_interrupted_writer_leaves_what_stood_there(model: RiskModel, folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def interrupted() -> None:
        with model_folder(folder) as beside:
            write_model(model, beside)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert list(folder.parent.iterdir()) == [folder]


def test_what_a_killed_writer_left_is_cleared(model: RiskModel, tmp_path: Path) -> None:
    (tmp_path / ".m.0123abcd.part").mkdir()
    (tmp_path / ".m.0123abcd.part" / BOOSTER).touch()
    (tmp_path / ".other.0123abcd.part").mkdir()
    save_model(model, tmp_path / "m")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".other.0123abcd.part", "m"]


def test_one_writer_at_a_time(model: RiskModel, tmp_path: Path) -> None:
    with model_folder(tmp_path / "m") as beside:
        write_model(model, beside)
        with pytest.raises(OutputError, match="another crsrisk that writes there"):
            save_model(model, tmp_path / "m")
    assert load_model(tmp_path / "m") == model


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"tree\nversion=v4\n", "no gzip"),
        (gzip.compress(b"tree\n")[:-4], "cut short"),
        (gzip.compress(b"\xff\xfe"), "no UTF-8 text"),
        (gzip.compress(b"0" * (LARGEST_TEXT + 1)), f"more than {LARGEST_TEXT} bytes of text"),
    ],
    ids=["plain text", "cut", "bytes", "large"],  # packed bytes hold the time they were packed at
)
def test_a_booster_that_is_no_packed_text_is_found_although_its_hash_fits(
    folder: Path, content: bytes, says: str
) -> None:
    forge_bytes(folder, BOOSTER, content)
    with pytest.raises(InputError, match=rf"{re.escape(BOOSTER)}: found .*{says}"):
        load_model(folder)


@pytest.mark.parametrize("old", ["crsrisk model 1", "crsrisk release 1"])
def test_a_folder_of_a_former_layout_is_refused_with_a_cure(
    model: RiskModel, folder: Path, old: str
) -> None:
    (folder / BOOSTER).rename(folder / "booster.txt")
    tree = json.loads((folder / MANIFEST).read_text())
    files = {"booster.txt" if name == BOOSTER else name: tree["files"][name] for name in FILES[:4]}
    (folder / MANIFEST).write_text(json.dumps({**tree, "format": old, "files": files}))
    with pytest.raises(InputError) as refused:
        load_model(folder)
    for word in (MANIFEST, f"found '{old}'", "'crsrisk model 3'", "make the model anew"):
        assert word in str(refused.value)
    if old.startswith("crsrisk release"):
        with pytest.raises(OutputError, match="a released model, which never changes"):
            save_model(model, folder)


def test_trees_of_other_features_are_found(model: RiskModel, folder: Path) -> None:
    forge(folder, BOOSTER, model.booster_text.replace(" crp_mg_l ", " crp_mg_dl "))
    with pytest.raises(InputError, match="other features"):
        load_model(folder)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (CONTRACT, lambda tree: tree.pop("outcome")),
        (CONTRACT, lambda tree: tree.update(extra=1)),
        (CONTRACT, lambda tree: tree.update(landmark_h="0")),
        (CONTRACT, lambda tree: tree.update(columns=[])),
        (CONTRACT, lambda tree: tree["features"][0].update(variable="ghost")),
        (CONTRACT, lambda tree: tree["features"][0].update(direction="sideways")),
        (CONTRACT, lambda tree: tree["window_d"].pop("default")),
        (CALIBRATOR, lambda tree: tree.update(slope="1")),
        (CALIBRATOR, lambda tree: tree.update(slope=-1.0)),
        (CALIBRATOR, lambda tree: tree.pop("intercept")),
    ],
)
def test_forged_nouns_are_found_although_their_hash_fits(
    folder: Path, name: str, change: Any
) -> None:
    tree = json.loads((folder / name).read_text())
    change(tree)
    forge(folder, name, json.dumps(tree))
    with pytest.raises(InputError, match=re.escape(name)):
        load_model(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: tree.update(format="other 1"),
        lambda tree: tree.pop("files"),
        lambda tree: tree.update(files=[]),
        lambda tree: tree["files"].pop(BOOSTER),
        lambda tree: tree.update(version=1),
        lambda tree: tree.update(x=1),
    ],
)
def test_a_forged_manifest_is_found(folder: Path, change: Any) -> None:
    tree = json.loads((folder / MANIFEST).read_text())
    change(tree)
    (folder / MANIFEST).write_text(json.dumps(tree))
    with pytest.raises(InputError, match=re.escape(MANIFEST)):
        load_model(folder)


@pytest.mark.parametrize("text", ["", "[]", "null", "[" * 100_000, "\x00", '{"format": '])
def test_a_manifest_that_is_no_manifest(folder: Path, text: str) -> None:
    (folder / MANIFEST).write_text(text)
    with pytest.raises(InputError, match=re.escape(MANIFEST)):
        load_model(folder)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a name .* or the path of the folder of a model"):
        load_model(tmp_path / "nowhere")


def test_a_model_is_replaced_but_nothing_else_is(
    model: RiskModel, folder: Path, tmp_path: Path
) -> None:
    save_model(model, folder)
    assert load_model(folder) == model
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.txt").write_text("irreplaceable")
    for place in (other, other / "chapter.txt"):
        with pytest.raises(OutputError, match="something that is no model"):
            save_model(model, place)
    assert (other / "chapter.txt").read_text() == "irreplaceable"


def test_an_interrupted_save_leaves_the_old_model(
    model: RiskModel, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {name: (folder / name).read_bytes() for name in FILES}

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("crsrisk.model.store.write_json", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_model(model, folder)
    assert {name: (folder / name).read_bytes() for name in FILES} == before
    assert list(folder.parent.iterdir()) == [folder]


def test_a_failed_swap_puts_the_old_model_back(
    model: RiskModel, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old folder is moved away, then the new one cannot be moved in: the old one comes back."""
    tries: list[Path] = []
    real = os.replace

    def fail_once(source: Path, target: Path) -> None:
        if target == folder:
            tries.append(source)
            if len(tries) == 1:
                raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr("crsrisk.model.store.os.replace", fail_once)
    with pytest.raises(OutputError, match="No space left"):
        save_model(model, folder)
    assert len(tries) == 2
    assert load_model(folder) == model
    assert list(folder.parent.iterdir()) == [folder]


def test_numbers_survive_to_the_last_bit(model: RiskModel, folder: Path) -> None:
    loaded = load_model(folder).calibrator
    assert np.float64(loaded.slope).tobytes() == np.float64(model.calibrator.slope).tobytes()
