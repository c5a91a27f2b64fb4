"""Export: bounded memory, the same bytes in one chunk or many, and a summary that counts right."""

from __future__ import annotations

import tracemalloc
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crsrisk.data.cohort import Cohort, subset
from crsrisk.data.files import frame_digest, read_manifest, sha256_of
from crsrisk.data.tables import read_table
from crsrisk.data.world import reject_unused
from crsrisk.errors import InputError, OutputError
from crsrisk.results import Estimate
from crsrisk.simulation.arm import Arm
from crsrisk.simulation.cohort import stream_cohort
from crsrisk.studies import export
from crsrisk.studies.export import (
    EVENTS,
    MOST_TRAJECTORIES,
    ExportedCohort,
    beside,
    count_events,
    export_cohort,
    manifest_writer,
    one_table,
    summary,
)
from tests.simulation.people import arm_of, product_of, world_of


def exported(path: Path, arms: Sequence[Arm], **choices: Any) -> ExportedCohort:
    return export_cohort(
        path, arms=arms, world=world_of(), **({"n_patients": 30, "seed": 2} | choices)
    )


# --- files ---


@pytest.mark.parametrize(
    ("name", "other"), [("cohort.parquet", "cohort.truth.parquet"), ("a.b.csv", "a.b.truth.csv")]
)
def test_names_beside(name: str, other: str) -> None:
    assert beside(Path("here") / name, "truth") == Path("here") / other


def test_one_table_is_observed_then_outcomes(cohort: Cohort) -> None:
    table = one_table(cohort)
    assert list(table.columns) == [*cohort.observed.columns, *cohort.outcomes.columns[1:]]
    pd.testing.assert_frame_equal(table[list(cohort.outcomes.columns)], cohort.outcomes)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_chunks_do_not_change_a_byte(tmp_path: Path, arms: dict[str, Arm], suffix: str) -> None:
    found = []
    for chunk in (1000, 7):
        place = tmp_path / str(chunk) / f"cohort{suffix}"
        told = exported(
            place,
            list(arms.values()),
            chunk=chunk,
            has_truth=True,
            truth_repetitions=4,
            has_trajectories=True,
        )
        found.append(([sha256_of(file) for file in told.files], told.products))
        assert [Path(file).name.split(".")[-2] for file in told.files] == [
            "cohort",
            "truth",
            "trajectories",
        ]
    assert found[0] == found[1]


def test_progress_is_told_patient_by_patient(tmp_path: Path, arms: dict[str, Arm]) -> None:
    told: dict[str, list[int]] = {}

    def begin(title: str, total: int) -> Any:
        told[title] = [total]
        return told[title].append

    exported(
        tmp_path / "a.csv",
        list(arms.values()),
        chunk=8,
        has_truth=True,
        truth_repetitions=2,
        begin=begin,
    )
    assert told["Simulating patients"] == [30, 8, 8, 8, 6]
    total, *parts = told["Re-simulating for the truth"]
    assert total == sum(parts) == 60


@pytest.mark.parametrize(
    ("choices", "key"),
    [
        ({"n_patients": MOST_TRAJECTORIES + 1, "has_trajectories": True}, "--trajectories"),
        ({"has_truth": True, "truth_repetitions": 7}, "--truth-repetitions"),
        ({"has_truth": True, "truth_repetitions": 0}, "--truth-repetitions"),
        ({"n_patients": 0}, "n_patients"),
    ],
)
def test_refused_before_anything_is_written(
    tmp_path: Path, choices: dict[str, Any], key: str
) -> None:
    with pytest.raises(InputError) as refusal:
        exported(tmp_path / "new" / "a.csv", [arm_of("tarlatamab")], **choices)
    assert refusal.value.key == key
    assert list(tmp_path.iterdir()) == []


def test_odd_repetitions_without_truth_do_not_matter(tmp_path: Path) -> None:
    exported(tmp_path / "a.csv", [arm_of("tarlatamab")], truth_repetitions=7, n_patients=2)


def test_no_arm_and_the_same_arm_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="0 arms"):
        exported(tmp_path / "a.csv", [])
    with pytest.raises(InputError, match="tarlatamab more than once"):
        exported(
            tmp_path / "a.csv", [arm_of("tarlatamab"), arm_of("tarlatamab", regimen="fixed_10mg")]
        )
    assert list(tmp_path.iterdir()) == []


def test_support_is_no_prophylaxis() -> None:
    reject_unused(("tocilizumab", "anakinra"), world=world_of(), where="x", key="y")
    reject_unused((), world=world_of(), where="x", key="y")
    for name in ("fluids", "vasopressor", "oxygen"):
        with pytest.raises(InputError, match=name):
            reject_unused(("tocilizumab", name), world=world_of(), where="x", key="y")


def test_an_older_cohort_is_replaced_only_when_asked_and_as_a_whole(tmp_path: Path) -> None:
    """Nothing of the old cohort, as its truth, stays beside the new one."""
    place, arms = tmp_path / "a.csv", [arm_of("tarlatamab")]
    exported(place, arms, n_patients=2, has_truth=True, truth_repetitions=2, has_trajectories=True)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert len(before) == 6
    with pytest.raises(OutputError, match="--overwrite"):
        exported(place, arms, n_patients=3)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    exported(place, arms, n_patients=3, overwrite=True)
    assert {file.name for file in tmp_path.iterdir()} == {"a.csv", "a.csv.manifest.json"}
    assert read_manifest(place).n_rows == 3


def test_a_truth_that_was_left_alone_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "a.truth.csv").write_text("of a cohort that was deleted\n", encoding="utf-8")
    with pytest.raises(OutputError, match=r"a\.truth\.csv of an older one"):
        exported(tmp_path / "a.csv", [arm_of("tarlatamab")], n_patients=2)


def test_an_interrupted_cohort_leaves_the_old_one_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, arms = tmp_path / "a.csv", [arm_of("tarlatamab")]
    exported(place, arms, n_patients=2, has_truth=True, truth_repetitions=2)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def broken(*_: Any, **__: Any) -> Iterator[Cohort]:
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(export, "stream_cohort", broken)
    with pytest.raises(KeyboardInterrupt):
        exported(place, arms, n_patients=3, overwrite=True)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_it_shows_itself(tmp_path: Path) -> None:
    shown = exported(tmp_path / "a.csv", [arm_of("tarlatamab")], n_patients=5)
    assert len(repr(shown)) < 2000
    assert shown.to_frame()["product"].tolist() == ["tarlatamab"]
    assert "no external validation" in shown.summary()


# --- memory ---


def test_one_chunk_at_a_time_is_kept(
    tmp_path: Path, arms: dict[str, Arm], monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: list[int] = []

    def watched(*words: Any, **choices: Any) -> Iterator[Cohort]:
        seen: list[weakref.ref[Cohort]] = []
        for cohort in stream_cohort(*words, **choices):
            alive.append(sum(earlier() is not None for earlier in seen))
            seen.append(weakref.ref(cohort))
            yield cohort

    monkeypatch.setattr(export, "stream_cohort", watched)
    exported(tmp_path / "a.csv", list(arms.values()), chunk=5)
    assert len(alive) == 6
    assert max(alive) <= 1, "the chunk before may linger while the next is made, no more"


def peak_bytes(path: Path, arms: Sequence[Arm], *, n_patients: int) -> int:
    tracemalloc.start()
    try:
        exported(path, arms, n_patients=n_patients, chunk=200)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_number_of_patients(
    tmp_path: Path, arms: dict[str, Arm], cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = subset(cohort, patient_ids=np.arange(200))

    def endless(*_: Any, n_patients: int, chunk: int, **__: Any) -> Iterator[Cohort]:
        """The same 200 patients again and again under other numbers: memory is measured, not the
        simulator.
        """
        for first in range(0, n_patients, chunk):
            observed, outcomes, course = (
                table.copy(deep=True).assign(patient_id=table["patient_id"] + first)
                for table in (some.observed, some.outcomes, some.course)
            )
            yield Cohort(observed=observed, outcomes=outcomes, course=course)

    monkeypatch.setattr(export, "stream_cohort", endless)
    few = peak_bytes(tmp_path / "few.csv", list(arms.values()), n_patients=400)
    many = peak_bytes(tmp_path / "many.csv", list(arms.values()), n_patients=4_000)
    assert len(read_table(tmp_path / "many.csv")) == 4_000
    assert many < 1.1 * few, f"{few} bytes for 400 patients, {many} for 4,000"


# --- manifest ---


def test_manifest_covers_world_and_products(tmp_path: Path) -> None:
    place = tmp_path / "a.csv"
    place.write_text("a\n1\n", encoding="utf-8")
    usual = product_of("tarlatamab")
    binding = usual.binding.model_copy(
        update={
            "valency": usual.binding.valency.model_copy(update={"value": 2.0, "range": [1.0, 2.0]})
        }
    )
    other = usual.model_copy(update={"binding": binding})
    hashes = set()
    for world in (world_of(), world_of("burden_null")):
        for product in (usual, other):
            manifest_writer([arm_of(product, world=world)], world=world, seed=3)(
                place, columns=["a"], n_rows=1
            )
            hashes.add(read_manifest(place).assumptions_hash)
    assert len(hashes) == 4


def test_manifest_names_the_regimen_of_each_product(tmp_path: Path) -> None:
    place = tmp_path / "a.csv"
    place.write_text("a\n1\n", encoding="utf-8")
    for arms, regimen in (
        ([arm_of("tarlatamab"), arm_of("tebentafusp")], "label"),
        ([arm_of("tarlatamab"), arm_of("til_il2")], "tarlatamab: label; til_il2: standard"),
    ):
        manifest_writer(arms, world=world_of(), seed=3)(place, columns=["a"], n_rows=1)
        assert read_manifest(place).regimen == regimen


# --- summary ---

rows = st.tuples(
    st.sampled_from(["tarlatamab", "psma_masked_engager"]),
    st.one_of(st.none(), st.integers(0, 40)),
    st.integers(0, 4),
)


def table_of(patients: list[tuple[str, int | None, int]]) -> pd.DataFrame:
    frame = pd.DataFrame(patients, columns=["product", "half_hours", "max_grade"])
    grade = frame["max_grade"].where(frame["half_hours"].notna(), 0)
    return pd.DataFrame(
        {
            "product": frame["product"],
            "onset_h": frame["half_hours"].astype(float) / 2,
            "crs_any": frame["half_hours"].notna(),
            "crs_grade2plus": grade >= 2,
            "crs_grade3plus": grade >= 3,
        }
    )


@given(st.lists(rows, min_size=1, max_size=60), st.integers(1, 20))
def test_counting_in_chunks_is_counting_at_once(
    patients: list[tuple[str, int | None, int]], size: int
) -> None:
    arms = [arm_of("tarlatamab"), arm_of("psma_masked_engager")]
    table = table_of(patients)
    counts: list[pd.DataFrame] = []
    for first in range(0, len(table), size):
        counts = [count_events([*counts, table.iloc[first : first + size]])]
    found = summary(counts[0], arms=arms)
    assert set(found) == set(table["product"])
    for name, part in table.groupby("product"):
        row = found[str(name)]
        assert row.n == len(part)
        for event in EVENTS:
            share = part[event].mean()
            rate: Estimate = getattr(row, event)
            assert rate.value == pytest.approx(share)
            if 0 < share < 1:
                assert rate.mc_error == pytest.approx(np.sqrt(share * (1 - share) / len(part)))
            else:
                assert rate.mc_error is None
                assert rate.low <= share <= rate.high
        known = part["onset_h"].dropna()
        assert row.onset_median_h == (known.median() if len(known) else None)


def test_counts_stay_few(cohort: Cohort) -> None:
    table = one_table(cohort)
    many = pd.concat([table] * 5)
    assert len(count_events([many])) == len(count_events([table])) < len(table)


def test_summary_of_a_simulated_cohort(tmp_path: Path, arms: dict[str, Arm]) -> None:
    told = exported(tmp_path / "a.parquet", list(arms.values()), n_patients=101)
    table = read_table(tmp_path / "a.parquet")
    assert frame_digest(table) == frame_digest(read_table(tmp_path / "a.parquet"))
    assert {name: row.n for name, row in told.products.items()} == table[
        "product"
    ].value_counts().to_dict()
    assert {row.window_d for row in told.products.values()} == {21.0}


def test_a_rate_of_nobody_has_an_interval_and_no_error_of_0() -> None:
    """Wilson, J Am Stat Assoc 1927;22:209: 0 of 5 is 0 to 43.4 of 100."""
    nobody, some = (export._rate(pd.Series([n]), n=5) for n in (0, 2))
    assert nobody.mc_error is None
    assert (nobody.low, nobody.high) == (0.0, pytest.approx(0.4345, abs=1e-4))
    assert export._chance(nobody) == "95% interval 0.0 to 43.4%"
    assert some.mc_error == pytest.approx(np.sqrt(0.4 * 0.6 / 5))
    assert export._chance(some) == "Monte Carlo error 21.9"
