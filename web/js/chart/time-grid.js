// @ts-check
/**
 * The chart's time axis as columns of the matrix: a hidden series holds every column's time, also of gaps
 * and of the future, so that the chart's logical indices are columns (less the first one held) and nothing
 * can shift. The chart knows no time zones: it is given local times as if they were UTC.
 * @module
 */

import { LineSeries, TickMarkType } from "./lwc.js";
import { Clock } from "../data/format.js";

/** @typedef {import("../data/matrix.js").Matrix} Matrix */

/** Columns of future, as a share of the window: room for today's bands to reach into. */
export const FUTURE = 0.07;
export const LEAST_FUTURE = 6;

export class TimeGrid {
  /** @type {Matrix | null} */
  #matrix = null;
  #columns = 0;
  #offsetS = 0;
  /** @type {any} */
  #series = null;
  clock;

  /** @param {boolean} utc */
  constructor(utc) {
    this.clock = new Clock(utc);
  }

  /** What the chart asks of its time axis. @returns {{ tickMarkFormatter: any, timeFormatter: any }} */
  get formatters() {
    return {
      tickMarkFormatter: (/** @type {any} */ time, /** @type {any} */ type) => this.clock.format(this.#ms(time), formOf(type)),
      timeFormatter: (/** @type {any} */ time) => this.clock.format(this.#ms(time), "full"),
    };
  }

  /** @param {any} chart */
  attach(chart) {
    // On a price scale of its own: it has no prices.
    this.#series = chart.addSeries(LineSeries, { lastValueVisible: false, priceLineVisible: false, crosshairMarkerVisible: false, priceScaleId: "grid" });
  }

  /** Columns of future there are. */
  get future() {
    return Math.max(LEAST_FUTURE, Math.round(this.#columns * FUTURE));
  }

  /** @param {Matrix | null} matrix @param {number} columns of the window */
  show(matrix, columns) {
    this.#matrix = matrix;
    this.#columns = columns;
    const times = [];
    if (matrix) {
      this.#offsetS = this.clock.offsetMs(matrix.timeOf(matrix.end)) / 1000;
      for (let c = matrix.first; c < matrix.end + this.future; c++) times.push({ time: this.secondsOf(c) });
    }
    this.#series.setData(times);
  }

  /** Goes on by one column. @param {number} column the newest */
  append(column) {
    this.#series.update({ time: this.secondsOf(column + this.future - 1) });
  }

  /** @param {number} column @returns {any} the chart's time of it */
  secondsOf(column) {
    return /** @type {Matrix} */ (this.#matrix).timeOf(column) / 1000 + this.#offsetS;
  }

  /** @param {any} time of the chart @returns {number} UTC ms */
  #ms(time) {
    return (time - this.#offsetS) * 1000;
  }
}

/** @param {any} type of tick mark @returns {import("../data/format.js").TimeForm} */
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
