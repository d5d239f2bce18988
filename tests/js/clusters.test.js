// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { readFileSync } from "node:fs";
import {
  excess,
  findClusters,
  imbalance,
  nextBig,
  quantisedExcess,
  sumToPrice,
} from "../../web/js/data/clusters.js";
import { DEQUANTISED, quantise } from "../../web/js/data/quantise.js";
import { random } from "./lqh1.js";

const grid = { p0: 100, step: 0.5 };

test("the excess is what exceeds the mean over 2 % of price to either side", () => {
  const next = random(3);
  const usd = Float64Array.from({ length: 60 }, () => next() * 1e6);
  const over = excess(usd, grid);
  for (let r = 0; r < usd.length; r++) {
    const reach = Math.max(1, Math.round(((grid.p0 + r * grid.step) * 0.02) / grid.step));
    const near = usd.slice(Math.max(0, r - reach), r + reach + 1);
    const mean = near.reduce((a, b) => a + b, 0) / near.length;
    assert.ok(Math.abs(over[r] - Math.max(0, usd[r] - mean)) < 1e-6);
  }
});

test("an even glow has no clusters at all", () => {
  assert.deepEqual([...excess(new Float64Array(40).fill(5e6), grid)], new Array(40).fill(0));
});

test("a column of quantised values keeps the side asked for", () => {
  const long = new Uint16Array(40);
  const short = new Uint16Array(40);
  long[10] = short[30] = quantise(1e6);
  const out = new Uint16Array(40);
  quantisedExcess(long, short, grid, "long", out);
  assert.ok(DEQUANTISED[out[10]] > 8e5);
  assert.equal(out[30], 0);
  quantisedExcess(long, short, grid, "both", out);
  assert.ok(out[10] > 0 && out[30] > 0);
});

test("clusters are found with their edges and sums, largest first, and shoulders are none of their own", () => {
  const usd = new Float64Array(100).fill(1000);
  usd.set([4e5, 9e5, 1e6, 8e5, 3e5], 20);
  usd.set([2e6], 70);
  const found = findClusters("short", usd, grid, excess(usd, grid));
  assert.equal(found.length, 2);
  const [broad, narrow] = found;
  assert.equal(broad.price, 100 + 22 * 0.5);
  assert.ok(broad.low < broad.price && broad.high > broad.price);
  assert.ok(broad.usd >= 2.7e6 && broad.usd <= 3.4e6 + 1000);
  assert.equal(narrow.price, 100 + 70 * 0.5);
  assert.equal(narrow.usd, 2e6);
});

test("where nothing stands there is no cluster", () => {
  assert.deepEqual(findClusters("long", new Float64Array(20), grid, new Float64Array(20)), []);
});

for (const c of JSON.parse(readFileSync(new URL("../cluster_cases.json", import.meta.url), "utf8"))) {
  test(`shared case: ${c.name}`, () => {
    const { p0, step, long, short, price } = c;
    const both = Float64Array.from(long, (usd, i) => usd + short[i]);
    const over = excess(both, { p0, step });
    over.forEach((usd, r) => assert.ok(Math.abs(usd - c.excess[r]) < 2e-3));
    for (const side of /** @type {const} */ (["long", "short"])) {
      const found = findClusters(side, c[side], { p0, step }, over);
      assert.deepEqual(found, c.clusters[side]);
      const next = nextBig(found, price)?.price ?? null;
      assert.equal(next, c.next[side === "short" ? "above" : "below"]);
    }
    const levels = { p0, step, long, short };
    for (const [within, value] of Object.entries(c.imbalance)) {
      assert.equal(imbalance(levels, price, Number(within)), value);
    }
    for (const [to, usd, isBeyond] of c.sums) assert.deepEqual(sumToPrice(levels, price, to), { usd, isBeyond });
  });
}
