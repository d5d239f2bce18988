// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeHistory } from "../../web/js/data/history-codec.js";
import { encode, header, history, random } from "./lqh1.js";

test("every cell and candle of a history comes back as it was written", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const made = history({ columns: 1 + (seed % 7), rows: 1 + ((seed * 5) % 11) }, seed);
    const read = decodeHistory(made.bytes);
    assert.deepEqual(read.long, made.long);
    assert.deepEqual(read.short, made.short);
    made.candles.forEach((candle, c) => {
      assert.equal(read.candles.open[c], (candle?.open ?? NaN) / 10);
      assert.equal(read.candles.close[c], (candle?.close ?? NaN) / 10);
      assert.equal(read.candles.high[c], (candle?.high ?? NaN) / 10);
      assert.equal(read.candles.low[c], (candle?.low ?? NaN) / 10);
    });
  }
});

test("a gap has no candle, and the next open counts from the close before it", () => {
  const head = header({ columns: 3, gaps: [[1, 1]] });
  const none = new Uint16Array(24);
  const candle = { open: 1000, high: 1010, low: 990, close: 1005 };
  const { candles } = decodeHistory(encode(head, none, none, [candle, null, { ...candle, open: 1007 }]));
  assert.ok(Number.isNaN(candles.open[1]));
  assert.equal(candles.open[2], 100.7);
});

test("bytes that are something else, or cut short, are refused in a sentence", () => {
  assert.throws(() => decodeHistory(new ArrayBuffer(4)), /cut short/);
  assert.throws(() => decodeHistory(new TextEncoder().encode('{"error":"no"}').buffer), /not LQH1/);
  assert.throws(() => decodeHistory(history().bytes.slice(0, -1)), /cut short/);
});

test("packed levels come back as they were, near each other and far apart, groups of leverage too", () => {
  for (const groups of [undefined, ["to 10x", "to 25x", "above"]]) {
    const [next, count, columns, rows] = [random(7), groups?.length ?? 1, 11, 9];
    const cells = columns * count * rows;
    const splits = Array.from({ length: columns * count }, () => Math.floor(next() * (rows + 1)));
    const steps = Array.from({ length: cells }, () => (next() < 0.2 ? 0 : Math.floor(next() < 0.5 ? 380 + 20 * next() : 1085 * next())));
    const side = (/** @type {boolean} */ isShort) =>
      Uint16Array.from(steps, (step, i) => (i % rows >= splits[Math.floor(i / rows)] === isShort ? step : 0));
    const [long, short] = [side(false), side(true)];
    const bytes = encode(header({ columns, rows, packed: true, groups }), long, short, []);
    const read = decodeHistory(bytes);
    assert.deepEqual(read.long, long);
    assert.deepEqual(read.short, short);
    assert.equal(read.candles.close.length, columns);
    for (const cut of [1, 2, 100]) assert.throws(() => decodeHistory(bytes.slice(0, -cut)), /cut short/);
  }
});
