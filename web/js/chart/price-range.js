// @ts-check
/**
 * The price range the axis takes by itself: around the price, the candles, or the whole map.
 * @module
 */

/** @typedef {import("../data/market.js").Market} Market */

/** Share of the live grid's half range that "near" shows around the price. */
const NEAR = 0.42;
/** Of windows as long as this; shorter ones look less far. */
const FULL_REACH_MS = 12 * 3_600_000;

/**
 * @param {"near" | "candles" | "map" | "free"} fit
 * @param {Market | null} market
 * @param {import("./chart-library.js").AutoscaleInfo | null} candles what the chart would take for the
 * candles in sight
 * @returns {import("./chart-library.js").AutoscaleInfo | null}
 */
export function fittedRange(fit, market, candles) {
  const matrix = market?.matrix;
  if (!matrix || fit === "candles") return candles;
  const { bottom, top } = market.whole ?? matrix;
  if (fit === "map") return { priceRange: { minValue: bottom, maxValue: top } };
  const price = market.now?.price ?? matrix.candle(matrix.end - 1)?.close;
  if (!price) return candles;
  const range = candles?.priceRange;
  const reach = reachOf(market, price, (matrix.end - matrix.first) * matrix.intervalMs);
  return {
    priceRange: {
      minValue: Math.min(range?.minValue ?? price, price * (1 - reach)),
      maxValue: Math.max(range?.maxValue ?? price, price * (1 + reach)),
    },
  };
}

/**
 * How far around the price "near" looks; the live grid's width follows volatility.
 * @param {Market} market
 * @param {number} price
 * @param {number} spanMs of the window: in a few hours the price goes less far
 */
function reachOf({ now }, price, spanMs) {
  const half = now ? (now.grid.step * now.grid.long.length) / 2 / price : 0.1;
  const share = Math.min(1, Math.sqrt(spanMs / FULL_REACH_MS));
  // In steps of 1 %, or the axis would breathe with every tick.
  return Math.max(0.01, Math.round(NEAR * half * share * 100) / 100);
}
