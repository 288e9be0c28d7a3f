import { afterEach, expect, test, vi } from "vitest";

import { get, post } from "./client";

afterEach(() => vi.unstubAllGlobals());

test("an order is sent at once while questions go unanswered", async () => {
  const sent: string[] = [];
  const answers: (() => void)[] = [];
  vi.stubGlobal("fetch", (path: string) => {
    sent.push(path);
    return new Promise((answer) =>
      answers.push(() => answer({ ok: true, status: 204 })),
    );
  });
  const questions = [...Array(6).keys()].map((place) => get(`/${place}`));
  const order = post("/engine/kill");
  expect(sent).toEqual(["/0", "/1", "/2", "/3", "/engine/kill"]);
  answers[0]?.();
  await questions[0];
  await vi.waitFor(() => expect(sent.at(-1)).toBe("/4"));
  for (const answer of answers) answer();
  await order;
  await vi.waitFor(() => expect(sent.at(-1)).toBe("/5"));
  answers.at(-1)?.();
  await Promise.all(questions);
});

test("a question that fails gives up its turn", async () => {
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("refused")));
  for (const place of Array(9).keys()) {
    await expect(get(`/${place}`)).rejects.toThrow("The API does not answer");
  }
});
