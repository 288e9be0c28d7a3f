"""The page's charts, feed and sums: those of the API, the journal and their symbol."""

import json
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.dashboards.desk import (
    Desk,
    browser_page,
    log_in,
    need_page,
    shoot,
    trading,
    value_of,
    violations,
)
from tests.flows.engine_process import wait_for

NS_PER_S = 1_000_000_000
UNKNOWN = {
    "symbol": "BTCUSDT",
    "client_order_id": "lost-1",
    "side": "BUY",
    "purpose": "entry",
    "quantity": "0.5",
    "limit_price": "61800.10",
    "filled": "0",
    "status": "UNKNOWN",
    "age_ms": 1_200,
}


def flatten(page: Page) -> None:
    """Nothing is held, and nothing moves until `resume`."""
    page.get_by_role("button", name="Flatten").click()
    page.get_by_label("Reason").fill("to compare")
    page.get_by_role("dialog").get_by_role("button", name="Flatten").click()
    expect(page.get_by_text("Nothing is held.")).to_be_visible()


def resume(page: Page) -> None:
    page.get_by_role("button", name="Resume").click()
    trading(page)


def expected_marks(desk: Desk, symbol: str) -> tuple[set[object], set[object]]:
    """Entries and exits of a symbol that a chart tells apart, from the journal."""
    orders = [approved["order"] for approved in desk.journalled("approved")]
    purposes = {order["client_order_id"]: order["purpose"] for order in orders}
    entries: set[object] = set()
    exits: set[object] = set()
    for fill in desk.journalled("fill"):
        if fill["symbol"] == symbol:
            purpose = purposes[fill["client_order_id"]]
            mark = (fill["received_ns"] // NS_PER_S, fill["side"], purpose)
            (entries if purpose == "entry" else exits).add(mark)
    return entries, exits


def row_of(page: Page, name: str) -> dict[str, Decimal]:
    """All exact numbers in a row at one moment, by name."""
    found: dict[str, str] = page.evaluate(
        """name => Object.fromEntries(
            [...document.querySelectorAll(`[data-name=${name}] [data-name]`)]
                .map(one => [one.dataset.name, one.dataset.value]))""",
        name,
    )
    return {key: Decimal(value) for key, value in found.items()}


def test_price_chart_marks_are_the_chosen_symbols_own_and_it_stays_chosen(
    desk: Desk, page: Page
) -> None:
    page.get_by_role("button", name="ETHUSDT").click()
    expect(page.get_by_role("heading", name="Price of ETHUSDT")).to_be_visible()
    wait_for(lambda: expected_marks(desk, "ETHUSDT")[1])
    flatten(page)
    entries, exits = expected_marks(desk, "ETHUSDT")
    marks = page.locator("[data-name=marks]")
    expect(marks).to_contain_text(f", entries {len(entries)}, exits {len(exits)} (")
    told = desk.ask("/engine/fills?symbol=ETHUSDT&limit=1000")
    assert {fill["symbol"] for fill in told} == {"ETHUSDT"}
    assert len(told) == sum(f["symbol"] == "ETHUSDT" for f in desk.journalled("fill"))
    page.reload()
    expect(page.get_by_role("heading", name="Price of ETHUSDT")).to_be_visible()
    page.get_by_role("link", name="Scanner").click()
    page.get_by_role("link", name="Bot").click()
    expect(page.get_by_role("heading", name="Price of ETHUSDT")).to_be_visible()
    expect(marks).to_contain_text(f", entries {len(entries)}, exits {len(exits)} (")
    page.get_by_role("button", name="BTCUSDT").click()
    entries, exits = expected_marks(desk, "BTCUSDT")
    expect(marks).to_contain_text(f", entries {len(entries)}, exits {len(exits)}")
    shoot(page, "marks")
    resume(page)


def test_books_columns_stay_where_they_are_as_numbers_change(page: Page) -> None:
    table = page.get_by_role("region", name="Books by symbol")
    places: set[str] = set()
    texts: set[str] = set()

    def have_many_been_shown() -> bool:
        texts.add(table.inner_text())
        boxes = (
            "all => all.map(one => Math.round(one.getBoundingClientRect().x)).join()"
        )
        places.add(table.get_by_role("columnheader").evaluate_all(boxes))
        return len(texts) >= 60

    wait_for(have_many_been_shown)
    assert len(places) == 1, places


def test_open_position_tells_what_is_left_once_it_is_closed(page: Page) -> None:
    seen: dict[str, Decimal] = {}

    def is_held() -> bool:
        for symbol in ("BTCUSDT", "ETHUSDT"):
            seen.update(row_of(page, f"position-{symbol}"))
        return bool(seen)

    wait_for(is_held)
    gross, paid = seen["position-gross"], seen["position-fees"]
    closing = seen["position-closing-fee"]
    assert seen["position-net"] == gross - paid - closing
    assert closing > 0


def test_sums_of_day_and_all_time_add_up_and_outlive_a_restart(
    desk: Desk, page: Page
) -> None:
    wait_for(lambda: desk.journalled("trade_closed"))
    flatten(page)

    def sums() -> dict[str, Decimal]:
        names = ("gross", "fees", "funding", "day-gross", "day-fees", "day-funding")
        return {name: Decimal(value_of(page, name)) for name in (*names, "net")}

    def agree() -> bool:
        engine, told = desk.engine, sums()
        marked = desk.journalled("equity_marked")[-1]
        assert engine is not None
        return (
            all(told[name] == Decimal(marked[name]) for name in ("gross", "fees"))
            and all(
                told[f"day-{name}"] == Decimal(engine["day"][name])
                for name in ("gross", "fees", "funding")
            )
            and Decimal(value_of(page, "day-pnl")) == Decimal(marked["day_pnl"])
            and told["net"] == Decimal(engine["net"])
        )

    wait_for(agree)
    before = sums()
    day = before["day-gross"] - before["day-fees"] + before["day-funding"]
    assert day == Decimal(value_of(page, "day-pnl"))
    assert before["net"] == before["gross"] - before["fees"] + before["funding"]
    paid = sum(Decimal(fill["fee"]) for fill in desk.journalled("fill"))
    assert before["fees"] == before["day-fees"] == paid > 0
    page.get_by_role("button", name="Stop").click()
    page.get_by_label("Reason").fill("to begin again")
    page.get_by_role("dialog").get_by_role("button", name="Stop").click()
    expect(page.locator("[data-name=activity]")).to_have_text("STOPPED")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("[data-name=activity]")).to_have_text("PAUSED")
    assert sums() == before
    resume(page)


def test_feed_tells_trades_refusals_and_commands_apart(desk: Desk, page: Page) -> None:
    wait_for(lambda: desk.journalled("refused") and desk.journalled("trade_closed"))
    lines = page.locator(".feed li")
    expect(lines.filter(has_text="signal, refused:").first).to_be_visible()
    tabs = page.get_by_role("tablist", name="Events")
    tabs.get_by_role("tab", name="All").focus()
    page.keyboard.press("ArrowRight")
    expect(tabs.get_by_role("tab", name="Trades")).to_be_focused()
    expect(lines.filter(has_text=" net, ").first).to_be_visible()
    expect(lines.filter(has_text="; filled ").first).to_be_visible()
    expect(lines.filter(has_text="refused")).to_have_count(0)
    page.keyboard.press("ArrowRight")
    expect(lines.filter(has_text="signal, refused:").first).to_be_visible()
    expect(lines.filter(has_text="; filled ")).to_have_count(0)
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Resume").click()
    trading(page)
    tabs.get_by_role("tab", name="Commands").click()
    expect(lines.first).to_contain_text("resume by operator (page) done")
    assert page.locator(".feed [aria-live], .feed[aria-live]").count() == 0
    assert violations(page) == []


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_order_whose_state_is_unknown_is_told_in_red(desk: Desk, scheme: str) -> None:
    def told(message: str) -> str:
        said: dict[str, Any] = json.loads(message)
        if engine := (said.get("state") or said.get("patch") or {}).get("engine"):
            engine["orders"] = [UNKNOWN]
        return json.dumps(said)

    def between(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        server.on_message(lambda message: socket.send(told(str(message))))

    with browser_page(need_page(), scheme=scheme) as page:
        page.route_web_socket("**/engine/stream", between)
        log_in(page, desk)
        page.get_by_role("tab", name="Orders").click()
        row = page.locator("[data-name=order-BTCUSDT]")
        expect(row).to_contain_text("61800.10")
        state = row.get_by_text("UNKNOWN")
        expect(state).to_have_class("badge bad")
        assert violations(page) == []
