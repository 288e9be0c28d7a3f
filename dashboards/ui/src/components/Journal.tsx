/** What the journal and the archive tell: fills, orders, trades, days. */

import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";

import { get } from "../api/client";
import type { Day, Entry, Trade } from "../api/types";
import { clock, clockSeconds, words } from "../lib/format";
import { Orders, Refusals } from "./Account";
import { useEntries } from "./Answers";
import { Asked } from "./Asked";
import { type Column, Money, Table } from "./Parts";
import { type Tab, Tabs } from "./Tabs";

const FILL_COLUMNS: Column[] = [
  "Time (UTC)",
  "Symbol",
  "Side",
  [{ name: "Price", width: 10 }],
  [{ name: "Quantity", width: 9 }],
  [{ name: "Fee", width: 7 }],
  "As",
];

/** Of the account, and of no order of this engine: somebody else, or the exchange. */
const isOutside = (fill: Entry): boolean => fill.kind === "outside_fill";

const asWhat = (fill: Entry): string =>
  isOutside(fill) ? "not ours" : fill["is_maker"] ? "maker" : "taker";

function Fills() {
  const query = useEntries(["fill", "outside_fill"], 50);
  return (
    <Asked query={query} nothing="No fill yet.">
      {(fills) => (
        <Table label="Fills" columns={FILL_COLUMNS}>
          {fills.map((fill) => (
            <tr key={`${fill.run_id} ${fill.sequence}`}>
              <td>
                <time>{clock(fill.received_ns)}</time>
              </td>
              <th scope="row">{fill.symbol}</th>
              <td>{String(fill["side"])}</td>
              <td className="number">{String(fill["price"])}</td>
              <td className="number">{String(fill["quantity"])}</td>
              <td className="number">
                <Money value={String(fill["fee"])} />
              </td>
              <td className={isOutside(fill) ? "loss" : ""}>{asWhat(fill)}</td>
            </tr>
          ))}
        </Table>
      )}
    </Asked>
  );
}

function Archived<T>(props: {
  path: string;
  nothing: string;
  children: (rows: T[]) => ReactNode;
}) {
  const query = useQuery({
    queryKey: [props.path],
    queryFn: () => get<T[]>(props.path),
    refetchInterval: 5_000,
  });
  return (
    <Asked query={query} nothing={props.nothing}>
      {props.children}
    </Asked>
  );
}

const TRADE_COLUMNS: Column[] = [
  "Closed (UTC)",
  "Symbol",
  "Side",
  "Left by",
  [{ name: "Gross", width: 9 }],
  [{ name: "Fees", width: 8 }],
  [{ name: "Net", width: 9 }],
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
              <Money value={trade.gross} isGain />
            </td>
            <td className="number">
              <Money value={trade.fees} />
            </td>
            <td className="number">
              <Money value={trade.net} isGain name="trade-net" />
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
  [{ name: "Gross", width: 9 }],
  [{ name: "Fees", width: 8 }],
  [{ name: "Net", width: 9 }],
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

const TABS: Tab[] = [
  ["Fills", Fills],
  ["Orders", Orders],
  ["Refusals", Refusals],
  ["Trades", Trades],
  ["Days", Days],
];

export const Records = () => (
  <section className="panel records" aria-label="Records">
    <Tabs label="Records" tabs={TABS} />
  </section>
);
