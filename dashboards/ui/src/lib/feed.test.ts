import { expect, test } from "vitest";

import type { Entry } from "../api/types";
import { COMMANDS } from "./events";
import { linesOf, refusalsIn } from "./feed";

let sequence = 0;

function entry(kind: string, ns: number, more: Record<string, unknown> = {}): Entry {
  sequence += 1;
  const place = { kind, run_id: "run-1", sequence, received_ns: ns };
  return { ...place, symbol: "BTCUSDT", ...more };
}

const signal = (ns: number, more = {}) => entry("signal", ns, { side: "BUY", ...more });
const refused = (ns: number, reason: string, more = {}) =>
  entry("refused", ns, { side: "BUY", reason, value: null, limit: null, ...more });

function approved(ns: number, id: string, purpose: string): Entry {
  const limit_price = purpose === "entry" ? "100.5" : null;
  const side = purpose === "entry" ? "BUY" : "SELL";
  const order = { client_order_id: id, side, quantity: "3", limit_price, purpose };
  return entry("approved", ns, { order });
}

const fill = (ns: number, id: string, price: string, quantity: string) =>
  entry("fill", ns, { client_order_id: id, side: "BUY", price, quantity, fee: "0.1" });
const report = (ns: number, id: string, status: string, reason = "") =>
  entry("order_report", ns, { client_order_id: id, status, reason });

const texts = (entries: Entry[]) =>
  linesOf([...entries].reverse()).map(({ text, count }) => `${text} x${count}`);

test("linesOf tells a signal and its refusal in one line", () => {
  expect(
    texts([signal(1), refused(1, "cooldown", { value: "9", limit: "10" })]),
  ).toEqual(["BTCUSDT BUY signal, refused: cooldown (9, limit 10) x1"]);
});

test("linesOf tells a signal, its order and its fills in one line", () => {
  const other = { symbol: "ETHUSDT" };
  const entries = [
    signal(1),
    approved(1, "a", "entry"),
    signal(2, other),
    fill(3, "a", "100.1", "1"),
    fill(3, "a", "100.2", "2"),
    report(3, "a", "FILLED"),
    refused(2, "cooldown", other),
  ];
  expect(texts(entries)).toEqual([
    "ETHUSDT BUY signal, refused: cooldown x1",
    "BTCUSDT BUY signal, enters: BUY 3 at 100.5 or better; filled 3 at 100.1, 100.2 x1",
  ]);
});

test("linesOf tells an exit that came to nothing, and one whose fate is unknown", () => {
  const entries = [
    approved(1, "a", "stop"),
    report(2, "a", "EXPIRED", "no depth"),
    approved(3, "b", "stop"),
    report(4, "b", "UNKNOWN"),
  ];
  expect(texts(entries)).toEqual([
    "BTCUSDT leaves (stop): SELL 3; state UNKNOWN x1",
    "BTCUSDT leaves (stop): SELL 3; expired; no depth x1",
  ]);
  expect(linesOf(entries)[0]?.tone).toBe("loss");
});

test("linesOf counts equal refusals in a stretch, and keeps the newest time", () => {
  const other = { symbol: "ETHUSDT" };
  const entries = [
    ...[signal(1), refused(1, "cooldown")],
    entry("trade_closed", 2, { net: "1", gross: "2" }),
    ...[signal(3), refused(3, "cooldown", { value: "5", limit: "10" })],
    ...[signal(4, other), refused(4, "cooldown", other)],
    ...[signal(5), refused(5, "cooldown", { value: "7", limit: "10" })],
    ...[signal(6), refused(6, "position_open")],
  ];
  const lines = linesOf(entries);
  expect(lines.map((line) => [line.receivedNs, line.count])).toEqual([
    [6, 1],
    [5, 2],
    [4, 1],
    [2, 1],
    [1, 1],
  ]);
  expect(lines[1]?.text).toBe("BTCUSDT BUY signal, refused: cooldown (7, limit 10)");
});

test("linesOf keeps two commands apart and counts those that repeat", () => {
  const pause = { verb: "pause", operator: "ann", is_accepted: true, reason: "news" };
  const entries = [
    entry("command_handled", 1, pause),
    entry("command_handled", 2, pause),
    entry("command_handled", 3, { ...pause, verb: "resume" }),
  ];
  expect(texts(entries)).toEqual([
    "resume by ann done: news x1",
    "pause by ann done: news x2",
  ]);
});

test("linesOf tells what lost its cause by itself, and runs in their order", () => {
  const old = { ...fill(9, "gone", "100", "1"), run_id: "run-0" };
  expect(texts([refused(1, "cooldown"), old])).toEqual([
    "BTCUSDT BUY not traded: cooldown x1",
    "BTCUSDT BUY 1 filled at 100, fee 0.1 x1",
  ]);
  expect(linesOf([])).toEqual([]);
});

test("COMMANDS hold kills and the account's own news", () => {
  for (const kind of ["kill_tripped", "kill_reset", "reconciled", "run_started"]) {
    expect(COMMANDS).toContain(kind);
  }
  expect(COMMANDS).not.toContain("refused");
});

test("refusalsIn leaves out signals that were traded", () => {
  const traded = signal(1_000);
  const entries = [traded, signal(2_000), refused(2_000, "cooldown")];
  expect(refusalsIn(entries)).toEqual(entries.slice(1));
});
