/** What a position risks, on one line: stop, entry, mark and target. */

import type { Position } from "../api/types";
import { decimalsOf } from "../lib/format";
import { along } from "../lib/money";
import { Money } from "./Parts";

export function Ruler({ position }: { position: Position }) {
  const { stop_price: stop, target_price: target } = position;
  const digits = decimalsOf(position.mark);
  const place = (price: string) => ({
    insetInlineStart: `${along(stop, target, price) * 100}%`,
  });
  const told = (name: string, price: string) => (
    <span>
      {name} <Money value={price} digits={digits} />
    </span>
  );
  return (
    <div className="ruler">
      <div className="line" aria-hidden>
        <span className="entry" style={place(position.entry_price)} />
        <span className="mark" style={place(position.mark)} />
      </div>
      <div className="prices">
        {told("stop", stop)}
        {told("entry", position.entry_price)}
        {told("mark", position.mark)}
        {told("target", target)}
      </div>
    </div>
  );
}
