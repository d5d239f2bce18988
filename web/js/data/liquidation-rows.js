// @ts-check
/**
 * Liquidations as the server's responses have them, made into those that the page keeps.
 * @module
 */

/** What two rows of the same liquidation share. @param {import("./market.js").Liquidation} l */
export function keyOf(l) {
  return `${l.timeMs}|${l.exchange}|${l.side}|${l.price}|${l.usd}`;
}

/**
 * @param {import("./rest-client.js").RawLiquidation} raw
 * @returns {import("./market.js").Liquidation}
 */
export function toLiquidation(raw) {
  return {
    timeMs: raw.timestamp,
    exchange: String(raw.exchange),
    side: raw.side === "long" ? "long" : "short",
    price: raw.price,
    usd: raw.notional_usd,
  };
}

/**
 * @param {import("./rest-client.js").RawLiquidationTotal} raw
 * @returns {import("./market.js").LiquidationTotal}
 */
export function toTotal(raw) {
  return {
    timeMs: raw.timestamp,
    intervalMs: raw.interval_ms,
    longUsd: raw.long_usd,
    shortUsd: raw.short_usd,
  };
}
