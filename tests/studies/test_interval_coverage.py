"""What assumptions leave open of a model: asked of worlds, kept, said, judged in other worlds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from crsrisk.errors import InputError
from crsrisk.folders import find
from crsrisk.model.companions import Companions, load_companions, save_companions
from crsrisk.model.first_interval import first_interval
from crsrisk.model.landmark import landmark_table
from crsrisk.model.refits import Refits
from crsrisk.model.refitting import make_refits
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import load_model, save_model
from crsrisk.model.world_spread import ANY, TrueLogOdds, WorldSpread
from crsrisk.simulation.arm import Arm
from crsrisk.studies.development import Split
from crsrisk.studies.explain import ExplainableModel, patient_risks
from crsrisk.studies.interval_coverage import (
    EVERYBODY,
    CoverageRow,
    coverage_rows,
    run_interval_coverage,
)
from crsrisk.studies.world_spread import (
    BLOCK,
    ArmRisks,
    answers_of,
    ask_worlds,
    spread_of,
    why_no_spread,
)
from crsrisk.uncertainty.world_courses import WorldCourses
from crsrisk.uncertainty.world_risks import BUILDING, HELD_OUT
from tests.simulation.people import world_of
from tests.studies.conftest import SEED
from tests.uncertainty.few_members import few_members

ENSEMBLE = few_members(16)


def asked(arms: dict[str, Arm], *, part: int, each: int, n_replicates: int) -> list[ArmRisks]:
    return ask_worlds(
        arms.values(),
        world=world_of(),
        seed=SEED + part,
        ensemble=ENSEMBLE,
        part=part,
        each=each,
        n_replicates=n_replicates,
        begin=lambda title, total: lambda n: None,
    )


@pytest.fixture(scope="module")
def refits(model: RiskModel, sides: Split, config: object) -> Refits:
    training = sides.training
    return make_refits(model, training.observed, training.outcomes, config=config, seed=SEED, n=4)


@pytest.fixture(scope="module")
def worlds(model: RiskModel, refits: Refits, arms: dict[str, Arm]) -> WorldSpread:
    building = asked(arms, part=BUILDING, each=16, n_replicates=4)
    spread = spread_of(model, refits, building, ensemble=ENSEMBLE)
    assert spread is not None
    return spread


@pytest.fixture(scope="module")
def judged(arms: dict[str, Arm]) -> list[ArmRisks]:
    return asked(arms, part=HELD_OUT, each=4, n_replicates=100)


def test_every_product_and_platform_of_training_has_its_spread(
    model: RiskModel, worlds: WorldSpread
) -> None:
    assert set(worlds.products) == set(model.contract.products)
    assert set(worlds.new_products) == {"tce", ANY}
    assert (worlds.n_members, worlds.n_replicates) == (8, 4)
    # nobody's own numbers are known of a new product: it is told less sharply
    sharpest = min(one.log_sd for one in worlds.products.values())
    assert worlds.new_products["tce"].log_sd > sharpest


def test_another_scenario_and_another_event_have_none(model: RiskModel) -> None:
    world = world_of()
    severe = model.contract.model_copy(update={"outcome": "crs_any"})
    other = replace(world, scenario=world.scenario.model_copy(update={"name": "other"}))
    assert why_no_spread(model.contract, world=world) == ""
    assert "truth of crs_any" in why_no_spread(severe, world=world)
    assert "scenario other" in why_no_spread(model.contract, world=other)


def test_it_is_kept_beside_the_model(
    model: RiskModel, worlds: WorldSpread, refits: Refits, tmp_path: Path
) -> None:
    save_model(model, tmp_path / "m")
    save_companions(tmp_path / "m", model=model, reference={}, refits=refits, worlds=worlds)
    assert load_companions(tmp_path / "m", model=model).worlds == worlds


def test_intervals_hold_what_they_are_called(
    model: RiskModel, worlds: WorldSpread, refits: Refits, sides: Split
) -> None:
    rows = sides.test.observed.head(20)
    unknown = rows.assign(product="unheard_of")
    beside = Companions(refits=refits, worlds=worlds)
    explainable = ExplainableModel(model, beside, {})
    for table, holds in (
        (rows, "refitting and assumptions"),
        (unknown, "refitting, assumptions and products"),
    ):
        risks = patient_risks(explainable, table)
        found = first_interval(model, beside, table)
        assert {risk.holds for risk in risks} == set(found.holds) == {holds}
        assert [risk.grade2plus.low for risk in risks] == found.low.tolist()
        assert [risk.grade2plus.high for risk in risks] == found.high.tolist()
        for risk, low, high in zip(risks, found.refit_low, found.refit_high, strict=True):
            assert risk.refit_range is not None
            alone = risk.refit_range.grade2plus
            assert (alone.low, alone.high) == (low, high)
            assert alone.low <= alone.value <= alone.high


def test_without_worlds_the_refit_range_is_shown_by_its_name(
    model: RiskModel, refits: Refits, sides: Split
) -> None:
    """So it is with every folder of a former version."""
    rows = sides.test.observed.head(5)
    for beside, holds in ((Companions(refits=refits), "refitting"), (Companions(), "")):
        found = first_interval(model, beside, rows)
        assert set(found.holds) == {holds}
        assert np.isnan(found.low).all() == (holds == "")
    (risk, *_) = patient_risks(ExplainableModel(model, Companions(refits=refits), {}), rows)
    assert (risk.holds, risk.refit_range) == ("refitting", None)


def test_coverage_is_measured_by_product_and_by_tenth(
    model: RiskModel, refits: Refits, worlds: WorldSpread, judged: list[ArmRisks]
) -> None:
    rows = list(coverage_rows(model, refits, worlds, judged, seed=1))
    known = [row for row in rows if row.products == "known"]
    assert [row.group for row in known[:3]] == [EVERYBODY, *(arm.product for arm in judged)]
    assert len(known) == 1 + len(judged) + 10
    assert sum(row.n_patients for row in known[-10:]) == known[0].n_patients == 2 * 4 * 8
    told = [row for row in rows if row.share is not None]
    assert told
    for row in told:
        assert row.share.value + row.below + row.above == pytest.approx(1.0)
        assert row.refit_range is not None
    for row in rows:
        assert 0.0 <= row.counts.low <= row.counts.high <= 1.0
        assert row.counts.mc_error is not None
        # with too few events there is no statement about single true risks
        assert (row.share is None) == (row.below is None)


def with_sd(worlds: WorldSpread, sd: float) -> WorldSpread:
    """The same spread with another SD of everything."""

    def changed(one: TrueLogOdds) -> TrueLogOdds:
        return one.model_copy(update={"log_sd": float(np.log(sd)), "log_sd_tilt": 0.0})

    return worlds.model_copy(
        update={
            name: {key: changed(one) for key, one in getattr(worlds, name).items()}
            for name in ("products", "new_products")
        }
    )


def test_wide_intervals_hold_everything_and_narrow_ones_nothing(
    model: RiskModel, worlds: WorldSpread, judged: list[ArmRisks]
) -> None:
    def everybody(sd: float) -> CoverageRow:
        return next(iter(coverage_rows(model, None, with_sd(worlds, sd), judged, seed=1)))

    wide, narrow = everybody(5.0), everybody(0.01)
    assert wide.share is not None
    assert narrow.share is not None
    assert wide.share.value > 0.99
    assert narrow.share.value < 0.1
    assert narrow.counts.value < wide.counts.value
    assert narrow.is_missed
    assert narrow.refit_range is None
    assert wide.width > narrow.width


@pytest.fixture(scope="module")
def courses(arms: dict[str, Arm]) -> list[ArmRisks]:
    return ask_worlds(
        [arms["tarlatamab"]],
        world=world_of(),
        seed=SEED,
        ensemble=ENSEMBLE,
        each=150,
        is_landmark=True,
        begin=lambda title, total: lambda n: None,
    )


def test_at_a_landmark_patients_alike_stand_for_one(courses: list[ArmRisks]) -> None:
    model = load_model(find("released", "landmark_24h-0.1.0"))
    (arm,) = courses
    followed = arm.known
    assert isinstance(followed, WorldCourses)
    answers = answers_of(model, None, followed)
    assert answers.asked.n_replicates == BLOCK
    np.testing.assert_array_equal(answers.halves.sum(axis=1), answers.asked.n_events)
    assert (answers.halves <= BLOCK // 2).all()
    at_risk = landmark_table(followed.observed, followed.course, hour=24)
    is_told = ~np.isnan(model.predict(at_risk).risk)
    lives_in = followed.member[at_risk.index[is_told]]
    whole = {number: int((lives_in == number).sum() // BLOCK) for number in np.unique(lives_in)}
    assert {n: int((answers.asked.member == n).sum()) for n in whole} == whole
    # a block's risk is the mean of its patients', so all blocks together say what the model says
    mean = float(np.nanmean(model.predict(at_risk).risk))
    assert expit(answers.asked.log_odds).mean() == pytest.approx(mean, rel=0.2)
    # of one member the blocks rise in risk
    mine = answers.asked.log_odds[answers.asked.member == answers.asked.member[0]]
    assert (np.diff(mine) >= 0).all()


def test_the_interval_of_a_landmark_model_is_learnt_and_judged(courses: list[ArmRisks]) -> None:
    model = load_model(find("released", "landmark_24h-0.1.0"))
    spread = spread_of(model, None, courses, ensemble=ENSEMBLE)
    assert spread is not None
    assert set(spread.products) == {"tarlatamab"}
    assert spread.n_replicates == BLOCK
    rows = list(coverage_rows(model, None, spread, courses, seed=1))
    # judged on the very patients that it was learnt from, nine of ten counts lie inside: the SD is
    # stretched until they do; 15 blocks or more, of which one weighs 7 of 100
    assert rows[0].counts.value == pytest.approx(0.9, abs=0.1)


def test_of_nobody_at_risk_nothing_is_learnt(courses: list[ArmRisks]) -> None:
    """As of a product that is given once, a week after the dose."""
    model = load_model(find("released", "landmark_24h-0.1.0"))
    (arm,) = courses
    assert isinstance(arm.known, WorldCourses)
    nobody = replace(arm.known, course=arm.known.course.assign(grade__max__h24=2.0))
    answers = answers_of(model, None, nobody)
    assert len(answers.asked.log_odds) == 0
    assert spread_of(model, None, [replace(arm, known=nobody)], ensemble=ENSEMBLE) is None


@pytest.mark.parametrize(
    ("released", "repetitions", "found"),
    [
        ("landmark_24h-0.1.0", "repetitions: 40", "repetitions of a course"),
        ("baseline-0.1.0", "", "none"),
    ],
)
def test_repetitions_are_asked_of_the_right_models(
    released: str, repetitions: str, found: str, tmp_path: Path
) -> None:
    (tmp_path / "experiment.yaml").write_text(
        f"kind: interval_coverage\nname: x\nquestion: is it\nreleased: {released}\n"
        f"seed: 1\neach: 1\n{repetitions}\n"
    )
    with pytest.raises(InputError, match=f"repetitions: found {found}"):
        run_interval_coverage(tmp_path, workers=1, begin=lambda title, total: lambda n: None)
