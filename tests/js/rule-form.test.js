// Rules of the server: the form's figures there and back, and their words.
import assert from "node:assert/strict";
import { test } from "node:test";

import { describe, draftOf, KINDS, newDraft, ruleOf } from "../../web/js/tools/rule-form.js";

test("a rule of every kind is the same after the form, without what its kind does not have", () => {
  for (const kind of /** @type {(keyof typeof KINDS)[]} */ (Object.keys(KINDS))) {
    for (const ranked of [false, true]) {
      const draft = { ...newDraft("BTCUSDT", 98_000), kind, ranked, size: 90 };
      const rule = ruleOf("id", draft);
      assert.deepEqual(ruleOf("id", draftOf(rule)), rule, kind);
      assert.equal(rule.price, kind === "price" ? 98_000 : undefined);
      assert.equal(rule.window_s, kind === "cascade" ? 300 : undefined);
      assert.equal(rule.min_percentile, ranked && kind !== "price" ? 90 : undefined);
      assert.equal(rule.min_usd, kind !== "price" && rule.min_percentile === undefined ? 9e7 : undefined);
    }
  }
});

test("a rule is described in a trader's words", () => {
  assert.equal(
    describe({ id: "1", kind: "sweep", symbol: "BTCUSDT", min_usd: 5e6 }),
    "Cluster swept, from $5.00M, BTCUSDT, every 15 min at most",
  );
  assert.equal(
    describe({ id: "1", kind: "cluster", min_percentile: 90, within_percent: 2, cooldown_s: 60 }),
    "Cluster near the price, from the 90th percentile, within 2 %, all markets, every 1 min at most",
  );
  assert.equal(
    describe({ id: "1", kind: "cascade", symbol: "*", window_s: 300 }),
    "Cascade of liquidations, in 5 min, all markets, every 15 min at most",
  );
  assert.equal(
    describe({ id: "1", kind: "cascade", symbol: "BTCUSDT", min_percentile: 95, window_s: 60 }),
    "Cascade of liquidations, from the 95th percentile, in 1 min, BTCUSDT, every 15 min at most",
  );
  assert.match(describe({ id: "1", kind: "price", symbol: "BTCUSDT", price: 98_000 }), /^Price crossed, 98,000/);
  assert.match(describe({ id: "1", kind: "stale" }), /^Data stale, all markets/);
});
