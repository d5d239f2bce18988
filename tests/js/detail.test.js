// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { detailFor, detailParam, LEAST_ROWS } from "../../web/js/data/detail.js";

const WHOLE = { step: 50, bottom: 90_000, top: 112_000 };

test("forty rows in sight serve; of fewer a finer part is fetched, down to the model's own", () => {
  assert.equal(detailFor([], WHOLE, null), null);
  assert.equal(detailFor([100_000, 102_000], WHOLE, null), null);
  for (const span of [1990, 1200, 500, 100, 10]) {
    const detail = detailFor([100_000, 100_000 + span], WHOLE, null);
    assert.ok(detail, `${span}`);
    assert.ok(span / detail.step >= LEAST_ROWS || Math.abs(detail.step - 20) < 0.01, `${span}: ${detail.step}`);
    assert.ok(detail.low <= 100_000 - 2500 && detail.high >= 100_000 + span + 2500);
    assert.ok((detail.high - detail.low) / detail.step < 590, "no more than the server makes");
  }
});

test("a part is kept while it holds what is in sight, and let go where all prices serve", () => {
  const held = detailFor([100_000, 101_000], WHOLE, null);
  assert.equal(detailFor([100_100, 101_300], WHOLE, held), held);
  assert.notEqual(detailFor([104_500, 105_500], WHOLE, held), held);
  assert.equal(detailFor([99_000, 103_000], WHOLE, held), null);
  assert.equal(detailFor([], WHOLE, held), held);
  assert.equal(detailFor([80_000, 89_000], WHOLE, held), null);
});

test("nothing is asked for that is no finer", () => {
  assert.equal(detailFor([100_000, 100_100], { ...WHOLE, step: 20 }, null), null);
  assert.deepEqual(detailParam(null), {});
  assert.deepEqual(detailParam({ step: 20.000000001, low: 0.00001234, high: 2 }), {
    price_bin_size: "20",
    min_price: "0.00001234",
    max_price: "2",
  });
});
