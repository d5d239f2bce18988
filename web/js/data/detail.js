// @ts-check
/**
 * How fine a history has to be: where few of its rows are in sight, a part of it is requested with finer
 * ones, down to the model's own.
 * @module
 */

/** Fewer rows in sight than this are too coarse. */
export const LEAST_ROWS = 40;
/** The model's bins, as a share of the price: 2 basis points. */
const FINEST = Math.log(10) / 11513;
/** Rows in sight of a part that is fetched: as many times too coarse ones, at least. */
const FINER = 1.6;
/** It reaches beyond the prices in sight by as much again, at least by this share: clusters need it. */
const MARGIN = 0.025;

/** @typedef {{ step: number, low: number, high: number }} Detail price step and range, USD */
/** @typedef {{ step: number, bottom: number, top: number }} Rows of a history of all prices, USD */

/**
 * The part that is to be fetched for the prices in sight; null: all prices as they are serve.
 * @param {number[]} prices lowest and highest in sight; empty: not known, and what is held is kept
 * @param {Rows} whole
 * @param {Detail | null} held what is shown now; kept while it serves
 * @returns {Detail | null}
 */
export function detailFor(prices, whole, held) {
  if (prices.length !== 2) return held;
  const [low, high] = [Math.max(prices[0], whole.bottom), Math.min(prices[1], whole.top)];
  const span = high - low;
  if (!(span > 0) || low <= 0 || span / whole.step >= LEAST_ROWS) return null;
  const finest = FINEST * low;
  if (held && held.low <= low && held.high >= high) {
    const rows = span / held.step;
    if (rows < 6 * LEAST_ROWS && (rows >= LEAST_ROWS || held.step <= 1.01 * finest)) return held;
  }
  const step = Math.max(finest, niceBelow(span / (FINER * LEAST_ROWS)));
  if (step > 0.9 * whole.step) return null;
  const margin = Math.max(span, MARGIN * high);
  // On a coarse grid of its own: the axis moves a little with every tick.
  const grain = niceBelow(margin / 4);
  const [bottom, top] = [Math.floor((low - margin) / grain), Math.ceil((high + margin) / grain)];
  return { step, low: Math.max(bottom * grain, step), high: top * grain };
}

/**
 * The largest of 1, 2, 5 times a power of ten that is not above a number.
 * @param {number} most
 */
function niceBelow(most) {
  const decade = 10 ** Math.floor(Math.log10(most));
  const mantissa = [5, 2, 1].find((each) => each * decade <= most) ?? 1;
  return mantissa * decade;
}

/**
 * What a request says of it.
 * @param {Detail | null} detail
 * @returns {Record<string, string>}
 */
export function detailParam(detail) {
  if (!detail) return {};
  const { step, low, high } = detail;
  const [size, least, most] = [step, low, high].map((usd) => String(Number(usd.toPrecision(9))));
  return { price_bin_size: size, min_price: least, max_price: most };
}

/**
 * Chooses another part for a market, once it was wanted twice in a row: a gesture is not followed step by
 * step.
 * @param {import("./market-requests.js").LoadedMarket} entry
 * @param {number[]} prices lowest and highest in sight; empty: not known
 * @returns {boolean} whether it is to be loaded
 */
export function refine(entry, prices) {
  const { market, detail, wanted: before } = entry;
  // Measured positions are of one grid.
  if (!market.whole || market.chosen.some((name) => name.endsWith("-measured"))) return false;
  entry.wanted = detailFor(prices, market.whole, detail);
  if (entry.wanted === detail || JSON.stringify(entry.wanted) !== JSON.stringify(before)) return false;
  entry.detail = entry.wanted;
  return true;
}
