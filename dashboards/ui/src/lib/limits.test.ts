import { expect, test } from "vitest";

import { killLevels } from "./limits";

const limit = (limit: string) => ({ used: "0", limit });
const LIMITS = { daily_loss: limit("500"), drawdown: limit("1000") };

test("killLevels are where equity must fall to, the nearest first", () => {
  const lost = {
    equity: "9700.5",
    day_pnl: "-100.25",
    drawdown: "850",
    limits: LIMITS,
  };
  expect(killLevels(lost)).toEqual([
    { name: "drawdown", equity: "9550.5", left: "150" },
    { name: "daily loss", equity: "9300.75", left: "399.75" },
  ]);
});

test("killLevels of a gain of today lie further away than the limit", () => {
  const won = { equity: "10100", day_pnl: "100", drawdown: "0", limits: LIMITS };
  expect(killLevels(won)[0]).toEqual({
    name: "daily loss",
    equity: "9500",
    left: "600",
  });
});

test("killLevels of limits that are not told are none", () => {
  const standing = { equity: "1", day_pnl: "0", drawdown: "0", limits: {} };
  expect(killLevels(standing)).toEqual([]);
});
