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
    throw new Problem(reply.status, told.detail ?? reply.statusText);
  }
  return (reply.status === 204 ? undefined : await reply.json()) as T;
}

export const get = <T>(path: string): Promise<T> => ask<T>("GET", path);

export const post = <T>(path: string, body: unknown = {}): Promise<T> =>
  ask<T>("POST", path, body);

async function begun(session: Promise<Session>): Promise<Session> {
  const told = await session;
  csrf = told.csrf;
  return told;
}

/** The session that this browser has; a Problem with status 401 where it has none. */
export const resume = (): Promise<Session> => begun(get<Session>("/session"));

/** Exchange a token for a session. */
export const login = (token: string): Promise<Session> =>
  begun(post<Session>("/session", { token }));

export const logout = (): Promise<void> => ask<void>("DELETE", "/session");
