// @ts-check
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { colourTable, holds, quantileUsd, shares } from "../../web/js/chart/colour-scale.js";
import { PALETTES } from "../../web/js/chart/palettes.js";
import { DEQUANTISED, INDEX_COUNT, quantise } from "../../web/js/data/quantise.js";

const SCALES = /** @type {const} */ (["sqrt", "linear", "log", "rank"]);

test("the palettes are the exact tables", () => {
  assert.deepEqual([...PALETTES.viridis.slice(0, 3)], [68, 1, 84]);
  assert.deepEqual([...PALETTES.viridis.slice(-3)], [253, 231, 37]);
  assert.deepEqual([...PALETTES.magma.slice(0, 3)], [0, 0, 4]);
  assert.deepEqual([...PALETTES.magma.slice(-3)], [252, 253, 191]);
  // SHA-256 of the bytes of matplotlib's tables of these names, which are the published ones.
  const digest = (/** @type {Uint8Array} */ bytes) => createHash("sha256").update(bytes).digest("hex");
  assert.equal(digest(PALETTES.viridis), "18545f7c72a02f02a54f2e3f6ff9dcf357e0190ab9117a1f8fae44c6eaf179e0");
  assert.equal(digest(PALETTES.magma), "f95197e8391d18e2c1db50f2a1ab8650ab7c2a9acb781704a8156872615f002b");
});

test("the colour is full at the 99.5th percentile of what stands, whatever the empty cells", () => {
  const counts = new Uint32Array(INDEX_COUNT);
  counts[0] = 1e6;
  counts[100] = 990;
  counts[500] = 10;
  assert.equal(quantileUsd(counts, 0.5), DEQUANTISED[100]);
  assert.equal(quantileUsd(counts, 0.995), DEQUANTISED[500]);
  assert.equal(quantileUsd(new Uint32Array(INDEX_COUNT), 0.995), 0);
});

test("the scale holds while it is off by no more than 15 %", () => {
  assert.ok(holds(100, 114) && holds(100, 86));
  assert.ok(!holds(100, 120) && !holds(100, 80) && !holds(0, 5));
});

test("more USD is never a lower colour, below the threshold nothing is drawn, above the top it is full", () => {
  const counts = new Uint32Array(INDEX_COUNT).fill(3);
  for (const scale of SCALES) {
    const share = shares({ scale, low: 10_000, high: 1e7, counts });
    let before = -1;
    for (let index = 0; index < INDEX_COUNT; index++) {
      if (DEQUANTISED[index] < 10_000) assert.equal(share[index], -1);
      else assert.ok(share[index] >= before && share[index] >= 0 && share[index] <= 1, `${scale} ${index}`);
      before = Math.max(before, share[index]);
    }
    if (scale !== "rank") assert.equal(share[quantise(2e7)], 1);
  }
});

test("a quarter of the top is half of the square-root scale", () => {
  const share = shares({ scale: "sqrt", low: 0, high: 1e6 });
  assert.ok(Math.abs(share[quantise(250_000)] - 0.5) < 0.01);
});

test("colours fade in from nothing, turn round for the light theme, and lose their hue when stale", () => {
  const share = shares({ scale: "sqrt", low: 0, high: 1e6 });
  const palette = PALETTES.viridis;
  const dark = colourTable(share, { palette, reversed: false, grey: false });
  assert.equal(dark[0], 0);
  assert.ok(dark[1] >>> 24 < 60);
  assert.equal(dark[quantise(1e6)].toString(16), "ff25e7fd"); // 253, 231, 37 and opaque
  const light = colourTable(share, { palette, reversed: true, grey: false });
  assert.equal(light[quantise(1e6)].toString(16), "ff540144"); // 68, 1, 84
  const grey = colourTable(share, { palette, reversed: false, grey: true })[quantise(3e5)];
  assert.ok((grey & 255) === ((grey >>> 8) & 255) && (grey & 255) === ((grey >>> 16) & 255));
});
