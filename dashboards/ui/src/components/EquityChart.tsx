/** Equity over time, with the depth of drawdown against its limit. */

import { useQuery } from "@tanstack/react-query";
import { AreaSeries, LineStyle, type UTCTimestamp } from "lightweight-charts";
import { useEffect } from "react";

import { get } from "../api/client";
import { stream, useEngine } from "../api/stream";
import type { Point } from "../api/types";
import { subtract } from "../lib/money";
import { Money, Panel } from "./Parts";
import { colours, useSeries } from "./charts";

const SHOWN_S = 24 * 3_600;
const STEP_S = 10;

const area = () => {
  const { accent } = colours();
  return {
    lineColor: accent,
    topColor: `${accent}55`,
    bottomColor: `${accent}08`,
    lineWidth: 2,
    priceLineStyle: LineStyle.Dotted,
  } as const;
};

export function EquityChart() {
  const { place, series, theme } = useSeries(AreaSeries, area);
  const drawdown = useEngine((engine) => engine.drawdown);
  const limit = useEngine((engine) => engine.limits["drawdown"]?.limit);
  const since = Math.floor(Date.now() / 1_000) - SHOWN_S;
  const points = useQuery({
    queryKey: ["equity", theme],
    queryFn: () => get<Point[]>(`/history/equity?since_s=${since}&step_s=${STEP_S}`),
    staleTime: Infinity,
    retry: 1,
  });

  useEffect(() => {
    if (!series) return;
    const known = (points.data ?? []).map((point) => ({
      time: point.at_s as UTCTimestamp,
      value: Number(point.equity),
    }));
    series.setData(known);
    let newest: number = known.at(-1)?.time ?? 0;
    return stream.subscribe(() => {
      const engine = stream.look().status?.engine;
      if (!engine) return;
      const time = (Math.floor(engine.now_ns / 1e9 / STEP_S) * STEP_S) as UTCTimestamp;
      if (time < newest) return;
      newest = time;
      series.update({ time, value: Number(engine.equity) });
    });
  }, [series, points.data]);

  return (
    <Panel
      title="Equity"
      className="equity"
      aside={
        drawdown !== undefined && limit !== undefined ? (
          <span>
            drawdown <Money value={drawdown} name="drawdown" />,{" "}
            <Money value={subtract(limit, drawdown)} /> left to the limit
          </span>
        ) : null
      }
    >
      <div className="chart" ref={place} role="img" aria-label="Equity over the day" />
    </Panel>
  );
}
