/** What both charts share: colours of the theme, and a place that follows its size. */

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
  const repaint = (): void => chart.applyOptions(options());
  window.addEventListener("mft.theme", repaint);
  return {
    chart,
    end: () => {
      window.removeEventListener("mft.theme", repaint);
      requestAnimationFrame(() => chart.remove()); // after the frame it may still draw
    },
  };
}
