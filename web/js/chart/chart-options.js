// @ts-check
/**
 * The options of the chart library: what a map's chart is like, and what of it follows the theme and price.
 * @module
 */

import { price as priceText, priceDecimals } from "../data/format.js";
import { ColorType, createChartEx, CrosshairMode } from "./chart-library.js";
import { LocalTimeScale } from "./local-time-scale.js";

/** Between two panes, as the library draws it. */
const SEPARATOR_PX = 1;

/**
 * @param {HTMLElement} element
 * @param {import("./time-axis.js").TimeAxis} timeAxis that is to be the chart's
 * @returns {import("./chart-library.js").IChartApi}
 */
export function createMapChart(element, timeAxis) {
  const timeScale = new LocalTimeScale(
    () => timeAxis.clock,
    (seconds) => timeAxis.isAtEdge(seconds),
  );
  const chart = /** @type {import("./chart-library.js").IChartApi} */ (
    createChartEx(element, timeScale, chartOptions(timeAxis.formatters))
  );
  timeAxis.attach(chart);
  return chart;
}

/**
 * Takes a chart away, for good: whatever is still asked of it, nothing is drawn any more.
 *
 * The library takes back the frame that is pending, and no other: one asked for later would be drawn on
 * canvases that are gone ("Object is disposed"). A frame asked for just before it goes stands as pending for
 * ever, so that none is asked for again.
 * @param {import("./chart-library.js").IChartApi} chart
 */
export function removeChart(chart) {
  chart.applyOptions({});
  chart.remove();
}

/**
 * Height of the map itself: without the time axis, and without what stands below it in a pane of its own.
 * @param {import("./chart-library.js").IChartApi} chart
 * @param {HTMLElement} element
 */
export function mapHeight(chart, element) {
  const whole = element.clientHeight - chart.timeScale().height();
  const below = chart.panes()[1];
  return Math.max(0, below ? whole - below.getHeight() - SEPARATOR_PX : whole);
}

/** @param {import("./time-axis.js").TimeAxis["formatters"]} formatters */
function chartOptions({ tickMarkFormatter, timeFormatter }) {
  return {
    autoSize: true,
    layout: { attributionLogo: false, fontSize: 11, panes: { enableResize: false } },
    grid: { vertLines: { visible: false }, horzLines: { visible: false } },
    crosshair: { mode: CrosshairMode.Normal },
    rightPriceScale: {
      ...{ borderVisible: false, scaleMargins: { top: 0.02, bottom: 0.02 }, minimumWidth: 60 },
      entireTextOnly: true,
    },
    timeScale: {
      borderVisible: false,
      minBarSpacing: 0.05,
      lockVisibleTimeRangeOnResize: true,
      timeVisible: true,
      secondsVisible: false,
      allowShiftVisibleRangeOnWhitespaceReplacement: true,
      tickMarkFormatter,
    },
    localization: { timeFormatter },
    // A double-click on the time axis shows the whole window (price-gestures.js), not the library's spacing.
    handleScale: { axisDoubleClickReset: { time: false, price: true } },
    kineticScroll: { mouse: false, touch: !matchMedia("(prefers-reduced-motion: reduce)").matches },
  };
}

/** @param {import("./theme.js").Theme} theme */
export function themeOptions({ light, background, muted, line, font }) {
  const label = light ? "#3c4658" : "#2b3446";
  return {
    layout: {
      background: { type: /** @type {const} */ (ColorType.Solid), color: background },
      textColor: muted,
      fontFamily: font,
      panes: { separatorColor: line },
    },
    crosshair: {
      vertLine: { color: muted, labelBackgroundColor: label },
      horzLine: { color: muted, labelBackgroundColor: label },
    },
  };
}

/** @param {import("./theme.js").Theme} theme */
export function priceLineOptions({ light, muted }) {
  return {
    color: muted,
    axisLabelColor: light ? "#33415c" : "#c9d1e0",
    axisLabelTextColor: light ? "#fff" : "#10141d",
  };
}

/** @param {number} price of about the size to be written */
export function priceFormat(price) {
  const decimals = priceDecimals(price);
  const shown = price >= 10_000 ? 0 : decimals; // on the axis, room is worth more than a tenth
  return {
    type: /** @type {const} */ ("custom"),
    minMove: 10 ** -decimals,
    formatter: (/** @type {number} */ value) => priceText(value, shown),
  };
}
