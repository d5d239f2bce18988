// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeHistory } from "../../web/js/data/history-codec.js";
import { CHUNK, HistoryMatrix } from "../../web/js/data/history-matrix.js";
import { history } from "./lqh1.js";

/** @param {Parameters<typeof history>[0]} given */
function matrixOf(given) {
  const made = history(given);
  return { made, matrix: new HistoryMatrix(decodeHistory(made.bytes)) };
}

test("columns hold the history's cells and candles, gaps none", () => {
  const { made, matrix } = matrixOf({ columns: 600, rows: 5, gaps: [[300, 2]] });
  for (const c of [0, 255, 256, 599]) assert.deepEqual(matrix.column(c)?.long, made.long.subarray(c * 5, c * 5 + 5));
  assert.ok(matrix.isGap(300) && matrix.isGap(301) && !matrix.isGap(302));
  assert.equal(matrix.candle(300), null);
  assert.equal(matrix.candle(1)?.close, (made.candles[1]?.close ?? 0) / 10);
});

test("times and prices map to columns and rows, cell centres being round prices", () => {
  const { matrix } = matrixOf({ rows: 8, p0: 100, step: 2 });
  assert.equal(matrix.columnAt(matrix.timeOf(3)), 3);
  assert.equal(matrix.columnAt(matrix.timeOf(3) - 1), 2);
  assert.equal(matrix.rowAt(100), 0);
  assert.equal(matrix.rowAt(100.99), 0);
  assert.equal(matrix.rowAt(101.01), 1);
  assert.equal(matrix.bottom, 99);
  assert.equal(matrix.top, 115);
});

test("however many columns come, no more than the window and two chunks are kept, and they keep their number", () => {
  const { matrix } = matrixOf({ columns: 300, rows: 3 });
  const long = Uint16Array.of(1, 2, 3);
  let gone = 0;
  for (let c = 300; c < 5000; c++) {
    gone += matrix.extendTo(c, 300);
    matrix.setColumn(c, long, long);
    matrix.setCandle(c, { open: c, high: c, low: c, close: c });
    assert.ok(matrix.end - matrix.first <= 300 + 2 * CHUNK);
    assert.ok(matrix.end - matrix.first >= 300);
  }
  assert.equal(matrix.first, gone);
  assert.equal(matrix.first % CHUNK, 0);
  assert.deepEqual(matrix.column(4999)?.long, long);
  assert.equal(matrix.candle(4700)?.open, 4700);
  assert.equal(matrix.column(matrix.first - 1), null);
});

test("columns that live updates passed over are no gaps: they are not known yet", () => {
  const { matrix } = matrixOf({ columns: 4 });
  matrix.extendTo(7, 4);
  assert.equal(matrix.end, 8);
  assert.deepEqual([4, 5, 6, 7].map((c) => matrix.isUnseen(c)), [true, true, true, false]);
  assert.ok([4, 5, 6].every((c) => !matrix.isGap(c) && !matrix.candle(c)));
  assert.deepEqual([...(matrix.column(5)?.long ?? [])], new Array(8).fill(0));
  matrix.setColumn(5, new Uint16Array(8), new Uint16Array(8));
  assert.ok(!matrix.isUnseen(5));
});
