/** Questions and orders to the API, with the page's session. */

import type { Session } from "./types";

/** An answer that is an error, in the API's own words (RFC 9457). */
export class Problem extends Error {
  constructor(
    readonly status: number,
    detail: string,
  ) {
    super(detail);
  }
}

const WITHIN_MS = 10_000;

let csrf = "";
let isIn = false;
let onSession = (_: Session | null): void => undefined;

/** Tell who is to be told of a session that another tab began, or that has ended. */
export function whenSession(listener: (session: Session | null) => void): void {
  onSession = listener;
}

async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
  const headers: Record<string, string> = { "X-CSRF-Token": csrf };
  const options: RequestInit = {
    method,
    headers,
    credentials: "same-origin",
    signal: AbortSignal.timeout(WITHIN_MS),
  };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let reply: Response;
  try {
    reply = await fetch(path, options);
  } catch {
    throw new Problem(0, "The API does not answer");
  }
  if (!reply.ok) {
    const told: { detail?: string } = await reply.json().catch(() => ({}));
    if (reply.status === 401) lose();
    throw new Problem(reply.status, told.detail ?? reply.statusText);
  }
  return (reply.status === 204 ? undefined : await reply.json()) as T;
}

function lose(): void {
  if (!isIn) return; // logged out here, or never in
  isIn = false;
  onSession(null);
}

/** Of the six connections that a browser opens to a host; orders find one free. */
const MOST_QUESTIONS = 4;

let asking = 0;
const waiting: (() => void)[] = [];

async function inTurn<T>(question: () => Promise<T>): Promise<T> {
  if (asking < MOST_QUESTIONS) asking += 1;
  else await new Promise<void>((go) => waiting.push(go));
  try {
    return await question();
  } finally {
    const next = waiting.shift();
    if (next) next();
    else asking -= 1;
  }
}

export const get = <T>(path: string): Promise<T> => inTurn(() => ask<T>("GET", path));

/** Send an order; once more where another tab has begun a session since. */
async function order<T>(method: string, path: string, body?: unknown): Promise<T> {
  const before = csrf;
  try {
    return await ask<T>(method, path, body);
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 403) throw error;
    const session = await resume();
    if (csrf === before) throw error;
    onSession(session);
    return ask<T>(method, path, body);
  }
}

export const post = <T>(path: string, body: unknown = {}): Promise<T> =>
  order<T>("POST", path, body);

async function begun(session: Promise<Session>): Promise<Session> {
  const told = await session;
  csrf = told.csrf;
  isIn = true;
  return told;
}

/** The session that this browser has; a Problem with status 401 where it has none.
 *
 * Asked out of turn: questions that hang must not keep an order waiting.
 */
export const resume = (): Promise<Session> => begun(ask<Session>("GET", "/session"));

/** Exchange a token for a session. */
export const login = (token: string): Promise<Session> =>
  begun(ask<Session>("POST", "/session", { token }));

/** End the session; where the API does not answer it goes on, and that is thrown. */
export async function logout(): Promise<void> {
  isIn = false; // whoever asks for the end need not be told of it
  try {
    await order<void>("DELETE", "/session");
  } catch (error) {
    if (error instanceof Problem && error.status === 401) return;
    isIn = true;
    throw error;
  }
  isIn = false;
}
