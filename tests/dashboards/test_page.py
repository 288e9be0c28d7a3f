"""The page in a real browser, on a real API, engine and exchange."""

import os
import re
import signal
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Page, Route, expect

from api.http.scans import ScanAsked, ScanTold
from connectors.output import SCANS
from tests.dashboards import load
from tests.dashboards.desk import (
    Desk,
    browser_page,
    desk_in,
    log_in,
    need_page,
    shoot,
    trading,
    value_of,
    violations,
)
from tests.flows.archive_samples import scanned
from tests.flows.engine_process import wait_for
from tests.flows.replay_samples import ROOT


def test_page_numbers_move_and_are_those_of_api_and_journal(
    desk: Desk, page: Page
) -> None:
    first = page.locator(".ladder").inner_text()
    wait_for(lambda: page.locator(".ladder").inner_text() != first)
    wait_for(lambda: desk.journalled("trade_closed"))
    expect(page.locator(".feed li").first).to_be_visible()
    page.get_by_role("button", name="Flatten").click()
    page.get_by_label("Reason").fill("to compare")
    page.get_by_role("dialog").get_by_role("button", name="Flatten").click()
    expect(page.get_by_text("Nothing is held.")).to_be_visible()

    def agree() -> bool:
        engine = desk.engine
        marked = desk.journalled("equity_marked")[-1]
        return engine is not None and all(
            value_of(page, name.replace("_", "-")) == engine[name]
            and Decimal(engine[name]) == Decimal(marked[name])
            for name in ("equity", "day_pnl", "fees", "drawdown")
        )

    wait_for(agree)
    shown = page.locator("[data-name=equity]").inner_text()
    assert shown == f"{Decimal(value_of(page, 'equity')):,.2f}"
    records = page.get_by_role("tablist", name="Records")
    records.get_by_role("tab", name="Trades").click()
    closed = desk.journalled("trade_closed")
    newest = page.locator("[data-name=trade-net]")
    wait_for(
        lambda: newest.count() >= min(len(closed), 50)
        and Decimal(value_of(page, "trade-net")) == Decimal(closed[-1]["net"])
    )
    proven = desk.ask("/history/evidence")
    edge = page.locator("[data-name=edge]")
    expect(edge).to_contain_text(f"{proven['wins']} of {proven['trades']} won")
    expect(edge).to_contain_text(proven["verdict"])
    page.get_by_role("button", name="Resume").click()
    trading(page)


def test_page_stop_and_start_are_told_as_they_happen(desk: Desk, page: Page) -> None:
    page.get_by_role("button", name="Stop").click()
    page.get_by_label("Reason").fill("to see it stop")
    page.get_by_role("dialog").get_by_role("button", name="Stop").click()
    expect(page.locator("[data-name=activity]")).to_have_text("STOPPED")
    held = page.locator("[data-name=held]")
    expect(held).to_contain_text("Last known: ")  # nobody is there to say more
    assert desk.journalled("run_ended")
    page.get_by_role("button", name="Start").click()
    trading(page)
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("[data-name=activity]")).to_have_text("PAUSED")
    page.get_by_role("button", name="Resume").click()
    trading(page)


def test_page_says_so_when_disconnected_and_recovers_with_its_session(
    desk: Desk, page: Page
) -> None:
    runs = desk.ask("/engine/status")["engine"]["run_id"]
    desk.kill_api()
    expect(page.locator("[data-name=activity]")).to_have_text("DISCONNECTED")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Disconnected: what is shown is")
    assert not re.search(r"\d", alert.inner_text()), "a reader is told each second"
    expect(page.locator("[data-name=data-true]")).to_contain_text("Unknown")
    expect(page.locator("[data-name=data-true]")).not_to_contain_text("Yes")
    assert "unheard" in (page.locator(".facts").get_attribute("class") or "")
    assert "unheard" in (page.locator("main").get_attribute("class") or "")
    shoot(page, "disconnected")
    desk.begin()
    trading(page)
    assert desk.ask("/engine/status")["engine"]["run_id"] == runs
    page.reload()
    trading(page)


def test_page_engine_killed_is_told_and_comes_back(desk: Desk, page: Page) -> None:
    [engine] = desk.pids_of(b"trade")
    runs = desk.ask("/engine/status")["engine"]["run_id"]
    os.kill(engine, signal.SIGKILL)
    expect(page.locator("[data-name=activity]")).to_have_text("STARTING")
    trading(page)
    assert desk.ask("/engine/status")["engine"]["run_id"] != runs


def test_page_scanner_scans_to_a_verdict(desk: Desk, page: Page) -> None:
    page.get_by_role("link", name="Scanner").click()
    page.get_by_label("Symbols").fill("btcusdt ethusdt")
    page.get_by_label("For").select_option("30")
    page.get_by_role("button", name="Scan", exact=True).click()
    expect(page.get_by_role("main").get_by_role("status")).to_contain_text("of 30 s")
    [log] = (desk.data / SCANS).glob("*.log")
    wait_for(lambda: "scanning | 11 s" in log.read_text())
    page.get_by_role("button", name="End it now").click()
    expect(page.locator("[data-name=scan-BTCUSDT]")).to_contain_text(
        "Doubtful", ignore_case=True
    )
    told = {one["symbol"]: one for one in desk.ask("/scanner/results")}
    row = page.locator("[data-name=scan-ETHUSDT]")
    expect(row).to_contain_text(f"{Decimal(told['ETHUSDT']['spread_bps']):.2f}")
    expect(row).to_contain_text(told["ETHUSDT"]["reasons"][0])
    page.get_by_role("button", name="Spread").click()
    page.get_by_role("button", name="Spread").click()
    symbols = page.locator(".scan th[scope=row]").all_inner_texts()
    ranked = sorted(told, key=lambda name: -Decimal(told[name]["spread_bps"]))
    assert symbols == ranked
    page.get_by_label("Symbol", exact=True).fill("eth")
    assert page.locator(".scan th[scope=row]").all_inner_texts() == ["ETHUSDT"]
    page.get_by_label("Symbol", exact=True).fill("")
    shoot(page, "scanner-wide")
    assert violations(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    shoot(page, "scanner-narrow")
    wait_for(lambda: desk.ask("/history/daily") is not None)


def fulfil(body: bytes, route: Route) -> None:
    route.fulfill(body=body, content_type="application/json")


@pytest.fixture
def scanned_page(page: Page) -> Page:
    """The scanner's results: CUSDT costs 12 bps, AUSDT 11, BUSDT nobody knows."""
    costs = {"AUSDT": Decimal(11), "BUSDT": None, "CUSDT": Decimal(12)}
    rows = [
        msgspec.structs.replace(scanned(1), symbol=symbol, cost_bps=cost)
        for symbol, cost in costs.items()
    ]
    told = ScanTold("20260101-000000", ScanAsked(()), 1, False, 0)
    answers = {"status": told, "scans*": [told], "results*": rows}
    for name, answer in answers.items():
        page.route(f"**/scanner/{name}", partial(fulfil, msgspec.json.encode(answer)))
    page.get_by_role("link", name="Scanner").click()
    expect(page.locator(".scan th[scope=row]")).to_have_count(3)
    return page


def test_page_scanner_sorts_by_keyboard_what_is_unknown_last_either_way(
    scanned_page: Page,
) -> None:
    page = scanned_page
    names = page.locator(".scan th[scope=row]")
    heading = page.get_by_role("columnheader", name="Cost")
    heading.get_by_role("button").focus()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    expect(names).to_have_text(["AUSDT", "CUSDT", "BUSDT"])
    page.keyboard.press("Enter")
    expect(heading).to_have_attribute("aria-sort", "descending")
    expect(names).to_have_text(["CUSDT", "AUSDT", "BUSDT"])
    page.get_by_label("Verdict").focus()
    page.keyboard.press("s")  # of suitable: there is none
    expect(names).to_have_count(0)
    assert page.locator(".filters").inner_text().endswith("0 of 3")


def test_page_scanner_headings_stand_over_their_numbers(scanned_page: Page) -> None:
    heading = scanned_page.get_by_role("columnheader", name="Cost")
    number = scanned_page.locator(".scan td.number").first
    end_of_text = """cell => {
        const range = document.createRange();
        range.selectNodeContents(cell);
        return range.getBoundingClientRect().right;
    }"""
    ends = [cell.evaluate(end_of_text) for cell in (heading, number)]
    assert abs(ends[0] - ends[1]) < 1


def test_page_scanner_verdict_is_whole_on_a_phone_while_figures_scroll(
    scanned_page: Page,
) -> None:
    page = scanned_page
    page.set_viewport_size({"width": 390, "height": 844})
    verdict = page.locator(".scan .verdict p").first
    expect(verdict).to_contain_text("it gave no signal; its book was true for 99.5 %")
    for scrolled in (0, 500):
        page.get_by_role("region", name="Instruments").evaluate(
            f"region => region.scrollLeft = {scrolled}"
        )
        box = verdict.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390


def test_page_twenty_symbols_are_all_told_as_they_move(
    tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    with desk_in(tmp_path / "data", load.SYMBOLS) as desk:
        measured = load.measure_page(desk, seconds=5)
        with browser_page(need_page()) as page:
            log_in(page, desk)
            rows = page.locator(".books tbody tr")
            expect(rows).to_have_count(20)
            first = rows.all_inner_texts()
            moved: set[int] = set()

            def have_all_moved() -> bool:
                now = [row.split()[2] for row in rows.all_inner_texts()]  # B/A
                then = [row.split()[2] for row in first]
                moved.update(place for place in range(20) if now[place] != then[place])
                return len(moved) == 20

            wait_for(have_all_moved)
    record_testsuite_property("page", measured)
    assert measured["symbols"] == 20
    assert measured["updates_per_s"] > 0
    assert measured["frames_per_s"] > 0


def test_page_viewer_sees_everything_and_controls_nothing(desk: Desk) -> None:
    with browser_page(need_page()) as page:
        log_in(page, desk, "viewer")
        trading(page)
        for name in ("KILL", "Pause", "Flatten", "Stop"):
            assert page.get_by_role("button", name=name).is_disabled()


def test_page_wrong_token_is_refused_in_words(desk: Desk) -> None:
    with browser_page(need_page()) as page:
        page.goto(desk.url)
        page.get_by_label("Token").fill("nonsense")
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("alert").wait_for()
        assert page.get_by_role("alert").inner_text() == "The token is not valid"


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize(("name", "width"), [("wide", 1_500), ("narrow", 390)])
def test_page_is_accessible_and_fits(
    desk: Desk, scheme: str, name: str, width: int
) -> None:
    with browser_page(need_page(), width=width, scheme=scheme) as page:
        log_in(page, desk)
        trading(page)
        expect(page.locator(".feed li").first).to_be_visible()
        page.wait_for_timeout(1_000)
        shoot(page, f"bot-{name}-{scheme}")
        assert violations(page) == []
        inside = page.evaluate("document.documentElement.scrollWidth")
        assert inside <= width, "the page scrolls sideways"


def test_page_policy_is_never_broken(desk: Desk) -> None:
    broken: list[str] = []
    with browser_page(need_page()) as page:
        page.on(
            "console",
            lambda said: (
                broken.append(said.text)
                if "Content Security Policy" in said.text
                else None
            ),
        )
        log_in(page, desk)
        trading(page)
        page.get_by_role("link", name="Scanner").click()
        page.wait_for_timeout(500)
    assert broken == []


def test_page_files_name_no_other_host() -> None:
    need_page()
    page = Path(ROOT / "api" / "http" / "page")
    text = "".join(
        path.read_text(encoding="utf-8")
        for path in page.rglob("*")
        if path.suffix in {".html", ".css"}
    )
    assert re.findall(r"(?:src|href|url)\W*https?://", text) == []
