// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeHistory } from "../../web/js/data/history-codec.js";
import { gridOfMix, historyOfTiers, mixOfTiers } from "../../web/js/data/leverage-planes.js";
import { Market } from "../../web/js/data/market.js";
import { DEQUANTISED, quantise } from "../../web/js/data/quantise.js";
import { encode, history } from "./lqh1.js";

const groups = ["to 10x", "to 25x", "to 50x"];
const [columns, rows] = [5, 4];

/** A history of three tiers, as the server sends it. */
function planes() {
  const made = history({ columns, rows: rows * groups.length });
  return decodeHistory(encode({ ...made.head, rows, groups }, made.long, made.short, made.candles));
}

test("some tiers are added up, cell by cell, and the candles stay", () => {
  const all = planes();
  assert.equal(all.long.length, columns * rows * groups.length);
  for (const tiers of [[0], [1, 2], []]) {
    const { long, candles } = historyOfTiers(all, tiers);
    assert.equal(candles, all.candles);
    for (let c = 0; c < columns; c++) {
      for (let r = 0; r < rows; r++) {
        const usd = (tiers.length ? tiers : [0, 1, 2]).reduce((sum, tier) => sum + DEQUANTISED[all.long[(c * 3 + tier) * rows + r]], 0);
        assert.equal(long[c * rows + r], quantise(usd));
      }
    }
  }
});

test("a mix keeps its tiers' places, and adds up to levels", () => {
  const mix = { groups, long: [[1, 2], [10, 20], [100, 200]], short: [[3, 0], [30, 0], [300, 0]] };
  const some = mixOfTiers(mix, [0, 2]);
  assert.deepEqual(some.long, [[1, 2], [0, 0], [100, 200]]);
  assert.deepEqual(gridOfMix(some, { p0: 7, step: 1 }), { p0: 7, step: 1, long: [101, 202], short: [303, 0] });
  assert.equal(mixOfTiers(mix, []), mix);
});

test("a market of some tiers is of those alone: polled levels count, the socket's do not", () => {
  const market = new Market("BTCUSDT");
  market.takeHistory(historyOfTiers(planes(), [1]), [], [1]);
  const mix = { groups, p0: 100, step: 1, long: [[5, 0], [7000, 0], [9, 0]], short: [[0, 1], [0, 8000], [0, 2]] };
  const answer = { timestamp: "2026-01-01T00:00:00Z", epoch: 1, seq: 1, stale: false, source: "simulated", mix };
  market.takeColumns({ ...answer, data: { p0: 100, step: 1, long: [7014, 0], short: [0, 8003], current_price: 100.5 } }, { asNow: true });
  assert.deepEqual(market.now?.grid.long, [7000, 0]);
  assert.deepEqual(market.mix?.long, [[0, 0], [7000, 0], [0, 0]]);
  assert.deepEqual(market.wholeMix?.long[0], [5, 0]);
});
