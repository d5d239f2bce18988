// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "../../web/js/wire/crc32.js";
import { Levels } from "../../web/js/wire/levels.js";

test("the checksum is zlib's CRC-32", () => {
  assert.equal(crc32(new TextEncoder().encode("123456789")), 0xcbf43926);
});

test("the levels' checksum covers p0, step, long and short as little-endian float64", () => {
  // python: zlib.crc32(struct.pack("<6d", 98000, 50, 1500, 0, 0, 700))
  const levels = new Levels({ p0: 98_000, step: 50, long: [1500, 0], short: [0, 700] });
  assert.equal(levels.checksum(), 1647424703);
});

test("a delta changes what it names; one that is off the grid is refused", () => {
  const levels = new Levels({ p0: 1, step: 1, long: [1, 2, 3], short: [4, 5, 6] });
  assert.ok(levels.apply({ i: [2], v: [9] }, { i: [], v: [] }));
  assert.deepEqual([...levels.long], [1, 2, 9]);
  assert.ok(!levels.apply({ i: [3], v: [9] }, { i: [], v: [] }));
});
