/** How far the account is from the limits that kill. */

import type { Engine } from "../api/types";
import { add, subtract } from "./money";

/** A limit as a level of equity. */
export interface Level {
  name: string;
  /** At which the kill switch trips. */
  equity: string;
  /** Money until then; negative where it is passed. */
  left: string;
}

type Standing = Pick<Engine, "equity" | "day_pnl" | "drawdown" | "limits">;

/** Where daily loss and drawdown kill, the nearest first; from P&L as it is told. */
export function killLevels(standing: Standing): Level[] {
  const { equity, day_pnl, drawdown, limits } = standing;
  const level = (name: string, left: string): Level => ({
    name,
    equity: subtract(equity, left),
    left,
  });
  const found: Level[] = [];
  const loss = limits["daily_loss"]?.limit;
  if (loss !== undefined) found.push(level("daily loss", add(loss, day_pnl)));
  const depth = limits["drawdown"]?.limit;
  if (depth !== undefined) found.push(level("drawdown", subtract(depth, drawdown)));
  return found.sort((a, b) => Number(subtract(a.left, b.left)));
}
