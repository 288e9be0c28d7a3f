import { expect, test } from "vitest";

import type { Engine, KillProgress } from "../api/types";
import { killStory } from "./kill";

const SECOND_NS = 1_000_000_000;

const engineWith = (flat_after_ns: number | null, positions: object[] = []): Engine =>
  ({
    killed: { reason: "command", detail: "", since_ns: SECOND_NS, flat_after_ns },
    positions,
  }) as unknown as Engine;

const TRADING = { killed: null, positions: [] } as unknown as Engine;
const HELD = { direction: "LONG", quantity: "1", symbol: "BTCUSDT" };

const killWith = (changes: Partial<KillProgress> = {}): KillProgress => ({
  steps: ["asked for by operator (page)"],
  asked_ns: SECOND_NS,
  is_done: false,
  after_ms: null,
  problem: "",
  ...changes,
});

test.each<[string, KillProgress | null, Engine | null, boolean, string | undefined]>([
  ["no kill", null, TRADING, true, undefined],
  ["a limit's own", null, engineWith(null, [HELD]), true, "Closing everything"],
  [
    "its duration by the engine's word",
    killWith({ is_done: true, after_ms: 9_000 }),
    engineWith(SECOND_NS / 4),
    true,
    "Flat 0.25 s after the kill",
  ],
  [
    "no duration of another while the engine is not flat",
    killWith({ is_done: true, after_ms: 9_000 }),
    engineWith(null),
    true,
    "Closing everything",
  ],
  ["no duration after a restart", null, engineWith(0), true, "Flat"],
  [
    "the exchange's word on an engine that is silent",
    killWith({ is_done: true, after_ms: 2_000 }),
    engineWith(null, [HELD]),
    false,
    "Flat 2.00 s after the kill",
  ],
  [
    "no word at all",
    killWith({ is_done: true }),
    engineWith(null, [HELD]),
    false,
    "Not confirmed flat",
  ],
  [
    "an engine that is silent, flat before",
    null,
    engineWith(5),
    false,
    "Flat when last heard",
  ],
  [
    "an engine that is silent, not flat before",
    null,
    engineWith(null, [HELD]),
    false,
    "Not confirmed flat",
  ],
  [
    "one that failed beside an engine that trades",
    killWith({ is_done: true, problem: "the disk hangs" }),
    TRADING,
    true,
    "Not confirmed flat",
  ],
  [
    "one that a reset has ended",
    killWith({ is_done: true, after_ms: 31 }),
    TRADING,
    true,
    undefined,
  ],
])("killStory tells %s", (_, kill, engine, isHeard, heading) => {
  expect(killStory(kill, engine, isHeard)?.heading).toBe(heading);
});

test("killStory tells what is open, and until when that was known", () => {
  const engine = engineWith(null, [HELD]);
  expect(killStory(killWith(), engine, true)?.lines).toEqual([
    "Killed at 1970-01-01 00:00:01 UTC: command",
    "asked for at 1970-01-01 00:00:01 UTC",
    "asked for by operator (page)",
    "still open: LONG 1 BTCUSDT",
  ]);
  expect(killStory(null, engine, false)?.lines.at(-1)).toBe(
    "open when the engine was last heard: LONG 1 BTCUSDT",
  );
  expect(killStory(null, engineWith(0), true)?.lines.at(-1)).toBe(
    "confirmed: nothing is held",
  );
});
