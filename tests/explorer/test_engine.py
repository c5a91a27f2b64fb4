"""The page's script says what Python says, of every released model: log-odds to the bit, and every
printed figure, status and reason.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crsrisk.data.explanation import INTERVAL_NAMES
from crsrisk.data.patient import read_patient
from crsrisk.data.world import load_world
from crsrisk.fields import FIELDS, columns_of
from crsrisk.model.explain import explain
from crsrisk.model.predict import predict, raw_log_odds
from crsrisk.model.risk_model import RiskModel
from crsrisk.report.explorer import InputColumn, ModelPair
from crsrisk.studies.explain import (
    ExplainableModel,
    explain_patient,
    load_explainable,
    missing_ranges,
    patient_risks,
)
from crsrisk.studies.explorer import (
    identity_facts,
    model_pair,
    released_models,
    trained_products,
)
from crsrisk.studies.patient_row import arm_of, row_of, with_course
from crsrisk.units import convert, needs_upper_limit
from crsrisk.wording import about_of_100, range_of_100, typeset
from tests.explorer.made_patients import Row, made_patients
from tests.explorer.node import ROOT, ask, needs_node

GRADES = ("grade2plus", "grade3plus")
PRODUCTS = ("tarlatamab", "tebentafusp", "afami_cel")  # those of the quick tests

pytestmark = needs_node


@dataclass(frozen=True)
class Engines:
    """Released models as both engines have them: loaded, and as files for Node."""

    models: dict[str, ExplainableModel]
    pairs: dict[str, ModelPair]
    folder: Path

    @classmethod
    def of(cls, names: list[str], folder: Path) -> Engines:
        models = {name: load_explainable(ROOT / "models" / "released" / name) for name in names}
        pairs = {name: model_pair(model) for name, model in models.items()}
        for name, pair in pairs.items():
            (folder / name).write_text(pair.model_dump_json(), encoding="utf-8")
        return cls(models, pairs, folder)

    def job(self, kind: str, name: str, rows: list[Row]) -> dict[str, Any]:
        return {"kind": kind, "pair": str(self.folder / name), "rows": rows}

    def check(self, rows: dict[str, list[Row]], *, identity: str) -> None:
        """Both engines say the same of these patients, by model."""
        jobs = [self.job("patients", name, some) for name, some in rows.items()]
        for name, answers in zip(rows, ask(jobs, identity=identity), strict=True):
            explainable, table = self.models[name], table_of(rows[name])
            severe = explainable.companions.grade3plus
            assert severe is not None
            for grade, model in zip(GRADES, (explainable.model, severe), strict=True):
                check_model(model, table, [answer[grade] for answer in answers])
            check_risks(explainable, table, answers)


@pytest.fixture(scope="module")
def before_dose(tmp_path_factory: pytest.TempPathFactory) -> Engines:
    return Engines.of(["baseline-0.1.0"], tmp_path_factory.mktemp("before_dose"))


def table_of(rows: list[Row]) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    words = [name for name in table.columns if name in ("product", "platform", "tumour_type")]
    numbers = [name for name in table.columns if name not in words]
    return table.astype(dict.fromkeys(numbers, "float64") | dict.fromkeys(words, "object"))


def check_model(model: RiskModel, table: pd.DataFrame, answers: list[Any]) -> None:
    """One model: log-odds, status, reasons, missing values and why."""
    log_odds = model.calibrator.log_odds(raw_log_odds(model, table))
    assert [answer["logOdds"] for answer in answers] == log_odds.tolist()
    found = model.predict(table)
    assert [answer["status"] for answer in answers] == found.rows["status"].tolist()
    assert [", ".join(answer["missing"]) for answer in answers] == found.rows["missing"].tolist()
    told = [" ".join(answer["reasons"]) for answer in answers]
    assert told == [without_nearest(text) for text in found.rows["reasons"]]
    has_risk = [answer["risk"] is not None for answer in answers]
    assert has_risk == found.has_risk.tolist()
    explained = np.flatnonzero(~predict(model, table).is_refused)
    check_reasons(model, table.iloc[explained], [answers[row] for row in explained])


def without_nearest(text: str) -> str:
    """A refusal of an unknown product without the names that are nearest to it: the page offers its
    products in a list, so nobody can mistype one there.
    """
    start, mark, rest = text.partition(" was trained on (")
    if not mark:
        return text
    _, end, after = rest.partition("(unknown_product).")
    assert end
    return f"{start} was trained on.{after}"


def check_reasons(model: RiskModel, table: pd.DataFrame, answers: list[Any]) -> None:
    explained = explain(model, table)
    assert [answer["baseLogOdds"] for answer in answers] == explained.base_log_odds.tolist()
    assert [tuple(answer["reference"]) for answer in answers] == [
        (one.group, one.name) for one in explained.references
    ]
    found = np.array([answer["contributions"] for answer in answers])
    np.testing.assert_allclose(found, explained.contributions, rtol=0, atol=1e-13)
    for row, answer in enumerate(answers):
        assert answer["reasonsWhy"] == [
            [reason.variable, reason.whole_points, reason.value, reason.sentence]
            for reason in explained.reasons(row)
        ]


def check_risks(model: ExplainableModel, table: pd.DataFrame, answers: list[Any]) -> None:
    """The headline: both grades with the interval shown first, as the page prints them."""
    for risk, answer in zip(patient_risks(model, table), answers, strict=True):
        said = answer["risk"]
        assert (said["isHeld"], said["holds"]) == (risk.is_held, risk.holds)
        figures = [(said[grade], figure) for grade, figure in risk.items()]
        if risk.refit_range is not None:
            figures.append((said["refits"], risk.refit_range.grade2plus))
        else:
            assert said["refits"] is None
        for printed, estimate in figures:
            assert printed["count"] == about_of_100(estimate.value)
            assert printed["range"] == range_of_100(estimate.low, estimate.high)


@pytest.fixture(scope="module")
def patients(before_dose: Engines) -> list[Row]:
    model = before_dose.models["baseline-0.1.0"].model
    return made_patients(model, n=200, seed=1, products=PRODUCTS, is_sound=True)


def test_script_says_what_python_says(before_dose: Engines, patients: list[Row]) -> None:
    nothing = '{"platforms": [], "platform_of": {}, "product_names": {}, "tumour_types": {}}'
    before_dose.check({"baseline-0.1.0": patients}, identity=nothing)


def test_ranges_of_missing_values(before_dose: Engines, patients: list[Row]) -> None:
    ((name, model),) = before_dose.models.items()
    is_refused = predict(model.model, table_of(patients)).is_refused
    scored = [row for row, refused in zip(patients, is_refused, strict=True) if not refused]
    some = [row for row in scored if None in row.values()][:20]
    assert some
    (answers,) = ask([before_dose.job("missing", name, some)])
    table = table_of(some).assign(patient_id=range(len(some)))
    for row, answer in enumerate(answers):
        expected = missing_ranges(model, table.iloc[[row]])
        found = {one["column"]: (one["values"], one["risks"]) for one in answer}
        assert set(found) == {one.column for one in expected}
        for one in expected:
            values, risks = found[one.column]
            assert values == list(one.values)
            np.testing.assert_allclose(risks, one.risks, rtol=1e-14)


def test_the_page_says_of_a_patient_what_explain_patient_says(
    before_dose: Engines, patients: list[Row]
) -> None:
    """The whole answer, letter by letter: number, interval, warnings, reasons in sight."""
    check_answers(before_dose, {"baseline-0.1.0": patient_files()})


@pytest.mark.slow
def test_every_model_says_of_a_patient_what_explain_patient_says(tmp_path: Path) -> None:
    engines = Engines.of(released_models(), tmp_path)
    later = {
        "course": {
            "6 h": {"worst_crs_grade": 0},
            "12 h": {"worst_crs_grade": 1},
            "24 h": {"worst_crs_grade": 1, "crp": "79 mg/L", "highest_temperature": "38.1 °C"},
        }
    }
    check_answers(
        engines,
        {
            name: [
                one | (later if model.model.contract.landmark_h else {}) for one in patient_files()
            ]
            for name, model in engines.models.items()
        },
    )


def patient_files() -> list[dict[str, Any]]:
    """Patients as a file tells them: with much and with little known, unusual, another plan."""
    full = {
        "age": "66 years", "weight": "74 kg", "sum_of_diameters": "85 mm", "crp": "42 mg/L",
        "ferritin": "640 ug/L", "il6": "8 pg/mL", "albumin": "36 g/L", "platelets": "240 G/L",
        "creatinine": "80 umol/L", "lymphocytes": "1.1 G/L", "ldh": "1.4 x ULN", "ecog": 1,
        "n_metastatic_sites": 2, "has_liver_metastases": True, "has_infection": False,
    }  # fmt: skip
    few = {"age": "58 years", "crp": "3 mg/L", "has_liver_metastases": False}
    return [
        {"product": product, **some}
        for product in PRODUCTS
        for some in (
            full,
            few,
            few | {"crp": "600 mg/L", "confirmed": ["crp"]},
            few | {"prophylaxis": ["tocilizumab"]},
        )
        if product != "afami_cel" or "prophylaxis" not in some
    ]


def check_answers(engines: Engines, files: dict[str, list[dict[str, Any]]]) -> None:
    products = trained_products(list(engines.pairs.values()))
    identity, world = identity_facts(products).model_dump_json(), load_world()
    for name, some in files.items():
        model = engines.models[name]
        for patient in some:
            told = read_patient(patient)
            arm = arm_of(told, world=world)
            observed = with_course(told, row_of(told, arm=arm), contract=model.model.contract)
            ((answer,),) = ask(
                [
                    engines.job("answers", name, [plain_row(observed)])
                    | {"product": {"name": arm.product.name, "label": arm.product.label,
                                   "platform": arm.product.platform},
                       "interval_names": dict(INTERVAL_NAMES)}
                ],
                identity=identity,
            )  # fmt: skip
            page = explain_patient(told, model=model, has_simulation=False).page()
            expected = page.answer.model_dump()
            if expected["kind"] == "cannot":
                assert answer["kind"] == "cannot", patient
                continue
            for grade in GRADES:  # the sigmoid may differ in its last bit
                for end in ("value", "low", "high"):
                    assert answer[grade].pop(end) == pytest.approx(
                        expected[grade].pop(end), rel=1e-13
                    )
            assert answer == json.loads(json.dumps(expected)), patient


def plain_row(observed: pd.DataFrame) -> Row:
    row = observed.iloc[0]
    return {
        str(name): None if pd.isna(value) else getattr(value, "item", lambda value=value: value)()
        for name, value in row.items()
    }


@pytest.mark.slow
def test_script_says_what_python_says_of_ten_thousand(tmp_path: Path) -> None:
    """Of every released model, contradictions and unknown products among the patients."""
    engines = Engines.of(released_models(), tmp_path)
    n = 10_000 // len(engines.models)
    rows = {name: made_patients(model.model, n=n, seed=2) for name, model in engines.models.items()}
    products = trained_products(list(engines.pairs.values()))
    engines.check(rows, identity=identity_facts(products).model_dump_json())


def numbers() -> list[tuple[float, int]]:
    """Numbers with digits to print: ties, powers of ten and their neighbours, and many others."""
    rng = np.random.default_rng(3)
    ties = [0.125, 0.375, 2.5, 3.5, 0.5, 1.5, 1234.5, 99.95, 999.5, 9.5, 0.00015, 1e-5, 0.0, -0.0]
    powers = [np.nextafter(10.0**k, end) for k in range(-8, 18) for end in (-np.inf, np.inf)]
    drawn = np.exp(rng.uniform(-30, 30, 2000)) * rng.choice([-1.0, 1.0], 2000)
    values = [*ties, *(-value for value in ties), *powers, *drawn, *np.round(drawn, 2)]
    return [(float(value), digits) for value in values for digits in (0, 1, 2, 3, 6)]


def test_numbers_are_printed_and_rounded_as_in_python() -> None:
    asked = numbers()
    (answers,) = ask([{"kind": "numbers", "values": asked}])
    for (value, digits), (general, fixed, whole) in zip(asked, answers, strict=True):
        if digits:
            assert general == f"{value:.{digits}g}"
        assert fixed == f"{value:.{digits}f}"
        assert float(whole) == float(round(value))  # JSON has its own digits for large ones


def test_units_are_converted_as_in_python() -> None:
    rng = np.random.default_rng(4)
    asked, expected = [], []
    for name in columns_of("observed"):
        column = FIELDS[name]
        if column.kind != "float":
            continue
        document = InputColumn.of(column).model_dump()
        for unit in column.accepted_units:
            for value in np.exp(rng.uniform(-5, 8, 20)).tolist():
                limit = 240.0 if needs_upper_limit(name, unit) else None
                asked.append({"column": document, "value": value, "unit": unit, "limit": limit})
                expected.append(float(convert(value, name=name, unit=unit, upper_limit_u_l=limit)))
    (answers,) = ask([{"kind": "units", "values": asked}])
    assert answers == expected


def test_texts_are_set_as_in_python() -> None:
    texts = ["platelets 423 10^9/L, 80 ug/L", "grade >= 2, -3 (-4) a-b", "3 x 4 umol/L, +- 1 degC"]
    (answers,) = ask([{"kind": "texts", "values": texts}])
    assert answers == [typeset(text) for text in texts]
