// @ts-check
/**
 * Which times and prices are in sight, said in UTC ms and USD, and how one moves among them.
 * @module
 */

import { FUTURE, LEAST_FUTURE } from "./time-grid.js";

/** @typedef {import("../data/matrix.js").Matrix} Matrix */

/** What was never recorded is left out of the whole window where it is more than this share of it. */
export const UNKNOWN = 0.15;
/** Of it, so much is shown beside what is known, as a share of that. */
const UNKNOWN_SHOWN = 0.08;
const LEAST_COLUMNS = 48;

export class Viewport {
  #chart;
  #matrix;
  #futureColumns;
  /** @type {{ from: number, to: number } | null} to show once there is room: of nothing, any share is nothing */
  #waiting = null;
  /** Called when one of these moves was the viewer's. */
  onGesture = () => {};

  /** @param {any} chart @param {() => Matrix | null | undefined} matrix what is shown @param {() => number} futureColumns */
  constructor(chart, matrix, futureColumns) {
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
    return Math.abs(range.from - wholeWindow(matrix).from) < 0.02 * (matrix.end - matrix.first) + 1 && this.following;
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
    const to = matrix.end - matrix.first - 0.5 + Math.min(this.#futureColumns(), (range.to - range.from) * FUTURE);
    this.#show(to - (range.to - range.from), to);
    this.onGesture();
  }

  /** The whole window in sight, or what there is of it. */
  fitTime() {
    const matrix = this.#matrix();
    if (!matrix) return;
    const { from, to } = wholeWindow(matrix);
    this.#show(from, Math.max(10, to + Math.min(this.#futureColumns(), Math.max(LEAST_FUTURE, Math.round((to - from) * FUTURE)))));
  }

  /** @returns {number[]} UTC ms of the left and right end */
  times() {
    const range = this.#range;
    const matrix = this.#matrix();
    if (!range || !matrix) return [];
    return [range.from, range.to].map((index) => matrix.timeOf(matrix.first + index));
  }

  /** @param {number[]} times UTC ms */
  showTimes([from, to]) {
    const matrix = this.#matrix();
    if (!matrix) return;
    const index = (/** @type {number} */ ms) => (ms - matrix.t0) / matrix.intervalMs - matrix.first;
    this.#show(index(from), index(to));
  }

  /** Stays where it is while the oldest columns are let go. @param {number} gone columns @param {() => void} replace puts in what is left */
  keepThrough(gone, replace) {
    const range = this.#range;
    replace();
    if (range) this.#show(range.from - gone, range.to - gone);
  }

  /** @returns {number[]} lowest and highest price in sight */
  prices() {
    const range = this.#prices.getVisibleRange();
    return range ? [range.from, range.to] : [];
  }

  /** @param {number[]} prices lowest and highest */
  showPrices([from, to]) {
    this.#prices.setVisibleRange({ from, to });
  }

  /** Lets the price range follow what is in sight. */
  freePrices() {
    this.#prices.setAutoScale(true);
  }

  /** Moves by a share of what is in sight: sideways in time, upwards in price. @param {number} across @param {number} up */
  pan(across, up) {
    const range = this.#range;
    if (range && across) {
      const by = (range.to - range.from) * across;
      this.#show(range.from + by, range.to + by);
    }
    const [low, high] = this.prices();
    if (up && high) this.showPrices([low + (high - low) * up, high + (high - low) * up]);
    this.onGesture();
  }

  /** Around the newest column, or the middle once scrolled back. @param {number} factor below 1 zooms in */
  zoomTime(factor) {
    const range = this.#range;
    if (!range) return;
    const anchor = this.following ? range.to : (range.from + range.to) / 2;
    this.#show(anchor - (anchor - range.from) * factor, anchor + (range.to - anchor) * factor);
    this.onGesture();
  }

  /** @param {number} factor below 1 zooms in @param {number} [around] USD */
  zoomPrice(factor, around) {
    const [low, high] = this.prices();
    if (!high) return;
    const middle = around ?? (low + high) / 2;
    this.showPrices([middle - (middle - low) * factor, middle + (high - middle) * factor]);
    this.onGesture();
  }

  /** Brings a price into sight. @param {number} price */
  showPrice(price) {
    const [low, high] = this.prices();
    if (!high || (price > low && price < high)) return;
    const margin = (high - low) * 0.08;
    this.showPrices([Math.min(low, price - margin), Math.max(high, price + margin)]);
    this.onGesture();
  }

  /** @returns {{ from: number, to: number } | null} columns, counted from the first one held */
  get #range() {
    return this.#waiting ?? this.#chart.timeScale().getVisibleLogicalRange();
  }

  /** @param {number} from @param {number} to */
  #show(from, to) {
    const time = this.#chart.timeScale();
    this.#waiting = time.width() > 0 ? null : { from, to };
    if (!this.#waiting) time.setVisibleLogicalRange({ from, to });
  }

  get #prices() {
    return this.#chart.priceScale("right");
  }
}

/** The edges of the whole window, without its future, in columns from the first one held. @param {Matrix} matrix */
function wholeWindow(matrix) {
  const columns = matrix.end - matrix.first;
  const known = matrix.end - matrix.firstKnown;
  const shown = !known || known > (1 - UNKNOWN) * columns ? columns : Math.min(columns, Math.max(LEAST_COLUMNS, known * (1 + UNKNOWN_SHOWN)));
  return { from: columns - shown - 0.5, to: columns - 0.5 };
}
