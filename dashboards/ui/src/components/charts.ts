/** What both charts share: colours of the theme, and a place that follows its size. */

import { useSyncExternalStore } from "react";

import {
  ColorType,
  type DeepPartial,
  type IChartApi,
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

/** A chart in an element, in the colours of the theme; `end` takes it away. */
export function chartIn(element: HTMLElement): { chart: IChartApi; end: () => void } {
  const chart = createChart(element, options());
  // after the frame it may still draw
  return { chart, end: () => requestAnimationFrame(() => chart.remove()) };
}

function onTheme(listener: () => void): () => void {
  const watch = new MutationObserver(listener);
  watch.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  return () => watch.disconnect();
}

/** The theme's name; a chart is drawn anew with each. */
export const useThemeName = (): string =>
  useSyncExternalStore(onTheme, () => document.documentElement.dataset.theme ?? "");
