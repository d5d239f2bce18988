// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { ColourRange } from "../../web/js/chart/colour-range.js";
import { DEQUANTISED, INDEX_COUNT, quantise } from "../../web/js/data/quantise.js";

/** @param {{ low?: number | null, high?: number | null }} given */
function rangeOf({ low = null, high = null }) {
  const range = new ColourRange(() => {}, () => true);
  range.set({ palette: "viridis", scale: "sqrt", low, high, lock: false, light: false, grey: false });
  const counts = new Uint32Array(INDEX_COUNT);
  counts[quantise(1_000_000)] = 100;
  range.observe(counts);
  return range;
}

/** Whether a level of that size is drawn. @param {ColourRange} range @param {number} usd */
const drawn = (range, usd) => range.table[quantise(usd)] >>> 24 > 0;

test("by default what is less than a tenth of full colour is not drawn", () => {
  const range = rangeOf({});
  assert.equal(range.high, DEQUANTISED[quantise(1_000_000)]);
  assert.ok(Math.abs(range.low / range.high - 0.1) < 1e-9);
  assert.ok(!drawn(range, 90_000) && drawn(range, 110_000));
});

test("it is a tenth of where the viewer sets full colour", () => {
  const range = rangeOf({ high: 5_000_000 });
  assert.ok(!drawn(range, 450_000) && drawn(range, 550_000));
});

test("a low cut of 0 is none, and another is what it says", () => {
  assert.ok(drawn(rangeOf({ low: 0 }), 1000));
  const range = rangeOf({ low: 400_000 });
  assert.ok(!drawn(range, 390_000) && drawn(range, 420_000));
});
