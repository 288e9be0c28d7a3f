import { expect, test } from "vitest";

import type { Entry } from "../api/types";
import { told, toneOf } from "./events";

const entry = (kind: string, more: Record<string, unknown>): Entry => ({
  kind,
  run_id: "run-1",
  sequence: 1,
  received_ns: 1,
  symbol: "BTCUSDT",
  ...more,
});

test.each([
  [
    entry("refused", { side: "BUY", reason: "cooldown", value: "999", limit: "1000" }),
    "BTCUSDT BUY not traded: cooldown (999, limit 1000)",
  ],
  [
    entry("refused", { side: "SELL", reason: "position_open", value: null }),
    "BTCUSDT SELL not traded: position open",
  ],
  [
    entry("approved", {
      order: { side: "BUY", quantity: "0.1", limit_price: "31000.1", purpose: "entry" },
    }),
    "BTCUSDT enters: BUY 0.1 at 31000.1 or better",
  ],
  [
    entry("approved", {
      order: { side: "SELL", quantity: "0.1", limit_price: null, purpose: "stop" },
    }),
    "BTCUSDT leaves (stop): SELL 0.1",
  ],
  [
    entry("command_handled", {
      verb: "pause",
      operator: "",
      is_accepted: true,
      reason: "news",
      detail: "",
    }),
    "pause by somebody done: news",
  ],
  [entry("never_heard_of", {}), "never heard of BTCUSDT"],
])("told %# says what happened and why", (one, expected) => {
  expect(told(one)).toBe(expected);
});

test("toneOf shows losses as losses", () => {
  expect(toneOf(entry("trade_closed", { net: "-0.1" }))).toBe("loss");
  expect(toneOf(entry("trade_closed", { net: "0.1" }))).toBe("gain");
});

test.each([
  [{ kind: "approved", symbol: "BTCUSDT" }, "approved BTCUSDT"],
  [{ kind: "trade_closed", symbol: "BTCUSDT", net: "1e5" }, "trade closed BTCUSDT"],
  [{ kind: 7 }, "7"],
])("told of %j, whose shape is unknown, names its kind", (entry, expected) => {
  expect(told(entry as unknown as Entry)).toBe(expected);
});
