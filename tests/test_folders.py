"""Names and paths of data files, in a checkout and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

import pytest

from crsrisk import folders
from crsrisk.errors import InputError


def _make_world(root: Path) -> None:
    for place in (
        "synthetic/assumptions/cascade.yaml",
        "synthetic/products/tarlatamab.yaml",
        "synthetic/products/tebentafusp.yaml",
        "synthetic/scenarios/reference.yaml",
        "models/configs/baseline.yaml",
        "models/released/crs-1.0.0/manifest.json",
        "experiments/001_baseline/experiment.yaml",
        "experiments/002_draft/notes.txt",
    ):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_text("name: one\n")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "checkout"
    _make_world(root)
    monkeypatch.setattr(folders, "_PACKAGE", root / "crsrisk")
    monkeypatch.chdir(tmp_path)
    return root


def test_a_checkout_is_found_beside_the_package(checkout: Path) -> None:
    assert folders.synthetic_folder() == checkout / "synthetic"
    assert folders.models_folder() == checkout / "models"
    assert folders.experiments_folder() == checkout / "experiments"


def test_a_wheel_carries_its_own_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "crsrisk"
    _make_world(package / "_shipped")
    (tmp_path / "site-packages" / "synthetic").mkdir()  # another package of that name is not ours
    monkeypatch.setattr(folders, "_PACKAGE", package)
    assert folders.synthetic_folder() == package / "_shipped" / "synthetic"
    assert folders.find("products", "tarlatamab").read_text() == "name: one\n"


def test_a_package_without_data_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "_PACKAGE", tmp_path / "crsrisk")
    with pytest.raises(InputError, match="install crsrisk again"):
        folders.synthetic_folder()


def test_names_are_those_of_the_files(checkout: Path) -> None:
    assert folders.names("products") == ("tarlatamab", "tebentafusp")
    assert folders.names("experiments") == ("001_baseline",)
    assert folders.names("released") == ("crs-1.0.0",)
    assert folders.names("populations") == ()


def test_a_name_finds_its_file(checkout: Path) -> None:
    assert folders.find("products", "tarlatamab") == checkout / "synthetic/products/tarlatamab.yaml"
    assert folders.find("configs", "baseline") == checkout / "models/configs/baseline.yaml"
    experiment = checkout / "experiments/001_baseline/experiment.yaml"
    assert folders.find("experiments", "001_baseline") == experiment
    assert folders.find("released", "crs-1.0.0") == checkout / "models/released/crs-1.0.0"


def test_a_product_of_the_evidence_is_found_but_not_listed(checkout: Path) -> None:
    hidden = checkout / "synthetic/products/evidence_only/pasotuxizumab.yaml"
    assert folders.evidence_only_products() == ()
    hidden.parent.mkdir()
    hidden.write_text("name: one\n")
    assert folders.evidence_only_products() == ("pasotuxizumab",)
    assert folders.names("products") == ("tarlatamab", "tebentafusp")
    assert folders.find("products", "pasotuxizumab") == hidden
    with pytest.raises(InputError, match="unknown name"):
        folders.find("scenarios", "pasotuxizumab")
    with pytest.raises(InputError) as caught:
        folders.find("products", "pasotuximab")
    assert "did you mean pasotuxizumab" in caught.value.cure
    assert "pasotuxizumab" not in caught.value.expected


def test_a_path_from_any_folder_finds_the_users_own_file(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "trial" / "my_engager.yaml"
    mine.parent.mkdir()
    mine.write_text("name: mine\n")
    assert folders.find("products", str(mine)) == mine
    assert folders.find("products", mine) == mine
    monkeypatch.chdir(mine.parent)
    for text in ("my_engager.yaml", "./my_engager.yaml", "../trial/my_engager.yaml"):
        assert folders.find("products", text).resolve() == mine.resolve()


@pytest.mark.parametrize(
    "text",
    [
        "checkout/experiments/001_baseline",
        "checkout/experiments/001_baseline/",
        "checkout/experiments/001_baseline/experiment.yaml",
    ],
)
def test_an_experiment_is_found_by_folder_or_file(checkout: Path, text: str) -> None:
    experiment = checkout / "experiments/001_baseline/experiment.yaml"
    assert folders.find("experiments", text).resolve() == experiment


@pytest.mark.parametrize(
    "text", ["tarlatmab", "Tarlatamab", "./tarlatamab.yml", "nowhere/tarlatamab.yaml"]
)
def test_a_near_miss_names_the_nearest_and_how_to_add_one(checkout: Path, text: str) -> None:
    with pytest.raises(InputError) as caught:
        folders.find("products", text)
    assert caught.value.key == text
    assert "did you mean tarlatamab" in caught.value.cure
    assert "synthetic/products/" in caught.value.cure
    assert "tebentafusp" in caught.value.expected


def test_a_folder_is_no_product_and_an_unknown_name_has_no_near_one(checkout: Path) -> None:
    with pytest.raises(InputError, match="found a folder"):
        folders.find("products", "checkout/synthetic")
    with pytest.raises(InputError) as caught:
        folders.find("products", "zzz")
    assert "did you mean" not in caught.value.cure


def test_a_name_never_leaves_its_folder(checkout: Path) -> None:
    for text in ("../scenarios/reference", "..", "."):
        with pytest.raises(InputError):
            folders.find("products", text)


def test_a_kind_that_does_not_exist_is_a_mistake_of_the_programmer(checkout: Path) -> None:
    with pytest.raises(ValueError, match="kind is one of"):
        folders.find("drugs", "tarlatamab")  # type: ignore[arg-type]


def test_the_real_folders_exist() -> None:
    assert (folders.synthetic_folder() / "assumptions").is_dir()
    assert folders.experiments_folder().is_dir()
