// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { RUNG_USD, RUNGS, rungOf } from "../../web/js/data/ladder.js";

test("the ladder is the server's: nothing, 500 USD, then steps of 2 % in whole USD", () => {
  assert.deepEqual([...RUNG_USD.slice(0, 5)], [0, 500, 510, 520, 531]);
  assert.equal(RUNG_USD[1000], Math.round(500 * 1.02 ** 999));
});

test("every rung finds itself", () => {
  for (let rung = 0; rung < RUNGS - 1; rung++) assert.equal(rungOf(RUNG_USD[rung]), rung);
});

test("what is below the floor is nothing, and anything else is at most half a step off", () => {
  assert.equal(rungOf(499), 0);
  for (let usd = 500; usd < 1e11; usd *= 1.0071) {
    assert.ok(Math.abs(RUNG_USD[rungOf(usd)] / usd - 1) < 0.0112, String(usd));
  }
});

test("whatever is beyond the ladder is its top rung, never nothing", () => {
  for (const usd of [1e13, 1e38, 1e300, Infinity]) assert.equal(rungOf(usd), RUNGS - 1, String(usd));
});
