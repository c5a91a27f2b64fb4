"""What every column means, printed or written, generated from the one table of fields."""

from __future__ import annotations

from pathlib import Path

from crsrisk.fields import FIELDS
from tests.stories.terminal import done, refused


def test_every_column_is_explained() -> None:
    shown = done("export", "dictionary").out
    for name, field in FIELDS.items():
        row = next(line for line in shown.splitlines() if line.startswith(f"| {name} |"))
        assert field.label in row
        assert field.meaning.split("|")[0] in row
        if field.unit != "1":
            assert field.unit in row


def test_written_is_what_is_printed(tmp_path: Path) -> None:
    answer = done("export", "dictionary", "--out", tmp_path / "new" / "dictionary.md")
    assert answer.out.startswith("Wrote ")
    text = (tmp_path / "new" / "dictionary.md").read_text(encoding="utf-8")
    assert text.rstrip("\n") == done("export", "dictionary").out.rstrip("\n")


def test_where_it_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "a_file").write_text("in place of a folder", encoding="utf-8")
    refused(
        "export",
        "dictionary",
        "--out",
        tmp_path / "a_file" / "d.md",
        says=("a_file", "another folder"),
        folder=tmp_path,
    )
    refused(
        "export",
        "dictionary",
        "--out",
        tmp_path,
        says=("a folder", "the name of a file"),
        folder=tmp_path,
    )


def test_the_page_in_the_documents_is_up_to_date(repository: Path) -> None:
    kept = repository / "docs" / "data_dictionary.md"
    assert kept.read_text(encoding="utf-8").rstrip("\n") == done("export", "dictionary").out.rstrip(
        "\n"
    ), "write it again: crsrisk export dictionary --out docs/data_dictionary.md"
