"""Product names: any case, generic, brand and code names, and no name of two products."""

from __future__ import annotations

import pytest

from crsrisk.data import product_names
from crsrisk.data.product_names import nearest, plain, product_name, shipped_name
from crsrisk.data.world_files import load_product
from crsrisk.errors import InputError
from crsrisk.folders import evidence_only_products, names

SHIPPED = (*names("products"), *evidence_only_products())


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("tarlatamab", "tarlatamab"),
        ("TARLATAMAB", "tarlatamab"),
        (" Imdelltra ", "tarlatamab"),
        ("IMCgp100", "tebentafusp"),
        ("Afami-cel", "afami_cel"),
        ("afamitresgene autoleucel", "afami_cel"),
        ("TECELRA", "afami_cel"),
        ("amg160", "acapatamab"),
        ("Satri-Cel", "cldn182_car_t"),
        ("CLDN182 CAR-T", "cldn182_car_t"),
        ("MT110", "solitomab"),
        ("tarlatamab-dlle", "tarlatamab"),
        ("Imdelltra (tarlatamab-dlle)", "tarlatamab"),
        ("tebentafusp [Kimmtrak]", "tebentafusp"),
    ],
)
def test_a_product_is_found_as_it_is_called(written: str, name: str) -> None:
    assert product_name(written) == name
    assert load_product(written).name == name


def test_no_name_is_of_two_products() -> None:
    seen: dict[str, str] = {}
    for name in SHIPPED:
        for written in (name, *load_product(name).other_names):
            assert seen.setdefault(plain(written), name) == name, written


def test_an_unknown_name_tells_the_nearest() -> None:
    with pytest.raises(InputError, match=r"unknown name 'Imdeltra'.*did you mean tarlatamab"):
        product_name("Imdeltra")
    with pytest.raises(InputError, match="To add your own"):
        product_name("zzz")
    assert shipped_name("zzz") is None
    assert shipped_name("--") is None
    assert nearest("our car", also=["our_car_t"]) == ("our_car_t",)


def test_a_name_of_two_products_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product_names, "_other_names", lambda: {"amg1": ("acapatamab", "til_il2")})
    with pytest.raises(InputError, match=r"2 products.*acapatamab or til_il2"):
        product_name("AMG 1")


def test_other_names_are_no_part_of_what_is_simulated() -> None:
    assert "other_names" not in load_product("tarlatamab").model_dump()


def test_two_products_in_one_name_are_none() -> None:
    assert shipped_name("Imdelltra (tebentafusp)") is None
    assert shipped_name("tarlatamab (10 mg)") is None
