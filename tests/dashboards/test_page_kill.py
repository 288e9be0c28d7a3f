"""The red button in a real browser: by hand, by keyboard, by whoever cannot hold."""

import os
import re
import signal
import time
from collections.abc import Callable

from playwright.sync_api import Page, expect

from connectors.output import KILL_LATCH
from tests.dashboards.desk import (
    Desk,
    hold_kill,
    reset,
    shoot,
    trading,
    violations,
)
from tests.flows.engine_process import wait_for


def test_page_kill_with_open_positions_ends_flat_and_is_reset(
    desk: Desk, page: Page, record_testsuite_property: Callable[[str, object], None]
) -> None:
    wait_for(desk.holds)
    hold_kill(page, 0.2)
    page.wait_for_timeout(1_000)
    assert not (desk.data / KILL_LATCH).exists(), "a touch kills nobody"
    wait_for(desk.holds)
    begun = time.monotonic()
    hold_kill(page, 1.0)
    report = page.get_by_role("status", name="Kill")
    expect(report.get_by_role("heading")).to_have_text(
        re.compile(r"Flat \d+\.\d\d s after the kill")
    )
    record_testsuite_property("gesture_to_flat_s", round(time.monotonic() - begun, 2))
    expect(page.get_by_role("button", name="KILLED")).to_be_visible()
    shoot(page, "killed")
    engine = desk.engine
    assert engine is not None
    assert engine["positions"] == []
    assert (desk.data / KILL_LATCH).exists()
    [tripped] = desk.journalled("kill_tripped")
    assert tripped["reason"] == "command"
    page.get_by_role("button", name="Reset the kill switch").click()
    page.get_by_role("button", name="Reset", exact=True).click()
    expect(page.get_by_role("dialog")).to_be_visible()  # a reason is needed
    page.keyboard.press("Escape")
    reset(page, "seen and understood")
    trading(page)
    assert desk.journalled("kill_reset")[0]["reason"] == "seen and understood"


def test_page_kill_by_keyboard_needs_the_key_held(desk: Desk, page: Page) -> None:
    page.get_by_role("button", name="KILL").focus()
    page.keyboard.down("Space")
    expect(page.get_by_role("button", name="KILLED")).to_be_visible()
    page.keyboard.up("Space")
    expect(page.get_by_role("status", name="Kill")).to_contain_text("confirmed")
    assert desk.journalled("kill_tripped")
    reset(page, "tried the keyboard")
    trading(page)


def test_page_of_an_api_that_says_nothing_says_so_and_recovers(
    desk: Desk, page: Page
) -> None:
    api = desk.up.process.pid
    os.kill(api, signal.SIGSTOP)
    try:
        expect(page.locator("[data-name=activity]")).to_have_text("DISCONNECTED")
        expect(page.get_by_role("alert")).to_contain_text("Disconnected")
        hold_kill(page, 1.0)
        expect(page.locator(".kill .help")).to_have_text("asked, waiting for the API")
        expect(page.locator(".kill-problem").get_by_role("alert")).to_contain_text(
            '"mft kill" needs no API'
        )
    finally:
        os.kill(api, signal.SIGCONT)
    expect(page.get_by_role("status", name="Kill")).to_contain_text("confirmed")
    tripped = desk.journalled("kill_tripped")[-1]
    assert tripped["detail"] == "kill switch of the page"
    reset(page, "the API had stopped")
    trading(page)


def test_page_kill_works_while_a_dialog_is_open(page: Page) -> None:
    page.get_by_role("button", name="Flatten").click()
    expect(page.get_by_label("Reason")).to_be_focused()
    page.get_by_label("Reason").fill("not yet")
    is_kill = "document.activeElement.closest('.kill') !== null"
    for _ in range(20):
        if page.evaluate(is_kill):
            break
        page.keyboard.press("Tab")
    assert page.evaluate(is_kill), "the keyboard cannot reach it"
    hold_kill(page, 1.0)
    expect(page.get_by_role("button", name="KILLED")).to_be_visible()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Flatten")).to_be_focused()
    expect(page.get_by_role("status", name="Kill")).to_contain_text("confirmed")
    page.get_by_role("link", name="Scanner").click()
    expect(page.locator(".kill-line")).to_contain_text("confirmed")
    expect(page.get_by_role("status", name="Kill")).to_contain_text("confirmed")
    page.get_by_role("link", name="Bot").click()
    reset(page, "a dialog was open")
    trading(page)


def test_page_kill_by_a_click_alone_asks_first(desk: Desk, page: Page) -> None:
    kill = page.get_by_role("button", name="KILL", exact=True)
    kill.evaluate("button => button.click()")
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert not (desk.data / KILL_LATCH).exists()
    kill.evaluate("button => button.click()")
    assert violations(page) == []
    page.get_by_role("button", name="Close everything now").click()
    expect(page.get_by_role("button", name="KILLED")).to_be_visible()
    expect(page.get_by_role("status", name="Kill")).to_contain_text("confirmed")
    assert violations(page) == []
    reset(page, "tried a click")
    trading(page)


def test_page_kill_by_another_pointer_button_is_none(desk: Desk, page: Page) -> None:
    page.get_by_role("button", name="KILL").hover()
    page.mouse.down(button="right")
    assert page.locator(".kill button.held").count() == 0
    page.mouse.up(button="right")
    page.mouse.down()
    expect(page.locator(".kill button.held")).to_have_count(1)
    page.mouse.move(5, 500)
    page.mouse.up()
    assert not (desk.data / KILL_LATCH).exists()


def test_page_reset_by_somebody_else_closes_its_dialog_for_good(
    desk: Desk, page: Page
) -> None:
    report = page.get_by_role("status", name="Kill")
    for _ in range(2):
        desk.ask("/engine/kill", "operator", {"reason": "from elsewhere"})
        expect(report).to_contain_text("confirmed")
        expect(page.get_by_role("dialog")).to_have_count(0)
        page.get_by_role("button", name="Reset the kill switch").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        desk.ask("/engine/reset", "operator", {"reason": "from elsewhere, too"})
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(report).to_have_count(0)
    assert desk.journalled("kill_reset")[-1]["reason"] == "from elsewhere, too"
    trading(page)
