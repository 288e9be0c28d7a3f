/** Equity over the day, and the levels at which a loss limit kills. */

import { useQuery } from "@tanstack/react-query";
import {
  AreaSeries,
  type ISeriesApi,
  LineStyle,
  LineType,
  type UTCTimestamp,
} from "lightweight-charts";
import { useEffect } from "react";

import { get } from "../api/client";
import { stream, useEngine } from "../api/stream";
import type { Point } from "../api/types";
import { type Level, killLevels } from "../lib/limits";
import { shown } from "../lib/money";
import { Failure } from "./Asked";
import { LastHeard } from "./Heard";
import { Money, Panel } from "./Parts";
import { colours, useSeries } from "./charts";

const SHOWN_S = 24 * 3_600;
const STEP_S = 10;

type Series = ISeriesApi<"Area">;

const area = () => {
  const { accent } = colours();
  return {
    lineColor: accent,
    topColor: `${accent}55`,
    bottomColor: `${accent}08`,
    lineWidth: 2,
    lineType: LineType.WithSteps, // what is not marked anew has stayed as it was
    priceLineStyle: LineStyle.Dotted,
  } as const;
};

/** Draws what the archive holds and the stream as it goes on. */
function useEquity(series: Series | null) {
  const asked = useQuery({
    queryKey: ["equity"],
    queryFn: () => {
      const since = Math.floor(Date.now() / 1_000) - SHOWN_S;
      return get<Point[]>(`/history/equity?since_s=${since}&step_s=${STEP_S}`);
    },
    refetchInterval: 300_000, // also forgets what is older than a day
    retry: 1,
  });
  const points = asked.data;
  useEffect(() => {
    if (!series) return;
    const known = (points ?? []).map((point) => ({
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
  }, [series, points]);
  return asked;
}

/** A line at each level, seen where it is in range. */
function useLevels(series: Series | null, levels: Level[] | undefined) {
  const told = JSON.stringify(levels?.map(({ name, equity }) => [name, equity]));
  useEffect(() => {
    if (!series || !levels) return;
    const lines = levels.map(({ name, equity }) =>
      series.createPriceLine({
        price: Number(equity),
        color: colours().loss,
        title: `kill: ${name}`,
        lineStyle: LineStyle.Dashed,
        lineWidth: 1,
        axisLabelVisible: true,
      }),
    );
    return () => {
      for (const line of lines) series.removePriceLine(line);
    };
  }, [series, told]);
}

export function EquityChart() {
  const { place, series } = useSeries(AreaSeries, area);
  const drawdown = useEngine((engine) => engine.drawdown);
  const equity = useEngine((engine) => engine.equity);
  const limits = useEngine((engine) => engine.limits);
  const day = useEngine((engine) => engine.day_pnl);
  const levels =
    equity !== undefined && limits && day !== undefined && drawdown !== undefined
      ? killLevels({ equity, day_pnl: day, drawdown, limits })
      : undefined;
  const asked = useEquity(series);
  useLevels(series, levels);
  return (
    <Panel
      title="Equity"
      className="equity"
      aside={
        drawdown === undefined ? null : (
          <span>
            drawdown <Money value={drawdown} name="drawdown" /> <LastHeard />
          </span>
        )
      }
    >
      <div className="chart" ref={place} role="img" aria-label="Equity over the day" />
      <Failure query={asked} what="The past is not known" />
      <ul className="legend" aria-label="Levels of equity that kill">
        {levels?.map(({ name, equity, left }) => (
          <li key={name} data-name={`level-${name}`} data-value={equity}>
            ┅ {name} kills at {shown(equity, 2)}, <Money value={left} /> away
          </li>
        ))}
      </ul>
    </Panel>
  );
}
