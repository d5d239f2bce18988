// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { Market } from "../../web/js/data/market.js";
import { leadOf, verdict } from "../../web/js/panels/accuracy.js";

const HALF_HOUR = 1_800_000;

/**
 * @param {object} given
 * @param {[number, number, number]} given.map gain of the drawn map over the best rule, and its interval
 * @param {[number, number, number]} [given.bar] the same with the bar's own moves
 * @param {Record<string, number>} [given.rules]
 * @param {number} [given.drawn]
 * @returns {import("../../web/js/data/rest-client.js").Score}
 */
function score({ map, bar = map, rules = { uniform_range: 0.85, uniform: 0.8 }, drawn = 0.81 }) {
  const gain = (/** @type {[number, number, number]} */ [spearman, low, high]) => ({ spearman, ci: [low, high] });
  const weaker = (/** @type {[number, number, number]} */ [spearman]) => gain([spearman + 0.05, spearman + 0.01, spearman + 0.09]);
  return {
    exchange: "binance",
    from: "2026-01-01T00:00:00Z",
    to: "2026-03-01T00:00:00Z",
    n: 2797,
    interval: "1h",
    mean: {
      model: { spearman: 0.88, calibration: 1 },
      with_same_bar: { spearman: 0.87, gain_over_uniform_range: gain(bar), gain_over_uniform: weaker(bar) },
      drawn_map: { spearman: drawn, calibration: 0.76, gain_over_uniform_range: gain(map), gain_over_uniform: weaker(map) },
      baselines: Object.fromEntries(Object.entries(rules).map(([name, spearman]) => [name, { spearman }])),
    },
  };
}

test("the sentence is about the drawn map, by the interval of its lower gain", () => {
  const worse = score({ map: [-0.04, -0.05, -0.03], bar: [0.02, 0.01, 0.03] });
  assert.equal(
    verdict(worse),
    "Over 2,797 hours the drawn map ranks liquidations worse than the best simple rule (0.81 against 0.85); " +
      "with the bar's own moves it is better (0.87).",
  );
  // The gain over the weaker rule is certain in each of these: it must not decide.
  assert.match(verdict(score({ map: [-0.01, -0.02, 0.01] })), /liquidations no better than the best simple rule/);
  assert.match(verdict(score({ map: [0, 0, 0.01], drawn: 0.86 })), /liquidations no better than/);
  assert.match(verdict(score({ map: [0.02, 0.01, 0.03], drawn: 0.87 })), /liquidations better than the best simple rule \(0\.87 against 0\.85\)/);
});

test("a rule without an interval that ranks higher leaves nothing to be better than", () => {
  const rules = { uniform_range: 0.8, uniform: 0.7, extreme: 0.9 };
  assert.match(verdict(score({ map: [0.02, 0.01, 0.03], drawn: 0.82, rules })), /no better than the best simple rule \(0\.82 against 0\.90\)/);
});

test("figures that are missing are no verdict", () => {
  const given = score({ map: [0.02, 0.01, 0.03] });
  given.mean.drawn_map = { spearman: null };
  assert.match(verdict(given), /could not be compared/);
});

test("on its way, none, and not to be had are three different sentences", () => {
  const market = new Market("BTCUSDT");
  const totals = Array.from({ length: 283 }, (_, i) => ({ timestamp: i * HALF_HOUR, interval_ms: HALF_HOUR, long_usd: 1, short_usd: 2 }));
  assert.equal(leadOf(null, market), "Checking the map against recorded liquidations");
  assert.equal(leadOf({ none: "no bars" }, market), "Accuracy needs a liquidation feed; none for this market yet.");
  market.takeLiquidations({ data: [], totals }, { whole: true });
  assert.equal(leadOf(null, market), "Checking the map against 283 half-hours");
  market.takeLiquidations({ data: [], totals: totals.slice(0, 1) }, { whole: true });
  assert.equal(leadOf(null, market), "Checking the map against 1 half-hour");
  assert.equal(leadOf({ none: "too short a span" }, market), "Not checked yet: too short a span.");
  assert.equal(leadOf({ failed: "HTTP 503" }, market), "The accuracy could not be fetched: HTTP 503. Trying again.");
});

test("a market's liquidations are none only once they were loaded", () => {
  const market = new Market("BTCUSDT");
  assert.equal(market.liquidationsState, "loading");
  market.missLiquidations();
  assert.equal(market.liquidationsState, "failed");
  market.takeLiquidations({ data: [], totals: [] }, { whole: true });
  assert.equal(market.liquidationsState, "loaded");
  market.missLiquidations();
  assert.equal(market.liquidationsState, "loaded", "what is held is still right");
});
