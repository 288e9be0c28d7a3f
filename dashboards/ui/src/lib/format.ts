/** Times and shares as people read them. */

const NS_PER_MS = 1_000_000;

/** A moment as UTC, `12:34:56.789`; with its day before it where that is not today. */
export const clock = (ns: number, now: number = Date.now()): string =>
  dated(new Date(ns / NS_PER_MS).toISOString(), now, 23);

/** A moment as UTC, to the second. */
export const clockSeconds = (ns: number, now: number = Date.now()): string =>
  dated(new Date(ns / NS_PER_MS).toISOString(), now, 19);

function dated(iso: string, now: number, end: number): string {
  const isToday = iso.slice(0, 10) === new Date(now).toISOString().slice(0, 10);
  return (isToday ? "" : `${iso.slice(5, 10)} `) + iso.slice(11, end);
}

/** A day and a time in UTC. */
export const moment = (ns: number): string =>
  new Date(ns / NS_PER_MS).toISOString().slice(0, 19).replace("T", " ");

/** A duration with a unit that fits. */
export function duration(ns: number): string {
  if (ns < 1_000) return `${ns} ns`;
  if (ns < NS_PER_MS) return `${Math.round(ns / 1_000)} µs`;
  if (ns < 1_000 * NS_PER_MS) return `${(ns / NS_PER_MS).toFixed(1)} ms`;
  return `${(ns / NS_PER_MS / 1_000).toFixed(2)} s`;
}

/** An age in milliseconds with a unit that fits. */
export function age(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return "–";
  if (ms < 1_000) return `${Math.max(ms, 0)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min`;
  return `${Math.floor(ms / 3_600_000)} h`;
}

/** Digits after the point of a price as the exchange writes it. */
export const decimalsOf = (price: string | undefined): number =>
  price === undefined ? 2 : (price.split(".")[1]?.length ?? 0);

/** `position_open` as `position open`. */
export const words = (name: string): string => name.replaceAll("_", " ");

/** A share from 0 to 1 as a percentage. */
export const percent = (value: string | null | undefined): string =>
  value === null || value === undefined ? "–" : `${(Number(value) * 100).toFixed(1)} %`;
