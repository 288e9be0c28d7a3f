/** The journal as lines: what belongs together in one, what repeats counted. */

import type { Entry } from "../api/types";
import { type Order, reasonOf, told, toneOf } from "./events";
import { add } from "./money";

/** A line of the feed; `count` of the same, of which this is the newest. */
export interface Line {
  key: string;
  receivedNs: number;
  text: string;
  tone: string;
  count: number;
}

/** What one cause has led to, oldest first. */
type Group = Entry[];

const isOlder = (a: Entry, b: Entry): number =>
  a.run_id === b.run_id ? a.sequence - b.sequence : a.run_id < b.run_id ? -1 : 1;

const orderId = (entry: Entry): string =>
  entry.kind === "approved"
    ? (entry["order"] as Order).client_order_id
    : String(entry["client_order_id"] ?? "");

/** Kinds that tell how an order goes on; those of an unknown order stand alone. */
const ORDER_KINDS = new Set(["fill", "order_report", "withdrawn"]);

/** Entries of any order of time, each with what it led to; the oldest cause first. */
function grouped(entries: readonly Entry[]): Group[] {
  const groups: Group[] = [];
  const signals = new Map<string, Group>();
  const orders = new Map<string, Group>();
  const begin = (entry: Entry): Group => {
    const group = [entry];
    groups.push(group);
    return group;
  };
  for (const entry of [...entries].sort(isOlder)) {
    const { kind, run_id } = entry;
    const decided = signals.get(causeOf(entry));
    const order = orders.get(`${run_id} ${orderId(entry)}`);
    if (kind === "signal") {
      signals.set(causeOf(entry), begin(entry));
    } else if (kind === "refused" && decided?.length === 1) {
      decided.push(entry);
    } else if (kind === "approved") {
      const isEntry = (entry["order"] as Order).purpose === "entry";
      const group = isEntry && decided?.length === 1 ? decided : begin(entry);
      if (group[0] !== entry) group.push(entry);
      orders.set(`${run_id} ${orderId(entry)}`, group);
    } else if (ORDER_KINDS.has(kind) && order) {
      order.push(entry);
    } else {
      begin(entry);
    }
  }
  return groups;
}

function filled(fills: Entry[]): string {
  const quantity = fills.map((fill) => String(fill["quantity"])).reduce(add);
  const prices = new Set(fills.map((fill) => String(fill["price"])));
  const at = [...prices].join(", ");
  return `filled ${quantity} at ${at}`;
}

/** What became of an order, where that is not simply filled. */
function ended(reports: Entry[]): string[] {
  const last = reports.at(-1);
  const status = String(last?.["status"] ?? "FILLED");
  if (status === "FILLED" || status === "NEW") return [];
  const reason = String(last?.["reason"] ?? "");
  return [status === "UNKNOWN" ? "state UNKNOWN" : status.toLowerCase(), reason].filter(
    Boolean,
  );
}

function textOf(group: Group): string {
  const [first, second] = group;
  if (!first || group.length === 1) return first ? told(first) : "";
  const side = `${first.symbol} ${String(first["side"])} signal`;
  if (second?.kind === "refused") return `${side}, refused: ${reasonOf(second)}`;
  const sent = group.find((entry) => entry.kind === "approved");
  const what = sent ? told(sent) : "";
  const parts =
    first.kind === "signal"
      ? [`${side}, ${what.slice(first.symbol.length + 1)}`]
      : [what];
  const fills = group.filter((entry) => entry.kind === "fill");
  if (fills.length) parts.push(filled(fills));
  if (group.some((entry) => entry.kind === "withdrawn")) parts.push("withdrawn");
  parts.push(...ended(group.filter((entry) => entry.kind === "order_report")));
  return parts.join("; ");
}

const isRefusal = (entry: Entry): boolean => entry.kind === "refused";

/** What repeated lines have in common; a refusal's numbers do not matter. */
function sameness(group: Group): string {
  const refused = group.find(isRefusal);
  return refused
    ? `refused ${refused.symbol} ${String(refused["side"])} ${String(refused["reason"])}`
    : textOf(group);
}

function lineOf(group: Group): Line {
  const [first] = group as [Entry];
  const newest = group.at(-1) ?? first;
  return {
    key: `${first.run_id} ${first.sequence}`,
    receivedNs: first.received_ns,
    text: textOf(group),
    tone: toneOf(newest),
    count: 1,
  };
}

const causeOf = (entry: Entry): string =>
  `${entry.run_id} ${entry.symbol} ${entry.received_ns}`;

/** Without signals of which no refusal is known: those were traded. */
export function refusalsIn(entries: readonly Entry[]): Entry[] {
  const refused = new Set(entries.filter(isRefusal).map(causeOf));
  return entries.filter(
    (entry) => entry.kind !== "signal" || refused.has(causeOf(entry)),
  );
}

/** Lines, newest first.
 *
 * Refusals that follow each other are counted by symbol, side and reason, also where
 * those of other symbols lie between; other lines where the same follow each other.
 */
export function linesOf(entries: readonly Entry[]): Line[] {
  const lines: Line[] = [];
  const stretch = new Map<string, Line>();
  let wasRefused = false;
  for (const group of grouped(entries).reverse()) {
    const [same, isRefused] = [sameness(group), group.some(isRefusal)];
    if (!isRefused || !wasRefused) {
      for (const other of stretch.keys()) if (other !== same) stretch.delete(other);
    }
    wasRefused = isRefused;
    const counted = stretch.get(same);
    if (counted) {
      counted.count += 1;
      continue;
    }
    const line = lineOf(group);
    stretch.set(same, line);
    lines.push(line);
  }
  return lines;
}
