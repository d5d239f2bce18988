// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { countByIndex, Tiles } from "../../web/js/chart/tiles.js";
import { decodeHistory } from "../../web/js/data/history-codec.js";
import { CHUNK, HistoryMatrix } from "../../web/js/data/history-matrix.js";
import { history } from "./lqh1.js";

const made = history({ columns: 700, rows: 37 });
const newMatrix = () => new HistoryMatrix(decodeHistory(made.bytes));

test("a tile shows the larger of both sides, or the side asked for", () => {
  const tiles = new Tiles(newMatrix());
  tiles.show("density", "both");
  const at = (/** @type {number} */ c, /** @type {number} */ r) => tiles.tile(0, 0, Math.floor(c / CHUNK)).values[r * CHUNK + (c % CHUNK)];
  for (const [c, r] of [[0, 0], [256, 36], [699, 12]]) {
    assert.equal(at(c, r), Math.max(made.long[c * 37 + r], made.short[c * 37 + r]));
  }
  tiles.show("density", "long");
  assert.equal(at(300, 9), made.long[300 * 37 + 9]);
});

test("pooling loses no bright cell at any level: the largest of the cells under it is what each shows", () => {
  const tiles = new Tiles(newMatrix());
  tiles.show("density", "both");
  for (const [across, up] of [[1, 0], [0, 1], [2, 3], [3, 5]]) {
    for (let index = 0; index << across < 3; index++) {
      const tile = tiles.tile(across, up, index);
      const wanted = new Uint16Array(tile.values.length);
      for (let x = 0; x < CHUNK << across; x++) {
        const c = (index * CHUNK << across) + x;
        for (let r = 0; c < 700 && r < 37; r++) {
          const to = (r >> up) * CHUNK + (x >> across);
          wanted[to] = Math.max(wanted[to], made.long[c * 37 + r], made.short[c * 37 + r]);
        }
      }
      assert.deepEqual(tile.values, wanted);
    }
  }
});

test("a changed column changes its tiles exactly as drawing them anew would", () => {
  for (const view of /** @type {const} */ (["density", "clusters"])) {
    const matrix = newMatrix();
    const tiles = new Tiles(matrix);
    tiles.show(view, "both");
    const levels = [[0, 0, 2], [1, 0, 1], [2, 2, 0], [0, 1, 2]];
    for (const [across, up, index] of levels) tiles.tile(across, up, index);
    const cells = Uint16Array.from({ length: 37 }, (_, r) => (r * 53) % 900);
    matrix.setColumn(699, cells, new Uint16Array(37));
    tiles.touch(699);
    const anew = new Tiles(matrix);
    anew.show(view, "both");
    for (const [across, up, index] of levels) {
      assert.deepEqual(tiles.tile(across, up, index).values, anew.tile(across, up, index).values);
      assert.ok(tiles.tile(across, up, index).dirty.size === 1);
    }
  }
});

test("cells are counted by quantised value within the part in sight", () => {
  const tiles = new Tiles(newMatrix());
  tiles.show("density", "long");
  const tile = tiles.tile(0, 0, 0);
  const counts = countByIndex([{ tile, fromX: 10, toX: 20, fromY: 0, toY: 37 }]);
  assert.equal(counts.reduce((a, b) => a + b, 0), 370);
  const index = made.long[15 * 37 + 4];
  assert.ok(counts[index] >= 1);
});

test("tiles long out of sight are let go", () => {
  const tiles = new Tiles(newMatrix());
  for (let frame = 0; frame < 500; frame++) {
    tiles.nextFrame();
    tiles.tile(frame % 7, frame % 9, 0);
    tiles.tile(0, 0, frame % 3);
  }
  const first = tiles.tile(0, 0, 0);
  assert.equal(tiles.tile(0, 0, 0), first);
});
