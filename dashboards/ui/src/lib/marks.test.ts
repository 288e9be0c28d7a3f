import { expect, test } from "vitest";

import type { Entry } from "../api/types";
import { counted, marksOf } from "./marks";

const entry = (kind: string, second: number, more: Record<string, unknown>): Entry => ({
  kind,
  run_id: "run-1",
  sequence: second,
  received_ns: second * 1e9,
  symbol: "BTCUSDT",
  ...more,
});
const approved = (id: string, purpose: string, second: number) =>
  entry("approved", second, { order: { client_order_id: id, purpose } });
const fill = (id: string, side: string, second: number) =>
  entry("fill", second, { client_order_id: id, side });

const ENTRIES = [
  fill("3", "SELL", 130),
  fill("2", "SELL", 120),
  fill("2", "SELL", 120),
  approved("2", "mark_lost", 119),
  fill("1", "BUY", 110),
  approved("1", "entry", 109),
  entry("signal", 109, { side: "BUY" }),
  entry("outside_fill", 108, { side: "SELL" }),
  entry("signal", 90, { side: "SELL" }),
];

test("marksOf tells entries from exits, exits by reason, and once a second", () => {
  expect(marksOf(ENTRIES, 100)).toEqual([
    { at: 108, kind: "fill", side: "SELL", text: "outside" },
    { at: 109, kind: "signal", side: "BUY", text: "" },
    { at: 110, kind: "entry", side: "BUY", text: "BUY" },
    { at: 120, kind: "exit", side: "SELL", text: "mark lost" },
    { at: 130, kind: "fill", side: "SELL", text: "SELL" },
  ]);
});

test("counted says the marks in words", () => {
  expect(counted(marksOf(ENTRIES, 100))).toBe(
    "signals 1, entries 1, exits 1 (mark lost 1), other fills 2",
  );
  expect(counted([])).toBe("signals 0, entries 0, exits 0");
});
