"""What pyproject.toml and the lock file promise about the rest of the checkout."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.quality.money import ROOT

CONFTEST = ROOT / "tests" / "conftest.py"
SAMPLE = """\
import pytest

def test_skip_alone_fails():
    pytest.skip("no such tool")

@pytest.mark.xfail(strict=True)
def test_xfail_stays_expected():
    assert False
"""


@pytest.fixture
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture
def lock() -> str:
    return (ROOT / "requirements.lock").read_text(encoding="utf-8")


def normalised(requirement: str) -> str:
    name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def test_layers_every_flow_module_is_named(project: dict[str, Any]) -> None:
    contracts = project["tool"]["importlinter"]["contracts"]
    [layers] = [c["layers"] for c in contracts if c["id"] == "layers"]
    named = set(re.findall(r"flows\.\w+", " ".join(layers)))
    present = {
        f"flows.{path.stem}"
        for path in (ROOT / "flows").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    } - {"flows.__init__"}
    assert present <= named


def test_lock_every_dependency_is_pinned(project: dict[str, Any], lock: str) -> None:
    extras = project["project"]["optional-dependencies"]
    wanted = [*project["project"]["dependencies"], *extras["dev"]]
    wanted += project["build-system"]["requires"]
    pins = re.findall(r"(?m)^([\w.-]+)(?:\[[\w,-]+\])?==", lock)
    pinned = {normalised(name) for name in pins}
    assert {normalised(requirement) for requirement in wanted} - pinned == set()


def test_lock_text_names_no_host_and_no_path(lock: str) -> None:
    body = [line for line in lock.splitlines() if not line.startswith("#")]
    assert not re.search(r"://|index-url|find-links|@ ", lock)
    assert not [line for line in body if "/" in line]
    assert lock.count("--hash=sha256:") > len(re.findall("==", lock)) // 2


@pytest.mark.parametrize(
    ("required", "outcomes"),
    [("0", "1 skipped, 1 xfailed"), ("1", "1 failed, 1 xfailed")],
)
def test_conftest_skip_where_all_is_required_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, required: str, outcomes: str
) -> None:
    shutil.copy(CONFTEST, tmp_path)
    (tmp_path / "test_sample.py").write_text(SAMPLE)
    assert outcomes in run_pytest(tmp_path, monkeypatch, required)


def test_conftest_skipped_module_where_all_is_required_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(CONFTEST, tmp_path)
    skip = "import pytest\npytest.importorskip('no_such_module')\n"
    (tmp_path / "test_sample.py").write_text(skip)
    assert "1 skipped" in run_pytest(tmp_path, monkeypatch, "0")
    out = run_pytest(tmp_path, monkeypatch, "1")
    assert "1 error" in out
    assert "Required by MFT_REQUIRE_ALL=1. Skipped: could not import" in out


def run_pytest(path: Path, monkeypatch: pytest.MonkeyPatch, required: str) -> str:
    monkeypatch.setenv("MFT_REQUIRE_ALL", required)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "."]
    done = subprocess.run(
        command, cwd=path, capture_output=True, text=True, check=False
    )
    return done.stdout
