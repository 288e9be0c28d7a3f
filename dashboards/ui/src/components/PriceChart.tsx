/** The price as it moves, with signals, entries, exits, target and stop. */

import { useQuery } from "@tanstack/react-query";
import {
  type IPriceLine,
  type ISeriesApi,
  LineSeries,
  LineStyle,
  type SeriesMarker,
  type Time,
  type UTCTimestamp,
  createSeriesMarkers,
} from "lightweight-charts";
import { useEffect } from "react";

import { get } from "../api/client";
import { stream, useKnown } from "../api/stream";
import type { Bar, Book, Entry, Position } from "../api/types";
import { useEntries } from "./Answers";
import { Panel } from "./Parts";
import { colours, useSeries } from "./charts";

const SHOWN_S = 900;
const MARKED = ["signal", "fill"];

type Series = ISeriesApi<"Line">;

/** For drawing only. */
function middle(book: Book | undefined): number | null {
  const [bid, ask] = [book?.bids[0]?.[0], book?.asks[0]?.[0]];
  return bid && ask ? (Number(bid) + Number(ask)) / 2 : null;
}

const second = (ns: number): UTCTimestamp => Math.floor(ns / 1e9) as UTCTimestamp;

function markers(entries: Entry[]): SeriesMarker<Time>[] {
  const { gain, loss, text } = colours();
  const found: SeriesMarker<Time>[] = [];
  const marked = new Set<string>(); // an order may fill in parts within a second
  for (const entry of [...entries].reverse()) {
    const time = second(entry.received_ns);
    const mark = `${entry.kind} ${String(entry["side"])} ${time}`;
    if (marked.has(mark)) continue;
    marked.add(mark);
    if (entry.kind === "signal") {
      const isBuy = entry["side"] === "BUY";
      const position = isBuy ? "belowBar" : "aboveBar";
      found.push({ time, position, shape: "circle", color: text, size: 0.5 });
    } else if (entry.kind === "fill") {
      const isBuy = entry["side"] === "BUY";
      found.push({
        time,
        position: isBuy ? "belowBar" : "aboveBar",
        shape: isBuy ? "arrowUp" : "arrowDown",
        color: isBuy ? gain : loss,
        text: String(entry["side"]),
      });
    }
  }
  return found;
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

export function PriceChart(props: { symbol: string }) {
  const { symbol } = props;
  const { place, series, theme } = useSeries(LineSeries, line);
  const since = Math.floor(Date.now() / 1_000) - SHOWN_S;
  const bars = useQuery({
    queryKey: ["bars", symbol, theme],
    queryFn: () => get<Bar[]>(`/history/bars?symbol=${symbol}&since_s=${since}`),
    enabled: symbol !== "",
    staleTime: Infinity,
    retry: 1,
  });
  const entries = useEntries(MARKED, 150, 2_000).data;
  const position = useKnown((known) =>
    known.status?.engine?.positions.find((one) => one.symbol === symbol),
  );

  useEffect(() => {
    if (!series) return;
    let newest = 0;
    const points = (bars.data ?? []).map((bar) => ({
      time: bar.at_s as UTCTimestamp,
      value: Number(bar.close),
    }));
    series.setData(points);
    newest = points.at(-1)?.time ?? 0;
    const book = stream.look().status?.engine?.books[symbol];
    const price = book?.bids[0]?.[0] ?? "";
    const precision = price.split(".")[1]?.length ?? 2;
    series.applyOptions({
      priceFormat: { type: "price", precision, minMove: 10 ** -precision },
    });
    return stream.subscribe(() => {
      const engine = stream.look().status?.engine;
      const value = middle(engine?.books[symbol]);
      if (!engine || value === null) return;
      const time = second(engine.now_ns);
      if (time < newest) return;
      newest = time;
      series.update({ time, value });
    });
  }, [series, symbol, bars.data]);

  useEffect(() => {
    if (!series) return;
    const mine = (entries ?? []).filter((entry) => entry.symbol === symbol);
    const plugin = createSeriesMarkers(series, markers(mine));
    return () => plugin.detach();
  }, [series, entries, symbol]);

  const stakes = position && JSON.stringify([position.entry_price, position.direction]);
  useEffect(() => {
    if (!series || !position) return;
    const lines = priceLines(series, position);
    return () => {
      for (const line of lines) series.removePriceLine(line);
    };
  }, [series, stakes]);

  return (
    <Panel title={symbol ? `Price of ${symbol}` : "Price"} className="price">
      <div
        className="chart"
        ref={place}
        role="img"
        aria-label={`Middle price of ${symbol} with signals, fills and stops`}
      />
    </Panel>
  );
}
