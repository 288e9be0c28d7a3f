import { expect, test } from "vitest";

import { add, along, share, shown, signOf, subtract } from "./money";

test.each([
  ["9999.718625", 2, "9,999.72"],
  ["-0.005", 2, "-0.01"],
  ["-0.0049", 2, "0.00"],
  ["1234567", 0, "1,234,567"],
  ["0.1", 4, "0.1000"],
  ["0E-8", 2, "0.00"],
  ["-1.25E-7", 8, "-0.00000013"],
  ["1.5E+3", 0, "1,500"],
  ["999.995", 2, "1,000.00"],
  ["123456789012345678901234.5", 1, "123,456,789,012,345,678,901,234.5"],
])("shown %s with %i decimals is %s", (text, decimals, expected) => {
  expect(shown(text, decimals)).toBe(expected);
});

test("add and subtract are exact where binary numbers are not", () => {
  expect(add("0.1", "0.2")).toBe("0.3");
  expect(subtract("9999.5", "10000")).toBe("-0.5");
  expect(subtract("1", "1.000")).toBe("0.000");
});

test("signOf tells gains from losses", () => {
  expect(["-0.00", "0", "0.01", "-3"].map(signOf)).toEqual([0, 0, 1, -1]);
});

test("share of a limit stays between nothing and all of it", () => {
  expect(share("250", "500")).toBe(0.5);
  expect(share("700", "500")).toBe(1);
  expect(share("1", "0")).toBe(0);
});

test("along goes from stop to target, of a long and of a short", () => {
  expect(along("90", "110", "95")).toBe(0.25);
  expect(along("110", "90", "105")).toBe(0.25);
  expect(along("110", "90", "111")).toBe(0);
  expect(along("90", "110", "120")).toBe(1);
});

test("what is no number is refused", () => {
  expect(() => shown("1e-5.5", 2)).toThrow("Expected a decimal number, was 1e-5.5");
});
