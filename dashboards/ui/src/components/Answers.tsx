/** The questions of somebody who has five seconds. */

import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";

import { get } from "../api/client";
import { hasFailed, isExpected, isHeard } from "../api/known";
import { useEngine, useKnown } from "../api/stream";
import type { Entry, Evidence, Pnl } from "../api/types";
import { clockSeconds, percent } from "../lib/format";
import { told } from "../lib/events";
import { add, shown } from "../lib/money";
import { useFailure } from "./Asked";
import { Guarded } from "./Guarded";
import { LastHeard } from "./Heard";
import { Money } from "./Parts";
import { useActivity } from "./StatusBar";

const DECISIONS = ["approved", "refused", "kill_tripped", "trade_closed"];

/** The journal's newest entries of some kinds, of a symbol or of all; again and again. */
export function useEntries(
  kinds: readonly string[],
  limit: number,
  everyMs = 1_000,
  symbol = "",
) {
  const query = kinds.map((kind) => `&kind=${kind}`).join("");
  return useQuery({
    queryKey: ["events", kinds, limit, symbol],
    queryFn: () =>
      get<Entry[]>(`/engine/events?limit=${limit}&symbol=${symbol}${query}`),
    refetchInterval: everyMs,
  });
}

function dataTold(count: number, wrong: [string, { state: string }][]): string {
  if (count === 0) return "No books";
  if (wrong.length === 0) return `Yes: ${count} of ${count} books SYNCED`;
  return `No: ${wrong.map(([symbol, book]) => `${symbol} ${book.state}`).join(", ")}`;
}

function Data() {
  const heard = useKnown(isHeard);
  const { word } = useActivity();
  const books = useEngine((engine) => engine.books) ?? {};
  const wrong = Object.entries(books).filter(([, book]) => book.state !== "SYNCED");
  const count = Object.keys(books).length;
  const isTrue = heard && count > 0 && wrong.length === 0;
  return (
    <div className={`answer ${isTrue ? "good" : "bad"}`}>
      <dt>Is the data true?</dt>
      <dd data-name="data-true">
        {heard ? dataTold(count, wrong) : `Unknown: ${word.toLowerCase()}`}
        <small>
          <LastHeard />
        </small>
      </dd>
    </div>
  );
}

function Held() {
  const heard = useKnown(isHeard);
  const wasHeard = useKnown((known) => known.engine !== null);
  const isStopped = useKnown(
    (known) => known.isConnected && !isExpected(known) && !hasFailed(known),
  );
  const before = isStopped ? "Last known: " : "Unknown; last known: ";
  const positions = useEngine((engine) => engine.positions) ?? [];
  return (
    <div className={`answer ${heard || (isStopped && !positions.length) ? "" : "bad"}`}>
      <dt>What do I hold?</dt>
      <dd data-name="held">
        {!heard && (wasHeard ? before : "Unknown")}
        {positions.length === 0
          ? wasHeard && "Nothing"
          : `${positions.length} position${positions.length > 1 ? "s" : ""}, `}
        {positions.length > 0 && (
          <>
            <Money value={positions.map((one) => one.net).reduce(add)} isGain /> net if
            closed {heard ? "now" : "then"}
            <small>
              {positions
                .map((one) => `${one.direction} ${one.quantity} ${one.symbol}`)
                .join(", ")}
            </small>
          </>
        )}
        <small>
          <LastHeard />
        </small>
      </dd>
    </div>
  );
}

/** Parts that add up: gross - fees + funding. */
function Sum(props: { pnl: Pnl; prefix: string }) {
  const { pnl, prefix } = props;
  return (
    <>
      gross <Money value={pnl.gross} isGain name={`${prefix}gross`} /> − fees{" "}
      <Money value={pnl.fees} name={`${prefix}fees`} /> + funding{" "}
      <Money value={pnl.funding} name={`${prefix}funding`} />
    </>
  );
}

function Made() {
  const engine = useEngine((engine) => engine);
  const heard = useKnown(isHeard);
  return (
    <div className="answer">
      <dt>What have I made after fees?</dt>
      <dd>
        {!engine ? (
          "–"
        ) : (
          <>
            {!heard && "Unknown; last known: "}
            <Money value={engine.day.net} isGain name="day-pnl" /> today (UTC)
            <small>
              = <Sum pnl={engine.day} prefix="day-" />
            </small>
            <small>
              since the account began <Money value={engine.net} isGain name="net" /> ={" "}
              <Sum pnl={engine} prefix="" />; equity{" "}
              <Money value={engine.equity} name="equity" />
            </small>
            <small>
              <LastHeard />
            </small>
          </>
        )}
      </dd>
    </div>
  );
}

/** What the archive's closed trades prove; the plain sentence is the domain's own. */
function Edge() {
  const query = useQuery({
    queryKey: ["evidence"],
    queryFn: () => get<Evidence>("/history/evidence"),
    refetchInterval: 5_000,
  });
  const { data } = query;
  const failure = useFailure(query);
  const band = data?.win_rate_band;
  return (
    <div className="answer">
      <dt>Is there an edge?</dt>
      <dd data-name="edge">
        {!data ? (
          (failure ?? "Asking the API")
        ) : data.trades === 0 ? (
          "No trade was closed yet"
        ) : (
          <>
            {data.wins} of {data.trades} won: {percent(data.win_rate)},{" "}
            {percent(data.break_even_win_rate)} needed
          </>
        )}
        {data && data.trades > 0 && (
          <small>
            95 % band {percent(band?.low)} to {percent(band?.high)}, profit factor{" "}
            {data.profit_factor === null ? "–" : shown(data.profit_factor, 2)}.{" "}
            {data.verdict}
          </small>
        )}
        {data && failure !== null && (
          <small className="problem">Not renewed: {failure}</small>
        )}
      </dd>
    </div>
  );
}

function Why() {
  const query = useEntries(DECISIONS, 1);
  const failure = useFailure(query);
  const [newest] = query.data ?? [];
  const { word, why } = useActivity();
  const decision =
    failure ??
    (newest
      ? `${clockSeconds(newest.received_ns)} ${told(newest)}`
      : query.data
        ? "No signal yet"
        : "Asking the API");
  return (
    <div className="answer">
      <dt>Why did it trade, or not?</dt>
      <dd>
        {word === "TRADING" ? decision : why ? `${word}: ${why}` : word}
        {word === "TRADING" && why && <small className="loss">No entries: {why}</small>}
      </dd>
    </div>
  );
}

const ANSWERS: [string, () => ReactNode][] = [
  ["Data", Data],
  ["What is held", Held],
  ["P&L", Made],
  ["Edge", Edge],
  ["Why", Why],
];

export function Answers() {
  return (
    <dl className="answers">
      {ANSWERS.map(([name, Answer]) => (
        <Guarded key={name} name={name} className="answer">
          <Answer />
        </Guarded>
      ))}
    </dl>
  );
}
