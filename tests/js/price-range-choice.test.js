// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { marketPatch, thresholdsOf } from "../../web/js/state/price-range-choice.js";
import { initialState } from "../../web/js/state/view-state.js";

test("each market keeps its own price range; a new one takes the mode, never another's dragged prices", () => {
  /** @type {import("../../web/js/state/view-state.js").ViewState} */
  const btc = { ...initialState(), symbol: "BTCUSDT", fit: "free", prices: [90_000, 95_000], times: [1, 2] };
  const toEth = marketPatch(btc, "ETHUSDT");
  assert.deepEqual(toEth, { symbol: "ETHUSDT", fit: "near", prices: [], times: [], at: null, low: null, high: null, if: null });
  const eth = /** @type {typeof btc} */ ({ ...btc, ...toEth, fit: "map" });
  assert.deepEqual(marketPatch(eth, "BTCUSDT"), { symbol: "BTCUSDT", fit: "free", prices: [90_000, 95_000], times: [], at: null, low: null, high: null, if: null });
  assert.equal(marketPatch({ ...eth, symbol: "BTCUSDT" }, "ETHUSDT").fit, "map");
});

test("a price asked about is a market's own, and there again on the way back", () => {
  const btc = { ...initialState(), symbol: "BTCUSDT", if: 103_500 };
  const eth = { ...btc, ...marketPatch(btc, "ETHUSDT") };
  assert.equal(eth.if, null);
  assert.equal(marketPatch(eth, "BTCUSDT").if, 103_500);
});

test("thresholds in USD are a market's own, also where several are in sight", () => {
  const sol = { ...initialState(), symbol: "SOLUSDT", low: 1_500_000, high: 2_000_000 };
  const xrp = { ...sol, ...marketPatch(sol, "XRPUSDT") };
  assert.deepEqual(thresholdsOf(xrp, { symbol: "XRPUSDT" }), { low: null, high: null });
  assert.deepEqual(thresholdsOf(xrp, { symbol: "SOLUSDT" }), { low: 1_500_000, high: 2_000_000 });
  const finer = thresholdsOf(xrp, { symbol: "SOLUSDT", levelShare: 0.1 });
  assert.deepEqual(finer, { low: 150_000, high: 200_000 }, "as much less as its levels are finer");
  const back = marketPatch({ ...xrp, low: 3000 }, "SOLUSDT");
  assert.deepEqual([back.low, back.high], [1_500_000, 2_000_000]);
});
