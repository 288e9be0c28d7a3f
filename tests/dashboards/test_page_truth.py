"""What the page says, in a real browser, when it does not know."""

import os
import re
import signal

from playwright.sync_api import Page, Route, expect

from tests.dashboards.desk import Desk, shoot, trading, violations
from tests.flows.engine_process import wait_for


def activity(page: Page, word: str) -> None:
    expect(page.locator("[data-name=activity]")).to_have_text(word)


def test_page_of_a_silent_engine_keeps_what_was_held_as_unknown(
    desk: Desk, page: Page
) -> None:
    [engine] = desk.pids_of(b"trade")
    held = page.locator("[data-name^=position-]:not([data-name=position-net])")

    def is_stopped_holding() -> bool:
        wait_for(desk.holds)
        os.kill(engine, signal.SIGSTOP)
        activity(page, "SILENT")
        if held.count():
            return True
        os.kill(engine, signal.SIGCONT)  # it had just left the position
        trading(page)
        return False

    try:
        wait_for(is_stopped_holding)
        expect(page.locator("[data-name=held]")).to_contain_text("Unknown; last known:")
        expect(page.locator(".positions .last-heard")).to_contain_text("ago")
        expect(page.locator("[data-name=data-true]")).to_contain_text("Unknown: silent")
        expect(page.locator("[data-name=unheard]")).to_contain_text("unknown")
        expect(page.locator(".books tbody .badge.bad")).to_have_text(["UNKNOWN"] * 2)
        expect(page.locator(".gauge")).to_have_count(0)
        assert "unheard" in (page.locator("main").get_attribute("class") or "")
        expect(page.get_by_role("button", name="Stop")).to_be_enabled()
        expect(page.get_by_role("button", name="Start", exact=True)).to_have_count(0)
        expect(page).to_have_title(re.compile(r"^SILENT, \d held - mft$"))
        assert violations(page) == []
        shoot(page, "silent")
        page.reload()
        expect(page.locator("[data-name=held]")).to_have_text("Unknown")
        expect(page.locator(".positions")).to_contain_text("no engine has been heard")
        expect(page.get_by_role("button", name="Stop")).to_be_enabled()
    finally:
        os.kill(engine, signal.SIGCONT)
    trading(page)
    expect(page.locator("[data-name=unheard]")).to_have_count(0)


def test_page_whose_session_another_tab_replaced_sends_orders_on(
    desk: Desk, page: Page
) -> None:
    page.evaluate(
        """token => fetch("/session", {
            method: "POST",
            headers: {"Content-Type": "application/json"},
            body: JSON.stringify({token}),
        })""",
        desk.tokens["operator"],
    )
    page.get_by_role("button", name="Pause").click()
    activity(page, "PAUSED")
    page.get_by_role("button", name="Resume").click()
    trading(page)
    assert page.locator(".controls .problem").count() == 0


def test_page_whose_session_has_ended_says_so(desk: Desk, page: Page) -> None:
    page.context.clear_cookies()
    expect(page.get_by_role("status")).to_contain_text("Your session has ended")
    page.get_by_label("Token").fill(desk.tokens["operator"])
    page.get_by_role("button", name="Log in").click()
    trading(page)
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Token")).to_be_visible()
    assert page.get_by_text("Your session has ended").count() == 0


def test_page_part_that_fails_leaves_the_others_and_comes_back(page: Page) -> None:
    entry = {"kind": "approved", "run_id": "r", "sequence": 1, "symbol": "BTCUSDT"}
    nonsense = [entry | {"received_ns": "yesterday"}]
    page.route(
        "**/engine/events?limit=100&**", lambda route: route.fulfill(json=nonsense)
    )
    failed = page.get_by_role("region", name="Events: All, failed")
    expect(failed).to_contain_text("Events: All cannot be shown")
    expect(page.get_by_role("button", name="KILL")).to_be_enabled()
    expect(page.locator(".books tbody tr")).to_have_count(2)
    page.unroute("**/engine/events?limit=100&**")
    wait_for(lambda: _again(page))
    assert failed.count() == 0
    trading(page)


def _again(page: Page) -> bool:
    """Whether the part is there after one more try."""
    again = page.get_by_role("button", name="Show Events: All again")
    if again.count():
        again.click()
        page.wait_for_timeout(500)
    return page.locator(".feed li").count() > 0


def test_page_tells_a_failed_question_from_an_empty_answer(page: Page) -> None:
    fills = "**/engine/events?limit=50&symbol=&kind=fill**"

    def fail(route: Route) -> None:
        route.fulfill(status=500, json={"detail": "the disk hangs"})

    page.get_by_role("tab", name="Orders").click()
    page.route(fills, fail)
    page.reload()
    records = page.get_by_role("region", name="Records")
    expect(records).to_contain_text("Unknown: the disk hangs")
    assert "No fill yet" not in records.inner_text()
    page.unroute(fills)
    page.route(fills, lambda route: route.fulfill(json=[]))
    records.get_by_role("button", name="Try again").click()
    expect(records).to_contain_text("No fill yet")


def test_page_pause_clicked_twice_stays_paused(page: Page) -> None:
    sent: list[str] = []
    page.on(
        "request",
        lambda request: sent.append(request.url) if request.method == "POST" else None,
    )
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    page.mouse.down(click_count=2)  # the second click of a double-click
    page.mouse.up(click_count=2)
    activity(page, "PAUSED")
    assert [url.rsplit("/", 1)[1] for url in sent] == ["pause"]
    page.get_by_role("button", name="Resume").click()
    trading(page)
