// @ts-check
/**
 * The chart's time axis as columns of the matrix: a hidden series holds every column's time, also of gaps
 * and of the future, so that the chart's logical indices are columns (less the first one held) and nothing
 * can shift. Times are UTC; the clock writes them as the viewer's (local-time-scale.js has the tick marks).
 * @module
 */

import { LineSeries, TickMarkType } from "./chart-library.js";
import { Clock } from "../data/format.js";

/** @typedef {import("./chart-library.js").Time} Time */
/** @typedef {import("../data/history-matrix.js").HistoryMatrix} HistoryMatrix */

/**
 * @typedef {object} Formatters
 * @property {(time: Time, type: TickMarkType) => string} tickMarkFormatter
 * @property {(time: Time) => string} timeFormatter
 */

/** Columns of future, as a share of the window: room for today's bands to reach into. */
export const FUTURE = 0.07;
export const LEAST_FUTURE = 1;
/** Half of the widest label, a day of a month in bold. */
const EDGE_PX = 24;

export class TimeAxis {
  /** @type {HistoryMatrix | null} */
  #matrix = null;
  #columns = 0;
  /** @type {import("./chart-library.js").Series | null} */
  #series = null;
  /** @type {import("./chart-library.js").IChartApi | null} */
  #chart = null;
  clock;

  /** @param {boolean} utc */
  constructor(utc) {
    this.clock = new Clock(utc);
  }

  /**
   * What the chart needs of its time axis.
   * @returns {Formatters}
   */
  get formatters() {
    return {
      tickMarkFormatter: (time, type) =>
        this.isAtEdge(Number(time)) ? "" : this.clock.format(1000 * Number(time), formOf(type)),
      timeFormatter: (time) => this.clock.format(1000 * Number(time), "full"),
    };
  }

  /** Whether a label there would be cut by the axis's end. @param {number} seconds the chart's time */
  isAtEdge(seconds) {
    const time = this.#chart?.timeScale();
    const x = time?.timeToCoordinate(/** @type {Time} */ (seconds)) ?? null;
    return x !== null && time !== undefined && (x < EDGE_PX || x > time.width() - EDGE_PX);
  }

  /** @param {import("./chart-library.js").IChartApi} chart */
  attach(chart) {
    this.#chart = chart;
    // On a price scale of its own: it has no prices.
    this.#series = chart.addSeries(LineSeries, {
      lastValueVisible: false,
      priceLineVisible: false,
      crosshairMarkerVisible: false,
      priceScaleId: "grid",
    });
  }

  /** Columns of future there are. */
  get future() {
    return Math.max(LEAST_FUTURE, Math.round(this.#columns * FUTURE));
  }

  /**
   * @param {HistoryMatrix | null} matrix
   * @param {number} columns of the window
   */
  show(matrix, columns) {
    this.#matrix = matrix;
    this.#columns = columns;
    const times = [];
    if (matrix) {
      for (let c = matrix.first; c < matrix.end + this.future; c++) times.push({ time: this.secondsOf(c) });
    }
    this.#series?.setData(times);
  }

  /** The candles of the columns shown, gaps left out. */
  bars() {
    const matrix = this.#matrix;
    const bars = [];
    for (let c = matrix?.first ?? 0; matrix && c < matrix.end; c++) {
      const candle = matrix.candle(c);
      if (candle) bars.push({ time: this.secondsOf(c), ...candle });
    }
    return bars;
  }

  /** Goes on by one column. @param {number} column the newest */
  append(column) {
    this.#series?.update({ time: this.secondsOf(column + this.future - 1) });
  }

  /**
   * @param {number} column
   * @returns {import("./chart-library.js").UTCTimestamp} the chart's time of it
   */
  secondsOf(column) {
    const seconds = /** @type {HistoryMatrix} */ (this.#matrix).timeOf(column) / 1000;
    return /** @type {import("./chart-library.js").UTCTimestamp} */ (seconds);
  }
}

/**
 * @param {TickMarkType} type of tick mark
 * @returns {import("../data/format.js").TimeForm}
 */
function formOf(type) {
  switch (type) {
    case TickMarkType.Year:
      return "year";
    case TickMarkType.Month:
      return "month";
    case TickMarkType.DayOfMonth:
      return "day";
    case TickMarkType.TimeWithSeconds:
      return "second";
    default:
      return "minute";
  }
}
