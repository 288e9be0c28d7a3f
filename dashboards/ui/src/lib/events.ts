/** Entries of the journal as sentences: what happened, and why. */

import type { Entry } from "../api/types";
import { words } from "./format";
import { shown } from "./money";

export type Order = {
  client_order_id: string;
  side: string;
  quantity: string;
  limit_price: string | null;
  purpose: string;
};

const text = (entry: Entry, name: string): string => String(entry[name] ?? "");

function because(reason: string): string {
  return reason ? `: ${reason}` : "";
}

/** Why a signal was refused, with the numbers that decided. */
export function reasonOf(entry: Entry): string {
  const { value, limit } = entry;
  const numbers =
    value != null && limit != null ? ` (${String(value)}, limit ${String(limit)})` : "";
  return words(text(entry, "reason")) + numbers;
}

const refused = (entry: Entry): string =>
  `${entry.symbol} ${text(entry, "side")} not traded: ${reasonOf(entry)}`;

function approved(entry: Entry): string {
  const order = entry["order"] as Order;
  const price = order.limit_price ? ` at ${order.limit_price} or better` : "";
  const what =
    order.purpose === "entry" ? "enters" : `leaves (${words(order.purpose)})`;
  return `${entry.symbol} ${what}: ${order.side} ${order.quantity}${price}`;
}

const TELLERS: Record<string, (entry: Entry) => string> = {
  signal: (entry) =>
    `${entry.symbol} ${text(entry, "side")} signal: bids ${text(entry, "bid_volume")}, asks ${text(entry, "ask_volume")}`,
  refused,
  approved,
  fill: (entry) =>
    `${entry.symbol} ${text(entry, "side")} ${text(entry, "quantity")} filled at ${text(entry, "price")}, fee ${text(entry, "fee")}`,
  outside_fill: (entry) =>
    `${entry.symbol} ${text(entry, "side")} ${text(entry, "quantity")} filled by somebody else at ${text(entry, "price")}`,
  order_report: (entry) =>
    `${entry.symbol} order ${text(entry, "status").toLowerCase()}${because(text(entry, "reason"))}`,
  trade_closed: (entry) =>
    `${entry.symbol} ${text(entry, "direction")} closed by ${words(text(entry, "exit_purpose"))}: ${shown(text(entry, "net"), 2)} net, ${shown(text(entry, "gross"), 2)} before fees`,
  book_state_changed: (entry) =>
    `${entry.symbol} book ${text(entry, "before")} → ${text(entry, "after")}`,
  command_handled: (entry) =>
    `${text(entry, "verb")} by ${text(entry, "operator") || "somebody"} ${entry["is_accepted"] ? "done" : "refused"}${because(text(entry, "detail") || text(entry, "reason"))}`,
  reconciled: (entry) =>
    entry["is_reconciled"]
      ? "account agrees with the exchange"
      : `account does not agree with the exchange${because(text(entry, "reason"))}`,
  kill_tripped: (entry) =>
    `KILLED: ${words(text(entry, "reason"))}${because(text(entry, "detail"))}`,
  kill_completed: (entry) =>
    `flat ${Math.round(Number(entry["after_ns"]) / 1_000_000)} ms after the kill`,
  kill_reset: (entry) =>
    `kill switch reset by ${text(entry, "operator") || "somebody"}${because(text(entry, "reason"))}`,
  protective_stop: (entry) =>
    `${entry.symbol} stop at the exchange ${text(entry, "status").toLowerCase()} at ${text(entry, "trigger_price")}${because(text(entry, "reason"))}`,
  cash_moved: (entry) => `${text(entry, "reason")} ${text(entry, "amount")}`,
  withdrawn: (entry) => `${entry.symbol} entry withdrawn before it left`,
  run_started: (entry) => `run ${entry.run_id} started, ${text(entry, "mode")}`,
  run_ended: (entry) => `run ended, equity ${text(entry, "equity")}`,
  account_opened: () => "account opened from the journal",
};

/** What was traded, and what became of it. */
export const TRADES: readonly string[] = [
  "approved",
  "fill",
  "outside_fill",
  "order_report",
  "trade_closed",
  "withdrawn",
  "protective_stop",
  "cash_moved",
];

/** What was seen and not traded. */
export const REFUSALS: readonly string[] = ["signal", "refused"];

export const BOOKS: readonly string[] = ["book_state_changed"];

/** What people and the engine's own safety did: everything else that is told. */
export const COMMANDS: readonly string[] = Object.keys(TELLERS).filter(
  (kind) => ![...TRADES, ...REFUSALS, ...BOOKS].includes(kind),
);

/** One entry as a sentence; one of an unknown shape by its kind. */
export function told(entry: Entry): string {
  const plain = `${words(String(entry.kind))} ${entry.symbol ?? ""}`.trim();
  try {
    return TELLERS[entry.kind]?.(entry) ?? plain;
  } catch {
    return plain;
  }
}

/** Good, bad, or neither. */
export function toneOf(entry: Entry): string {
  if (entry.kind === "refused" || entry.kind === "book_state_changed") return "dim";
  if (entry.kind === "kill_tripped" || entry["status"] === "UNKNOWN") return "loss";
  if (entry.kind === "trade_closed") {
    return text(entry, "net").startsWith("-") ? "loss" : "gain";
  }
  if (entry.kind === "reconciled" && !entry["is_reconciled"]) return "loss";
  return "";
}
