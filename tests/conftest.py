"""What holds for every test.

A test marked `untraced` repeats at length what shorter ones run, and does not count
towards coverage: tracing its lines would take four times as long.

With `MFT_REQUIRE_ALL=1` a skip is a failure: where everything a test needs must be
there, a test that did not run has shown nothing.
"""

import os
import sys
from collections.abc import Generator
from typing import TypeVar

import pytest

OPTIONAL = "Skipped: optional: "
"""Begins the reason of a skip that is never a failure."""

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def _required(report: Report) -> Report:
    is_required = os.environ.get("MFT_REQUIRE_ALL") == "1"
    if is_required and report.skipped and not hasattr(report, "wasxfail"):
        where = report.longrepr
        reason = str(where[2] if isinstance(where, tuple) else where)
        if OPTIONAL not in reason:
            report.outcome = "failed"
            report.longrepr = f"Required by MFT_REQUIRE_ALL=1. {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> (
    Generator[None, pytest.TestReport, pytest.TestReport]
):
    """Turn the skip of a test into a failure where everything is required."""
    return _required((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> (
    Generator[None, pytest.CollectReport, pytest.CollectReport]
):
    """Turn the skip of a whole module into a failure where everything is required."""
    return _required((yield))


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Run a test marked `untraced` without the coverage tracer."""
    tracer = sys.gettrace()
    if item.get_closest_marker("untraced"):
        sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(tracer)
