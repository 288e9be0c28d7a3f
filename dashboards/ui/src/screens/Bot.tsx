/** Bot Control: the engine at work. */

import { useQuery } from "@tanstack/react-query";
import { useRef, useState } from "react";

import { get } from "../api/client";
import { isHeard } from "../api/known";
import { useEngine, useKnown } from "../api/stream";
import type { Config, Session } from "../api/types";
import { Limits, Positions } from "../components/Account";
import { Answers } from "../components/Answers";
import { Books, Ladder, type Zones, bySymbol } from "../components/Books";
import { Controls } from "../components/Controls";
import { EquityChart } from "../components/EquityChart";
import { Events } from "../components/Events";
import { Guarded } from "../components/Guarded";
import { Records } from "../components/Journal";
import { PriceChart } from "../components/PriceChart";

/** The zones' edges of the running engine, else of the next one; null: not known. */
function useZones(): Zones | null {
  const runId = useEngine((engine) => engine.run_id);
  const { data } = useQuery({
    queryKey: ["config", runId],
    queryFn: () => get<Config>("/config"),
    refetchInterval: ({ state }) => (state.data ? false : 5_000),
  });
  const setting = (name: string): number => {
    const found = data?.settings.find((one) => one.name === name);
    return Number(found?.running ?? found?.value);
  };
  return (
    (data && { buyAbove: setting("buy_above"), sellBelow: setting("sell_below") }) ??
    null
  );
}

const KEPT = "mft.symbol";

/** The symbol that was chosen, over reloads too; else the first that the engine has. */
function useSymbol(): [string, (symbol: string) => void] {
  const [chosen, setChosen] = useState(sessionStorage.getItem(KEPT) ?? "");
  const found = useEngine(({ books }) =>
    chosen in books ? chosen : (bySymbol(books)[0]?.[0] ?? ""),
  );
  const choose = (symbol: string): void => {
    sessionStorage.setItem(KEPT, symbol);
    setChosen(symbol);
  };
  const last = useRef(chosen); // what was shown of an engine that has gone stays
  if (found) last.current = found;
  return [last.current, choose];
}

export function Bot(props: { session: Session }) {
  const isOperator = props.session.role === "operator";
  const isFresh = useKnown(isHeard);
  const [symbol, choose] = useSymbol();
  const zones = useZones();
  return (
    <main className={isFresh ? "bot" : "bot unheard"}>
      <h1 className="hidden">Bot control</h1>
      <div className="top">
        <Guarded name="Answers">
          <Answers />
        </Guarded>
        <Guarded name="Controls">
          <Controls isOperator={isOperator} />
        </Guarded>
      </div>
      <div className="grid">
        <Guarded name="Books" className="books">
          <Books chosen={symbol} onChoose={choose} />
        </Guarded>
        <Guarded name="Price" className="price">
          <PriceChart symbol={symbol} />
        </Guarded>
        <Guarded name="Book" className="book">
          <Ladder symbol={symbol} zones={zones} />
        </Guarded>
        <Guarded name="Positions" className="positions">
          <Positions />
        </Guarded>
        <Guarded name="Equity" className="equity">
          <EquityChart />
        </Guarded>
        <Guarded name="Risk limits" className="risk">
          <Limits />
        </Guarded>
        <Guarded name="Events" className="events">
          <Events />
        </Guarded>
        <Guarded name="Records" className="records">
          <Records />
        </Guarded>
      </div>
    </main>
  );
}
