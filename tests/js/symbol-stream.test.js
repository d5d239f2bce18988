// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { Levels } from "../../web/js/wire/levels.js";
import { SymbolStream } from "../../web/js/wire/symbol-stream.js";

/**
 * @param {number} seq
 * @returns {any}
 */
const delta = (seq) => ({ type: "delta", symbol: "BTCUSDT", epoch: 1, seq, prev_seq: seq - 1, checksum: 0, data: { long: { i: [], v: [] }, short: { i: [], v: [] } } });

test("a resync is requested once, and again if ten more deltas could not be used", () => {
  const stream = new SymbolStream(1);
  const faults = Array.from({ length: 24 }, (_, i) => stream.take(delta(i + 2)).fault);
  assert.deepEqual(faults.flatMap((why, i) => (why ? [i] : [])), [0, 10, 20]);
  assert.equal(faults[0], "gap");
});

test("a new connection requests afresh", () => {
  const stream = new SymbolStream(1);
  stream.take(delta(2));
  assert.equal(stream.take(delta(3)).fault, "");
  stream.connectionLost();
  assert.equal(stream.take(delta(4)).fault, "gap");
});

test("a damaged delta leaves what is shown as it was", () => {
  const stream = new SymbolStream(1);
  const levels = new Levels({ p0: 1, step: 1, long: [5], short: [0] });
  const head = { symbol: "BTCUSDT", timestamp: "2026-06-01T00:00:00Z", epoch: 1, stale: false, source: "live" };
  const data = { p0: 1, step: 1, long: [5], short: [0], current_price: 1 };
  const { snapshot } = stream.take({ ...head, type: "snapshot", seq: 1, checksum: levels.checksum(), data });
  const changes = { long: { i: [0], v: [9] }, short: { i: [], v: [] }, current_price: 1 };
  const { fault } = stream.take({ ...head, type: "delta", seq: 2, prev_seq: 1, checksum: 1, data: changes });
  assert.equal(fault, "checksum");
  assert.deepEqual([...(snapshot?.levels.long ?? [])], [5]);
});
