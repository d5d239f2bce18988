// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeHistory } from "../../web/js/data/history-codec.js";
import { Market } from "../../web/js/data/market.js";
import { roundedTarget, wayText, wayTo } from "../../web/js/data/way-to-price.js";
import { Levels } from "../../web/js/wire/levels.js";
import { history } from "./lqh1.js";

const ROWS = 100;

/** Longs of 10,000 USD a level from 50 to 99, shorts from 100 to 149, and single levels that stand out. */
function market() {
  const made = new Market("BTCUSDT");
  made.takeHistory(decodeHistory(history({ columns: 4, rows: ROWS, p0: 50, step: 1 }).bytes));
  /** @type {number[]} */
  const long = Array.from({ length: ROWS }, (_, i) => (i < 50 ? 10_000 : 0));
  /** @type {number[]} */
  const short = Array.from({ length: ROWS }, (_, i) => (i >= 50 ? 10_000 : 0));
  long[30] = 1_000_000; // 80
  short[60] = 500_000; // 110
  short[75] = 2_000_000; // 125
  made.takeSnapshot({
    symbol: "BTCUSDT", timeMs: made.header ? made.header.t0 + 1 : 0, epoch: 1, seq: 1, stale: false, source: "simulated",
    quality: [], kernel: "tiered", silent: {}, levels: new Levels({ p0: 50, step: 1, long, short }), currentPrice: 99.6,
    created: 0, consumed: 0, full: true,
  });
  return made;
}

test("up it sums the shorts and down the longs, with the clusters on the way, largest first", () => {
  const up = wayTo(market(), 130);
  assert.equal(up?.side, "short");
  assert.equal(up?.usd, 500_000 + 2_000_000 + 29 * 10_000);
  assert.deepEqual(up?.clusters.map(({ price }) => price), [125, 110]);
  const down = wayTo(market(), 75);
  assert.deepEqual([down?.side, down?.usd, down?.isBeyond], ["long", 1_000_000 + 24 * 10_000, false]);
  assert.deepEqual(down?.clusters.map(({ price }) => price), [80]);
});

test("the sentence says where, how far, what, and through what", () => {
  const text = (/** @type {number} */ to) => wayText(/** @type {import("../../web/js/data/way-to-price.js").Way} */ (wayTo(market(), to)));
  assert.equal(text(130), "to 130.0 (+30.52 %): $2.79M shorts, 2 clusters, largest 125");
  assert.equal(text(112), "to 112.0 (+12.45 %): $620K shorts, 1 cluster at 110");
  assert.match(text(98), /: \$20\.0K longs, no cluster$/);
  assert.match(text(40), /^to 40\.0 \(−59\.84 %\): beyond the range, up to its end \$1\.49M longs, 1 cluster at 80$/);
});

test("nothing is said while nothing is known, and prices are asked about to a tenth of a level", () => {
  assert.equal(wayTo(new Market("BTCUSDT"), 100), null);
  assert.equal(roundedTarget(103_512.34, 100), 103_510);
  assert.equal(roundedTarget(0.123456, 0.0001), 0.12346);
});
