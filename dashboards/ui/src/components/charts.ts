/** What both charts share: colours of the theme, and a place that follows its size. */

import { useEffect, useRef, useState, useSyncExternalStore } from "react";

import {
  ColorType,
  type DeepPartial,
  type ISeriesApi,
  type SeriesDefinition,
  type SeriesPartialOptionsMap,
  type SeriesType,
  type TimeChartOptions,
  createChart,
} from "lightweight-charts";

const variable = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export const colours = () => ({
  text: variable("--dim"),
  line: variable("--line"),
  accent: variable("--accent"),
  gain: variable("--gain"),
  loss: variable("--loss"),
});

function options(): DeepPartial<TimeChartOptions> {
  const { text, line } = colours();
  return {
    autoSize: true,
    layout: {
      background: { type: ColorType.Solid, color: "transparent" },
      textColor: text,
      fontSize: 11,
      attributionLogo: false, // it brings a style of its own; the footer names the makers
    },
    grid: { vertLines: { color: line }, horzLines: { color: line } },
    rightPriceScale: { borderColor: line },
    timeScale: { borderColor: line, timeVisible: true, secondsVisible: true },
  };
}

function onTheme(listener: () => void): () => void {
  const watch = new MutationObserver(listener);
  watch.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  return () => watch.disconnect();
}

const themeName = (): string => document.documentElement.dataset.theme ?? "";

/** A place for a chart with one series, drawn anew in the colours of each theme. */
export function useSeries<T extends SeriesType>(
  definition: SeriesDefinition<T>,
  look: () => SeriesPartialOptionsMap[T],
) {
  const theme = useSyncExternalStore(onTheme, themeName);
  const place = useRef<HTMLDivElement>(null);
  const [series, setSeries] = useState<ISeriesApi<T> | null>(null);
  useEffect(() => {
    if (!place.current) return;
    const chart = createChart(place.current, options());
    setSeries(chart.addSeries(definition, look()));
    return () => {
      setSeries(null);
      requestAnimationFrame(() => chart.remove()); // after the frame it may still draw
    };
  }, [theme, definition, look]);
  return { place, series };
}
