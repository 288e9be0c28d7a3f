import { expect, test } from "vitest";

import { HOLE_S, Window } from "./points";

const at = (...seconds: number[]) =>
  seconds.map((one) => ({ at: one, value: one * 10 }));

test("drawn is in order, and the later of one second counts", () => {
  const window = new Window(900);
  window.add(at(102, 100));
  window.add([{ at: 102, value: 7 }]);
  expect(window.drawn()).toEqual([
    { at: 100, value: 1000, isLast: false },
    { at: 102, value: 7, isLast: false },
  ]);
});

test("drawn leaves a hole empty and draws no line across it", () => {
  const window = new Window(900);
  window.add(at(100, 101, 102 + HOLE_S, 103 + HOLE_S));
  expect(window.drawn()).toEqual([
    { at: 100, value: 1000, isLast: false },
    { at: 101, value: 1010, isLast: true },
    ...Array.from({ length: HOLE_S }, (_, place) => ({ at: 102 + place })),
    { at: 102 + HOLE_S, value: 1050, isLast: false },
    { at: 103 + HOLE_S, value: 1060, isLast: false },
  ]);
});

test("add of points for hours keeps those of the span", () => {
  const window = new Window(900);
  for (let second = 1; second <= 7_200; second += 1) window.add(at(second));
  expect(window.size).toBe(900);
  expect(window.newest).toBe(7_200);
  window.add(at(1));
  expect(window.drawn()[0]?.at).toBe(6_301);
});

test("a window without a point draws nothing", () => {
  expect(new Window(900).drawn()).toEqual([]);
  expect(new Window(900).newest).toBe(0);
});
