import { expect, test } from "vitest";

import { type Json, merged } from "./merge";

// The examples of RFC 7386, appendix A.
const EXAMPLES: [Json, Json, Json][] = [
  [{ a: "b" }, { a: "c" }, { a: "c" }],
  [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
  [{ a: "b" }, { a: null }, {}],
  [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
  [{ a: ["b"] }, { a: "c" }, { a: "c" }],
  [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
  [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
  [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
  [
    ["a", "b"],
    ["c", "d"],
    ["c", "d"],
  ],
  [{ a: "b" }, ["c"], ["c"]],
  [{ a: "foo" }, null, null],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: "b", c: null }, { a: "b" }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
];

test.each(EXAMPLES)("merged %j with %j gives %j", (target, patch, expected) => {
  expect(merged(target, patch)).toEqual(expected);
});

test("merged keeps untouched parts as they are, and the target whole", () => {
  const target = { a: { b: 1 }, c: { d: 2 } };
  const result = merged(target, { c: { d: 3 } }) as typeof target;
  expect(result.a).toBe(target.a);
  expect(target.c.d).toBe(2);
});
