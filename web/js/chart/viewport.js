// @ts-check
/**
 * Which times (UTC ms) and prices (USD) are in sight; pan and zoom.
 * @module
 */

import { FUTURE, LEAST_FUTURE } from "./time-axis.js";

/** @typedef {import("../data/history-matrix.js").HistoryMatrix} HistoryMatrix */

/** What was never recorded is left out of the whole window where it is more than this share of it. */
export const UNKNOWN = 0.15;
/** Of it, so much is shown beside what is known, as a share of that. */
const UNKNOWN_SHOWN = 0.08;
const LEAST_COLUMNS = 12;
/** Columns in sight at least. */
const LEAST_SHOWN = 2;
/** The chart's range is of the middles of the bars at its ends: it shows half a bar more on both sides. */
const HALF = 0.5;

export class Viewport {
  #chart;
  #matrix;
  #futureColumns;
  /**
   * @type {{ from: number, to: number } | null} what the chart does not show yet: it takes a range over in
   * its next frame, and once there is room: of nothing, any share is nothing
   */
  #waiting = null;
  #frame = 0;
  #onGesture;

  /**
   * @param {import("./chart-library.js").IChartApi} chart
   * @param {() => HistoryMatrix | null | undefined} matrix what is shown
   * @param {() => number} futureColumns
   * @param {() => void} onGesture called when one of these moves was the viewer's
   */
  constructor(chart, matrix, futureColumns, onGesture) {
    this.#onGesture = onGesture;
    this.#chart = chart;
    this.#matrix = matrix;
    this.#futureColumns = futureColumns;
    chart.timeScale().subscribeSizeChange(() => {
      if (this.#waiting) this.#show(this.#waiting.from, this.#waiting.to);
    });
  }

  /** Whether newest columns are in sight, so that the view goes along with them. */
  get following() {
    const range = this.#range;
    const matrix = this.#matrix();
    return !range || !matrix || range.to >= matrix.end - matrix.first - 1.5;
  }

  /** Whether it is what `fitTime` would show. */
  get isWhole() {
    const range = this.#range;
    const matrix = this.#matrix();
    if (!range || !matrix) return true;
    return (
      Math.abs(range.from - wholeWindow(matrix).from) < 0.02 * (matrix.end - matrix.first) + 1 &&
      this.following
    );
  }

  /** Whether the price range was chosen by hand. */
  get isFree() {
    return !this.#prices.options().autoScale;
  }

  /** The newest columns at the right, at the zoom there is. */
  goLive() {
    const range = this.#range;
    const matrix = this.#matrix();
    if (!range || !matrix) return;
    this.#showNewest(range.to - range.from);
    this.#onGesture();
  }

  /** The whole window in sight, or what there is of it. */
  fitTime() {
    const matrix = this.#matrix();
    if (!matrix) return;
    const { from, to } = wholeWindow(matrix);
    this.#show(
      from,
      to + Math.min(this.#futureColumns(), Math.max(LEAST_FUTURE, Math.round((to - from) * FUTURE))),
    );
  }

  /**
   * The newest columns at the right, as much of them as between these times.
   * @param {number[]} times UTC ms
   */
  followTimes([from, to]) {
    const matrix = this.#matrix();
    if (matrix) this.#showNewest((to - from) / matrix.intervalMs);
  }

  /** @param {number} width columns; the whole window is shown where they are more than that */
  #showNewest(width) {
    const matrix = /** @type {HistoryMatrix} */ (this.#matrix());
    const columns = matrix.end - matrix.first;
    const to = columns - 0.5 + Math.min(this.#futureColumns(), width * FUTURE);
    if (to - width <= wholeWindow(matrix).from) this.fitTime();
    else this.#show(to - width, to);
  }

  /** @returns {number[]} UTC ms of the left and right end */
  times() {
    const range = this.#range;
    const matrix = this.#matrix();
    if (!range || !matrix) return [];
    return [range.from, range.to].map((index) => matrix.timeOf(matrix.first + index));
  }

  /** @param {number[]} times UTC ms */
  showTimes(times) {
    const matrix = this.#matrix();
    if (matrix) this.#show(...this.#columnsOf(matrix, times));
  }

  /**
   * @param {number[]} times UTC ms
   * @returns {boolean} whether any column, or the time to come, lies between them
   */
  reaches(times) {
    const matrix = this.#matrix();
    if (!matrix) return false;
    const [from, to] = this.#columnsOf(matrix, times);
    return to > -HALF && from < matrix.end - matrix.first + this.#futureColumns();
  }

  /**
   * @param {HistoryMatrix} matrix
   * @param {number[]} times UTC ms
   * @returns {[number, number]} in columns from the first one held
   */
  #columnsOf(matrix, [from, to]) {
    const index = (/** @type {number} */ ms) => (ms - matrix.t0) / matrix.intervalMs - matrix.first;
    return [index(from), index(to)];
  }

  /**
   * Stays where it is while the oldest columns are let go.
   * @param {number} gone columns
   * @param {() => void} replace puts in what is left
   */
  keepThrough(gone, replace) {
    const range = this.#range;
    replace();
    if (range) this.#show(range.from - gone, range.to - gone);
  }

  /** @returns {number[]} lowest and highest price in sight; empty: not known yet */
  prices() {
    try {
      const range = this.#prices.getVisibleRange();
      return range ? [range.from, range.to] : [];
    } catch {
      return []; // of a chart that has just been filled, the library throws until its first frame
    }
  }

  /** @param {number[]} prices lowest and highest */
  showPrices([from, to]) {
    this.#prices.setVisibleRange({ from, to });
  }

  /** Lets the price range follow what is in sight. */
  freePrices() {
    this.#prices.setAutoScale(true);
  }

  /**
   * Moves by a share of what is in sight: sideways in time, upwards in price.
   * @param {number} across
   * @param {number} up
   */
  pan(across, up) {
    const range = this.#range;
    if (range && across) {
      const by = (range.to - range.from) * across;
      this.#show(range.from + by, range.to + by);
    }
    const [low, high] = this.prices();
    if (up && high) this.showPrices([low + (high - low) * up, high + (high - low) * up]);
    this.#onGesture();
  }

  /** Around the newest column, or the middle once scrolled back. @param {number} factor below 1 zooms in */
  zoomTime(factor) {
    const range = this.#range;
    if (!range) return;
    const anchor = this.following ? range.to : (range.from + range.to) / 2;
    this.#show(anchor - (anchor - range.from) * factor, anchor + (range.to - anchor) * factor);
    this.#onGesture();
  }

  /**
   * @param {number} factor below 1 zooms in
   * @param {number} [around] USD
   */
  zoomPrice(factor, around) {
    const [low, high] = this.prices();
    if (!high) return;
    const middle = around ?? (low + high) / 2;
    this.showPrices([middle - (middle - low) * factor, middle + (high - middle) * factor]);
    this.#onGesture();
  }

  /**
   * What the range in sight is in the state.
   * @param {import("../state/view-state.js").ViewState["fit"]} fit of the state
   * @returns {import("../state/view-state.js").Patch}
   */
  patch(fit) {
    const times = this.isWhole ? [] : this.times().map(Math.round);
    if (this.isFree) return { times, fit: "free", prices: this.prices() };
    return fit === "free" ? { times, fit: "near", prices: [] } : { times };
  }

  /** Brings a price into sight. @param {number} price */
  showPrice(price) {
    const [low, high] = this.prices();
    if (!high || (price > low && price < high)) return;
    const margin = (high - low) * 0.08;
    this.showPrices([Math.min(low, price - margin), Math.max(high, price + margin)]);
    this.#onGesture();
  }

  /**
   * @returns {{ from: number, to: number } | null} the edges of what is in sight, in columns from the first
   * one held, whose left edge is at -.5
   */
  get #range() {
    if (this.#waiting) return this.#waiting;
    const range = this.#chart.timeScale().getVisibleLogicalRange();
    return range && { from: range.from - HALF, to: range.to + HALF };
  }

  /**
   * @param {number} from
   * @param {number} to
   */
  #show(from, to) {
    const time = this.#chart.timeScale();
    // Of less than a column the library shows nothing, and throws.
    const wider = Math.max(0, LEAST_SHOWN - (to - from)) / 2;
    [from, to] = [from - wider, to + wider];
    this.#waiting = { from, to };
    cancelAnimationFrame(this.#frame);
    if (time.width() <= 0) return;
    time.setVisibleLogicalRange({ from: from + HALF, to: to - HALF });
    this.#frame = requestAnimationFrame(() => (this.#waiting = null)); // comes after the chart's own
  }

  get #prices() {
    return this.#chart.priceScale("right");
  }
}

/**
 * The edges of the whole window, without its future, in columns from the first one held.
 * @param {HistoryMatrix} matrix
 */
function wholeWindow(matrix) {
  const columns = matrix.end - matrix.first;
  const known = matrix.end - matrix.firstKnown;
  const shown =
    !known || known > (1 - UNKNOWN) * columns
      ? columns
      : Math.min(columns, Math.max(LEAST_COLUMNS, known * (1 + UNKNOWN_SHOWN)));
  return { from: columns - shown - 0.5, to: columns - 0.5 };
}
