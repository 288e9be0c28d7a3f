import { expect, test } from "vitest";

import { clock, clockSeconds } from "./format";

const NOON = Date.UTC(2026, 0, 2, 12);

test("a time of today is told without its day, one of another day with it", () => {
  expect(clock((NOON + 1) * 1e6, NOON)).toBe("12:00:00.001");
  expect(clockSeconds(NOON * 1e6, NOON)).toBe("12:00:00");
  expect(clockSeconds((NOON - 13 * 3_600_000) * 1e6, NOON)).toBe("01-01 23:00:00");
});
