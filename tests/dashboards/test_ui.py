"""The page's sources: their own checks, and types that are those of the API."""

import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from api.http.routes.page import PAGE
from tests.flows.replay_samples import COMMAND, ROOT

UI = ROOT / "dashboards" / "ui"
SCHEMA = UI / "src" / "api" / "schema.d.ts"


def npm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script of the page; skips where Node or its packages are not there."""
    program = shutil.which("npm")
    if program is None or not (UI / "node_modules").is_dir():
        pytest.skip("needs Node.js 20 or newer, then make ui")
    return subprocess.run(
        [program, "run", "--silent", *arguments],
        cwd=UI,
        capture_output=True,
        text=True,
        check=False,
    )


def test_sources_pass_types_format_and_tests() -> None:
    ended = npm("check")
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_schema_is_that_of_the_api(tmp_path: Path) -> None:
    described = subprocess.run(
        [*COMMAND, "openapi"], capture_output=True, text=True, check=True
    )
    (tmp_path / "openapi.json").write_text(described.stdout)
    fresh = tmp_path / "schema.d.ts"
    source = str(tmp_path / "openapi.json")
    ended = npm("types:of", "--", source, "-o", str(fresh))
    assert ended.returncode == 0, ended.stderr
    assert SCHEMA.read_text() == fresh.read_text(), "out of date: run make types"


def test_guide_tells_how_long_the_red_button_is_held() -> None:
    source = (UI / "src" / "components" / "KillSwitch.tsx").read_text()
    [hold_ms] = re.findall(r"HOLD_MS = ([\d_]+);", source)
    guide = (ROOT / "docs" / "user-guide.md").read_text()
    assert f"| KILL | held for {int(hold_ms) / 1_000:g} s," in guide


def test_page_built_names_assets_that_are_there() -> None:
    if not (PAGE / "index.html").exists():
        pytest.skip("needs Node.js 20 or newer, then make ui")
    named = re.findall(r'(?:src|href)="/([^"]+)"', (PAGE / "index.html").read_text())
    assert len(named) >= 3
    assert [name for name in named if not (PAGE / name).is_file()] == []


def test_wheel_brings_the_page_along(tmp_path: Path) -> None:
    if not (PAGE / "index.html").exists():
        pytest.skip("needs Node.js 20 or newer, then make ui")
    subprocess.run(
        [COMMAND[0], "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "api/http/page/index.html" in names
    assert any(name.startswith("api/http/page/assets/") for name in names)
    assert not any("node_modules" in name for name in names)
