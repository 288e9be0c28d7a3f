"""The documents and their checker."""

from pathlib import Path

import pytest

from tests.quality import docs


def test_findings_of_the_project_there_are_none() -> None:
    assert docs.findings() == []


def test_with_block_known_name_replaces_only_the_block() -> None:
    text = "a\n<!-- x: how -->\nold\n<!-- end of x -->\nb\n"
    expected = "a\n<!-- x: how -->\nnew\n<!-- end of x -->\nb\n"
    assert docs.with_block(text, "x", "new") == expected


def test_with_block_missing_name_raises_value_error() -> None:
    with pytest.raises(ValueError, match="no generated block 'y'"):
        docs.with_block("text", "y", "new")


def test_broken_references_missing_targets_are_named(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("[a](gone.md) `flows/gone.py` [b](https://example.org)\n")
    assert list(docs.broken_references(page, tmp_path)) == [
        "page.md: broken link gone.md",
        "page.md: there is no flows/gone.py",
    ]


def test_unknown_commands_bad_name_and_option_are_named(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("mft nothing\nmft replay a --out b --fast\nmft replay a --out b\n")
    assert list(docs.unknown_commands(page, tmp_path)) == [
        "page.md: not understood: mft nothing",
        "page.md: not understood: mft replay a --out b --fast",
    ]
