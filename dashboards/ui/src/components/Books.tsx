/** Every symbol's book in a line; the chosen one as a ladder. */

import { memo } from "react";

import { isHeard } from "../api/known";
import { useEngine, useKnown } from "../api/stream";
import type { Book } from "../api/types";
import { age } from "../lib/format";
import { add } from "../lib/money";
import { LastHeard, NeverHeard } from "./Heard";
import {
  Badge,
  type Column,
  Nothing,
  Panel,
  Table,
  stateTone,
  zoneTone,
} from "./Parts";

const BPS = 10_000;

/** B/A above which a book is in the zone BUY, and below which in SELL. */
export interface Zones {
  buyAbove: number;
  sellBelow: number;
}

const priceOf = (side: [string, string][] | undefined): string | undefined =>
  side?.[0]?.[0];

function spreadBps(book: Book): string {
  const [bid, ask] = [Number(priceOf(book.bids)), Number(priceOf(book.asks))];
  return bid && ask ? (((ask - bid) / (ask + bid)) * 2 * BPS).toFixed(2) : "–";
}

/** Whether what the book shows may be believed. */
const isTrue = (book: Book): boolean => book.state === "SYNCED";

/** A book as it may be believed: nobody knows that of an engine that is not heard. */
const seen = (book: Book, heard: boolean): Book =>
  heard ? book : { ...book, state: "UNKNOWN" };

/** B/A; infinite where nothing is asked, nothing where there is no true book. */
const ratioOf = (book: Book): string =>
  isTrue(book) && book.bids.length + book.asks.length ? (book.ratio ?? "∞") : "–";

const zoneOf = (book: Book): string | null =>
  isTrue(book) ? (book.zone ?? null) : null;

const Row = memo(function Row(props: {
  symbol: string;
  book: Book;
  isChosen: boolean;
  onChoose: (symbol: string) => void;
}) {
  const { symbol, book } = props;
  return (
    <tr className={props.isChosen ? "chosen" : ""}>
      <th scope="row">
        <button
          type="button"
          className="plain"
          aria-pressed={props.isChosen}
          onClick={() => props.onChoose(symbol)}
        >
          {symbol}
        </button>
      </th>
      <td>
        <Badge tone={stateTone(book.state)}>{book.state}</Badge>
      </td>
      <td className={`number ${zoneTone(zoneOf(book))}`}>{ratioOf(book)}</td>
      <td>
        <Badge tone={zoneTone(zoneOf(book))}>{zoneOf(book) ?? "–"}</Badge>
      </td>
      <td className="number">{priceOf(book.bids) ?? "–"}</td>
      <td className="number">{priceOf(book.asks) ?? "–"}</td>
      <td className="number">{spreadBps(book)}</td>
      <td className="number">{book.gaps}</td>
      <td className="number">{age(book.view_age_ms)}</td>
    </tr>
  );
});

const COLUMNS: Column[] = [
  "Symbol",
  { name: "Book", width: 8.5 },
  [{ name: "B/A", width: 8.4 }],
  { name: "Zone", width: 9.6 },
  [{ name: "Bid", width: 8 }],
  [{ name: "Ask", width: 8 }],
  [{ name: "bps", width: 4.8 }],
  [{ name: "Gaps", width: 4 }],
  [{ name: "Age", width: 6 }],
];

export function Books(props: { chosen: string; onChoose: (symbol: string) => void }) {
  const books = useEngine((engine) => engine.books);
  const heard = useKnown(isHeard);
  return (
    <Panel title="Books" className="books" aside={<LastHeard />}>
      {books && Object.keys(books).length > 0 ? (
        <Table label="Books by symbol" columns={COLUMNS}>
          {bySymbol(books).map(([symbol, book]) => (
            <Row
              key={symbol}
              symbol={symbol}
              book={seen(book, heard)}
              isChosen={symbol === props.chosen}
              onChoose={props.onChoose}
            />
          ))}
        </Table>
      ) : (
        <NeverHeard />
      )}
    </Panel>
  );
}

/** In the order of their names, wherever they came first. */
export const bySymbol = <T,>(books: Record<string, T>): [string, T][] =>
  Object.entries(books).sort(([a], [b]) => (a < b ? -1 : 1));

const volume = (side: [string, string][]): string =>
  side.reduce((sum, [, quantity]) => add(sum, quantity), "0");

function Level(props: { side: string; level: [string, string]; most: number }) {
  const [price, quantity] = props.level;
  const width = props.most ? (Number(quantity) / props.most) * 100 : 0;
  return (
    <div className={`level ${props.side}`} role="row">
      <span
        className="depth"
        style={{ inlineSize: `${Math.max(width, 1)}%` }}
        aria-hidden
      />
      <span className="number" role="cell">
        {price}
      </span>
      <span className="number" role="cell">
        {quantity}
      </span>
      <span className="hidden" role="cell">
        {props.side}
      </span>
    </div>
  );
}

/** Share of bids among both volumes, with the zones' edges. */
function Gauge(props: { book: Book; zones: Zones | null }) {
  const { book, zones } = props;
  const [bids, asks] = [volume(book.bids), volume(book.asks)];
  const total = Number(bids) + Number(asks);
  const share = total ? Number(bids) / total : 0.5;
  const edge = (ratio: number): string => `${(ratio / (1 + ratio)) * 100}%`;
  return (
    <div
      className="gauge"
      role="meter"
      aria-label="Share of bids in the volume of the levels shown"
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(share * 100)}
      aria-valuetext={`bids ${bids}, asks ${asks}, zone ${book.zone ?? "unknown"}`}
    >
      {zones && (
        <>
          <span className="zone sell" style={{ inlineSize: edge(zones.sellBelow) }} />
          <span
            className="zone buy"
            style={{ insetInlineStart: edge(zones.buyAbove) }}
          />
          <span className="label start">SELL &lt; {zones.sellBelow}</span>
          <span className="label end">BUY &gt; {zones.buyAbove}</span>
        </>
      )}
      <span className="needle" style={{ insetInlineStart: `${share * 100}%` }} />
    </div>
  );
}

export function Ladder(props: { symbol: string; zones: Zones | null }) {
  const last = useEngine((engine) => engine.books[props.symbol]);
  const heard = useKnown(isHeard);
  const book = last && seen(last, heard);
  if (!book || book.bids.length + book.asks.length === 0) {
    return (
      <Panel title="Book" className="book">
        {book ? (
          <Nothing>{`${props.symbol} is ${book.state}.`}</Nothing>
        ) : (
          <NeverHeard />
        )}
      </Panel>
    );
  }
  const quantities = [...book.bids, ...book.asks].map(([, quantity]) =>
    Number(quantity),
  );
  const most = Math.max(...quantities);
  return (
    <Panel
      title={`Book of ${props.symbol}`}
      className={isTrue(book) ? "book" : "book stale"}
      aside={<Badge tone={stateTone(book.state)}>{book.state}</Badge>}
    >
      <div
        className="ladder"
        role="table"
        aria-label="Top levels: price, quantity and side"
      >
        {[...book.asks].reverse().map((level) => (
          <Level key={`a${level[0]}`} side="ask" level={level} most={most} />
        ))}
        <div className="middle" role="row">
          <span role="cell">{spreadBps(book)} bps</span>
          <span role="cell">B/A {ratioOf(book)}</span>
        </div>
        {book.bids.map((level) => (
          <Level key={`b${level[0]}`} side="bid" level={level} most={most} />
        ))}
      </div>
      {isTrue(book) && <Gauge book={book} zones={props.zones} />}
    </Panel>
  );
}
