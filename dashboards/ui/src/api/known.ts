/** What is known of the engine, and since when it has not been heard. */

import type { Engine, Status } from "./types";

export interface Known {
  status: Status | null;
  isConnected: boolean;
  /** When the API was last heard, milliseconds since the epoch; 0: never. */
  heardAt: number;
  /** The engine as it was last heard, however long ago. */
  engine: Engine | null;
  /** When it was; 0: never. */
  engineAt: number;
  /** Since when the API has told of no engine; 0 while it tells of one. */
  unheardAt: number;
  /** Whether an engine runs and says nothing, or no more. */
  isSilent: boolean;
}

export const UNKNOWN: Known = {
  status: null,
  isConnected: false,
  heardAt: 0,
  engine: null,
  engineAt: 0,
  unheardAt: 0,
  isSilent: false,
};

/** An engine that runs says something within this, or hangs. */
const STARTS_WITHIN_MS = 10_000;

/** What is known once the API has told a state. */
export function learned(before: Known, status: Status, now: number): Known {
  const engine = status.engine ?? null;
  const wasHeard = !!before.status?.engine || before.isSilent;
  const isOverdue = !!before.unheardAt && now - before.unheardAt > STARTS_WITHIN_MS;
  return {
    status,
    isConnected: true,
    heardAt: now,
    engine: engine ?? before.engine,
    engineAt: engine ? now : before.engineAt,
    unheardAt: engine ? 0 : before.unheardAt || now,
    isSilent: !engine && status.process.is_running && (wasHeard || isOverdue),
  };
}

/** Whether what is shown of the engine is true now. */
export const isHeard = (known: Known): boolean =>
  known.isConnected && !!known.status?.engine;

/** Whether an engine that should run was given up: nobody stopped it. */
export const hasFailed = (known: Known): boolean => {
  const standing = known.status?.process;
  return !!standing?.problem && !standing.is_wanted && !standing.is_running;
};

/** Whether an engine should be heard: it runs, or is to run. */
export const isExpected = (known: Known): boolean => {
  const standing = known.status?.process;
  return !!standing && (standing.is_wanted || standing.is_running);
};

export interface Activity {
  word: string;
  tone: "good" | "warn" | "bad";
  why: string;
}

/** One word for what the engine does. */
export function activityOf(known: Known): Activity {
  const engine = known.status?.engine;
  if (!known.isConnected) return { word: "DISCONNECTED", tone: "bad", why: "" };
  if (!engine) return absent(known);
  if (engine.killed) return { word: "KILLED", tone: "bad", why: engine.killed.detail };
  if (engine.is_flattening) return { word: "FLATTENING", tone: "warn", why: "" };
  if (engine.is_paused) return { word: "PAUSED", tone: "warn", why: "" };
  const states = Object.values(engine.books).map((book) => book.state);
  if (!states.includes("SYNCED")) {
    return { word: "NO DATA", tone: "bad", why: "no book is SYNCED" };
  }
  const grounds = groundsOf(engine);
  const isWhole = grounds.length === 0 && states.every((state) => state === "SYNCED");
  return { word: "TRADING", tone: isWhole ? "good" : "warn", why: grounds.join("; ") };
}

function absent(known: Known): Activity {
  const why = known.status?.process.problem ?? "";
  if (known.isSilent) return { word: "SILENT", tone: "bad", why };
  if (hasFailed(known)) return { word: "FAILED", tone: "bad", why };
  return { word: isExpected(known) ? "STARTING" : "STOPPED", tone: "warn", why };
}

/** Why the venue lets no entry through, in words; nothing where it does. */
export function groundsOf({ venue }: Engine): string[] {
  if (!venue) return []; // an engine that was started before the page was renewed
  const grounds = [];
  if (!venue.is_reconciled) {
    grounds.push(`account not reconciled${venue.reason ? `: ${venue.reason}` : ""}`);
  }
  if (venue.rate_limited_ms > 0) {
    const seconds = Math.ceil(venue.rate_limited_ms / 1_000);
    grounds.push(`rate limit: paused for ${seconds} s`);
  }
  if (Math.abs(venue.skew_ms) > venue.max_skew_ms) {
    grounds.push(
      `exchange's clock is ${venue.skew_ms} ms from ours, limit ${venue.max_skew_ms} ms`,
    );
  }
  return grounds;
}

/** The symbol whose data is oldest; age null where it has no view yet. */
export function oldestOf(engine: Engine): { symbol: string; ageMs: number | null } {
  let oldest: { symbol: string; ageMs: number | null } = { symbol: "", ageMs: null };
  for (const [symbol, book] of Object.entries(engine.books)) {
    const ageMs = book.view_age_ms ?? null;
    if (ageMs === null) return { symbol, ageMs };
    if (oldest.ageMs === null || ageMs > oldest.ageMs) oldest = { symbol, ageMs };
  }
  return oldest;
}
