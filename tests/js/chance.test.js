// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { chanceToReach, leading, openHorizons } from "../../web/js/data/chance.js";
import { chanceText } from "../../web/js/data/format.js";

const expected = { expected_usd: 1, quantiles_usd: null };

/** @param {number} until_ms */
function horizon(until_ms) {
  const reach = { log_distance: [0, 0.01, 0.02], chance: [0.9, 0.3, 0.1] };
  return { until_ms, long: expected, short: expected, reach, skill: { verdict: "" } };
}

/** @param {number[]} until of the half-hour, the hour and the four hours */
function forecast(until) {
  const horizons = Object.fromEntries(["30m", "1h", "4h"].map((key, at) => [key, horizon(until[at])]));
  return { time_ms: 0, exchanges: [], horizons };
}

test("a chance is read by log distance, the same above and below, straight between what is told", () => {
  const near = (/** @type {number} */ distance, /** @type {number} */ chance) => {
    for (const side of [-1, 1]) {
      const read = chanceToReach(horizon(1), 100 * Math.exp(side * distance), 100);
      assert.ok(Math.abs(Number(read) - chance) < 1e-9, `${distance}: ${read}`);
    }
  };
  near(0, 0.9);
  near(0.005, 0.6);
  near(0.01, 0.3);
  near(0.015, 0.2);
  near(0.0200001, 0);
});

test("where no table came with a forecast, or the price is none, no chance is told", () => {
  assert.equal(chanceToReach({ ...horizon(1), reach: undefined }, 100, 100), null);
  for (const price of [0, -1, NaN]) {
    assert.equal(chanceToReach(horizon(1), price, 100), null);
    assert.equal(chanceToReach(horizon(1), 100, price), null);
  }
});

test("the hour leads while its window lasts, then the shortest that is not over", () => {
  const names = (/** @type {number[]} */ until, now = 10) => {
    const open = openHorizons(forecast(until), now);
    return [leading(open)?.key, open.map(({ key }) => key).join()];
  };
  assert.deepEqual(names([11, 11, 11]), ["1h", "30m,1h,4h"]);
  assert.deepEqual(names([10, 11, 11]), ["1h", "1h,4h"]);
  assert.deepEqual(names([10, 10, 11]), ["4h", "4h"]);
  assert.deepEqual(names([10, 10, 10]), [undefined, ""]);
  assert.deepEqual(openHorizons(null, 10), []);
});

test("what is only unlikely is not called impossible, nor what is only likely certain", () => {
  assert.equal(chanceText(0.42), "42 %");
  assert.equal(chanceText(0.004), "< 1 %");
  assert.equal(chanceText(0), "< 1 %", "beyond the table, which ends where hardly anything is reached");
  assert.equal(chanceText(0.99), "99 %");
  assert.equal(chanceText(0.9951), "> 99 %");
});
