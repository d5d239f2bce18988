// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { HistoryMatrix } from "../../web/js/data/history-matrix.js";
import { DEQUANTISED, quantise } from "../../web/js/data/quantise.js";
import { liquidatedIn, SweptBands } from "../../web/js/data/swept.js";

const MINUTE = 60_000;
const ROWS = 200;

/** 1,000 to 1,199 USD in steps of one; shorts of 1M at 1,150 to 1,152, a little everywhere above the price. */
function matrixOf(/** @type {number[]} */ highs) {
  const columns = highs.length;
  const [long, short] = [new Uint16Array(ROWS * columns), new Uint16Array(ROWS * columns)];
  let swept = 1100;
  highs.forEach((high, c) => {
    swept = Math.max(swept, high);
    for (let r = 0; r < ROWS; r++) {
      const price = 1000 + r;
      if (price <= swept) continue;
      short[c * ROWS + r] = quantise(price >= 1150 && price <= 1152 ? 1e6 : 1e4);
    }
  });
  const flat = (/** @type {(high: number) => number} */ of) => Float64Array.from(highs, of);
  const candles = { open: flat(() => 1100), high: flat((h) => h), low: flat(() => 1099), close: flat(() => 1100) };
  const header = /** @type {any} */ ({ interval_ms: MINUTE, t0: 0, columns, rows: ROWS, p0: 1000, step: 1 });
  return new HistoryMatrix({ header, long, short, candles });
}

test("a cluster is swept once the price is through it, also in steps, and what stood before it entered was expected", () => {
  for (const highs of [[1100, 1100, 1160, 1100, 1100], [1100, 1100, 1150, 1151, 1160, 1100, 1100]]) {
    const [band, ...others] = new SweptBands(matrixOf(highs)).find();
    assert.equal(others.length, 0);
    assert.deepEqual([band.side, band.low, band.high], ["short", 1149.5, 1152.5]);
    assert.equal(band.usd, 3 * DEQUANTISED[quantise(1e6)]);
    assert.equal(band.fromMs, 2 * MINUTE);
    assert.ok(band.toMs > band.fromMs);
  }
});

test("what the price did not go through, or only the forming column did, is not swept", () => {
  assert.deepEqual(new SweptBands(matrixOf([1100, 1100, 1149, 1100, 1100])).find(), []);
  assert.deepEqual(new SweptBands(matrixOf([1100, 1100, 1150, 1150, 1150])).find(), []);
  const matrix = matrixOf([1100, 1100, 1100, 1160]);
  const bands = new SweptBands(matrix);
  assert.deepEqual(bands.find(), []);
  matrix.extendTo(4, 5);
  assert.equal(bands.find().length, 1);
  assert.equal(bands.find().length, 1, "once");
});

test("what came is of the side, the time and the prices of the band; of totals alone there is no figure", () => {
  /** @type {import("../../web/js/data/swept.js").SweptBand} */
  const band = { side: "short", low: 1149.5, high: 1152.5, usd: 3e6, fromMs: 120_000, toMs: 180_000 };
  const event = (/** @type {object} */ part) => ({ timeMs: 130_000, exchange: "x", side: /** @type {"short"} */ ("short"), price: 1151, usd: 7, ...part });
  const first = event({ timeMs: 0 });
  assert.equal(liquidatedIn(band, [], 1), null);
  assert.equal(liquidatedIn(band, [event({})], 1), null, "nobody knows what came before the first");
  const others = [event({ side: "long" }), event({ price: 1155 }), event({ timeMs: 180_000 })];
  assert.equal(liquidatedIn(band, [first, event({}), event({ price: 1149.2 }), ...others], 1), 14);
  assert.equal(liquidatedIn(band, [first], 1), 0);
});
