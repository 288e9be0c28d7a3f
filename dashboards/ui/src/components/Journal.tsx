/** What the journal and the archive tell: events, fills, trades, days. */

import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useId, useState } from "react";

import { get } from "../api/client";
import type { Day, Trade } from "../api/types";
import { TOLD_KINDS, told, toneOf } from "../lib/events";
import { clock, clockSeconds, words } from "../lib/format";
import { Orders, Refusals } from "./Account";
import { useEntries } from "./Answers";
import { type Column, Money, Nothing, Panel, Table } from "./Parts";

const WHY_KINDS = TOLD_KINDS.filter((kind) => kind !== "book_state_changed");

export function Events() {
  const [isDetailed, setIsDetailed] = useState(false);
  const { data, error } = useEntries(isDetailed ? TOLD_KINDS : WHY_KINDS, 60);
  return (
    <Panel
      title="Why it did, or did not"
      className="events"
      aside={
        <label className="choice">
          <input
            type="checkbox"
            checked={isDetailed}
            onChange={(event) => setIsDetailed(event.target.checked)}
          />
          books, too
        </label>
      }
    >
      {error && <p className="problem">{error.message}</p>}
      <ol className="feed" tabIndex={0} aria-label="Newest events first">
        {(data ?? []).map((entry) => (
          <li key={`${entry.run_id} ${entry.sequence}`} className={toneOf(entry)}>
            <time>{clock(entry.received_ns)}</time> {told(entry)}
          </li>
        ))}
      </ol>
      {data?.length === 0 && <Nothing>Nothing has happened yet.</Nothing>}
    </Panel>
  );
}

const FILL_COLUMNS: Column[] = [
  "Time (UTC)",
  "Symbol",
  "Side",
  ["Price"],
  ["Quantity"],
  ["Fee"],
  "As",
];

function Fills() {
  const { data } = useEntries(["fill", "outside_fill"], 50);
  if (!data?.length) return <Nothing>No fill yet.</Nothing>;
  return (
    <Table label="Fills" columns={FILL_COLUMNS}>
      {data.map((fill) => (
        <tr key={`${fill.run_id} ${fill.sequence}`}>
          <td>
            <time>{clock(fill.received_ns)}</time>
          </td>
          <th scope="row">{fill.symbol}</th>
          <td>{String(fill["side"])}</td>
          <td className="number">{String(fill["price"])}</td>
          <td className="number">{String(fill["quantity"])}</td>
          <td className="number">{String(fill["fee"])}</td>
          <td>{fill["is_maker"] ? "maker" : "taker"}</td>
        </tr>
      ))}
    </Table>
  );
}

function Archived<T>(props: {
  path: string;
  nothing: string;
  children: (rows: T[]) => ReactNode;
}) {
  const { data, error } = useQuery({
    queryKey: [props.path],
    queryFn: () => get<T[]>(props.path),
    refetchInterval: 5_000,
  });
  if (error) return <p className="problem">{error.message}</p>;
  if (!data?.length) return <Nothing>{props.nothing}</Nothing>;
  return <>{props.children(data)}</>;
}

const TRADE_COLUMNS: Column[] = [
  "Closed (UTC)",
  "Symbol",
  "Side",
  "Left by",
  ["Gross"],
  ["Fees"],
  ["Net"],
];

const Trades = () => (
  <Archived<Trade> path="/history/trades?limit=50" nothing="No trade was closed yet.">
    {(trades) => (
      <Table label="Closed trades" columns={TRADE_COLUMNS}>
        {trades.map((trade) => (
          <tr key={`${trade.run_id} ${trade.symbol} ${trade.closed_ns}`}>
            <td>
              <time>{clockSeconds(trade.closed_ns)}</time>
            </td>
            <th scope="row">{trade.symbol}</th>
            <td>{trade.direction}</td>
            <td>{words(trade.exit_purpose)}</td>
            <td className="number">
              <Money value={trade.gross} digits={4} isGain />
            </td>
            <td className="number">
              <Money value={trade.fees} digits={4} />
            </td>
            <td className="number">
              <Money value={trade.net} digits={4} isGain name="trade-net" />
            </td>
          </tr>
        ))}
      </Table>
    )}
  </Archived>
);

const DAY_COLUMNS: Column[] = [
  "Day (UTC)",
  "Symbol",
  ["Trades"],
  ["Won"],
  ["Gross"],
  ["Fees"],
  ["Net"],
];

const Days = () => (
  <Archived<Day> path="/history/daily" nothing="No trade was closed yet.">
    {(days) => (
      <Table label="P&L by day and symbol" columns={DAY_COLUMNS}>
        {days.map((day) => (
          <tr key={`${day.day} ${day.symbol}`}>
            <td>
              <time>{day.day}</time>
            </td>
            <th scope="row">{day.symbol}</th>
            <td className="number">{day.trades}</td>
            <td className="number">{day.wins}</td>
            <td className="number">
              <Money value={day.gross} isGain />
            </td>
            <td className="number">
              <Money value={day.fees} />
            </td>
            <td className="number">
              <Money value={day.net} isGain />
            </td>
          </tr>
        ))}
      </Table>
    )}
  </Archived>
);

const TABS: [string, () => ReactNode][] = [
  ["Fills", Fills],
  ["Orders", Orders],
  ["Refusals", Refusals],
  ["Trades", Trades],
  ["Days", Days],
];

export function Records() {
  const [chosen, setChosen] = useState(0);
  const id = useId();
  const Content = TABS[chosen]?.[1] ?? Fills;
  return (
    <section className="panel records" aria-label="Records">
      <div
        role="tablist"
        aria-label="Records"
        onKeyDown={(event) => {
          const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
          if (!step) return;
          const next = (chosen + step + TABS.length) % TABS.length;
          setChosen(next);
          document.getElementById(`${id}-${next}`)?.focus();
        }}
      >
        {TABS.map(([name], place) => (
          <button
            key={name}
            id={`${id}-${place}`}
            type="button"
            role="tab"
            aria-selected={place === chosen}
            aria-controls={`${id}-content`}
            tabIndex={place === chosen ? 0 : -1}
            onClick={() => setChosen(place)}
          >
            {name}
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`${id}-content`} aria-labelledby={`${id}-${chosen}`}>
        <Content />
      </div>
    </section>
  );
}
