// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { Drawings, formatDrawings, MOST_DRAWINGS, parseDrawings } from "../../web/js/state/drawings.js";

/** @type {import("../../web/js/state/drawings.js").Sketch} */
const line = { kind: "line", from: { timeMs: 1000, price: 5 }, to: { timeMs: 2000, price: 6 }, text: "a" };

test("what was kept comes back, and what is none of ours is left out", () => {
  const kept = formatDrawings([{ ...line, id: "d1" }]);
  const [back, ...rest] = parseDrawings(kept);
  assert.deepEqual({ ...back, id: "" }, { ...line, id: "" });
  assert.deepEqual(rest, []);
  const rows = [["line", 1, 2, 3, 4, "ok"], ["circle", 1, 2, 3, 4, ""], ["box", 1, -2, 3, 4, ""], ["box", "1", 2, 3, 4], 7, null];
  assert.deepEqual(parseDrawings(JSON.stringify(rows)).map(({ text }) => text), ["ok"]);
  assert.deepEqual(parseDrawings('[["text", 1, 2, 1, 2, ""]]'), [], "a text without words is nowhere to be seen");
  for (const broken of ["{", "{}", "7", null, "null"]) assert.deepEqual(parseDrawings(broken), []);
  const many = JSON.stringify(Array.from({ length: 80 }, () => ["text", 1, 2, 3, 4, "x".repeat(500)]));
  assert.equal(parseDrawings(many).length, MOST_DRAWINGS);
  assert.equal(parseDrawings(many)[0].text.length, 80);
});

test("a market holds fifty of its own, prices stay above zero, and every change is told", () => {
  const drawings = new Drawings();
  let told = 0;
  drawings.subscribe(() => told++);
  for (let i = 0; i < MOST_DRAWINGS; i++) assert.ok(drawings.add("BTCUSDT", line));
  assert.equal(drawings.add("BTCUSDT", line), null);
  assert.ok(drawings.add("ETHUSDT", line));
  assert.equal(told, MOST_DRAWINGS + 1);
  const { id } = drawings.of("ETHUSDT")[0];
  drawings.change("ETHUSDT", id, { to: { timeMs: 1, price: -1 } });
  assert.equal(drawings.of("ETHUSDT")[0].to.price, 6);
  drawings.change("ETHUSDT", id, { to: { timeMs: 1, price: 7 } });
  assert.equal(drawings.of("ETHUSDT")[0].to.price, 7);
  drawings.remove("ETHUSDT", id);
  assert.deepEqual(drawings.of("ETHUSDT"), []);
  assert.equal(drawings.of("BTCUSDT").length, MOST_DRAWINGS);
});

test("another tab's drawings are taken; other keys are not", () => {
  const drawings = new Drawings();
  drawings.add("SOLUSDT", line);
  drawings.takeStored("liqstream.settings", "[]");
  assert.equal(drawings.of("SOLUSDT").length, 1);
  drawings.takeStored("liqstream.drawings.SOLUSDT", formatDrawings([]));
  assert.equal(drawings.of("SOLUSDT").length, 0);
});
