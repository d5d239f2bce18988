// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { Market } from "../../web/js/data/market.js";
import { realised } from "../../web/js/panels/side-panel.js";

const HOUR = 3_600_000;
const T0 = 480_000 * HOUR;

/**
 * @param {number} timeMs
 * @param {number} usd
 */
const event = (timeMs, usd) => ({ timestamp: timeMs, exchange: "binance", side: "long", price: 100, notional_usd: usd });
/**
 * @param {number} timeMs
 * @param {number} intervalMs
 * @param {number} usd
 */
const total = (timeMs, intervalMs, usd) => ({ timestamp: timeMs, interval_ms: intervalMs, long_usd: usd, short_usd: 0 });

/** @param {any} response */
function marketWith(response) {
  const market = new Market("BTCUSDT");
  market.takeLiquidations({ data: [], totals: [], ...response }, { whole: true });
  return market;
}

test("a span of whole intervals is the sum of their totals, which are more complete than the events", () => {
  const market = marketWith({ data: [event(T0 + 1, 5)], totals: [total(T0 - HOUR, HOUR, 9), total(T0, HOUR, 20), total(T0 + HOUR, HOUR, 3)] });
  assert.deepEqual(realised(market, T0), { long: 23, short: 0 });
});

test("of the interval that a span begins in, only the events since then count", () => {
  const market = marketWith({ data: [event(T0 + HOUR, 7), event(T0 + 11 * HOUR, 2)], totals: [total(T0, 12 * HOUR, 100)] });
  assert.deepEqual(realised(market, T0 + 10 * HOUR), { long: 2, short: 0 });
});

test("events without totals are counted too, and loading again changes nothing", () => {
  const response = { data: [event(T0 + 1, 5), event(T0 + 2, 6)], totals: [] };
  const market = marketWith(response);
  market.takeLiquidations(response, { whole: false });
  assert.deepEqual(realised(market, T0), { long: 11, short: 0 });
});
