/** The price's points: one a second, the newest so many, and holes where none is. */

/** A value at a second since the epoch. */
export interface Point {
  at: number;
  value: number;
}

/** What a chart draws: a value, with or without a line to the next, or nothing. */
export type Drawn =
  { at: number; value: number; isLast: boolean } | { at: number; value?: never };

/** So long without a point is a hole, seconds; a book is STALE after the same. */
export const HOLE_S = 3;

/** Keeps the points of the last `spanS` seconds, whatever order they come in. */
export class Window {
  private points = new Map<number, number>();

  constructor(private readonly spanS: number) {}

  /** Take points; of one second the later taken counts. */
  add(points: readonly Point[]): void {
    for (const { at, value } of points) this.points.set(at, value);
    const newest = this.newest;
    for (const at of this.points.keys()) {
      if (at <= newest - this.spanS) this.points.delete(at);
    }
  }

  get size(): number {
    return this.points.size;
  }

  /** The newest second; 0 where there is none. */
  get newest(): number {
    let newest = 0;
    for (const at of this.points.keys()) newest = Math.max(newest, at);
    return newest;
  }

  /** In order; a hole has an empty place for each second, and no line across. */
  drawn(): Drawn[] {
    const found: Drawn[] = [];
    const points = [...this.points].sort(([a], [b]) => a - b);
    points.forEach(([at, value], place) => {
      const next = points[place + 1]?.[0] ?? at;
      const isLast = next - at > HOLE_S;
      found.push({ at, value, isLast });
      for (let gone = at + 1; isLast && gone < next; gone += 1)
        found.push({ at: gone });
    });
    return found;
  }
}
