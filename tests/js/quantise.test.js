// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { DEQUANTISED, INDEX_COUNT, quantise } from "../../web/js/data/quantise.js";

test("the quantised values are the server's: nothing, 500 USD, then steps of 2 % in whole USD", () => {
  assert.deepEqual([...DEQUANTISED.slice(0, 5)], [0, 500, 510, 520, 531]);
  assert.equal(DEQUANTISED[1000], Math.round(500 * 1.02 ** 999));
});

test("every quantised value is its own nearest", () => {
  for (let index = 0; index < INDEX_COUNT - 1; index++) assert.equal(quantise(DEQUANTISED[index]), index);
});

test("what is below the floor is nothing, and anything else is at most half a step off", () => {
  assert.equal(quantise(499), 0);
  for (let usd = 500; usd < 1e11; usd *= 1.0071) {
    assert.ok(Math.abs(DEQUANTISED[quantise(usd)] / usd - 1) < 0.0112, String(usd));
  }
});

test("whatever is beyond the last quantised value is that one, never nothing", () => {
  for (const usd of [1e13, 1e38, 1e300, Infinity]) assert.equal(quantise(usd), INDEX_COUNT - 1, String(usd));
});
