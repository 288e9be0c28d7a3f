"""A desk for each module of page tests, and a page that its operator looks at."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.dashboards.desk import (
    PATIENCE_MS,
    Desk,
    browser_page,
    desk_in,
    log_in,
    need_page,
    trading,
)

SYMBOLS = "BTCUSDT,ETHUSDT"
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    need_page()
    data = tmp_path_factory.mktemp("page") / "data"
    with desk_in(data, SYMBOLS, "--set", "cooldown_ms=0") as desk:
        yield desk


@pytest.fixture
def page(desk: Desk) -> Iterator[Page]:
    with browser_page(need_page()) as page:
        log_in(page, desk)
        trading(page)
        yield page
