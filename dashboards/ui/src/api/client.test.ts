import { afterEach, expect, test, vi } from "vitest";

import { get, logout, post, resume, whenSession } from "./client";

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

/** An API whose session was replaced: it takes orders with `fresh` only. */
function replaced(session: { status: number; csrf?: string }) {
  const sent: string[] = [];
  vi.stubGlobal("fetch", (path: string, options: RequestInit) => {
    const token = (options.headers as Record<string, string>)["X-CSRF-Token"];
    sent.push(`${options.method} ${path} ${token}`);
    const isSession = path === "/session";
    const status = isSession ? session.status : token === "fresh" ? 204 : 403;
    const body = isSession
      ? { role: "operator", csrf: session.csrf }
      : { detail: "Expected the header" };
    const ok = status < 400;
    return Promise.resolve({ ok, status, json: () => Promise.resolve(body) });
  });
  return sent;
}

test("an order of a session that was replaced is sent once more with the new one", async () => {
  const sent = replaced({ status: 200, csrf: "fresh" });
  const told: unknown[] = [];
  whenSession((session) => told.push(session));
  await post("/engine/kill");
  expect(sent.map((line) => line.split(" ")[1])).toEqual([
    "/engine/kill",
    "/session",
    "/engine/kill",
  ]);
  expect(told).toEqual([{ role: "operator", csrf: "fresh" }]);
});

test("an order that the same session may not give is refused at once", async () => {
  replaced({ status: 200, csrf: "old" });
  await resume();
  const sent = replaced({ status: 200, csrf: "old" });
  await expect(post("/engine/kill")).rejects.toThrow("Expected the header");
  expect(sent).toEqual(["POST /engine/kill old", "GET /session old"]);
});

test("a session that cannot be ended goes on, and its end is told", async () => {
  const told: unknown[] = [];
  whenSession((session) => told.push(session));
  replaced({ status: 200, csrf: "fresh" });
  await resume();
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("refused")));
  await expect(logout()).rejects.toThrow("The API does not answer");
  replaced({ status: 401 });
  await expect(resume()).rejects.toThrow();
  expect(told).toEqual([null]);
});

test("a session that has ended is told once, one that was left is not", async () => {
  const told: unknown[] = [];
  whenSession((session) => told.push(session));
  replaced({ status: 200, csrf: "fresh" });
  await resume();
  replaced({ status: 401 });
  await expect(resume()).rejects.toThrow();
  await expect(resume()).rejects.toThrow();
  expect(told).toEqual([null]);
  replaced({ status: 200, csrf: "fresh" });
  await resume();
  await logout();
  replaced({ status: 401 });
  await expect(resume()).rejects.toThrow();
  expect(told).toEqual([null]);
});
