/** What a chart marks of a symbol's journal: signals, entries, and exits by reason. */

import type { Entry } from "../api/types";
import { words } from "./format";

/** One mark; several of a kind within a second are one. */
export interface Mark {
  at: number;
  kind: "signal" | "entry" | "exit" | "fill";
  side: string;
  /** Beside the mark: the side of an entry, the reason of an exit. */
  text: string;
}

const order = (entry: Entry) =>
  entry["order"] as { client_order_id: string; purpose: string };

/** Why each order was sent, by its id. */
function purposes(entries: readonly Entry[]): Map<string, string> {
  const approved = entries.filter((entry) => entry.kind === "approved");
  return new Map(
    approved.map((entry) => [order(entry).client_order_id, order(entry).purpose]),
  );
}

function markOf(entry: Entry, known: Map<string, string>): Mark | null {
  const [at, side] = [Math.floor(entry.received_ns / 1e9), String(entry["side"])];
  switch (entry.kind) {
    case "signal":
      return { at, kind: "signal", side, text: "" };
    case "outside_fill":
      return { at, kind: "fill", side, text: "outside" };
    case "fill": {
      const purpose = known.get(String(entry["client_order_id"]));
      if (purpose === undefined) return { at, kind: "fill", side, text: side };
      return purpose === "entry"
        ? { at, kind: "entry", side, text: side }
        : { at, kind: "exit", side, text: words(purpose) };
    }
    default:
      return null;
  }
}

/** The marks of entries, oldest first, from the second `since` on. */
export function marksOf(entries: readonly Entry[], since: number): Mark[] {
  const known = purposes(entries);
  const found = new Map<string, Mark>();
  for (const entry of entries) {
    const mark = markOf(entry, known);
    if (mark && mark.at >= since) {
      found.set(`${mark.at} ${mark.kind} ${mark.side} ${mark.text}`, mark);
    }
  }
  return [...found.values()].sort((a, b) => a.at - b.at);
}

/** The marks in words, for who cannot see them. */
export function counted(marks: readonly Mark[]): string {
  const of = (kind: string): Mark[] => marks.filter((mark) => mark.kind === kind);
  const reasons = new Map<string, number>();
  for (const { text } of of("exit")) reasons.set(text, (reasons.get(text) ?? 0) + 1);
  const why = [...reasons].map(([reason, count]) => `${reason} ${count}`).join(", ");
  const others = of("fill").length;
  return [
    `signals ${of("signal").length}`,
    `entries ${of("entry").length}`,
    `exits ${of("exit").length}${why && ` (${why})`}`,
    ...(others ? [`other fills ${others}`] : []),
  ].join(", ");
}
