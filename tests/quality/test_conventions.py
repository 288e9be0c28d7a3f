"""The check of the house rules finds each breach, and lets good code pass."""

import ast
from pathlib import Path

import pytest

from tests.quality.conventions import convention_findings, main
from tests.quality.source import Source

MACHINE = (
    "class BookMachine(RuleBasedStateMachine):\n    @rule()\n    def step(self):\n"
)


def found(path: str, text: str) -> list[str]:
    source = Source(Path(path), text, ast.parse(text))
    return [finding.what for finding in convention_findings(source)]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("def test_apply_fails():\n    assert x", "Expected the name test_<function>"),
        ("def test_it():\n    assert x", "Expected the name"),
        ("def test__apply__fails():\n    assert x", "Expected the name"),
        ("def testApply():\n    assert x", "Expected the name"),
        ("def test_apply_gap_resets():\n    apply()", "asserts nothing"),
        ("async def test_apply_gap_resets():\n    apply()", "asserts nothing"),
        ("class TestBook:\n    def test_a_b_c(self):\n        f()", "asserts nothing"),
        (MACHINE + "        pass", "BookMachine has no rule that asserts"),
    ],
)
def test_convention_findings_bad_test_is_found(text: str, what: str) -> None:
    assert any(what in finding for finding in found("tests/test_book.py", text))


@pytest.mark.parametrize(
    "text",
    [
        "def test_apply_gap_resets():\n    assert x",
        "def test_apply_gap_raises():\n    with pytest.raises(E):\n        f()",
        "def test_apply_gap_warns():\n    with pytest.warns(E):\n        f()",
        "def test_apply_gap_resets():\n    assert_equal(a, b)",
        "class TestBook:\n    def test_apply_gap_resets(self):\n        assert x",
        "def helper():\n    pass",
        MACHINE + "        assert x\nTestBook = BookMachine.TestCase",
    ],
)
def test_convention_findings_good_test_passes(text: str) -> None:
    assert found("tests/test_book.py", text) == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("x = 1", "the module has no docstring"),
        ("'''Doc.'''\ndef f(): ...", "f is public and has no docstring"),
        ("'''Doc.'''\nasync def f(): ...", "f is public and has no docstring"),
        ("'''Doc.'''\nclass C: ...", "C is public and has no docstring"),
    ],
)
def test_convention_findings_undocumented_code_is_found(text: str, what: str) -> None:
    assert found("flows/domain/book.py", text) == [what]


def test_convention_findings_private_or_empty_code_passes() -> None:
    assert found("flows/__init__.py", "") == []
    assert found("api/http.py", "'''Doc.'''\ndef _f(): ...\nx = 1") == []
    assert found("tests/conftest.py", "def helper(): ...") == []


@pytest.mark.parametrize("word", ["TODO", "FIXME", "XXX"])
def test_convention_findings_unfinished_work_is_found(word: str) -> None:
    assert found("tests/x.py", f"x = 1  # {word}: later") != []
    assert found("tests/x.py", f"x = '{word}'") == []


@pytest.mark.parametrize(
    "comment",
    [
        "# noqa",
        "# noqa: E501",
        "# noqa: E501, S101",
        "# type: ignore",
        "# type: ignore[arg-type]",
        "# pragma: no cover",
        "# pragma: no branch -",
    ],
)
def test_convention_findings_suppression_needs_a_reason(comment: str) -> None:
    assert "suppressed without a reason" in found("tests/x.py", f"x = 1  {comment}")[0]
    assert found("tests/x.py", f"x = 1  {comment}  # the stub is wrong") == []


def test_main_bad_file_prints_place_and_exits_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "test_bad.py"
    bad.write_text("def test_it():\n    assert x\n")
    assert main([str(tmp_path)]) == 1
    assert f"{bad}:1: Expected the name" in capsys.readouterr().out


def test_main_good_file_exits_zero(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "test_good.py").write_text("def test_a_b_c():\n    assert x\n")
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == "conventions: no findings in 1 files\n"
