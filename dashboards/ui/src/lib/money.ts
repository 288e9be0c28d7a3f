/** Money and prices: text with an exact decimal number, never a binary one. */

/** Python writes small amounts and a zero of many decimals with an exponent. */
const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:E([+-]\d{1,2}|\d{1,2}))?$/i;

interface Scaled {
  units: bigint;
  decimals: number;
}

function scaled(text: string): Scaled {
  const found = NUMBER.exec(text);
  if (!found) throw new RangeError(`Expected a decimal number, was ${text}`);
  const [, sign, whole, fraction = "", exponent = "0"] = found;
  const units = BigInt(`${sign}${whole}${fraction}`);
  const decimals = fraction.length - Number(exponent);
  return decimals < 0
    ? { units: units * 10n ** BigInt(-decimals), decimals: 0 }
    : { units, decimals };
}

function rescaled({ units, decimals }: Scaled, to: number): bigint {
  return units * 10n ** BigInt(to - decimals);
}

/** -1, 0 or 1. */
export function signOf(text: string): number {
  const { units } = scaled(text);
  return units < 0n ? -1 : units > 0n ? 1 : 0;
}

function combine(a: string, b: string, sign: bigint): string {
  const [left, right] = [scaled(a), scaled(b)];
  const decimals = Math.max(left.decimals, right.decimals);
  return plain(rescaled(left, decimals) + sign * rescaled(right, decimals), decimals);
}

/** The sum, exactly. */
export const add = (a: string, b: string): string => combine(a, b, 1n);

/** The difference, exactly. */
export const subtract = (a: string, b: string): string => combine(a, b, -1n);

function plain(units: bigint, decimals: number): string {
  const sign = units < 0n ? "-" : "";
  const digits = (units < 0n ? -units : units).toString().padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals);
  return decimals ? `${sign}${whole}.${digits.slice(-decimals)}` : sign + whole;
}

/** Rounded half away from zero to so many decimals, with thousands set apart. */
export function shown(text: string, decimals: number): string {
  const { units, decimals: has } = scaled(text);
  let rounded = units;
  if (has > decimals) {
    const step = 10n ** BigInt(has - decimals);
    const half = units < 0n ? -step / 2n : step / 2n;
    rounded = (units + half) / step;
  } else {
    rounded = rescaled({ units, decimals: has }, decimals);
  }
  const [whole = "", fraction] = plain(rounded, decimals).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/** How much of a limit is used, 0 to 1: for the length of a bar only. */
export function share(used: string, limit: string): number {
  const total = Number(limit);
  return total > 0 ? Math.min(Math.max(Number(used) / total, 0), 1) : 0;
}

/** Where a price lies from `start` (0) to `end` (1), whichever is higher; to draw only. */
export const along = (start: string, end: string, price: string): number =>
  signOf(subtract(end, start)) < 0
    ? share(subtract(start, price), subtract(start, end))
    : share(subtract(price, start), subtract(end, start));
