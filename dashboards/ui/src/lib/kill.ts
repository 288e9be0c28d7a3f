/** What has become of a kill, from what the API and the engine say of it. */

import type { Engine, KillProgress } from "../api/types";
import { moment, words } from "./format";

export interface KillStory {
  heading: string;
  lines: string[];
  problem: string;
  isFlat: boolean;
}

const NS_PER_MS = 1_000_000;

/** How long it took until nothing was held, milliseconds; null: that is not known.
 *
 * While the engine is heard, its word on its own switch counts; else that of whoever
 * asked the exchange.
 */
function flatAfterMs(
  kill: KillProgress | null,
  engine: Engine | null,
  isHeard: boolean,
): number | null {
  if (isHeard && engine?.killed) {
    const after = engine.killed.flat_after_ns ?? null;
    return engine.positions.length || after === null ? null : after / NS_PER_MS;
  }
  return kill?.is_done ? (kill.after_ms ?? null) : null;
}

/** Whether there is nothing to tell: no kill, or one that a reset has ended. */
function isPast(kill: KillProgress | null, engine: Engine | null, isHeard: boolean) {
  if (engine?.killed) return false;
  if (!kill) return true;
  const hasFailed = !!kill.problem && kill.after_ms == null;
  return isHeard && kill.is_done && !hasFailed;
}

function headingOf(
  ms: number | null,
  kill: KillProgress | null,
  engine: Engine | null,
  isHeard: boolean,
): string {
  if (ms === 0) return "Flat"; // before this start, or nothing was held: no duration
  if (ms !== null) return `Flat ${(ms / 1_000).toFixed(2)} s after the kill`;
  const isFollowed = !!kill && !kill.is_done;
  if (isHeard && engine?.killed) return "Closing everything";
  if (isFollowed) return "Closing everything";
  const wasFlat = engine?.killed?.flat_after_ns != null && !engine.positions.length;
  return wasFlat && !kill ? "Flat when last heard" : "Not confirmed flat";
}

/** The story so far; null where there is none to tell. `engine` is the last heard. */
export function killStory(
  kill: KillProgress | null,
  engine: Engine | null,
  isHeard: boolean,
): KillStory | null {
  if (isPast(kill, engine, isHeard)) return null;
  const killed = engine?.killed;
  const ms = flatAfterMs(kill, engine, isHeard);
  const lines = [];
  if (killed) {
    const detail = killed.detail && `, ${killed.detail}`;
    lines.push(
      `Killed at ${moment(killed.since_ns)} UTC: ${words(killed.reason)}${detail}`,
    );
  }
  if (kill) {
    lines.push(`asked for at ${moment(kill.asked_ns)} UTC`, ...kill.steps);
  }
  if (ms === null) {
    const open = isHeard ? "still open" : "open when the engine was last heard";
    for (const { direction, quantity, symbol } of engine?.positions ?? []) {
      lines.push(`${open}: ${direction} ${quantity} ${symbol}`);
    }
  } else lines.push("confirmed: nothing is held");
  const problem = kill?.problem ?? "";
  return {
    heading: headingOf(ms, kill, engine, isHeard),
    lines,
    problem,
    isFlat: ms !== null,
  };
}
