import { expect, test } from "vitest";

import {
  UNKNOWN,
  activityOf,
  groundsOf,
  isExpected,
  isHeard,
  learned,
  oldestOf,
} from "./known";
import type { Engine, Status } from "./types";

const VENUE = {
  is_reconciled: true,
  reason: "",
  rate_limited_ms: 0,
  skew_ms: 0,
  max_skew_ms: 500,
};

const engineWith = (changes: object = {}): Engine =>
  ({
    books: { BTCUSDT: { state: "SYNCED", view_age_ms: 10 } },
    positions: [],
    killed: null,
    is_paused: false,
    is_flattening: false,
    venue: VENUE,
    ...changes,
  }) as unknown as Engine;

const statusWith = (engine: Engine | null, isRunning = true, isWanted = true): Status =>
  ({
    process: { is_running: isRunning, is_wanted: isWanted, restarts: 0, problem: "" },
    kill: null,
    engine,
  }) as Status;

test("learned keeps the engine that has fallen silent, with its time", () => {
  const engine = engineWith();
  const heard = learned(UNKNOWN, statusWith(engine), 1_000);
  expect(isHeard(heard)).toBe(true);
  const silent = learned(heard, statusWith(null), 3_000);
  const later = learned(silent, statusWith(null), 4_000);
  expect(isHeard(later)).toBe(false);
  expect([later.engine, later.engineAt, later.unheardAt]).toEqual([
    engine,
    1_000,
    3_000,
  ]);
  expect(activityOf(later).word).toBe("SILENT");
  const back = learned(later, statusWith(engine), 5_000);
  expect([back.unheardAt, activityOf(back).word]).toEqual([0, "TRADING"]);
});

test.each([
  ["that ended is started again", false, true, "STARTING", true],
  ["that was stopped is not missed", false, false, "STOPPED", false],
])("an engine %s", (_, isRunning, isWanted, word, expected) => {
  const heard = learned(UNKNOWN, statusWith(engineWith()), 1_000);
  const gone = learned(heard, statusWith(null, isRunning, isWanted), 2_000);
  expect([activityOf(gone).word, isExpected(gone)]).toEqual([word, expected]);
  const running = learned(gone, statusWith(null, true, isWanted), 3_000);
  expect(running.isSilent).toBe(false);
});

test("an engine that was given up has failed, and is not told as stopped", () => {
  const heard = learned(UNKNOWN, statusWith(engineWith()), 1_000);
  const gone = statusWith(null, false, false);
  gone.process.problem = "ended in the middle";
  const failed = learned(heard, gone, 2_000);
  expect(activityOf(failed)).toEqual({
    word: "FAILED",
    tone: "bad",
    why: "ended in the middle",
  });
});

test("an engine that was never heard here and runs on is silent after a while", () => {
  const first = learned(UNKNOWN, statusWith(null), 1_000);
  expect(activityOf(first).word).toBe("STARTING");
  expect(activityOf(learned(first, statusWith(null), 11_001)).word).toBe("SILENT");
});

test.each([
  [{}, "TRADING", "good"],
  [{ books: { A: { state: "SYNCED" }, B: { state: "STALE" } } }, "TRADING", "warn"],
  [{ books: { A: { state: "STALE" }, B: { state: "GAP" } } }, "NO DATA", "bad"],
  [{ books: {} }, "NO DATA", "bad"],
  [{ venue: { ...VENUE, is_reconciled: false } }, "TRADING", "warn"],
  [{ is_paused: true }, "PAUSED", "warn"],
])("activityOf an engine with %j is %s, %s", (changes, word, tone) => {
  const known = learned(UNKNOWN, statusWith(engineWith(changes)), 1);
  expect(activityOf(known)).toMatchObject({ word, tone });
  const lost = activityOf({ ...known, isConnected: false });
  expect(lost).toMatchObject({ word: "DISCONNECTED", tone: "bad" });
});

test("groundsOf a venue that refuses entries names each of them", () => {
  const venue = {
    is_reconciled: false,
    reason: "an order of unknown fate",
    rate_limited_ms: 1_200,
    skew_ms: -700,
    max_skew_ms: 500,
  };
  expect(groundsOf(engineWith({ venue }))).toEqual([
    "account not reconciled: an order of unknown fate",
    "rate limit: paused for 2 s",
    "exchange's clock is -700 ms from ours, limit 500 ms",
  ]);
  expect(groundsOf(engineWith())).toEqual([]);
  expect(groundsOf(engineWith({ venue: undefined }))).toEqual([]);
});

test.each([
  [{ A: { view_age_ms: 5 }, B: { view_age_ms: 900 } }, "B", 900],
  [{ A: { view_age_ms: 5 }, B: {} }, "B", null],
  [{}, "", null],
])("oldestOf %j is %s", (books, symbol, ageMs) => {
  expect(oldestOf(engineWith({ books }))).toEqual({ symbol, ageMs });
});
