// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { LiquidationBars } from "../../web/js/chart/context-series.js";
import { countdown } from "../../web/js/panels/context-strip.js";

test("a countdown has hours, minutes and seconds, and ends at nothing", () => {
  assert.equal(countdown(8 * 3_600_000), "8:00:00");
  assert.equal(countdown(3_723_400), "1:02:04");
  assert.equal(countdown(-5), "0:00:00");
});

test("bars are of the columns that the map holds, and coarser totals are as wide as they are long", () => {
  const matrix = /** @type {any} */ ({
    intervalMs: 1000,
    first: 2,
    columnAt: (/** @type {number} */ ms) => Math.floor(ms / 1000),
    holds: (/** @type {number} */ column) => column >= 2 && column < 9,
  });
  const bars = new LiquidationBars();
  bars.show(matrix, { interval_ms: 2000, timestamp: [1000, 2000, 4000, 9000], long_usd: [9, 1, 0, 9], short_usd: [9, 2, 5, 9] });
  assert.deepEqual([1, 2, 3, 4, 9].map((column) => bars.inColumn(column)), [[0, 0], [1, 2], [0, 0], [0, 5], [0, 0]]);
  assert.equal(bars.highest, 5);
  assert.equal(bars.width, 2);
  bars.show(null, null);
  assert.equal(bars.highest, 0);
});
