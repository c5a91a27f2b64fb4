"""Simulated beside published, as tables of the report: whose figures they are."""

from __future__ import annotations

from crsrisk.report.published_comparison import published_section
from crsrisk.simulation.evidence import summarise
from tests.report.conftest import make_comparison


def test_a_pool_of_products_is_not_shown_as_the_first_of_them() -> None:
    rows = [
        make_comparison(),
        make_comparison(id="E2", trial="pool", citation="A review", n_products=6),
    ]
    section = published_section(
        rows,
        summary=summarise(rows),
        labels={"tarlatamab": "Tarlatamab"},
        order=["tarlatamab"],
    )
    rates = section.tables[0]
    found = [(group.label, len(group.rows)) for group in rates.groups]
    assert found == [("Tarlatamab", 1), ("6 products pooled", 1)]
    assert any("pools several products" in note for note in section.tally.notes)
