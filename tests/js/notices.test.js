// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { merged, newest, readNotices } from "../../web/js/data/notices.js";

const own = [
  { time: 5000, sentence: "BTCUSDT: crossed 100,000 upwards" },
  { time: 1000, sentence: "ETHUSDT · binance: $2.00M liquidated within 5 min" },
];

test("what the page and the server raised is one list by time", () => {
  const raised = [
    { time: 9000, rule: "a", sentence: "BTCUSDT: a cluster was swept" },
    { time: 3000, rule: "b", sentence: "SOLUSDT crossed 180" },
  ];
  assert.deepEqual(merged(own, raised).map(({ time }) => time), [9000, 5000, 3000, 1000]);
  assert.deepEqual(merged([], raised), raised);
});

test("what both raised of one cause is shown once, what the server alone raised stays", () => {
  const of = (/** @type {number} */ time, /** @type {string} */ sentence) => ({ time, rule: "page-level-0", sentence });
  assert.deepEqual(merged(own, [of(6000, "[SIMULATED] BTCUSDT crossed 100,000")]), own);
  assert.equal(merged(own, [of(6000, "SOLUSDT crossed 180")]).length, 3, "of another market");
  assert.equal(merged(own, [of(900_000, "BTCUSDT crossed 100,000")]).length, 3, "while the page was closed");
  assert.equal(merged(own, [{ ...of(6000, "BTCUSDT crossed 100,000"), rule: "mine" }]).length, 3, "of another rule");
});

test("the fifty newest are held, each once", () => {
  const many = Array.from({ length: 60 }, (_, time) => ({ time, sentence: "BTCUSDT: swept" }));
  assert.deepEqual(newest([...many, ...many]).map(({ time }) => time), Array.from({ length: 50 }, (_, i) => 59 - i));
});

test("damaged storage is as if nothing was raised", () => {
  assert.deepEqual(readNotices(JSON.stringify(own)), own);
  const damaged = [null, "x", "{", "{}", "[null, 1, {}]", '[{"time": "5", "sentence": "a"}]', '[{"time": 1e16, "sentence": "a"}]'];
  for (const text of damaged) assert.deepEqual(readNotices(text), [], String(text));
});
