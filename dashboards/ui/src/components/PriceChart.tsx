/** The price as it moves, with signals, entries, exits, target and stop. */

import { useQuery } from "@tanstack/react-query";
import {
  type IPriceLine,
  type ISeriesApi,
  LineSeries,
  type LineData,
  LineStyle,
  type SeriesMarker,
  type Time,
  type UTCTimestamp,
  type WhitespaceData,
  createSeriesMarkers,
} from "lightweight-charts";
import { useEffect, useMemo, useRef } from "react";

import { get } from "../api/client";
import { stream, useEngine } from "../api/stream";
import type { Bar, Book, Position } from "../api/types";
import { decimalsOf } from "../lib/format";
import { type Mark, counted, marksOf } from "../lib/marks";
import { type Drawn, HOLE_S, Window } from "../lib/points";
import { useEntries } from "./Answers";
import { Failure, useFailure } from "./Asked";
import { useNow } from "./Heard";
import { Panel } from "./Parts";
import { colours, useSeries } from "./charts";

const SHOWN_S = 900;
const EVERY_MS = 2_000;
const SIGNALS = ["signal"];
const FILLS = ["approved", "fill", "outside_fill"];

type Series = ISeriesApi<"Line">;

/** For drawing only; a book that is not true has none. */
function middle(book: Book | undefined): number | null {
  const [bid, ask] = [book?.bids[0]?.[0], book?.asks[0]?.[0]];
  if (book?.state !== "SYNCED" || !bid || !ask) return null;
  return (Number(bid) + Number(ask)) / 2;
}

/** By the engine's clock, where it is heard. */
const nowS = (): number =>
  Math.floor((stream.look().status?.engine?.now_ns ?? Date.now() * 1e6) / 1e9);

/** A line goes on in the colour of the point that it leaves: none over a hole. */
function toData(drawn: Drawn): LineData<Time> | WhitespaceData<Time> {
  const time = drawn.at as UTCTimestamp;
  if (drawn.value === undefined) return { time };
  const { value } = drawn;
  return drawn.isLast ? { time, value, color: "transparent" } : { time, value };
}

function toMarker(mark: Mark): SeriesMarker<Time> {
  const { gain, loss, text } = colours();
  const isBuy = mark.side === "BUY";
  const place = {
    time: mark.at as UTCTimestamp,
    position: isBuy ? "belowBar" : "aboveBar",
  } as const;
  if (mark.kind === "signal") {
    return { ...place, shape: "circle", color: text, size: 0.5 };
  }
  const arrow = isBuy ? "arrowUp" : "arrowDown";
  return {
    ...place,
    shape: mark.kind === "entry" ? arrow : "square",
    color: isBuy ? gain : loss,
    text: mark.text,
  };
}

function priceLines(series: Series, position: Position): IPriceLine[] {
  const { accent, gain, loss } = colours();
  const line = (price: string, color: string, title: string) =>
    series.createPriceLine({
      price: Number(price),
      color,
      title,
      lineStyle: LineStyle.Dashed,
      lineWidth: 1,
      axisLabelVisible: true,
    });
  return [
    line(position.entry_price, accent, "entry"),
    line(position.target_price, gain, "target"),
    line(position.stop_price, loss, "stop"),
  ];
}

const line = () =>
  ({ color: colours().accent, lineWidth: 2, priceLineVisible: false }) as const;

/** The archive's bars, asked for anew whenever the chart comes back. */
function useBars(symbol: string) {
  return useQuery({
    queryKey: ["bars", symbol],
    queryFn: () => {
      const since = nowS() - SHOWN_S;
      const asked = `symbol=${symbol}&since_s=${since}&limit=${SHOWN_S}`;
      return get<Bar[]>(`/history/bars?${asked}`);
    },
    enabled: symbol !== "",
    refetchInterval: 30_000, // the archive is behind, and a sleeping tab misses some
    gcTime: 0,
    retry: 1,
  });
}

/** Draws bars as they were and the stream as it goes on. */
function usePrice(series: Series | null, symbol: string, bars: Bar[] | undefined) {
  const points = useMemo(() => new Window(SHOWN_S), [symbol]);
  useEffect(() => {
    if (!series) return;
    points.add((bars ?? []).map((bar) => ({ at: bar.at_s, value: Number(bar.close) })));
    series.setData(points.drawn().map(toData));
    let { newest } = points;
    let trimmed = newest;
    return stream.subscribe(() => {
      const engine = stream.look().status?.engine;
      const value = middle(engine?.books[symbol]);
      if (!engine || value === null) return;
      const at = Math.floor(engine.now_ns / 1e9);
      if (at < newest) return;
      points.add([{ at, value }]);
      const isHole = newest > 0 && at - newest > HOLE_S;
      if (isHole || at - trimmed > SHOWN_S / 10) {
        series.setData(points.drawn().map(toData)); // also forgets what is too old
        trimmed = at;
      } else {
        series.update({ time: at as UTCTimestamp, value });
      }
      newest = at;
    });
  }, [series, symbol, bars, points]);
}

/** Marks of the symbol's own journal, of the time that is drawn; else why not. */
function useMarks(symbol: string): { marks: Mark[]; told: string } {
  const signals = useEntries(SIGNALS, 200, EVERY_MS, symbol);
  const fills = useEntries(FILLS, 300, EVERY_MS, symbol);
  const why = [useFailure(signals), useFailure(fills)].find(Boolean);
  const minute = Math.floor(useNow(EVERY_MS) / 60_000); // they grow old by themselves
  const entries = useMemo(
    () => signals.data && fills.data && [...fills.data, ...signals.data],
    [signals.data, fills.data],
  );
  const marks = useMemo(
    () => marksOf(entries ?? [], nowS() - SHOWN_S),
    [entries, minute],
  );
  const known = entries ? `last ${SHOWN_S / 60} min: ${counted(marks)}` : "";
  if (why) return { marks, told: `marks ${known ? "not renewed" : "unknown"}: ${why}` };
  return { marks, told: known || "asking for marks" };
}

function useMarkers(series: Series | null, marks: Mark[], bars: Bar[] | undefined) {
  useEffect(() => {
    if (!series) return;
    const first = Number(series.data()[0]?.time ?? Infinity);
    const seen = marks.filter((mark) => mark.at >= first);
    const plugin = createSeriesMarkers(series, seen.map(toMarker));
    return () => plugin.detach();
  }, [series, marks, bars]);
}

function useStakes(series: Series | null, position: Position | undefined) {
  const stakes = position && JSON.stringify([position.entry_price, position.direction]);
  useEffect(() => {
    if (!series || !position) return;
    const lines = priceLines(series, position);
    return () => {
      for (const line of lines) series.removePriceLine(line);
    };
  }, [series, stakes]);
}

/** Decimals of the symbol's prices, as they were last quoted. */
function usePrecision(symbol: string): number {
  const price = useEngine((engine) => engine.books[symbol]?.bids[0]?.[0]);
  const last = useRef({ symbol, decimals: decimalsOf(price) });
  if (price !== undefined) last.current = { symbol, decimals: decimalsOf(price) };
  return last.current.symbol === symbol ? last.current.decimals : decimalsOf(price);
}

export function PriceChart(props: { symbol: string }) {
  const { symbol } = props;
  const { place, series } = useSeries(LineSeries, line);
  const position = useEngine((engine) =>
    engine.positions.find((one) => one.symbol === symbol),
  );
  const precision = usePrecision(symbol);
  const { marks, told } = useMarks(symbol);
  const asked = useBars(symbol);
  const bars = asked.data;
  usePrice(series, symbol, bars);
  useMarkers(series, marks, bars);
  useStakes(series, position);
  useEffect(() => {
    series?.applyOptions({
      priceFormat: { type: "price", precision, minMove: 10 ** -precision },
    });
  }, [series, precision]);

  return (
    <Panel
      title={symbol ? `Price of ${symbol}` : "Price"}
      className="price"
      aside={<span data-name="marks">{told}</span>}
    >
      <div
        className="chart"
        ref={place}
        role="img"
        aria-label={`Middle price of ${symbol}; ${told}`}
      />
      <Failure query={asked} what="The past is not known" />
      <p className="legend">● signal, ▲▼ entry, ■ exit and its reason</p>
    </Panel>
  );
}
