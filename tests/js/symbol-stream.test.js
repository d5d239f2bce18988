// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { SymbolStream } from "../../web/js/wire/symbol-stream.js";

/** @param {number} seq */
const delta = (seq) => ({ type: "delta", symbol: "BTCUSDT", epoch: 1, seq, prev_seq: seq - 1, checksum: 0, data: { long: { i: [], v: [] }, short: { i: [], v: [] } } });

test("a whole state is asked for once, and again if ten more deltas could not be used", () => {
  const stream = new SymbolStream(1);
  const asks = Array.from({ length: 24 }, (_, i) => stream.take(delta(i + 2)).ask);
  assert.deepEqual(asks.flatMap((why, i) => (why ? [i] : [])), [0, 11, 22]);
  assert.equal(asks[0], "gap");
});

test("a new connection asks afresh", () => {
  const stream = new SymbolStream(1);
  stream.take(delta(2));
  assert.equal(stream.take(delta(3)).ask, "");
  stream.connectionLost();
  assert.equal(stream.take(delta(4)).ask, "gap");
});

test("a snapshot told as objects is somebody else's", () => {
  const stream = new SymbolStream(1);
  const told = { type: "snapshot", symbol: "BTCUSDT", epoch: 1, seq: 1, data: { levels: [] } };
  assert.deepEqual(stream.take(told), { news: null, ask: "" });
  assert.equal(stream.account.received, 0);
});
