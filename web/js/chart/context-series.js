// @ts-check
/**
 * Open interest as a line and realised liquidations as bars in a pane of the map's own chart, below it: they
 * share its time axis because they are of it.
 * @module
 */

import { usd as usdText } from "../data/format.js";
import { LineSeries } from "./chart-library.js";

/** @typedef {import("../data/history-matrix.js").HistoryMatrix} HistoryMatrix */
/** @typedef {import("../data/rest-client.js").MarketContext} MarketContext */
/** @typedef {import("./chart-library.js").SeriesAttachedParameter} Attached */
/** @typedef {import("./chart-library.js").RenderingTarget} RenderingTarget */
/** @typedef {import("./chart-library.js").UTCTimestamp} UTCTimestamp */

/** Of the map's height and this pane's together. */
const SHARE = 0.22;
/** The bars take this share of the pane's height, the line what is above them. */
const BARS = 0.42;

export class ContextSeries {
  #chart;
  #series;
  #bars = new LiquidationBars();
  #line = "";
  /** Least USD of the line: below it are the bars, which the axis is not of. */
  #least = 0;

  /**
   * @param {import("./chart-library.js").IChartApi} chart
   * @param {import("./theme.js").Theme} theme
   */
  constructor(chart, theme) {
    this.#chart = chart;
    this.#series = chart.addSeries(
      LineSeries,
      {
        lineWidth: 2,
        priceLineVisible: false,
        priceFormat: {
          type: "custom",
          minMove: 1,
          formatter: (/** @type {number} */ usd) => this.#label(usd),
        },
      },
      1,
    );
    this.#series.attachPrimitive(this.#bars);
    chart.panes()[0].setStretchFactor(1 - SHARE);
    chart.panes()[1].setStretchFactor(SHARE);
    chart.priceScale("right", 1).applyOptions({ scaleMargins: { top: 0.22, bottom: BARS + 0.04 } });
    this.setTheme(theme);
  }

  /** Takes the pane away. */
  destroy() {
    this.#chart.removeSeries(this.#series);
  }

  /** @param {import("./theme.js").Theme} theme */
  setTheme(theme) {
    this.#line = theme.accent;
    this.#series.applyOptions({ color: this.#line });
    this.#bars.setColours(theme);
  }

  /** @param {boolean} on whether the axis names the newest figure, which is one of now */
  setLabelled(on) {
    if (this.#series.options().lastValueVisible !== on) this.#series.applyOptions({ lastValueVisible: on });
  }

  /** On the axis. @param {number} usd */
  #label(usd) {
    return usd < 0.98 * this.#least ? "" : usdText(usd);
  }

  /** USD of the highest bar; 0: none. */
  get highest() {
    return this.#bars.highest;
  }

  /**
   * @param {number} column
   * @returns {[number, number]} long and short USD liquidated in it
   */
  liquidatedIn(column) {
    return this.#bars.inColumn(column);
  }

  /** Drops what is shown: its times would stay on the axis of a map of other columns. */
  clear() {
    this.#series.setData([]);
    this.#bars.show(null, null);
  }

  /**
   * Shows what of an answer is of columns that the map holds.
   * @param {HistoryMatrix} matrix
   * @param {MarketContext} context
   */
  show(matrix, context) {
    const { start_time: start, interval_ms: step, open_interest_usd: held } = context;
    const points = [];
    let before = 0;
    let wasGap = false;
    for (const [i, value] of held.entries()) {
      const column = matrix.columnAt(start + i * step);
      wasGap ||= value === null && matrix.isGap(column);
      if (value === null || !matrix.holds(column)) continue;
      // A sum of more or fewer exchanges is no change of positions, and nothing is known of a gap: no line
      // leads there.
      const count = context.open_interest_exchanges[i];
      const color = before && (wasGap || count !== before) ? "transparent" : this.#line;
      points.push({ time: /** @type {UTCTimestamp} */ (matrix.timeOf(column) / 1000), value, color });
      before = count;
      wasGap = false;
    }
    this.#least = Math.min(...points.map(({ value }) => value));
    this.#series.setData(points);
    this.#bars.show(matrix, context.liquidations);
  }
}

/** Bars at the foot of the pane, short ones on top of long ones, as at the foot of the map. */
export class LiquidationBars {
  highest = 0;
  /** @type {Map<number, [number, number]>} long and short USD per column */
  #columns = new Map();
  /** @type {HistoryMatrix | null} */
  #matrix = null;
  /** Columns that a bar is wide. */
  width = 1;
  #colours = { long: "#f66", short: "#6cf" };
  /** @type {Attached["chart"] | null} */
  #chart = null;
  #requestUpdate = () => {};

  /** @param {Attached} given */
  attached({ chart, requestUpdate }) {
    this.#chart = chart;
    this.#requestUpdate = requestUpdate;
  }

  paneViews() {
    return [
      {
        zOrder: () => /** @type {const} */ ("bottom"),
        renderer: () => ({ draw: (/** @type {RenderingTarget} */ target) => this.#draw(target) }),
      },
    ];
  }

  /** @param {import("./theme.js").Theme} theme */
  setColours({ long, short }) {
    this.#colours = { long, short };
    this.#requestUpdate();
  }

  /** @param {number} column @returns {[number, number]} */
  inColumn(column) {
    return this.#columns.get(column) ?? [0, 0];
  }

  /**
   * @param {HistoryMatrix | null} matrix
   * @param {MarketContext["liquidations"] | null} sums
   */
  show(matrix, sums) {
    this.#matrix = matrix;
    this.#columns.clear();
    this.width = matrix && sums ? Math.max(1, Math.round(sums.interval_ms / matrix.intervalMs)) : 1;
    for (const [i, timeMs] of (sums?.timestamp ?? []).entries()) {
      const column = matrix?.columnAt(timeMs) ?? -1;
      if (!matrix?.holds(column)) continue;
      const [long, short] = this.inColumn(column);
      this.#columns.set(column, [long + (sums?.long_usd[i] ?? 0), short + (sums?.short_usd[i] ?? 0)]);
    }
    this.highest = Math.max(0, ...[...this.#columns.values()].map(([long, short]) => long + short));
    this.#requestUpdate();
  }

  /** @param {RenderingTarget} target */
  #draw(target) {
    const time = this.#chart?.timeScale();
    const origin = time?.logicalToCoordinate(/** @type {import("./chart-library.js").Logical} */ (0));
    if (!time || typeof origin !== "number" || !this.highest) return;
    const spacing = time.options().barSpacing;
    const first = this.#matrix?.first ?? 0;
    target.useBitmapCoordinateSpace(({ context, bitmapSize, horizontalPixelRatio, verticalPixelRatio }) => {
      const step = spacing * horizontalPixelRatio;
      const width = Math.max(1, Math.floor(step * (this.width - 0.32)));
      const scale = (bitmapSize.height * BARS) / this.highest;
      for (const [column, sides] of this.#columns) {
        const left = Math.round((origin + (column - first - 0.5) * spacing) * horizontalPixelRatio);
        if (left < -width || left > bitmapSize.width) continue;
        let bottom = bitmapSize.height;
        for (const [i, colour] of [this.#colours.long, this.#colours.short].entries()) {
          const height = sides[i] > 0 ? Math.max(verticalPixelRatio, sides[i] * scale) : 0;
          context.fillStyle = colour;
          context.fillRect(left + Math.round(step * 0.16), bottom - height, width, height);
          bottom -= height;
        }
      }
    });
  }
}
