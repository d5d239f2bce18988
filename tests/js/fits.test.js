// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { marketPatch } from "../../web/js/state/fits.js";
import { initialState } from "../../web/js/state/store.js";

test("each market keeps its own price range; a new one takes the mode, never another's dragged prices", () => {
  /** @type {import("../../web/js/state/store.js").ViewState} */
  const btc = { ...initialState(), symbol: "BTCUSDT", fit: "free", prices: [90_000, 95_000], times: [1, 2] };
  const toEth = marketPatch(btc, "ETHUSDT");
  assert.deepEqual(toEth, { symbol: "ETHUSDT", fit: "near", prices: [], times: [] });
  const eth = /** @type {typeof btc} */ ({ ...btc, ...toEth, fit: "map" });
  assert.deepEqual(marketPatch(eth, "BTCUSDT"), { symbol: "BTCUSDT", fit: "free", prices: [90_000, 95_000], times: [] });
  assert.equal(marketPatch({ ...eth, symbol: "BTCUSDT" }, "ETHUSDT").fit, "map");
});
