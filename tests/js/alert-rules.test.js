// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { due, noRules, readRules, watches } from "../../web/js/tools/alert-rules.js";

/** @type {import("../../web/js/tools/alert-rules.js").Seen} */
const seen = {
  symbol: "BTCUSDT",
  timeMs: 1_700_000_000_000,
  price: 100_000,
  before: 99_990,
  clusters: [{ side: "short", price: 100_400, low: 100_350, high: 100_450, usd: 8e6 }],
  liquidations: [
    { timeMs: 1_700_000_000_000 - 400_000, usd: 9e6 },
    { timeMs: 1_700_000_000_000 - 60_000, usd: 6e5 },
    { timeMs: 1_700_000_000_000 - 1000, usd: 6e5 },
  ],
};

test("alerts are off until switched on", () => {
  assert.ok(!watches(noRules()));
  assert.deepEqual(due(noRules(), seen, new Map()), []);
});

test("a large cluster within reach is raised once, and again after ten minutes", () => {
  const rules = { ...noRules(), near: { on: true, percent: 0.5, usd: 5e6 } };
  const raisedAt = new Map();
  assert.match(due(rules, seen, raisedAt)[0].text, /\$8\.00M of shorts at 100,400/);
  assert.deepEqual(due(rules, { ...seen, timeMs: seen.timeMs + 599_000 }, raisedAt), []);
  assert.equal(due(rules, { ...seen, timeMs: seen.timeMs + 601_000 }, raisedAt).length, 1);
  assert.equal(due(rules, { ...seen, timeMs: seen.timeMs - 86_400_000 }, raisedAt).length, 1, "a replay that began anew");
  assert.deepEqual(due({ ...rules, near: { ...rules.near, percent: 0.3 } }, seen, new Map()), []);
  assert.deepEqual(due({ ...rules, near: { ...rules.near, usd: 9e6 } }, seen, new Map()), []);
});

test("a cascade is what was really liquidated within the minutes asked for", () => {
  const rules = { ...noRules(), cascade: { on: true, minutes: 5, usd: 1e6 } };
  assert.match(due(rules, seen, new Map())[0].text, /\$1\.20M liquidated within 5 min/);
  assert.deepEqual(due({ ...rules, cascade: { on: true, minutes: 5, usd: 2e6 } }, seen, new Map()), []);
});

test("a level raises an alert when the price crosses it, and only then", () => {
  const rules = { ...noRules(), levels: [{ symbol: "BTCUSDT", price: 99_995 }] };
  assert.match(due(rules, seen, new Map())[0].text, /crossed 99,995.0 upwards/);
  assert.deepEqual(due(rules, { ...seen, before: 100_001 }, new Map()), []);
  assert.deepEqual(due(rules, { ...seen, before: null }, new Map()), []);
  assert.deepEqual(due(rules, { ...seen, symbol: "ETHUSDT" }, new Map()), []);
});

test("a price that dances around a level is told of once in each direction, and again after ten minutes", () => {
  const rules = { ...noRules(), levels: [{ symbol: "BTCUSDT", price: 99_995 }] };
  const raisedAt = new Map();
  const told = (/** @type {number} */ second) => {
    const prices = second % 2 ? { before: 100_000, price: 99_990 } : { before: 99_990, price: 100_000 };
    return due(rules, { ...seen, ...prices, timeMs: seen.timeMs + 1000 * second }, raisedAt).map(({ text }) => text);
  };
  const both = ["crossed 99,995.0 upwards", "crossed 99,995.0 downwards"];
  assert.deepEqual(Array.from({ length: 600 }, (_, second) => told(second)).flat(), both);
  assert.deepEqual([...told(600), ...told(601)], both);
});

test("damaged storage is as if nothing were set", () => {
  assert.deepEqual(readRules("x"), noRules());
  assert.deepEqual(readRules({ near: { on: 1, percent: -2, usd: "a" }, levels: [{ symbol: 1, price: 2 }, null], notify: "yes" }), noRules());
  const kept = { ...noRules(), levels: [{ symbol: "BTCUSDT", price: 5 }], sound: true };
  assert.deepEqual(readRules(JSON.parse(JSON.stringify(kept))), kept);
});
