// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { isMeasured, largestAt, MEASURED, MeasuredPositions } from "../../web/js/data/measured.js";

/** @param {Partial<import("../../web/js/data/rest-client.js").MeasuredPosition>} given */
function position(given) {
  return {
    address: "0x1234..abcd", side: /** @type {"long"} */ ("long"), usd: 1e6, entry: 100, level: 90,
    margin: /** @type {"cross"} */ ("cross"), age_ms: 61_000, moves_with_others: true, ...given,
  };
}

test("the layer is shown alone", () => {
  assert.equal(isMeasured({ chosen: [MEASURED] }), true);
  assert.equal(isMeasured({ chosen: [] }), false);
  assert.equal(isMeasured({ chosen: [MEASURED, "okx"] }), false);
});

test("a band lists its five largest positions, those of half a step around it", () => {
  const all = [9, 8, 7, 6, 5, 4].map((usd) => position({ usd, level: 90.4 }));
  const found = largestAt([position({ level: 91 }), ...all, position({ level: 89.4 })], 90, 1);
  assert.deepEqual(found.map(({ usd }) => usd), [9, 8, 7, 6, 5]);
});

test("what the server says is asked for again after ten seconds, and kept meanwhile and after a failure", async () => {
  let now = 0;
  let asked = 0;
  let changed = 0;
  const answer = async () => {
    asked += 1;
    if (asked === 2) throw new Error("no answer");
    return { source: "simulated", sentence: `answer ${asked}`, data: [] };
  };
  const kept = new MeasuredPositions(answer, () => now);
  const look = () => kept.of("BTCUSDT", () => (changed += 1))?.sentence;
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  assert.equal(look(), undefined);
  assert.equal(look(), undefined);
  await settled();
  assert.deepEqual([asked, changed, look()], [1, 1, "answer 1"]);
  now = 10_001;
  look();
  await settled();
  assert.deepEqual([asked, changed, look()], [2, 1, "answer 1"]);
  now = 20_002;
  look();
  await settled();
  assert.deepEqual([asked, changed, look()], [3, 2, "answer 3"]);
});

test("a band of small positions is asked for by itself, once, where the largest of all are not in it", async () => {
  /** @type {unknown[]} */
  const asked = [];
  let changed = 0;
  const large = Array.from({ length: 200 }, (_, i) => position({ usd: 1e6 - i, level: i < 5 ? 90 : 50 }));
  const small = [position({ usd: 3, level: 70 })];
  const answer = async (/** @type {string} */ symbol, /** @type {object} */ band = {}) => {
    asked.push(band);
    return { source: "simulated", data: "low" in band ? small : large };
  };
  const kept = new MeasuredPositions(answer, () => 0);
  const look = (/** @type {number} */ price) => kept.largest("BTCUSDT", price, 2, () => (changed += 1));
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(look(70), []);
  await settled();
  assert.equal(look(90).length, 5);
  assert.deepEqual(look(70), []);
  look(60);
  await settled();
  assert.deepEqual(look(70), small);
  assert.deepEqual(asked, [{}, { low: 69, high: 71, limit: 5 }]);
  assert.equal(changed, 2);
  for (let price = 100; price < 300; price += 2) {
    look(price);
    await settled();
  }
  assert.equal(asked.length, 102);
});
